"""Time sampling: 100 words from start to file, and tokens a second with and without a cache.

    python -m benchmarks.sampling [--checkpoint runs/NAME/best.pt]

Without a cache every token costs a pass over all tokens before it. The gain grows with the length
of a row, so it is measured twice: for the checkpoint, and for an untrained model of the paper
recipe, which fills its context of 1,050 tokens with four words a row. Decoding without a cache
would take many minutes, so only every 25th step runs, and counts 25 times.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.attention import plain_copy
from cursivetransformer.config.sample import get_sample_args
from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.tokenizer import Tokenizer, make_tokenizer
from cursivetransformer.layout.text import TextNormalizer
from cursivetransformer.models.base import Model
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
    "It was a bright cold day in the spring of that year, and the old clock in the hall had just "
    "struck nine when a letter came for us. Nobody had written to our house for many years, so we "
    "all stood around the table and looked at it for a while before my sister took a knife and "
    "opened it with great care. There were three sheets of thin paper inside, and every one of "
    "them was filled from edge to edge with a small and even hand that none of us had ever seen. "
    "She began to read aloud."
)
RUNS = 3
STRIDE = 25  # steps without a cache for which one is run
SAMPLER = Sampler(0.6, 0, 0.95)


def seconds_to_file(path: str | Path, respell: int) -> float:
    """Return the seconds that `sample.py` takes for 100 words.

    respell: the most versions of a word that is not surely read.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = ["--missing", "skip", "--checkpoint", str(path), "--respell", str(respell)]
        out = os.path.join(folder, "a.svg")
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "sample.py", TEXT, *options, "--out", out],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return time.perf_counter() - start


@torch.inference_mode()
def compare(model: Model, tokenizer: Tokenizer, words: list[str], group: int) -> None:
    """Print tokens a second with and without a cache, for `words` in rows of `group`."""
    rows = [words[i : i + group] for i in range(0, len(words) - group + 1, group)]
    limits = token_limits(model, tokenizer, rows, None)
    uniforms = np.random.default_rng(0).random((len(rows), limits.max()), np.float32)
    batch = RowBatch(rows, np.zeros(len(rows), int), None, limits, uniforms)
    start = time.perf_counter()
    ids, _ = decode(model, tokenizer, batch, SAMPLER)
    lengths = (ids != tokenizer.pad_id).sum(1)
    cached_speed = lengths.sum() / (time.perf_counter() - start)
    print(
        f"{len(rows)} rows of up to {lengths.max()} tokens\n"
        f"{'with cache':26} {cached_speed:8,.0f} tokens a second ({lengths.sum()} tokens)"
    )

    text = torch.as_tensor(encode_texts(model, tokenizer, rows, None))
    prompt = random_prompt(tokenizer, lengths.max() // tokenizer.n_slots)
    cases = [
        ("without, same rows at once", model, len(rows)),
        ("without, row after row", model, 1),
    ]
    if isinstance(model, TokenGPT):
        cases.append(("so, attention written out", plain_copy(model), 1))
    for name, network, n_rows in cases:
        slots = tokenizer.n_slots
        seconds = tokens = 0
        for length in range(STRIDE // 2, lengths.max() // slots, STRIDE):
            start = time.perf_counter()
            sample(
                SAMPLER.probabilities(network.prefill(prompt[:length], text[:n_rows])[1]),
                torch.as_tensor(uniforms[:n_rows, length]),
            )
            # Every token of a group costs such a pass.
            seconds += slots * STRIDE * (time.perf_counter() - start)
            # Rows that have ended by then do no useful work, so they do not count.
            n_going = (lengths > slots * length).sum() if n_rows > 1 else 1
            tokens += slots * STRIDE * n_going
        print(
            f"{name:26} {tokens / seconds:8,.0f} tokens a second, "
            f"ratio {cached_speed * seconds / tokens:.0f}"
        )


def random_prompt(tokenizer: Tokenizer, n_groups: int) -> torch.Tensor:
    """Return groups of random tokens, (n_groups, slots), after the group that starts a word."""
    ids = torch.randint(0, tokenizer.slot_sizes[0], (n_groups, tokenizer.n_slots))
    prompt = ids + torch.as_tensor(tokenizer.slot_starts[:-1])
    prompt[0] = torch.as_tensor(prompt_groups(tokenizer, None)[0])
    return prompt


def main() -> None:
    config = get_sample_args()
    path = find_checkpoint(config.checkpoint, config.run_dir)
    checkpoint = load_checkpoint(path)
    versions = {"as they come": 1}
    if find_recognizers(config.recognizer_dir, checkpoint.bank_digest):
        versions["with unsure words drawn again"] = DEFAULT_VERSIONS
    times: dict[str, list[float]] = {name: [] for name in versions}
    for _ in range(RUNS):  # in turn, so that the load of the machine affects all
        for name, respell in versions.items():
            times[name].append(seconds_to_file(path, respell))
    for name, seconds in times.items():
        print(
            f"{len(TEXT.split())} words from start to file, {name}: "
            f"{statistics.median(seconds):.1f} s (median of {RUNS})"
        )
    words = list(map(TextNormalizer(checkpoint.tokenizer.alphabet, "skip").normalize, TEXT.split()))
    compare(checkpoint.model.eval(), checkpoint.tokenizer, words, checkpoint.config.min_words)

    paper = get_all_args(use_argparse=False, preset="paper", device="cpu")
    tokenizer = make_tokenizer("polar", TEXT)
    torch.manual_seed(0)
    print("paper recipe: ", end="")
    model = make_model(ModelConfig.from_settings(paper, tokenizer, 0.15, 64, []), tokenizer)
    compare(model.eval(), tokenizer, TEXT.split(), paper.num_words)


if __name__ == "__main__":
    run_script(main)
