"""The source of the recording page. These tests need no browser."""

import re
from html.parser import HTMLParser

from benchmarks.page import PAGE
from cursivetransformer.bank.prompts import with_hashes


class PageTexts(HTMLParser):
    """Collects the texts of a page outside its scripts and styles."""

    def __init__(self):
        super().__init__()
        self.texts = []
        self.tag = None

    def handle_starttag(self, tag, attributes):
        self.tag = tag
        shown = ("title", "placeholder", "alt", "aria-label")
        self.texts += [value for name, value in attributes if name in shown]

    def handle_data(self, text):
        if self.tag not in ("script", "style", "title"):
            self.texts.append(text.strip())


def test_all_that_a_person_reads_stands_in_one_place():
    page = PAGE.read_text(encoding="utf-8")
    parser = PageTexts()
    parser.feed(page)
    assert all(len(text) < 2 or text.isdigit() for text in parser.texts), (
        "only names of keys, arrows and numbers stand elsewhere"
    )
    table = re.search(r"const TEXT = \{(.*?)\n\};", page, re.DOTALL)[1]
    keys = set(re.findall(r"(?:^|[{,] )\s*(\w+): (?:\"|\{|\[)", table, re.MULTILINE))
    keys -= {"one", "other", "fine", "coarse"}
    rest = page.replace(table, "")
    faults = {f"fault_{key}" for key in re.findall(r'new Fault\("(\w+)"', rest)}
    in_markup = set(re.findall(r'data-t(?:-label|-placeholder)?="(\w+)"', rest))
    assert in_markup | faults <= keys
    # Keys that the page puts together at run time.
    composed = faults | {f"pen_told_{mode}" for mode in ("shift", "hold", "toggle")}
    assert composed <= keys
    unused = {
        key
        for key in keys - composed
        if not re.search(rf'["`.]{key}["`,\]]|TEXT\.{key}\b', rest) and f"{{{key}}}" not in table
    }
    assert unused == set(), "no text is left over"


def test_the_page_stands_alone():
    page = PAGE.read_text(encoding="utf-8")
    assert not re.search(
        r"""(src|href)=["'](?!data:)|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon"""
        r"""|await import\(|@import|url\(""",
        page,
    )
    assert "default-src 'none'" in page


def test_the_policy_allows_the_page_s_own_scripts_alone():
    page = PAGE.read_text(encoding="utf-8")
    assert with_hashes(page) == page, "run `cursive bank prompts --page collect.html`"
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    assert "unsafe" not in policy and "base-uri 'none'; form-action 'none'" in policy
    assert policy.count("'sha256-") == page.count("<script>") + page.count("<style>") > 10
    assert with_hashes(page.replace('"use strict";', "", 1)) != page
    assert not re.search(r"""<[a-z][^>]* (style|on[a-z]+)=["']""", page), "not allowed by hashes"
