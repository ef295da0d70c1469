"""Measure what the first recorded words are worth: misread characters, and words off the line.

    python -m benchmarks.first_words DIR [--hands bigbank,4321,4322,4323] [--sizes 50,100]
                                     [--lists flat,everyday] [--seeds 2]

A hand is bigbank, of whose training words a random half is taken, another one for each seed, or the
seed of a synthetic writer who is in no training data and writes what the page asks. From the
prompts of a list, `n` are chosen by the rule of the recording page; of bigbank, which holds hardly
a word of English, the `n` words that the rule finds best by the same counts. The included model is
fine-tuned to them and writes the English of the evaluation, without the words of either list. A
recognizer that took no part in the training reads it: that of bigbank in the folder
`--recognizer_dir` (python train_recognizer.py --dataset_name bigbank), or the included one. It also
tells which letters stand off the line or fall apart, against a thousand words of the hand itself.
DIR keeps banks, runs, and a line of results.jsonl for each; what is there is not done again.
"""

import argparse
import json
import shlex
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.personal import BEST_OF, Judge, start_run
from cursivetransformer.bank.authors import find_author
from cursivetransformer.bank.coverage import next_prompts
from cursivetransformer.bank.file import write_entries
from cursivetransformer.bank.prompts import (
    EVERYDAY,
    FLAT_PROMPTS,
    PROMPTS,
    Coverage,
    read_lines,
)
from cursivetransformer.bank.word import Word, word_to_entry
from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.data.eval_texts import ENGLISH
from cursivetransformer.ink.stance import Stance
from cursivetransformer.ink.strokes import resize
from cursivetransformer.models.checkpoint import load_checkpoint
from cursivetransformer.recognition.error_rate import ErrorRate
from cursivetransformer.recognition.recognizer import (
    EVALUATION,
    SHIPPED,
    Recognizer,
    load_recognizer,
    recognizer_from_state,
    recognizer_path,
)
from cursivetransformer.sampling.generate import GeneratedWord
from cursivetransformer.sampling.rerank import generate_best_of_n
from cursivetransformer.synthesis.fonts import load_fonts
from cursivetransformer.synthesis.hand import Hand
from cursivetransformer.synthesis.synthesizer import write_word
from cursivetransformer.training.finetune import BASE_BANK
from cursivetransformer.utils.errors import run_script

PHRASE_SPACE = 0.16  # canvas heights between the words of a phrase
N_JUDGED = 1000  # words of a synthetic hand that tell what is usual in it
LISTS = {"flat": FLAT_PROMPTS, "everyday": PROMPTS}
# Which version of a word is measured: the first; the best by its reading alone; the one kept, by
# its reading and by how it stands.
RULES = ("first", "by reading", "kept")
# Words with capitals that a letter needs and that a bank often has once.
CAPITALS = "I I I'm I'll I've It Is In If All Be Bring By Call Can Dear Do Each Even For".split()


@dataclass
class Subject:
    """A hand to learn: its words by text or its synthetic writer, and who judges it."""

    recognizer: Recognizer
    stance: Stance
    writer: Hand | None = None
    judge: Judge | None = None

    @classmethod
    def of(cls, hand: str, recognizer_dir: str) -> "Subject":
        """Return bigbank, or the synthetic writer of a seed."""
        if hand == "bigbank":
            judge = Judge(recognizer_dir)
            recognizer = judge.evaluation_recognizer
            return cls(recognizer, measure_stance(recognizer, judge.words), judge=judge)
        path = recognizer_path(SHIPPED / BASE_BANK, EVALUATION)
        recognizer = load_recognizer(path)
        writer = Hand("writer", int(hand), load_fonts("own,hershey"))
        rng = np.random.default_rng(int(hand))
        texts = rng.choice(read_lines(FLAT_PROMPTS), N_JUDGED, replace=False)
        words = [write_word(writer, str(text), rng) for text in texts]
        return cls(recognizer, measure_stance(recognizer, words), writer)

    def record(self, list_name: str, n: int, seed: int) -> list[Word]:
        """Return the words of the first `n` prompts of a list."""
        prompts = read_lines(LISTS[list_name])
        wanted = Coverage.of(prompts) if list_name == "flat" else None
        if self.writer is not None:
            rng = np.random.default_rng([seed, n])
            texts = next_prompts([], n, prompts if wanted else None, wanted)
            return [write_phrase(self.writer, text, rng) for text in texts]
        assert self.judge is not None
        half = {word.text: word for word in self.judge.half(n, seed)}
        return [half[text] for text in next_prompts([], n, list(half), wanted)]


def measure_stance(recognizer: Recognizer, words: Sequence[Word]) -> Stance:
    """Measure how the letters of real words stand and join."""
    inks, texts = [word.points for word in words], [word.text for word in words]
    stance = Stance.from_words(inks, texts, recognizer.align(inks, texts))
    assert stance is not None
    return stance


