"""Sampling: 100 words from start to file, and tokens a second with the cache against decoding without one.

    python -m benchmarks.sampling [--checkpoint runs/NAME/best.pt]

Without a cache every token costs a pass over all the tokens before it. Both ways write the same words, in one batch, with
the same random numbers. The gain grows with the length of a row, so it is measured twice: for the checkpoint, and for a
model of the paper recipe (untrained, which takes the same time) that fills its context of 1,050 tokens with four words a row.
There the plain way would take many minutes, so only every 25th of its steps is run, and counted 25 times.
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
from cursivetransformer.checkpoint import load_checkpoint, newest_checkpoint
from cursivetransformer.config import get_all_args, get_sample_args
from cursivetransformer.errors import run_script
from cursivetransformer.generate import _allowed_tokens, _context, _decode, _Grammar, _prompt, draw, prepare_text, probabilities
from cursivetransformer.model import GPT, ModelConfig
from cursivetransformer.tokenizer import make_tokenizer

TEXT = ("It was a bright cold day in the spring of that year, and the old clock in the hall had just struck nine when a letter came "
        "for us. Nobody had written to our house for many years, so we all stood around the table and looked at it for a while "
        "before my sister took a knife and opened it with great care. There were three sheets of thin paper inside, and every one "
        "of them was filled from edge to edge with a small and even hand that none of us had ever seen. She began to read aloud.")
RUNS, STRIDE, FILTERS = 3, 25, (0.6, 0, 0.95)


def seconds_to_file(path):
    """Seconds from starting `sample.py` to its end, for 100 words."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run([sys.executable, "sample.py", TEXT, "--missing", "skip", "--checkpoint", str(path), "--out", os.path.join(folder, "a.svg")],
                       check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


@torch.inference_mode()
def decode_without_cache(model, tokenizer, rows, luck):
    """What `generate._decode` does, the plain way: a pass over everything for each token."""
    text = torch.as_tensor(_context(model, tokenizer, rows, None))
    tokens = torch.as_tensor(np.tile(_prompt(tokenizer, None), (len(rows), 1)))
    grammar, ended = _Grammar(tokenizer, len(rows), len(rows[0]), "cpu"), np.zeros(len(rows), bool)
    allowed = _allowed_tokens(model, tokenizer, rows, None)
    n_drawn = 0
    for n in range(luck.shape[1]):
        logits = model(tokens, text)[:, -1].masked_fill(~grammar.allowed(), -torch.inf)
        token = draw(probabilities(logits, *FILTERS), torch.as_tensor(luck[:, n]))
        ids = np.where(ended, tokenizer.pad_id, token.numpy())
        n_drawn += int((~ended).sum())
        ended = ended | (ids == tokenizer.end_id) | (n + 1 >= allowed)
        if ended.all():
            break
        grammar.accept(ids)
        tokens = torch.cat([tokens, token[:, None]], dim=1)
    return n_drawn


@torch.inference_mode()
def decode_with_cache(model, tokenizer, rows, luck):
    ids = _decode(model, tokenizer, rows, None, _allowed_tokens(model, tokenizer, rows, None), luck, FILTERS)
    return int((ids != tokenizer.pad_id).sum())


@torch.inference_mode()
def paper_speeds():
    """Tokens a second with and without the cache, for rows that fill the context of the paper recipe."""
    config = get_all_args(use_argparse=False, preset="paper", device="cpu")
    tokenizer = make_tokenizer("polar", TEXT)
    torch.manual_seed(0)
    model = GPT(ModelConfig.from_settings(config, tokenizer.vocab_size, tokenizer.n_chars, 64)).eval()
    words = TEXT.split()
    rows = [words[i:i + config.num_words] for i in range(0, len(words) - config.num_words + 1, config.num_words)]
    most = int(_allowed_tokens(model, tokenizer, rows, None).max())
    luck = np.random.default_rng(0).random((len(rows), most), np.float32)
    start = time.perf_counter()
    n = decode_with_cache(model, tokenizer, rows, luck)
    cached = n / (time.perf_counter() - start)
    print(f"paper recipe, {len(rows)} rows of up to {most} tokens\n{'with cache':26} {cached:8,.0f} tokens a second ({n} tokens)")
    text = torch.as_tensor(_context(model, tokenizer, rows, None))
    tokens = torch.randint(0, tokenizer.word_id, (len(rows), most))
    for name, network, n_rows in (("without, same rows at once", model, len(rows)), ("without, row after row", model, 1),
                                  ("so, attention written out", plain_copy(model), 1)):
        seconds = 0.0
        for length in range(STRIDE // 2, most, STRIDE):
            start = time.perf_counter()
            draw(probabilities(network(tokens[:n_rows, :length], text[:n_rows])[:, -1], *FILTERS), torch.as_tensor(luck[:n_rows, length]))
            seconds += STRIDE * (time.perf_counter() - start)
        speed = n_rows * most / seconds
        print(f"{name:26} {speed:8,.0f} tokens a second, ratio {cached / speed:.0f}")


def main():
    config = get_sample_args()
    path = config.checkpoint or newest_checkpoint(config.run_dir)
    times = [seconds_to_file(path) for _ in range(RUNS)]
    print(f"{len(TEXT.split())} words from start to file: {statistics.median(times):.1f} s (median of {RUNS})")

    checkpoint = load_checkpoint(path)
    model, tokenizer, group = checkpoint.model.eval(), checkpoint.tokenizer, checkpoint.config.min_words
    words = [word for line in prepare_text(TEXT, tokenizer, "skip") for word in line]
    rows = [words[i:i + group] for i in range(0, len(words) // group * group, group)]
    luck = np.random.default_rng(0).random((len(rows), _allowed_tokens(model, tokenizer, rows, None).max()), np.float32)
    speeds = []
    for name, decode in (("with cache", decode_with_cache), ("without", decode_without_cache)):
        start = time.perf_counter()
        n = decode(model, tokenizer, rows, luck)
        speeds.append(n / (time.perf_counter() - start))
        print(f"{name:11} {speeds[-1]:8,.0f} tokens a second ({n} tokens, {len(rows)} rows at once)")
    start = time.perf_counter()
    n = sum(decode_without_cache(model, tokenizer, [row], luck[i:i + 1]) for i, row in enumerate(rows[:5]))
    speeds.append(n / (time.perf_counter() - start))
    print(f"{'one by one':11} {speeds[-1]:8,.0f} tokens a second without a cache, row after row, as the plainest sampler does")
    print(f"ratio       {speeds[0] / speeds[1]:8.0f} (same rows at once), {speeds[0] / speeds[2]:.0f} (row after row)")
    paper_speeds()


if __name__ == "__main__":
    run_script(main)
