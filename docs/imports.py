"""Draw which packages import which: python -m docs.imports docs/imports.png [--tree OTHER_CHECKOUT]

A box for each package, or for each module where the package is one flat folder, lowest at the bottom.
An arrow goes from who imports to what is imported, as wide as the number of import statements.
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
    """The package of a module, or the module itself where it stands in none."""
    parts = path.relative_to(package).with_suffix("").parts
    return parts[0]


def imports(path: Path) -> Iterator[str]:
    """The parts of the program that a file imports, one for each statement."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == NAME:
            parts = node.module.split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]


def count_imports(tree: Path) -> tuple[list[str], Counter[tuple[str, str]]]:
    """All parts, and how many statements import one from another."""
    package = tree / NAME
    files = [path for path in sorted(package.rglob("*.py")) if path != package / "__init__.py"]
    parts = sorted({part_of(path, package) for path in files})
    counts: Counter[tuple[str, str]] = Counter()
    for path in files:
        own = part_of(path, package)
        counts.update((own, other) for other in imports(path) if other in parts and other != own)
    return parts, counts


def layers(parts: list[str], counts: Counter[tuple[str, str]]) -> dict[str, int]:
    """How far above what imports nothing each part stands; parts of a circle stand together."""
    level = dict.fromkeys(parts, 0)
    for _ in parts:
        for one, other in counts:
            if counts[one, other] and (other, one) not in counts:
                level[one] = max(level[one], min(level[other] + 1, len(parts)))
    return level


def draw(path: str, parts: list[str], counts: Counter[tuple[str, str]]) -> None:
    """Draw the parts and their imports to a picture."""
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
    for (one, other), n in sorted(counts.items()):
        downward = level[one] > level[other]
        axes.add_patch(
            FancyArrowPatch(
                place[one],
                place[other],
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