def write_phrase(writer: Hand, text: str, rng: np.random.Generator) -> Word:
    """Write the words of a text side by side, as one entry of a bank."""
    inks, x = [], 0.0
    for part in text.split():
        ink = write_word(writer, part, rng).points + np.array([x, 0, 0], np.float32)
        inks.append(ink)
        x = float(ink[:, 0].max()) + PHRASE_SPACE
    return Word(text, writer.name, np.concatenate(inks))


def as_laid_out(word: GeneratedWord, ink_scale: float) -> np.ndarray:
    """Return a word's ink in the size of its bank, as high above its line as a page has it."""
    lift = np.array([0, SampleConfig.normalize_baseline * word.standing.low, 0], np.float32)
    return resize(word.points - lift, 1 / ink_scale)


def measure(subject: Subject, path: Path) -> dict[str, Any]:
    """Write the texts with a fine-tuned model, and measure what is read and how it stands."""
    loaded = load_checkpoint(path)
    assert loaded.recognizer is not None
    chosen = {
        word
        for name in (EVERYDAY, FLAT_PROMPTS)
        for text in read_lines(name)
        for word in text.split()
    }
    known = set(loaded.tokenizer.alphabet)
    english = [word for word in ENGLISH.split() if word not in chosen and known.issuperset(word)]
    texts = [*english, *CAPITALS]
    found: dict[str, Any] = {}
    stances = loaded.recognizer["config"].get("stances", {})
    for rule, versions, known_stances in zip(RULES, (1, BEST_OF, BEST_OF), ({}, {}, stances)):
        recognizer = recognizer_from_state(loaded.recognizer)
        recognizer.config.stances = known_stances
        words = generate_best_of_n(
            loaded.model.eval(),
            loaded.tokenizer,
            texts,
            recognizer if versions > 1 else None,
            versions,
            authors=find_author("", loaded.model.config.authors),
        )
        inks = [as_laid_out(word, loaded.config.ink_scale) for word in words]
        examined = subject.recognizer.examine(inks, texts)
        readings = [reading.text for reading in examined]
        n = len(english)
        faulty = [
            bool(subject.stance.judge(ink, text, reading.centers).faults)
            for ink, text, reading in zip(inks, texts, examined)
            if reading.centers is not None
        ]
        found[rule] = {
            "english": ErrorRate.from_readings(english, readings[:n]).cer,
            "capitals": ErrorRate.from_readings(CAPITALS, readings[n:]).cer,
            "off": float(np.mean(faulty)),
            "versions": float(np.mean([word.versions for word in words])),
        }
    return found


def learn(
    subject: Subject, options: argparse.Namespace, hand: str, name: str, n: int, seed: int
) -> dict[str, Any]:
    """Learn the first `n` prompts of a list, and measure. Return plain values."""
    run_name = f"{hand}-{name}-{n}-{seed}"
    bank = Path(options.dir) / f"{run_name}.json.zip"
    words = subject.record(name, n, seed)
    path = Path(options.dir) / "runs" / run_name / f"{run_name}.pt"
    if not path.exists():
        write_entries(bank, [word_to_entry(word) for word in words])
        arguments = ["--finetune", "base", *shlex.split(options.settings)]
        path = start_run(options.dir, bank, run_name, seed, arguments).run()
    key = {"hand": hand, "list": name, "n": n, "seed": seed}
    letters = sum(len(word.text) for word in words)
    return {**key, "letters": letters, **measure(subject, path)}


def show(results: Sequence[dict[str, Any]]) -> None:
    """Print a table: the mean over the seeds of each hand, size and list."""
    print(
        "| hand | prompts | list | letters | English, first | by reading | kept | off, first "
        "| by reading | kept |"
    )
    print("| --- | ---: | --- |" + " ---: |" * 7)
    groups: dict[tuple[str, int, str], list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        groups[result["hand"], result["n"], result["list"]].append(result)
    for (hand, n, name), same in sorted(groups.items()):
        cells = [
            f"{100 * np.mean([one[rule][what] for one in same]):.1f}%"
            for what in ("english", "off")
            for rule in RULES
        ]
        letters = np.mean([one["letters"] for one in same])
        print(f"| {hand} | {n} | {name} | {letters:.0f} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dir")
    parser.add_argument("--hands", default="bigbank,4321,4322,4323")
    parser.add_argument("--sizes", default="50,100")
    parser.add_argument("--lists", default="flat,everyday")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--settings", default="", help="further settings of the fine-tuning")
    parser.add_argument("--recognizer_dir", default="recognizers")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    Path(options.dir).mkdir(parents=True, exist_ok=True)
    file = Path(options.dir) / "results.jsonl"
    results = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(one["hand"], one["list"], one["n"], one["seed"]) for one in results}
    for hand in options.hands.split(","):
        subject = Subject.of(hand, options.recognizer_dir)
        for seed in range(options.seeds):
            for n in map(int, options.sizes.split(",")):
                for name in options.lists.split(","):
                    if (hand, name, n, seed) not in done:
                        results.append(learn(subject, options, hand, name, n, seed))
                        with open(file, "a") as out:
                            out.write(json.dumps(results[-1]) + "\n")
    show(results)


if __name__ == "__main__":
    run_script(main)
