"""Prompts to record: what people write, or every character about equally often.

The everyday prompts are words, phrases and beginnings of sentences, each chosen because it adds
most to what a letter needs. The flattened ones hold random strings too. Both lists are for the
recording page, the second one also for the synthetic pen. Does not depend on ink.
"""

import base64
import dataclasses
import hashlib
import heapq
import json
import re
import string
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np

from cursivetransformer.config.synthesis import WordbankSettings
from cursivetransformer.utils.errors import UserError
from cursivetransformer.utils.io import atomic_path, read_regular, shipped
from cursivetransformer.utils.wording import plural

MAX_TEXT_BYTES = 64 << 20  # of a list of prompts, or of a recording page
# Common English words.
WORDS = shipped("words.txt")
# What people write, the commonest first: words, phrases, beginnings of sentences, dates, marks.
EVERYDAY = shipped("everyday.txt")
# The prompts that come with the program: everyday ones, and those that flatten the distribution.
PROMPTS = shipped("prompts.txt")
FLAT_PROMPTS = shipped("wordbank.txt")

# The fraction of a text that the everyday list stands for, by Zipf's law: the word of rank r comes
# 1 / (r + ZIPF_OFFSET) as often (B. Mandelbrot, 1953). The other words are equally frequent.
EVERYDAY_FRACTION, ZIPF_OFFSET = 0.6, 2.7
# Every letter, digit and usual mark counts as at least so many in a million characters.
MIN_FREQUENCY = 3000
# Some as more. Of marks, lists of words have fewer than English: 65, 62, 27 and 24 in a thousand
# words (V. Cook, "Standard punctuation and the punctuation of the street", 2013). A digit is wanted
# more often than English has it: a wrong one makes another number, and no pairs help to learn it.
MIN_FREQUENCIES = {
    ".": 14000,
    ",": 13000,
    '"': 6000,
    "'": 5000,
    **dict.fromkeys(string.digits, 15000),
}
# Words that are wanted as a whole come so often in a million characters.
MIN_WORD_FREQUENCY = 150
# The worth of a pair of letters and of a whole word, relative to a character, and the effort of a
# prompt beside its letters, in letters. The recording page has the same.
PAIR_WEIGHT, WORD_WEIGHT, PROMPT_EFFORT = 0.5, 1.0, 6
# The first prompts are all from the everyday list, and come before the others. The page does alike.
N_EVERYDAY = 300
# Candidates for each further prompt that is wanted.
CANDIDATES = 2

# Marks that end a word in a sentence, with their weights. The rare ones come more often than in
# books, for practice.
ENDINGS = {",": 6, ".": 6, "!": 3, "?": 3, ":": 2, ";": 2, "...": 1}
# Marks that come at least `least` times, as letters and digits do.
MARKS = ".,;:!?'\"()-&/"
CONTRACTIONS = (
    "I'm I'll I've I'd you're you've you'll he's she's she'll it's we're we've they're they'll "
    "isn't aren't wasn't weren't don't doesn't didn't can't couldn't won't wouldn't haven't hadn't "
    "shouldn't let's that's what's who's where's here's there's o'clock ma'am 'tis dog's friend's "
    "mother's child's king's year's"
).split()
MAX_SHORT_WORD = 3  # letters
# Power of a character's frequency in a random string: 1 is English, 0 is uniform.
FREQUENCY_POWER = 0.5
# Probability that a prompt holds one of the further marks.
MARK_PROBABILITY = 0.03
# Probability that quotes are single ones.
SINGLE_QUOTE_PROBABILITY = 0.2
# Kinds of prompts. A word of the last kind may be a joined one instead.
KINDS = ("short word", "random string", "number", "word")
# Forms of numbers and of joined words; one that is listed twice is twice as likely.
NUMBER_FORMS = ("tenths", "hundredths", "thousands", "year", "time", "date", "digits", "digits")
JOINED_FORMS = ("hyphen", "hyphen", "slash", "ampersand", "contraction", "contraction")
# Random prompts to try for each one wanted, since some repeat others.
MAX_TRIES = 20
CELLS_PER_LINE = 12
# Ids in the recording page: of the list that it offers first, of the other list, and of English.
PAGE_LIST, PAGE_FLAT_LIST, PAGE_ENGLISH = "wordbank", "flat-wordbank", "english"


