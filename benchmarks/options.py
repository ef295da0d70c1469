"""Parse the few options of a benchmark, and leave the settings that it passes on to train.py."""

from collections.abc import Mapping, Sequence


def take_options(
    argv: Sequence[str], defaults: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Take the options named in `defaults` out of a command line.

    Returns:
        The options with their given or default values, and the words of `argv` that are left.
    """
    options = dict(defaults)
    rest = []
    words = iter(argv)
    for word in words:
        name = word.removeprefix("--")
        if name != word and name in options:
            options[name] = next(words, "")
        else:
            rest.append(word)
    return options, rest
