"""Tests of reading settings, whatever they are."""

import contextlib
import dataclasses
import itertools
import shlex

import numpy as np
import pytest

from cursivetransformer.config.args import (
    COUNTS,
    Bounds,
    Settings,
    Usage,
    check_bounds,
    check_value,
    check_values,
    parse_command_line,
    present_names,
    public_values,
    same_setting,
    setting,
    setting_fields,
    value_type,
)
from cursivetransformer.config.sample import (
    EvaluationSettings,
    SampleConfig,
    get_evaluation_args,
    get_sample_args,
)
from cursivetransformer.config.synthesis import (
    SynthSettings,
    WordbankSettings,
    get_synth_args,
    get_wordbank_args,
)
from cursivetransformer.config.train import (
    Config,
    RecognizerTrainingConfig,
    get_all_args,
    get_recognizer_args,
)
from cursivetransformer.utils.errors import UserError

CLASSES = (
    Config,
    RecognizerTrainingConfig,
    SampleConfig,
    EvaluationSettings,
    WordbankSettings,
    SynthSettings,
)
READERS = (
    get_all_args,
    get_recognizer_args,
    get_sample_args,
    get_evaluation_args,
    get_wordbank_args,
    get_synth_args,
)
RENAMED = [
    pytest.param(cls, field, id=f"{cls.__name__}.{field.name}")
    for cls in CLASSES
    for field in setting_fields(cls)
    if field.metadata["was"]
]


@dataclasses.dataclass
class Example(Settings):
    size: int = setting(3, "size of it", "one", Bounds(-4, 9), everyday=True, was="bigness")
    ratio: float | None = setting(None, "100% of what", "one", Bounds(0, 1, "parts", above=True))
    fast: bool = setting(True, "do it fast", "two", was="quick")
    color: str = setting(
        "gray", "its color", "two", choices=("gray", "red"), aliases={"grey": "gray"}
    )
    counts: tuple[int, ...] = setting((1, 2), "several numbers", "two", Bounds(1, 9))
    key: str = setting("", "a password", "two", secret=True)


@dataclasses.dataclass
class Another(Settings):
    size: int = same_setting(Example, "size", group="three")
    fast: bool = same_setting(Example, "fast")


def read(*argv):
    return parse_command_line(Example, argv)


def read_flag(cls, name):
    return parse_command_line(cls, [f"--{name}", "1"])


def read_keyword(cls, name):
    return check_values(cls, {name: "1"})


def test_earlier_names_are_known():
    names = {field.values[1].metadata["was"] for field in RENAMED}
    assert names >= {"init", "like", "faces", "pen_words", "best_by", "readers", "most_words"}


@pytest.mark.parametrize("cls, field", RENAMED)
def test_an_earlier_name_is_accepted_everywhere(cls, field):
    usual = ",".join(map(str, field.default)) if field.type == COUNTS else str(field.default)
    value = field.metadata["choices"][-1] if field.metadata["choices"] else usual
    expected = check_values(cls, {field.name: value})
    was = field.metadata["was"]
    assert set(expected) == {field.name}
    for name in (was, was.replace("_", "-")):
        assert parse_command_line(cls, [f"--{name}", value]) == expected
        assert parse_command_line(cls, [f"--{name}={value}"]) == expected
    assert check_values(cls, {was: value}) == expected
    assert present_names(cls, {was: value, "other": 1}) == {field.name: value, "other": 1}


@pytest.mark.parametrize("cls, field", RENAMED)
def test_a_misspelt_flag_never_suggests_an_earlier_name(cls, field):
    was = field.metadata["was"]
    for typo in (was + "x", was[:-1], f"no_{was}", was[0] + was):
        for read_typo in (read_flag, read_keyword):
            with pytest.raises(UserError, match="there is no setting") as caught:
                read_typo(cls, typo)
            assert f"--{was}?" not in str(caught.value)


@pytest.mark.parametrize("cls", [*CLASSES, Example])
def test_only_settings_are_settings(cls):
    others = {field.name for field in dataclasses.fields(cls)}
    others -= {field.name for field in setting_fields(cls)}
    assert others == {"explicit"}
    given = cls(explicit=frozenset({"seed"}))
    assert given == cls() and cls().explicit == frozenset()
    assert "explicit" not in repr(given) and "explicit" not in public_values(given)
    with pytest.raises(UserError, match="there is no setting --explicit"):
        check_values(cls, {"explicit": {"seed"}})
    with pytest.raises(UserError, match="there is no setting --explicit"):
        parse_command_line(cls, ["--explicit", "seed"])


