"""The recording page as text, which needs no browser.

python -m pytest tests/collect/test_page_text.py
"""

import re
from html.parser import HTMLParser

from benchmarks.page import PAGE


class Texts(HTMLParser):
    """The texts of a page that stand outside of scripts and styles."""

    def __init__(self):
        super().__init__()
        self.found, self.inside = [], None

    def handle_starttag(self, tag, attributes):
        self.inside = tag
        self.found += [
            value
            for name, value in attributes
            if name in ("title", "placeholder", "alt", "aria-label")
        ]

    def handle_data(self, text):
        if self.inside not in ("script", "style", "title"):
            self.found.append(text.strip())


def test_all_that_a_person_reads_stands_in_one_place():
    page = PAGE.read_text(encoding="utf-8")
    texts = Texts()
    texts.feed(page)
    assert all(len(text) < 2 or text.isdigit() for text in texts.found), (
        "only names of keys, arrows and numbers stand elsewhere"
    )
    table = re.search(r"const TEXT = \{(.*?)\n\};", page, re.DOTALL)[1]
    keys = set(re.findall(r"(?:^|[{,] )\s*(\w+): (?:\"|\{|\[)", table, re.MULTILINE)) - {
        "one",
        "other",
    }
    rest = page.replace(table, "")
    faults = {f"fault_{key}" for key in re.findall(r'new Fault\("(\w+)"', rest)}
    asked = set(re.findall(r'data-t(?:-label|-placeholder)?="(\w+)"', rest)) | faults
    assert asked <= keys
    told = faults | {f"pen_told_{mode}" for mode in ("shift", "hold", "toggle")}
    assert told <= keys
    assert {
        key
        for key in keys
        if key not in told and not re.search(rf'["`.]{key}["`,\]]|TEXT\.{key}\b', rest)
    } == set(), "no text is left over"


def test_the_page_stands_alone():
    page = PAGE.read_text(encoding="utf-8")
    assert not re.search(
        r"""(src|href)=["'](?!data:)|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|await import\(|@import|url\(""",
        page,
    )
    assert "default-src 'none'" in page
