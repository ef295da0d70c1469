"""Words of messages."""

MAX_QUOTED = 200  # characters of a file that a message quotes


def plural(n: int, noun: str, nouns: str = "") -> str:
    """Return a count with its noun, "1 word" or "2 words"; nouns: the plural if it is irregular."""
    return f"{n} {noun if n == 1 else nouns or noun + 's'}"


def quote(text: str, max_length: int = MAX_QUOTED) -> str:
    """Return a text as a message may hold it: short, and without control characters."""
    short = text if len(text) <= max_length else text[:max_length] + "..."
    return short.encode("unicode_escape").decode() if not short.isprintable() else short
