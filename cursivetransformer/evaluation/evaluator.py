"""Measure a model: its loss, its legibility, its likeness to the hand and its speed.

Of the two recognizers of a bank, one selects among versions of a word, and only the other one
measures legibility. `report.py` presents the results.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cursivetransformer.bank.authors import find_author, indices_by_name, offered_authors
from cursivetransformer.bank.registry import load_banks
from cursivetransformer.bank.word import Word
from cursivetransformer.config.sample import EvaluationSettings, sampling_options
from cursivetransformer.config.train import Config, replace
from cursivetransformer.data.dataloader import DataLoader
from cursivetransformer.data.dataset import own_words
from cursivetransformer.data.eval_texts import text_sets
from cursivetransformer.data.tokenizer import Tokenizer
from cursivetransformer.ink import measures
from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.strokes import offsets_to_points, points_to_offsets
from cursivetransformer.models.checkpoint import Checkpoint, find_checkpoint, load_checkpoint
from cursivetransformer.models.loss import estimate_loss
from cursivetransformer.recognition.error_rate import ErrorRate, edit_distance, read_back
from cursivetransformer.recognition.recognizer import (
    EVALUATION,
    SELECTION,
    Recognizer,
    find_recognizers,
    load_recognizer,
    recognizer_path,
)
from cursivetransformer.sampling.generate import GeneratedWord
from cursivetransformer.sampling.rerank import generate_best_of_n
from cursivetransformer.utils.errors import UserError, how_to_run
from cursivetransformer.utils.wording import plural

# Name of the set of texts that the held-out words spell.
HELD_OUT = "held-out words"


@dataclass
class Version:
    """The version of a word that was kept.

    Attributes:
        points: (n, 3) ink.
        reading: what the evaluation recognizer reads.
        edits: edit distance of the reading from the text.
    """

    points: np.ndarray
    reading: str
    edits: int


@dataclass
class WrittenWord:
    """A word that the model wrote.

    Attributes:
        text_set: name of the set of texts that it belongs to.
        text: what it should say.
        index: its index among all texts.
        versions: the version kept, by the number of versions to select from.
    """

    text_set: str
    text: str
    index: int
    versions: dict[int, Version] = field(default_factory=dict)

    @property
    def first(self) -> Version:
        """The version selected from the fewest."""
        return self.versions[min(self.versions)]


@dataclass
class Subject:
    """What an evaluation measures, and what it measures with.

    Attributes:
        path: path of the checkpoint.
        checkpoint: the model, in evaluation mode, and its tokenizer.
        settings: the model's training settings, on the device of the evaluation.
        bank_digest: digest of the bank that it is compared with.
        loader: the bank's words, split as in training.
        selection: the recognizer that selects among versions.
        evaluation: the recognizer that measures legibility.
        held_out: the held-out words to compare with, as recorded.
        requantized: (n, 3) ink of each held-out word, as the model could at best write it.
        authors: (H,) author of each held-out word.
    """

    path: Path
    checkpoint: Checkpoint
    settings: Config
    bank_digest: str
    loader: DataLoader
    selection: Recognizer
    evaluation: Recognizer
    held_out: list[Word]
    requantized: list[np.ndarray]
    authors: np.ndarray

    @property
    def training(self) -> list[Word]:
        """The model's training words."""
        return [self.loader.words[i] for i in self.loader.train_ids]

    @property
    def texts(self) -> list[str]:
        """The texts of the held-out words."""
        return [word.text for word in self.held_out]


def evaluate(
    config: EvaluationSettings, say: Callable[[str], object] = print
) -> tuple[dict[str, Any], list[WrittenWord]]:
    """Measure the model that `config` names.

    All but the seconds is the same for the same seed on the same device.

    Returns:
        The report, a dictionary of plain values, and the written words, worst first.
    """
    subject = _load(config, say)
    say("reading the recorded ink ...")
    report = {
        "checkpoint": str(subject.path),
        "step": subject.checkpoint.training["step"],
        "bank": subject.settings.dataset_name,
        "bank_digest": subject.bank_digest,
        "settings": {
            **sampling_options(config),
            "device": config.device,
            "best_of": list(config.best_of),
        },
        "loss": _measure_loss(subject),
        "real": _read_real_ink(subject),
    }
    sets, report["words_left_out"] = _choose_texts(subject, config.max_words)
    report["generated"], written = _write_and_read(subject, config, sets, say)
    report["style"] = _measure_style(subject, written)
    report["evenness"] = _measure_evenness(subject, written)
    return report, written


