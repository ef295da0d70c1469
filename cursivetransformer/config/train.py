"""Every setting of training, once: name, type, default, help, group; and the presets that bundle them.

Knows nothing of how a setting is used. Import `get_all_args` for training, `get_recognizer_args` for training recognizers; the settings of
sampling and of evaluating are in `sample_config.py`, those of what is made rather than learnt in `maker_config.py`.
"""

import dataclasses
from dataclasses import dataclass

from cursivetransformer.config.args import (
    check_values,
    parse_command_line,
    same_setting,
    setting,
)
from cursivetransformer.config.rules import (
    check_config,
    require,
    resolve_device,
    synthetic_rules,
)

TOKENIZERS = ("polar", "shoot_then_point", "cartesian")


@dataclass
class Config:
    """The settings of a training run. The defaults are those of `--preset auto` on a CPU, unless noted below."""

    # Data
    dataset_name: str = setting(
        "starter",
        "bank to learn: a path, a name under data/, a published bank's name, or several joined by commas",
        "data",
    )
    strict: bool = setting(
        False, "stop at the first faulty entry of a bank instead of skipping it", "data"
    )
    alphabet: str = setting(
        "", "characters to learn; empty takes all that the bank contains", "data"
    )
    train_size: int = setting(
        497_000, "different training examples drawn before they repeat", "data"
    )
    test_size: int = setting(
        512,
        "words, at most, that the loss is measured on, of the held-out and of the training words each",
        "data",
    )
    test_fraction: float = setting(
        0.1, "share of the bank's words held out for testing", "data", was="test_share"
    )
    num_words: int = setting(2, "words in an example, at most", "data")
    min_words: int = setting(1, "words in an example, at least", "data")
    max_seq_length: int = setting(
        800, "context of the model in tokens; an example that is longer is cut at a word", "data"
    )

    # Ink
    augment: bool = setting(True, "vary slant, size and rotation of each training example", "ink")
    downsample_mean: float = setting(
        0.65, "share of the recorded points that is dropped, on average", "ink"
    )
    downsample_width: float = setting(
        0.1, "full width of the range that the dropped share is drawn from", "ink"
    )
    shear_width: float = setting(0.4, "full width of the range of added slant (dx per dy)", "ink")
    scale_width: float = setting(0.2, "full width of the range of x and y scale around 1", "ink")
    rotation_width: float = setting(0.04, "full width of the range of rotation, in radians", "ink")
    ink_scale: float = setting(
        1.0,
        "factor by which the bank's ink is made larger before it is learnt; a model writes in its own size",
        "ink",
    )
    tokenizer: str = setting("polar", "how an offset becomes tokens", "ink", TOKENIZERS)

    # Hands
    finetune: str = setting(
        "",
        "adapt a model to the bank's hand: 'base', the one that ships, or a checkpoint; what else is not given is chosen from the bank",
        "hands",
        was="init",
    )
    start_from: str = setting(
        "",
        "checkpoint whose weights a new run begins with, like data/base.pt; its shape, hands and characters are taken too",
        "hands",
    )
    replay: str = setting(
        "",
        "bank that is trained on beside, so that a model keeps what it knew; its words are not held out",
        "hands",
    )
    own_fraction: float = setting(
        0.0,
        "share of examples that are of the bank's own words, where others are trained on beside; 0 draws all alike",
        "hands",
        was="own_share",
    )
    splice_words: int = setting(
        0,
        "new words that are cut and joined from the bank's own, where a run adapts a model; 0 for none",
        "hands",
    )
    splice_fraction: float = setting(
        0.0, "share of examples that are of spliced words", "hands", was="splice_share"
    )
    author_dropout: float = setting(
        0.1,
        "share of training examples that are given as by nobody known, for hands that are not in the bank",
        "hands",
    )
    synthetic_words: int = setting(
        0,
        "words that the synthetic pen writes afresh, every synthetic_interval steps, to train on beside the bank; 0 for none",
        "hands",
        was="pen_words",
    )
    synthetic_interval: int = setting(
        500, "steps between two batches of fresh words", "hands", was="pen_every"
    )
    synthetic_named_fraction: float = setting(
        0.5,
        "share of the fresh words that the bank's synthetic writers write; the rest is by new writers",
        "hands",
        was="pen_named",
    )
    synthetic_fonts: str = setting(
        "own,hershey",
        "letter skeletons of the synthetic pen, see `cursive synth --help`",
        "hands",
        was="pen_faces",
    )

    # Model
    model: str = setting(
        "offset",
        "'token' as published, one position for each token; 'offset', one for each offset, learns far faster",
        "model",
        ("token", "offset"),
    )
    n_layer: int = setting(4, "blocks", "model")
    n_embd: int = setting(96, "width of the model", "model")
    n_head: int = setting(3, "heads of the self-attention", "model")
    n_ctx_head: int = setting(3, "heads of the cross-attention to the text", "model")
    n_embd_context: int = setting(96, "width of the text embedding", "model")

    # Training
    preset: str = setting(
        "auto",
        "recipe: 'paper' as published, 'cpu', 'gpu', or 'auto', which chooses by device",
        "training",
        ("auto", "cpu", "gpu", "paper"),
    )
    max_steps: int = setting(7000, "optimizer steps", "training")
    patience: int = setting(
        0,
        "evaluations without a lower loss on held-out words after which a run ends; 0 goes on to max_steps",
        "training",
    )
    batch_size: int = setting(16, "examples in a step", "training")
    optimizer: str = setting(
        "muon",
        "'adamw' for all weights, or 'muon' for matrices beside it",
        "training",
        ("adamw", "muon"),
    )
    learning_rate: float = setting(8e-3, "AdamW's learning rate", "training")
    muon_learning_rate: float = setting(0.02, "Muon's learning rate", "training")
    weight_decay: float = setting(1e-4, "decoupled weight decay of matrices", "training")
    schedule: str = setting(
        "linear",
        "'step' multiplies the rates by lr_decay every step_lr_every steps, 'linear' cools down to zero",
        "training",
        ("step", "linear"),
    )
    warmup_steps: int = setting(40, "steps in which the rates rise from zero", "training")
    cooldown_fraction: float = setting(
        0.5,
        "last share of the steps in which a 'linear' schedule falls",
        "training",
        was="cooldown_share",
    )
    lr_decay: float = setting(0.5, "factor of a 'step' schedule", "training")
    step_lr_every: int = setting(20_000, "steps between two falls of a 'step' schedule", "training")
    grad_clip: float = setting(1.0, "largest norm of the gradient; 0 leaves it alone", "training")
    compile: str = setting(
        "auto",
        "compile the model with torch.compile: 'on', 'off', or 'auto', on CUDA only",
        "training",
        ("auto", "on", "off"),
    )
    precision: str = setting(
        "auto",
        "'bfloat16' or 'float32' arithmetic; 'auto' is bfloat16 on CUDA only",
        "training",
        ("auto", "float32", "bfloat16"),
    )

    # Run
    device: str = setting(
        "auto", "cuda, mps or cpu; 'auto' takes the first of them that is there", "run"
    )
    seed: int = setting(1337, "seed of the split, the examples and the weights", "run")
    run_dir: str = setting("runs", "folder that runs are written to", "run")
    resume: str = setting(
        "", "continue a run: its name, its folder, a checkpoint file, or 'last'", "run"
    )
    local_checkpoint_path: str = setting(
        "", "checkpoint file to continue from, like --resume FILE", "run"
    )
    print_every: int = setting(50, "steps between two progress lines", "run")
    log_every: int = setting(
        500, "steps between two evaluations, with samples and a checkpoint", "run"
    )

    # Reading
    recognizer_dir: str = setting(
        "recognizers",
        "folder that the recognizers of a bank are in, one folder for each bank",
        "reading",
        was="reader_dir",
    )
    read_words: int = setting(
        48,
        "held-out words that are written, and read by the bank's choosing recognizer, every log_every steps; 0 for none",
        "reading",
    )
    monitor: str = setting(
        "loss",
        "what makes best.pt: the lowest 'loss' on held-out words, or the fewest errors in 'reading'",
        "reading",
        ("loss", "reading"),
        was="best_by",
    )
    monitor_start: float = setting(
        0.0,
        "share of the steps before which no model competes for best.pt, which is the newest one until then",
        "reading",
        was="best_from",
    )

    # Tracking
    wandb: str = setting(
        "auto",
        "Weights & Biases: 'auto' is online when a key or login is there and else off",
        "tracking",
        ("auto", "online", "offline", "off"),
    )
    wandb_entity: str = setting("", "W&B user or team", "tracking")
    wandb_project: str = setting("cursivetransformer", "W&B project", "tracking")
    wandb_run_name: str = setting(
        "", "name of the run, here and on W&B; empty makes one of bank and time", "tracking"
    )
    wandb_api_key: str = setting(
        "", "W&B key; never written to any file of a run", "tracking", secret=True
    )
    load_from_run_id: str = setting("", "continue the run with this W&B id", "tracking")