@dataclass
class Lexicon:
    """English words, and how often letters and pairs of letters come in them.

    Attributes:
        short: words of at most `MAX_SHORT_WORD` letters.
        long: the other words.
        long_probabilities: (len(long),) higher for words with rare letters, for practice.
        letters: distinct characters of the words, sorted.
        letter_probabilities: (len(letters),) flatter than in English; see `FREQUENCY_POWER`.
        pairs: pairs of letters, the commonest first.
    """

    short: np.ndarray
    long: np.ndarray
    long_probabilities: np.ndarray
    letters: np.ndarray
    letter_probabilities: np.ndarray
    pairs: list[str]

    @classmethod
    def from_words(cls, words: Sequence[str]) -> "Lexicon":
        """Count letters and pairs in words.

        Raises:
            UserError: if there are no short or no long words.
        """
        short = [word for word in words if len(word) <= MAX_SHORT_WORD]
        long = [word for word in words if len(word) > MAX_SHORT_WORD]
        if not short or not long:
            raise UserError("the list of words has no short or no long words")
        counts = Counter("".join(words))
        letters = sorted(counts)
        weights = np.array([counts[char] for char in letters], float) ** FREQUENCY_POWER
        rarity = np.array(
            [np.mean([counts[char] ** -FREQUENCY_POWER for char in word]) for word in long]
        )
        pairs = Counter(pair for word in words for pair in _pairs(word))
        return cls(
            short=np.array(short),
            long=np.array(long),
            long_probabilities=rarity / rarity.sum(),
            letters=np.array(letters),
            letter_probabilities=weights / weights.sum(),
            pairs=[pair for pair, _ in pairs.most_common()],
        )


def _pairs(text: str) -> list[str]:
    """Return the pairs of neighboring characters in a text."""
    return [text[i : i + 2] for i in range(len(text) - 1)]


@dataclass
class Coverage:
    """How often characters, pairs of letters and whole words come.

    The beginning and the end of a word are pairs with a space.
    """

    chars: Counter[str]
    pairs: Counter[str]
    words: Counter[str]

    @classmethod
    def of(cls, texts: Iterable[str], weights: Iterable[int] | None = None) -> "Coverage":
        """Count the characters and pairs of texts, each text with its weight or once."""
        counts = cls(Counter(), Counter(), Counter())
        for text, weight in zip(texts, weights or repeat(1)):
            counts.add(text, weight)
        return counts

    @classmethod
    def of_english(cls) -> "Coverage":
        """Return how often each item comes in a million characters of English.

        Letters, digits and usual marks that hardly come in words count as `MIN_FREQUENCY`, or as in
        `MIN_FREQUENCIES`.
        """
        everyday, words = read_lines(EVERYDAY), read_lines(WORDS)
        zipf = 1 / (np.arange(len(everyday)) + 1 + ZIPF_OFFSET)
        parts = (
            EVERYDAY_FRACTION * zipf / zipf.sum(),
            np.full(len(words), (1 - EVERYDAY_FRACTION) / len(words)),
        )
        weights = np.rint(1e9 * np.concatenate(parts)).astype(int).tolist()
        counts = cls.of(everyday + words, weights)
        total = counts.chars.total()
        for items in (counts.chars, counts.pairs, counts.words):
            for item in items:
                items[item] = round(1e6 * items[item] / total)
        counts.words = Counter(
            {word: n for word, n in counts.words.items() if n >= MIN_WORD_FREQUENCY}
        )
        for char in string.ascii_letters + string.digits + MARKS:
            least = MIN_FREQUENCIES.get(char, MIN_FREQUENCY)
            counts.chars[char] = max(counts.chars[char], least)
        return counts

    def add(self, text: str, weight: int = 1) -> None:
        """Count a text."""
        for counts, items in zip((self.chars, self.pairs, self.words), items_of(text)):
            for item in items:
                counts[item] += weight

    def gain(self, text: str, wanted: "Coverage") -> float:
        """Return what writing a text adds, for its effort.

        Each item adds the root of how often it is wanted, divided by 1 plus how often it has come
        before.
        """
        chars, pairs, words = items_of(text)
        gain = (
            _gain(chars, wanted.chars, self.chars)
            + PAIR_WEIGHT * _gain(pairs, wanted.pairs, self.pairs)
            + WORD_WEIGHT * _gain(words, wanted.words, self.words)
        )
        return gain / (len(text) + PROMPT_EFFORT)


