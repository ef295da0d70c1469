"""Sampling: 100 words from start to file, and tokens a second with the cache against decoding without one.

    python -m benchmarks.sampling [--checkpoint runs/NAME/best.pt]

Without a cache every token costs a pass over all that came before it. The gain grows with the length of a row, so it is
measured twice: for the checkpoint, and for a model of the paper recipe (untrained, which takes the same time) that fills its
context of 1,050 tokens with four words a row. The plain way would take many minutes, so only every 25th of its steps is run,
and counted 25 times.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

from benchmarks.attention import plain_copy
from cursivetransformer.config.sample import get_sample_args
from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.tokenizer import make_tokenizer
from cursivetransformer.layout.text import TextNormalizer
from cursivetransformer.models.checkpoint import find_checkpoint, load_checkpoint
from cursivetransformer.models.factory import ModelConfig, make_model
from cursivetransformer.models.token_gpt import TokenGPT
from cursivetransformer.pipeline import DEFAULT_VERSIONS
from cursivetransformer.recognition.recognizer import find_recognizers
from cursivetransformer.sampling.generate import (
    RowBatch,
    Sampler,
    decode,
    encode_texts,
    prompt_groups,
    sample,
    token_limits,
)
from cursivetransformer.utils.errors import run_script

TEXT = (
    "It was a bright cold day in the spring of that year, and the old clock in the hall had just struck nine when a letter came "
    "for us. Nobody had written to our house for many years, so we all stood around the table and looked at it for a while "
    "before my sister took a knife and opened it with great care. There were three sheets of thin paper inside, and every one "
    "of them was filled from edge to edge with a small and even hand that none of us had ever seen. She began to read aloud."
)
RUNS, STRIDE, SAMPLER = 3, 25, Sampler(0.6, 0, 0.95)


def seconds_to_file(path, respell):
    """Seconds from starting `sample.py` to its end, for 100 words with up to `respell` versions of one that is not surely read."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(
            [
                sys.executable,
                "sample.py",
                TEXT,
                "--missing",
                "skip",
                "--checkpoint",
                str(path),
                "--out",
                os.path.join(folder, "a.svg"),
                "--respell",
                str(respell),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return time.perf_counter() - start


@torch.inference_mode()
def compare(model, tokenizer, words, group):
    """Print tokens a second with and without a cache, for `words` in rows of `group`."""
    rows = [words[i : i + group] for i in range(0, len(words) - group + 1, group)]
    limits = token_limits(model, tokenizer, rows, None)
    uniforms = np.random.default_rng(0).random((len(rows), limits.max()), np.float32)
    batch = RowBatch(rows, np.zeros(len(rows), int), None, limits, uniforms)
    start = time.perf_counter()
    ids, _ = decode(model, tokenizer, batch, SAMPLER)
    drawn = (ids != tokenizer.pad_id).sum(1)
    cached = drawn.sum() / (time.perf_counter() - start)
    print(
        f"{len(rows)} rows of up to {drawn.max()} tokens\n{'with cache':26} {cached:8,.0f} tokens a second ({drawn.sum()} tokens)"
    )
    text, slots = torch.as_tensor(encode_texts(model, tokenizer, rows, None)), tokenizer.n_slots
    prompt = torch.randint(
        0, tokenizer.slot_sizes[0], (drawn.max() // slots, slots)
    ) + torch.as_tensor(tokenizer.slot_starts[:-1])
    prompt[0] = torch.as_tensor(prompt_groups(tokenizer, None)[0])
    ways = [("without, same rows at once", model, len(rows)), ("without, row after row", model, 1)]
    if isinstance(model, TokenGPT):
        ways.append(("so, attention written out", plain_copy(model), 1))
    for name, network, n_rows in ways:
        seconds = tokens = 0
        for length in range(STRIDE // 2, drawn.max() // slots, STRIDE):
            start = time.perf_counter()
            sample(
                SAMPLER.probabilities(network.prefill(prompt[:length], text[:n_rows])[1]),
                torch.as_tensor(uniforms[:n_rows, length]),
            )
            # Every token of a group costs such a pass; rows that have ended by then are not counted as work that is useful.
            seconds += slots * STRIDE * (time.perf_counter() - start)
            tokens += slots * STRIDE * ((drawn > slots * length).sum() if n_rows > 1 else 1)
        print(
            f"{name:26} {tokens / seconds:8,.0f} tokens a second, ratio {cached * seconds / tokens:.0f}"
        )


def main():
    config = get_sample_args()
    path = find_checkpoint(config.checkpoint, config.run_dir)
    checkpoint = load_checkpoint(path)
    ways = {"as they come": 1}
    if find_recognizers(config.recognizer_dir, checkpoint.bank_digest):
        ways["with unsure words drawn again"] = DEFAULT_VERSIONS
    times = {way: [] for way in ways}
    for _ in range(RUNS):  # in turn, so that all meet the same weather
        for way, respell in ways.items():
            times[way].append(seconds_to_file(path, respell))
    for way, seconds in times.items():
        print(
            f"{len(TEXT.split())} words from start to file, {way}: {statistics.median(seconds):.1f} s (median of {RUNS})"
        )
    words = list(map(TextNormalizer(checkpoint.tokenizer.alphabet, "skip").normalize, TEXT.split()))
    compare(checkpoint.model.eval(), checkpoint.tokenizer, words, checkpoint.config.min_words)
    paper = get_all_args(use_argparse=False, preset="paper", device="cpu")
    tokenizer = make_tokenizer("polar", TEXT)
    torch.manual_seed(0)
    print("paper recipe: ", end="")
    compare(
        make_model(ModelConfig.from_settings(paper, tokenizer, 0.15, 64, []), tokenizer).eval(),
        tokenizer,
        TEXT.split(),
        paper.num_words,
    )


if __name__ == "__main__":
    run_script(main)
