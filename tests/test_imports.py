"""Every package imports only from the packages before it in ORDER."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "cursivetransformer"
# Lowest first, as docs/architecture.md draws them. Training draws its samples with `pipeline`.
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
NUMPY_ONLY = ("ink", "layout")  # packages that may not import torch


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def layer(dotted: str) -> str:
    return dotted.split(".")[1]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Yield the dotted names of the modules that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_imports_only_from_packages_below_it(path):
    package = layer(name_of(path))
    assert package in ORDER, f"{package} is not in ORDER"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "cursivetransformer" and len(parts) > 1 and parts[1] in ORDER:
            assert ORDER.index(parts[1]) <= ORDER.index(package), f"{name_of(path)} imports {name}"


def test_no_two_modules_import_each_other():
    """There is no import cycle, within a package neither."""
    names = {name_of(path) for path in modules()}
    edges = {name_of(path): {n for n in imports(path) if n in names} for path in modules()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path, name))
        if name not in done:
            for imported in edges[name] - {name}:
                visit(imported, (*path, name))
            done.add(name)

    for name in names:
        visit(name, ())


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_geometry_and_layout_know_no_torch(path):
    if layer(name_of(path)) in NUMPY_ONLY:
        assert not any(name.split(".")[0] == "torch" for name in imports(path))
