"""The settings of training: name, type, default, help and group of each; their rules and presets.

Does not depend on how a setting is used. `get_all_args` reads the settings of training a model,
`get_recognizer_args` those of training recognizers.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cursivetransformer.config.args import (
    FRACTION,
    POSITIVE_FRACTION,
    SEED,
    Bounds,
    Rule,
    Settings,
    Usage,
    check_bounds,
    read_settings,
    read_values,
    require,
    resolve_device,
    same_setting,
    setting,
)
from cursivetransformer.utils.errors import UserError

STEPS = Bounds(1, 10**9)
MAX_WEIGHTS = 50_000_000  # of a model: a hundred times the default
# Memory of a training step: bytes for each layer, token and number of a token's vector.
STEP_BYTES = 40
MAX_STEP_MEMORY = {"cpu": 2.5e9, "mps": 20e9, "cuda": 80e9}
TOKENIZERS = ("polar", "shoot_then_point", "cartesian")

TRAIN = Usage(
    "train",
    "Train a model of a handwriting.",
    (
        "--dataset_name mine.json --finetune base   # learn a hand from a hundred words",
        "--dataset_name mine.json                   # train from nothing: a thousand words or more",
        "--resume last                              # continue after Ctrl-C",
    ),
    positional="dataset_name",
    join=",",
    advice="join several banks by commas",
)
TRAIN_RECOGNIZER = Usage(
    "train-recognizer",
    "Train two recognizers of a handwriting.",
    (
        "--dataset_name mine.json --finetune base",
        "--dataset_name mine.json",
    ),
    positional="dataset_name",
    join=",",
    advice="join several banks by commas",
)


@dataclass
class Config(Settings):
    """The settings of training a model. The defaults are those of `--preset cpu`."""

    # Data
    dataset_name: str = setting(
        "starter",
        "bank to learn: a path, a name under data/, a published bank's name, "
        "or several joined by commas",
        "data",
        everyday=True,
    )
    strict: bool = setting(
        False, "stop at the first faulty entry of a bank instead of skipping it", "data"
    )
    alphabet: str = setting(
        "", "characters to learn; empty takes all characters of the bank", "data"
    )
    train_size: int = setting(
        497_000, "distinct training examples before they repeat", "data", Bounds(1, 10**9)
    )
    test_size: int = setting(
        512,
        "maximum number of held-out words, and of training words, to measure the loss on",
        "data",
        Bounds(1, 100_000),
    )
    test_fraction: float = setting(
        0.1,
        "fraction of the bank's words held out for testing",
        "data",
        Bounds(0, 0.99, above=True),
        was="test_share",
    )
    num_words: int = setting(2, "maximum number of words in an example", "data", Bounds(1, 64))
    min_words: int = setting(1, "minimum number of words in an example", "data", Bounds(1, 64))
    max_seq_length: int = setting(
        800,
        "context length in tokens; a longer example is cut at a word",
        "data",
        Bounds(64, 16_384, "tokens; a word takes about 200"),
    )

    # Ink
    augment: bool = setting(True, "vary slant, size and rotation of each training example", "ink")
    downsample_mean: float = setting(
        0.65, "mean fraction of recorded points to drop", "ink", FRACTION
    )
    downsample_width: float = setting(
        0.1, "full width of the range of the dropped fraction", "ink", FRACTION
    )
    shear_width: float = setting(
        0.4, "full width of the range of added slant (dx per dy)", "ink", Bounds(0, 4)
    )
    scale_width: float = setting(
        0.2, "full width of the range of x and y scale around 1", "ink", FRACTION
    )
    rotation_width: float = setting(
        0.04, "full width of the range of rotation, in radians", "ink", Bounds(0, 1, "radians")
    )
    ink_scale: float = setting(
        1.0,
        "factor that enlarges the bank's ink; a model writes at its own size",
        "ink",
        Bounds(0.01, 100),
    )
    tokenizer: str = setting(
        "polar", "how offsets are turned into tokens", "ink", choices=TOKENIZERS
    )

    # Hands
    finetune: str = setting(
        "",
        "adapt a model to the bank's hand: 'base', the model that ships, or a checkpoint; "
        "settings that are not given are chosen from the bank; "
        "'none' trains from nothing, however few words there are",
        "hands",
        aliases={"none": "", "no": ""},
        was="init",
        everyday=True,
    )
    hands: str = setting(
        "auto",
        "whose words a model is fine-tuned to: 'named' tells hands apart by the names in the "
        "bank, 'one' takes all words for one hand, 'auto' joins names that differ in case or "
        "spaces, and words without a name to a single name",
        "hands",
        choices=("auto", "one", "named"),
    )
    start_from: str = setting(
        "",
        "checkpoint to initialize the weights from, or 'base' for the model that ships; "
        "its shape and characters are used too, its authors as far as they are trained on",
        "hands",
    )
    replay: str = setting(
        "",
        "second bank to train on, so that a model forgets less; none of its words are held out",
        "hands",
    )
    own_fraction: float = setting(
        0.0,
        "fraction of examples from the bank's own words when training on other words too; "
        "0 samples all words alike",
        "hands",
        FRACTION,
        was="own_share",
    )
    splice_words: int = setting(
        0,
        "number of new words to splice from the bank's own when adapting a model; 0 for none",
        "hands",
        Bounds(0, 100_000),
    )
    splice_fraction: float = setting(
        0.0, "fraction of examples from spliced words", "hands", FRACTION, was="splice_share"
    )
    author_dropout: float = setting(
        0.1,
        "fraction of training examples without an author, so that the model also writes "
        "in hands outside the bank",
        "hands",
        FRACTION,
    )
    synthetic_words: int = setting(
        0,
        "number of new synthetic words to train on in each synthetic_interval; 0 for none",
        "hands",
        Bounds(0, 200_000),
        was="pen_words",
    )
    synthetic_interval: int = setting(
        500, "steps between two sets of new synthetic words", "hands", STEPS, was="pen_every"
    )
    synthetic_named_fraction: float = setting(
        0.5,
        "fraction of new synthetic words by the bank's synthetic writers; "
        "new writers write the rest",
        "hands",
        FRACTION,
        was="pen_named",
    )
    synthetic_fonts: str = setting(
        "own,hershey",
        "single-stroke fonts of synthetic words, see `cursive synth --help`",
        "hands",
        was="pen_faces",
    )

    # Model
    model: str = setting(
        "offset",
        "'token', one position per token, as published; "
        "or 'offset', one position per offset, which learns far faster",
        "model",
        choices=("token", "offset"),
    )
    n_layer: int = setting(4, "number of transformer blocks", "model", Bounds(1, 128))
    n_embd: int = setting(96, "width of the model", "model", Bounds(1, 4096))
    n_head: int = setting(3, "number of heads of the self-attention", "model", Bounds(1, 256))
    n_ctx_head: int = setting(
        3, "number of heads of the cross-attention to the text", "model", Bounds(1, 256)
    )
    n_embd_context: int = setting(96, "width of the text embedding", "model", Bounds(1, 4096))

    # Training
    preset: str = setting(
        "auto",
        "recipe: 'paper' as published, 'cpu', 'gpu', or 'auto', which chooses by device",
        "training",
        choices=("auto", "cpu", "gpu", "paper"),
        everyday=True,
    )
    max_steps: int = setting(7000, "number of optimizer steps", "training", STEPS, everyday=True)
    patience: int = setting(
        0,
        "stop after this many evaluations without a lower loss on held-out words; "
        "0 continues to max_steps",
        "training",
        Bounds(0, 10**9),
    )
    batch_size: int = setting(16, "examples per step", "training", Bounds(1, 16_384), everyday=True)
    optimizer: str = setting(
        "muon",
        "'adamw' for all weights, or 'muon' for the hidden matrices and AdamW for the rest",
        "training",
        choices=("adamw", "muon"),
    )
    learning_rate: float = setting(
        8e-3, "learning rate of AdamW", "training", Bounds(0, 10, above=True)
    )
    muon_learning_rate: float = setting(
        0.02, "learning rate of Muon", "training", Bounds(0, 10, above=True)
    )
    weight_decay: float = setting(
        1e-4, "decoupled weight decay of matrices", "training", Bounds(0, 10)
    )
    schedule: str = setting(
        "linear",
        "'step' multiplies the learning rates by lr_decay every step_lr_every steps, "
        "'linear' cools down to zero",
        "training",
        choices=("step", "linear"),
    )
    warmup_steps: int = setting(
        40,
        "number of steps in which the learning rates rise from zero",
        "training",
        Bounds(0, 10**9),
    )
    cooldown_fraction: float = setting(
        0.5,
        "last fraction of the steps, in which a 'linear' schedule falls",
        "training",
        FRACTION,
        was="cooldown_share",
    )
    lr_decay: float = setting(
        0.5, "decay factor of a 'step' schedule", "training", POSITIVE_FRACTION
    )
    step_lr_every: int = setting(
        20_000, "steps between two decays of a 'step' schedule", "training", STEPS
    )
    grad_clip: float = setting(
        1.0, "maximum gradient norm; 0 for no clipping", "training", Bounds(0, 1_000_000)
    )
    compile: str = setting(
        "auto",
        "compile the model with torch.compile: 'on', 'off', or 'auto', for long runs on CUDA only",
        "training",
        choices=("auto", "on", "off"),
    )
    cuda_graph: str = setting(
        "auto",
        "capture a step once and replay it as one CUDA graph: 'off', or 'auto', on a single GPU",
        "training",
        choices=("auto", "off"),
    )
    precision: str = setting(
        "auto",
        "'bfloat16' or 'float32' arithmetic; 'auto' is bfloat16 on NVIDIA cards that have it",
        "training",
        choices=("auto", "float32", "bfloat16"),
    )

    # Run
    device: str = setting(
        "auto", "cuda, mps or cpu; 'auto' takes the first available one", "run", everyday=True
    )
    threads: int = setting(
        0, "number of CPU threads; 0 chooses by measuring, now and again", "run", Bounds(0, 256)
    )
    seed: int = setting(
        1337, "seed of the split, the examples and the weights", "run", SEED, everyday=True
    )
    run_dir: str = setting("runs", "folder to write runs to", "run", everyday=True)
    resume: str = setting(
        "",
        "continue a run: its name, its folder, a checkpoint file, or 'last'",
        "run",
        everyday=True,
    )
    local_checkpoint_path: str = setting(
        "", "checkpoint file to continue from, like --resume FILE", "run"
    )
    print_every: int = setting(50, "steps between two progress lines", "run", STEPS)
    log_every: int = setting(
        500, "steps between two evaluations, with samples and a checkpoint", "run", STEPS
    )

    # Reading
    recognizer_dir: str = setting(
        "recognizers", "folder of recognizers, one subfolder per bank", "reading", was="reader_dir"
    )
    read_words: int = setting(
        48,
        "number of held-out words to write, and to read with the bank's selection recognizer, "
        "every log_every steps; 0 for none",
        "reading",
        Bounds(0, 10_000),
    )
    monitor: str = setting(
        "loss",
        "what best.pt minimizes: the 'loss' on held-out words, or the errors in 'reading'",
        "reading",
        choices=("loss", "reading"),
        was="best_by",
    )
    monitor_start: float = setting(
        0.0,
        "fraction of the steps after which best.pt is chosen; "
        "until then best.pt is the newest model",
        "reading",
        FRACTION,
        was="best_from",
    )

    # Tracking
    wandb: str = setting(
        "auto",
        "Weights & Biases: 'auto' is online if there is a key or login, and otherwise off",
        "tracking",
        choices=("auto", "online", "offline", "off"),
        everyday=True,
    )
    wandb_entity: str = setting("", "W&B user or team", "tracking")
    wandb_project: str = setting("cursivetransformer", "W&B project", "tracking")
    wandb_run_name: str = setting(
        "",
        "name of the run, here and on W&B; empty makes one of bank and time",
        "tracking",
        everyday=True,
    )
    wandb_api_key: str = setting(
        "", "W&B key; never written to any file of a run", "tracking", secret=True
    )
    load_from_run_id: str = setting("", "continue the run with this W&B id", "tracking")


@dataclass
class RecognizerTrainingConfig(Settings):
    """The settings of training the two recognizers of a bank."""

    dataset_name: str = same_setting(Config, "dataset_name")
    strict: bool = same_setting(Config, "strict")
    test_fraction: float = same_setting(Config, "test_fraction")
    ink_scale: float = same_setting(Config, "ink_scale")
    finetune: str = setting(
        "",
        "adapt recognizers to the bank's hand: 'base', those that ship, or a folder of two; "
        "settings that are not given are chosen from the bank",
        "training",
        aliases={"none": "", "no": ""},
        was="init",
        everyday=True,
    )
    hands: str = same_setting(Config, "hands")
    start_from: str = setting(
        "",
        "folder of two recognizers to initialize the weights from, like data/recognizers/starter; "
        "their characters are used too",
        "training",
    )
    replay: str = same_setting(Config, "replay")
    own_fraction: float = same_setting(Config, "own_fraction")
    synthetic_words: int = setting(
        0,
        "number of synthetic words to train on besides the bank's; 0 for none",
        "hands",
        Bounds(0, 50_000),
        was="pen_words",
    )
    synthetic_named_fraction: float = same_setting(Config, "synthetic_named_fraction")
    synthetic_fonts: str = same_setting(Config, "synthetic_fonts")
    max_steps: int = setting(
        700, "number of optimizer steps of each recognizer", "training", STEPS, everyday=True
    )
    batch_size: int = setting(32, "examples per step", "training", Bounds(1, 256), everyday=True)
    learning_rate: float = setting(
        4e-3, "learning rate of AdamW", "training", Bounds(0, 1, above=True)
    )
    device: str = same_setting(Config, "device", group="training")
    threads: int = same_setting(Config, "threads", group="training")
    seed: int = same_setting(Config, "seed", group="training")
    recognizer_dir: str = same_setting(Config, "recognizer_dir", group="output")
    out: str = setting(
        "",
        "folder for the two recognizers; empty takes one named after the bank in recognizer_dir",
        "output",
        everyday=True,
    )


# What each preset changes of the defaults above.
PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {},
    # There writing samples takes longer than the steps between.
    "gpu": dict(batch_size=64, max_steps=5000, log_every=1000),
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


def get_all_args(
    use_argparse: bool = True, argv: Sequence[str] | None = None, **overrides: Any
) -> Config:
    """Return the checked settings of training a model.

    In a notebook call `get_all_args(use_argparse=False, max_steps=100)`.

    Args:
        use_argparse: Read a command line; otherwise take only `overrides`.
        argv: Words of the command line; None takes those of the process.
        overrides: Settings by name. They win over the command line, the command line over the
            preset, and the preset over the defaults.

    Raises:
        UserError: A setting is unknown, or a value does not fit.
    """
    given = read_values(Config, TRAIN, use_argparse, argv, overrides)
    device = resolve_device(given.get("device", Config.device))
    preset = given.get("preset", Config.preset)
    if preset == "auto":
        preset = "gpu" if device.startswith("cuda") else "cpu"
    values = {**PRESETS[preset], **given, "preset": preset, "device": device}
    config = Config(**values, explicit=frozenset(given))
    check_config(config)
    # Not for a copy, because a model that a GPU trained is measured on other devices too.
    _check_step_memory(config)
    return config


def get_recognizer_args(
    use_argparse: bool = True, argv: Sequence[str] | None = None, **overrides: Any
) -> RecognizerTrainingConfig:
    """Return the checked settings of training recognizers; see `get_all_args`."""
    config = read_settings(
        RecognizerTrainingConfig, TRAIN_RECOGNIZER, use_argparse, argv, overrides
    )
    check_recognizer_config(config)
    return config


def replace(config: Config, **changes: Any) -> Config:
    """Return a checked copy of `config` with `changes`. Raises `UserError`."""
    copy = dataclasses.replace(config, **changes)
    check_config(copy)
    return copy


def check_config(config: Config) -> None:
    """Check the settings of training a model, each and together. Raises `UserError`."""
    check_bounds(config)
    mean, half_width = config.downsample_mean, config.downsample_width / 2
    require(
        config,
        {
            "min_words": (
                config.min_words <= config.num_words,
                f"at most --num_words ({config.num_words})",
            ),
            "downsample_mean": (
                0 <= mean - half_width and mean + half_width < 1,
                "such that mean +- width / 2 stays in [0, 1)",
            ),
            "splice_fraction": (
                config.splice_fraction <= 1 - config.own_fraction,
                "at most what --own_fraction leaves of 1",
            ),
            "monitor": (
                config.monitor == "loss" or config.read_words > 0,
                "'loss' where --read_words is 0",
            ),
            **_head_rules(config),
            "finetune": _finetune_rule(config),
        },
    )
    _check_n_weights(config)
    sources = [
        name
        for name in ("resume", "local_checkpoint_path", "load_from_run_id")
        if getattr(config, name)
    ]
    if len(sources) > 1:
        raise UserError(
            f"--{sources[0]} and --{sources[1]} both say what to continue; give one of them"
        )


def _check_n_weights(config: Config) -> None:
    """Raise `UserError` for a model that is far too large."""
    width, text_width = config.n_embd, config.n_embd_context
    block = 14 * width**2 + 2 * width * text_width  # two attentions and a feed-forward layer
    n_weights = config.n_layer * block + 5 * text_width**2
    if n_weights > MAX_WEIGHTS:
        raise UserError(
            f"a model of --n_layer {config.n_layer}, --n_embd {width} and --n_embd_context "
            f"{text_width} has about {n_weights:,} weights; take smaller numbers, for at most "
            f"{MAX_WEIGHTS:,}"
        )


def _check_step_memory(config: Config) -> None:
    """Raise `UserError` where a step takes more memory than devices of its kind have."""
    n_values = config.batch_size * config.max_seq_length * config.n_layer * config.n_embd
    limit = MAX_STEP_MEMORY[config.device.partition(":")[0]]
    if STEP_BYTES * n_values > limit:
        raise UserError(
            f"a step of --batch_size {config.batch_size}, --max_seq_length "
            f"{config.max_seq_length}, --n_layer {config.n_layer} and --n_embd {config.n_embd} "
            f"takes up to {STEP_BYTES * n_values / 1e9:.1f} GB of memory; take smaller numbers, "
            f"for at most {limit / 1e9:g} GB on {config.device}"
        )


def check_recognizer_config(config: RecognizerTrainingConfig) -> None:
    """Check that the settings of training recognizers can work together. Raises `UserError`."""
    require(config, {"finetune": _finetune_rule(config)})


def _head_rules(config: Config) -> dict[str, Rule]:
    def has_even_head_size(n_heads: int) -> bool:
        return config.model == "token" or (config.n_embd // n_heads) % 2 == 0

    return {
        "n_embd": (
            config.n_embd % config.n_head == 0 and config.n_embd % config.n_ctx_head == 0,
            f"a multiple of --n_head ({config.n_head}) and of --n_ctx_head ({config.n_ctx_head})",
        ),
        "n_head": (
            has_even_head_size(config.n_head),
            "such that n_embd / n_head is even, for rotary positions",
        ),
        "n_ctx_head": (
            has_even_head_size(config.n_ctx_head),
            "such that n_embd / n_ctx_head is even, for rotary positions",
        ),
    }


def _finetune_rule(config: Config | RecognizerTrainingConfig) -> Rule:
    return (
        not config.finetune or "start_from" not in config.explicit,
        "left out where --start_from says what to begin with",
    )
