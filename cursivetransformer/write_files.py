"""Text -> files, and what is to be told of it: what `sample.py` does with its settings."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cursivetransformer.bank.authors import UNKNOWN_AUTHOR, find_author
from cursivetransformer.sampling.attention_weights import check_picture, draw_looks, find_looks, told
from cursivetransformer.layout.text import Break, Manuscript
from cursivetransformer.layout.paper import Sheet
from cursivetransformer.render.outputs import open_outputs, parse_out
from cursivetransformer.sampling.rerank import write_spelt
from cursivetransformer.config.sample import sampling_options
from cursivetransformer.render.specimen import save_sheet
from cursivetransformer.pipeline import VERSIONS, Writer

MOST_EXPLAINED = 100  # words whose attention is drawn
HANDS_TEXT = "Dear reader, this is my hand."  # what authors write to be looked at


@dataclass
class Summary:
    """What became of a text that was written to files. doubtful: {number of a word, from 1: `LetterWord`} of those that may be misspelt;
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
    plan, summary = writer.plan(Manuscript.open(config.text, config.file), config), Summary(0, [], {}, [], set())
    explained, recorded = {}, plan.spelling.recorded

    def count(spelt):
        summary.n_words += 1
        if recorded is not None:
            summary.borrowed |= set(spelt.word.text) - recorded
        if config.attention and len(explained) < MOST_EXPLAINED and len(spelt.word.points):
            explained[summary.n_words] = spelt.word
        if spelt.doubtful:
            summary.doubtful[summary.n_words] = spelt

    with open_outputs(config.out, config, plan.origin) as outputs, \
            tqdm(total=plan.n_words, unit="word", disable=None if show_progress else True, leave=False) as bar:
        for page in writer.pages(plan, count, bar.update):
            outputs.add(page)
    summary.files = outputs.written
    if config.attention:
        looks = dict(zip(explained, find_looks(writer.model, writer.tokenizer, list(explained.values()), plan.author, plan.primer)))
        draw_looks(config.attention, list(looks.values()))
        summary.slips = told(looks)
        summary.files.append(Path(config.attention))
    return summary


def load_writer(config, say=print):
    """The `Writer` that a `SampleConfig` names. Raises `UserError`."""
    return Writer.load(config.checkpoint, say, run_dir=config.run_dir, reader_dir=config.reader_dir, device=config.device, respell=config.respell)


def draw_authors(config, say=print):
    """Draw every hand that the model knows, writing `config.text` (a `SampleConfig`), and nobody's in particular, to `config.out`.
    Returns the names."""
    writer = load_writer(config, say)
    config = dataclasses.replace(config, text=config.text or HANDS_TEXT, missing=config.missing if config.text else "skip")
    manuscript, spelling = Manuscript.open(config.text, config.file), writer.spelling(config)
    manuscript.survey(spelling)
    words = [part.text for part in manuscript.parts(spelling) if not isinstance(part, Break)]
    names = [*writer.authors, UNKNOWN_AUTHOR]
    numbers = [find_author(name, writer.authors) for name in names]
    words += words[:-len(words) % writer.group]  # so that no row is of two hands
    spelt = write_spelt(writer.model, writer.tokenizer, words * len(names), writer.reader, config.respell or VERSIONS, group=writer.group,
                        authors=np.repeat(numbers, len(words)), **sampling_options(config))
    inks = [one.word.points for one in spelt]
    save_sheet(config.out, [(name, inks[i * len(words):(i + 1) * len(words)]) for i, name in enumerate(names)])
    return names
