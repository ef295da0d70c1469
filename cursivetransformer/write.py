"""Text -> a page in a learnt hand: the sampler, the reader and the layout put together. What `sample.py` and training's previews call."""

import numpy as np
from tqdm import tqdm

from cursivetransformer import style
from cursivetransformer.authors import UNKNOWN_AUTHOR, find_author
from cursivetransformer.checkpoint import find_checkpoint, load_checkpoint
from cursivetransformer.errors import UserError
from cursivetransformer.generate import prepare_text
from cursivetransformer.layout import X_HEIGHT, lay_out
from cursivetransformer.reader import find_choosing_reader
from cursivetransformer.render import save_page, writer_for
from cursivetransformer.respell import parse_rewrite, write_spelt
from cursivetransformer.sheet import save_sheet

VERSIONS = 8  # of a misread word where --respell is not given
HANDS_TEXT = "Dear reader, this is my hand."  # what authors write to be looked at


def write_page(config, say=print, show_progress=False):
    """Write `config.text` (a `SampleConfig`) to `config.out`. Returns the words, a list of `respell.SpeltWord`."""
    writer_for(config.out)
    if not config.text.strip():
        raise UserError("there is no text to write; give one, like: python sample.py \"Dear Ada\"")
    checkpoint = load_checkpoint(find_checkpoint(config.checkpoint, config.run_dir, say), config.device)
    find_author(config.author, checkpoint.model.config.authors)
    lines = prepare_text(config.text, checkpoint.tokenizer, config.missing)
    needed_by = f"--respell {config.respell}" if config.respell else ""
    reader = None if config.respell == 1 else find_choosing_reader(config, checkpoint.bank_digest, say, needed_by)
    with tqdm(total=sum(map(len, lines)), unit="word", disable=None if show_progress else True, leave=False) as bar:
        page, words = compose(checkpoint.model, checkpoint.tokenizer, lines, config, checkpoint.config.min_words, reader, bar.update)
    save_page(page, config.out)
    return words


def draw_authors(config, say=print):
    """Draw every hand that the model knows, writing `config.text` (a `SampleConfig`), and nobody's in particular, to `config.out`.
    Returns the names."""
    checkpoint = load_checkpoint(find_checkpoint(config.checkpoint, config.run_dir, say), config.device)
    model, tokenizer = checkpoint.model.eval(), checkpoint.tokenizer
    words = [word for line in prepare_text(config.text or HANDS_TEXT, tokenizer, config.missing if config.text else "skip") for word in line]
    names = [*model.config.authors, UNKNOWN_AUTHOR]
    numbers = [find_author(name, model.config.authors) for name in names]
    reader = None if config.respell == 1 else find_choosing_reader(config, checkpoint.bank_digest, say)
    group = checkpoint.config.min_words
    words += words[:-len(words) % group]  # so that no row is of two hands
    spelt = write_spelt(model, tokenizer, words * len(names), reader, config.respell or VERSIONS, group=group,
                        authors=np.repeat(numbers, len(words)), **sampling_options(config))
    inks = [one.word.points for one in spelt]
    save_sheet(config.out, [(name, inks[i * len(words):(i + 1) * len(words)]) for i, name in enumerate(names)])
    return names


def compose(model, tokenizer, lines, config, group=1, reader=None, progress=None):
    """Lines of words -> (`layout.Page`, the words as `respell.SpeltWord`). config: a `SampleConfig`; group: see `write_words`."""
    model.eval()
    texts = [word for line in lines for word in line]
    author = find_author(config.author, model.config.authors)
    words = write_spelt(model, tokenizer, texts, reader, config.respell or VERSIONS, parse_rewrite(config.rewrite, len(texts)), group, progress,
                        author, **sampling_options(config))
    points = iter(words)
    size = style.x_height([spelt.word.points for spelt in words], texts) or X_HEIGHT
    page = lay_out([[next(points).word.points for _ in line] for line in lines], config.line_width, config.x_height, size)
    return page, words


def sampling_options(config):
    """The settings of sampling that `generate.write_rows` takes."""
    return {name: getattr(config, name) for name in ("temperature", "top_k", "top_p", "seed")}
