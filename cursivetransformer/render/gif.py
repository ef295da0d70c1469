"""Pages as animated GIFs that write themselves, in the order and at the pace of a hand. Pillow draws and packs them."""

import itertools

import numpy as np

from cursivetransformer.layout.paper import PAPER_COLOR, PAPER_DOT, PAPER_WIDTH
from cursivetransformer.render import brush as pen

FINER = 3  # an inner picture is this many times as large, and averaged
LEVELS = 16  # of ink, from none to full
PAPER_LEVELS = 4  # of the paper's lines
MOST_PER_MM = 16  # pixels: more shows nothing of a line of ink
MOST_PIXELS = 8e6  # of a picture, of which there are many
PAUSE, HOLD = 300, 3000  # milliseconds before the first and after the last stroke
BORDER = 2  # pixels around what was drawn last that are averaged again


def save_gif(page, path, config):
    """Write a `page.Page`, `gif_width` pixels wide or less, in pictures of which only what changed is kept. config: a `sample_config.SampleConfig`."""
    when = pen.timing(page.words, config.pace)
    frames = _frames(page, config, when)
    first = next(frames)
    # Known before the frames are: one for each tick of time and the last.
    ticks = max(1, int(np.ceil(when.end * config.fps)))
    first.save(
        path,
        format="GIF",
        save_all=True,
        append_images=frames,
        loop=0,
        disposal=1,
        optimize=False,
        duration=[PAUSE] + [round(1000 / config.fps)] * (ticks - 1) + [HOLD],
    )


def _frames(page, config, when):
    """Pictures in palette mode, from an empty page to a full one. when: a `pen.Timing`."""
    from PIL import Image, ImageChops, ImageDraw

    per_mm = min(
        config.gif_width / page.width, MOST_PER_MM, (MOST_PIXELS / page.width / page.height) ** 0.5
    )
    size = max(1, round(page.width * per_mm)), max(1, round(page.height * per_mm))
    fine = per_mm * FINER
    paper = _paper_levels(page, config, size, fine)
    frame, palette = paper.copy(), _palette(config.ink_color)

    def picture():
        copy = frame.copy()
        copy.putpalette(palette)  # makes its values numbers of colours
        return copy

    yield picture()
    ink = Image.new("L", (size[0] * FINER, size[1] * FINER))
    draw, levels = ImageDraw.Draw(ink), [round(value * (LEVELS - 1) / 255) for value in range(256)]
    for batch in _ticks(page, config, when):
        for ends, wide in batch:
            ends, wide = (
                [tuple(end) for end in (ends * fine).tolist()],
                [max(1.0, width * fine) for width in wide],
            )
            draw.line(ends, fill=255, width=round(sum(wide) / 2))
            for (x, y), width in zip(ends, wide):
                draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
        if batch:
            xy = np.concatenate([ends for ends, _ in batch]) * per_mm
            reach = max(max(wide) for _, wide in batch) * per_mm / 2 + BORDER
            left, top = np.clip((xy.min(axis=0) - reach).astype(int), 0, size)
            right, bottom = np.clip((xy.max(axis=0) + reach).astype(int) + 1, 0, size)
            if left < right and top < bottom:
                box = tuple(map(int, (left, top, right, bottom)))
                part = ink.crop(tuple(FINER * side for side in box)).reduce(FINER).point(levels)
                frame.paste(ImageChops.add(part, paper.crop(box)), box)
        yield picture()


def _ticks(page, config, when):
    """For every tick of time the pieces of ink ((2, 2) ends, their two widths, all in millimetres) that are written in it."""
    usual, pieces = pen.usual_step(page.strokes), []
    for stroke, times in zip(page.strokes, when.strokes):
        path, width = pen.inked(stroke, config, usual)
        at = np.interp(path.at, np.arange(len(stroke)), times)
        first = np.arange(max(1, len(path.xy) - 1))
        second = np.minimum(first + 1, len(path.xy) - 1)
        pieces += zip(
            at[second],
            np.stack([path.xy[first], path.xy[second]], 1),
            np.stack([width[first], width[second]], 1),
        )
    tick = 0
    for number, batch in itertools.groupby(
        pieces, key=lambda piece: max(0, int(np.ceil(piece[0] * config.fps)) - 1)
    ):
        yield from ([] for _ in range(number - tick))
        yield [(ends, wide) for _, ends, wide in batch]
        tick = number + 1


def _paper_levels(page, config, size, fine):
    """The lines of the paper as a picture whose values are palette numbers."""
    from PIL import Image, ImageDraw

    lines = Image.new("L", (size[0] * FINER, size[1] * FINER))
    if page.ruling and config.draw_paper:
        draw = ImageDraw.Draw(lines)
        for line in page.ruling.lines(page.width, page.height):
            draw.line(
                [side * fine for side in line], fill=255, width=max(1, round(PAPER_WIDTH * fine))
            )
        for x, y in page.ruling.dots(page.width, page.height):
            draw.ellipse(
                [(side + way * PAPER_DOT / 2) * fine for way in (-1, 1) for side in (x, y)],
                fill=255,
            )
    return lines.reduce(FINER).point(
        [LEVELS * round(value * (PAPER_LEVELS - 1) / 255) for value in range(256)]
    )


def _palette(color):
    """Red, green and blue of every level of ink on every level of the paper's lines."""
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
