"""The few options of a benchmark, before the settings of train.py that it passes on."""


def take_options(argv, defaults):
    """Words of a command line and a dictionary of defaults -> (the options with what was given, the words that are left)."""
    options, rest, words = dict(defaults), [], iter(argv)
    for word in words:
        name = word.removeprefix("--")
        if name != word and name in options:
            options[name] = next(words, "")
        else:
            rest.append(word)
    return options, rest
