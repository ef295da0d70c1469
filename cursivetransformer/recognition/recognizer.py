"""The recognizer: ink -> text, a small convolutional network over pictures of ink, trained with CTC. It measures legibility.

It sees about three letters around each place and knows no words, so it reads what is there and not what ought to be. Shapes in
comments: B inks, W columns of the widest, T = W / 2 frames, C classes (blank, then the alphabet).
"""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from cursivetransformer import __version__
from cursivetransformer.config.args import present_names
from cursivetransformer.config.train import RecognizerTrainingConfig
from cursivetransformer.recognition import ctc
from cursivetransformer.recognition.features import (
    CHANNELS,
    MARGIN,
    ROWS,
    FeatureGrid,
    columns,
    is_readable,
    picture,
)
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import shipped
from cursivetransformer.utils.serialization import read_content, write_content

KIND, FORMAT = "recognizer", 1
FRAME = 2  # columns that a frame is of
COLUMNS_AT_ONCE = 8192  # of pictures in a batch: bounds the memory
SHIPPED = shipped("recognizers")  # those of the bank that comes with the project
SELECTION, EVALUATION = (
    "selection",
    "evaluation",
)  # the two recognizers of a bank, trained on disjoint halves of its training words

PRESENT_HALVES = {
    "choosing": SELECTION,
    "grading": EVALUATION,
}  # by their names in earlier versions
EARLIER_NAMES = {present: earlier for earlier, present in PRESENT_HALVES.items()}
FOLDER, EARLIER_FOLDER = "recognizers", "readers"  # where they are looked for by default


