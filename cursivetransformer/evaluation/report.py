"""Write an evaluation as files: JSON, Markdown tables, and an image of the misread words."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cursivetransformer.render.specimen import Cell, save_cells
from cursivetransformer.utils.io import atomic_path, check_writable
from cursivetransformer.utils.wording import plural

if TYPE_CHECKING:
    from cursivetransformer.evaluation.evaluator import WrittenWord

MAX_CHARACTERS = 12
MAX_WORDS = 28


def check_out(out: str) -> None:
    """Raise `UserError` if no report can be written to OUT. Call this before the evaluation."""
    for path in _report_paths(out):
        check_writable(path)


def save_report(report: Mapping[str, Any], written: Sequence["WrittenWord"], out: str) -> list[str]:
    """Write what `evaluate` returned to OUT.json, OUT.md and OUT.png; return their paths.

    Each file is written completely or not at all.
    """
    json_path, markdown_path, image_path = _report_paths(out)
    with atomic_path(json_path) as path:
        path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    with atomic_path(markdown_path) as path:
        path.write_text(markdown(report), encoding="utf-8")
    draw_worst(report, written, image_path)
    return [json_path, markdown_path, image_path]


def _report_paths(out: str) -> list[str]:
    return [f"{out}.{ending}" for ending in ("json", "md", "png")]


def markdown(report: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    blocks = [
        *_summary(report),
        *_legibility(report),
        *_misread_characters(report),
        *_style(report),
    ]
    return "\n\n".join(blocks) + "\n"


def _summary(report: Mapping[str, Any]) -> list[str]:
    """Return the blocks on the model, its loss and its speed."""
    settings = ", ".join(
        f"{name} {value}" for name, value in report["settings"].items() if name != "best_of"
    )
    loss = report["loss"]
    figures = (
        f"Held-out words: {loss['nats_per_offset']:.3f} nats or {loss['bits_per_offset']:.3f} bits "
        f"per offset, {loss['nats_per_token']:.3f} nats per token."
    )
    if "1" in report["generated"]:
        speed = report["generated"]["1"]["tokens_per_second"]
        figures += f" {speed:,.0f} tokens written in a second."
    return [
        f"# {report['checkpoint']}",
        f"Step {report['step']}, bank {report['bank']}; {settings}.",
        figures,
    ]


def _legibility(report: Mapping[str, Any]) -> list[str]:
    """Return the blocks on error rates, with a column for each number of versions."""
    generated = report["generated"]
    fewest = _fewest_versions(report)
    rows: list[list[Any]] = []
    for name, counts in report["real"].items():
        blanks = [""] * (len(generated) - 1)
        rows.append([f"real ink, held out: {name}", counts["words"], _rates(counts), *blanks])
    for name, counts in generated[fewest]["sets"].items():
        rates = [_rates(part["sets"][name]) for part in generated.values()]
        rows.append([f"generated: {name}", counts["words"], *rates])
    seconds = [f"{part['seconds']:.1f}" for part in generated.values()]
    rows.append(["seconds for all generated words", "", *seconds])
    # A single version is kept unread.
    doubtful = [str(part["doubtful"]) if n != "1" else "" for n, part in generated.items()]
    rows.append(["of them doubtful to the selection recognizer", "", *doubtful])
    return [
        "## Legibility",
        "Characters, and words, that the evaluation recognizer misreads. Of a word that the "
        "selection recognizer misreads or is unsure of, up to so many versions are drawn:",
        _table(["ink", "words", *(f"versions: {n}" for n in generated)], rows),
    ]


def _misread_characters(report: Mapping[str, Any]) -> list[str]:
    """Return the blocks on misread characters and their positions."""
    fewest = _fewest_versions(report)
    counts = report["generated"][fewest]["all"]
    misread = [(char, c) for char, c in counts["by_character"].items() if c["misread"]]
    characters = [
        [_code(char), c["count"], c["misread"], _alternatives(c["read_as"])]
        for char, c in misread[:MAX_CHARACTERS]
    ]
    positions = [
        [name, c["count"], f"{c['misread']} ({c['misread'] / c['count']:.2%})"]
        for name, c in counts["by_place"].items()
    ]
    return [
        "## Which letters fail",
        f"Of the generated words, versions: {fewest}.",
        _table(["character", "written", "misread", "read as"], characters),
        _table(["place in the word", "written", "misread"], positions),
    ]


def _style(report: Mapping[str, Any]) -> list[str]:
    """Return the blocks on the distance from real ink."""
    style = report["style"]
    rows = [
        [measure, *(_distance(distances[measure]) for distances in style.values())]
        for measure in next(iter(style.values()))
    ]
    deviations = ", ".join(
        f"{name} {value:.3f}" for name, value in report["evenness"].items() if value is not None
    )
    return [
        "## Style",
        "1-Wasserstein distance of each measure from the real held-out ink, in its standard "
        "deviations: of the same words generated, and of as many other real words.",
        _table(["measure", *style], rows),
        f"Standard deviations within a hand, over the held-out words: {deviations} "
        "(slant in radians, height as a share).",
    ]


def _fewest_versions(report: Mapping[str, Any]) -> str:
    """Return the key of the generated words with the fewest versions."""
    return next(iter(report["generated"]))


def _rates(counts: Mapping[str, Any]) -> str:
    return f"{counts['cer']:.2%}, {counts['wer']:.1%}"


def _distance(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _alternatives(read_as: Mapping[str, int]) -> str:
    """Return what a character was read as, and how often."""
    return ", ".join(
        f"{_code(reading) if reading else 'nothing'} {n}" for reading, n in read_as.items()
    )


def _code(text: str) -> str:
    """Return a text as Markdown code."""
    return f"`{text}`" if text != "`" else "`` ` ``"


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def draw_worst(
    report: Mapping[str, Any], written: Sequence["WrittenWord"], path: str | Path
) -> None:
    """Draw the words misread worst with the fewest versions, each with its reading.

    Beside each word stands the same word selected from the most versions.
    """
    fewest, most = min(written[0].versions), max(written[0].versions)
    worst = [word for word in written if word.versions[fewest].edits][:MAX_WORDS]
    counts = report["generated"][str(fewest)]["all"]
    beside = f" and the same words with {plural(most, 'version')}" if most > fewest else ""
    heading = (
        f"{counts['wrong_words']} of {plural(counts['words'], 'word')} are misread with "
        f"{plural(fewest, 'version')}. The worst{beside}; red is misread."
    )
    cells = [_cell(word, n) for word in worst for n in sorted({fewest, most})]
    save_cells(path, heading, cells)


def _cell(word: "WrittenWord", n_versions: int) -> Cell:
    """Return a word under its text and its reading."""
    version = word.versions[n_versions]
    reading = version.reading or "as nothing"
    return Cell(
        f"{word.text}   reads   {reading}   ({plural(n_versions, 'version')})",
        version.points,
        "firebrick" if version.edits else "dimgray",
    )
