"""Whether two versions of the program do the same: fixed calls in each, and their files compared.

    python -m benchmarks.same_outputs make DIR                 run the calls here, files into DIR
    python -m benchmarks.same_outputs make DIR --tree OTHER    the same in another checkout
    python -m benchmarks.same_outputs compare DIR OTHER_DIR    print whether each file is equal

Every call has a seed and runs on the CPU with one thread, so on one machine one program writes
the same bytes. Of a checkpoint the weights are compared, of a report all but the seconds, of texts
all but the words of RENAMED. The calls use the flags of the first versions, which still work.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = "Dear Ada, the quick brown fox jumps over 13 lazy dogs. (Isn't it late?)"
LETTER = "docs/letter.txt"
SMALL = "--wandb off --test_size 16 --print_every 5 --log_every 10"
# Name: the commands of a call. {out} is its folder; {check} and the like are commands of a version.
CALLS = {
    "line": ["sample.py '{text}' --seed 3 --out {out}/a.svg,{out}/a.animated.svg"],
    "picture": ["sample.py '{text}' --author Edith --strokes outline --out {out}/a.png"],
    "letter": [
        "sample.py --file {letter} --page A6 --paper ruled --seed 1 "
        "--out {out}/a.pdf,{out}/a.svg,{out}/a.png"
    ],
    "animation": ["sample.py '{text}' --paper squared --page 150x60 --out {out}/a.gif --fps 10"],
    "plotter": [
        "sample.py --file {letter} --page A5 --align justified --out {out}/a.gcode,{out}/a.hpgl"
    ],
    "ink": [
        "sample.py '{text}' --respell 1 "
        "--out {out}/a.json,{out}/a.json.zip,{out}/a.inkml,{out}/a.xopp"
    ],
    "hands": ["sample.py --list-authors --respell 1 --out {out}/a.png"],
    "attention": [
        "sample.py 'hello trust' --seed 5 --even_slant 0.8 "
        "--out {out}/a.svg --attention {out}/b.png"
    ],
    "rewrite": ["sample.py '{text}' --rewrite 2,4:2 --temperature 0.9 --out {out}/a.svg"],
    "training": [
        f"train.py {SMALL} --pen_words 60 --pen_every 10 --run_dir {{out}} --wandb_run_name a "
        "--max_steps 20",
        "train.py --resume {out}/a --max_steps 30 --wandb off",
    ],
    "token model": [
        f"train.py {SMALL} --preset paper --tokenizer cartesian --batch_size 4 --n_layer 2 "
        "--run_dir {out} --wandb_run_name a --max_steps 10"
    ],
    "new hand": [
        f"train.py {SMALL} --dataset_name {{out}}/../synth/b.json --init base --run_dir {{out}} "
        "--wandb_run_name a --max_steps 20 --read_words 8"
    ],
    "recognizers": ["{recognizers} --max_steps 10 --out {out}"],
    "evaluation": [
        "evaluate.py --most_words 4 --best_of 1,2 "
        "--checkpoint {out}/../training/a/best.pt --out {out}/a"
    ],
    "synth": [
        "{synth} --words 40 --writers 1 --first_writer 40 --faces own --out {out}/b.json",
        "{synth} --words 24 --out {out}/a.json.zip --sheet {out}/a.png",
    ],
    "bank": ["{check} {out}/../synth/b.json", "{advise} {out}/../synth/b.json {out}/next.txt"],
    "prompts": ["{prompts} --size 200 --out {out}/a.txt"],
}
ORDER = ["synth", *(name for name in CALLS if name != "synth")]
BEFORE = {
    "recognizers": "train_reader.py",
    "check": "-m cursivetransformer.bank check",
    "advise": "-m cursivetransformer.advice",
    "prompts": "-m cursivetransformer.wordbank",
    "synth": "-m cursivetransformer.synth",
}
NOW = {
    "recognizers": "train_recognizer.py",
    "check": "-m cursivetransformer bank check",
    "advise": "-m cursivetransformer bank advise",
    "prompts": "-m cursivetransformer bank prompts",
    "synth": "-m cursivetransformer synth",
}
# Words of the files and of the output that were renamed, as they are now.
RENAMED = {
    "choosing": "selection",
    "grading": "evaluation",
    "readers": "recognizers",
    "reader": "recognizer",
    "train_reader": "train_recognizer",
    "character_error": "cer",
    "word_error": "wer",
}
TIMED = ("seconds", "tokens_per_second")


def make(folder: Path, tree: Path) -> None:
    """Run all calls in the checkout `tree`; what they write and print goes to `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    commands = NOW if (tree / "train_recognizer.py").is_file() else BEFORE
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "OMP_NUM_THREADS": "1",
        "WANDB_MODE": "off",
    }
    for name in ORDER:
        out = folder / name.replace(" ", "-")
        out.mkdir(parents=True)
        said = []
        for call in CALLS[name]:
            words = call.format(out=out, text=TEXT.replace("'", "'\\''"), letter=LETTER, **commands)
            command = f"{sys.executable} {words}"
            done = subprocess.run(
                command, shell=True, cwd=tree, env=environment, capture_output=True, text=True
            )
            if done.returncode:
                sys.exit(f"{command}\n{done.stdout}{done.stderr}")
            said.append(done.stdout.replace(str(folder), "DIR"))
        (out / "said.txt").write_text("".join(said))
        print(name, "done", flush=True)


def content(path: Path, folder: Path) -> object:
    """What of a file in the folder of a version must be equal in both."""
    if path.suffix == ".pt":
        import torch

        saved = torch.load(path, weights_only=True)
        weights = list(saved["weights"].values())  # their names may differ, their order may not
        optimizers = saved.get("training", {}).get("optimizers", [])
        states = [list(state["state"].values()) for state in optimizers]
        return [w.tolist() for w in weights], json.dumps(states, default=lambda t: t.tolist())
    if path.suffix in (".json", ".jsonl", ".md", ".txt"):
        text = path.read_text().replace(str(folder.absolute()), "DIR")
        return [timeless(now(line)) for line in text.splitlines()]
    return path.read_bytes()


def now(line: str) -> str:
    """A line of text with its words as they are today."""
    for before, after in RENAMED.items():
        line = line.replace(before, after)
    return line.replace("recognizernizer", "recognizer")


def timeless(line: str) -> object:
    """A line without what the clock says."""
    try:
        row = json.loads(line.strip().rstrip(",").join("{}") if line.startswith(" ") else line)
    except ValueError:
        marks = (" s:", " s) ", " left", "seconds", "tokens/s", "in a second", *TIMED)
        timed = any(mark in line for mark in marks)
        return "" if timed else line
    return (
        {key: value for key, value in row.items() if key not in TIMED}
        if isinstance(row, dict)
        else row
    )


def named(path: Path) -> Path:
    return Path(now(str(path)))


def compare(one: Path, other: Path) -> int:
    """Print a line a file; returns how many differ."""
    files = [
        {named(p.relative_to(d)): p for p in d.rglob("*") if p.is_file()} for d in (one, other)
    ]
    wrong = 0
    for name in sorted(files[0].keys() | files[1].keys()):
        a, b = (own.get(name) for own in files)
        if a is None or b is None:
            verdict = f"only in {one if a else other}"
        elif a.read_bytes() == b.read_bytes():
            verdict = "equal to the byte"
        else:
            same = content(a, one) == content(b, other)
            verdict = "equal but for names and seconds" if same else "DIFFERENT"
        wrong += verdict[0] not in "e"
        print(f"{verdict:35} {name}")
    print(f"{wrong} of {len(files[0].keys() | files[1].keys())} files differ")
    return wrong


def main() -> None:
    match sys.argv[1:]:
        case ["make", folder]:
            make(Path(folder).absolute(), ROOT)
        case ["make", folder, "--tree", tree]:
            make(Path(folder).absolute(), Path(tree).absolute())
        case ["compare", one, other]:
            sys.exit(1 if compare(Path(one), Path(other)) else 0)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
