"""Pages for pen plotters: G-code and HPGL.

The lines of the paper are left out, since a plotter writes on paper that has them. The words are
sorted so that the lifted pen travels little; the strokes of a word stay in the order of the hand.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.ink.curves import flatten
from cursivetransformer.layout.page import Page, PlacedWord, parse_size
from cursivetransformer.utils.errors import UserError

INCH = 25.4  # millimeters
# Commands that lower the pen, and that lift it by 5 mm.
PEN_COMMANDS = {"mm": ("G1 Z0 F1000", "G0 Z5"), "inch": ("G1 Z0 F40", "G0 Z0.2")}
HPGL_UNITS = 40  # in a millimeter (Hewlett-Packard, "The HP-GL/2 and HP RTL Reference Guide")
HPGL_POINTS = 60  # in a command: keeps lines short enough for old buffers
MAX_IMPROVED = 2000  # words of a page; with more, the nearest-neighbor order is kept
MAX_SORTED = 5000  # words of a page; with more, they stay as written, as distances grow squared
MAX_RUN = 3  # words that Or-opt moves together
EDGE = 0.005  # millimeters that rounding may add


def save_gcode(page: Page, path: str | Path, config: SampleConfig) -> None:
    """Write a page as G-code. Raises `UserError` for ink beyond the bounds."""
    metric = config.gcode_units == "mm"
    unit, digits = (1.0, 3) if metric else (1 / INCH, 4)
    default_down, default_up = PEN_COMMANDS[config.gcode_units]
    up, down = _commands(config.pen_up or default_up), _commands(config.pen_down or default_down)
    feed, travel_feed = f"F{config.feed * unit:g}", f"F{config.travel_feed * unit:g}"

    def position(point: np.ndarray) -> str:
        x, y = point * unit
        return f"X{x:.{digits}f} Y{y:.{digits}f}"

    with open(path, "w", encoding="ascii", errors="replace", newline="\n") as file:
        lines = [
            "G21 ; millimetres" if metric else "G20 ; inches",
            "G90 ; absolute places",
            *_commands(config.gcode_start),
            *up,
        ]
        for stroke in plot_strokes(page, config, flip=config.origin == "bottom-left"):
            moves = [f"G1 {position(point)}" for point in stroke[1:]]
            moves[:1] = [f"{move} {feed}" for move in moves[:1]]
            lines += [f"G0 {position(stroke[0])} {travel_feed}", *down, *moves, *up]
        lines += [f"G0 X0 Y0 {travel_feed}", *_commands(config.gcode_end)]
        file.write("\n".join(lines) + "\n")


def save_hpgl(page: Page, path: str | Path, config: SampleConfig) -> None:
    """Write a page as HPGL with the origin at its lower left corner.

    Raises `UserError` for ink beyond the bounds.
    """
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.write("IN;SP1;\n")
        for stroke in plot_strokes(page, config, flip=True):
            points = [f"{x:.0f},{y:.0f}" for x, y in stroke * HPGL_UNITS]
            drawn = points[1:] or points[:1]  # a dot: down and up again
            starts = range(0, len(drawn), HPGL_POINTS)
            draw = "".join(f"PD{','.join(drawn[i : i + HPGL_POINTS])};" for i in starts)
            file.write(f"PU{points[0]};{draw}\n")
        file.write("PU0,0;SP0;\n")


def plot_strokes(page: Page, config: SampleConfig, flip: bool) -> list[np.ndarray]:
    """Return the flattened strokes (m, 2) of a page in the order to plot them.

    Args:
        page: the page.
        config: its `plot_order` and `bounds` count.
        flip: let y grow upward from the lower edge.

    Raises:
        UserError: for ink beyond the bounds.
    """
    words = sort_words(page.words) if config.plot_order == "short" else page.words
    strokes = []
    for word in words:
        for stroke in word.strokes:
            xy = flatten(stroke).xy
            strokes.append(np.stack([xy[:, 0], page.height - xy[:, 1]], 1) if flip else xy)
    _check_bounds(strokes, parse_size(config.bounds, "--bounds") or (page.width, page.height))
    return strokes


def _check_bounds(strokes: Sequence[np.ndarray], bounds: tuple[float, float]) -> None:
    if not strokes:
        return
    ink = np.concatenate(strokes)
    low, high = ink.min(axis=0), ink.max(axis=0)
    if (low < -EDGE).any() or (high > np.add(bounds, EDGE)).any():
        raise UserError(
            f"the ink of a page spans {low[0]:.1f} to {high[0]:.1f} mm across and "
            f"{low[1]:.1f} to {high[1]:.1f} mm along, and the plotter reaches "
            f"{bounds[0]:g} x {bounds[1]:g} mm; "
            "take a smaller --page or --x_height, or larger --bounds"
        )


def sort_words(words: Sequence[PlacedWord]) -> list[PlacedWord]:
    """Order placed words so that the lifted pen travels little.

    The nearest word comes next. Then a word, or a run of up to three, is moved to another place as
    long as that shortens the route (Or-opt; I. Or, 1976). Words without ink are dropped.
    """
    words = [word for word in words if len(word.points)]
    if not 3 <= len(words) <= MAX_SORTED:
        return words
    distances = travel_distances(words)
    as_written = list(range(len(words)))
    candidates = (_nearest_neighbor_order(distances), as_written)
    order = min(candidates, key=lambda order: route_length(distances, order))
    if len(words) <= MAX_IMPROVED:
        order = _or_opt(distances, order)
    return [words[i] for i in order]


def travel_distances(words: Sequence[PlacedWord]) -> np.ndarray:
    """Return millimeters from the end of each word to the start of each, (n, n); all have ink."""
    strokes = [word.strokes for word in words]
    starts = np.array([of_word[0][0] for of_word in strokes])
    ends = np.array([of_word[-1][-1] for of_word in strokes])
    return np.hypot(*(starts[None] - ends[:, None]).transpose(2, 0, 1))


def route_length(distances: np.ndarray, order: Sequence[int]) -> float:
    """Return the millimeters traveled between words in an order, a list of their indices."""
    return float(distances[order[:-1], order[1:]].sum())


def _nearest_neighbor_order(distances: np.ndarray) -> list[int]:
    order, free = [0], np.ones(len(distances), bool)
    free[0] = False
    while free.any():
        order.append(int(np.where(free, distances[order[-1]], np.inf).argmin()))
        free[order[-1]] = False
    return order


def _or_opt(distances: np.ndarray, order: Sequence[int]) -> list[int]:
    """Make the best move of each run until none shortens the route; the first word stays."""
    order, improved = list(order), True
    while improved:
        improved = False
        for length in range(MAX_RUN, 0, -1):
            for start in range(1, len(order) - length + 1):
                moved = _best_move(distances, order, start, length)
                if moved:
                    order, improved = moved, True
    return order


def _best_move(
    distances: np.ndarray, order: list[int], start: int, length: int
) -> list[int] | None:
    """Return the order with a run moved to its best place; None if no place is better."""
    run, rest = order[start : start + length], order[:start] + order[start + length :]
    before = distances[rest[start - 1], run[0]]
    if start < len(rest):
        closed = distances[rest[start - 1], rest[start]]
        before = before + (distances[run[-1], rest[start]] - closed)
    left, right = np.array(rest), np.array(rest[1:], int)  # a rest of one has none to its right
    cost = distances[left, run[0]]
    cost[:-1] += distances[run[-1], right] - distances[left[:-1], right]
    place = int(cost.argmin())
    if cost[place] < before - 1e-9:
        return rest[: place + 1] + run + rest[place + 1 :]
    return None


def _commands(text: str) -> list[str]:
    return [part.strip() for part in text.split("|") if part.strip()]
