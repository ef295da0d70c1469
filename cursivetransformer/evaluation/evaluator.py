"""How good a model is, in numbers: its loss, how well its ink is read, how near it is to the hand, and how fast it writes.

Reads and writes nothing but the model, the recognizers and the bank; `report.py` shows what is found. Of the two recognizers of a bank
one chooses among versions of a word, and only the other one grades.
"""

import math
import time
from pathlib import Path

import numpy as np

from cursivetransformer.bank.authors import find_author
from cursivetransformer.bank.registry import load_banks
from cursivetransformer.config.sample import sampling_options
from cursivetransformer.config.train import replace
from cursivetransformer.data.dataloader import DataLoader
from cursivetransformer.data.dataset import own_words
from cursivetransformer.data.eval_texts import text_sets
from cursivetransformer.ink import measures as style
from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.strokes import offsets_to_points, points_to_offsets
from cursivetransformer.models.checkpoint import find_checkpoint, load_checkpoint
from cursivetransformer.models.loss import estimate_loss
from cursivetransformer.recognition.error_rate import ErrorRate, edit_distance, read_back
from cursivetransformer.recognition.recognizer import (
    EVALUATION,
    SELECTION,
    find_recognizers,
    load_recognizer,
    recognizer_path,
)
from cursivetransformer.sampling.rerank import generate_best_of_n
from cursivetransformer.utils.errors import UserError

HELD_OUT = "held-out words"


def evaluate(config, say=print):
    """Measure the model that `config` (`sample_config.EvaluationSettings`) names.

    Returns the report, a dictionary of plain values, and its written words: a list of dictionaries with the set, text, versions
    and readings of each, worst first. All but the seconds is the same for the same seed on the same device.
    """
    path = find_checkpoint(config.checkpoint, config.run_dir, say)
    checkpoint = load_checkpoint(path, config.device)
    settings = replace(checkpoint.config, device=config.device)
    words, digest = load_banks(config.dataset_name or settings.dataset_name, settings.strict, say)
    if digest != checkpoint.bank_digest:
        say(
            "note: this is not the bank that the model learnt, so some of its held-out words may have been among the model's training words"
        )
    words = own_words(words, settings)
    selection, evaluation_recognizer = find_both_recognizers(config, settings, digest, say)
    model, tokenizer = checkpoint.model.eval(), checkpoint.tokenizer
    loader = DataLoader(words, tokenizer, settings, say, authors=model.config.authors)
    real = [loader.words[i] for i in loader.test_ids][: config.max_words or None]
    training = [loader.words[i] for i in loader.train_ids]

    say("reading the recorded ink ...")
    plain = [as_written(word.points, tokenizer, settings.downsample_mean) for word in real]
    texts = [word.text for word in real]
    recorded, rewritten = (
        read_back(evaluation_recognizer, real),
        ErrorRate.of(texts, evaluation_recognizer.read(plain)),
    )
    report = {
        "checkpoint": str(path),
        "step": checkpoint.training["step"],
        "bank": settings.dataset_name,
        "bank_digest": digest,
        "settings": {
            **sampling_options(config),
            "device": config.device,
            "best_of": config.best_of,
        },
        "loss": _loss(model, loader),
        "real": {
            "recorded": recorded.as_dict(),
            "as the model would write it": rewritten.as_dict(),
            "recorded, read by the choosing recognizer": read_back(selection, real).as_dict(),
        },
    }
    sets, left_out = text_sets(tokenizer.alphabet, [word.text for word in training])
    sets = {
        **{name: chosen[: config.max_words or None] for name, chosen in sets.items()},
        HELD_OUT: texts,
    }
    report["words_left_out"] = left_out
    hands = loader.author_numbers[loader.test_ids][: len(real)]
    authors = [
        *_takes(config.author, model.config.authors, sum(map(len, sets.values())) - len(texts)),
        *hands,
    ]
    report["generated"], written = _write_and_read(
        model,
        tokenizer,
        sets,
        authors,
        selection,
        evaluation_recognizer,
        config,
        settings.min_words,
        say,
    )
    report["style"] = _style(written, real, plain, training, tokenizer, settings)
    report["evenness"] = _evenness(written, hands, plain)
    return report, written


def find_both_recognizers(config, settings, digest, say):
    """The choosing and the grading recognizer that `config` names or has of the bank with this digest; settings: the model's."""
    folder = (
        Path(config.recognizers)
        if config.recognizers
        else find_recognizers(config.recognizer_dir, digest, settings.ink_scale)
    )
    if folder is None:
        raise UserError(
            f"{config.recognizer_dir}/ has no recognizers of this bank; train them with: python train_recognizer.py --dataset_name "
            f"{config.dataset_name or settings.dataset_name}{' --finetune base' * bool(settings.finetune)}"
        )
    recognizers = [
        load_recognizer(recognizer_path(folder, name), config.device)
        for name in (SELECTION, EVALUATION)
    ]
    for recognizer in recognizers:
        c = recognizer.config
        if (c.bank_digest, c.seed, c.test_fraction) != (
            digest,
            settings.seed,
            settings.test_fraction,
        ):
            say(
                f"note: the {c.half} recognizer learnt another bank, or another split of it; it may have seen words that are held out here"
            )
    return recognizers


