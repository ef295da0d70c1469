"""Draw which packages import which.

    python -m docs.imports docs/imports.png [--tree OTHER_CHECKOUT]

Each package is a box, lowest at the bottom; so is each module outside the packages. An arrow leads
from the importing to the imported package. Its width is the number of import statements.
"""

import argparse
import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch

ROOT = Path(__file__).parent.parent
NAME = "cursivetransformer"
PER_ROW = 4
INK, UPWARD = "#1a2a5e", "#c0392b"


def part_of(path: Path, package: Path) -> str:
    """Return the package of a module, or the module itself if it is in none."""
    return path.relative_to(package).with_suffix("").parts[0]


def imports(path: Path) -> Iterator[str]:
    """Yield the part that each import statement of a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == NAME:
            parts = node.module.split(".")
            if len(parts) > 1:
                yield parts[1]
            else:
                yield from (alias.name for alias in node.names)


def count_imports(tree: Path) -> tuple[list[str], Counter[tuple[str, str]]]:
    """Return all parts, and the number of import statements of each (importer, imported)."""
    package = tree / NAME
    files = [path for path in sorted(package.rglob("*.py")) if path != package / "__init__.py"]
    parts = sorted({part_of(path, package) for path in files})
    counts: Counter[tuple[str, str]] = Counter()
    for path in files:
        importer = part_of(path, package)
        counts.update(
            (importer, imported)
            for imported in imports(path)
            if imported in parts and imported != importer
        )
    return parts, counts


def layers(parts: list[str], counts: Counter[tuple[str, str]]) -> dict[str, int]:
    """Return the level of each part: 0 if it imports nothing, else one above what it imports.

    Two parts that import each other do not raise each other's level.
    """
    level = dict.fromkeys(parts, 0)
    for _ in parts:
        for importer, imported in counts:
            if counts[importer, imported] and (imported, importer) not in counts:
                level[importer] = max(level[importer], min(level[imported] + 1, len(parts)))
    return level


def draw(path: str, parts: list[str], counts: Counter[tuple[str, str]]) -> None:
    """Draw the parts and their imports to an image file."""
    level = layers(parts, counts)
    rows: dict[int, list[str]] = {}
    for part in parts:
        rows.setdefault(level[part], []).append(part)
    place = {}
    for row, names in sorted(rows.items()):
        for i, name in enumerate(names):
            place[name] = (4.0 * (i + 0.5) / len(names) * max(1, len(names) / PER_ROW), float(row))
    wide = max(x for x, _ in place.values()) + 1.0
    figure, axes = plt.subplots(figsize=(1.7 * wide, 0.75 * (max(rows) + 1.6)), dpi=110)
    for (importer, imported), n in sorted(counts.items()):
        downward = level[importer] > level[imported]
        axes.add_patch(
            FancyArrowPatch(
                place[importer],
                place[imported],
                connectionstyle="arc3,rad=0.12",
                arrowstyle="-|>",
                mutation_scale=9,
                shrinkA=13,
                shrinkB=13,
                linewidth=0.5 + 0.18 * n,
                color=INK if downward else UPWARD,
                alpha=0.45,
            )
        )
    for name, (x, y) in place.items():
        box = dict(boxstyle="round,pad=0.35", facecolor="white", edgecolor=INK)
        axes.text(x, y, name, ha="center", va="center", fontsize=9, bbox=box, zorder=3)
    axes.set(xlim=(-0.5, wide), ylim=(-0.6, max(rows) + 0.6))
    axes.axis("off")
    figure.savefig(path, bbox_inches="tight", metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--tree", type=Path, default=ROOT)
    options = parser.parse_args()
    parts, counts = count_imports(options.tree)
    draw(options.out, parts, counts)
    print(f"{options.out}: {len(parts)} parts, {len(counts)} pairs, {counts.total()} imports")


if __name__ == "__main__":
    main()
