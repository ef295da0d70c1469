"""How well a hand is learnt from few words: characters misread, distance of style, time; against the number of words, and for other ways.

    python -m benchmarks.personal curve DIR [--sizes 25,50,100,200,400,800,all] [--seeds 3] [--ways adapted,scratch] [--threads 1]
    python -m benchmarks.personal ways DIR [--sizes 100]       # the same of the other ways that were tried
    python -m benchmarks.personal table DIR [PLOT.png]         # what is there, as tables and a plot
    python -m benchmarks.personal sheets DIR SHEET.png [--sizes 25,100,400]

Bigbank stands in for a new writer, its ninth part that `train.py` holds out for the texts to write. Of the others `n` words are taken by the
rule of the recording page, for the characters and pairs of letters that its prompts hold, out of a random half, so that each seed has other
words. What is written is graded by the grading
recognizer of the whole bank (`python train_recognizer.py --dataset_name bigbank`), and chosen by the recognizer that the n words made. DIR keeps the
banks and runs, and a line of results.jsonl for each; what is there already is not done again.
"""

import argparse
import dataclasses
import json
import time
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch.nn.utils import parametrize

from benchmarks.personal_table import results, table
from benchmarks.personal_ways import ONLY_SOME, WAYS
from cursivetransformer.bank.authors import find_author
from cursivetransformer.bank.coverage import next_prompts
from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.prompts import PROMPTS, read_lines
from cursivetransformer.bank.registry import load_banks
from cursivetransformer.bank.word import word_to_entry
from cursivetransformer.config.train import Config, get_all_args
from cursivetransformer.data.dataset import split_words
from cursivetransformer.data.eval_texts import ENGLISH
from cursivetransformer.evaluation.evaluator import as_written
from cursivetransformer.ink import measures as style
from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.strokes import resize
from cursivetransformer.models.checkpoint import SHIPPED, load_checkpoint
from cursivetransformer.recognition.error_rate import ErrorRate
from cursivetransformer.recognition.recognizer import (
    EVALUATION,
    SELECTION,
    find_recognizers,
    load_recognizer,
    recognizer_from_state,
    recognizer_path,
)
from cursivetransformer.sampling.rerank import generate_best_of_n
from cursivetransformer.training import trainer
from cursivetransformer.training.finetune import EVALUATIONS, scale_of
from cursivetransformer.utils.errors import UserError, run_script

BANK = "bigbank"
SIZES = "25,50,100,200,400,800,all"
HELD_OUT = 150  # held-out words that are written, beside the English ones
BEST_OF = 8
# Steps of training from nothing, enough for the loss on held-out words to turn: its lowest is what counts.
SCRATCH_STEPS = {25: 300, 50: 400, 100: 700, 200: 1200, 400: 2000, 800: 3000}


