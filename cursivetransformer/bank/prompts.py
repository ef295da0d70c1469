"""What to write: prompts that hold every character and every common pair of letters. `cursive bank prompts`.

The lists feed the synthetic pen and the recording page. Knows no ink.
"""

import re
import string
from collections import Counter
from pathlib import Path

import numpy as np

from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path, shipped

WORDS, PROMPTS = (
    shipped("words.txt"),
    shipped("wordbank.txt"),
)  # common English words; the prompts that ship

# Marks that end a word in a sentence, with how often each is taken; the colon and the rest are rarer in books, but a hand needs practice.
ENDINGS = {",": 6, ".": 6, "!": 3, "?": 3, ":": 2, ";": 2, "...": 1}
CONTRACTIONS = (
    "I'm I'll I've I'd you're you've you'll he's she's she'll it's we're we've they're they'll isn't aren't wasn't weren't don't "
    "doesn't didn't can't couldn't won't wouldn't haven't hadn't shouldn't let's that's what's who's where's here's there's o'clock "
    "ma'am 'tis dog's friend's mother's child's king's year's"
).split()
FLATTENING = 0.5  # power of a character's frequency that it keeps in a random string: 1 is English, 0 all alike
MARK_SHARE = 0.03  # of prompts that hold one of the further marks
MARKS = ".,;:!?'\"()-&/"
SYMBOLS_PER_LINE = 12
PAGE_LIST = re.compile(r'(<script type="text/plain" id="wordbank">).*?(</script>)', re.DOTALL)


def make_prompts(config, rng, words=None):
    """`config.size` prompts (a `maker_config.WordbankSettings`), no two alike as far as that can be, in random order.

    words: English words, by default those that ship. First come the shares that the settings ask for, then in place of some of them
    prompts for characters that come less than `least` times and for common pairs that do not come.
    """
    words = read_lines(WORDS) if words is None else words
    lexicon = _Lexicon(words)
    prompts, tries = {}, 0
    while len(prompts) < config.size and tries < 20 * config.size:
        prompts.setdefault(prompt_of(config, rng, lexicon))
        tries += 1
    prompts = list(prompts)
    needed, more = [], True
    while more and len(needed) < config.size:  # what makes room for these may be needed itself
        prompts = prompts[: max(0, config.size - len(needed))]
        more = _needed(config, rng, lexicon, prompts + needed)
        needed += more
        prompts = prompts[: max(0, config.size - len(needed))]
    prompts += needed
    return [prompts[i] for i in rng.permutation(len(prompts))][: config.size]


class _Lexicon:
    """Words by length, and how often letters and pairs of letters come in them."""

    def __init__(self, words):
        self.short, self.long = (
            np.array([word for word in words if (len(word) <= 3) == short])
            for short in (True, False)
        )
        if not len(self.short) or not len(self.long):
            raise UserError("the list of words has no short or no long words")
        letters = Counter("".join(words))
        self.letters = np.array(sorted(letters))
        weights = np.array([letters[c] for c in self.letters], float) ** FLATTENING
        self.weights = weights / weights.sum()
        self.pairs = [
            pair
            for pair, _ in Counter(
                word[i : i + 2] for word in words for i in range(len(word) - 1)
            ).most_common()
        ]
        # Words with rare letters come more often, so that the rare ones are practised.
        rarity = np.array(
            [np.mean([letters[c] ** -FLATTENING for c in word]) for word in self.long]
        )
        self.chances = rarity / rarity.sum()


def prompt_of(config, rng, lexicon):
    """One prompt."""
    kind = rng.choice(4, p=_shares(config))
    if kind == 2:
        text = _number(rng)
    elif kind == 3 and rng.random() < config.joined / max(1e-9, _shares(config)[3]):
        text = _joined(rng, lexicon)
    else:
        text = (
            _random_string(rng, lexicon)
            if kind == 1
            else rng.choice(lexicon.short)
            if kind == 0
            else rng.choice(lexicon.long, p=lexicon.chances)
        )
        uniforms = rng.random()
        if uniforms < config.all_capitals:
            text = text.upper()
        elif uniforms < config.all_capitals + config.capitals:
            text = text[0].upper() + text[1:]
    return _decorated(config, rng, str(text))


def _shares(config):
    """Of short words, random strings, numbers, and words."""
    shares = np.array([config.short, config.random, config.numbers])
    return np.append(shares, max(0.0, 1 - shares.sum()))


def _decorated(config, rng, text):
    """With quotes, parentheses or a mark behind, as often as the settings say."""
    uniforms = rng.random()
    if uniforms < config.punctuation:
        text += str(
            rng.choice(list(ENDINGS), p=np.array(list(ENDINGS.values())) / sum(ENDINGS.values()))
        )
    uniforms = rng.random()
    if uniforms < config.quotes:
        text = f"'{text}'" if rng.random() < 0.2 else f'"{text}"'
    elif uniforms < config.quotes + config.parentheses:
        text = f"({text})"
        if text[-2] in ".,":  # a stop stands behind the parenthesis
            text = text[:-2] + ")" + text[-2]
    if config.marks and rng.random() < MARK_SHARE:
        mark = str(rng.choice(list(config.marks)))
        text = mark + text if rng.random() < 0.5 else text + mark
    return text


def _random_string(rng, lexicon):
    return "".join(rng.choice(lexicon.letters, rng.integers(2, 9), p=lexicon.weights))