def test_explicit_stays_in_a_copy():
    given = Example(explicit=frozenset({"size"}))
    assert dataclasses.replace(given, size=5).explicit == {"size"}


def test_values_get_their_types():
    assert read("--size", "7", "--ratio=0.5", "--no_fast", "--counts", "4, 2,2") == {
        "size": 7,
        "ratio": 0.5,
        "fast": False,
        "counts": (2, 4),
    }
    assert read("--bigness", "4", "--quick", "--no-quick") == {"size": 4, "fast": False}
    assert check_values(Example, {"ratio": None, "size": 2.0}) == {"ratio": None, "size": 2}


def test_an_alias_becomes_the_choice_and_is_not_listed(capsys):
    assert read("--color", "grey") == check_values(Example, {"color": "grey"}) == {"color": "gray"}
    with pytest.raises(UserError, match="--color takes one of gray, red, not 'blue'"):
        read("--color", "blue")
    with pytest.raises(SystemExit):
        read("--help-all")
    assert "{gray,red}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "values, sentence",
    [
        ({"size": 2.5}, "--size takes a whole number between -4 and 9, not 2.5"),
        ({"size": True}, "--size takes a whole number between -4 and 9, not True"),
        ({"size": None}, "--size takes a whole number between -4 and 9, not None"),
        ({"fast": 1}, "--fast takes true or false, not 1"),
        ({"key": 1}, "--key takes text, not 1"),
        ({"color": ["red"]}, "--color takes one of gray, red"),
        ({"counts": "0"}, "takes whole numbers between 1 and 9, joined by commas, not '0'"),
        ({"counts": ""}, "--counts takes whole numbers"),
        ({"size": 4, "bigness": 5}, "--bigness is an earlier name of --size; give one of them"),
    ],
)
def test_a_wrong_value_is_refused(values, sentence):
    with pytest.raises(UserError) as caught:
        check_values(Example, values)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "value, shown",
    [
        pytest.param(10**5000, "such a int", id="digits"),
        pytest.param("9" * 5000, "'" + 59 * "9" + "...", id="text"),
        (float("nan"), "nan"),
        ("1e5", "'1e5'"),
        ([[1], 2], "[[1], 2]"),
    ],
)
def test_a_refused_value_is_shown_in_short(value, shown):
    for name, called in (("", "--size"), ("n_layer of a.pt", "n_layer of a.pt")):
        with pytest.raises(UserError) as caught:
            check_value(setting_fields(Example)[0], value, name)
        assert str(caught.value) == f"{called} takes a whole number between -4 and 9, not {shown}"


@pytest.mark.parametrize("cls", CLASSES)
def test_every_number_has_bounds(cls):
    """A new setting of numbers without bounds fails here."""
    check_bounds(cls())
    for field in setting_fields(cls):
        if value_type(field) not in (int, float, COUNTS):
            continue
        bounds = field.metadata["bounds"]
        assert bounds and bounds.low < bounds.high, field.name
        if field.type != COUNTS:
            assert check_value(field, bounds.high) == bounds.high
            assert bounds.above or check_value(field, bounds.low) == bounds.low


ABSURD = [
    *("nan", "inf", "-inf", "-1", "0", "1e9", "1000000000", str(2**64), "1e308", "-1e308"),
    *("", "abc", "1e5", " 7 ", True, None, "9" * 5000, "1," * 5000, "\0", 10**400, -(10**5000)),
    *(float("nan"), float("inf"), 1e308, 2.5, [], [[]], {}, b"1", object(), 1j),
]


@pytest.mark.parametrize("cls", CLASSES)
def test_an_absurd_value_is_within_its_bounds_or_refused_in_a_sentence(cls):
    for field, value in itertools.product(setting_fields(cls), ABSURD):
        try:
            taken = check_values(cls, {field.name: value})[field.name]
        except UserError as error:
            sentence = str(error)
            assert sentence.startswith(f"--{field.name} takes "), sentence
            assert len(sentence) < 300 and "\n" not in sentence
        else:
            bounds = field.metadata["bounds"]
            if taken is None:
                assert value is None and field.default is None
            elif bounds:
                numbers = taken if field.type == COUNTS else (taken,)
                assert all(bounds.low <= number <= bounds.high for number in numbers)
            else:
                assert isinstance(taken, field.type) and value in (
                    taken,
                    *field.metadata["aliases"],
                )


