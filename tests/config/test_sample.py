"""Tests of the settings of using a trained model."""

import pytest

from cursivetransformer.config.sample import (
    SampleConfig,
    changed,
    get_evaluation_args,
    get_sample_args,
    sampling_options,
)
from cursivetransformer.utils.errors import UserError


def test_sampling_takes_its_text_without_a_flag():
    config = get_sample_args(argv=["Dear Ada", "--out", "dear.png", "--top-p", "0.5"])
    assert (config.text, config.out, config.top_p) == ("Dear Ada", "dear.png", 0.5)
    for argv, sentence in (
        (["a", "b"], "in quotes"),
        (["a", "--top_p", "0"], "--top_p takes"),
        (["a", "--temperature", "-1"], "--temperature takes"),
        (["a", "--line_width", "0"], "--line_width takes"),
        (["a", "--missing", "guess"], "takes one of fail, skip"),
        (["a", "--x_height", "0.1"], "--x_height takes"),
        (["a", "--normalize_slant", "2"], "--normalize_slant takes"),
        (["a", "--bias", "-1"], "--bias takes"),
        (["a", "--margin_jitter", "-1"], "--margin_jitter takes"),
        (["a", "--line_jitter", "11"], "--line_jitter takes"),
        (["a", "--ink_jitter", "2"], "--ink_jitter takes"),
        (["a", "--fps", "60"], "--fps takes"),
        (["a", "--align", "middle"], "takes one of left, justified"),
        (["a", "--file", "b"], "--file must be left out"),
    ):
        with pytest.raises(UserError, match=sentence):
            get_sample_args(argv=argv)


def test_the_file_to_write_depends_on_what_is_drawn():
    assert get_sample_args(argv=["a"]).out == "sample.svg"
    assert get_sample_args(argv=["--list_authors"]).out == "authors.png"


def test_the_british_spelling_of_center_is_accepted_but_not_listed(capsys):
    assert get_sample_args(argv=["a", "--align", "centre"]).align == "center"
    assert get_sample_args(use_argparse=False, align="centre").align == "center"
    assert changed(SampleConfig(), align="centre").align == "center"
    with pytest.raises(UserError, match="takes one of left, justified, center, right, not"):
        get_sample_args(argv=["a", "--align", "middle"])
    with pytest.raises(SystemExit):
        get_sample_args(argv=["--help"])
    out = capsys.readouterr().out
    assert "center" in out and "centre" not in out


def test_changes_are_checked():
    config = get_sample_args(argv=["a", "--even_slant", "0.25"])
    assert (config.normalize_slant, changed(config, like="x").style_from) == (0.25, "x")
    assert changed(config, swell=0).explicit == config.explicit == {"text", "normalize_slant"}
    with pytest.raises(UserError, match="--swell takes a number between 0 and 1, not 2"):
        changed(config, swell=2)
    with pytest.raises(UserError, match="did you mean --swell"):
        changed(config, swel=1)


def test_lengths_may_be_left_to_the_page():
    config = get_sample_args(use_argparse=False, x_height=None, line_height=8)
    assert (config.x_height, config.line_height) == (None, 8.0)
    with pytest.raises(UserError, match=r"between 1 and 500 \(millimeters\), not '0.5'"):
        get_sample_args(argv=["a", "--line_height", "0.5"])


def test_bias_lowers_the_temperature():
    config = get_sample_args(argv=["a", "--temperature", "0.9", "--bias", "2", "--seed", "4"])
    assert sampling_options(config) == {
        "temperature": 0.9 / 3,
        "top_k": 0,
        "top_p": 0.95,
        "seed": 4,
    }


def test_numbers_of_versions_are_sorted():
    assert get_evaluation_args(argv=[]).best_of == (1, 4, 8, 16)
    assert get_evaluation_args(argv=["--best_of", "8, 1,8"]).best_of == (1, 8)
    assert get_evaluation_args(use_argparse=False, best_of="3").best_of == (3,)
    assert get_evaluation_args(use_argparse=False, best_of=(4, 1)).best_of == (1, 4)
    for best_of in ("0", "1,x", "", "2,"):
        with pytest.raises(UserError, match="--best_of takes whole numbers between 1 and 1000"):
            get_evaluation_args(use_argparse=False, best_of=best_of)
    with pytest.raises(UserError, match="--max_words takes a whole number between 0 and"):
        get_evaluation_args(argv=["--max_words", "-1"])
