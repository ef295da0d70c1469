"""The command `cursive`: each subcommand reads its settings, calls one function and prints.

The scripts at the root of the repository run the same functions.
"""

import sys
import webbrowser
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cursivetransformer import __version__
from cursivetransformer.config.args import CommandParser
from cursivetransformer.config.sample import get_evaluation_args, get_sample_args
from cursivetransformer.config.synthesis import get_synth_args, get_wordbank_args
from cursivetransformer.config.train import get_all_args, get_recognizer_args
from cursivetransformer.utils.errors import UserError, run_script
from cursivetransformer.utils.io import shipped
from cursivetransformer.utils.wording import plural

if TYPE_CHECKING:
    from cursivetransformer.pipeline import Summary

MAX_CHARACTERS = 12  # left out, that are named
MAX_FILES = 12  # files listed by name

Command = Callable[[Sequence[str] | None], None]

# Commands import heavy modules themselves, so that `cursive --help` is fast.


def train(argv: Sequence[str] | None = None) -> None:
    """Train a model of a handwriting."""
    config = get_all_args(argv=argv)
    from cursivetransformer.training import run

    run.train(config)


def train_recognizer(argv: Sequence[str] | None = None) -> None:
    """Train the two recognizers of a handwriting."""
    config = get_recognizer_args(argv=argv)
    from cursivetransformer.training.finetune import recognizer_settings
    from cursivetransformer.training.train_recognizer import train_recognizers

    folder = train_recognizers(recognizer_settings(config), show_progress=True)
    print(f"recognizers written to {folder}/")


def write(argv: Sequence[str] | None = None) -> None:
    """Write a text in a hand that a model has learned."""
    config = get_sample_args(argv=argv)
    from cursivetransformer.pipeline import draw_authors, write_page

    if config.list_authors:
        names = draw_authors(config)
        print("\n".join(names))
        print(
            f"drew {plural(len(names), 'hand')} to {config.out}; "
            f"write in one of them with --author {names[0]}"
        )
    else:
        _print_summary(write_page(config, show_progress=True))


