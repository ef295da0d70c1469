"""Examples per second: batches made with tensors, with NumPy arrays, and one example at a time.

    python -m benchmarks.pipeline [settings of train.py]

The tensors are made on `--device`, by the program. The other two ways are in
`tests/data/reference.py`; `tests/data` checks that all three make the same tokens.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from cursivetransformer.bank.registry import load_banks
from cursivetransformer.config.train import get_all_args
from cursivetransformer.data.dataset import NO_WORD, InkStore
from cursivetransformer.data.packing import SampleBatch, pack
from cursivetransformer.data.tokenizer import make_tokenizer
from cursivetransformer.ink.augment import sample_transforms
from cursivetransformer.utils.errors import run_script
from tests.data.reference import (
    InkArrays,
    make_batch,
    plain_example,
    sample_rates,
    sample_word_ids,
)

BATCH, ROUNDS = 256, 9


def timed(function: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    config = get_all_args(preset="paper")  # four words in an example
    words, _ = load_banks(config.dataset_name)
    tokenizer = make_tokenizer("polar", "".join(word.text for word in words))
    store = InkStore.from_words(words, tokenizer, config.device)
    arrays = InkArrays.from_store(store)
    rng = np.random.default_rng(0)
    max_length = config.max_seq_length
    widths = config.shear_width, config.scale_width, config.rotation_width

    def measure_round() -> dict[str, float]:
        """Return the seconds that each way takes to make the same batch."""
        ids = sample_word_ids(rng, np.arange(len(words)), BATCH, 4, 4)
        rates = sample_rates(rng, BATCH, config.downsample_mean, config.downsample_width)
        matrices = sample_transforms(rng, BATCH, *widths)
        examples = SampleBatch(
            *(torch.as_tensor(array, device=config.device) for array in (ids, rates, matrices))
        )

        def make_plain() -> None:
            for row_ids, rate, matrix in zip(ids, rates, matrices):
                row = [words[i] for i in row_ids if i != NO_WORD]
                plain_example(row, tokenizer, rate, matrix, max_length)

        def make_arrays() -> None:
            make_batch(arrays, tokenizer, ids, rates, matrices, max_length)

        def make_tensors() -> None:
            int(pack(store, tokenizer, examples, max_length).n_tokens)  # waits for the device

        ways = {"plain": make_plain, "arrays": make_arrays, "tensors": make_tensors}
        return {name: timed(make) for name, make in ways.items()}

    # The ways take turns, so that all are measured under the same load.
    rounds = [measure_round() for _ in range(ROUNDS)]
    speeds = {name: [BATCH / seconds[name] for seconds in rounds] for name in rounds[0]}
    for name, values in speeds.items():
        print(
            f"{name:8} {statistics.median(values):9,.0f} four-word examples a second "
            f"(median of {ROUNDS}, {min(values):,.0f} to {max(values):,.0f})"
        )
    for name in ("arrays", "tensors"):
        ratio = statistics.median(b / a for a, b in zip(speeds["plain"], speeds[name]))
        print(f"ratio    {ratio:9.1f} of {name} to plain")


if __name__ == "__main__":
    run_script(main)