def _load(config: EvaluationSettings, say: Callable[[str], object]) -> Subject:
    """Load the model, its bank and the bank's recognizers."""
    path = find_checkpoint(config.checkpoint, config.run_dir, say)
    checkpoint = load_checkpoint(path, config.device)
    checkpoint.model.eval()
    settings = replace(checkpoint.config, device=config.device)
    words, digest = load_banks(config.dataset_name or settings.dataset_name, settings.strict, say)
    if digest != checkpoint.bank_digest:
        say(
            "note: this is not the bank that the model learnt, so some of its held-out words may "
            "have been among the model's training words"
        )
    words = own_words(words, settings)
    selection, evaluation = find_both_recognizers(config, settings, digest, say)
    tokenizer = checkpoint.tokenizer
    loader = DataLoader(words, tokenizer, settings, say, authors=checkpoint.model.config.authors)
    held_out_ids = loader.test_ids[: config.max_words or None]
    held_out = [loader.words[i] for i in held_out_ids]
    return Subject(
        path=path,
        checkpoint=checkpoint,
        settings=settings,
        bank_digest=digest,
        loader=loader,
        selection=selection,
        evaluation=evaluation,
        held_out=held_out,
        requantized=[
            as_written(word.points, tokenizer, settings.downsample_mean) for word in held_out
        ],
        authors=loader.author_indices[held_out_ids],
    )


def find_both_recognizers(
    config: EvaluationSettings, settings: Config, digest: str, say: Callable[[str], object]
) -> tuple[Recognizer, Recognizer]:
    """Load the selection and the evaluation recognizer of a bank.

    Args:
        config: names their folder, or where to look for it.
        settings: the model's training settings.
        digest: digest of the bank.
        say: takes a note if the recognizers may have been trained on held-out words.

    Raises:
        UserError: there are none.
    """
    folder = (
        Path(config.recognizers)
        if config.recognizers
        else find_recognizers(config.recognizer_dir, digest, settings.ink_scale)
    )
    if folder is None:
        finetune = " --finetune base" if settings.finetune else ""
        raise UserError(
            f"{config.recognizer_dir}/ has no recognizers of this bank; train them with: "
            f"{how_to_run('train-recognizer')} --dataset_name "
            f"{config.dataset_name or settings.dataset_name}{finetune}"
        )
    selection, evaluation = (
        load_recognizer(recognizer_path(folder, half), config.device)
        for half in (SELECTION, EVALUATION)
    )
    split = (digest, settings.seed, settings.test_fraction)
    for trained in (selection.config, evaluation.config):
        if (trained.bank_digest, trained.seed, trained.test_fraction) != split:
            say(
                f"note: the {trained.half} recognizer learnt another bank, or another split of it; "
                "it may have seen words that are held out here"
            )
    return selection, evaluation


def as_written(points: np.ndarray, tokenizer: Tokenizer, rate: float) -> np.ndarray:
    """Return recorded ink as a model could at best write it.

    The fraction `rate` of its points is dropped, and its offsets are rounded to the tokenizer's
    bins.
    """
    ids, _ = tokenizer.encode_offsets(points_to_offsets(downsample(points, rate)))
    return offsets_to_points(tokenizer.decode_words(np.append(tokenizer.word_id, ids.ravel()))[0])


def _measure_loss(subject: Subject) -> dict[str, float]:
    """Measure the loss on held-out words."""
    model = subject.checkpoint.model
    per_token, per_offset = estimate_loss(model.nll, subject.loader.evaluation("test"))
    return {
        "nats_per_token": per_token,
        "nats_per_offset": per_offset,
        "bits_per_offset": per_offset / math.log(2),
    }


def _read_real_ink(subject: Subject) -> dict[str, dict[str, Any]]:
    """Measure how the real held-out words are read."""
    recorded = read_back(subject.evaluation, subject.held_out)
    requantized = ErrorRate.from_readings(
        subject.texts, subject.evaluation.read(subject.requantized)
    )
    selection = read_back(subject.selection, subject.held_out)
    return {
        "recorded": recorded.as_dict(),
        "as the model would write it": requantized.as_dict(),
        "recorded, read by the selection recognizer": selection.as_dict(),
    }


def _choose_texts(subject: Subject, max_words: int) -> tuple[dict[str, list[str]], int]:
    """Choose the texts to write.

    Args:
        subject: the model.
        max_words: number of words of each set, or 0 for all.

    Returns:
        The texts of each set, and how many words the model cannot write or was trained on.
    """
    fixed, n_left_out = text_sets(
        subject.checkpoint.tokenizer.alphabet, [word.text for word in subject.training]
    )
    sets = {name: texts[: max_words or None] for name, texts in fixed.items()}
    return {**sets, HELD_OUT: subject.texts}, n_left_out


