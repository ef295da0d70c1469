"""Tests of the settings of prompts and synthetic ink."""

import pytest

from cursivetransformer.config.synthesis import get_synth_args, get_wordbank_args
from cursivetransformer.utils.errors import UserError


@pytest.mark.parametrize(
    "get, values, sentence",
    [
        (
            get_wordbank_args,
            {"size": 0},
            "--size takes a whole number between 1 and 200000, not 0",
        ),
        (get_wordbank_args, {"size": 20_000}, "--size must be at most 10000 where --kind is"),
        (get_wordbank_args, {"quotes": 1.5}, "--quotes takes a number between 0 and 1"),
        (get_wordbank_args, {"random": -0.1}, "--random takes a number between 0 and 1"),
        (get_wordbank_args, {"short": 0.5, "random": 0.6}, "are at most 1 together, not 0.6"),
        (get_wordbank_args, {"least": -1}, "--least takes a whole number between 0"),
        (get_wordbank_args, {"marks": "é"}, "--marks must be printable ASCII"),
        (get_synth_args, {"words": -1}, "--words takes a whole number between 0"),
        (get_synth_args, {"writers": 0}, "--writers takes a whole number between 1 and 10000"),
        (get_synth_args, {"writers": 501, "sheet": "a.png"}, "--writers must be at most 500 where"),
        (get_synth_args, {"out": "a.txt"}, "--out must be a .json or .json.zip file"),
        (get_synth_args, {"marks": "never"}, "takes one of auto, letter, word"),
    ],
)
def test_settings_that_cannot_work_are_refused(get, values, sentence):
    with pytest.raises(UserError) as caught:
        get(use_argparse=False, **values)
    assert sentence in str(caught.value)


def test_defaults_and_what_was_given():
    assert get_wordbank_args(argv=[]).size == 2500
    config = get_synth_args(argv=["--faces", "own", "--words", "5"])
    assert (config.fonts, config.words) == ("own", 5)
    assert config.explicit == {"fonts", "words"}
