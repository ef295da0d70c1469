"""The settings of using a trained model, to write pages and to measure it, and their rules."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict

from cursivetransformer.config.args import (
    FRACTION,
    SEED,
    Bounds,
    Settings,
    Usage,
    check_values,
    read_settings,
    require,
    same_setting,
    setting,
)
from cursivetransformer.config.train import Config

PAPERS = ("plain", "ruled", "squared", "dotted")
FEED = Bounds(0, 1_000_000, "millimeters per minute", above=True)
ALIGNMENTS = ("left", "justified", "center", "right")

WRITE = Usage(
    "write",
    "Write a text in a learned hand.",
    (
        '"Dear Ada, this is my hand." --out dear.svg',
        "--file letter.txt --page A5 --paper ruled --out letter.pdf,letter.png",
        '"Happy birthday!" --author Edith --out wish.gif',
        '"Dear Ada, ..." --rewrite 2,7:3 --out dear.svg',
        "--list_authors",
    ),
    positional="text",
    join=" ",
    advice="put a text of several words in quotes",
)
EVALUATE = Usage(
    "evaluate",
    "Measure a model of a handwriting.",
    (
        "--out report",
        "--checkpoint runs/NAME/best.pt --best_of 1,8 --out report",
    ),
    positional="checkpoint",
    advice="measure one model at a time",
)


@dataclass
class SampleConfig(Settings):
    """The settings of writing pages. Lengths are in millimeters."""

    # Text
    text: str = setting("", "text to write; - reads it from standard input", "text", everyday=True)
    file: str = setting(
        "", "text file to write, in UTF-8; - reads standard input", "text", everyday=True
    )
    missing: str = setting(
        "fail",
        "how to treat a character that the model has not learned: refuse it, skip it, "
        "replace it by a similar one (é by e), or skip it only if there is none",
        "text",
        choices=("fail", "skip", "replace", "replace-or-skip"),
        aliases={"replace,skip": "replace-or-skip"},
        everyday=True,
    )
    reflow: bool = setting(
        False,
        "treat single line breaks as spaces, as in a text wrapped at a fixed column; "
        "empty lines and indents still begin paragraphs",
        "text",
    )
    long_words: str = setting(
        "break",
        "how to treat a word that is longer than a line: break it with hyphens, or shrink it",
        "text",
        choices=("break", "shrink"),
    )

    # Output
    out: str = setting(
        "",
        "files to write, joined by commas, of the formats that their endings name: .svg, "
        ".animated.svg, .png, .pdf, .gif, .gcode, .hpgl, .json, .inkml, .xopp; "
        "empty takes sample.svg, with --list_authors authors.png",
        "output",
        everyday=True,
    )
    strokes: str = setting(
        "auto",
        "'line' draws strokes of constant width, for machines; 'outline' draws shapes that swell "
        "and thin, for reading; 'auto' takes lines in .svg and outlines in .png, .pdf and .gif",
        "output",
        choices=("auto", "line", "outline"),
    )
    pen_width: float = setting(
        0.3,
        "width of the ink in millimeters",
        "output",
        Bounds(0.01, 20, "millimeters"),
        everyday=True,
    )
    swell: float = setting(
        0.5,
        "how much outlines swell where the pen is slow: 0 not at all, 1 much",
        "output",
        FRACTION,
    )
    ink_jitter: float = setting(
        0.08,
        "standard deviation of the width of outlines, along and between strokes, "
        "as a fraction of it; 0 for none",
        "output",
        FRACTION,
    )
    ink_color: str = setting(
        "#1a2a5e", "color of the ink, by its name or as #rrggbb", "output", everyday=True
    )
    dpi: int = setting(200, "dots per inch of .png", "output", Bounds(20, 2400))
    attention: str = setting(
        "", "image (.png) to write that shows which letter each stroke attends to", "output"
    )

    # Page
    page: str = setting(
        "auto",
        "A3, A4, A5, A6, letter, legal, or width x height in millimeters, like 148x105; "
        "'auto' is as small as the text, and A4 pages where it needs more",
        "page",
        everyday=True,
    )
    landscape: bool = setting(False, "use the page in landscape orientation", "page")
    margin: str = setting(
        "",
        "millimeters around the text: one number, or top,right,bottom,left; "
        "empty takes 20, on an 'auto' page as small as its text two x-heights",
        "page",
        everyday=True,
    )
    paper: str = setting("plain", "ruling of the paper", "page", choices=PAPERS, everyday=True)
    grid: float = setting(
        5.0,
        "millimeters between the lines or dots of squared and dotted paper",
        "page",
        Bounds(1, 100, "millimeters"),
    )
    draw_paper: bool = setting(
        True, "draw the ruling; without it, the text stays where the lines would be", "page"
    )

    # Layout
    x_height: float | None = setting(
        None,
        "x-height in millimeters; empty takes 2.5, or what suits line_height",
        "layout",
        Bounds(0.5, 100, "millimeters"),
        everyday=True,
    )
    line_height: float | None = setting(
        None,
        "millimeters from line to line; empty takes 3.2 x-heights",
        "layout",
        Bounds(1, 500, "millimeters"),
    )
    fit: bool = setting(
        False,
        "use the largest x-height at which the whole text fits on one page",
        "layout",
        everyday=True,
    )
    line_width: float | None = setting(
        None,
        "maximum line width in millimeters; empty takes what the margins leave",
        "layout",
        Bounds(10, 5000, "millimeters"),
        everyday=True,
    )
    align: str = setting(
        "left",
        "alignment of the lines between the margins",
        "layout",
        choices=ALIGNMENTS,
        aliases={"centre": "center"},
        everyday=True,
    )
    indent: float = setting(
        0.0,
        "millimeters to indent the first line of each paragraph, besides the spaces before it",
        "layout",
        Bounds(0, 1000, "millimeters"),
    )
    paragraph_space: float = setting(
        1.0, "height of an empty line of the text, in lines", "layout", Bounds(0, 100, "lines")
    )
    word_space: float = setting(
        1.2,
        "space between the ink of two words, in x-heights",
        "layout",
        Bounds(0, 100, "x-heights"),
    )
    word_space_jitter: float = setting(
        0.12,
        "standard deviation of the space between words, as a fraction of it; 0 for none",
        "layout",
        FRACTION,
    )
    slope_jitter: float = setting(
        0.2,
        "standard deviation of the slope of the lines in degrees; 0 for none",
        "layout",
        Bounds(0, 10, "degrees"),
    )
    margin_jitter: float = setting(
        0.4,
        "standard deviation of where lines begin, in x-heights; 0 for none; "
        "justified lines always begin at the margin",
        "layout",
        Bounds(0, 10, "x-heights"),
    )
    line_jitter: float = setting(
        0.12,
        "standard deviation of a line's height on the page, in x-heights; 0 for none; "
        "much less on ruled, squared and dotted paper",
        "layout",
        Bounds(0, 10, "x-heights"),
    )
    normalize_slant: float = setting(
        0.5,
        "fraction to remove of each word's deviation from the mean slant of its hand",
        "layout",
        FRACTION,
        was="even_slant",
    )
    normalize_baseline: float = setting(
        0.5,
        "fraction to remove of each word's deviation from where its letters stand in its hand",
        "layout",
        FRACTION,
    )
    normalize_size: float = setting(
        0.5,
        "fraction to remove of each word's deviation from the mean height of its hand",
        "layout",
        FRACTION,
        was="even_size",
    )
    smooth: float = setting(
        1.0,
        "how far to move jittery points onto the curve of their neighbors; "
        "0 draws every point where the model put it",
        "layout",
        FRACTION,
    )

    # Hand
    author: str = setting(
        "",
        "author whose hand to write in; empty takes the one with the most training words, "
        "'unknown' no particular one",
        "hand",
        everyday=True,
    )
    style_from: str = setting(
        "",
        "word whose style to follow: BANK.json#17 for entry 17 of a bank, BANK.json#NAME for "
        "a word by that author; or the name of an author of the model",
        "hand",
        was="like",
    )
    list_authors: bool = setting(
        False,
        "list the authors of the model, and draw the text in the hand of each to --out",
        "hand",
        everyday=True,
    )

    # Spelling
    respell: int | None = setting(
        None,
        "maximum number of versions of a word that the recognizer misreads; "
        "empty takes 8 if there is a recognizer",
        "spelling",
        Bounds(1, 1000),
    )
    rewrite: str = setting(
        "",
        "numbers of words to write again, like 2,4; 2:3 for the third new version; "
        "the other words stay the same",
        "spelling",
        everyday=True,
    )
    recognizer_dir: str = same_setting(Config, "recognizer_dir", group="spelling")

    # Model
    checkpoint: str = setting(
        "",
        "model to write with; 'base' is the one that ships; empty takes the newest in run_dir",
        "model",
        everyday=True,
    )
    run_dir: str = setting("runs", "folder to search for the newest checkpoint", "model")
    device: str = setting("cpu", "cuda, mps or cpu; 'auto' takes the first available one", "model")

    # Sampling
    temperature: float = setting(
        0.6,
        "below 1 writes more regularly, above 1 more freely; 0 takes the likeliest token",
        "sampling",
        Bounds(0, 100),
        everyday=True,
    )
    top_k: int = setting(
        0, "sample only from the k likeliest tokens; 0 for all", "sampling", Bounds(0, 1_000_000)
    )
    top_p: float = setting(
        0.95,
        "sample only from the likeliest tokens that together have this probability",
        "sampling",
        Bounds(0.001, 1),
    )
    bias: float = setting(
        0.0,
        "neatness: 0 writes as the hand does, 1 and more ever closer to its likeliest form",
        "sampling",
        Bounds(0, 100),
        everyday=True,
    )
    seed: int = setting(
        0, "random seed; the same seed writes the same ink again", "sampling", SEED, everyday=True
    )

    # Animation
    pace: float = setting(
        4.0,
        "letters per second of .gif and .animated.svg",
        "animation",
        Bounds(0.1, 1000, "letters per second"),
    )
    gif_width: int = setting(
        1000, "maximum width of a .gif in pixels", "animation", Bounds(16, 4000, "pixels")
    )
    fps: int = setting(
        20, "frames per second of a .gif", "animation", Bounds(1, 50, "frames per second")
    )

    # Plotter
    pen_down: str = setting(
        "",
        "G-code that lowers the pen, several commands joined by |; "
        "empty takes G1 Z0 F1000, in inches G1 Z0 F40",
        "plotter",
    )
    pen_up: str = setting(
        "", "G-code that lifts the pen; empty takes G0 Z5, in inches G0 Z0.2", "plotter"
    )
    gcode_start: str = setting(
        "", "G-code commands after the units are set and before the pen moves", "plotter"
    )
    gcode_end: str = setting("", "G-code commands at the end", "plotter")
    feed: float = setting(1500.0, "millimeters per minute with the pen down", "plotter", FEED)
    travel_feed: float = setting(3000.0, "millimeters per minute with the pen up", "plotter", FEED)
    gcode_units: str = setting("mm", "units of the G-code", "plotter", choices=("mm", "inch"))
    origin: str = setting(
        "bottom-left",
        "corner of the page at 0, 0 in .gcode; y grows upward from the bottom, "
        "downward from the top",
        "plotter",
        choices=("bottom-left", "top-left"),
    )
    plot_order: str = setting(
        "short",
        "order of the words: 'short' minimizes travel with the pen up, 'written' follows the text",
        "plotter",
        choices=("short", "written"),
    )
    bounds: str = setting(
        "",
        "reach of the plotter from the origin, as width x height in millimeters, like 300x218; "
        "ink beyond it is refused",
        "plotter",
    )


@dataclass
class EvaluationSettings(Settings):
    """The settings of measuring a model."""

    checkpoint: str = same_setting(SampleConfig, "checkpoint")
    run_dir: str = same_setting(SampleConfig, "run_dir")
    device: str = same_setting(SampleConfig, "device")
    dataset_name: str = setting(
        "", "bank to compare with; empty takes the bank of the model", "data", everyday=True
    )
    recognizers: str = setting(
        "",
        "folder of the two recognizers; empty takes those of the model's bank in recognizer_dir",
        "data",
        was="readers",
    )
    recognizer_dir: str = same_setting(Config, "recognizer_dir", group="data")
    max_words: int = setting(
        0,
        "maximum number of words of each text; 0 for all",
        "data",
        Bounds(0, 1_000_000),
        was="most_words",
        everyday=True,
    )
    author: str = setting(
        "",
        "author who writes the texts, as in sampling; empty alternates all authors",
        "sampling",
        everyday=True,
    )
    best_of: tuple[int, ...] = setting(
        (1, 4, 8, 16),
        "numbers of versions of a misread word to report",
        "sampling",
        Bounds(1, 1000),
        everyday=True,
    )
    temperature: float = same_setting(SampleConfig, "temperature")
    top_k: int = same_setting(SampleConfig, "top_k")
    top_p: float = same_setting(SampleConfig, "top_p")
    bias: float = same_setting(SampleConfig, "bias")
    seed: int = same_setting(SampleConfig, "seed")
    out: str = setting(
        "evaluation",
        "path of the report without its ending: OUT.json, OUT.md and OUT.png",
        "output",
        everyday=True,
    )


class SamplingSettings(Protocol):
    """The settings of sampling tokens, which several commands share."""

    temperature: float
    top_k: int
    top_p: float
    bias: float
    seed: int


class SamplingOptions(TypedDict):
    """Keyword arguments of the sampler."""

    temperature: float
    top_k: int
    top_p: float
    seed: int


def get_sample_args(
    use_argparse: bool = True, argv: Sequence[str] | None = None, **overrides: Any
) -> SampleConfig:
    """Return the checked settings of writing pages; see `config.train.get_all_args`."""
    config = read_settings(SampleConfig, WRITE, use_argparse, argv, overrides)
    config.out = config.out or ("authors.png" if config.list_authors else "sample.svg")
    check_sample_config(config)
    return config


def get_evaluation_args(
    use_argparse: bool = True, argv: Sequence[str] | None = None, **overrides: Any
) -> EvaluationSettings:
    """Return the checked settings of measuring a model; see `config.train.get_all_args`."""
    return read_settings(EvaluationSettings, EVALUATE, use_argparse, argv, overrides)


def changed(config: SampleConfig, **changes: Any) -> SampleConfig:
    """Return a checked copy of `config` with `changes`. Raises `UserError`."""
    copy = dataclasses.replace(config, **check_values(SampleConfig, changes))
    check_sample_config(copy)
    return copy


def sampling_options(settings: SamplingSettings) -> SamplingOptions:
    """Return the settings of sampling as arguments of the sampler.

    `bias` raises every probability to the power 1 + bias, as a lower temperature does. Idea and
    name are from A. Graves, "Generating sequences with recurrent neural networks"
    (arXiv:1308.0850), section 5.4.
    """
    return {
        "temperature": settings.temperature / (1 + settings.bias),
        "top_k": settings.top_k,
        "top_p": settings.top_p,
        "seed": settings.seed,
    }


def check_sample_config(config: SampleConfig) -> None:
    """Check that the settings of writing pages can work together. Raises `UserError`."""
    given_twice = bool(config.file and config.text)
    require(config, {"file": (not given_twice, "left out where a text is given")})