@dataclass
class RecognizerTrainingConfig:
    """The settings of training the two recognizers of a bank."""

    dataset_name: str = same_setting(Config, "dataset_name")
    strict: bool = same_setting(Config, "strict")
    test_fraction: float = same_setting(Config, "test_fraction")
    ink_scale: float = same_setting(Config, "ink_scale")
    finetune: str = setting(
        "",
        "adapt recognizers to the bank's hand: 'base', the ones that ship, or a folder of two; what else is not given is chosen from the bank",
        "training",
        was="init",
    )
    start_from: str = setting(
        "",
        "folder of two recognizers whose weights these begin with, like data/recognizers/starter; their characters are taken too",
        "training",
    )
    replay: str = same_setting(Config, "replay")
    own_fraction: float = same_setting(Config, "own_fraction")
    synthetic_words: int = setting(
        0,
        "words that the synthetic pen writes beside those of the bank; 0 for none",
        "hands",
        was="pen_words",
    )
    synthetic_named_fraction: float = same_setting(Config, "synthetic_named_fraction")
    synthetic_fonts: str = same_setting(Config, "synthetic_fonts")
    max_steps: int = setting(700, "optimizer steps of each recognizer", "training")
    batch_size: int = setting(32, "examples in a step", "training")
    learning_rate: float = setting(4e-3, "AdamW's learning rate", "training")
    device: str = same_setting(Config, "device", group="training")
    seed: int = same_setting(Config, "seed", group="training")
    recognizer_dir: str = same_setting(Config, "recognizer_dir", group="output")
    out: str = setting(
        "",
        "folder for the two recognizers; empty takes one named after the bank in recognizer_dir",
        "output",
    )


