"""Words of messages."""


def plural(n: int, noun: str, nouns: str = "") -> str:
    """Return a count with its noun, "1 word" or "2 words"; nouns: the plural if it is irregular."""
    return f"{n} {noun if n == 1 else nouns or noun + 's'}"
