"""Text -> a page in a learnt hand: the sampler, the reader and the layout put together. What `sample.py` and training's previews call."""

from tqdm import tqdm

from cursivetransformer.checkpoint import load_checkpoint, newest_checkpoint
from cursivetransformer.errors import UserError
from cursivetransformer.generate import prepare_text
from cursivetransformer.layout import lay_out
from cursivetransformer.reader import find_choosing_reader
from cursivetransformer.render import save_page, writer_for
from cursivetransformer.respell import parse_rewrite, write_spelt

VERSIONS = 8  # of a misread word where --respell is not given


def write_page(config, say=print, show_progress=False):
    """Write `config.text` (a `SampleConfig`) to `config.out`. Returns the words, a list of `respell.SpeltWord`."""
    writer_for(config.out)
    if not config.text.strip():
        raise UserError("there is no text to write; give one, like: python sample.py \"Dear Ada\"")
    checkpoint = load_checkpoint(config.checkpoint or newest_checkpoint(config.run_dir), config.device)
    lines = prepare_text(config.text, checkpoint.tokenizer, config.missing)
    needed_by = f"--respell {config.respell}" if config.respell else ""
    reader = None if config.respell == 1 else find_choosing_reader(config, checkpoint.bank_digest, say, needed_by)
    with tqdm(total=sum(map(len, lines)), unit="word", disable=None if show_progress else True, leave=False) as bar:
        page, words = compose(checkpoint.model, checkpoint.tokenizer, lines, config, checkpoint.config.min_words, reader, bar.update)
    save_page(page, config.out)
    return words


def compose(model, tokenizer, lines, config, group=1, reader=None, progress=None):
    """Lines of words -> (`layout.Page`, the words as `respell.SpeltWord`). config: a `SampleConfig`; group: see `write_words`."""
    model.eval()
    texts = [word for line in lines for word in line]
    words = write_spelt(model, tokenizer, texts, reader, config.respell or VERSIONS, parse_rewrite(config.rewrite, len(texts)), group, progress,
                        **sampling_options(config))
    points = iter(words)
    page = lay_out([[next(points).word.points for _ in line] for line in lines], config.line_width, config.x_height)
    return page, words


def sampling_options(config):
    """The settings of sampling that `generate.write_rows` takes."""
    return {name: getattr(config, name) for name in ("temperature", "top_k", "top_p", "seed")}
