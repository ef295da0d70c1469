"""Examples a second: batches made at once as tensors, or on arrays, against one example at a time in plain Python.

    python -m benchmarks.pipeline [settings of train.py]

The plain way uses the same functions on one word at a time, as one would write it first; `tests/test_dataset.py` and
`tests/test_packing.py` check that all three make the same tokens. The tensors are made on `--device`.
"""

import statistics
import time

import numpy as np
import torch

from cursivetransformer.bank.registry import load_banks
from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.dataset import NO_WORD, Ink, draw_word_ids, make_batch
from cursivetransformer.data.packing import InkTensors, SampleBatch, pack
from cursivetransformer.data.tokenizer import make_tokenizer
from cursivetransformer.ink.augment import (
    downsample,
    sample_rates,
    sample_transforms,
    transform,
)
from cursivetransformer.ink.strokes import points_to_offsets
from cursivetransformer.utils.errors import run_script

BATCH, ROUNDS = 256, 9


def plain_example(words, tokenizer, rate, matrix, max_length):
    """Tokens and text of one example, one word after the other: what `make_batch` must make of it."""
    tokens, texts = [], []
    for word in words:
        points = transform(downsample(word.points, rate), matrix)
        ids = np.append(tokenizer.word_id, tokenizer.encode_offsets(points_to_offsets(points))[0])
        if sum(map(len, tokens)) + len(ids) > max_length:
            break
        tokens.append(ids)
        texts.append(word.text)
    return np.concatenate(tokens), " ".join(texts) + " "


def main():
    config = get_all_args(preset="paper")  # four words an example
    words, _ = load_banks(config.dataset_name)
    tokenizer = make_tokenizer("polar", "".join(word.text for word in words))
    ink, rng = Ink(words, tokenizer), np.random.default_rng(0)
    tensors = InkTensors(ink, tokenizer, config.device)
    rates_a_second = {"plain": [], "arrays": [], "tensors": []}
    for _ in range(ROUNDS):  # in turn, so that both meet the same machine
        ids = draw_word_ids(rng, np.arange(len(words)), BATCH, 4, 4)
        rates = sample_rates(rng, BATCH, config.downsample_mean, config.downsample_width)
        matrices = sample_transforms(
            rng, BATCH, config.shear_width, config.scale_width, config.rotation_width
        )
        start = time.perf_counter()
        for row in range(BATCH):
            plain_example(
                [words[i] for i in ids[row] if i != NO_WORD],
                tokenizer,
                rates[row],
                matrices[row],
                config.max_seq_length,
            )
        middle = time.perf_counter()
        make_batch(ink, tokenizer, ids, rates, matrices, config.max_seq_length)
        end = time.perf_counter()
        examples = SampleBatch(
            *(torch.as_tensor(a, device=config.device) for a in (ids, rates, matrices))
        )
        before = time.perf_counter()
        int(
            pack(tensors, tokenizer, examples, config.max_seq_length).n_tokens
        )  # waits for the device
        after = time.perf_counter()
        for name, seconds in (
            ("plain", middle - start),
            ("arrays", end - middle),
            ("tensors", after - before),
        ):
            rates_a_second[name].append(BATCH / seconds)
    for name, values in rates_a_second.items():
        print(
            f"{name:8} {statistics.median(values):9,.0f} four-word examples a second (median of {ROUNDS}, "
            f"{min(values):,.0f} to {max(values):,.0f})"
        )
    for name in ("arrays", "tensors"):
        ratio = statistics.median(
            b / a for a, b in zip(rates_a_second["plain"], rates_a_second[name])
        )
        print(f"ratio    {ratio:9.1f} of {name} to plain")


if __name__ == "__main__":
    run_script(main)