def items_of(text: str) -> tuple[list[str], list[str], list[str]]:
    """Return the characters of a text but spaces, its pairs whose join a hand writes, its words.

    >>> items_of("At 9,")
    (['A', 't', '9', ','], [' A', 'At', 't '], ['At', '9,'])
    """
    pairs = [pair for pair in _pairs(f" {text} ") if pair.strip().isalpha()]
    return list(text.replace(" ", "")), pairs, text.split()


def _gain(items: Iterable[str], wanted: Counter[str], recorded: Counter[str]) -> float:
    seen: Counter[str] = Counter()
    gain = 0.0
    for item in items:
        gain += wanted[item] ** 0.5 / (1 + recorded[item] + seen[item])
        seen[item] += 1
    return gain


def choose_prompts(
    candidates: Iterable[str],
    n: int,
    wanted: Coverage,
    recorded: Coverage | None = None,
    done: Container[str] = (),
) -> list[str]:
    """Choose up to `n` prompts, each time the one that gains most, and count them.

    Args:
        candidates: the prompts to choose from.
        n: how many to choose.
        wanted: how often characters and pairs are wanted.
        recorded: what has been recorded so far; the chosen prompts are added.
        done: prompts that are not chosen again.
    """
    recorded = recorded or Coverage.of([])
    # The gain of a prompt only falls as others are chosen. So a prompt whose present gain is
    # still ahead of the others' former gains is the best (M. Minoux, "Accelerated greedy
    # algorithms for maximizing submodular set functions", 1978).
    different = [text for text in dict.fromkeys(candidates) if text not in done]
    heap = [(-recorded.gain(text, wanted), i, text) for i, text in enumerate(different)]
    heapq.heapify(heap)
    chosen: list[str] = []
    while heap and len(chosen) < n:
        _, i, text = heapq.heappop(heap)
        updated = (-recorded.gain(text, wanted), i, text)
        if heap and updated > heap[0]:
            heapq.heappush(heap, updated)
            continue
        chosen.append(text)
        recorded.add(text)
    return chosen


def make_prompts(
    config: WordbankSettings, rng: np.random.Generator, words: Sequence[str] | None = None
) -> list[str]:
    """Make `config.size` prompts of the kind of the settings, all different if that is possible.

    Args:
        config: the settings.
        rng: the random number generator.
        words: English words; by default, those that come with the program.
    """
    lexicon = Lexicon.from_words(read_lines(WORDS) if words is None else words)
    if config.kind == "flat":
        return _make_flat_prompts(config, rng, lexicon)
    return _make_everyday_prompts(config, rng, lexicon)


def _make_everyday_prompts(
    config: WordbankSettings, rng: np.random.Generator, lexicon: Lexicon
) -> list[str]:
    """Make prompts that people write, in the order in which they serve a letter best.

    The first `N_EVERYDAY` are from the everyday list. Later ones are also English words, numbers
    and marks as `_sample_prompt` makes them.
    """
    wanted, recorded, everyday = Coverage.of_english(), Coverage.of([]), read_lines(EVERYDAY)
    first = choose_prompts(everyday, min(config.size, N_EVERYDAY), wanted, recorded)
    n_left = config.size - len(first)
    english = dataclasses.replace(config, random=0.0, size=CANDIDATES * n_left)
    candidates = everyday + _sample_different_prompts(english, rng, lexicon)
    return first + choose_prompts(candidates, n_left, wanted, recorded, set(first))


