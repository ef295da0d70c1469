"""The reader: ink -> text, a small convolutional network over pictures of ink, trained with CTC. It measures legibility.

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
from cursivetransformer.recognition import ctc
from cursivetransformer.models.checkpoint import read_content, write_content
from cursivetransformer.utils.errors import UserError
from cursivetransformer.recognition.features import CHANNELS, MARGIN, ROWS, Frame, columns, is_readable, picture

KIND, FORMAT = "reader", 1
FRAME = 2                # columns that a frame is of
COLUMNS_AT_ONCE = 8192   # of pictures in a batch: bounds the memory
SHIPPED = Path(__file__).parent.parent.parent / "data" / "readers"  # those of the bank that comes with the project
CHOOSING, GRADING = "choosing", "grading"  # the two readers of a bank, trained on disjoint halves of its training words


class Convolution(nn.Module):
    """Convolution, batch norm (Ioffe and Szegedy 2015, arXiv:1502.03167), ReLU; then a pool and dropout of whole channels.

    What lies behind an ink's own columns stays zero, so that a reading does not depend on the inks beside it.
    """

    def __init__(self, n_in, n_out, kernel, pool=None, dropout=0.1, flat=False):
        super().__init__()
        rows, width = kernel
        self.conv = nn.Conv2d(n_in, n_out, kernel, padding=(0 if flat else rows // 2, width // 2), bias=False)
        self.norm = nn.BatchNorm2d(n_out)
        self.pool, self.dropout = pool, nn.Dropout2d(dropout)

    def forward(self, x, widths):
        x = F.relu(self.norm(self.conv(x)))
        if self.pool:
            x = F.max_pool2d(x, self.pool)
        here = torch.arange(x.shape[-1], device=x.device) < widths[:, None]
        return self.dropout(x * here[:, None, None])


class ReaderNet(nn.Module):
    """Pictures (B, CHANNELS, ROWS, W) -> logits (B, T, C): convolutions down to one row, then along it."""

    def __init__(self, n_classes):
        super().__init__()
        self.first = Convolution(CHANNELS, 16, (3, 3), pool=(2, FRAME), dropout=0.0)
        self.down = nn.ModuleList([
            Convolution(16, 48, (3, 3), pool=(2, 1), dropout=0.05),
            Convolution(48, 64, (3, 3)),
            Convolution(64, 64, (3, 3), pool=(2, 1)),
            Convolution(64, 128, (ROWS // 8, 3), flat=True),
        ])
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
class ReaderConfig:
    """What a reader was made for. alphabet: the characters it knows, class 1 first; bank_digest, seed, test_share: the bank and
    how its words were held out; ink_scale: by which its ink was made larger; n_words: training words; error: character error rate on the held-out words, or None."""

    alphabet: str
    frame: dict
    bank_digest: str = ""
    seed: int = 0
    test_share: float = 0.0
    half: str = ""
    n_words: int = 0
    recipe: dict = field(default_factory=dict)
    error: float | None = None
    version: str = field(default=__version__)
    ink_scale: float = 1.0


class Reader:
    """Reads ink. config: a `ReaderConfig`."""

    def __init__(self, config, device="cpu"):
        self.config, self.device = config, device
        self.frame = Frame(**config.frame)
        self.net = ReaderNet(1 + len(config.alphabet)).to(device)
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

    def nats(self, inks, texts):
        """Minus the log-probability that each ink reads as its text: (B,) float64; inf where it cannot."""
        return self.judge(inks, texts)[1]

    def judge(self, inks, texts):
        """What is read, as of `read`, and how surely the texts are, as of `nats`, at the cost of one of them."""
        readings, nats = [""] * len(inks), np.full(len(inks), np.inf)
        for i, log_probs in self._log_probs(inks):
            readings[i] = self._text(ctc.greedy(log_probs))
            if set(texts[i]) <= set(self._ids):
                frames, text = torch.as_tensor(log_probs)[:, None], torch.tensor([self.encode(texts[i])])
                nats[i] = float(F.ctc_loss(frames, text, torch.tensor([len(frames)]), torch.tensor([len(texts[i])]), reduction="sum"))
        return readings, nats

    def letter_places(self, inks, texts):
        """For each of (n, 3) inks (characters,) the x about which each character of its text stands, canvas heights from the ink's left
        edge; None where something else is read."""
        places = [None] * len(inks)
        for i, log_probs in self._log_probs(inks):
            if self._text(ctc.greedy(log_probs)) == texts[i]:
                places[i] = ((ctc.align(log_probs, self.encode(texts[i])) + 0.5) * FRAME - MARGIN) * self.frame.column
        return places

    def _text(self, ids):
        # A space is a gap between words, so there is none at an end.
        return "".join(self.config.alphabet[c - 1] for c in ids).strip()

    def encode(self, text):
        """Class ids of a text. Raises `UserError` for a character outside the alphabet."""
        unknown = sorted(set(text) - set(self._ids))
        if unknown:
            raise UserError(f"the reader does not know {', '.join(map(repr, unknown))}; its alphabet is {self.config.alphabet.strip()}")
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
        widths = {i: columns(points, self.frame) for i, points in enumerate(inks) if is_readable(points, self.frame)}
        for batch in _batches(widths):
            logits, frames = self.logits([inks[i] for i in batch])
            for i, row, n in zip(batch, logits.float().log_softmax(-1).cpu().numpy(), frames.tolist()):
                yield i, row[:n]


def check_ink(points):
    """`points` as an array (n, 3), or a `UserError` where they are none of finite numbers."""
    array = np.asarray(points)
    if not array.size:
        return np.zeros((0, 3), np.float32)
    if array.ndim != 2 or array.shape[1] != 3 or array.dtype.kind not in "if":
        raise UserError(f"ink must be an array of points (x, y, pen), not one of shape {array.shape} and type {array.dtype}")
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


def reader_state(reader):
    """A reader as plain values and tensors, its weights in half precision."""
    weights = {name: w.detach().cpu().half() if w.is_floating_point() else w.detach().cpu() for name, w in reader.net.state_dict().items()}
    return {"config": asdict(reader.config), "weights": weights}


def reader_from_state(state, device="cpu"):
    """The reader that `reader_state` described."""
    reader = Reader(ReaderConfig(**state["config"]), device)
    reader.net.load_state_dict(state["weights"])
    return reader


def save_reader(path, reader):
    """Write a reader to a file, whole or not at all."""
    write_content(path, {"kind": KIND, "format": FORMAT, "version": reader.config.version, **reader_state(reader)})


def load_reader(path, device="cpu"):
    """The reader in a file. Raises `UserError` in one sentence where it cannot be used."""
    return read_content(path, KIND, FORMAT, device, "train readers with `python train_reader.py`", lambda content: reader_from_state(content, device))


def find_readers(folder, bank_digest, ink_scale=1.0):
    """The subfolder of `folder` whose readers were trained last on the bank with this digest, its ink made larger by `ink_scale`, else the
    shipped ones of it, or None."""
    found = _newest_readers(folder, bank_digest, ink_scale)
    return found and found[0]


def find_choosing_reader(config, bank_digest, say, needed_by="", carried=None, ink_scale=1.0):
    """The reader that may choose among versions of a word, of the bank with this digest, its ink made larger by `ink_scale`; where there is
    none, None with a note to `say`, or a `UserError` where a setting, `needed_by`, cannot do without.

    config: settings with a `reader_dir` and a `device`; carried: the state of the reader that a model brings along, or None.
    """
    found = _newest_readers(config.reader_dir, bank_digest, ink_scale, config.device)
    if found:
        return found[1]
    if carried:
        return reader_from_state(carried, config.device)
    if needed_by:
        raise UserError(f"{needed_by} needs a reader of this hand, and {config.reader_dir}/ has none; `python train_reader.py` trains one")
    say(f"note: no reader of this hand in {config.reader_dir}/, so spelling is not checked; `python train_reader.py` with the same --dataset_name trains one")
    return None


def _newest_readers(folder, bank_digest, ink_scale, device="cpu"):
    """What `find_readers` finds, with the choosing reader in it, which has been read to look at its bank; or None."""
    own = sorted(Path(folder).glob(f"*/{CHOOSING}.pt"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in [*own, *SHIPPED.glob(f"*/{CHOOSING}.pt")]:
        try:
            reader = load_reader(path, device)
        except UserError:
            continue  # not ours to judge: it may be of another version
        if (reader.config.bank_digest, reader.config.ink_scale) == (bank_digest, ink_scale) and path.with_name(f"{GRADING}.pt").is_file():
            return path.parent, reader
    return None
