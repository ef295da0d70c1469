"""The convolutional network of the recognizer: feature images -> logits of CTC classes.

Shapes: B images, W columns of the widest, T = W / COLUMNS_PER_FRAME frames, C classes.
"""

import torch
import torch.nn.functional as F
from torch import nn

from cursivetransformer.recognition.features import CHANNELS, ROWS

COLUMNS_PER_FRAME = 2


class ConvBlock(nn.Module):
    """Convolution, batch norm (Ioffe and Szegedy 2015, arXiv:1502.03167), ReLU, pool and dropout.

    Columns beyond an image's own stay zero, so that a reading does not depend on the other images
    of the batch.

    Args:
        n_in: channels of the input.
        n_out: channels of the output.
        kernel: rows and columns of the kernel.
        pool: rows and columns that max pooling merges, or None.
        dropout: probability of dropping a channel.
        pad_rows: keep the number of rows. Without it, a kernel of all rows leaves one.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: tuple[int, int],
        pool: tuple[int, int] | None = None,
        dropout: float = 0.1,
        pad_rows: bool = True,
    ) -> None:
        super().__init__()
        rows, width = kernel
        padding = (rows // 2 if pad_rows else 0, width // 2)
        self.conv = nn.Conv2d(n_in, n_out, kernel, padding=padding, bias=False)
        self.norm = nn.BatchNorm2d(n_out)
        self.pool = pool
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: torch.Tensor, n_frames: torch.Tensor) -> torch.Tensor:
        """Map (B, n_in, rows, W) to (B, n_out, rows', T). n_frames: (B,) frames of each image."""
        x = F.relu(self.norm(self.conv(x)))
        if self.pool:
            x = F.max_pool2d(x, self.pool)
        inside = torch.arange(x.shape[-1], device=x.device) < n_frames[:, None]
        return self.dropout(x * inside[:, None, None])


class RecognizerNet(nn.Module):
    """Convolutions that reduce an image to one row, then two along that row with a residual."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.first = ConvBlock(CHANNELS, 16, (3, 3), pool=(2, COLUMNS_PER_FRAME), dropout=0.0)
        self.down = nn.ModuleList(
            [
                ConvBlock(16, 48, (3, 3), pool=(2, 1), dropout=0.05),
                ConvBlock(48, 64, (3, 3)),
                ConvBlock(64, 64, (3, 3), pool=(2, 1)),
                ConvBlock(64, 128, (ROWS // 8, 3), pad_rows=False),
            ]
        )
        self.along = nn.ModuleList([ConvBlock(128, 128, (1, 5), dropout=0.15) for _ in range(2)])
        self.head = nn.Conv1d(128, n_classes, 1)

    def forward(self, images: torch.Tensor, n_frames: torch.Tensor) -> torch.Tensor:
        """Map (B, CHANNELS, ROWS, W) to (B, T, C). n_frames: (B,) frames of each image."""
        padding = -images.shape[-1] % COLUMNS_PER_FRAME
        x = self.first(F.pad(images, (0, padding)), n_frames)
        for block in self.down:
            x = block(x, n_frames)
        y = x
        for block in self.along:
            y = block(y, n_frames)
        return self.head((x + y)[:, :, 0]).transpose(1, 2)
