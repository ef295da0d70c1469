"""Pages -> files of the kinds that their endings name. Does not know how a kind is drawn.

A kind has one file for each page, or one file for all. Where a text has several pages and each gets
a file of its own, the files are numbered: letter-001.svg.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from PIL import ImageColor

from cursivetransformer.config.args import shown
from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.layout.page import Page, parse_size
from cursivetransformer.render.gif import save_gif
from cursivetransformer.render.ink_files import BankFile, InkMetadata, InkmlFile, XournalFile
from cursivetransformer.render.plotter import save_gcode, save_hpgl
from cursivetransformer.render.raster import PdfBook, save_png
from cursivetransformer.render.svg import save_animated_svg, save_svg
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path, check_writable


class Book(Protocol):
    """A file that holds all pages."""

    def add(self, page: Page) -> None:
        """Append a page."""

    def close(self) -> None:
        """Finish the file."""


# One file for each page. The longest ending that fits counts.
SINGLE: dict[str, Callable[[Page, Path, SampleConfig], None]] = {
    ".svg": save_svg,
    ".animated.svg": save_animated_svg,
    ".png": save_png,
    ".gif": save_gif,
    ".gcode": save_gcode,
    ".hpgl": save_hpgl,
}
# One file for all pages.
BOUND: dict[str, Callable[[Path, SampleConfig, InkMetadata], Book]] = {
    ".pdf": PdfBook,
    ".json": BankFile,
    ".json.zip": BankFile,
    ".inkml": InkmlFile,
    ".xopp": XournalFile,
}
ENDINGS = (*SINGLE, *BOUND)
OUTLINED = (".png", ".pdf", ".gif", ".xopp")  # strokes swell here unless the settings say otherwise


def parse_out(out: str | Iterable[str | Path]) -> list[tuple[Path, str]]:
    """Return the path and the ending of each file that --out names.

    Args:
        out: names joined by commas, or paths.

    Raises:
        UserError: for an unknown ending, for a file named twice, for no file.
    """
    found = []
    names = [part.strip() for part in out.split(",")] if isinstance(out, str) else map(str, out)
    for name in filter(None, names):
        fitting = [ending for ending in ENDINGS if name.lower().endswith(ending)]
        ending = max(fitting, key=len, default=None)
        if not ending or Path(name).name.lower() == ending:
            raise UserError(f"--out {name}: the ending must be one of {', '.join(ENDINGS)}")
        found.append((Path(name), ending))
    if not found or len({path for path, _ in found}) < len(found):
        raise UserError(f"--out {out} names {'a file twice' if found else 'no file'}")
    return found


def check_style(config: SampleConfig) -> None:
    """Refuse what no renderer can draw; raises `UserError`."""
    parse_size(config.bounds, "--bounds")
    try:
        valid = max(ImageColor.getrgb(config.ink_color)) <= 255
    except ValueError:
        valid = False
    if not valid:
        raise UserError(
            "--ink_color takes a name like black or a number like #1a2a5e, "
            f"not {shown(config.ink_color)}"
        )


def style_for(config: SampleConfig, ending: str) -> SampleConfig:
    """Return the settings as a renderer takes them.

    "auto" strokes are resolved for the kind of file, and the color is #rrggbb.
    """
    strokes = config.strokes
    if strokes == "auto":
        strokes = "outline" if ending in OUTLINED else "line"
    red, green, blue = ImageColor.getrgb(config.ink_color)[:3]
    ink_color = f"#{red:02x}{green:02x}{blue:02x}"
    return dataclasses.replace(config, strokes=strokes, ink_color=ink_color)


class Outputs:
    """Files that pages are added to, made by `open_outputs`; `written` grows as files are done.

    single: paths with endings of files with one page; books: paths of files with all pages, opened.
    """

    def __init__(
        self,
        config: SampleConfig,
        single: Sequence[tuple[Path, str]],
        books: Sequence[tuple[Path, Book]],
    ) -> None:
        self.config, self.single, self.books = config, single, books
        self.written: list[Path] = []
        self.n_pages = 0
        # The first page waits for a second one, which decides what its file is called.
        self._first: Page | None = None

    def add(self, page: Page) -> None:
        """Append a page."""
        self.n_pages += 1
        if self.n_pages == 1:
            self._first = page
            return
        if self._first is not None:
            self._write(self._first, "-001")
            self._first = None
        self._write(page, f"-{self.n_pages:03}")

    def finish(self) -> None:
        """Write what still waits: there are no more pages."""
        if self._first is not None:
            self._write(self._first, "")
            self._first = None

    def _write(self, page: Page, number: str) -> None:
        for path, ending in self.single:
            path = path.with_name(path.name[: -len(ending)] + number + path.name[-len(ending) :])
            with atomic_path(path) as temporary:
                SINGLE[ending](page, temporary, style_for(self.config, ending))
            self.written.append(path)
        for _, book in self.books:
            book.add(page)


@contextmanager
def _finished(book: Book) -> Iterator[Book]:
    """Finish a book at the end; after a failure, ignore a second one that finishing it brings."""
    try:
        yield book
    except BaseException:
        with suppress(Exception):
            book.close()
        raise
    book.close()


@contextmanager
def open_outputs(
    out: str | Iterable[str | Path], config: SampleConfig, origin: InkMetadata | None = None
) -> Iterator[Outputs]:
    """Open the files that `parse_out` finds.

    A file with one page is complete as soon as the page is added. The others are complete at the
    end if all goes well, and otherwise do not exist. Raises `UserError`, before any work where it
    can.
    """
    check_style(config)
    files = parse_out(out)
    for path, _ in files:
        check_writable(path)
    with ExitStack() as stack:
        books = []
        for path, ending in files:
            if ending in BOUND:
                temporary = stack.enter_context(atomic_path(path))
                named = dataclasses.replace(origin or InkMetadata(), name=path.name)
                book = BOUND[ending](temporary, style_for(config, ending), named)
                books.append((path, stack.enter_context(_finished(book))))
        outputs = Outputs(config, [file for file in files if file[1] in SINGLE], books)
        yield outputs
        outputs.finish()
    outputs.written += [path for path, _ in books]


def save_page(page: Page, path: str | Path, config: SampleConfig) -> None:
    """Write one page to a file, whole or not at all. Raises `UserError`."""
    with open_outputs([path], config) as outputs:
        outputs.add(page)