def _choose_authors(subject: Subject, author: str, n_texts: int) -> list[int]:
    """Choose the author of each text.

    Args:
        subject: the model and its held-out words.
        author: name of the author of the fixed texts; "" has all authors take turns whom the
            model writes well.
        n_texts: number of fixed texts.

    Returns:
        The authors of the fixed texts, then those of the held-out words.
    """
    names = subject.checkpoint.model.config.authors
    offered = offered_authors(names, subject.checkpoint.origin.get("recorded", {}))
    if author or not names:
        authors = [find_author(author, names, offered, subject.path.name)] * n_texts
    else:
        indices = indices_by_name(names)
        authors = [indices[offered[i % len(offered)]] for i in range(n_texts)]
    return [*authors, *subject.authors]


def _write_and_read(
    subject: Subject,
    config: EvaluationSettings,
    sets: Mapping[str, Sequence[str]],
    say: Callable[[str], object],
) -> tuple[dict[str, Any], list[WrittenWord]]:
    """Write all texts with each of `config.best_of` versions, and read them.

    Returns:
        The report for each number of versions, and the words, worst first.
    """
    written: list[WrittenWord] = []
    for name, texts in sets.items():
        for text in texts:
            written.append(WrittenWord(name, text, len(written)))
    authors = _choose_authors(subject, config.author, len(written) - len(subject.held_out))
    report = {}
    for n in config.best_of:
        words, versions = plural(len(written), "word"), plural(n, "version")
        say(f"writing {words}, up to {versions} of each ...")
        start = time.perf_counter()
        generated = generate_best_of_n(
            subject.checkpoint.model,
            subject.checkpoint.tokenizer,
            [word.text for word in written],
            subject.selection if n > 1 else None,
            n,
            group=subject.settings.min_words,
            authors=authors,
            **sampling_options(config),
        )
        seconds = time.perf_counter() - start
        _read_versions(subject.evaluation, written, generated, n)
        report[str(n)] = {
            "sets": {
                name: _error_rate([word for word in written if word.text_set == name], n).as_dict()
                for name in sets
            },
            "all": _error_rate(written, n).as_dict(),
            "doubtful": sum(word.doubtful for word in generated),
            "seconds": seconds,
        }
        if n == 1:
            n_slots = subject.checkpoint.tokenizer.n_slots
            n_tokens = sum(1 + n_slots * len(word.points) for word in generated)
            report[str(n)]["tokens_per_second"] = n_tokens / seconds
    written.sort(key=lambda word: (-word.first.edits / len(word.text), -word.first.edits))
    return report, written


def _read_versions(
    recognizer: Recognizer,
    written: Sequence[WrittenWord],
    generated: Sequence[GeneratedWord],
    n_versions: int,
) -> None:
    """Read generated words, and add each to its word as the one kept of `n_versions`."""
    readings = recognizer.read([word.points for word in generated])
    for word, kept, reading in zip(written, generated, readings):
        edits = edit_distance(word.text, reading)
        word.versions[n_versions] = Version(kept.points, reading, edits)


def _error_rate(words: Sequence[WrittenWord], n_versions: int) -> ErrorRate:
    """Count the errors of words, each the one kept of `n_versions`."""
    return ErrorRate.from_readings(
        [word.text for word in words], [word.versions[n_versions].reading for word in words]
    )


def _measure_style(
    subject: Subject, written: Sequence[WrittenWord]
) -> dict[str, dict[str, float | None]]:
    """Measure how far generated ink is from real ink, for the same held-out texts.

    The distance of other real words shows how much of it is chance.
    """
    generated = [word for word in written if word.text_set == HELD_OUT]
    # Evenly from all times of recording.
    training = subject.training
    n_others = min(len(subject.held_out), len(training))
    others = [training[i] for i in np.linspace(0, len(training) - 1, n_others).astype(int)]
    tokenizer, rate = subject.checkpoint.tokenizer, subject.settings.downsample_mean

    held_out_style = measures.measure(subject.requantized, subject.texts)
    generated_style = measures.measure(
        [word.first.points for word in generated], [word.text for word in generated]
    )
    other_style = measures.measure(
        [as_written(word.points, tokenizer, rate) for word in others],
        [word.text for word in others],
    )
    return {
        "generated": measures.distance(generated_style, held_out_style),
        "other real words": measures.distance(other_style, held_out_style),
    }


def _measure_evenness(subject: Subject, written: Sequence[WrittenWord]) -> dict[str, float | None]:
    """Measure how much slant and height vary within a hand, over the held-out words.

    Returns:
        Standard deviations: of the slant in radians, of generated and of real words, and of the
        ratio of a generated word's height to the real word's.
    """
    held_out = [word for word in written if word.text_set == HELD_OUT]
    held_out.sort(key=lambda word: word.index)
    generated = [word.first.points for word in held_out]
    real = subject.requantized
    height_ratios = measures.heights(generated) / measures.heights(real)
    return {
        "slant, generated": measures.pooled_std(measures.slants(generated), subject.authors),
        "slant, real": measures.pooled_std(measures.slants(real), subject.authors),
        "height against the real word": measures.pooled_std(height_ratios, subject.authors),
    }
