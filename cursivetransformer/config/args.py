"""Read a dataclass of settings from a command line or from keyword arguments.

Does not depend on which settings there are: `config.train`, `config.sample` and `config.synthesis`
declare them.
"""

import argparse
import dataclasses
import difflib
import operator
import re
import shlex
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from cursivetransformer.utils.errors import UserError, how_to_run
from cursivetransformer.utils.wording import quote

COUNTS = tuple[int, ...]  # the type of a setting that takes several whole numbers
TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
MAX_SHOWN = 60  # characters of a refused value in a message
MAX_HELPFUL_BOUND = 10_000  # a larger bound tells nothing in --help

# Settings that take a file with such an ending, the likeliest first.
FLAGS_OF_FILES = {
    "dataset_name": (".json", ".json.zip"),
    "checkpoint": (".pt",),
    "file": (".txt",),
    "prompts": (".txt",),
    "out": (".json", ".json.zip", ".txt", ".svg", ".png", ".pdf", ".gif", ".gcode"),
}

Rule = tuple[bool, str]  # whether a setting is valid, and what it must be


@dataclass
class Settings:
    """The base of every dataclass of settings, whose fields are made by `setting`.

    explicit: names of the settings that the user gave. It is not itself a setting.
    """

    explicit: frozenset[str] = dataclasses.field(
        default=frozenset(), repr=False, compare=False, kw_only=True
    )


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Usage:
    """How a command is called.

    command: its name, as in `cursive COMMAND`; description: first line of `--help`; examples: of
    what follows the command; positional: name of a setting that needs no flag; join: what several
    words without a flag are joined by, if they can be; advice: what to do with several, in words.
    """

    command: str = ""
    description: str = ""
    examples: tuple[str, ...] = ()
    positional: str = ""
    join: str = ""
    advice: str = ""


# Declaring settings


@dataclass(frozen=True)
class Bounds:
    """The values that a numeric setting may have: from `low` to `high`, never NaN or infinite.

    unit: of both, in words; above: `low` itself is excluded.
    """

    low: float
    high: float
    unit: str = ""
    above: bool = False

    def hold(self, number: float) -> bool:
        """Return whether a number lies within the bounds."""
        return self.low <= number <= self.high and not (self.above and number == self.low)

    def __str__(self) -> str:
        low, high = (repr(bound).removesuffix(".0") for bound in (self.low, self.high))
        words = f"above {low} and at most {high}" if self.above else f"between {low} and {high}"
        return f"{words} ({self.unit})" if self.unit else words


FRACTION = Bounds(0, 1)
POSITIVE_FRACTION = Bounds(0, 1, above=True)
SEED = Bounds(0, 2**63 - 1)  # what NumPy, torch and checkpoints take


def setting(
    default: Any,
    help: str,
    group: str,
    bounds: Bounds | None = None,
    *,
    choices: Sequence[str] = (),
    aliases: Mapping[str, str] | None = None,
    everyday: bool = False,
    secret: bool = False,
    was: str = "",
) -> Any:
    """Declare a dataclass field that is a setting.

    Args:
        default: Value where none is given.
        help: Description in `--help`.
        group: Heading in `--help` that lists the setting.
        bounds: Accepted numbers, or each of several; every setting of numbers has bounds.
        choices: Accepted values; empty accepts all.
        aliases: Other spellings of choices, accepted but not listed: {spelling: choice}.
        everyday: List the setting in `--help`; `--help-all` lists all settings.
        secret: Keep the value out of files and logs.
        was: Name in earlier versions, still accepted from command lines, notebooks and checkpoints.
    """
    metadata = {
        "help": help,
        "group": group,
        "bounds": bounds,
        "choices": tuple(choices),
        "aliases": aliases or {},
        "everyday": everyday,
        "secret": secret,
        "was": was,
    }
    return dataclasses.field(default=default, metadata=metadata)


def same_setting(cls: type[Settings], name: str, group: str = "") -> Any:
    """Declare the setting `name` of another dataclass again, with its default, bounds and help."""
    field = cls.__dataclass_fields__[name]
    metadata = {**field.metadata, "group": group or field.metadata["group"]}
    return dataclasses.field(default=field.default, metadata=metadata)


def setting_fields(settings: Settings | type[Settings]) -> list[dataclasses.Field[Any]]:
    """Return the fields that are settings."""
    return [field for field in dataclasses.fields(settings) if "help" in field.metadata]


