"""Measure how far ink moves when it becomes tokens and comes back, for each tokenizer.

    python -m benchmarks.round_trip [--dataset_name bigbank]

Distances are in thousandths of the canvas height; the x-height is a third of it. "point" adds up
the errors of a point's offset and of those before it in the word. Words with a clamped radius are
counted, and left out otherwise.
"""

import numpy as np

from cursivetransformer.bank.registry import load_banks
from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.tokenizer import TOKENIZERS, Tokenizer, make_tokenizer
from cursivetransformer.ink.augment import downsample
from cursivetransformer.ink.strokes import offsets_to_points, points_to_offsets
from cursivetransformer.utils.errors import run_script


def distances(decoded: np.ndarray, original: np.ndarray) -> np.ndarray:
    """Return the distance of each of n offsets or points, (n, 3), from its original."""
    return np.hypot(*(decoded - original)[:, :2].T)


def measure(name: str, tokenizer: Tokenizer, words: list[np.ndarray]) -> None:
    """Print a tokenizer's errors on words, each (n, 3) offsets."""
    offset_errors, point_errors, bounds = [], [], []
    n_clamped = 0
    for original in words:
        tokens, clamped = tokenizer.encode_offsets(original)
        decoded = tokenizer.decode_offsets(tokens)
        n_clamped += clamped
        if clamped:  # the error bound does not hold for it
            continue
        offset_errors.append(distances(decoded, original))
        point_errors.append(distances(offsets_to_points(decoded), offsets_to_points(original)))
        bounds.append(tokenizer.error_bound(original))
    offset, point, bound = (
        1000 * np.concatenate(values) for values in (offset_errors, point_errors, bounds)
    )
    print(
        f"{name:17} {tokenizer.vocab_size:4} {tokenizer.n_slots:14} {n_clamped:8} "
        f"{offset.max():15.2f} {offset.mean():6.2f} {bound.max():7.2f} "
        f"{point.max():14.2f} {point.mean():6.2f}"
    )


def main() -> None:
    config = get_all_args(device="cpu")
    words, _ = load_banks(config.dataset_name)
    offsets = [points_to_offsets(downsample(word.points, config.downsample_mean)) for word in words]
    print(
        "tokenizer          ids  tokens/offset  clamped   offset: worst   mean   bound   "
        "point: worst   mean"
    )
    for name in TOKENIZERS:
        measure(name, make_tokenizer(name, "".join(word.text for word in words)), offsets)


if __name__ == "__main__":
    run_script(main)
