"""Learn a handwriting, and write any text in it: `from cursivetransformer import Writer`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cursivetransformer.pipeline import Writer

__all__ = ["Writer"]
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    # Import torch only where it is needed: reading settings or laying out a page starts fast.
    if name == "Writer":
        from cursivetransformer.pipeline import Writer

        return Writer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
