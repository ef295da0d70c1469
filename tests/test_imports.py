"""Who may import whom: every package imports only from those before it in ORDER."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cursivetransformer"
# Lowest first, as docs/architecture.md draws them. `pipeline` is what training draws its samples with.
ORDER = (
    "utils",
    "ink",
    "config",
    "bank",
    "data",
    "recognition",
    "models",
    "sampling",
    "layout",
    "render",
    "synthesis",
    "pipeline",
    "evaluation",
    "training",
    "cli",
    "__main__",
)
NUMPY_ONLY = ("ink", "layout")  # packages that do without torch


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def layer(dotted: str) -> str:
    return dotted.split(".")[1]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """The dotted names of the modules that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_imports_only_from_packages_below_it(path):
    own = layer(name_of(path))
    assert own in ORDER, f"{own} has no place in ORDER"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "cursivetransformer" and len(parts) > 1 and parts[1] in ORDER:
            assert ORDER.index(parts[1]) <= ORDER.index(own), f"{name_of(path)} imports {name}"


def test_no_two_modules_import_each_other():
    """Within a package the imports have no circle."""
    names = {name_of(path) for path in modules()}
    edges = {name_of(path): {n for n in imports(path) if n in names} for path in modules()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way, name))
        if name not in done:
            for other in edges[name] - {name}:
                visit(other, (*way, name))
            done.add(name)

    for name in names:
        visit(name, ())


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_geometry_and_layout_know_no_torch(path):
    if layer(name_of(path)) in NUMPY_ONLY:
        assert not any(name.split(".")[0] == "torch" for name in imports(path))