def _make_flat_prompts(
    config: WordbankSettings, rng: np.random.Generator, lexicon: Lexicon
) -> list[str]:
    """Make prompts with a flattened distribution of characters, in random order.

    Prompts are first sampled in the proportions of the settings. Then some of them give way to
    prompts with characters that come less than `config.least` times, or with common pairs that do
    not come.
    """
    prompts = _sample_different_prompts(config, rng, lexicon)
    required: list[str] = []
    while len(required) < config.size:
        # The prompts that gave way last time may have held something needed, hence the loop.
        added = _required_prompts(config, rng, lexicon, prompts + required)
        required += added
        prompts = prompts[: max(0, config.size - len(required))]
        if not added:
            break
    prompts += required
    return [prompts[i] for i in rng.permutation(len(prompts))][: config.size]


def _sample_different_prompts(
    config: WordbankSettings, rng: np.random.Generator, lexicon: Lexicon
) -> list[str]:
    """Sample up to `config.size` different prompts; fewer if too many repeat."""
    prompts: dict[str, None] = {}  # an ordered set
    for _ in range(MAX_TRIES * config.size):
        if len(prompts) == config.size:
            break
        prompts[_sample_prompt(config, rng, lexicon)] = None
    return list(prompts)


def _sample_prompt(config: WordbankSettings, rng: np.random.Generator, lexicon: Lexicon) -> str:
    """Sample a prompt in the proportions of the settings."""
    probabilities = _kind_probabilities(config)
    kind = KINDS[rng.choice(len(KINDS), p=probabilities)]
    if kind == "number":
        return _decorate(_sample_number(rng), config, rng)
    if kind == "word" and rng.random() < config.joined / max(1e-9, probabilities[-1]):
        return _decorate(_sample_joined(rng, lexicon), config, rng)
    if kind == "random string":
        text = _sample_letters(rng, lexicon)
    elif kind == "short word":
        text = str(rng.choice(lexicon.short))
    else:
        text = str(rng.choice(lexicon.long, p=lexicon.long_probabilities))
    return _decorate(_capitalize(text, config, rng), config, rng)


def _kind_probabilities(config: WordbankSettings) -> np.ndarray:
    """Return the probabilities of `KINDS`, (4,)."""
    given = np.array([config.short, config.random, config.numbers])
    return np.append(given, max(0.0, 1 - given.sum()))


def _sample_letters(rng: np.random.Generator, lexicon: Lexicon) -> str:
    n = rng.integers(2, 9)
    return "".join(rng.choice(lexicon.letters, n, p=lexicon.letter_probabilities))


def _sample_digits(rng: np.random.Generator, n: int) -> str:
    return "".join(rng.choice(list(string.digits), n))


def _sample_number(rng: np.random.Generator) -> str:
    """Sample a number as people write them."""
    n = int(10 ** rng.uniform(0, 4.6))
    form = NUMBER_FORMS[rng.integers(len(NUMBER_FORMS))]
    if form == "tenths":
        return f"{n}.{rng.integers(10)}"
    if form == "hundredths":
        return f"{n % 100}.{rng.integers(100):02}"
    if form == "thousands":
        return f"{n + 1000:,}"
    if form == "year":
        return str(rng.integers(1400, 2100))
    if form == "time":
        return f"{rng.integers(24)}:{rng.integers(60):02}"
    if form == "date":
        return f"{rng.integers(1, 29)}/{rng.integers(1, 13)}"
    return _sample_digits(rng, int(rng.integers(1, 5)))


