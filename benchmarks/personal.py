"""Measure how well a hand is learned from few words: misread characters, style distance, time.

    python -m benchmarks.personal curve DIR [--sizes 25,50,100,200,400,800,all] [--seeds 3]
                                            [--ways adapted,scratch] [--threads 1]
    python -m benchmarks.personal ways DIR [--sizes 100]  # other ways that were tried
    python -m benchmarks.personal table DIR [PLOT.png]    # the results as tables and a plot
    python -m benchmarks.personal sheets DIR SHEET.png [--sizes 25,100,400]

Bigbank stands in for a new writer. The ninth part that `train.py` holds out gives the texts to
write. Of the other words a random half is taken, another one for each seed, and of this half `n`
words by the rule of the recording page, for the characters and pairs of its flattened list. The
grading recognizer of the whole bank (`python train_recognizer.py --dataset_name bigbank`) reads
what is written; the recognizer made of the n words chooses among versions. DIR keeps the banks, the
runs, and a line of results.jsonl for each. What is there already is not done again.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch.nn.utils import parametrize

from benchmarks.personal_table import Result, load_results, show_results
from benchmarks.personal_ways import WAYS, Way
from cursivetransformer.bank.authors import find_author
from cursivetransformer.bank.coverage import next_prompts
from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.prompts import FLAT_PROMPTS, Coverage, read_lines
from cursivetransformer.bank.registry import load_banks
from cursivetransformer.bank.word import Word, word_to_entry
from cursivetransformer.config.train import Config, get_all_args
from cursivetransformer.data.dataset import split_words
from cursivetransformer.data.eval_texts import ENGLISH
from cursivetransformer.data.tokenizer import Tokenizer
from cursivetransformer.evaluation.evaluator import as_written
from cursivetransformer.ink import measures
from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.strokes import resize
from cursivetransformer.models.base import Model
from cursivetransformer.models.checkpoint import SHIPPED, STARTED, load_checkpoint
from cursivetransformer.recognition.error_rate import ErrorRate
from cursivetransformer.recognition.recognizer import (
    EVALUATION,
    SELECTION,
    Recognizer,
    find_recognizers,
    load_recognizer,
    recognizer_from_state,
    recognizer_path,
)
from cursivetransformer.sampling.rerank import generate_best_of_n
from cursivetransformer.training import run as runs
from cursivetransformer.training.finetune import EVALUATIONS, choose_scale
from cursivetransformer.training.trainer import Trainer
from cursivetransformer.utils.errors import UserError, run_script

Size = int | str  # a number of words, or "all"

BANK = "bigbank"
SIZES = "25,50,100,200,400,800,all"
MAX_HELD_OUT = 150  # held-out words that are written, beside the English ones
BEST_OF = 8
# Steps of training from scratch, enough for the held-out loss to pass its lowest, which counts.
SCRATCH_STEPS: dict[Size, int] = {25: 300, 50: 400, 100: 700, 200: 1200, 400: 2000, 800: 3000}
PERMUTATION_STREAM = 8  # keeps these random numbers apart from others with the same seed
SHEET_WORDS = 4  # of each kind


class Judge:
    """The real words that stand in for a writer, and the recognizer that grades written ones."""

    def __init__(self, recognizer_dir: str) -> None:
        self.words, self.digest = load_banks(BANK)
        train, test = split_words(self.words, Config.test_fraction, Config.seed)
        self.training, held_out = [self.words[i] for i in train], [self.words[i] for i in test]
        folder = find_recognizers(recognizer_dir, self.digest)
        if folder is None:
            raise UserError(
                f"{recognizer_dir}/ has no recognizers of {BANK}; "
                f"train them with: python train_recognizer.py --dataset_name {BANK}"
            )
        self.selection, self.evaluation_recognizer = (
            load_recognizer(recognizer_path(folder, name)) for name in (SELECTION, EVALUATION)
        )
        alphabet = set("".join(word.text for word in self.words))
        self.english = [word for word in ENGLISH.split() if alphabet.issuperset(word)]
        self.held_out = held_out[:MAX_HELD_OUT]

    def bank(self, folder: str, n: Size, seed: int) -> Path:
        """Return the path of a bank of `n` words. Write it if it does not exist."""
        path = Path(folder) / f"bank-{n}-{seed}.json.zip"
        if not path.exists():
            words = self._choose_words(n, seed)
            write_entries(path, [word_to_entry(word) for word in words])
        return path

    def half(self, n: int, seed: int) -> list[Word]:
        """Return a random half of the training words, or `n` if that is more."""
        rng = np.random.default_rng([seed, PERMUTATION_STREAM])
        order = rng.permutation(len(self.training))
        return [self.training[i] for i in order[: max(n, len(order) // 2)]]

    def _choose_words(self, n: Size, seed: int) -> list[Word]:
        if n == "all":
            return self.half(len(self.training), seed)
        by_text = {word.text: word for word in self.half(n, seed)}
        wanted = Coverage.of(read_lines(FLAT_PROMPTS))
        return [by_text[text] for text in next_prompts([], n, list(by_text), wanted)]

    def measure(
        self,
        model: Model,
        tokenizer: Tokenizer,
        author: int,
        scale: float,
        dropped: float,
        recognizer: Recognizer | None = None,
        primer: Word | None = None,
    ) -> dict[str, Result]:
        """Write the texts, and measure errors and style.

        Args:
            model: The model.
            tokenizer: Its tokenizer.
            author: The author's index.
            scale: The factor by which recorded ink was enlarged for the model.
            dropped: The fraction of points that were left out for the model.
            recognizer: Chooses among versions; None takes only one version of each word.
            primer: A word to follow.

        Returns:
            Plain values of one version of each word, "1", and of the best of BEST_OF.
        """
        known, n_english = set(tokenizer.alphabet), len(self.english)
        texts = self.english + [word.text for word in self.held_out]
        # The model leaves out characters that it never saw. Each counts as an error.
        writable = ["".join(char for char in text if char in known) for text in texts]
        real = measures.measure(
            [
                resize(as_written(resize(word.points, scale), tokenizer, dropped), 1 / scale)
                for word in self.held_out
            ],
            [word.text for word in self.held_out],
        )
        measured: dict[str, Result] = {}
        for versions in (1, BEST_OF) if recognizer is not None else (1,):
            written = iter(
                generate_best_of_n(
                    model.eval(),
                    tokenizer,
                    [text for text in writable if text],
                    recognizer if versions > 1 else None,
                    versions,
                    authors=author,
                    primer=primer,
                )
            )
            no_ink = np.zeros((0, 3), np.float32)
            inks = [
                resize(next(written).points, 1 / scale) if text else no_ink for text in writable
            ]
            readings = self.evaluation_recognizer.read(inks)
            english = ErrorRate.from_readings(texts[:n_english], readings[:n_english])
            held_out = ErrorRate.from_readings(texts[n_english:], readings[n_english:])
            written_style = measures.measure(inks[n_english:], writable[n_english:])
            distances = measures.distance(written_style, real)
            measured[str(versions)] = {
                "english": english.cer,
                "held_out": held_out.cer,
                "style": float(np.mean(list(distances.values()))),
                "measures": distances,
            }
        return measured

    def measure_file(
        self, path: str | Path, recognizer: Recognizer | None = None
    ) -> dict[str, Result]:
        """Measure the checkpoint in a file, in the bank's hand.

        recognizer: chooses among versions if the checkpoint has no recognizer.
        """
        loaded = load_checkpoint(path)
        recognizer = recognizer_from_state(loaded.recognizer) if loaded.recognizer else recognizer
        author = find_author(self.words[0].author, loaded.model.config.authors)
        return self.measure(
            loaded.model,
            loaded.tokenizer,
            author,
            loaded.config.ink_scale,
            loaded.config.downsample_mean,
            recognizer,
        )


def fit(judge: Judge, options: argparse.Namespace, way: str, n: Size, seed: int) -> Result:
    """Learn `n` words in a way, and measure. Return plain values."""
    bank = judge.bank(options.dir, n, seed)
    from_scratch = way == "scratch"
    changes = scratch_way(n) if from_scratch else WAYS[way]
    arguments = setting_arguments(changes.settings)
    arguments = ["--finetune", "none" if from_scratch else "base", *arguments]
    start = time.process_time()  # other work on the machine does not count
    with ExitStack() as stack:
        for name, replacement in changes.replacements.items():
            stack.enter_context(mock.patch(f"cursivetransformer.{name}", replacement))
        if not changes.loads:
            stack.enter_context(mock.patch.object(runs, "export", lambda source, out: None))
        run = start_run(options.dir, bank, f"{way}-{n}-{seed}", seed, arguments)
        path = run.run()
    result = {
        "way": way,
        "n": n,
        "seed": seed,
        "words": len(run.loader.words),
        "core_seconds": time.process_time() - start,
        "steps": run.step,
        "threads": torch.get_num_threads(),
    }
    if changes.loads:
        recognizer = find_scratch_recognizer(judge, options, n, seed) if from_scratch else None
        measured = judge.measure_file(path, recognizer)
    else:
        measured = measure_last(judge, run)
    return {**result, "found": measured}


def scratch_way(n: Size) -> Way:
    """Return the settings of training `n` words from scratch."""
    steps = SCRATCH_STEPS.get(n, Config.max_steps)
    log_every = min(Config.log_every, steps // EVALUATIONS)
    return Way("from scratch", {"max_steps": steps, "log_every": log_every, "read_words": 0})


def setting_arguments(settings: dict[str, int | float | bool]) -> list[str]:
    """Return settings as arguments of `train.py`."""
    arguments = []
    for name, value in settings.items():
        if isinstance(value, bool):
            arguments.append(f"--{name}" if value else f"--no-{name}")
        else:
            arguments += [f"--{name}", str(value)]
    return arguments


def measure_last(judge: Judge, run: Trainer) -> dict[str, Result]:
    """Measure the last model of a run, whose checkpoints cannot be loaded."""
    for module in run.model.modules():
        if parametrize.is_parametrized(module):
            parametrize.remove_parametrizations(module, "weight")
    config = run.config
    return judge.measure(
        run.model,
        run.loader.tokenizer,
        1,
        config.ink_scale,
        config.downsample_mean,
        recognizer_from_state(run.checkpoint.recognizer),
    )


def start_run(folder: str, bank: Path, name: str, seed: int, arguments: Sequence[str]) -> Trainer:
    """Return a trainer of a bank before its first step. arguments: more settings of `train.py`."""
    started = Path(folder) / "runs" / name / STARTED
    if started.is_file():
        return runs.resume_start(started, get_all_args(argv=[]), lambda sentence: None)
    argv = ["--dataset_name", str(bank), "--wandb", "off", "--seed", str(seed)]
    argv += ["--run_dir", str(Path(folder) / "runs"), "--wandb_run_name", name]
    return runs.new_run(get_all_args(argv=[*argv, *arguments]), warn=lambda sentence: None)


def find_scratch_recognizer(
    judge: Judge, options: argparse.Namespace, n: Size, seed: int
) -> Recognizer:
    """Return the recognizer that chooses words of a model trained from scratch.

    Few words do not suffice to train one, so it is that of the model adapted to the same words. All
    words have their own.
    """
    if n == "all":
        return judge.selection
    adapted = adapted_path(options.dir, n, seed)
    if adapted.exists():
        state = load_checkpoint(adapted).recognizer
        assert state is not None, "an adapted model comes with its recognizer"
        return recognizer_from_state(state)
    run = start_run(
        options.dir,
        judge.bank(options.dir, n, seed),
        f"recognizer-{n}-{seed}",
        seed,
        ["--finetune", "base", "--splice_fraction", "0"],
    )
    return recognizer_from_state(run.checkpoint.recognizer)


def adapted_path(folder: str, n: Size, seed: int) -> Path:
    """Return the path of the model adapted to `n` words."""
    return Path(folder) / "runs" / f"adapted-{n}-{seed}" / f"bank-{n}-{seed}.pt"


def measure_base(judge: Judge) -> dict[str, dict[str, Result]]:
    """Measure the base model without any training.

    It writes in its hand nearest in style, in its first hand, and following one recorded word.
    """
    loaded, scale = load_checkpoint(SHIPPED), choose_scale(judge.training)
    model, tokenizer, dropped = loaded.model, loaded.tokenizer, loaded.config.downsample_mean
    by_author = {
        name: judge.measure(model, tokenizer, index, scale, dropped)
        for index, name in enumerate(["unknown", *model.config.authors])
    }
    nearest = min(by_author, key=lambda name: by_author[name]["1"]["style"])
    word = min(judge.training, key=lambda word: (not word.text.isalpha(), abs(len(word.text) - 8)))
    primer = dataclasses.replace(word, points=downsample(resize(word.points, scale), dropped))
    first = model.config.authors[0]
    return {
        f"its hand nearest in style, {nearest}": by_author[nearest],
        f"its first hand, {first}": by_author[first],
        "following one recorded word": judge.measure(
            model, tokenizer, 0, scale, dropped, primer=primer
        ),
    }


def add_result(folder: str, result: Result) -> None:
    """Append a result to the results file."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open(Path(folder) / "results.jsonl", "a") as file:
        file.write(json.dumps(result) + "\n")


