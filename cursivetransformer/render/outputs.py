"""Pages -> files, of the kinds that their endings say. Knows which kinds there are, and nothing of how one is drawn.

A kind has one file for a page, or one for all. Where a text has several pages and a file has one, they are numbered: letter-001.svg.
"""

import dataclasses
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from PIL import ImageColor

from cursivetransformer.layout.paper import parse_size
from cursivetransformer.render.gif import save_gif
from cursivetransformer.render.ink_files import (
    BankFile,
    InkMetadata,
    InkmlFile,
    XournalFile,
)
from cursivetransformer.render.plotter import save_gcode, save_hpgl
from cursivetransformer.render.raster import PdfBook, save_png
from cursivetransformer.render.svg import save_animated_svg, save_svg
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path, check_writable

# One file a page: functions of a page, a path and the settings. The longest ending that fits counts.
SINGLE = {
    ".svg": save_svg,
    ".animated.svg": save_animated_svg,
    ".png": save_png,
    ".gif": save_gif,
    ".gcode": save_gcode,
    ".hpgl": save_hpgl,
}
# One file for all: made of a path, the settings and an `Origin`; then add(page) and close().
BOUND = {
    ".pdf": PdfBook,
    ".json": BankFile,
    ".json.zip": BankFile,
    ".inkml": InkmlFile,
    ".xopp": XournalFile,
}
ENDINGS = (*SINGLE, *BOUND)
OUTLINED = (
    ".png",
    ".pdf",
    ".gif",
    ".xopp",
)  # where strokes swell unless the settings say otherwise


def parse_out(out):
    """[(path, ending)] of what --out says, joined by commas, or of a list of paths. Raises `UserError` for an ending that is not known."""
    found = []
    names = [part.strip() for part in out.split(",")] if isinstance(out, str) else map(str, out)
    for name in filter(None, names):
        ending = max(
            (ending for ending in ENDINGS if name.lower().endswith(ending)), key=len, default=None
        )
        if not ending or Path(name).name.lower() == ending:
            raise UserError(f"--out {name}: the ending must be one of {', '.join(ENDINGS)}")
        found.append((Path(name), ending))
    if not found or len({path for path, _ in found}) < len(found):
        raise UserError(f"--out {out} names {'a file twice' if found else 'no file'}")
    return found


def check_look(config):
    """Refuse what no renderer can draw; raises `UserError`."""
    parse_size(config.bounds, "--bounds")
    try:
        ImageColor.getrgb(config.ink_color)
    except ValueError:
        raise UserError(
            f"--ink_color {config.ink_color!r} is no colour; give a name like black or a number like #1a2a5e"
        ) from None


class Outputs:
    """Files that pages are added to; `written` are their paths, as they are done. Use `open_outputs`."""

    def __init__(self, files, config, origin, stack):
        self.config, self.written = config, []
        self.pages, self.first = (
            0,
            None,
        )  # the first page waits for a second one, which decides what its file is called
        self.single = [(path, ending) for path, ending in files if ending in SINGLE]
        self.books = []
        for path, ending in files:
            if ending in BOUND:
                temporary = stack.enter_context(atomic_path(path))
                book = BOUND[ending](
                    temporary, look_of(config, ending), dataclasses.replace(origin, name=path.name)
                )
                self.books.append((path, stack.enter_context(_closed(book))))

    def add(self, page):
        """One more `page.Page`."""
        self.pages += 1
        if self.pages == 1:
            self.first = page
            return
        if self.pages == 2:
            self._write(self.first, "-001")
        self._write(page, f"-{self.pages:03}")

    def finish(self):
        """There are no more pages."""
        if self.pages == 1:
            self._write(self.first, "")

    def _write(self, page, number):
        for path, ending in self.single:
            path = path.with_name(path.name[: -len(ending)] + number + path.name[-len(ending) :])
            with atomic_path(path) as temporary:
                SINGLE[ending](page, temporary, look_of(self.config, ending))
            self.written.append(path)
        for _, book in self.books:
            book.add(page)


@contextmanager
def _closed(book):
    """A book that is finished at the end; what finishing one says that has failed already is of no interest."""
    try:
        yield book
    except BaseException:
        with suppress(Exception):
            book.close()
        raise
    book.close()


@contextmanager
def open_outputs(out, config, origin=InkMetadata()):
    """`Outputs` for what `parse_out` takes. Files with one page are whole as soon as they are added to; the others, if all goes well, at the
    end, and otherwise are not there at all. Raises `UserError`, where it can before any work."""
    check_look(config)
    files = parse_out(out)
    for path, _ in files:
        check_writable(path)
    with ExitStack() as stack:
        outputs = Outputs(files, config, origin, stack)
        yield outputs
        outputs.finish()
    outputs.written += [path for path, _ in outputs.books]


def save_page(page, path, config):
    """Write one `page.Page` to a file, whole or not at all. Raises `UserError`."""
    with open_outputs([path], config) as outputs:
        outputs.add(page)


def look_of(config, ending):
    """The settings as a renderer takes them: "auto" strokes resolved for a kind of file, the colour as #rrggbb."""
    strokes = (
        config.strokes if config.strokes != "auto" else "outline" if ending in OUTLINED else "line"
    )
    return dataclasses.replace(
        config,
        strokes=strokes,
        ink_color="#{:02x}{:02x}{:02x}".format(*ImageColor.getrgb(config.ink_color)[:3]),
    )
