"""From a dataclass of settings to a command line, and back.

Does not know which settings there are: `config.py` says that.
"""

import argparse
import dataclasses
import difflib
import sys
import types
import typing

from cursivetransformer.utils.errors import UserError


def setting(default, help, group, choices=None, secret=False, was=""):
    """A dataclass field that is a setting: its default, its help, the group it is listed under.

    was: its name in earlier versions, which command lines, notebooks and checkpoints may still use.
    """
    return dataclasses.field(
        default=default,
        metadata={"help": help, "group": group, "choices": choices, "secret": secret, "was": was},
    )


def present_names(cls, values):
    """The dictionary `values` with names of earlier versions replaced by the present ones."""
    renamed = {field.metadata["was"]: field.name for field in dataclasses.fields(cls)}
    return {renamed.get(name, name): value for name, value in values.items()}


def same_setting(cls, name, group=None):
    """A field that is the setting `name` of another dataclass: its default and help are written there, once."""
    field = cls.__dataclass_fields__[name]
    metadata = {**field.metadata, "group": group or field.metadata["group"]}
    return dataclasses.field(default=field.default, metadata=metadata)


def value_type(field):
    """The plain type of a setting, without the `| None` of an optional one."""
    if isinstance(field.type, types.UnionType):
        return next(t for t in typing.get_args(field.type) if t is not type(None))
    return field.type


def check_value(field, value):
    """Return `value` as the type of `field`, or raise `UserError` naming the setting and what it takes."""
    kind = value_type(field)
    optional = isinstance(field.type, types.UnionType)
    if value is None and optional:
        return None
    choices = field.metadata["choices"]
    if choices and value not in choices:
        raise UserError(f"--{field.name} takes one of {', '.join(choices)}, not {value!r}")
    if kind is bool and isinstance(value, bool):
        return value
    if kind is str and isinstance(value, str):
        return value
    if kind in (int, float) and not isinstance(value, bool):
        try:
            number = kind(value)
        except (TypeError, ValueError, OverflowError):
            number = None
        # int(2.5) would drop the half in silence.
        if number is not None and (kind is float or number == float(value)):
            return number
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    raise UserError(f"--{field.name} takes {names[kind]}, not {value!r}")


def check_values(cls, values):
    """Return the dictionary `values` with every value checked; unknown names are refused with the nearest known."""
    fields = {field.name: field for field in dataclasses.fields(cls)}
    values = present_names(cls, values)
    for name in values:
        if name not in fields:
            raise UserError(f"there is no setting --{name}{_nearest(name, fields)}")
    return {name: check_value(fields[name], value) for name, value in values.items()}


def parse_command_line(cls, argv=None, description=None, positional=None, prog=None):
    """Read the settings of dataclass `cls` from `argv` (default: the process's own arguments).

    `positional` names one setting that is also taken without its flag. Hyphens in flags stand for underscores.
    Returns a dictionary of only those settings that were given, checked. Raises `UserError`.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = CommandParser(prog=prog, description=description, allow_abbrev=False)
    groups = {}
    for field in dataclasses.fields(cls):
        meta = field.metadata
        if meta["group"] not in groups:
            groups[meta["group"]] = parser.add_argument_group(meta["group"])
        group = groups[meta["group"]]
        default = "" if field.default in (None, "") else f" (default: {field.default})"
        off = f"; --no_{field.name} switches it off" if field.default is True else ""
        text = (meta["help"] + off + default).replace("%", "%%")
        if field.name == positional:
            group.add_argument(field.name, nargs="?", default=argparse.SUPPRESS, help=text)
        else:
            _add_flag(group, field, field.name, text)
            if meta["was"]:
                _add_flag(group, field, meta["was"], argparse.SUPPRESS)
    given = vars(parser.parse_args([_underscored(word) for word in argv]))
    return check_values(cls, given)


def _add_flag(group, field, name, text):
    """Add the flag `--name` of a setting, and for one that is on or off `--no_name` too."""
    kind, choices = value_type(field), field.metadata["choices"]
    if kind is bool:
        for flag, value in ((f"--{name}", True), (f"--no_{name}", False)):
            group.add_argument(
                flag,
                dest=field.name,
                action="store_const",
                const=value,
                default=argparse.SUPPRESS,
                help=text if value else argparse.SUPPRESS,
            )
    else:
        metavar = "{" + ",".join(choices) + "}" if choices else kind.__name__.upper()
        group.add_argument(
            f"--{name}", dest=field.name, default=argparse.SUPPRESS, help=text, metavar=metavar
        )


def public_values(settings):
    """The settings as a plain dictionary, without secrets: what may be written to files or shown."""
    return {
        f.name: getattr(settings, f.name)
        for f in dataclasses.fields(settings)
        if not f.metadata["secret"]
    }


class CommandParser(argparse.ArgumentParser):
    """argparse with the house's manner of refusing: one sentence, and the nearest known name."""

    def error(self, message):
        prefix = "unrecognized arguments: "
        if message.startswith(prefix):
            word = message[len(prefix) :].split()[0]
            if not word.startswith("--"):
                raise UserError(
                    f"{word!r} is not expected here; put a text of several words in quotes, see --help"
                )
            name = word.lstrip("-").split("=")[0]
            message = f"there is no setting --{name}{_nearest(name, self._known())}"
        raise UserError(message + "; see --help" if "see --help" not in message else message)

    def _known(self):
        return [flag[2:] for flag in self._option_string_actions if flag.startswith("--")]


def _nearest(name, known):
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean --{close[0]}?" if close else "; see --help"


def _underscored(word):
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value