def _sample_joined(rng: np.random.Generator, lexicon: Lexicon) -> str:
    """Sample two words with a mark between, or a contraction."""
    first, second = rng.choice(lexicon.long, 2)
    form = JOINED_FORMS[rng.integers(len(JOINED_FORMS))]
    if form == "hyphen":
        return f"{first}-{second}"
    if form == "slash":
        return f"{first}/{second}"
    if form == "ampersand":
        initials = f"{first[0].upper()}&{second[0].upper()}"
        return str(rng.choice(["&", initials, f"{first}&{second}"]))
    return str(rng.choice(CONTRACTIONS))


def _capitalize(text: str, config: WordbankSettings, rng: np.random.Generator) -> str:
    """Capitalize all of a text, its first letter, or nothing."""
    uniform = rng.random()
    if uniform < config.all_capitals:
        return text.upper()
    if uniform < config.all_capitals + config.capitals:
        return text[0].upper() + text[1:]
    return text


def _decorate(text: str, config: WordbankSettings, rng: np.random.Generator) -> str:
    """Add an ending, quotes or parentheses, and a further mark, each with its probability."""
    if rng.random() < config.punctuation:
        weights = np.array(list(ENDINGS.values()))
        text += str(rng.choice(list(ENDINGS), p=weights / weights.sum()))
    uniform = rng.random()
    if uniform < config.quotes:
        quote = "'" if rng.random() < SINGLE_QUOTE_PROBABILITY else '"'
        text = f"{quote}{text}{quote}"
    elif uniform < config.quotes + config.parentheses:
        text = _parenthesize(text)
    if config.marks and rng.random() < MARK_PROBABILITY:
        mark = str(rng.choice(list(config.marks)))
        text = mark + text if rng.random() < 0.5 else text + mark
    return text


def _parenthesize(text: str) -> str:
    """Put a text in parentheses, but a final period or comma after them."""
    if text[-1] in ".,":
        return f"({text[:-1]}){text[-1]}"
    return f"({text})"


def _required_prompts(
    config: WordbankSettings,
    rng: np.random.Generator,
    lexicon: Lexicon,
    prompts: Sequence[str],
) -> list[str]:
    """Make up to `config.size` prompts with the characters and common pairs that others lack."""
    required: list[str] = []
    counts = Counter("".join(prompts))
    for char in string.ascii_letters + string.digits + MARKS + config.marks:
        while counts[char] < config.least and len(required) < config.size:
            required.append(_prompt_with(char, rng, lexicon))
            counts.update(required[-1])
    pairs = {pair for prompt in [*prompts, *required] for pair in _pairs(prompt)}
    words = [*lexicon.long, *lexicon.short]
    for pair in lexicon.pairs[: config.pairs]:
        if pair not in pairs and len(required) < config.size:
            required.append(str(rng.choice([word for word in words if pair in word])))
            pairs.update(_pairs(required[-1]))
    return required


def _prompt_with(char: str, rng: np.random.Generator, lexicon: Lexicon) -> str:
    """Sample a short prompt that holds `char` in a usual place."""
    if char in string.digits:
        return _sample_digits(rng, 2) + char
    if char in string.ascii_uppercase:
        return char + _sample_letters(rng, lexicon)
    if char in string.ascii_lowercase:
        return char + str(rng.choice(lexicon.letters)) + char
    word = str(rng.choice(lexicon.long))
    examples = {
        "'": "don't",
        '"': f'"{word}"',
        "(": f"({word})",
        ")": f"({word})",
        "-": f"{word}-to",
        "&": f"{word}&co",
        "/": f"{word}/or",
    }
    return examples.get(char, word + char)


