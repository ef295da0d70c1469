"""Text -> pages in a learnt hand: the sampler, the recognizer, the layout and the renderers put together.

from cursivetransformer import Writer
letter = Writer.load().write("Dear Ada, ...", author="Edith", page="A5")
letter.save("letter.svg", "letter.gcode")
"""

import dataclasses
import io
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cursivetransformer.bank.authors import UNKNOWN_AUTHOR, find_author, numbers_of
from cursivetransformer.config.sample import (
    SampleConfig,
    changed,
    get_sample_args,
    sampling_options,
)
from cursivetransformer.ink.curves import smoothed
from cursivetransformer.layout.normalize import HandStatistics
from cursivetransformer.layout.page import PlacedWord
from cursivetransformer.layout.paper import Sheet
from cursivetransformer.layout.text import LONGEST_WORD, Break, Manuscript, TextNormalizer
from cursivetransformer.layout.typesetter import fitted, lay_out
from cursivetransformer.models.checkpoint import find_checkpoint, load_checkpoint
from cursivetransformer.recognition.recognizer import find_selection_recognizer
from cursivetransformer.render.attention_plot import check_picture, draw_attention
from cursivetransformer.render.ink_files import InkMetadata
from cursivetransformer.render.outputs import open_outputs, parse_out
from cursivetransformer.render.specimen import save_sheet
from cursivetransformer.render.svg import svg_text
from cursivetransformer.sampling.attention_weights import find_word_attention, told
from cursivetransformer.sampling.priming import find_primer
from cursivetransformer.sampling.rerank import (
    generate_best_of_n,
    parse_rewrite,
)

VERSIONS = 8  # of a misread word where --respell is not given
WORDS_AT_ONCE = 512  # that are written together: bounds the memory for a text of any length
MOST_AT_ONCE = 16  # letters that a model writes well at once: few words it learns from have more, and of longer ones it loses count
LETTER_WIDTH = 1.7  # x-heights, of a usual letter in a wide hand: tells which words are longer than a line before they are written
MOST_EXPLAINED = 100  # words whose attention is drawn
HANDS_TEXT = "Dear reader, this is my hand."  # what authors write to be looked at


@dataclass
class Document:
    """A written text. pages: a list of `page.Page`; words: of `GeneratedWord`, in the order of the text; config: the settings it was
    written with. Shows itself in a notebook."""

    pages: list
    words: list
    config: SampleConfig
    origin: InkMetadata

    def save(self, *paths, **settings):
        """Write it to files, of the kinds that their endings say; settings: of what is drawn, like swell=0. Returns the paths, several for
        one where a file has one page. Raises `UserError`."""
        with open_outputs(paths, changed(self.config, **settings), self.origin) as outputs:
            for page in self.pages:
                outputs.add(page)
        return outputs.written

    def __repr__(self):
        return f"<Letter: {len(self.words)} words on {len(self.pages)} page{'s' * (len(self.pages) != 1)}>"

    def _repr_html_(self):
        return "\n".join(svg_text(page, self.config) for page in self.pages)


@dataclass
class Plan:
    """A text that is ready to be written. primer: a `bank_entry.Word` or None; author: a number; instead: of who writes what the author never
    recorded; rewrite: {index of a word: version}."""

    manuscript: Manuscript
    config: SampleConfig
    sheet: Sheet
    primer: object
    author: int
    instead: int
    spelling: TextNormalizer
    n_words: int
    rewrite: dict
    origin: InkMetadata


