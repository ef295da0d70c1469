"""The settings of what is made rather than learnt: prompts to write, and banks of synthetic ink. As in `config.py`, each once."""

from dataclasses import dataclass

from cursivetransformer.config.args import setting
from cursivetransformer.config.rules import require
from cursivetransformer.config.train import settings_of

SHARES = ("short", "random", "numbers")  # the rest of the prompts are English words


@dataclass
class WordbankSettings:
    """The settings of making prompts."""

    size: int = setting(2500, "prompts to make", "prompts")
    short: float = setting(0.12, "share of English words of one to three letters", "prompts")
    random: float = setting(
        0.3, "share of random strings, in which all characters are about as frequent", "prompts"
    )
    numbers: float = setting(
        0.1, "share of numbers: whole ones, decimals, thousands, years, times, dates", "prompts"
    )
    capitals: float = setting(
        0.25, "share of the words and strings that start with a capital", "prompts"
    )
    all_capitals: float = setting(
        0.02, "share of the words and strings that are all capitals", "prompts"
    )
    punctuation: float = setting(
        0.2, "share of prompts that end with a mark of a sentence", "prompts"
    )
    quotes: float = setting(0.05, "share of prompts in quotes", "prompts")
    parentheses: float = setting(0.04, "share of prompts in parentheses", "prompts")
    joined: float = setting(
        0.05, "share of words that hold an apostrophe, a hyphen, a slash or an ampersand", "prompts"
    )
    marks: str = setting("%+=@#*$", "further characters that prompts should hold", "prompts")
    least: int = setting(20, "times, at least, that every character comes", "coverage")
    pairs: int = setting(400, "commonest pairs of letters that each come at least once", "coverage")
    seed: int = setting(0, "seed: the same one makes the same prompts again", "run")
    out: str = setting(
        "", "text file to write, one prompt a line; empty prints the table of coverage only", "run"
    )
    page: str = setting("", "recording page (collect.html) to put the prompts into", "run")


@dataclass
class SynthSettings:
    """The settings of a bank of synthetic ink."""

    prompts: str = setting(
        "", "text file of prompts, one a line; empty takes data/wordbank.txt", "text"
    )
    words: int = setting(0, "words to write; 0 writes every prompt once", "text")
    writers: int = setting(12, "writers, among whom the prompts are dealt out", "hands")
    fonts: str = setting(
        "own,hershey",
        "letter skeletons, joined by commas: own, hershey (package Hershey-Fonts), paths of single-stroke .svg fonts",
        "hands",
        was="faces",
    )
    marks: str = setting(
        "auto",
        "when dots and crosses are written: after the 'letter', after the 'word', or as each hand would",
        "hands",
        ("auto", "letter", "word"),
    )
    first_writer: int = setting(1, "seed of the first writer; the next one has the next", "hands")
    seed: int = setting(
        0, "seed of the writing: another one is the same hands at another time", "run"
    )
    out: str = setting("", "bank to write, .json or .json.zip", "run")
    sheet: str = setting("", "picture to write of every writer's hand, .png or .svg", "run")
    text: str = setting(
        "The quick brown fox jumps over 13 lazy dogs.",
        "what each writer writes on the sheet",
        "run",
    )


def get_wordbank_args(use_argparse=True, argv=None, **overrides):
    """The settings of making prompts, checked, as `WordbankSettings`; called like `config.get_all_args`."""
    config = settings_of(WordbankSettings, "Make prompts to write.", use_argparse, argv, overrides)
    shares = [*SHARES, "capitals", "all_capitals", "punctuation", "quotes", "parentheses", "joined"]
    require(
        config,
        {
            "size": (1 <= config.size <= 1_000_000, "between 1 and 1000000"),
            **{name: (0 <= getattr(config, name) <= 1, "between 0 and 1") for name in shares},
            **{name: (getattr(config, name) >= 0, "0 or more") for name in ("least", "pairs")},
            "marks": (all("!" <= char <= "~" for char in config.marks), "printable ASCII"),
        },
    )
    require(
        config,
        {
            "random": (
                sum(getattr(config, name) for name in SHARES) <= 1,
                "so small that --short, --random and --numbers are at most 1 together",
            )
        },
    )
    return config


def get_synth_args(use_argparse=True, argv=None, **overrides):
    """The settings of a bank of synthetic ink, checked, as `SynthSettings`; called like `config.get_all_args`."""
    config = settings_of(
        SynthSettings, "Write words with a synthetic pen.", use_argparse, argv, overrides
    )
    require(
        config,
        {
            "words": (config.words >= 0, "0 or more"),
            "writers": (1 <= config.writers <= 10_000, "between 1 and 10000"),
            "out": (
                not config.out or config.out.endswith((".json", ".json.zip")),
                "a .json or .json.zip file",
            ),
        },
    )
    return config
