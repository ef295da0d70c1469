"""Fixtures: the recording page in a real Chromium."""

import pytest

from benchmarks.page import Recorder


@pytest.fixture
def new_recorder(browser):
    """Return a function that opens the page in a new browser profile.

    The test fails if a page reports an error.
    """
    recorders, contexts = [], []

    def new(url="", script=None, context=None, **shape):
        if context is None:
            context = browser.new_context(**shape)
            contexts.append(context)
        if script:
            context.add_init_script(script)
        recorder = Recorder(context.new_page(), url).open()
        recorders.append(recorder)
        return recorder

    yield new
    assert [error for recorder in recorders for error in recorder.errors] == []
    for context in contexts:
        context.close()


@pytest.fixture
def recorder(new_recorder):
    return new_recorder(viewport=dict(width=1280, height=720))
