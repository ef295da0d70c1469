"""Compare rules for when to write a word again, and which version to keep.

    python -m benchmarks.respelling [--checkpoint FILE] [settings of evaluate.py]

For every word of the three fixed texts, the model writes as many versions as the last number of
--best_of. All rules select from the same versions with the selection recognizer. A rule looks at
the first version and decides whether to look at the others; then it keeps one. The script prints a
line for each rule: the fractions of characters and of words that the evaluation recognizer
misreads, for the English and for all words, and the mean number of versions of a word.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cursivetransformer.bank.registry import load_banks
from cursivetransformer.config.sample import (
    EvaluationSettings,
    get_evaluation_args,
    sampling_options,
)
from cursivetransformer.data.dataloader import DataLoader
from cursivetransformer.data.eval_texts import text_sets
from cursivetransformer.evaluation.evaluator import find_both_recognizers
from cursivetransformer.models.checkpoint import find_checkpoint, load_checkpoint
from cursivetransformer.recognition.error_rate import edit_distance
from cursivetransformer.sampling.generate import generate_rows
from cursivetransformer.utils.errors import run_script

# Limits in nats that no first version exceeds, and that every first version exceeds.
NEVER, ALWAYS = np.inf, -1.0
HEADER = (
    "| drawn again | kept of those read closest | English: characters, words misread | all "
    "| versions |"
)


@dataclass
class Versions:
    """Measures of the versions of each word, all (words, versions).

    Attributes:
        selection_edits: edits of the selection recognizer's readings.
        evaluation_edits: edits of the evaluation recognizer's readings.
        unfinished: 1 for a version without an end.
        reading_nll: nats of the text, by the selection recognizer.
        model_nll: nats of the ink, by the model.
    """

    selection_edits: np.ndarray
    evaluation_edits: np.ndarray
    unfinished: np.ndarray
    reading_nll: np.ndarray
    model_nll: np.ndarray


@dataclass
class Rule:
    """A rule for writing a word again.

    Attributes:
        when: when it looks at more versions than the first, in words.
        limit: nats of the text above which it does; also where the first is misread or unfinished,
            unless the limit is NEVER.
        kept: the version that it keeps of those read closest, in words.
        floor: nats of the text below which all versions count as equally sure.
        by_model: prefer the version that the model finds likeliest, not the one most surely read.
    """

    when: str
    limit: float
    kept: str
    floor: float
    by_model: bool


RULES = (
    Rule("never", NEVER, "", 0, False),
    Rule("misread", 100.0, "the model's likeliest", NEVER, True),
    Rule("misread", 100.0, "most surely read", 0, False),
    *(
        Rule(
            f"misread, or less sure than {limit} nats",
            limit,
            "of the sure, the model's likeliest",
            limit,
            True,
        )
        for limit in (0.5, 0.2, 0.1, 0.05, 0.02)
    ),
    Rule("always", ALWAYS, "most surely read", 0, False),
    Rule("always", ALWAYS, "the model's likeliest", NEVER, True),
)


def main() -> None:
    config = get_evaluation_args()
    n = config.best_of[-1]
    sets, versions = write_versions(config, n)
    texts = [text for part in sets.values() for text in part]
    english = np.array([name == "English" for name, part in sets.items() for _ in part])
    lengths = np.array([len(text) for text in texts])

    print(f"{len(texts)} words, {n} versions of each\n\n{HEADER}")
    print("| --- | --- | --- | --- | ---: |")
    for rule in RULES:
        again, kept = apply_rule(rule, versions)
        edits = versions.evaluation_edits[np.arange(len(texts)), kept]
        rates = [
            f"{edits[part].sum() / lengths[part].sum():.2%}, {(edits[part] > 0).mean():.1%}"
            for part in (english, slice(None))
        ]
        mean_versions = np.where(again, n, 1).mean()
        print(f"| {rule.when} | {rule.kept} | {rates[0]} | {rates[1]} | {mean_versions:.2f} |")


def write_versions(config: EvaluationSettings, n: int) -> tuple[dict[str, list[str]], Versions]:
    """Write `n` versions of each fixed text, and read them; return the texts and the measures."""
    checkpoint = load_checkpoint(find_checkpoint(config.checkpoint, config.run_dir), config.device)
    words, digest = load_banks(config.dataset_name or checkpoint.config.dataset_name)
    selection, evaluation = find_both_recognizers(config, checkpoint.config, digest, print)
    loader = DataLoader(words, checkpoint.tokenizer, checkpoint.config)
    sets, _ = text_sets(
        checkpoint.tokenizer.alphabet, [loader.words[i].text for i in loader.train_ids]
    )
    texts = [text for part in sets.values() for text in part]
    rows = generate_rows(
        checkpoint.model.eval(),
        checkpoint.tokenizer,
        [[text] for text in texts for _ in range(n)],
        [(i, 0, version) for i in range(len(texts)) for version in range(n)],
        **sampling_options(config),
    )
    generated = [row[0] for row in rows]
    inks, wanted = [word.points for word in generated], [word.text for word in generated]
    examined = selection.examine(inks, wanted)
    readings, reading_nll = [r.text for r in examined], [r.nll for r in examined]

    def table(values: Sequence[float] | np.ndarray) -> np.ndarray:
        return np.array(values, float).reshape(-1, n)

    def edits(readings: Sequence[str]) -> np.ndarray:
        return table([edit_distance(text, reading) for text, reading in zip(wanted, readings)])

    return sets, Versions(
        selection_edits=edits(readings),
        evaluation_edits=edits(evaluation.read(inks)),
        unfinished=table([not word.finished for word in generated]),
        reading_nll=table(reading_nll),
        model_nll=table([word.nll for word in generated]),
    )


def apply_rule(rule: Rule, versions: Versions) -> tuple[np.ndarray, np.ndarray]:
    """Return whether a rule looks at more versions of each word, and the version that it keeps."""
    v = versions
    again = v.reading_nll[:, 0] > rule.limit
    if rule.limit < NEVER:
        again |= (v.selection_edits + v.unfinished)[:, 0] > 0
    order = v.model_nll if rule.by_model else v.reading_nll

    def badness(word: int, version: int) -> tuple[float, ...]:
        i = word, version
        surely_read = max(v.reading_nll[i], rule.floor)
        return v.selection_edits[i], v.unfinished[i], surely_read, order[i]

    n_words, n_versions = v.reading_nll.shape
    kept = [
        min(range(n_versions if again[word] else 1), key=lambda version: badness(word, version))
        for word in range(n_words)
    ]
    return again, np.array(kept)


if __name__ == "__main__":
    run_script(main)
