"""The settings of what a trained model is used for: writing pages, and being measured. As in `config.py`, each once."""

import dataclasses
from dataclasses import dataclass

from cursivetransformer.config.args import check_values, same_setting, setting
from cursivetransformer.config.rules import (
    page_rules,
    plotter_rules,
    require,
    sampling_rules,
)
from cursivetransformer.config.train import Config, settings_of

PAPERS = ("plain", "ruled", "squared", "dotted")
ALIGNMENTS = ("left", "justified", "centre", "right")


@dataclass
class SampleConfig:
    """The settings of sampling. Lengths are in millimetres."""

    text: str = setting("", "text to write; - reads it from standard input", "text")
    file: str = setting("", "text file to write, in UTF-8; - reads standard input", "text")
    missing: str = setting(
        "fail",
        "what to do about a character that the model has not learnt: refuse it, leave it out, or write what is like it (é as e)",
        "text",
        ("fail", "skip", "replace"),
    )
    reflow: bool = setting(
        False,
        "take single line breaks for spaces, as in a text wrapped at some column; empty lines and indents still begin paragraphs",
        "text",
    )
    long_words: str = setting(
        "break",
        "what to do about a word that is longer than a line: break it with hyphens, or write it smaller",
        "text",
        ("break", "shrink"),
    )

    out: str = setting(
        "",
        "files to write, joined by commas; the endings say what: .svg, .animated.svg, .png, .pdf, .gif, .gcode, .hpgl, .json, .inkml, .xopp; "
        "empty takes sample.svg, with --list_authors authors.png",
        "output",
    )
    strokes: str = setting(
        "auto",
        "'line' draws each stroke as one even line, for machines; 'outline' as a shape that swells and thins, for eyes; "
        "'auto' by the ending: lines in .svg, outlines in .png, .pdf and .gif",
        "output",
        ("auto", "line", "outline"),
    )
    pen_width: float = setting(0.45, "width of the ink in millimetres", "output")
    swell: float = setting(
        0.5,
        "how much the ink of an outline swells where the pen is slow: 0 not at all, 1 much",
        "output",
    )
    ink_color: str = setting("#1a2a5e", "colour of the ink, by its name or as #rrggbb", "output")
    dpi: int = setting(200, "dots per inch of .png", "output")
    attention: str = setting(
        "", "picture (.png) that shows which letter each stroke looked at", "output"
    )

    page: str = setting(
        "auto",
        "A3, A4, A5, A6, letter, legal, or width x height in millimetres, like 148x105; 'auto' is as small as the text, and A4 pages where it needs more",
        "page",
    )
    landscape: bool = setting(False, "turn the page to its side", "page")
    margin: str = setting(
        "",
        "millimetres around the text: one number, or top,right,bottom,left; empty takes 20, on a page as small as its text two x-heights",
        "page",
    )
    paper: str = setting("plain", "what is printed on the paper", "page", PAPERS)
    grid: float = setting(
        5.0, "millimetres between the lines or dots of squared and dotted paper", "page"
    )
    draw_paper: bool = setting(
        True, "draw the lines of the paper; without, the text stands where they would be", "page"
    )

    x_height: float | None = setting(
        None,
        "height of a letter like x in millimetres; empty takes 2.5, or what suits line_height",
        "layout",
    )
    line_height: float | None = setting(
        None, "millimetres from line to line; empty takes 3.2 x-heights", "layout"
    )
    fit: bool = setting(
        False, "take the largest letters with which all the text is on one page", "layout"
    )
    line_width: float | None = setting(
        None, "longest line in millimetres; empty takes what the margins leave", "layout"
    )
    align: str = setting("left", "where the lines stand between the margins", "layout", ALIGNMENTS)
    indent: float = setting(
        0.0,
        "millimetres by which the first line of each paragraph is moved in, beside the spaces before it",
        "layout",
    )
    paragraph_space: float = setting(1.0, "height of an empty line of the text, in lines", "layout")
    word_space: float = setting(1.2, "between the ink of two words, in x-heights", "layout")
    word_space_jitter: float = setting(
        0.12,
        "standard deviation of the space between words, as a share of it; 0 for none",
        "layout",
    )
    slope_jitter: float = setting(
        0.2, "standard deviation of the slope of the lines in degrees; 0 for none", "layout"
    )
    normalize_slant: float = setting(
        0.5,
        "share of a word's deviation from the slant of its hand that is taken out",
        "layout",
        was="even_slant",
    )
    normalize_size: float = setting(
        0.5,
        "share of a word's deviation from the height of its hand that is taken out",
        "layout",
        was="even_size",
    )
    smooth: float = setting(
        1.0,
        "how far points that waver are moved onto the curve of their neighbours; 0 draws every point where the model put it",
        "layout",
    )

    author: str = setting(
        "",
        "whose hand, of those that the model knows; empty takes the one it has seen most of, 'unknown' nobody's in particular",
        "hand",
    )
    style_from: str = setting(
        "",
        "word whose style to follow: BANK.json#17 for the entry 17 of a bank, BANK.json#NAME for a word by that author; or an author that the model knows",
        "hand",
        was="like",
    )
    list_authors: bool = setting(
        False,
        "tell whose hands the model knows, and draw them to --out, each writing the text",
        "hand",
    )

    respell: int | None = setting(
        None,
        "versions, at most, of a word that the recognizer of the hand misreads; empty takes 8 where there is a recognizer",
        "spelling",
    )
    rewrite: str = setting(
        "",
        "numbers of words to write anew, like 2,4; 2:3 for the third new version; the others stay",
        "spelling",
    )
    recognizer_dir: str = same_setting(Config, "recognizer_dir", group="spelling")

    checkpoint: str = setting("", "model to write with; empty takes the newest one here", "model")
    run_dir: str = setting("runs", "folder that the newest checkpoint is looked for in", "model")
    device: str = setting(
        "cpu", "cuda, mps or cpu; 'auto' takes the first of them that is there", "model"
    )

    temperature: float = setting(
        0.6,
        "below 1 writes more regularly, above 1 more freely; 0 takes the likeliest token",
        "sampling",
    )
    top_k: int = setting(0, "draw only from the k likeliest tokens; 0 for all", "sampling")
    top_p: float = setting(
        0.95, "draw only from the likeliest tokens that together have this probability", "sampling"
    )
    bias: float = setting(
        0.0,
        "neatness: 0 writes as the hand does, 1 and more ever closer to its likeliest form",
        "sampling",
    )
    seed: int = setting(0, "seed: the same one writes the same ink again", "sampling")

    pace: float = setting(4.0, "letters that .gif and .animated.svg write in a second", "animation")
    gif_width: int = setting(1000, "pixels across a .gif, at most", "animation")
    fps: int = setting(20, "pictures a second of a .gif", "animation")

    pen_down: str = setting(
        "",
        "G-code that lowers the pen, several commands joined by |; empty takes G1 Z0 F1000, in inches G1 Z0 F40",
        "plotter",
    )
    pen_up: str = setting(
        "", "G-code that lifts the pen; empty takes G0 Z5, in inches G0 Z0.2", "plotter"
    )
    gcode_start: str = setting(
        "", "G-code commands after the units are set and before the pen moves", "plotter"
    )
    gcode_end: str = setting("", "G-code commands at the end", "plotter")
    feed: float = setting(1500.0, "millimetres a minute with the pen down", "plotter")
    travel_feed: float = setting(3000.0, "millimetres a minute with the pen up", "plotter")
    gcode_units: str = setting("mm", "units of the G-code", "plotter", ("mm", "inch"))
    origin: str = setting(
        "bottom-left",
        "corner of the page that is 0, 0 in .gcode; y grows upward from the bottom, downward from the top",
        "plotter",
        ("bottom-left", "top-left"),
    )
    plot_order: str = setting(
        "short",
        "order of the words: for 'short' ways of the lifted pen, or as 'written'",
        "plotter",
        ("short", "written"),
    )
    bounds: str = setting(
        "",
        "largest width x height in millimetres that the plotter reaches from the origin, like 300x218; ink beyond is refused",
        "plotter",
    )


