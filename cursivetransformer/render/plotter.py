"""Pages for pen plotters: G-code and HPGL. Lines of the paper are left out, since a plotter writes on paper that has them.

Words are written in an order that keeps the lifted pen's ways short; the strokes of a word stay in the order of the hand.
"""

import numpy as np

from cursivetransformer.ink.curves import flatten
from cursivetransformer.layout.paper import parse_size
from cursivetransformer.utils.errors import UserError

INCH = 25.4
PENS = {"mm": ("G1 Z0 F1000", "G0 Z5"), "inch": ("G1 Z0 F40", "G0 Z0.2")}  # down, and up by 5 mm
HPGL_UNITS = 40  # in a millimetre (Hewlett-Packard, "The HP-GL/2 and HP RTL Reference Guide")
HPGL_POINTS = 60  # in a command, so that lines stay short enough for old buffers
TRIES = 2000  # words of a page that the order is improved for; more are left in the order of the nearest next one
EDGE = 0.005  # millimetres: what rounding may add


def save_gcode(page, path, config):
    """Write a `page.Page` as G-code. config: a `sample_config.SampleConfig`. Raises `UserError` for ink beyond the bounds."""
    unit, digits = (1.0, 3) if config.gcode_units == "mm" else (1 / INCH, 4)

    def at(point):
        x, y = point * unit
        return f"X{x:.{digits}f} Y{y:.{digits}f}"

    usual_down, usual_up = PENS[config.gcode_units]
    up, down = _commands(config.pen_up or usual_up), _commands(config.pen_down or usual_down)
    with open(path, "w", encoding="ascii", errors="replace", newline="\n") as file:
        lines = [
            "G21 ; millimetres" if config.gcode_units == "mm" else "G20 ; inches",
            "G90 ; absolute places",
            *_commands(config.gcode_start),
            *up,
        ]
        for stroke in placed(page, config, flip=config.origin == "bottom-left"):
            lines += [f"G0 {at(stroke[0])} F{config.travel_feed * unit:g}", *down]
            lines += [
                f"G1 {at(point)} F{config.feed * unit:g}" if i == 0 else f"G1 {at(point)}"
                for i, point in enumerate(stroke[1:])
            ]
            lines += up
        file.write(
            "\n".join(
                [*lines, f"G0 X0 Y0 F{config.travel_feed * unit:g}", *_commands(config.gcode_end)]
            )
            + "\n"
        )


def save_hpgl(page, path, config):
    """Write a page as HPGL, 0, 0 at its lower left corner. Raises `UserError` for ink beyond the bounds."""
    with open(path, "w", encoding="ascii", newline="\n") as file:
        file.write("IN;SP1;\n")
        for stroke in placed(page, config, flip=True):
            points = [f"{x:.0f},{y:.0f}" for x, y in stroke * HPGL_UNITS]
            points = points[1:] or points[:1]  # a dot: down and up again
            file.write(f"PU{stroke[0, 0] * HPGL_UNITS:.0f},{stroke[0, 1] * HPGL_UNITS:.0f};")
            file.write(
                "".join(
                    f"PD{','.join(points[i : i + HPGL_POINTS])};"
                    for i in range(0, len(points), HPGL_POINTS)
                )
                + "\n"
            )
        file.write("PU0,0;SP0;\n")


def placed(page, config, flip):
    """The strokes (m, 2) of a page, flattened, in the order to plot them; flip: y grows upward from the lower edge."""
    strokes = []
    for word in sort_words(page.words) if config.plot_order == "short" else page.words:
        for stroke in word.strokes:
            xy = flatten(stroke).xy
            strokes.append(np.stack([xy[:, 0], page.height - xy[:, 1]], 1) if flip else xy)
    bounds = parse_size(config.bounds, "--bounds") or (page.width, page.height)
    ink = np.concatenate([*strokes, np.zeros((0, 2))])
    low, high = (ink.min(axis=0), ink.max(axis=0)) if len(ink) else (np.zeros(2), np.zeros(2))
    if (low < -EDGE).any() or (high > np.add(bounds, EDGE)).any():
        raise UserError(
            f"the ink of a page spans {low[0]:.1f} to {high[0]:.1f} mm across and {low[1]:.1f} to {high[1]:.1f} mm along, and the plotter reaches "
            f"{bounds[0]:g} x {bounds[1]:g} mm; take a smaller --page or --x_height, or larger --bounds"
        )
    return strokes


def sort_words(words):
    """Placed words in an order with short ways between them: always the nearest next one, then improved as long as moving one
    word, or a run of up to three, to another place makes the whole way shorter (Or-opt; I. Or, 1976)."""
    words = [word for word in words if len(word.points)]
    if len(words) < 3:
        return words
    ways = ways_between(words)
    order = _nearest_next(ways)
    written = list(range(len(words)))
    best = min((order, written), key=lambda route: way_length(ways, route))
    return [words[i] for i in (_improved(ways, best) if len(words) <= TRIES else best)]


def ways_between(words):
    """(n, n) millimetres from the end of each placed word to the beginning of each; none is without ink."""
    strokes = [word.strokes for word in words]
    begins, ends = (
        np.array([own[0][0] for own in strokes]),
        np.array([own[-1][-1] for own in strokes]),
    )
    return np.hypot(*(begins[None] - ends[:, None]).transpose(2, 0, 1))


def way_length(ways, order):
    """Millimetres of a route through words, a list of their numbers; ways: as `ways_between` has them."""
    return float(ways[order[:-1], order[1:]].sum())


def _nearest_next(ways):
    order, free = [0], np.ones(len(ways), bool)
    free[0] = False
    while free.any():
        order.append(int(np.where(free, ways[order[-1]], np.inf).argmin()))
        free[order[-1]] = False
    return order


def _improved(ways, order):
    """Or-opt: the best move of each run is taken until none shortens the way."""
    order, gained = list(order), True
    while gained:
        gained = False
        for length in (3, 2, 1):
            for start in range(
                1, len(order) - length + 1
            ):  # the first word stays, where the eye expects the pen
                run, rest = order[start : start + length], order[:start] + order[start + length :]
                before = ways[rest[start - 1], run[0]] + (
                    ways[run[-1], rest[start]] - ways[rest[start - 1], rest[start]]
                    if start < len(rest)
                    else 0
                )
                left, right = (
                    np.array(rest),
                    np.array(rest[1:], int),
                )  # a rest of one has none to its right
                cost = ways[left, run[0]]
                cost[:-1] += ways[run[-1], right] - ways[left[:-1], right]
                place = int(cost.argmin())
                if cost[place] < before - 1e-9:
                    order = rest[: place + 1] + run + rest[place + 1 :]
                    gained = True
    return order


def _commands(text):
    return [part.strip() for part in text.split("|") if part.strip()]