class Convolution(nn.Module):
    """Convolution, batch norm (Ioffe and Szegedy 2015, arXiv:1502.03167), ReLU; then a pool and dropout of whole channels.

    What lies behind an ink's own columns stays zero, so that a reading does not depend on the inks beside it.
    """

    def __init__(self, n_in, n_out, kernel, pool=None, dropout=0.1, flat=False):
        super().__init__()
        rows, width = kernel
        self.conv = nn.Conv2d(
            n_in, n_out, kernel, padding=(0 if flat else rows // 2, width // 2), bias=False
        )
        self.norm = nn.BatchNorm2d(n_out)
        self.pool, self.dropout = pool, nn.Dropout2d(dropout)

    def forward(self, x, widths):
        x = F.relu(self.norm(self.conv(x)))
        if self.pool:
            x = F.max_pool2d(x, self.pool)
        here = torch.arange(x.shape[-1], device=x.device) < widths[:, None]
        return self.dropout(x * here[:, None, None])


class RecognizerNet(nn.Module):
    """Pictures (B, CHANNELS, ROWS, W) -> logits (B, T, C): convolutions down to one row, then along it."""

    def __init__(self, n_classes):
        super().__init__()
        self.first = Convolution(CHANNELS, 16, (3, 3), pool=(2, FRAME), dropout=0.0)
        self.down = nn.ModuleList(
            [
                Convolution(16, 48, (3, 3), pool=(2, 1), dropout=0.05),
                Convolution(48, 64, (3, 3)),
                Convolution(64, 64, (3, 3), pool=(2, 1)),
                Convolution(64, 128, (ROWS // 8, 3), flat=True),
            ]
        )
        self.along = nn.ModuleList([Convolution(128, 128, (1, 5), dropout=0.15) for _ in range(2)])
        self.head = nn.Conv1d(128, n_classes, 1)

    def forward(self, pictures, widths):
        """widths: (B,) frames of each picture."""
        x = self.first(F.pad(pictures, (0, -pictures.shape[-1] % FRAME)), widths)
        for convolution in self.down:
            x = convolution(x, widths)
        y = x
        for convolution in self.along:
            y = convolution(y, widths)
        return self.head((x + y)[:, :, 0]).transpose(1, 2)


@dataclass
class RecognizerConfig:
    """What a recognizer was made for. alphabet: the characters it knows, class 1 first; bank_digest, seed, test_fraction: the bank and
    how its words were held out; ink_scale: by which its ink was made larger; n_words: training words; error: character error rate on the held-out words, or None."""

    alphabet: str
    frame: dict
    bank_digest: str = ""
    seed: int = 0
    test_fraction: float = 0.0
    half: str = ""
    n_words: int = 0
    recipe: dict = field(default_factory=dict)
    error: float | None = None
    version: str = field(default=__version__)
    ink_scale: float = 1.0


class Recognizer:
    """Reads ink. config: a `RecognizerConfig`."""

    def __init__(self, config, device="cpu"):
        self.config, self.device = config, device
        self.frame = FeatureGrid(**config.frame)
        self.net = RecognizerNet(1 + len(config.alphabet)).to(device)
        self._ids = {char: i + 1 for i, char in enumerate(config.alphabet)}

    @property
    def n_parameters(self):
        """Number of weights."""
        return sum(p.numel() for p in self.net.parameters())

    def read(self, inks, beam=0):
        """A list of (n, 3) points -> the text of each. beam: 0 takes the likeliest path of characters, n the likeliest text found
        with n kept at a time. No ink, and ink too large to be writing, reads as "". Raises `UserError` for what is no ink."""
        texts = [""] * len(inks)
        for i, log_probs in self._log_probs(inks):
            texts[i] = self._text(ctc.beam(log_probs, beam) if beam else ctc.greedy(log_probs))
        return texts

    def nll(self, inks, texts):
        """Minus the log-probability that each ink reads as its text: (B,) float64; inf where it cannot."""
        return self.judge(inks, texts)[1]

    def judge(self, inks, texts):
        """What is read, as of `read`, and how surely the texts are, as of `nll`, at the cost of one of them."""
        readings, nll = [""] * len(inks), np.full(len(inks), np.inf)
        for i, log_probs in self._log_probs(inks):
            readings[i] = self._text(ctc.greedy(log_probs))
            if set(texts[i]) <= set(self._ids):
                frames, text = (
                    torch.as_tensor(log_probs)[:, None],
                    torch.tensor([self.encode(texts[i])]),
                )
                nll[i] = float(
                    F.ctc_loss(
                        frames,
                        text,
                        torch.tensor([len(frames)]),
                        torch.tensor([len(texts[i])]),
                        reduction="sum",
                    )
                )
        return readings, nll

    def align(self, inks, texts):
        """For each of (n, 3) inks (characters,) the x about which each character of its text stands, canvas heights from the ink's left
        edge; None where something else is read."""
        places = [None] * len(inks)
        for i, log_probs in self._log_probs(inks):
            if self._text(ctc.greedy(log_probs)) == texts[i]:
                places[i] = (
                    (ctc.align(log_probs, self.encode(texts[i])) + 0.5) * FRAME - MARGIN
                ) * self.frame.column
        return places

    def _text(self, ids):
        # A space is a gap between words, so there is none at an end.
        return "".join(self.config.alphabet[c - 1] for c in ids).strip()

    def encode(self, text):
        """Class ids of a text. Raises `UserError` for a character outside the alphabet."""
        unknown = sorted(set(text) - set(self._ids))
        if unknown:
            raise UserError(
                f"the recognizer does not know {', '.join(map(repr, unknown))}; its alphabet is {self.config.alphabet.strip()}"
            )
        return [self._ids[char] for char in text]

    def logits(self, inks):
        """(B, T, C) logits of inks that are not empty, and how many of the T frames are each one's (B,)."""
        widths = torch.tensor([-(-columns(points, self.frame) // FRAME) for points in inks])
        pictures = torch.from_numpy(picture(inks, self.frame))
        return self.net(pictures.to(self.device), widths.to(self.device)), widths

    @torch.inference_mode()
    def _log_probs(self, inks):
        """Yields the index of each readable ink with its (T, C) log-probabilities, as an array."""
        self.net.eval()
        inks = [check_ink(points) for points in inks]
        widths = {
            i: columns(points, self.frame)
            for i, points in enumerate(inks)
            if is_readable(points, self.frame)
        }
        for batch in _batches(widths):
            logits, frames = self.logits([inks[i] for i in batch])
            for i, row, n in zip(
                batch, logits.float().log_softmax(-1).cpu().numpy(), frames.tolist()
            ):
                yield i, row[:n]


def check_ink(points):
    """`points` as an array (n, 3), or a `UserError` where they are none of finite numbers."""
    array = np.asarray(points)
    if not array.size:
        return np.zeros((0, 3), np.float32)
    if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in "if":
        raise UserError(
            f"ink must be an array of points (x, y, pen), not one of shape {array.shape} and type {array.dtype}"
        )
    if not np.isfinite(array).all():
        raise UserError("ink must be of finite numbers; a point holds NaN or an infinity")
    return array


def _batches(widths):
    """{index: columns} -> lists of indices of like width, together at most COLUMNS_AT_ONCE columns unless one alone is more."""
    batch = []
    for i in sorted(widths, key=widths.get):
        if batch and (len(batch) + 1) * widths[i] > COLUMNS_AT_ONCE:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def recognizer_state(recognizer):
    """A recognizer as plain values and tensors, its weights in half precision."""
    weights = {
        name: w.detach().cpu().half() if w.is_floating_point() else w.detach().cpu()
        for name, w in recognizer.net.state_dict().items()
    }
    return {"config": asdict(recognizer.config), "weights": weights}


def present_config(config):
    """The values of a `RecognizerConfig` as a file holds them, with names of earlier versions replaced."""
    config = {
        {"test_share": "test_fraction"}.get(name, name): value for name, value in config.items()
    }
    half, recipe = config.get("half", ""), config.get("recipe", {})
    return {
        **config,
        "half": PRESENT_HALVES.get(half, half),
        "recipe": present_names(RecognizerTrainingConfig, recipe),
    }


def upgrade(content):
    """The content of a file that calls its kind as earlier versions did."""
    return {**content, "kind": KIND} if content.get("kind") == "reader" else content


def recognizer_from_state(state, device="cpu"):
    """The recognizer that `recognizer_state` described."""
    recognizer = Recognizer(RecognizerConfig(**present_config(state["config"])), device)
    recognizer.net.load_state_dict(state["weights"])
    return recognizer


def save_recognizer(path, recognizer):
    """Write a recognizer to a file, whole or not at all."""
    write_content(
        path,
        {
            "kind": KIND,
            "format": FORMAT,
            "version": recognizer.config.version,
            **recognizer_state(recognizer),
        },
    )


def load_recognizer(path, device="cpu"):
    """The recognizer in a file. Raises `UserError` in one sentence where it cannot be used."""
    return read_content(
        path,
        KIND,
        FORMAT,
        device,
        "train recognizers with `python train_recognizer.py`",
        lambda content: recognizer_from_state(content, device),
        upgrade,
    )


def recognizer_path(folder, half):
    """The path of a recognizer in the folder of a bank's two, under the name that an earlier version gave it if that alone is there."""
    path = Path(folder) / f"{half}.pt"
    earlier = path.with_name(f"{EARLIER_NAMES[half]}.pt")
    return earlier if earlier.is_file() and not path.is_file() else path


def find_recognizers(folder, bank_digest, ink_scale=1.0):
    """The subfolder of `folder` whose recognizers were trained last on the bank with this digest, its ink made larger by `ink_scale`, else the
    shipped ones of it, or None."""
    found = _newest_recognizers(folder, bank_digest, ink_scale)
    return found and found[0]


def find_selection_recognizer(config, bank_digest, say, needed_by="", carried=None, ink_scale=1.0):
    """The recognizer that may choose among versions of a word, of the bank with this digest, its ink made larger by `ink_scale`; where there is
    none, None with a note to `say`, or a `UserError` where a setting, `needed_by`, cannot do without.

    config: settings with a `recognizer_dir` and a `device`; carried: the state of the recognizer that a model brings along, or None.
    """
    found = _newest_recognizers(config.recognizer_dir, bank_digest, ink_scale, config.device)
    if found:
        return found[1]
    if carried:
        return recognizer_from_state(carried, config.device)
    if needed_by:
        raise UserError(
            f"{needed_by} needs a recognizer of this hand, and {config.recognizer_dir}/ has none; `python train_recognizer.py` trains one"
        )
    say(
        f"note: no recognizer of this hand in {config.recognizer_dir}/, so spelling is not checked; `python train_recognizer.py` with the same --dataset_name trains one"
    )
    return None


def _newest_recognizers(folder, bank_digest, ink_scale, device="cpu"):
    """What `find_recognizers` finds, with the choosing recognizer in it, which has been read to look at its bank; or None."""
    folders = [Path(folder), *([Path(EARLIER_FOLDER)] if folder == FOLDER else [])]
    pairs = {
        path.parent
        for place in folders
        for name in (SELECTION, EARLIER_NAMES[SELECTION])
        for path in place.glob(f"*/{name}.pt")
    }
    own = sorted(
        pairs, key=lambda pair: recognizer_path(pair, SELECTION).stat().st_mtime, reverse=True
    )
    for pair in [*own, *(path.parent for path in SHIPPED.glob(f"*/{SELECTION}.pt"))]:
        try:
            recognizer = load_recognizer(recognizer_path(pair, SELECTION), device)
        except UserError:
            continue  # not ours to judge: it may be of another version
        if (recognizer.config.bank_digest, recognizer.config.ink_scale) == (
            bank_digest,
            ink_scale,
        ) and recognizer_path(pair, EVALUATION).is_file():
            return pair, recognizer
    return None
