"""How far ink moves when it becomes tokens and comes back, for each tokenizer.

    python -m benchmarks.round_trip [--dataset_name bigbank]

Distances are in thousandths of the canvas's height; x-height is a third of it. "point" adds up the errors of the offsets
before it in its word. Words with a clamped radius are counted and left out of the rest.
"""

import numpy as np

from cursivetransformer.bank.registry import load_banks
from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.tokenizer import TOKENIZERS, make_tokenizer
from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.strokes import offsets_to_points, points_to_offsets
from cursivetransformer.utils.errors import run_script


def main():
    config = get_all_args(device="cpu")
    words, _ = load_banks(config.dataset_name)
    offsets = [points_to_offsets(downsample(word.points, config.downsample_mean)) for word in words]
    print(
        "tokenizer          ids  tokens/offset  clamped   offset: worst   mean   bound   point: worst   mean"
    )
    for name in TOKENIZERS:
        tokenizer = make_tokenizer(name, "".join(word.text for word in words))
        moved, drift, bounds, clamped = [], [], [], 0
        for original in offsets:
            tokens, over = tokenizer.encode_offsets(original)
            decoded = tokenizer.decode_offsets(tokens)
            clamped += over
            if over:  # counted, but the bound does not speak of it
                continue
            moved.append(np.hypot(*(decoded - original)[:, :2].T))
            drift.append(
                np.hypot(*(offsets_to_points(decoded) - offsets_to_points(original))[:, :2].T)
            )
            bounds.append(tokenizer.error_bound(original))
        moved, drift, bounds = (1000 * np.concatenate(a) for a in (moved, drift, bounds))
        print(
            f"{name:17} {tokenizer.vocab_size:4} {tokenizer.n_slots:14} {clamped:8} {moved.max():15.2f} {moved.mean():6.2f} "
            f"{bounds.max():7.2f} {drift.max():14.2f} {drift.mean():6.2f}"
        )


if __name__ == "__main__":
    run_script(main)