class Writer:
    """A model that is ready to write, with the recognizer of its hand if there is one.

    group: words that it writes in a row; dropped: the share of recorded points that it never saw; ink_scale: by which recorded ink was
    made larger for it; recorded: of a model that was adapted to hands {author: the characters of that author's bank}; instead: {author: who
    writes the others}.
    """

    def __init__(
        self,
        model,
        tokenizer,
        recognizer=None,
        group=1,
        dropped=0.0,
        ink_scale=1.0,
        recorded=None,
        instead=None,
    ):
        self.model, self.tokenizer, self.recognizer, self.group, self.dropped = (
            model.eval(),
            tokenizer,
            recognizer,
            group,
            dropped,
        )
        self.ink_scale, self.recorded, self.instead = ink_scale, recorded or {}, instead or {}

    @classmethod
    def load(cls, checkpoint="", say=print, **settings):
        """The writer of a checkpoint file, by default the newest one here or the one that comes with the project.

        settings: `run_dir`, `recognizer_dir`, `device` and `respell` of `sample_config.SampleConfig`; respell=1 has no recognizer. say: takes notes.
        Raises `UserError`.
        """
        config = get_sample_args(use_argparse=False, checkpoint=str(checkpoint), **settings)
        loaded = load_checkpoint(
            find_checkpoint(config.checkpoint, config.run_dir, say), config.device
        )
        needed_by = f"--respell {config.respell}" if config.respell else ""
        c = loaded.config
        recognizer = (
            None
            if config.respell == 1
            else find_selection_recognizer(
                config.recognizer_dir,
                loaded.bank_digest,
                say=say,
                device=config.device,
                ink_scale=c.ink_scale,
                fallback=loaded.recognizer,
                needed_by=needed_by,
            )
        )
        return cls(
            loaded.model,
            loaded.tokenizer,
            recognizer,
            c.min_words,
            c.downsample_mean,
            c.ink_scale,
            loaded.origin.get("recorded"),
            loaded.origin.get("instead"),
        )

    @property
    def authors(self):
        """The names of those whose hands it knows."""
        return list(self.model.config.authors)

    def write(self, text, **settings):
        """Write a text; returns a `Document`. settings: those of `sample_config.SampleConfig`, by name. Raises `UserError`."""
        plan = self.plan(
            Manuscript(io.StringIO(text, newline="")),
            get_sample_args(use_argparse=False, text=text, **settings),
        )
        words = []
        pages = list(self.pages(plan, words.append))
        return Document(pages, words, plan.config, plan.origin)

    def plan(self, manuscript, config):
        """What to write, with all that can be known and checked before: a `Plan`. Raises `UserError`."""
        sheet = Sheet.from_settings(config)
        of_author = (
            config.style_from
            if config.style_from.casefold() in map(str.casefold, self.authors)
            else ""
        )
        primer = None
        if config.style_from and not of_author:
            primer = find_primer(
                config.style_from,
                self.tokenizer,
                self.dropped,
                self.model.config.max_text // 2,
                self.ink_scale,
            )
        if primer and not config.author:  # in the hand of who wrote that word
            author = numbers_of(self.authors).get(primer.author, 0)
        else:
            author = find_author(config.author or of_author, self.authors)
        name = self.authors[author - 1] if author else UNKNOWN_AUTHOR
        spelling = self.spelling(config, sheet, primer, name)
        n_words = manuscript.survey(spelling)
        instead = numbers_of(self.authors).get(self.instead.get(name), author)
        return Plan(
            manuscript,
            config,
            sheet,
            primer,
            author,
            instead,
            spelling,
            n_words,
            parse_rewrite(config.rewrite, n_words),
            InkMetadata(name, self.dropped),
        )

    def spelling(self, config, sheet=None, primer=None, author=""):
        """The `manuscript.TextNormalizer` of an author's hand: what it can write, and how long a word may be."""
        longest = (
            self.model.config.max_text - (len(primer.text) + 1 if primer else 0)
        ) // self.group - 1
        if sheet and config.long_words == "break" and not config.fit:
            longest = min(longest, int(sheet.text_width / (LETTER_WIDTH * sheet.x_height)))
        longest = int(np.clip(longest, 2, LONGEST_WORD))
        recorded = self.recorded.get(author) if author in self.instead else None
        return TextNormalizer(
            self.tokenizer.alphabet,
            config.missing,
            longest,
            min(longest, MOST_AT_ONCE),
            config.reflow,
            recorded and frozenset(recorded),
        )

    def pages(self, plan, on_word=None, progress=None):
        """Write what a `Plan` says; yields each `page.Page` as it is full, in memory that does not grow with the text.

        on_word: called with each `GeneratedWord` in order; progress: with the number of words finished since its last call.
        """
        config, batches = plan.config, self._batches(plan, progress)
        first = next(batches)
        # Of the words as they were first written, so that one written anew leaves the others as they are.
        known = [spelt.replaces or spelt for _, spelt in first if spelt]
        hand = HandStatistics.of([word.points for word in known], [word.text for word in known])

        def inked():
            for part, spelt in chain(first, chain.from_iterable(batches)):
                if spelt is None:
                    yield part
                    continue
                if on_word:
                    on_word(spelt)
                points = smoothed(
                    hand.normalized(
                        spelt.points, part.text, config.normalize_slant, config.normalize_size
                    ),
                    config.smooth,
                )
                yield PlacedWord(part.text, points, part.glued, part.joined)

        sheet, parts = (
            fitted(inked(), config, hand.x_height) if config.fit else (plan.sheet, inked())
        )
        yield from lay_out(parts, config, hand.x_height, sheet)

    def _batches(self, plan, progress):
        """Lists of (part, `GeneratedWord` of a word or None of a break)."""
        most = (
            -(-WORDS_AT_ONCE // self.group) * self.group
        )  # whole rows, so that no ink depends on where a batch ends
        start, parts = 0, plan.manuscript.parts(plan.spelling)
        while batch := _take(parts, most):
            texts = [part.text for part in batch if not isinstance(part, Break)]
            here = {
                index - start: version
                for index, version in plan.rewrite.items()
                if start <= index < start + len(texts)
            }
            recorded = plan.spelling.recorded
            authors = (
                plan.author
                if recorded is None
                else [plan.author if recorded.issuperset(text) else plan.instead for text in texts]
            )
            spelt = iter(
                generate_best_of_n(
                    self.model,
                    self.tokenizer,
                    texts,
                    self.recognizer,
                    plan.config.respell or VERSIONS,
                    here,
                    self.group,
                    progress,
                    authors,
                    start // self.group,
                    primer=plan.primer,
                    **sampling_options(plan.config),
                )
            )
            yield [(part, None if isinstance(part, Break) else next(spelt)) for part in batch]
            start += len(texts)


def _take(parts, most):
    """The next parts, up to `most` words of them; empty at the end."""
    batch, words = [], 0
    for part in parts:
        batch.append(part)
        words += not isinstance(part, Break)
        if words == most:
            break
    return batch


@dataclass
class Summary:
    """What became of a text that was written to files. doubtful: {number of a word, from 1: `GeneratedWord`} of those that may be misspelt;
    slips: sentences about where attention slipped, if they were asked for; borrowed: characters that the author never recorded."""

    n_words: int
    files: list
    doubtful: dict
    slips: list
    borrowed: set


def write_page(config, say=print, show_progress=False):
    """Write `config.text` or `config.file` (a `SampleConfig`) to the files of `config.out`. Returns a `Summary`. Raises `UserError`."""
    parse_out(config.out)
    if config.attention:
        check_picture(config.attention)
    Sheet.from_settings(config)  # refused before the model is loaded
    writer = load_writer(config, say)
    plan, summary = (
        writer.plan(Manuscript.open(config.text, config.file), config),
        Summary(0, [], {}, [], set()),
    )
    explained, recorded = {}, plan.spelling.recorded

    def count(spelt):
        summary.n_words += 1
        if recorded is not None:
            summary.borrowed |= set(spelt.text) - recorded
        if config.attention and len(explained) < MOST_EXPLAINED and len(spelt.points):
            explained[summary.n_words] = spelt
        if spelt.doubtful:
            summary.doubtful[summary.n_words] = spelt

    with (
        open_outputs(config.out, config, plan.origin) as outputs,
        tqdm(
            total=plan.n_words, unit="word", disable=None if show_progress else True, leave=False
        ) as bar,
    ):
        for page in writer.pages(plan, count, bar.update):
            outputs.add(page)
    summary.files = outputs.written
    if config.attention:
        looks = dict(
            zip(
                explained,
                find_word_attention(
                    writer.model,
                    writer.tokenizer,
                    list(explained.values()),
                    plan.author,
                    plan.primer,
                ),
            )
        )
        draw_attention(config.attention, list(looks.values()))
        summary.slips = told(looks)
        summary.files.append(Path(config.attention))
    return summary


def load_writer(config, say=print):
    """The `Writer` that a `SampleConfig` names. Raises `UserError`."""
    return Writer.load(
        config.checkpoint,
        say,
        run_dir=config.run_dir,
        recognizer_dir=config.recognizer_dir,
        device=config.device,
        respell=config.respell,
    )


def draw_authors(config, say=print):
    """Draw every hand that the model knows, writing `config.text` (a `SampleConfig`), and nobody's in particular, to `config.out`.
    Returns the names."""
    writer = load_writer(config, say)
    config = dataclasses.replace(
        config, text=config.text or HANDS_TEXT, missing=config.missing if config.text else "skip"
    )
    manuscript, spelling = Manuscript.open(config.text, config.file), writer.spelling(config)
    manuscript.survey(spelling)
    words = [part.text for part in manuscript.parts(spelling) if not isinstance(part, Break)]
    names = [*writer.authors, UNKNOWN_AUTHOR]
    numbers = [find_author(name, writer.authors) for name in names]
    words += words[: -len(words) % writer.group]  # so that no row is of two hands
    spelt = generate_best_of_n(
        writer.model,
        writer.tokenizer,
        words * len(names),
        writer.recognizer,
        config.respell or VERSIONS,
        group=writer.group,
        authors=np.repeat(numbers, len(words)),
        **sampling_options(config),
    )
    inks = [one.points for one in spelt]
    save_sheet(
        config.out,
        [(name, inks[i * len(words) : (i + 1) * len(words)]) for i, name in enumerate(names)],
    )
    return names