def measure_all(options: argparse.Namespace, ways: Sequence[str]) -> None:
    """Measure every way, size and seed without a result, small banks first. Raises `UserError`."""
    unknown = set(ways) - {"unlearnt", "scratch", *WAYS}
    if unknown:
        raise UserError(f"there is no way {min(unknown)!r} of learning a hand")
    judge = Judge(options.recognizer_dir)
    if "unlearnt" in ways and ("unlearnt", 0, 0) not in load_results(options.dir):
        result = {"way": "unlearnt", "n": 0, "seed": 0, "found": measure_base(judge)}
        add_result(options.dir, result)
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for n in options.sizes:
            for way in ways:
                if way != "unlearnt" and (way, n, seed) not in load_results(options.dir):
                    result = fit(judge, options, way, n, seed)
                    add_result(options.dir, result)
                    print(describe(result), flush=True)


def describe(result: Result) -> str:
    """Return a line about a result."""
    parts = [
        f"{versions}: English {100 * measured['english']:.2f}%, "
        f"held out {100 * measured['held_out']:.2f}%, style {measured['style']:.3f}"
        for versions, measured in result["found"].items()
    ]
    return (
        f"{result['way']} {result['n']} words, seed {result['seed']}, {result['steps']} steps, "
        f"{result['core_seconds']:.0f} core seconds; " + "; ".join(parts)
    )


