"""Read a dataclass of settings from a command line or from keyword arguments.

Does not depend on which settings there are: `config.train`, `config.sample` and `config.synthesis`
declare them.
"""

import argparse
import dataclasses
import difflib
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from cursivetransformer.utils.errors import UserError

COUNTS = tuple[int, ...]  # the type of a setting that takes several whole numbers
TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}

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


# Declaring settings


def setting(
    default: Any,
    help: str,
    group: str,
    *,
    choices: Sequence[str] = (),
    aliases: Mapping[str, str] | None = None,
    secret: bool = False,
    was: str = "",
) -> Any:
    """Declare a dataclass field that is a setting.

    Args:
        default: Value where none is given.
        help: Description in `--help`.
        group: Heading in `--help` that lists the setting.
        choices: Accepted values; empty accepts all.
        aliases: Other spellings of choices, accepted but not listed: {spelling: choice}.
        secret: Keep the value out of files and logs.
        was: Name in earlier versions, still accepted from command lines, notebooks and checkpoints.
    """
    metadata = {
        "help": help,
        "group": group,
        "choices": tuple(choices),
        "aliases": aliases or {},
        "secret": secret,
        "was": was,
    }
    return dataclasses.field(default=default, metadata=metadata)


def same_setting(cls: type[Settings], name: str, group: str = "") -> Any:
    """Declare the setting `name` of another dataclass again, with its default and help."""
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


def check_value(field: dataclasses.Field[Any], value: Any) -> Any:
    """Return `value` as the type of `field`.

    Raises:
        UserError: The value does not fit; the message names the setting and what it takes.
    """
    if value is None and _is_optional(field):
        return None
    if isinstance(value, str):
        value = field.metadata["aliases"].get(value, value)
    choices = field.metadata["choices"]
    if choices and value not in choices:
        raise UserError(f"--{field.name} takes one of {', '.join(choices)}, not {value!r}")
    kind = value_type(field)
    if kind == COUNTS:
        return _check_counts(field.name, value)
    if kind in (bool, str) and isinstance(value, kind):
        return value
    if kind in (int, float) and not isinstance(value, bool):
        number = _to_number(kind, value)
        if number is not None:
            return number
    raise UserError(f"--{field.name} takes {TYPE_NAMES[kind]}, not {value!r}")


def _is_optional(field: dataclasses.Field[Any]) -> bool:
    return isinstance(field.type, types.UnionType)


def _to_number(kind: type[int] | type[float], value: Any) -> int | float | None:
    """Return `value` as a number, or None where it is not one of this kind."""
    try:
        number = kind(value)
    except (TypeError, ValueError, OverflowError):
        return None
    # int(2.5) would silently drop the half.
    if kind is int and number != float(value):
        return None
    return number


def _check_counts(name: str, value: Any) -> tuple[int, ...]:
    """Return numbers that are joined by commas in ascending order, each once."""
    parts = value if isinstance(value, (tuple, list)) else str(value).split(",")
    numbers = [str(part).strip() for part in parts]
    if not all(number.isdecimal() and int(number) for number in numbers):
        raise UserError(
            f"--{name} must be whole numbers of 1 or more, joined by commas, not {value}"
        )
    return tuple(sorted({int(number) for number in numbers}))


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


def between(value: float | None, low: float, high: float, unit: str = "") -> Rule:
    """Return the rule that `value` lies from `low` to `high`; None is valid too."""
    valid = value is None or low <= value <= high
    return valid, f"between {low} and {high}" + (f" ({unit})" if unit else "")


def at_least(value: float | None, low: int) -> Rule:
    """Return the rule that `value` is `low` or more; None is valid too."""
    return value is None or value >= low, f"{low} or more"


def require(settings: Settings, rules: Mapping[str, Rule]) -> None:
    """Check rules of settings, {name: (whether it is valid, what it must be)}.

    Raises:
        UserError: For the first setting that is not valid.
    """
    for name, (valid, requirement) in rules.items():
        if not valid:
            raise UserError(f"--{name} must be {requirement}, not {getattr(settings, name)}")