def present_names(cls: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with names of earlier versions replaced by the present ones."""
    renamed = {field.metadata["was"]: field.name for field in setting_fields(cls)}
    return {renamed.get(name, name): value for name, value in values.items()}


def public_values(settings: Settings) -> dict[str, Any]:
    """Return the settings that may be written to files or shown: all but the secret ones."""
    return {
        field.name: getattr(settings, field.name)
        for field in setting_fields(settings)
        if not field.metadata["secret"]
    }


# Checking values


def value_type(field: dataclasses.Field[Any]) -> Any:
    """Return the type of a setting, without the `| None` of an optional one."""
    if _is_optional(field):
        return next(t for t in typing.get_args(field.type) if t is not type(None))
    return field.type


def check_value(field: dataclasses.Field[Any], value: Any, name: str = "") -> Any:
    """Return `value` as the type of `field`.

    Args:
        field: A setting.
        value: Its value: of a command line, a notebook, or a file.
        name: What a message calls the setting; empty calls it by its flag.

    Raises:
        UserError: The value does not fit; the message names the setting and what it takes.
    """
    if value is None and _is_optional(field):
        return None
    if isinstance(value, str):
        value = field.metadata["aliases"].get(value, value)
    checked = _converted(field, value)
    if checked is None:
        raise UserError(f"{name or '--' + field.name} takes {_accepted(field)}, not {shown(value)}")
    return checked


def _converted(field: dataclasses.Field[Any], value: Any) -> Any:
    """Return `value` as the type of a setting, or None where the setting does not take it."""
    kind, choices = value_type(field), field.metadata["choices"]
    if kind == COUNTS:
        several = value.split(",") if isinstance(value, str) else value
        parts = several if isinstance(several, (tuple, list)) else [several]
        numbers = {_to_number(int, part, field.metadata["bounds"]) for part in parts}
        return None if None in numbers or not numbers else tuple(sorted(numbers))
    if kind in (int, float):
        return _to_number(kind, value, field.metadata["bounds"])
    if not isinstance(value, kind) or (choices and value not in choices):
        return None
    # No file and no name has a NUL character, and the system's functions fail on it.
    return None if kind is str and "\0" in value else value


def _to_number(kind: type, value: Any, bounds: Bounds | None) -> Any:
    """Return `value` as a number within bounds, or None where it is none of this kind."""
    if isinstance(value, bool):
        return None
    try:
        if kind is float or isinstance(value, str):
            number = kind(value)
        elif isinstance(value, float) and value.is_integer():
            number = int(value)
        else:
            number = operator.index(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):  # RuntimeError: of a tensor
        return None
    return number if bounds is None or bounds.hold(number) else None


def _accepted(field: dataclasses.Field[Any]) -> str:
    """Return what a setting takes, in words."""
    kind, bounds, choices = value_type(field), field.metadata["bounds"], field.metadata["choices"]
    if choices:
        return f"one of {', '.join(choices)}"
    if kind == COUNTS:
        return f"whole numbers {bounds}, joined by commas"
    return f"{TYPE_NAMES[kind]} {bounds}" if bounds else TYPE_NAMES[kind]


def shown(value: Any) -> str:
    """Return a value as a message shows it: never long, whatever it is."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # of a number of thousands of digits, of nested lists
        return f"such a {type(value).__name__}"
    return quote(text, MAX_SHOWN)


def _is_optional(field: dataclasses.Field[Any]) -> bool:
    return isinstance(field.type, types.UnionType)


def check_values(cls: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with present names and every value checked.

    Raises:
        UserError: A value does not fit, or a name is unknown; the message suggests the nearest one.
    """
    fields = {field.name: field for field in setting_fields(cls)}
    for name, field in fields.items():
        earlier = field.metadata["was"]
        if earlier and {name, earlier} <= values.keys():
            raise UserError(f"--{earlier} is an earlier name of --{name}; give one of them")
    values = present_names(cls, values)
    for name in values:
        if name not in fields:
            raise UserError(f"there is no setting --{name}{_suggestion(name, fields)}")
    return {name: check_value(fields[name], value) for name, value in values.items()}


def check_bounds(settings: Settings) -> None:
    """Check each setting alone, whoever changed it. Raises `UserError`."""
    for field in setting_fields(settings):
        check_value(field, getattr(settings, field.name))


def require(settings: Settings, rules: Mapping[str, Rule]) -> None:
    """Check rules of settings, {name: (whether it is valid, what it must be)}.

    Raises:
        UserError: For the first setting that is not valid.
    """
    for name, (valid, requirement) in rules.items():
        if not valid:
            raise UserError(f"--{name} must be {requirement}, not {shown(getattr(settings, name))}")


def resolve_device(name: str) -> str:
    """Return the torch device `name`; "auto" is the first available one of cuda, mps and cpu.

    Raises:
        UserError: The device is unknown or not available.
    """
    import torch  # slow, and not every command needs it

    kind, colon, index = name.partition(":")
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if available[device])
    if kind not in available or not re.fullmatch(r"(:[0-9]{1,3})?", colon + index):
        raise UserError(f"--device takes auto, cuda, mps or cpu, not {shown(name)}")
    beyond_last = kind == "cuda" and index != "" and int(index) >= torch.cuda.device_count()
    if not available[kind] or beyond_last:
        raise UserError(
            f"this machine has no {name} that torch {torch.__version__} can use; leave --device out"
        )
    return name


# Reading settings


def read_settings(
    cls: type[S],
    usage: Usage,
    use_argparse: bool,
    argv: Sequence[str] | None,
    overrides: Mapping[str, Any],
) -> S:
    """Return settings with each value checked alone and the device resolved.

    The arguments are those of `read_values`. Raises `UserError`.
    """
    given = read_values(cls, usage, use_argparse, argv, overrides)
    values = dict(given)
    for field in setting_fields(cls):
        if field.name == "device":
            values["device"] = resolve_device(given.get("device", field.default))
    return cls(**values, explicit=frozenset(given))


def read_values(
    cls: type[Settings],
    usage: Usage,
    use_argparse: bool,
    argv: Sequence[str] | None,
    overrides: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the values that were given, each checked alone.

    Args:
        cls: Dataclass that declares the settings.
        usage: How the command is called.
        use_argparse: Read a command line; otherwise take only `overrides`.
        argv: Words of the command line; None takes those of the process.
        overrides: Values by name, which win over the command line.

    Raises:
        UserError: A value does not fit or a name is unknown.
    """
    given = parse_command_line(cls, argv, usage) if use_argparse else {}
    return {**given, **check_values(cls, overrides)}


def parse_command_line(
    cls: type[Settings], argv: Sequence[str] | None = None, usage: Usage | None = None
) -> dict[str, Any]:
    """Return the values that a command line gives, checked; the arguments are as in `read_values`.

    Hyphens in flags stand for underscores. Raises `UserError`.
    """
    usage = usage or Usage()
    argv = [_with_underscores(word) for word in (sys.argv[1:] if argv is None else argv)]
    parser = _settings_parser(cls, usage, list_all="--help_all" in argv)
    argv, loose = parser.split_loose(argv)
    if loose and usage.positional:
        flag = f"--{usage.positional}"
        if any(word.partition("=")[0] == flag for word in argv):
            raise UserError(f"{flag} is given with and without its flag; give it once")
        if len(loose) > 1:
            parser.refuse_loose(loose, argv, usage)
        argv = [f"{flag}={loose[0]}", *argv]
    elif loose:
        parser.error(f"unrecognized arguments: {loose[0]}")
    return check_values(cls, vars(parser.parse_args(argv)))


def _settings_parser(cls: type[Settings], usage: Usage, list_all: bool) -> "CommandParser":
    """Return a parser of settings; list_all: its help lists all of them, not the everyday ones."""
    fields = setting_fields(cls)
    has_more = not all(field.metadata["everyday"] for field in fields)
    more = f"--help-all lists all {len(fields)} settings." if has_more and not list_all else ""
    loose = f"[{usage.positional.upper()}] " if usage.positional else ""
    parser = CommandParser(
        usage=f"%(prog)s {loose}[--SETTING VALUE ...]",
        description=_describe(usage),
        epilog=more,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("-h", "--help", "--help_all", action="help", help=argparse.SUPPRESS)
    groups: dict[str, argparse._ArgumentGroup] = {}
    for field in fields:
        title = field.metadata["group"]
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        listed = list_all or field.metadata["everyday"]
        text = _help_text(field) if listed else argparse.SUPPRESS
        if listed and field.name == usage.positional:
            text += "; the flag may be left out"
        _add_flag(groups[title], field, field.name, text)
        if field.metadata["was"]:
            _add_flag(groups[title], field, field.metadata["was"], argparse.SUPPRESS)
    return parser


def _describe(usage: Usage) -> str:
    """Return the description of a command and examples of its use."""
    if not usage.examples:
        return usage.description
    lines = [f"  {how_to_run(usage.command)} {example}" for example in usage.examples]
    return "\n".join([usage.description, "", "examples:", *lines])


class _HelpFormatter(argparse.HelpFormatter):
    """Keeps the lines of the description, and wraps the help of the settings."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in text.splitlines())


def _shell_words(words: Iterable[str]) -> str:
    """Return words as a command line, in double quotes where they are needed."""
    return " ".join(_quote(word) for word in words)


def _quote(word: str) -> str:
    if re.fullmatch(r"[\w@%+=:,./-]+", word):
        return word
    # Windows knows double quotes only.
    return shlex.quote(word) if re.search(r'["$`\\!]', word) else f'"{word}"'


def _help_text(field: dataclasses.Field[Any]) -> str:
    text = field.metadata["help"]
    if field.default is True:
        text += f"; --no_{field.name} switches it off"
    default: Any = field.default
    if value_type(field) == COUNTS:
        default = ",".join(map(str, default))
    notes = []
    if default not in (None, "") and default is not False:
        notes.append(f"default: {default}")
    bounds = field.metadata["bounds"]
    if bounds and bounds.high <= MAX_HELPFUL_BOUND:
        notes.append(str(dataclasses.replace(bounds, unit="")))
    if notes:
        text += f" ({'; '.join(notes)})"
    return text.replace("%", "%%")


def _metavar(field: dataclasses.Field[Any]) -> str:
    choices, kind = field.metadata["choices"], value_type(field)
    if choices:
        return "{" + ",".join(choices) + "}"
    return "INT,..." if kind == COUNTS else kind.__name__.upper()


def _add_flag(
    group: argparse._ArgumentGroup, field: dataclasses.Field[Any], name: str, text: str
) -> None:
    """Add the flag `--name` of a setting, and `--no_name` too if the setting is a boolean."""
    common: dict[str, Any] = {"dest": field.name, "default": argparse.SUPPRESS}
    if value_type(field) is bool:
        group.add_argument(f"--{name}", action="store_const", const=True, help=text, **common)
        group.add_argument(
            f"--no_{name}", action="store_const", const=False, help=argparse.SUPPRESS, **common
        )
    else:
        group.add_argument(f"--{name}", help=text, metavar=_metavar(field), **common)


def _with_underscores(word: str) -> str:
    """Return a flag with underscores in place of hyphens, and any other word as it is."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


class CommandParser(argparse.ArgumentParser):
    """A parser that refuses in one sentence and suggests the nearest name."""

    def error(self, message: str) -> NoReturn:
        prefix = "unrecognized arguments: "
        if message.startswith(prefix):
            word = message[len(prefix) :].split()[0]
            if not word.startswith("--"):
                flag = self._flag_of_file(word)
                hint = f"; did you mean --{flag} {word}?" if flag else "; see --help"
                raise UserError(f"{word!r} is not expected here{hint}")
            name = word.lstrip("-").split("=")[0]
            message = f"there is no setting --{name}{_suggestion(name, self._listed_names())}"
        if "see --help" not in message:
            message += "; see --help"
        raise UserError(message)

    def split_loose(self, argv: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the flags of a command line with their values, and the words without a flag."""
        flags: list[str] = []
        loose: list[str] = []
        takes_value = False
        for i, word in enumerate(argv):
            if word == "--":  # all that follows has no flag
                return flags, [*loose, *argv[i + 1 :]]
            is_flag = re.fullmatch(r"--\S+|-\w", word.partition("=")[0]) and word != "-"
            if is_flag and (word.startswith("--") or not takes_value):
                flags.append(word)
                action = self._option_string_actions.get(word)
                takes_value = "=" not in word and (action is None or action.nargs != 0)
            else:
                (flags if takes_value else loose).append(word)
                takes_value = False
        return flags, loose

    def refuse_loose(self, loose: Sequence[str], flags: Sequence[str], usage: Usage) -> NoReturn:
        """Refuse more words without a flag than one, and say what may be meant. Raises `UserError`.

        Args:
            loose: The words without a flag.
            flags: The flags with their values.
            usage: How the command is called.
        """
        for word in loose[1:]:
            name = self._flag_of_file(word)
            if name not in ("", usage.positional):
                self.error(f"unrecognized arguments: {word}")
        value = usage.join.join(loose) if usage.join else loose[0]
        call = f"{how_to_run(usage.command)} {_shell_words([value, *flags])}"
        raise UserError(f"{loose[1]!r} is not expected here; {usage.advice}: {call}")

    def _flag_of_file(self, word: str) -> str:
        """Return the setting that a file without a flag is likely meant for, or ""."""
        listed = self._listed_names()
        for name, endings in FLAGS_OF_FILES.items():
            if name in listed and word.lower().endswith(endings):
                return name
        return ""

    def _listed_names(self) -> list[str]:
        """Return the names of all flags but those of earlier versions."""
        names = []
        for flag, action in self._option_string_actions.items():
            name = flag.removeprefix("--")
            # A flag of an earlier version sets a setting of another name.
            if flag.startswith("--") and name.removeprefix("no_") == action.dest:
                names.append(name)
        return names


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean --{close[0]}?" if close else "; see --help"