def _number(rng):
    n = int(10 ** rng.uniform(0, 4.6))
    match int(rng.integers(8)):
        case 0:
            return f"{n}.{rng.integers(10)}"
        case 1:
            return f"{n % 100}.{rng.integers(100):02}"
        case 2:
            return f"{n + 1000:,}"
        case 3:
            return str(rng.integers(1400, 2100))
        case 4:
            return f"{rng.integers(24)}:{rng.integers(60):02}"
        case 5:
            return f"{rng.integers(1, 29)}/{rng.integers(1, 13)}"
        case _:
            return "".join(rng.choice(list(string.digits), rng.integers(1, 5)))


def _joined(rng, lexicon):
    """Two words with a mark between, or a contraction."""
    one, two = rng.choice(lexicon.long, 2)
    match int(rng.integers(6)):
        case 0 | 1:
            return f"{one}-{two}"
        case 2:
            return f"{one}/{two}"
        case 3:
            return str(rng.choice(["&", f"{one[0].upper()}&{two[0].upper()}", f"{one}&{two}"]))
        case _:
            return str(rng.choice(CONTRACTIONS))


def _needed(config, rng, lexicon, prompts):
    """Prompts for what the others lack: characters below `least`, and common pairs."""
    counts, needed = Counter("".join(prompts)), []
    wanted = string.ascii_letters + string.digits + MARKS + config.marks
    for char in wanted:
        while counts[char] < config.least and len(needed) < config.size:
            needed.append(_around(char, rng, lexicon))
            counts.update(needed[-1])
    there = {text[i : i + 2] for text in prompts + needed for i in range(len(text) - 1)}
    for pair in lexicon.pairs[: config.pairs]:
        if pair not in there and len(needed) < config.size:
            having = [word for word in [*lexicon.long, *lexicon.short] if pair in word]
            needed.append(str(rng.choice(having)))
            there |= {needed[-1][i : i + 2] for i in range(len(needed[-1]) - 1)}
    return needed


def _around(char, rng, lexicon):
    """A short string that holds `char` where it would stand."""
    if char in string.digits:
        return "".join(rng.choice(list(string.digits), 2)) + char
    if char in string.ascii_uppercase:
        return char + _random_string(rng, lexicon)
    if char in string.ascii_lowercase:
        return char + str(rng.choice(lexicon.letters)) + char
    word = str(rng.choice(lexicon.long))
    return {
        "'": "don't",
        '"': f'"{word}"',
        "(": f"({word})",
        ")": f"({word})",
        "-": f"{word}-to",
        "&": f"{word}&co",
        "/": f"{word}/or",
    }.get(char, word + char)


def coverage(prompts):
    """Counts of characters, and of pairs of letters with case left out, in prompts."""
    lower = [prompt.lower() for prompt in prompts]
    pairs = Counter(
        text[i : i + 2] for text in lower for i in range(len(text) - 1) if text[i : i + 2].isalpha()
    )
    return Counter("".join(prompts)), pairs


def coverage_table(prompts, words=None, least=0, pairs=400):
    """A text that tells how often each character comes, and which common pairs of letters do not."""
    chars, found = coverage(prompts)
    cells = [
        f"{char} {count:5}{'*' if count < least else ' '}" for char, count in sorted(chars.items())
    ]
    lines = [
        f"{len(prompts)} prompts, {sum(chars.values())} characters, {len(chars)} different ones"
        + (f" (* fewer than {least})" if least else "")
    ]
    lines += [
        "  ".join(cells[i : i + SYMBOLS_PER_LINE]) for i in range(0, len(cells), SYMBOLS_PER_LINE)
    ]
    common = _Lexicon(read_lines(WORDS) if words is None else words).pairs[:pairs]
    missing = [pair for pair in common if pair not in found]
    lines.append(
        f"{len(found)} of 676 pairs of letters; of the {len(common)} commonest pairs of English {len(missing)} missing"
        + (": " + " ".join(missing) if missing else "")
    )
    return "\n".join(lines)


def put_into_page(path, prompts):
    """Replace the prompts that a recording page carries. Raises `UserError` where the file is no such page."""
    text = "\n".join(prompts)
    if "</script" in text.lower():
        raise UserError("a prompt holds '</script', which would end the page's list")
    page, n = PAGE_LIST.subn(lambda match: f"{match[1]}\n{text}\n{match[2]}", _read(path))
    if n != 1:
        raise UserError(
            f'{path} has no list of prompts: no <script type="text/plain" id="wordbank">'
        )
    with atomic_path(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def read_lines(path):
    """The lines of a text file that are not empty. Raises `UserError`."""
    lines = [line for line in map(str.strip, _read(path).splitlines()) if line]
    if not lines:
        raise UserError(f"{path} holds no text")
    return lines


def _read(path):
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error


def save_prompts(config, say=print):
    """Make prompts and write them where `config` (a `WordbankSettings`) says; tell their coverage."""
    prompts = make_prompts(config, np.random.default_rng(config.seed))
    say(coverage_table(prompts, least=config.least, pairs=config.pairs))
    if config.out:
        with atomic_path(config.out) as temporary:
            temporary.write_text("\n".join(prompts) + "\n", encoding="utf-8")
        say(f"{config.out}: {len(prompts)} prompts")
    if config.page:
        put_into_page(config.page, prompts)
        say(f"{config.page}: {len(prompts)} prompts")