def coverage(prompts: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Count the characters of prompts, and their pairs of letters in lower case."""
    prompts = list(prompts)
    pairs = Counter(pair for prompt in prompts for pair in _pairs(prompt.lower()) if pair.isalpha())
    return Counter("".join(prompts)), pairs


def coverage_table(
    prompts: Sequence[str], words: Sequence[str] | None = None, least: int = 0, pairs: int = 400
) -> str:
    """Describe how often each character comes in prompts, and which common pairs are missing.

    Args:
        prompts: the prompts.
        words: English words; by default, those that come with the program.
        least: characters that come less often are marked with an asterisk.
        pairs: how many of the commonest pairs of letters count.
    """
    chars, found = coverage(prompts)
    title = f"{plural(len(prompts), 'prompt')}, {plural(chars.total(), 'character')}, "
    title += f"{len(chars)} different ones"
    if least:
        title += f" (* fewer than {least})"
    cells = [
        f"{char} {count:5}{'*' if count < least else ' '}" for char, count in sorted(chars.items())
    ]
    rows = ["  ".join(cells[i : i + CELLS_PER_LINE]) for i in range(0, len(cells), CELLS_PER_LINE)]
    lexicon = Lexicon.from_words(read_lines(WORDS) if words is None else words)
    common = lexicon.pairs[:pairs]
    missing = [pair for pair in common if pair not in found]
    summary = (
        f"{len(found)} of 676 pairs of letters; "
        f"of the {len(common)} commonest pairs of English {len(missing)} missing"
    )
    if missing:
        summary += ": " + " ".join(missing)
    return "\n".join([title, *rows, summary])


def put_into_page(path: str | Path, prompts: Iterable[str], list_id: str = PAGE_LIST) -> None:
    """Replace the prompts in a recording page.

    Args:
        path: the page.
        prompts: the prompts, of one line each.
        list_id: which of the page's lists they replace.

    Raises:
        UserError: if the file is no recording page, or if a prompt would end the page's list.
    """
    text = "\n".join(prompts)
    if "</script" in text.lower():
        raise UserError("a prompt holds '</script', which would end the page's list")
    opening = f'<script type="text/plain" id="{list_id}">'
    pattern = re.compile(f"({re.escape(opening)}).*?(</script>)", re.DOTALL)
    page, n = pattern.subn(lambda match: f"{match[1]}\n{text}\n{match[2]}", _read(path))
    if n != 1:
        raise UserError(f"{path} has no list of prompts: no {opening}")
    with atomic_path(path) as temporary:
        temporary.write_text(with_hashes(page), encoding="utf-8")


def with_hashes(page: str) -> str:
    """Return a recording page whose policy allows its own scripts and styles, and no others.

    A browser runs a script whose SHA-256 is in the policy. Lists of prompts are no scripts to it.
    """
    for element in ("script", "style"):
        texts = re.findall(f"<{element}>(.*?)</{element}>", page, re.DOTALL)
        digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in texts]
        sources = " ".join(f"'sha256-{digest.decode()}'" for digest in digests)
        page = re.sub(f'({element}-src)[^;"]*', rf"\1 {sources}", page, count=1)
    return page


def write_list(path: str | Path, prompts: Iterable[str]) -> None:
    """Write prompts as a list that the recording page loads, one a line."""
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(prompts) + "\n", encoding="utf-8")


def read_lines(path: str | Path) -> list[str]:
    """Return the lines of a text file that are not empty, without surrounding space.

    Raises:
        UserError: if the file cannot be read or holds no text.
    """
    lines = [line for line in map(str.strip, _read(path).splitlines()) if line]
    if not lines:
        raise UserError(f"{path} holds no text")
    return lines


def _read(path: str | Path) -> str:
    try:
        return read_regular(path, MAX_TEXT_BYTES).decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} cannot be read as UTF-8: {error}") from error


def save_prompts(config: WordbankSettings, say: Callable[[str], object] = print) -> None:
    """Make prompts, describe their coverage, and write them where the settings say."""
    prompts = make_prompts(config, np.random.default_rng(config.seed))
    say(coverage_table(prompts, least=config.least, pairs=config.pairs))
    if config.out:
        write_list(config.out, prompts)
        say(f"{config.out}: {len(prompts)} prompts")
    if config.page:
        english = Coverage.of_english()
        put_into_page(config.page, [json.dumps(vars(english), ensure_ascii=False)], PAGE_ENGLISH)
        list_id = PAGE_LIST if config.kind == "everyday" else PAGE_FLAT_LIST
        put_into_page(config.page, prompts, list_id)
        say(f"{config.page}: {len(prompts)} prompts")