@pytest.mark.parametrize("get", READERS)
def test_the_rules_of_several_settings_hold_for_absurd_values_too(get):
    for field, value in itertools.product(setting_fields(type(get(argv=[]))), ABSURD):
        with contextlib.suppress(UserError):
            check_bounds(get(use_argparse=False, **{field.name: value}))


def test_a_number_is_exact_whatever_its_size():
    size = Example.__dataclass_fields__["size"]
    seed = Config.__dataclass_fields__["seed"]
    assert check_value(seed, str(2**63 - 1)) == check_value(seed, 2**63 - 1) == 2**63 - 1
    assert check_value(size, np.int64(3)) == 3 and type(check_value(size, np.int64(3))) is int


def test_help_shows_defaults_but_no_earlier_names(capsys):
    with pytest.raises(SystemExit):
        read("--help-all")
    out = capsys.readouterr().out
    for part in (
        "size of it (default: 3; between -4 and 9)",
        "100% of what (above 0 and at most 1)\n",
        "do it fast; --no_fast switches it off",
        "several numbers (default: 1,2; between 1 and 9)",
    ):
        assert part in out
    assert "bigness" not in out and "quick" not in out


USAGE = Usage("write", "Do it.", ("--size 4", "--fast"), "size", ",", "join them by commas")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_shows_examples_and_everyday_settings_first(flag, capsys):
    with pytest.raises(SystemExit) as ended:
        parse_command_line(Example, [flag], USAGE)
    out = capsys.readouterr().out
    assert ended.value.code == 0 and "[SIZE] [--SETTING VALUE ...]" in out.splitlines()[0]
    examples, settings = out.index("python sample.py --size 4\n"), out.index("size of it")
    assert out.index("Do it.") < examples < settings
    assert "its color" not in out and "two:" not in out
    assert out.endswith("--help-all lists all 6 settings.\n")


@pytest.mark.parametrize("flag", ["--help-all", "--help_all"])
def test_all_help_lists_every_setting(flag, capsys):
    with pytest.raises(SystemExit):
        parse_command_line(Example, [flag], USAGE)
    out = capsys.readouterr().out
    assert all(f"--{field.name}" in out for field in setting_fields(Example))
    assert "--help-all" not in out


@pytest.mark.parametrize("cls", CLASSES)
def test_every_command_has_about_a_dozen_everyday_settings(cls):
    assert 4 <= sum(field.metadata["everyday"] for field in setting_fields(cls)) <= 20


@pytest.mark.parametrize(
    "argv, size",
    [("4", 4), ("--no-fast 4 --color red", 4), ("--color=red -- -4", -4), ("--size 4", 4)],
)
def test_one_setting_needs_no_flag(argv, size):
    assert parse_command_line(Example, argv.split(), USAGE)["size"] == size


@pytest.mark.parametrize(
    "argv, sentence",
    [
        ("4 --fast 5 --color red", "'5' is not expected here; join them by commas: "),
        ("4 --fast 5 --color red", "python sample.py 4,5 --fast --color red"),
        ("4 --size 5", "--size is given with and without its flag; give it once"),
        ("--fsat 5", "there is no setting --fsat; did you mean --fast?"),
        ("4 --ratio", "argument --ratio: expected one argument"),
    ],
)
def test_words_without_a_flag_get_advice_that_fits(argv, sentence):
    with pytest.raises(UserError) as caught:
        parse_command_line(Example, argv.split(), USAGE)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("text", ["-5 degrees", "- milk, bread", "-- Ada", "a=b c"])
def test_a_text_may_begin_with_a_dash(text):
    config = get_sample_args(argv=[text, "--seed", "3"])
    assert (config.text, config.seed) == (text, 3)


def test_an_advised_command_can_be_pasted():
    with pytest.raises(UserError) as caught:
        get_sample_args(argv=['"so" $HOME', "it's"])
    command = str(caught.value).split("python sample.py ")[1]
    assert shlex.split(command) == ['"so" $HOME it\'s']


def test_a_setting_is_declared_once_for_several_commands():
    size, fast = setting_fields(Another)
    assert (size.default, size.metadata["help"]) == (3, "size of it")
    assert (size.metadata["group"], fast.metadata["group"]) == ("three", "two")
    assert size.metadata["was"] == "bigness" and size.metadata["bounds"] == Bounds(-4, 9)


def test_secrets_are_not_public():
    assert public_values(Example(key="sesame")) == {
        "size": 3,
        "ratio": None,
        "fast": True,
        "color": "gray",
        "counts": (1, 2),
    }
