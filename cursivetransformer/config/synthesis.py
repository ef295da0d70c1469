"""The settings of making prompts to record and banks of synthetic ink, and their rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cursivetransformer.config.args import (
    Settings,
    Usage,
    at_least,
    between,
    read_settings,
    require,
    setting,
)

PROMPTS = Usage(
    "bank prompts",
    "Make prompts to record, and show how well they cover letters and pairs.",
    (
        "--out prompts.txt",
        "--size 300 --out prompts.txt --page collect.html",
    ),
)
SYNTH = Usage(
    "synth",
    "Write a bank of synthetic ink, or a sheet of synthetic hands.",
    (
        "--out synthetic.json.zip",
        "--words 500 --writers 3 --out synthetic.json --sheet hands.png",
    ),
)

# Settings that divide up the prompts; the rest are English words.
KIND_FRACTIONS = ("short", "random", "numbers")
# Settings that are fractions of the prompts of some kinds.
FEATURE_FRACTIONS = ("capitals", "all_capitals", "punctuation", "quotes", "parentheses", "joined")


@dataclass
class WordbankSettings(Settings):
    """The settings of making prompts."""

    kind: str = setting(
        "everyday",
        "'everyday' makes words and phrases that people write, in the order in which they serve a "
        "letter best; 'flat' makes all characters about equally frequent, with random strings",
        "prompts",
        choices=("everyday", "flat"),
        everyday=True,
    )
    size: int = setting(2500, "number of prompts to make", "prompts", everyday=True)
    short: float = setting(0.12, "fraction of English words of one to three letters", "prompts")
    random: float = setting(0.3, "fraction of random strings among flat prompts", "prompts")
    numbers: float = setting(
        0.1,
        "fraction of numbers: integers, decimals, thousands, years, times, dates",
        "prompts",
        everyday=True,
    )
    capitals: float = setting(
        0.25, "fraction of words and strings that start with a capital", "prompts", everyday=True
    )
    all_capitals: float = setting(0.02, "fraction of words and strings in all capitals", "prompts")
    punctuation: float = setting(
        0.2, "fraction of prompts that end with a punctuation mark", "prompts"
    )
    quotes: float = setting(0.05, "fraction of prompts in quotes", "prompts")
    parentheses: float = setting(0.04, "fraction of prompts in parentheses", "prompts")
    joined: float = setting(
        0.05,
        "fraction of words that contain an apostrophe, a hyphen, a slash or an ampersand",
        "prompts",
    )
    marks: str = setting("%+=@#*$", "other characters to use in prompts", "prompts")
    least: int = setting(
        20, "minimum number of occurrences of every character in flat prompts", "coverage"
    )
    pairs: int = setting(
        400,
        "number of the most common letter pairs that must each occur once in flat prompts",
        "coverage",
    )
    seed: int = setting(
        0, "random seed; the same seed makes the same prompts again", "run", everyday=True
    )
    out: str = setting(
        "",
        "text file to write, one prompt per line; empty prints only the coverage table",
        "run",
        everyday=True,
    )
    page: str = setting(
        "", "recording page (collect.html) to put the prompts into", "run", everyday=True
    )


@dataclass
class SynthSettings(Settings):
    """The settings of a bank of synthetic ink."""

    prompts: str = setting(
        "",
        "text file of prompts, one per line; empty takes data/wordbank.txt",
        "text",
        everyday=True,
    )
    words: int = setting(
        0, "number of words to write; 0 writes every prompt once", "text", everyday=True
    )
    writers: int = setting(
        12, "number of writers to divide the prompts among", "hands", everyday=True
    )
    fonts: str = setting(
        "own,hershey",
        "single-stroke fonts, joined by commas: own, hershey (package Hershey-Fonts), "
        "or paths of single-stroke .svg fonts",
        "hands",
        was="faces",
        everyday=True,
    )
    marks: str = setting(
        "auto",
        "when to write dots and crosses: after the 'letter', after the 'word', "
        "or 'auto', as each hand does",
        "hands",
        choices=("auto", "letter", "word"),
    )
    first_writer: int = setting(
        1, "seed of the first writer; each other writer takes the next seed", "hands", everyday=True
    )
    seed: int = setting(
        0,
        "seed of the writing; another seed keeps the hands and varies the ink",
        "run",
        everyday=True,
    )
    out: str = setting("", "bank to write, .json or .json.zip", "run", everyday=True)
    sheet: str = setting(
        "", "image to write of every writer's hand, .png or .svg", "run", everyday=True
    )
    text: str = setting(
        "The quick brown fox jumps over 13 lazy dogs.",
        "text that each writer writes on the sheet",
        "run",
        everyday=True,
    )


def get_wordbank_args(
    use_argparse: bool = True, argv: Sequence[str] | None = None, **overrides: Any
) -> WordbankSettings:
    """Return the checked settings of making prompts; see `config.train.get_all_args`."""
    config = read_settings(WordbankSettings, PROMPTS, use_argparse, argv, overrides)
    fractions = [*KIND_FRACTIONS, *FEATURE_FRACTIONS]
    require(
        config,
        {
            "size": between(config.size, 1, 1_000_000),
            **{name: between(getattr(config, name), 0, 1) for name in fractions},
            "least": at_least(config.least, 0),
            "pairs": at_least(config.pairs, 0),
            "marks": (all("!" <= char <= "~" for char in config.marks), "printable ASCII"),
        },
    )
    total = sum(getattr(config, name) for name in KIND_FRACTIONS)
    total_rule = (
        total <= 1,
        "so small that --short, --random and --numbers are at most 1 together",
    )
    require(config, {"random": total_rule})
    return config


def get_synth_args(
    use_argparse: bool = True, argv: Sequence[str] | None = None, **overrides: Any
) -> SynthSettings:
    """Return the checked settings of a synthetic bank; see `config.train.get_all_args`."""
    config = read_settings(SynthSettings, SYNTH, use_argparse, argv, overrides)
    require(
        config,
        {
            "words": at_least(config.words, 0),
            "writers": between(config.writers, 1, 10_000),
            "out": (
                not config.out or config.out.endswith((".json", ".json.zip")),
                "a .json or .json.zip file",
            ),
        },
    )
    return config
