"""Learn a handwriting, and write any text in it: `from cursivetransformer import Writer`."""

__version__ = "0.1.0"


def __getattr__(name):
    # Late, so that what needs no model, like reading settings or laying out a page, does without torch's slow import.
    if name == "Writer":
        from cursivetransformer.pipeline import Writer

        return Writer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
