"""Write a text as pages in a learnt hand: sampler, recognizer, layout and renderers together.

from cursivetransformer import Writer
letter = Writer.load().write("Dear Ada, ...", author="Edith", page="A5")
letter.save("letter.svg", "letter.gcode")
"""

import dataclasses
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from cursivetransformer.bank.authors import (
    UNKNOWN_AUTHOR,
    author_name,
    find_author,
    indices_by_name,
    offered_authors,
)
from cursivetransformer.bank.word import Word
from cursivetransformer.config.sample import (
    SampleConfig,
    changed,
    get_sample_args,
    sampling_options,
)
from cursivetransformer.data.tokenizer import Tokenizer
from cursivetransformer.ink.curves import smooth
from cursivetransformer.layout.normalize import HandStatistics
from cursivetransformer.layout.page import Page, PlacedWord, Sheet
from cursivetransformer.layout.text import (
    MAX_WORD_LENGTH,
    Break,
    Manuscript,
    Survey,
    TextNormalizer,
    TextWord,
)
from cursivetransformer.layout.typesetter import fit_sheet, lay_out
from cursivetransformer.models.base import Model
from cursivetransformer.models.checkpoint import find_checkpoint, load_checkpoint
from cursivetransformer.recognition.recognizer import Recognizer, find_selection_recognizer
from cursivetransformer.render.attention_plot import check_picture, draw_attention
from cursivetransformer.render.ink_files import InkMetadata
from cursivetransformer.render.outputs import open_outputs, parse_out
from cursivetransformer.render.raster import check_page_pixels
from cursivetransformer.render.specimen import Cell, check_sheet, save_cells, save_sheet
from cursivetransformer.render.svg import svg_text
from cursivetransformer.sampling.attention_weights import describe_slips, find_word_attention
from cursivetransformer.sampling.compose import MAX_PART_LENGTH, Composer, join_words
from cursivetransformer.sampling.generate import GeneratedWord
from cursivetransformer.sampling.priming import find_primer
from cursivetransformer.sampling.rerank import Reranker, parse_rewrite
from cursivetransformer.utils.wording import plural

DEFAULT_VERSIONS = 8  # of a misread word where --respell is not given
WORDS_AT_ONCE = 512  # bounds the memory for a text of any length
# x-heights of a usual letter in a wide hand, which tells before writing if a word fits on a line.
LETTER_WIDTH = 1.7
MAX_EXPLAINED = 100  # words in the image of attention
MAX_NOTES = 20  # doubtful words that are told in words; more are shown in a picture
MAX_SHOWN = 400  # doubtful words in the picture
MAX_SHOWN_LETTERS = 15  # of a word's text and of its reading, in the picture
MAX_FILE_NAME = 200  # characters; a longer text is no name
FEW_LINES = 2  # on a second page; --fit would bring as many to the first
AUTHORS_TEXT = "Dear reader, this is my hand."  # what every author writes by default

# A part of a text: a line break, or a word together with its ink.
WrittenPart = Break | tuple[TextWord, GeneratedWord]


@dataclass
class Document:
    """A written text; a notebook shows its pages.

    words: in the order of the text, a word that is longer than a line in pieces; n_words: of the
    text; config: the settings of the text; origin: whose ink it is.
    """

    pages: list[Page]
    words: list[GeneratedWord]
    n_words: int
    config: SampleConfig
    origin: InkMetadata

    def save(self, *paths: str | Path, **settings: Any) -> list[Path]:
        """Write the document to files of the kinds that their endings name.

        Args:
            paths: The files.
            settings: Of the drawing, like swell=0.

        Returns:
            The paths of the files; a path is numbered if its kind of file has only one page.

        Raises:
            UserError: A setting or an ending is wrong, or a file cannot be written.
        """
        with open_outputs(paths, changed(self.config, **settings), self.origin) as outputs:
            for page in self.pages:
                outputs.add(page)
        return outputs.written

    def __repr__(self) -> str:
        return f"<Letter: {plural(self.n_words, 'word')} on {plural(len(self.pages), 'page')}>"

    def _repr_html_(self) -> str:
        return "\n".join(svg_text(page, self.config) for page in self.pages)


@dataclass(frozen=True)
class Plan:
    """A checked text that is ready to be written.

    author: index of the author; composer: writes the words; survey: of the manuscript; rewrite:
    {index of a part of the text: version}.
    """

    manuscript: Manuscript
    config: SampleConfig
    sheet: Sheet
    primer: Word | None
    author: int
    composer: Composer
    normalizer: TextNormalizer
    survey: Survey
    rewrite: dict[int, int]
    origin: InkMetadata