def resolve_device(name: str) -> str:
    """Return the torch device `name`; "auto" is the first available one of cuda, mps and cpu.

    Raises:
        UserError: The device is unknown or not available.
    """
    import torch  # slow, and not every command needs it

    kind, _, index = name.partition(":")
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if available[device])
    if kind not in available or (index and not index.isdigit()):
        raise UserError(f"--device takes auto, cuda, mps or cpu, not {name!r}")
    beyond_last = kind == "cuda" and index != "" and int(index) >= torch.cuda.device_count()
    if not available[kind] or beyond_last:
        raise UserError(
            f"this machine has no {name} that torch {torch.__version__} can use; leave --device out"
        )
    return name


# Reading settings


def read_settings(
    cls: type[S],
    description: str,
    use_argparse: bool,
    argv: Sequence[str] | None,
    overrides: Mapping[str, Any],
    positional: str = "",
) -> S:
    """Return settings with each value checked alone and the device resolved.

    The arguments are those of `read_values`. Raises `UserError`.
    """
    given = read_values(cls, description, use_argparse, argv, overrides, positional)
    values = dict(given)
    for field in setting_fields(cls):
        if field.name == "device":
            values["device"] = resolve_device(given.get("device", field.default))
    return cls(**values, explicit=frozenset(given))


def read_values(
    cls: type[Settings],
    description: str,
    use_argparse: bool,
    argv: Sequence[str] | None,
    overrides: Mapping[str, Any],
    positional: str = "",
) -> dict[str, Any]:
    """Return the values that were given, each checked alone.

    Args:
        cls: Dataclass that declares the settings.
        description: First line of `--help`.
        use_argparse: Read a command line; otherwise take only `overrides`.
        argv: Words of the command line; None takes those of the process.
        overrides: Values by name, which win over the command line.
        positional: Name of a setting that is also accepted without its flag.

    Raises:
        UserError: A value does not fit or a name is unknown.
    """
    given = parse_command_line(cls, argv, description, positional) if use_argparse else {}
    return {**given, **check_values(cls, overrides)}


def parse_command_line(
    cls: type[Settings],
    argv: Sequence[str] | None = None,
    description: str = "",
    positional: str = "",
) -> dict[str, Any]:
    """Return the values that a command line gives, checked; the arguments are as in `read_values`.

    Hyphens in flags stand for underscores. Raises `UserError`.
    """
    argv = sys.argv[1:] if argv is None else argv
    parser = CommandParser(description=description, allow_abbrev=False)
    groups: dict[str, argparse._ArgumentGroup] = {}
    for field in setting_fields(cls):
        title = field.metadata["group"]
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        if field.name == positional:
            groups[title].add_argument(
                field.name, nargs="?", default=argparse.SUPPRESS, help=_help_text(field)
            )
            continue
        _add_flag(groups[title], field, field.name, _help_text(field))
        if field.metadata["was"]:
            _add_flag(groups[title], field, field.metadata["was"], argparse.SUPPRESS)
    given = vars(parser.parse_args([_with_underscores(word) for word in argv]))
    return check_values(cls, given)


def _help_text(field: dataclasses.Field[Any]) -> str:
    text = field.metadata["help"]
    if field.default is True:
        text += f"; --no_{field.name} switches it off"
    default: Any = field.default
    if value_type(field) == COUNTS:
        default = ",".join(map(str, default))
    if default not in (None, ""):
        text += f" (default: {default})"
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
                raise UserError(
                    f"{word!r} is not expected here; put a text of several words in quotes, "
                    "see --help"
                )
            name = word.lstrip("-").split("=")[0]
            message = f"there is no setting --{name}{_suggestion(name, self._listed_names())}"
        if "see --help" not in message:
            message += "; see --help"
        raise UserError(message)

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
