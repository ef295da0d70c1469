"""The recognizer: ink -> text, a small convolutional network trained with CTC.

It measures legibility. It sees about three letters at a time and has no language model, so it reads
what is written and not what is likely. A bank has two recognizers, trained on disjoint halves of
its training words: one selects among versions of a word, the other one evaluates what was selected.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field, InstanceOf

from cursivetransformer import __version__
from cursivetransformer.config.args import present_names
from cursivetransformer.config.train import RecognizerTrainingConfig
from cursivetransformer.ink.stance import StanceValues
from cursivetransformer.recognition import ctc
from cursivetransformer.recognition.features import (
    MARGIN,
    FeatureGrid,
    count_columns,
    is_readable,
    rasterize,
)
from cursivetransformer.recognition.network import COLUMNS_PER_FRAME, RecognizerNet
from cursivetransformer.utils.errors import UserError, how_to_run
from cursivetransformer.utils.io import shipped
from cursivetransformer.utils.schema import Count, Fraction, Number, Positive, from_plain
from cursivetransformer.utils.serialization import load_weights, read_content, write_content

KIND, FORMAT = "recognizer", 1
# Columns of all images of a batch, which bounds the memory.
MAX_BATCH_COLUMNS = 8192
# The two recognizers of a bank, and their names in earlier versions.
SELECTION, EVALUATION = "selection", "evaluation"
PRESENT_HALVES = {"choosing": SELECTION, "grading": EVALUATION}
EARLIER_NAMES = {present: earlier for earlier, present in PRESENT_HALVES.items()}
# The default folder of recognizers, and its name in earlier versions.
FOLDER, EARLIER_FOLDER = "recognizers", "readers"
# The recognizers that come with the project.
SHIPPED = shipped("recognizers")


@dataclass
class RecognizerConfig:
    """What a recognizer was made for, and how.

    Attributes:
        alphabet: the characters that it reads, class 1 first.
        frame: the values of its `FeatureGrid`.
        bank_digest: digest of the bank that it was trained on.
        seed: seed of the split of the bank.
        test_fraction: fraction of the bank's words that were held out.
        half: SELECTION or EVALUATION.
        n_words: number of training words.
        recipe: the training settings.
        error: character error rate on the held-out words, or None before it is measured.
        version: version of the program that trained it.
        ink_scale: factor by which the bank's ink was enlarged.
        stances: how the letters of each author of the bank stand and join, as `Stance.as_dict`
            gives it, by the author's name.
    """

    alphabet: Annotated[str, Field(min_length=1)]
    frame: dict[str, float]
    bank_digest: str = ""
    seed: Count = 0
    test_fraction: Fraction = 0.0
    half: str = ""
    n_words: Count = 0
    recipe: dict[str, Any] = field(default_factory=dict)
    error: Number | None = None
    version: str = field(default=__version__)
    ink_scale: Positive = 1.0
    stances: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class _State:
    """The types of what `recognizer_state` returns."""

    config: dict[str, Any]
    weights: dict[str, InstanceOf[torch.Tensor]]


@dataclass(frozen=True)
class Reading:
    """What a recognizer makes of an ink that should be a text.

    Attributes:
        text: what it reads.
        nll: minus the log-probability of the text that it should be, in nats; inf if impossible.
        centers: x of the characters' centers, (characters,), in canvas heights from the left edge
            of the ink; None where the ink does not read as the text.
    """

    text: str = ""
    nll: float = np.inf
    centers: np.ndarray | None = None


class Recognizer:
    """Reads ink.

    Inks are arrays (n, 3) of points (x, y, pen) in canvas heights.
    """

    def __init__(self, config: RecognizerConfig, device: str = "cpu") -> None:
        self.config = config
        self.device = device
        self.grid = from_plain(FeatureGrid, config.frame, "config.frame")
        self.net = RecognizerNet(1 + len(config.alphabet)).to(device)
        self._class_ids = {char: i for i, char in enumerate(config.alphabet, 1)}

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(p.numel() for p in self.net.parameters())

    def read(self, inks: Sequence[np.ndarray], beam: int = 0) -> list[str]:
        """Read each ink.

        Args:
            inks: the inks. Empty ink, and ink too large to be writing, reads as "".
            beam: width of the beam search for the likeliest text; 0 takes the likeliest path.

        Raises:
            UserError: an ink is not an array of points.
        """
        texts = [""] * len(inks)
        for i, log_probs in self._log_probs(inks):
            ids = ctc.beam_search(log_probs, beam) if beam else ctc.greedy_decode(log_probs)
            texts[i] = self._decode(ids)
        return texts

    def nll(self, inks: Sequence[np.ndarray], texts: Sequence[str]) -> np.ndarray:
        """Return minus the log-probability of each text given its ink, in nats.

        The result is (B,) float64, and inf where the ink cannot read as the text.
        """
        return np.array([reading.nll for reading in self.examine(inks, texts)])

    def examine(self, inks: Sequence[np.ndarray], texts: Sequence[str]) -> list[Reading]:
        """Read each ink, and compare it with the text that it should be."""
        readings = [Reading()] * len(inks)
        for i, log_probs in self._log_probs(inks):
            text, nll, centers = self._decode(ctc.greedy_decode(log_probs)), np.inf, None
            if self._class_ids.keys() >= set(texts[i]):
                nll = _ctc_nll(log_probs, self.encode(texts[i]))
            if text == texts[i]:
                frames = ctc.align(log_probs, self.encode(text))
                assert frames is not None  # The greedy path spells the text, so it fits.
                columns = (frames + 0.5) * COLUMNS_PER_FRAME - MARGIN
                centers = columns * self.grid.column
            readings[i] = Reading(text, nll, centers)
        return readings

    def align(self, inks: Sequence[np.ndarray], texts: Sequence[str]) -> list[np.ndarray | None]:
        """Return the `centers` of each ink's `Reading`."""
        return [reading.centers for reading in self.examine(inks, texts)]

    def encode(self, text: str) -> list[int]:
        """Return the class ids of a text. Raises `UserError` for an unknown character."""
        unknown = sorted(set(text) - set(self._class_ids))
        if unknown:
            raise UserError(
                f"the recognizer cannot read {', '.join(map(repr, unknown))}; "
                f"its alphabet is {self.config.alphabet.strip()}"
            )
        return [self._class_ids[char] for char in text]

    def _decode(self, ids: Sequence[int]) -> str:
        """Return the text of class ids."""
        # A space is a gap between words, so there is none at an end.
        return "".join(self.config.alphabet[c - 1] for c in ids).strip()

    def logits(self, inks: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the network on inks that are not empty.

        Returns:
            (B, T, C) logits and (B,) the number of frames of each ink.
        """
        n_frames = torch.tensor(
            [-(-count_columns(points, self.grid) // COLUMNS_PER_FRAME) for points in inks]
        )
        images = torch.from_numpy(rasterize(inks, self.grid))
        return self.net(images.to(self.device), n_frames.to(self.device)), n_frames

    @torch.inference_mode()
    def _log_probs(self, inks: Sequence[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the index of each readable ink with its log-probabilities, (T, C)."""
        self.net.eval()
        inks = [check_ink(points) for points in inks]
        n_columns = {
            i: count_columns(points, self.grid)
            for i, points in enumerate(inks)
            if is_readable(points, self.grid)
        }
        for batch in _batches(n_columns):
            logits, n_frames = self.logits([inks[i] for i in batch])
            log_probs = logits.float().log_softmax(-1).cpu().numpy()
            for i, rows, n in zip(batch, log_probs, n_frames.tolist()):
                yield i, rows[:n]


def check_ink(points: Any) -> np.ndarray:
    """Return `points` as an array (n, 3). Raises `UserError` if they are not finite points."""
    array = np.asarray(points)
    if not array.size:
        return np.zeros((0, 3), np.float32)
    if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in "if":
        raise UserError(
            "ink must be an array of points (x, y, pen), "
            f"not one of shape {array.shape} and type {array.dtype}"
        )
    if not np.isfinite(array).all():
        raise UserError("ink must hold finite numbers; a point holds NaN or infinity")
    return array


def _batches(n_columns: Mapping[int, int]) -> Iterator[list[int]]:
    """Group the indices of inks of similar width.

    A batch has at most MAX_BATCH_COLUMNS columns, padding included, unless it is a single ink.

    Args:
        n_columns: columns of each ink, by its index.
    """
    batch: list[int] = []
    for i in sorted(n_columns, key=n_columns.__getitem__):
        if batch and (len(batch) + 1) * n_columns[i] > MAX_BATCH_COLUMNS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _ctc_nll(log_probs: np.ndarray, ids: Sequence[int]) -> float:
    """Return minus the log-probability of a text's class ids given (T, C) log-probabilities."""
    nll = F.ctc_loss(
        torch.as_tensor(log_probs)[:, None],
        torch.tensor([ids]),
        torch.tensor([len(log_probs)]),
        torch.tensor([len(ids)]),
        reduction="sum",
    )
    return float(nll)


def recognizer_state(recognizer: Recognizer) -> dict[str, Any]:
    """Return a recognizer as plain values and tensors, its weights in half precision."""
    weights = {
        name: w.detach().cpu().half() if w.is_floating_point() else w.detach().cpu()
        for name, w in recognizer.net.state_dict().items()
    }
    return {"config": asdict(recognizer.config), "weights": weights}


def recognizer_from_state(state: Mapping[str, Any], device: str = "cpu") -> Recognizer:
    """Rebuild a recognizer from what `recognizer_state` returned.

    Raises:
        ValueError: the state is not one of a recognizer; the message names the key.
    """
    stored = from_plain(_State, {name: state.get(name) for name in ("config", "weights")})
    config = from_plain(RecognizerConfig, present_config(stored.config), "config")
    if len(set(config.alphabet)) < len(config.alphabet):
        raise ValueError("config.alphabet holds a character twice")
    for author, values in config.stances.items():
        from_plain(StanceValues, values, f"config.stances.{author}")
    recognizer = Recognizer(config, device)
    load_weights(recognizer.net, stored.weights)
    return recognizer


def present_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Replace names of earlier versions in the stored values of a `RecognizerConfig`."""
    renamed = {"test_share": "test_fraction"}
    values = {renamed.get(name, name): value for name, value in config.items()}
    half = values.get("half", "")
    values["half"] = PRESENT_HALVES.get(half, half)
    values["recipe"] = present_names(RecognizerTrainingConfig, values.get("recipe", {}))
    return values


def save_recognizer(path: str | Path, recognizer: Recognizer) -> None:
    """Write a recognizer to a file, completely or not at all."""
    content = {
        "kind": KIND,
        "format": FORMAT,
        "version": recognizer.config.version,
        **recognizer_state(recognizer),
    }
    write_content(path, content)


def load_recognizer(path: str | Path, device: str = "cpu") -> Recognizer:
    """Read a recognizer from a file. Raises `UserError` if the file cannot be used."""
    return read_content(
        path,
        KIND,
        FORMAT,
        f"train recognizers with `{how_to_run('train-recognizer')}`",
        lambda content: recognizer_from_state(content, device),
        upgrade,
    )


def upgrade(content: dict[str, Any]) -> dict[str, Any]:
    """Replace the kind that earlier versions stored in a file."""
    return {**content, "kind": KIND} if content.get("kind") == "reader" else content


def recognizer_path(folder: str | Path, half: str) -> Path:
    """Return the path of a recognizer in the folder of a bank's two.

    This is the name of an earlier version where the folder has only that.
    """
    path = Path(folder) / f"{half}.pt"
    earlier = path.with_name(f"{EARLIER_NAMES[half]}.pt")
    return earlier if earlier.is_file() and not path.is_file() else path


def find_recognizers(
    recognizer_dir: str | Path, bank_digest: str, ink_scale: float = 1.0
) -> Path | None:
    """Find the folder of a bank's two recognizers.

    Args:
        recognizer_dir: folder with one subfolder for each bank.
        bank_digest: digest of the bank that they were trained on.
        ink_scale: factor by which the bank's ink was enlarged.

    Returns:
        The newest match in `recognizer_dir`, else a match among the shipped ones, else None.
    """
    match = next(_matching_recognizers(recognizer_dir, bank_digest, ink_scale), None)
    return match[0] if match else None


def find_selection_recognizer(
    recognizer_dir: str | Path,
    bank_digest: str,
    *,
    say: Callable[[str], object],
    device: str = "cpu",
    ink_scale: float = 1.0,
    fallback: Mapping[str, Any] | None = None,
    needed_by: str = "",
) -> Recognizer | None:
    """Find the recognizer that selects among versions of a word.

    Args:
        recognizer_dir: folder with one subfolder for each bank.
        bank_digest: digest of the bank that it was trained on.
        say: takes a note if there is none.
        device: where it runs.
        ink_scale: factor by which the bank's ink was enlarged.
        fallback: state of the recognizer to use if the folders have none, or None.
        needed_by: the setting that needs a recognizer, or "".

    Returns:
        The recognizer, or None if there is none and `needed_by` is empty.

    Raises:
        UserError: there is none, but `needed_by` needs it.
    """
    match = next(_matching_recognizers(recognizer_dir, bank_digest, ink_scale, device), None)
    if match:
        return match[1]
    if fallback:
        return recognizer_from_state(fallback, device)
    if needed_by:
        raise UserError(
            f"{needed_by} needs a recognizer of this hand, and {recognizer_dir}/ has none; "
            f"`{how_to_run('train-recognizer')}` trains one"
        )
    say(
        f"note: no recognizer of this hand in {recognizer_dir}/, so spelling is not checked; "
        f"`{how_to_run('train-recognizer')}` with the same --dataset_name trains one"
    )
    return None


def _matching_recognizers(
    recognizer_dir: str | Path, bank_digest: str, ink_scale: float, device: str = "cpu"
) -> Iterator[tuple[Path, Recognizer]]:
    """Yield the folders of complete pairs for a bank, each with its selection recognizer."""
    for folder in _candidate_folders(recognizer_dir):
        try:
            recognizer = load_recognizer(recognizer_path(folder, SELECTION), device)
        except UserError:
            # The file may be damaged or of another version. Neither makes the others unusable.
            continue
        config = recognizer.config
        if config.bank_digest != bank_digest or config.ink_scale != ink_scale:
            continue
        if recognizer_path(folder, EVALUATION).is_file():
            yield folder, recognizer


def _candidate_folders(recognizer_dir: str | Path) -> list[Path]:
    """List the folders that hold a selection recognizer, newest first, then the shipped ones."""
    parents = [Path(recognizer_dir)]
    if str(recognizer_dir) in (FOLDER, EARLIER_FOLDER):  # stored runs name the earlier default
        parents = [Path(FOLDER), Path(EARLIER_FOLDER)]
    folders = {
        path.parent
        for parent in parents
        for name in (SELECTION, EARLIER_NAMES[SELECTION])
        for path in parent.glob(f"*/{name}.pt")
    }
    newest_first = sorted(
        folders,
        key=lambda folder: recognizer_path(folder, SELECTION).stat().st_mtime,
        reverse=True,
    )
    return newest_first + [path.parent for path in SHIPPED.glob(f"*/{SELECTION}.pt")]