# What a preset changes against the defaults above, which are those of "cpu".
PRESETS = {
    "cpu": {},
    "gpu": dict(batch_size=64, max_steps=5000),
    "paper": dict(
        model="token",
        n_layer=5,
        n_embd=64,
        n_head=4,
        n_ctx_head=4,
        n_embd_context=64,
        max_seq_length=1050,
        num_words=4,
        min_words=4,
        batch_size=32,
        optimizer="adamw",
        learning_rate=1e-2,
        schedule="step",
        lr_decay=0.5,
        step_lr_every=20_000,
        warmup_steps=0,
        weight_decay=1e-4,
        max_steps=125_000,
        downsample_mean=0.65,
        downsample_width=0.1,
        print_every=100,
        log_every=2500,
    ),
}


def get_all_args(use_argparse=True, argv=None, **overrides):
    """The settings of a training run, checked, as a `Config`.

    With `use_argparse` they are read from `argv` (default: the process's command line); in a notebook call
    `get_all_args(use_argparse=False, max_steps=100)`. Overrides win over the command line, both over the preset,
    the preset over the defaults. `config.explicit` names the settings that were given. Raises `UserError`.
    """
    given = (
        parse_command_line(Config, argv, "Train a model of a handwriting.") if use_argparse else {}
    )
    given.update(check_values(Config, overrides))
    device = resolve_device(given.get("device", Config.device))
    preset = given.get("preset", Config.preset)
    if preset == "auto":
        preset = "gpu" if device.startswith("cuda") else "cpu"
    config = Config(**{**PRESETS[preset], **given, "preset": preset, "device": device})
    config.explicit = frozenset(given)
    check_config(config)
    return config


def get_recognizer_args(use_argparse=True, argv=None, **overrides):
    """The settings of training recognizers, checked, as `RecognizerTrainingConfig`; called like `get_all_args`."""
    config = settings_of(
        RecognizerTrainingConfig,
        "Train two recognizers of a handwriting.",
        use_argparse,
        argv,
        overrides,
    )
    require(
        config,
        {
            **{
                name: (getattr(config, name) >= 1, "1 or more")
                for name in ("max_steps", "batch_size")
            },
            "test_fraction": (0 < config.test_fraction < 1, "between 0 and 1"),
            **synthetic_rules(config),
            "own_fraction": (0 <= config.own_fraction <= 1, "between 0 and 1"),
            "ink_scale": (0.01 <= config.ink_scale <= 100, "between 0.01 and 100"),
            "finetune": (
                not config.finetune or "start_from" not in config.explicit,
                "left out where --start_from says what to begin with",
            ),
            "learning_rate": (0 < config.learning_rate < 1, "above 0 and below 1"),
        },
    )
    return config


def settings_of(cls, description, use_argparse, argv, overrides, positional=None):
    """The settings `cls`, each of them alone checked; a device is made a real one."""
    given = parse_command_line(cls, argv, description, positional) if use_argparse else {}
    given.update(check_values(cls, overrides))
    config = cls(**given)
    config.explicit = frozenset(given)
    if hasattr(config, "device"):
        config.device = resolve_device(config.device)
    return config


def replace(config, **changes):
    """A copy of `config` with `changes`, checked again; `explicit` is kept."""
    copy = dataclasses.replace(config, **changes)
    copy.explicit = config.explicit
    check_config(copy)
    return copy