class Judge:
    """The real words that stand in for a writer, and what grades what is written in that hand."""

    def __init__(self, recognizer_dir):
        self.words, self.digest = load_banks(BANK)
        train, test = split_words(self.words, Config.test_fraction, Config.seed)
        self.training, held_out = [self.words[i] for i in train], [self.words[i] for i in test]
        folder = find_recognizers(recognizer_dir, self.digest)
        if folder is None:
            raise UserError(
                f"{recognizer_dir}/ has no recognizers of {BANK}; train them with: python train_recognizer.py --dataset_name {BANK}"
            )
        self.selection, self.evaluation_recognizer = (
            load_recognizer(recognizer_path(folder, name)) for name in (SELECTION, EVALUATION)
        )
        alphabet = set("".join(word.text for word in self.words))
        self.english = [word for word in ENGLISH.split() if alphabet.issuperset(word)]
        self.held_out = held_out[:HELD_OUT]

    def bank(self, folder, n, seed):
        """The path of a bank of `n` words, or of "all", written if it is not there."""
        path = Path(folder) / f"bank-{n}-{seed}.json.zip"
        if not path.exists():
            words = [
                self.training[i]
                for i in np.random.default_rng([seed, 8]).permutation(len(self.training))
            ]
            if n != "all":
                half = words[: max(int(n), len(words) // 2)]
                by_text = {word.text: word for word in half}
                words = [
                    by_text[text]
                    for text in next_prompts([], int(n), list(by_text), read_lines(PROMPTS))
                ]
            write_entries(path, [word_to_entry(word) for word in words])
        return path

    def measure(self, model, tokenizer, author, scale, dropped, recognizer=None, primer=None):
        """What one version of each word, and the best of eight, is like: a dictionary of plain values."""
        known, n = set(tokenizer.alphabet), len(self.english)
        texts = self.english + [word.text for word in self.held_out]
        writable = [
            "".join(char for char in text if char in known) for text in texts
        ]  # what a model never saw it leaves out, an error each
        plain = [
            resize(as_written(resize(word.points, scale), tokenizer, dropped), 1 / scale)
            for word in self.held_out
        ]
        real = style.measure(plain, [word.text for word in self.held_out])
        found = {}
        for most in (1, BEST_OF)[: 1 + (recognizer is not None)]:
            spelt = iter(
                generate_best_of_n(
                    model.eval(),
                    tokenizer,
                    [text for text in writable if text],
                    recognizer if most > 1 else None,
                    most,
                    authors=author,
                    primer=primer,
                )
            )
            inks = [
                resize(next(spelt).points, 1 / scale) if text else np.zeros((0, 3), np.float32)
                for text in writable
            ]
            readings = self.evaluation_recognizer.read(inks)
            distances = style.distance(style.measure(inks[n:], writable[n:]), real)
            found[str(most)] = {
                "english": ErrorRate.from_readings(texts[:n], readings[:n]).cer,
                "held_out": ErrorRate.from_readings(texts[n:], readings[n:]).cer,
                "style": float(np.mean(list(distances.values()))),
                "measures": distances,
            }
        return found

    def of_file(self, path, recognizer=None):
        """The same of the checkpoint in a file, in the hand that the bank names, chosen by the recognizer it brings along or that is given."""
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


def fit(judge, options, way, n, seed):
    """Learn `n` words in a way, and measure. Returns a dictionary of plain values."""
    _, settings, parts = WAYS.get(way, ("", {}, {}))
    bank, given = judge.bank(options.dir, n, seed), []
    if way == "scratch":
        steps = SCRATCH_STEPS.get(n, Config.max_steps)
        settings = {
            "max_steps": steps,
            "log_every": min(Config.log_every, steps // EVALUATIONS),
            "read_words": 0,
        }
    else:
        given += ["--finetune", "base"]
    given += [
        word
        for key, value in settings.items()
        for word in (
            [f"--{key}", str(value)]
            if not isinstance(value, bool)
            else [f"--{'' if value else 'no-'}{key}"]
        )
    ]
    start = time.process_time()  # other work on the machine does not count
    with ExitStack() as stack:
        for part, instead in parts.items():
            stack.enter_context(mock.patch(f"cursivetransformer.{part}", instead))
        if ONLY_SOME in parts:
            stack.enter_context(mock.patch.object(trainer, "export", lambda source, out: None))
        run = started(options, bank, f"{way}-{n}-{seed}", seed, given)
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
    if ONLY_SOME in parts:  # what was learnt last, since its best was not kept in a form that loads
        for module in run.model.modules():
            if parametrize.is_parametrized(module):
                parametrize.remove_parametrizations(module, "weight")
        found = judge.measure(
            run.model,
            run.loader.tokenizer,
            1,
            run.config.ink_scale,
            run.config.downsample_mean,
            run.recognizer,
        )
    else:
        found = judge.of_file(
            path, lent_recognizer(judge, options, bank, n, seed) if way == "scratch" else None
        )
    return {**result, "found": found}


def started(options, bank, name, seed, given):
    """A `Trainer` of the bank, with further arguments of `train.py`, before its first step."""
    own = [
        "--dataset_name",
        str(bank),
        "--wandb",
        "off",
        "--run_dir",
        str(Path(options.dir) / "runs"),
        "--wandb_run_name",
        name,
        "--seed",
        str(seed),
    ]
    return trainer.Trainer.start(get_all_args(argv=own + given), warn=lambda sentence: None)


def lent_recognizer(judge, options, bank, n, seed):
    """The choosing recognizer for a model from nothing, which has none of so few words: the one that adapting to these words makes; of all words
    their own."""
    if n == "all":
        return judge.selection
    adapted = Path(options.dir) / "runs" / f"adapted-{n}-{seed}" / f"bank-{n}-{seed}.pt"
    if adapted.exists():
        return recognizer_from_state(load_checkpoint(adapted).recognizer)
    learns = started(
        options,
        bank,
        f"recognizer-{n}-{seed}",
        seed,
        ["--finetune", "base", "--splice_fraction", "0"],
    )
    return recognizer_from_state(learns.hand.recognizer)


def unlearnt(judge):
    """What the base does without any training: {name: what is measured}; in the hand whose style is nearest, in its first, and following one
    recorded word."""
    loaded, scale = load_checkpoint(SHIPPED), scale_of(judge.training)
    model, tokenizer, dropped = loaded.model, loaded.tokenizer, loaded.config.downsample_mean
    found = {
        name: judge.measure(model, tokenizer, number, scale, dropped)
        for number, name in enumerate(["unknown", *model.config.authors])
    }
    nearest = min(found, key=lambda name: found[name]["1"]["style"])
    word = min(judge.training, key=lambda word: (not word.text.isalpha(), abs(len(word.text) - 8)))
    primer = dataclasses.replace(word, points=downsample(resize(word.points, scale), dropped))
    return {
        f"its hand nearest in style, {nearest}": found[nearest],
        f"its first hand, {model.config.authors[0]}": found[model.config.authors[0]],
        "following one recorded word": judge.measure(
            model, tokenizer, 0, scale, dropped, primer=primer
        ),
    }


def add(folder, row):
    """Keep a result."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with open(Path(folder) / "results.jsonl", "a") as file:
        file.write(json.dumps(row) + "\n")


def measure_all(options, ways):
    """Fit whatever is not there yet, small banks first."""
    judge = Judge(options.recognizer_dir)
    if "unlearnt" in ways and ("unlearnt", 0, 0) not in results(options.dir):
        add(options.dir, {"way": "unlearnt", "n": 0, "seed": 0, "found": unlearnt(judge)})
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for n in options.sizes:
            for way in ways:
                if way != "unlearnt" and (way, n, seed) not in results(options.dir):
                    row = fit(judge, options, way, n, seed)
                    add(options.dir, row)
                    print(told(row), flush=True)


def told(row):
    """A line about a result."""
    parts = [
        f"{most}: English {100 * one['english']:.2f}%, held out {100 * one['held_out']:.2f}%, style {one['style']:.3f}"
        for most, one in row["found"].items()
    ]
    return (
        f"{row['way']} {row['n']} words, seed {row['seed']}, {row['steps']} steps, {row['core_seconds']:.0f} core seconds; "
        + "; ".join(parts)
    )


def sheets(options, path):
    """A picture of held-out words as they were really written, and as models of so many words write them, one version each."""
    from cursivetransformer.render.specimen import save_sheet

    judge = Judge(options.recognizer_dir)
    chosen = [
        word for word in judge.held_out if word.text[:1].islower() and 3 < len(word.text) < 8
    ][:4] + [word for word in judge.held_out if not word.text.islower()][:4]
    rows = [("real", [word.points for word in chosen])] if options.real else []
    for n in options.sizes:
        loaded = load_checkpoint(
            Path(options.dir)
            / "runs"
            / f"adapted-{n}-{options.first_seed}"
            / f"bank-{n}-{options.first_seed}.pt"
        )
        spelt = generate_best_of_n(
            loaded.model.eval(),
            loaded.tokenizer,
            [word.text for word in chosen],
            None,
            1,
            authors=1,
        )
        rows.append(
            (f"{n} words", [resize(one.points, 1 / loaded.config.ink_scale) for one in spelt])
        )
    save_sheet(path, rows)


def main():
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
        help="with the real words on the sheet, which is not to be passed on then",
    )
    options = parser.parse_args()
    options.sizes = [size if size == "all" else int(size) for size in options.sizes.split(",")]
    if options.threads:
        torch.set_num_threads(options.threads)
    ways = (
        options.ways.split(",")
        if options.ways
        else ["unlearnt", "adapted", "scratch"]
        if options.task == "curve"
        else list(WAYS)
    )
    match options.task:
        case "table":
            table(
                options.dir,
                {name: what for name, (what, *_) in WAYS.items()},
                BEST_OF,
                options.picture,
            )
        case "sheets":
            sheets(options, options.picture)
        case _:
            measure_all(options, ways)


if __name__ == "__main__":
    run_script(main)