def draw_sheet(options: argparse.Namespace, path: str) -> None:
    """Draw held-out words as really written, and as adapted models write them, one version each."""
    from cursivetransformer.render.specimen import save_sheet

    judge = Judge(options.recognizer_dir)
    lower = [word for word in judge.held_out if word.text[:1].islower() and 3 < len(word.text) < 8]
    other = [word for word in judge.held_out if not word.text.islower()]
    chosen = lower[:SHEET_WORDS] + other[:SHEET_WORDS]
    texts = [word.text for word in chosen]
    rows: list[Any] = []
    if options.real:
        rows.append(("real", [word.points for word in chosen]))
    for n in options.sizes:
        loaded = load_checkpoint(adapted_path(options.dir, n, options.first_seed))
        written = generate_best_of_n(
            loaded.model.eval(), loaded.tokenizer, texts, None, 1, authors=1
        )
        scale = loaded.config.ink_scale
        rows.append((f"{n} words", [resize(word.points, 1 / scale) for word in written]))
    save_sheet(path, rows)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=["curve", "ways", "table", "sheets"])
    parser.add_argument("dir")
    parser.add_argument("picture", nargs="?", default="")
    parser.add_argument("--sizes", default=SIZES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first_seed", type=int, default=0)
    parser.add_argument("--ways", default="")
    parser.add_argument("--recognizer_dir", default="recognizers")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument(
        "--real",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="show the real words on the sheet, which then must not be passed on",
    )
    options = parser.parse_args()
    options.sizes = [size if size == "all" else int(size) for size in options.sizes.split(",")]
    return options


def main() -> None:
    options = parse_options()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.task == "table":
        descriptions = {name: way.description for name, way in WAYS.items()}
        show_results(options.dir, descriptions, BEST_OF, options.picture)
    elif options.task == "sheets":
        draw_sheet(options, options.picture)
    elif options.ways:
        measure_all(options, options.ways.split(","))
    elif options.task == "curve":
        measure_all(options, ["unlearnt", "adapted", "scratch"])
    else:
        measure_all(options, list(WAYS))


if __name__ == "__main__":
    run_script(main)