@dataclass
class EvaluationSettings:
    """The settings of evaluating a model."""

    checkpoint: str = same_setting(SampleConfig, "checkpoint")
    run_dir: str = same_setting(SampleConfig, "run_dir")
    device: str = same_setting(SampleConfig, "device")
    dataset_name: str = setting(
        "", "bank to compare with; empty takes the one that the model learnt", "data"
    )
    recognizers: str = setting(
        "",
        "folder of the two recognizers; empty takes those of the model's bank in recognizer_dir",
        "data",
        was="readers",
    )
    recognizer_dir: str = same_setting(Config, "recognizer_dir", group="data")
    max_words: int = setting(0, "words of each text, at most; 0 for all", "data", was="most_words")
    author: str = setting(
        "", "who writes the texts, as in sampling; empty has the authors take turns", "sampling"
    )
    best_of: str = setting(
        "1,4,8,16", "numbers of versions of a misread word to report", "sampling"
    )
    temperature: float = same_setting(SampleConfig, "temperature")
    top_k: int = same_setting(SampleConfig, "top_k")
    top_p: float = same_setting(SampleConfig, "top_p")
    bias: float = same_setting(SampleConfig, "bias")
    seed: int = same_setting(SampleConfig, "seed")
    out: str = setting(
        "evaluation", "where the report goes: OUT.json, OUT.md and OUT.png", "output"
    )


