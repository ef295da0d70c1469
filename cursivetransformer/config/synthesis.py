"""The settings of making prompts to record and banks of synthetic ink, and their rules."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cursivetransformer.config.args import (
    FRACTION,
    SEED,
    Bounds,
    Settings,
    Usage,
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

MAX_ON_SHEET = 500  # writers
MAX_EVERYDAY = 10_000  # prompts, each chosen as the one that adds most
# Settings that divide up the prompts; the rest are English words.
KIND_FRACTIONS = ("short", "random", "numbers")


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
    size: int = setting(
        2500, "number of prompts to make", "prompts", Bounds(1, 200_000), everyday=True
    )
    short: float = setting(
        0.12, "fraction of English words of one to three letters", "prompts", FRACTION
    )
    random: float = setting(
        0.3, "fraction of random strings among flat prompts", "prompts", FRACTION
    )
    numbers: float = setting(
        0.1,
        "fraction of numbers: integers, decimals, thousands, years, times, dates",
        "prompts",
        FRACTION,
        everyday=True,
    )
    capitals: float = setting(
        0.25,
        "fraction of words and strings that start with a capital",
        "prompts",
        FRACTION,
        everyday=True,
    )
    all_capitals: float = setting(
        0.02, "fraction of words and strings in all capitals", "prompts", FRACTION
    )
    punctuation: float = setting(
        0.2, "fraction of prompts that end with a punctuation mark", "prompts", FRACTION
    )
    quotes: float = setting(0.05, "fraction of prompts in quotes", "prompts", FRACTION)
    parentheses: float = setting(0.04, "fraction of prompts in parentheses", "prompts", FRACTION)
    joined: float = setting(
        0.05,
        "fraction of words that contain an apostrophe, a hyphen, a slash or an ampersand",
        "prompts",
        FRACTION,
    )
    marks: str = setting("%+=@#*$", "other characters to use in prompts", "prompts")
    least: int = setting(
        20,
        "minimum number of occurrences of every character in flat prompts",
        "coverage",
        Bounds(0, 100_000),
    )
    pairs: int = setting(
        400,
        "number of the most common letter pairs that must each occur once in flat prompts",
        "coverage",
        Bounds(0, 100_000),
    )
    seed: int = setting(
        0, "random seed; the same seed makes the same prompts again", "run", SEED, everyday=True
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
        0,
        "number of words to write; 0 writes every prompt once",
        "text",
        Bounds(0, 1_000_000),
        everyday=True,
    )
    writers: int = setting(
        12,
        "number of writers to divide the prompts among",
        "hands",
        Bounds(1, 10_000),
        everyday=True,
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
        1,
        "seed of the first writer; each other writer takes the next seed",
        "hands",
        Bounds(0, 10**9),
        everyday=True,
    )
    seed: int = setting(
        0,
        "seed of the writing; another seed keeps the hands and varies the ink",
        "run",
        SEED,
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
    total = sum(getattr(config, name) for name in KIND_FRACTIONS)
    require(
        config,
        {
            "marks": (all("!" <= char <= "~" for char in config.marks), "printable ASCII"),
            "size": (
                config.kind == "flat" or config.size <= MAX_EVERYDAY,
                f"at most {MAX_EVERYDAY} where --kind is everyday",
            ),
            "random": (
                total <= 1,
                "so small that --short, --random and --numbers are at most 1 together",
            ),
        },
    )
    return config


def get_synth_args(
    use_argparse: bool = True, argv: Sequence[str] | None = None, **overrides: Any
) -> SynthSettings:
    """Return the checked settings of a synthetic bank; see `config.train.get_all_args`."""
    config = read_settings(SynthSettings, SYNTH, use_argparse, argv, overrides)
    is_bank = not config.out or config.out.endswith((".json", ".json.zip"))
    require(
        config,
        {
            "out": (is_bank, "a .json or .json.zip file"),
            "writers": (
                not config.sheet or config.writers <= MAX_ON_SHEET,
                f"at most {MAX_ON_SHEET} where --sheet draws every hand",
            ),
        },
    )
    return config
