"""When a word should be drawn again, and which version kept: rules compared on the same versions, graded by the recognizer that does not choose.

    python -m benchmarks.respelling [--checkpoint FILE] [settings of evaluate.py]

Of every word of the three fixed texts as many versions are drawn as the last number of --best_of says. A rule looks at the first
version and says whether to look at the others; of those it keeps one. Prints a line for each rule: characters and words that the
grading recognizer misreads, of the English and of all words, and how many versions a word takes on average.
"""

import numpy as np

from cursivetransformer.bank.registry import load_banks
from cursivetransformer.config.sample import get_evaluation_args, sampling_options
from cursivetransformer.data.dataloader import DataLoader
from cursivetransformer.data.eval_texts import text_sets
from cursivetransformer.evaluation.evaluator import find_both_recognizers
from cursivetransformer.models.checkpoint import find_checkpoint, load_checkpoint
from cursivetransformer.recognition.error_rate import edit_distance
from cursivetransformer.sampling.generate import generate_rows
from cursivetransformer.utils.errors import run_script

NEVER, ALWAYS = np.inf, -1.0  # limits in nats that no first version passes, and that every one does


def main():
    config = get_evaluation_args()
    checkpoint = load_checkpoint(find_checkpoint(config.checkpoint, config.run_dir), config.device)
    words, digest = load_banks(config.dataset_name or checkpoint.config.dataset_name)
    recognizers = find_both_recognizers(config, checkpoint.config, digest, print)
    loader = DataLoader(words, checkpoint.tokenizer, checkpoint.config)
    sets, _ = text_sets(
        checkpoint.tokenizer.alphabet, [loader.words[i].text for i in loader.train_ids]
    )
    texts = [text for part in sets.values() for text in part]
    english = np.array([name == "English" for name, part in sets.items() for _ in part])
    n = config.best_of[-1]

    rows = generate_rows(
        checkpoint.model.eval(),
        checkpoint.tokenizer,
        [[text] for text in texts for _ in range(n)],
        [(i, 0, version) for i in range(len(texts)) for version in range(n)],
        **sampling_options(config),
    )
    drawn = [row[0] for row in rows]
    inks, wanted = [word.points for word in drawn], [word.text for word in drawn]

    def table(values):
        return np.array(values, float).reshape(
            -1, n
        )  # a row for each word, a column for each version

    (read, nll), graded = recognizers[0].judge(inks, wanted), recognizers[1].read(inks)
    wrong, grade = (
        table([edit_distance(text, reading) for text, reading in zip(wanted, readings)])
        for readings in (read, graded)
    )
    unfinished, sure, likely = (
        table([not word.finished for word in drawn]),
        table(nll),
        table([word.nll for word in drawn]),
    )
    lengths = np.array([len(text) for text in texts])

    print(
        f"{len(texts)} words, {n} versions of each\n\n| drawn again | kept of those read closest | English: characters, words misread | all | versions |"
    )
    print("| --- | --- | --- | --- | ---: |")
    for when, limit, kept, floor, order in (
        ("never", NEVER, "", 0, sure),
        ("misread", 100.0, "the model's likeliest", NEVER, likely),
        ("misread", 100.0, "most surely read", 0, sure),
        *(
            (
                f"misread, or less sure than {limit} nats",
                limit,
                "of the sure, the model's likeliest",
                limit,
                likely,
            )
            for limit in (0.5, 0.2, 0.1, 0.05, 0.02)
        ),
        ("always", ALWAYS, "most surely read", 0, sure),
        ("always", ALWAYS, "the model's likeliest", NEVER, likely),
    ):
        again = (sure[:, 0] > limit) | ((wrong + unfinished)[:, 0] > 0) & (limit < NEVER)
        pick = np.array(
            [
                min(
                    range(n if again[i] else 1),
                    key=lambda k: (
                        wrong[i, k],
                        unfinished[i, k],
                        max(sure[i, k], floor),
                        order[i, k],
                    ),
                )
                for i in range(len(texts))
            ]
        )
        left = grade[np.arange(len(texts)), pick]
        rates = [
            f"{left[part].sum() / lengths[part].sum():.2%}, {(left[part] > 0).mean():.1%}"
            for part in (english, slice(None))
        ]
        print(f"| {when} | {kept} | {rates[0]} | {rates[1]} | {np.where(again, n, 1).mean():.2f} |")


if __name__ == "__main__":
    run_script(main)