def _takes(author, names, n):
    """(n,) who writes each of `n` texts: the author that the settings name, or all in turn."""
    if author or not names:
        return [find_author(author, names)] * n
    return [1 + i % len(names) for i in range(n)]


def _loss(model, loader):
    per_token, per_offset = estimate_loss(model.nll, loader.evaluation("test"))
    return {
        "nats_per_token": per_token,
        "nats_per_offset": per_offset,
        "bits_per_offset": per_offset / math.log(2),
    }


def as_written(points, tokenizer, rate):
    """Recorded ink as a model could at best write it: thinned, and its offsets rounded to the tokenizer's bins."""
    ids, _ = tokenizer.encode_offsets(points_to_offsets(downsample(points, rate)))
    return offsets_to_points(tokenizer.decode_words(np.append(tokenizer.word_id, ids.ravel()))[0])


def _write_and_read(
    model, tokenizer, sets, authors, selection, evaluation_recognizer, config, group, say
):
    """The sets of texts, each text written by its author with each of `config.best_of` versions, and graded. Returns the part of the report and the words."""
    texts = [text for words in sets.values() for text in words]
    names = [name for name, words in sets.items() for _ in words]
    part, written = (
        {},
        [
            {"set": name, "text": text, "place": i, "versions": {}}
            for i, (name, text) in enumerate(zip(names, texts))
        ],
    )
    for most in config.best_of:
        say(f"writing {len(texts)} words, up to {most} version{'s' * (most > 1)} of each ...")
        start = time.perf_counter()
        spelt = generate_best_of_n(
            model,
            tokenizer,
            texts,
            selection if most > 1 else None,
            most,
            group=group,
            authors=authors,
            **sampling_options(config),
        )
        seconds = time.perf_counter() - start
        readings = evaluation_recognizer.read([one.points for one in spelt])
        for entry, one, reading in zip(written, spelt, readings):
            entry["versions"][most] = {
                "points": one.points,
                "reading": reading,
                "edits": edit_distance(entry["text"], reading),
            }
        counts = {
            name: ErrorRate.of(
                *zip(*[(t, r) for n, t, r in zip(names, texts, readings) if n == name])
            )
            for name in sets
        }
        part[str(most)] = {
            "sets": {name: counted.as_dict() for name, counted in counts.items()},
            "all": ErrorRate.of(texts, readings).as_dict(),
            "doubtful": sum(one.doubtful for one in spelt),
            "seconds": seconds,
        }
        if most == 1:
            tokens = sum(1 + tokenizer.n_slots * len(one.points) for one in spelt)
            part[str(most)]["tokens_per_second"] = tokens / seconds
    fewest = config.best_of[0]
    written.sort(
        key=lambda entry: (
            -entry["versions"][fewest]["edits"] / len(entry["text"]),
            -entry["versions"][fewest]["edits"],
        )
    )
    return part, written


def _style(written, real, plain, training, tokenizer, settings):
    """Distances of generated from real ink, for the same held-out texts; and of other real words from these, as what chance leaves."""
    fewest = min(written[0]["versions"])
    ours = [entry for entry in written if entry["set"] == HELD_OUT]
    held_out = style.measure(plain, [word.text for word in real])
    generated = style.measure(
        [entry["versions"][fewest]["points"] for entry in ours], [entry["text"] for entry in ours]
    )
    others = [
        training[i]
        for i in np.linspace(0, len(training) - 1, min(len(real), len(training))).astype(int)
    ]  # of all times of recording
    other = style.measure(
        [as_written(word.points, tokenizer, settings.downsample_mean) for word in others],
        [word.text for word in others],
    )
    return {
        "generated": style.distance(generated, held_out),
        "other real words": style.distance(other, held_out),
    }


def _evenness(written, hands, plain):
    """How much the slant of held-out words, in radians, varies within a hand, and by how much a word's height misses that of the same
    word really written, as a share: standard deviations, generated and real."""
    fewest = min(written[0]["versions"])
    ours = sorted(
        (entry for entry in written if entry["set"] == HELD_OUT), key=lambda entry: entry["place"]
    )
    inks = [entry["versions"][fewest]["points"] for entry in ours]
    return {
        "slant, generated": style.spread_within(style.slants(inks), hands),
        "slant, real": style.spread_within(style.slants(plain), hands),
        "height against the real word": style.spread_within(
            style.heights(inks) / style.heights(plain), hands
        ),
    }
