"""Pages as animated GIFs that write themselves in a hand's order and pace.

Pillow draws and packs them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.layout.page import PAPER_COLOR, PAPER_DOT, PAPER_WIDTH, Page
from cursivetransformer.render import brush

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

SUPERSAMPLING = 3  # the ink is drawn this many times as large, then averaged
LEVELS = 16  # of ink, from none to full
PAPER_LEVELS = 4  # of the paper's lines
MAX_PER_MM = 16  # pixels: more shows nothing new of a line of ink
MAX_PIXELS = 8e6  # of a frame, of which there are many
PAUSE, HOLD = 300, 3000  # milliseconds before the first and after the last stroke
MAX_DURATION = 655_350  # milliseconds of a frame, the most that a GIF can tell
BORDER = 2  # pixels around new ink that are averaged again

INK_LEVELS = [round(value * (LEVELS - 1) / 255) for value in range(256)]

# A piece of ink: its two ends (2, 2) and its width at either end (2,), in millimeters.
Piece = tuple[np.ndarray, np.ndarray]
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels


def save_gif(page: Page, path: str | Path, config: SampleConfig) -> None:
    """Write a page, at most `gif_width` pixels wide, in frames that hold only what changed.

    Each frame is written as soon as the next one is known, because `Image.save` would keep all of
    them in memory: gigabytes for a page.
    """
    from PIL.GifImagePlugin import getdata, getheader

    frames = _frames(page, config, brush.timing(page.words, config.pace))
    first = next(frames)
    assert first is not None
    last, corner = first
    duration, tick = PAUSE, round(1000 / config.fps)
    with open(path, "wb") as file:

        def write(milliseconds: int) -> None:
            shown = min(milliseconds, MAX_DURATION)
            file.writelines(getdata(last, offset=corner, duration=shown, disposal=1))

        file.writelines(getheader(_with_palette(last, config.ink_color), info={"loop": 0})[0])
        for frame in frames:
            if frame is None:
                duration += tick
                continue
            write(duration)
            (last, corner), duration = frame, tick
        write(duration + HOLD)
        file.write(b";")


def _frames(
    page: Page, config: SampleConfig, timing: brush.Timing
) -> Iterator[tuple[Image, tuple[int, int]] | None]:
    """Yield an empty page, then for each tick what changes, or None.

    A change is an image of palette indices, and its left upper corner.
    """
    from PIL import Image, ImageDraw

    by_area = (MAX_PIXELS / page.width / page.height) ** 0.5
    per_mm = min(config.gif_width / page.width, MAX_PER_MM, by_area)
    size = max(1, round(page.width * per_mm)), max(1, round(page.height * per_mm))
    scale = per_mm * SUPERSAMPLING
    paper = _paper_levels(page, config, size, scale)
    yield paper, (0, 0)
    ink = Image.new("L", (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING))
    draw = ImageDraw.Draw(ink)
    for pieces in _ticks(page, config, timing):
        for ends, widths in pieces:
            _draw_piece(draw, ends * scale, widths * scale)
        box = _changed_box(pieces, per_mm, size) if pieces else None
        yield (_averaged(ink, paper, box), box[:2]) if box else None


def _with_palette(frame: Image, color: str) -> Image:
    copy = frame.copy()
    copy.putpalette(_palette(color))  # makes its values indices of colors
    return copy


def _draw_piece(draw: ImageDraw, ends: np.ndarray, widths: np.ndarray) -> None:
    """Draw a line between two ends (2, 2) with round caps of two widths, all in pixels."""
    points = [tuple(end) for end in ends.tolist()]
    wide = [max(1.0, width) for width in widths]
    draw.line(points, fill=255, width=round(sum(wide) / 2))
    for (x, y), width in zip(points, wide):
        left, top, size = x - width / 2, y - width / 2, width - 1  # Pillow fills the ends too
        draw.ellipse((left, top, left + size, top + size), fill=255)


def _changed_box(pieces: list[Piece], per_mm: float, size: tuple[int, int]) -> Box | None:
    """Return the part of the frame that new pieces change; None if they lie outside of it."""
    xy = np.concatenate([ends for ends, _ in pieces]) * per_mm
    reach = max(max(widths) for _, widths in pieces) * per_mm / 2 + BORDER
    left, top = np.clip((xy.min(axis=0) - reach).astype(int), 0, size)
    right, bottom = np.clip((xy.max(axis=0) + reach).astype(int) + 1, 0, size)
    if left >= right or top >= bottom:
        return None
    return int(left), int(top), int(right), int(bottom)


def _averaged(ink: Image, paper: Image, box: Box) -> Image:
    """Return the ink within a box on the paper, in the size of the paper."""
    from PIL import ImageChops

    left, top, right, bottom = (SUPERSAMPLING * side for side in box)
    fine = ink.crop((left, top, right, bottom))
    part = fine.reduce(SUPERSAMPLING).point(INK_LEVELS)
    return ImageChops.add(part, paper.crop(box))


def _ticks(page: Page, config: SampleConfig, timing: brush.Timing) -> Iterator[list[Piece]]:
    """Yield the pieces of ink that are written in each tick of time."""
    inks = itertools.chain.from_iterable(brush.word_inks(page.words, config))
    timed: list[tuple[float, np.ndarray, np.ndarray]] = []
    for (path, width), times in zip(inks, timing.strokes):
        at = np.interp(path.at, np.arange(len(times)), times)
        first = np.arange(max(1, len(path.xy) - 1))
        second = np.minimum(first + 1, len(path.xy) - 1)
        ends = np.stack([path.xy[first], path.xy[second]], 1)
        timed += zip(at[second], ends, np.stack([width[first], width[second]], 1))
    tick = 0
    for number, batch in itertools.groupby(timed, lambda piece: _tick_of(piece[0], config.fps)):
        yield from ([] for _ in range(number - tick))
        yield [(ends, widths) for _, ends, widths in batch]
        tick = number + 1


def _tick_of(seconds: float, fps: int) -> int:
    return max(0, int(np.ceil(seconds * fps)) - 1)


def _paper_levels(page: Page, config: SampleConfig, size: tuple[int, int], scale: float) -> Image:
    """Return the lines of the paper as an image of palette indices.

    scale: pixels per millimeter.
    """
    from PIL import Image, ImageDraw

    lines = Image.new("L", (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING))
    if page.ruling and config.draw_paper:
        draw = ImageDraw.Draw(lines)
        width = max(1, round(PAPER_WIDTH * scale))
        for line in page.ruling.lines(page.width, page.height):
            draw.line([side * scale for side in line], fill=255, width=width)
        for x, y in page.ruling.dots(page.width, page.height):
            half = PAPER_DOT / 2
            corners = [(side + sign * half) * scale for sign in (-1, 1) for side in (x, y)]
            draw.ellipse(corners, fill=255)
    levels = [LEVELS * round(value * (PAPER_LEVELS - 1) / 255) for value in range(256)]
    return lines.reduce(SUPERSAMPLING).point(levels)


def _palette(color: str) -> list[int]:
    """Return red, green and blue of every level of ink on every level of the paper's lines."""
    from PIL import ImageColor

    white, line, ink = (
        np.array(ImageColor.getrgb(name)[:3], float) for name in ("#ffffff", PAPER_COLOR, color)
    )
    grounds = [white + (line - white) * level / (PAPER_LEVELS - 1) for level in range(PAPER_LEVELS)]
    colors = [
        ground + (ink - ground) * level / (LEVELS - 1)
        for ground in grounds
        for level in range(LEVELS)
    ]
    return [round(value) for color in colors for value in color]