def get_sample_args(use_argparse=True, argv=None, **overrides):
    """The settings of sampling, checked, as a `SampleConfig`; called like `config.get_all_args`."""
    config = settings_of(
        SampleConfig,
        "Write a text in a learnt hand.",
        use_argparse,
        argv,
        overrides,
        positional="text",
    )
    config.out = config.out or ("authors.png" if config.list_authors else "sample.svg")
    check_sample_config(config)
    return config


def changed(config, **changes):
    """A copy of a `SampleConfig` with `changes`, checked. Raises `UserError`."""
    config = dataclasses.replace(config, **check_values(SampleConfig, changes))
    check_sample_config(config)
    return config


def check_sample_config(config):
    """Refuse, before any work, settings that cannot work; raises `UserError`."""
    require(
        config,
        {
            **sampling_rules(config),
            **page_rules(config),
            **plotter_rules(config),
            "respell": (config.respell is None or config.respell >= 1, "1 or more"),
            "file": (not (config.file and config.text), "left out where a text is given"),
        },
    )


def sampling_options(config):
    """The settings of sampling that `generate.generate_rows` takes. bias raises every probability to the power 1 + bias, as a lower
    temperature does; A. Graves, "Generating sequences with recurrent neural networks" (arXiv:1308.0850), section 5.4, has the idea and
    the name."""
    return {
        "temperature": config.temperature / (1 + config.bias),
        "top_k": config.top_k,
        "top_p": config.top_p,
        "seed": config.seed,
    }


def get_evaluation_args(use_argparse=True, argv=None, **overrides):
    """The settings of evaluating, checked, as `EvaluationSettings`, best_of as a list; called like `config.get_all_args`."""
    config = settings_of(
        EvaluationSettings, "Measure a model of a handwriting.", use_argparse, argv, overrides
    )
    require(config, {**sampling_rules(config), "max_words": (config.max_words >= 0, "0 or more")})
    counts = config.best_of.split(",")
    require(
        config,
        {
            "best_of": (
                all(n.strip().isdecimal() and int(n) for n in counts),
                "whole numbers of 1 or more, joined by commas",
            )
        },
    )
    config.best_of = sorted({int(n) for n in counts})
    return config