def _print_summary(summary: "Summary") -> None:
    for sentence in summary.slips:
        print(sentence)
    for sentence in _notes(summary):
        print(f"note: {sentence}")
    files = [str(path) for path in summary.files]
    if len(files) > MAX_FILES:
        files = [files[0], "...", *files[-MAX_FILES // 2 :]]
    print(f"wrote {plural(summary.survey.n_words, 'word')} to {', '.join(files)}")


def _notes(summary: "Summary") -> Iterator[str]:
    """Yield a sentence about all that the writer should know before the pages are used."""
    left_out = summary.survey.left_out
    if left_out:
        named = [
            f"{char!r} {_times(n)} ({', '.join(summary.survey.left_out_of[char])})"
            for char, n in left_out.most_common(MAX_CHARACTERS)
        ]
        if len(left_out) > MAX_CHARACTERS:
            named.append(plural(len(left_out) - MAX_CHARACTERS, "other character"))
        yield f"left out, because the model has never seen it: {', '.join(named)}"
    if summary.unrecorded:
        unrecorded, borrowed = (
            ", ".join(map(repr, sorted(chars))) for chars in (summary.unrecorded, summary.borrowed)
        )
        yield (
            "never recorded in this hand, so written as the model knows it from others: "
            + unrecorded
            + (f"; of these borrowed from another hand and fitted: {borrowed}" if borrowed else "")
        )
    yield from _notes_on_doubtful_words(summary)
    if summary.few_lines:
        yield (
            f"page 2 has only {plural(summary.few_lines, 'line')}; "
            "--fit writes slightly smaller, so that all is on one page"
        )


def _notes_on_doubtful_words(summary: "Summary") -> Iterator[str]:
    doubtful = summary.doubtful
    if summary.doubtful_picture:
        n_words = plural(summary.survey.n_words, "word")
        example = summary.rewrite_also(list(doubtful)[:2])
        yield (
            f"{len(doubtful)} of {n_words} may be misspelt; {summary.doubtful_picture} shows them "
            f"with their numbers, and --rewrite {example} would write the first two anew"
        )
        return
    for number, word in doubtful.items():
        if not word.finished:
            problem = "did not come to its end"
        else:
            versions = f"best of {word.versions} versions" if word.versions > 1 else "only version"
            problem = f"reads like {word.reading!r} in its {versions}"
        yield f"word {number}, {word.text!r}, {problem}"
    if doubtful:
        which = "this word" if len(doubtful) == 1 else "these words"
        yield f"--rewrite {summary.rewrite_also(doubtful)} writes {which} anew"


def _times(n: int) -> str:
    return {1: "once", 2: "twice"}.get(n, f"{n} times")


def evaluate(argv: Sequence[str] | None = None) -> None:
    """Measure a model: its loss, legibility, likeness and speed."""
    config = get_evaluation_args(argv=argv)
    from cursivetransformer.evaluation import evaluator
    from cursivetransformer.evaluation.report import check_out, markdown, save_report

    check_out(config.out)
    report, written = evaluator.evaluate(config)
    print(markdown(report))
    print("written to", ", ".join(save_report(report, written, config.out)))


def record(argv: Sequence[str] | None = None) -> None:
    """Open the recording page in the browser."""
    _parser("record", "Open the recording page in the browser.").parse_args(argv)
    page = shipped("collect.html")
    if not webbrowser.open(page.as_uri()):
        print("no browser could be started; open the page yourself:")
    print(page)


def bank_check(argv: Sequence[str] | None = None) -> None:
    """List what a bank holds and every fault in it."""
    parser = _parser("bank check", "List what a bank holds and every fault in it.")
    parser.add_argument("bank", help=".json or .json.zip file")
    options = parser.parse_args(argv)
    from cursivetransformer.bank.file import check

    sys.exit(1 if check(options.bank) else 0)


def bank_merge(argv: Sequence[str] | None = None) -> None:
    """Join banks; a repeated entry is kept once."""
    parser = _parser("bank merge", "Join banks; a repeated entry is kept once.")
    parser.add_argument("out", help=".json or .json.zip file to write")
    parser.add_argument("banks", nargs="+", help="files to read")
    options = parser.parse_args(argv)
    from cursivetransformer.bank.file import merge

    print(f"{options.out}: {plural(merge(options.out, options.banks), 'word')}")


def bank_advise(argv: Sequence[str] | None = None) -> None:
    """List what a bank lacks, and write a list of words to record next."""
    description = "List what a bank lacks, and write a list of words to record next."
    parser = _parser("bank advise", description)
    parser.add_argument("bank", help="path or name of a bank, or several joined by commas")
    parser.add_argument("list", nargs="?", help="text file to write; by default BANK-next.txt")
    options = parser.parse_args(argv)
    from cursivetransformer.bank.coverage import HOW_TO_LOAD, advise
    from cursivetransformer.bank.prompts import write_list
    from cursivetransformer.bank.registry import bank_name, load_banks

    words, _ = load_banks(options.bank)
    messages, prompts = advise(words)
    print("\n".join(messages) or f"{plural(len(words), 'word')}, and nothing lacks")
    if prompts:
        out = Path(options.list or f"{bank_name(options.bank)}-next.txt")
        write_list(out, prompts)
        print(f"{out}: {plural(len(prompts), 'word')} to record next; {HOW_TO_LOAD}")


def bank_prompts(argv: Sequence[str] | None = None) -> None:
    """Make prompts to record, and show how well they cover letters and pairs."""
    config = get_wordbank_args(argv=argv)
    from cursivetransformer.bank.prompts import save_prompts

    save_prompts(config)


def synth(argv: Sequence[str] | None = None) -> None:
    """Write a bank of synthetic ink, or a sheet of synthetic hands."""
    config = get_synth_args(argv=argv)
    from cursivetransformer.synthesis.synthesizer import save_bank

    save_bank(config)


def export(argv: Sequence[str] | None = None) -> None:
    """Write a model without its training state, small enough to share."""
    parser = _parser("export", "Write a model without its training state.")
    parser.add_argument("checkpoint", help="checkpoint to read")
    parser.add_argument("out", help="checkpoint to write")
    options = parser.parse_args(argv)
    from cursivetransformer.models import checkpoint

    checkpoint.export(options.checkpoint, options.out)
    print(f"{options.out}: {Path(options.out).stat().st_size:,} bytes")


BANK_COMMANDS: dict[str, Command] = {
    "check": bank_check,
    "merge": bank_merge,
    "advise": bank_advise,
    "prompts": bank_prompts,
}


def bank(argv: Sequence[str] | None = None) -> None:
    """Check, join and plan banks: check, merge, advise, prompts."""
    _run_command("cursive bank", BANK_COMMANDS, sys.argv[1:] if argv is None else argv)


COMMANDS: dict[str, Command] = {
    "write": write,
    "record": record,
    "train": train,
    "train-recognizer": train_recognizer,
    "evaluate": evaluate,
    "bank": bank,
    "synth": synth,
    "export": export,
}


def _parser(name: str, description: str) -> CommandParser:
    return CommandParser(prog=f"cursive {name}", description=description)


def _run_command(name: str, commands: Mapping[str, Command], argv: Sequence[str]) -> None:
    """Run the command named by the first word of `argv` with the rest of `argv`."""
    if not argv or argv[0] in ("-h", "--help"):
        width = max(map(len, commands))
        print(f"usage: {name} COMMAND ...\n")
        for command, function in commands.items():
            print(f"  {command:{width}}  {(function.__doc__ or '').splitlines()[0]}")
        print(f"\n{name} COMMAND --help shows examples and the everyday settings of a command.")
        return
    if argv[0] not in commands:
        raise UserError(f"there is no command {argv[0]!r}; {name} has {', '.join(commands)}")
    # Usage lines and messages name the command as it was called.
    sys.argv = [f"{name} {argv[0]}", *argv[1:]]
    commands[argv[0]](argv[1:])


def _main() -> None:
    argv = sys.argv[1:]
    if argv == ["--version"]:
        print(f"cursive {__version__}")
    else:
        _run_command("cursive", COMMANDS, argv)


def main() -> None:
    """Run the console command; exit with 2 after a user's mistake."""
    run_script(_main)