class Writer:
    """A model that is ready to write, with the recognizer of its hand if there is one.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        recognizer: Selects among versions of a word; None takes every word as it comes.
        group: Words that the model writes in a row.
        dropped: Fraction of the recorded points left out in training.
        ink_scale: Factor of the ink's size in training.
        recorded: {author: characters in that author's bank} of an adapted model.
        instead: {author: who lends the other characters}.
        name: What messages call the model.
    """

    def __init__(
        self,
        model: Model,
        tokenizer: Tokenizer,
        recognizer: Recognizer | None = None,
        group: int = 1,
        dropped: float = 0.0,
        ink_scale: float = 1.0,
        recorded: dict[str, str] | None = None,
        instead: dict[str, str] | None = None,
        name: str = "this model",
    ) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.recognizer = recognizer
        self.group = group
        self.dropped = dropped
        self.ink_scale = ink_scale
        self.recorded = recorded or {}
        self.instead = instead or {}
        self.name = name

    @classmethod
    def load(
        cls, checkpoint: str | Path = "", say: Callable[[str], object] = print, **settings: Any
    ) -> "Writer":
        """Load a checkpoint, by default the newest one or else the one that comes with the project.

        Args:
            checkpoint: The file.
            say: Takes notes.
            settings: `run_dir`, `recognizer_dir`, `device` and `respell` of `SampleConfig`;
                respell=1 loads no recognizer.

        Raises:
            UserError: A setting is wrong, or a file is missing or cannot be used.
        """
        config = get_sample_args(use_argparse=False, checkpoint=str(checkpoint), **settings)
        path = find_checkpoint(config.checkpoint, config.run_dir, say)
        loaded = load_checkpoint(path, config.device)
        training = loaded.config
        recognizer = None
        if config.respell != 1:
            needed_by = f"--respell {config.respell}" if config.respell else ""
            recognizer = find_selection_recognizer(
                config.recognizer_dir,
                loaded.bank_digest,
                say=say,
                device=config.device,
                ink_scale=training.ink_scale,
                fallback=loaded.recognizer,
                needed_by=needed_by,
            )
        return cls(
            loaded.model,
            loaded.tokenizer,
            recognizer,
            group=training.min_words,
            dropped=training.downsample_mean,
            ink_scale=training.ink_scale,
            recorded=loaded.origin.get("recorded"),
            instead=loaded.origin.get("instead"),
            name=path.name,
        )

    @property
    def authors(self) -> list[str]:
        """Names of the authors that the model writes well: of an adapted one, the new ones."""
        return offered_authors(self.model.config.authors, self.recorded)

    def find_author(self, name: str) -> int:
        """Return an author's index in the model. Raises `UserError`, unless it writes it well."""
        return find_author(name, self.model.config.authors, self.authors, self.name)

    def write(self, text: str, **settings: Any) -> Document:
        """Write a text; settings: of `SampleConfig`, by name. Raises `UserError`."""
        config = get_sample_args(use_argparse=False, text=text, **settings)
        plan = self.plan(Manuscript(io.StringIO(text, newline="")), config)
        words: list[GeneratedWord] = []
        pages = list(self.pages(plan, lambda part, word: words.append(word)))
        return Document(pages, words, plan.survey.n_words, plan.config, plan.origin)

    def plan(self, manuscript: Manuscript, config: SampleConfig) -> Plan:
        """Check all that can be checked before the text is written. Raises `UserError`."""
        sheet = Sheet.from_settings(config)
        primer, author = self._find_style(config)
        normalizer = self.normalizer(config, sheet)
        survey = manuscript.survey(normalizer)
        rewrite = parse_rewrite(config.rewrite, survey.n_words)
        return Plan(
            manuscript,
            config,
            sheet,
            primer,
            author,
            self.composer(config, primer, author),
            normalizer,
            survey,
            _rewritten_parts(manuscript, normalizer, rewrite) if rewrite else {},
            InkMetadata(author_name(author, self.model.config.authors), self.dropped),
        )

    def _find_style(self, config: SampleConfig) -> tuple[Word | None, int]:
        """Return the word whose style to follow, and the index of the author. Raises `UserError`.

        `style_from` may name an author of the model instead of a word. The author of the word
        writes if the settings name no other.
        """
        names = self.model.config.authors
        if config.style_from.casefold() in map(str.casefold, names):
            return None, self.find_author(config.author or config.style_from)
        if not config.style_from:
            return None, self.find_author(config.author)
        max_text = self.model.config.max_text // 2
        primer = find_primer(
            config.style_from, self.tokenizer, self.dropped, max_text, self.ink_scale
        )
        if config.author:
            return primer, self.find_author(config.author)
        if self.recorded and len(self.authors) == 1:  # the hand of all words of its bank
            return primer, indices_by_name(names)[self.authors[0]]
        is_offered = primer.author in self.authors
        return primer, indices_by_name(names)[primer.author] if is_offered else 0

    def composer(
        self, config: SampleConfig, primer: Word | None = None, author: int = 0
    ) -> Composer:
        """Return what writes words by the settings.

        Args:
            config: The settings.
            primer: The word whose style to follow.
            author: Index of the author.
        """
        names = self.model.config.authors
        name = author_name(author, names)
        reranker = Reranker(
            self.model,
            self.tokenizer,
            self.recognizer,
            config.respell or DEFAULT_VERSIONS,
            {"primer": primer, **sampling_options(config)},
        )
        max_text = self.model.config.max_text - (len(primer.text) + 1 if primer else 0)
        recorded = self.recorded.get(name) if name in self.instead else None
        return Composer(
            reranker,
            self.group,
            max(1, min(max_text // self.group - 1, MAX_PART_LENGTH)),
            frozenset(recorded) if recorded else None,
            indices_by_name(names).get(self.instead.get(name, ""), author),
        )

    def normalizer(self, config: SampleConfig, sheet: Sheet | None = None) -> TextNormalizer:
        """Return the normalizer for what can be written and how long a word may be."""
        max_length = MAX_WORD_LENGTH
        if sheet and config.long_words == "break" and not config.fit:
            letters_on_line = int(sheet.text_width / (LETTER_WIDTH * sheet.x_height))
            max_length = int(np.clip(letters_on_line, 2, MAX_WORD_LENGTH))
        return TextNormalizer(
            self.tokenizer.alphabet,
            config.missing,
            max_length,
            reflow=config.reflow,
        )

    def pages(
        self,
        plan: Plan,
        on_word: Callable[[TextWord, GeneratedWord], object] | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> Iterator[Page]:
        """Write a plan; yield each page as soon as it is full.

        The memory does not grow with the text.

        Args:
            plan: What to write.
            on_word: Called with each word in order; a word that is longer than a line comes in
                pieces.
            progress: Called with the number of words finished since its last call.
        """
        config = plan.config
        batches = self._batches(plan, progress)
        first = next(batches)
        hand = _measure_hand(first)
        written = chain(first, chain.from_iterable(batches))
        parts: Iterable[PlacedWord | Break] = _normalize_parts(written, config, hand, on_word)
        sheet = plan.sheet
        if config.fit:
            sheet, parts = fit_sheet(parts, config, hand.x_height)
        yield from lay_out(parts, config, hand.x_height, sheet)

    def _batches(
        self, plan: Plan, progress: Callable[[int], object] | None
    ) -> Iterator[list[WrittenPart]]:
        """Yield the parts of the text, with the ink of the words, in batches."""
        # Whole rows, so that no ink depends on where a batch ends.
        batch_size = -(-WORDS_AT_ONCE // self.group) * self.group
        parts = plan.manuscript.parts(plan.normalizer)
        start = 0
        while batch := _take(parts, batch_size):
            texts = [part.text for part in batch if not isinstance(part, Break)]
            words = iter(self._generate(plan, texts, start, progress))
            yield [part if isinstance(part, Break) else (part, next(words)) for part in batch]
            start += len(texts)

    def _generate(
        self, plan: Plan, texts: list[str], start: int, progress: Callable[[int], object] | None
    ) -> list[GeneratedWord]:
        """Write words; start: index of the first one in the text."""
        rewrite = {
            index - start: version
            for index, version in plan.rewrite.items()
            if start <= index < start + len(texts)
        }
        return plan.composer.write(texts, plan.author, start, rewrite, progress)


def _rewritten_parts(
    manuscript: Manuscript, normalizer: TextNormalizer, rewrite: dict[int, int]
) -> dict[int, int]:
    """Return {index of a part: version} for {index of a typed word: version}."""
    parts = (part for part in manuscript.parts(normalizer) if isinstance(part, TextWord))
    return {
        i: rewrite[part.number - 1] for i, part in enumerate(parts) if part.number - 1 in rewrite
    }


def _take(parts: Iterator[TextWord | Break], max_words: int) -> list[TextWord | Break]:
    """Take the next parts with up to `max_words` words; none at the end."""
    batch: list[TextWord | Break] = []
    n_words = 0
    for part in parts:
        batch.append(part)
        if isinstance(part, TextWord):
            n_words += 1
        if n_words == max_words:
            break
    return batch


def _measure_hand(parts: list[WrittenPart]) -> HandStatistics:
    """Measure the hand of the written parts."""
    # A rewritten word counts as first written, so that other words stay as they are.
    generated = [part[1] for part in parts if not isinstance(part, Break)]
    words = [word.replaces or word for word in generated]
    return HandStatistics.from_words([word.points for word in words], [word.text for word in words])


def _normalize_parts(
    parts: Iterable[WrittenPart],
    config: SampleConfig,
    hand: HandStatistics,
    on_word: Callable[[TextWord, GeneratedWord], object] | None,
) -> Iterator[PlacedWord | Break]:
    """Even out and smooth the words, for the layout; call `on_word` with each but the hyphens."""
    hyphen: np.ndarray | None = None  # of the next word
    for part in parts:
        if isinstance(part, Break):
            yield part
            continue
        text_word, word = part
        if on_word and not text_word.hyphen:
            on_word(text_word, word)
        lift = np.array([0, config.normalize_baseline * word.standing.low, 0], np.float32)
        points = hand.normalize(
            word.points - lift, text_word.text, config.normalize_slant, config.normalize_size
        )
        points = smooth(points, config.smooth)
        if text_word.hyphen:
            hyphen = points
            continue
        yield PlacedWord(text_word.text, points, text_word.glued, text_word.joined, hyphen)
        hyphen = None


@dataclass
class Summary:
    """What became of a text that was written to files. Words are numbered from 1, as typed.

    survey: of the manuscript; rewritten: {number of a word: version} that the settings asked for;
    doubtful: {number: word} of words that may be misspelt; doubtful_picture: of them, if they are
    many; slips: sentences about attention, if it was drawn; unrecorded: characters that the author
    never recorded; borrowed: those of them that another hand wrote; few_lines: how many are alone
    on a second page, if --fit would help.
    """

    survey: Survey
    rewritten: dict[int, int] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    doubtful: dict[int, GeneratedWord] = field(default_factory=dict)
    doubtful_picture: Path | None = None
    slips: list[str] = field(default_factory=list)
    unrecorded: set[str] = field(default_factory=set)
    borrowed: set[str] = field(default_factory=set)
    few_lines: int = 0
    _last: tuple[int, GeneratedWord] | None = None  # number and word, as far as it is written

    def add(self, part: TextWord, word: GeneratedWord, recorded: frozenset[str] | None) -> None:
        """Add a word, or the next piece of one.

        Args:
            part: The word of the text.
            word: Its ink.
            recorded: Characters that its author recorded, None for all.
        """
        if recorded is not None:
            self.unrecorded |= set(word.text) - recorded
            self.borrowed |= set(word.borrowed)
        if self._last and self._last[0] == part.number:
            first = self._last[1]
            word = join_words(first.text + word.text, [first, word])
        self._last = part.number, word
        if word.doubtful:
            self.doubtful[part.number] = word

    def rewrite_also(self, numbers: Iterable[int]) -> str:
        """Return the value of --rewrite that writes these words anew and keeps those of before."""
        versions = {**self.rewritten, **{n: self.next_version(n) for n in numbers}}
        return ",".join(rewrite_item(n, versions[n]) for n in sorted(versions))

    def next_version(self, number: int) -> int:
        """Return the first version of a word that is not written yet."""
        return self.rewritten.get(number, 0) + 1


def rewrite_item(number: int, version: int) -> str:
    """Return what --rewrite takes for a version of a word."""
    return f"{number}" if version == 1 else f"{number}:{version}"


def write_page(
    config: SampleConfig, say: Callable[[str], object] = print, show_progress: bool = False
) -> Summary:
    """Write the text of the settings to the files of the settings. Raises `UserError`."""
    # Refuse what cannot be written before the model is loaded.
    files = parse_out(config.out)
    first_path, ending = files[0]
    if config.attention:
        check_picture(config.attention)
    sheet = Sheet.from_settings(config)
    if not sheet.auto and ".png" in dict(files).values():
        check_page_pixels(sheet.width, sheet.height, config.dpi)
    if _is_file_name(config.text):
        say(f"note: {config.text} is a file too; --file {config.text} writes what is in it")
    writer = load_writer(config, say)
    plan = writer.plan(Manuscript.open(config.text, config.file), config)
    rewritten = parse_rewrite(config.rewrite, plan.survey.n_words)
    summary = Summary(plan.survey, {i + 1: version for i, version in rewritten.items()})
    explained: list[tuple[int, GeneratedWord]] = []

    def on_word(part: TextWord, word: GeneratedWord) -> None:
        summary.add(part, word, plan.composer.recorded)
        # The model did not look at a word that it wrote in pieces as a whole.
        whole = len(word.text) <= plan.composer.max_part_length and not word.borrowed
        if config.attention and len(explained) < MAX_EXPLAINED and len(word.points) and whole:
            explained.append((part.number, word))

    # None disables the bar where the output is not a terminal.
    disable = None if show_progress else True
    with (
        open_outputs(config.out, config, plan.origin) as outputs,
        tqdm(total=plan.survey.n_parts, unit="word", disable=disable, leave=False) as bar,
    ):
        for page in writer.pages(plan, on_word, bar.update):
            outputs.add(page)
    summary.files = outputs.written
    if outputs.n_pages == 2 and not plan.survey.paged:
        n_lines = page.count_lines()
        summary.few_lines = n_lines if n_lines <= FEW_LINES else 0
    if len(summary.doubtful) > MAX_NOTES:
        stem = first_path.name[: -len(ending)]
        summary.doubtful_picture = first_path.with_name(f"{stem}-doubtful.png")
        _draw_doubtful(summary, summary.doubtful_picture)
    if config.attention:
        summary.slips = _explain(writer, plan, explained)
        summary.files.append(Path(config.attention))
    return summary


def _is_file_name(text: str) -> bool:
    """Return whether a text looks like the name of a file, and is one."""
    return len(text.split()) == 1 and len(text) <= MAX_FILE_NAME and Path(text).is_file()


def _draw_doubtful(summary: Summary, path: Path) -> None:
    """Draw the doubtful words, each under what --rewrite takes, its text and its reading."""
    cells = []
    for number, word in list(summary.doubtful.items())[:MAX_SHOWN]:
        problem = f"reads   {_shorten(word.reading or '')}" if word.finished else "has no end"
        item = rewrite_item(number, summary.next_version(number))
        cells.append(Cell(f"{item}   {_shorten(word.text)}   {problem}", word.points))
    heading = (
        f"{len(summary.doubtful)} doubtful words, "
        "each under its number for --rewrite, its text and its reading"
    )
    if len(summary.doubtful) > MAX_SHOWN:
        heading += f"; these are the first {MAX_SHOWN}"
    save_cells(path, heading, cells)


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_LETTERS else text[: MAX_SHOWN_LETTERS - 1] + "\u2026"


def _explain(writer: Writer, plan: Plan, words: list[tuple[int, GeneratedWord]]) -> list[str]:
    """Draw the attention of [(number, word)], and return a sentence about every slip."""
    attention = find_word_attention(
        writer.model, writer.tokenizer, [word for _, word in words], plan.author, plan.primer
    )
    draw_attention(plan.config.attention, attention)
    return describe_slips(zip([number for number, _ in words], attention))


def load_writer(config: SampleConfig, say: Callable[[str], object] = print) -> Writer:
    """Load the writer of the settings. Raises `UserError`."""
    return Writer.load(
        config.checkpoint,
        say,
        run_dir=config.run_dir,
        recognizer_dir=config.recognizer_dir,
        device=config.device,
        respell=config.respell,
    )


def draw_authors(config: SampleConfig, say: Callable[[str], object] = print) -> list[str]:
    """Draw the text of the settings in the hand of every author that the model writes well.

    A model that was not adapted to a hand also writes as the unknown author.

    Returns:
        The names of the authors.

    Raises:
        UserError: A setting is wrong, or a file is missing or cannot be written.
    """
    check_sheet(config.out)
    writer = load_writer(config, say)
    if not config.text:
        config = dataclasses.replace(config, text=AUTHORS_TEXT, missing="skip")
    manuscript = Manuscript.open(config.text, config.file)
    normalizer = writer.normalizer(config)
    manuscript.survey(normalizer)
    texts = [
        part.text
        for part in manuscript.parts(normalizer)
        if isinstance(part, TextWord) and not part.hyphen
    ]
    texts += texts[: -len(texts) % writer.group]  # so that no row has two authors
    names = writer.authors if writer.recorded else [*writer.authors, UNKNOWN_AUTHOR]
    authors = [writer.find_author(name) for name in names]
    composer = writer.composer(config)
    words = composer.write(texts * len(names), np.repeat(authors, len(texts)))
    inks = [word.points for word in words]
    rows = [(name, inks[i * len(texts) : (i + 1) * len(texts)]) for i, name in enumerate(names)]
    save_sheet(config.out, rows)
    return names
