"""Text -> a page in a learnt hand: the sampler and the layout put together. What `sample.py` and training's previews call."""

from tqdm import tqdm

from cursivetransformer.checkpoint import load_checkpoint, newest_checkpoint
from cursivetransformer.errors import UserError
from cursivetransformer.generate import prepare_text, write_words
from cursivetransformer.layout import lay_out
from cursivetransformer.render import save_page, writer_for


def write_page(config, show_progress=False):
    """Write `config.text` (a `SampleConfig`) to `config.out`. Returns all words and those that did not come to an end."""
    writer_for(config.out)
    if not config.text.strip():
        raise UserError("there is no text to write; give one, like: python sample.py \"Dear Ada\"")
    path = config.checkpoint or newest_checkpoint(config.run_dir)
    checkpoint = load_checkpoint(path, config.device)
    lines = prepare_text(config.text, checkpoint.tokenizer, config.missing)
    with tqdm(total=sum(map(len, lines)), unit="word", disable=None if show_progress else True, leave=False) as bar:
        page, words = compose(checkpoint.model, checkpoint.tokenizer, lines, config, checkpoint.config.min_words, bar.update)
    save_page(page, config.out)
    return words, [word for word in words if not word.finished]


def compose(model, tokenizer, lines, config, group=1, progress=None):
    """Lines of words -> (`layout.Page`, the words written). config: a `SampleConfig`; group: see `write_words`."""
    model.eval()
    texts = [word for line in lines for word in line]
    words = write_words(model, tokenizer, texts, None, group, config.temperature, config.top_k, config.top_p, config.seed, progress)
    points = iter(words)
    page = lay_out([[next(points).points for _ in line] for line in lines], config.line_width, config.x_height)
    return page, words
