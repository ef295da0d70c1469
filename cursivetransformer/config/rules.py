"""Which values of the settings make sense, alone and together, and which device there is. What the settings are, `config.py` says."""

from cursivetransformer.utils.errors import UserError


def resolve_device(name):
    """ "auto" becomes cuda, then mps, then cpu, by what is there; a device that is not there is refused."""
    import torch  # Here, so that reading settings alone stays fast.

    kind, _, index = name.partition(":")
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if there[device])
    if kind not in there or (index and not index.isdigit()):
        raise UserError(f"--device takes auto, cuda, mps or cpu, not {name!r}")
    if not there[kind] or (kind == "cuda" and index and int(index) >= torch.cuda.device_count()):
        raise UserError(
            f"this machine has no {name} that torch {torch.__version__} can use; leave --device out"
        )
    return name


def check_config(config):
    """Refuse, before any work, settings that cannot work together; raises `UserError`."""
    c = config
    positive = (
        "max_steps",
        "batch_size",
        "train_size",
        "test_size",
        "num_words",
        "min_words",
        "n_layer",
        "n_embd",
        "n_head",
        "n_ctx_head",
        "n_embd_context",
        "print_every",
        "log_every",
        "synthetic_interval",
        "step_lr_every",
    )
    require(c, {name: (getattr(c, name) >= 1, "1 or more") for name in positive})
    require(
        c,
        {
            "min_words": (c.min_words <= c.num_words, f"at most --num_words ({c.num_words})"),
            "test_fraction": (0 < c.test_fraction < 1, "between 0 and 1"),
            "max_seq_length": (c.max_seq_length >= 64, "64 or more: a word takes about 200 tokens"),
            "n_embd": (
                c.n_embd % c.n_head == 0 and c.n_embd % c.n_ctx_head == 0,
                f"a multiple of --n_head ({c.n_head}) and of --n_ctx_head ({c.n_ctx_head})",
            ),
            "n_head": (
                c.model == "token" or (c.n_embd // c.n_head) % 2 == 0,
                "such that n_embd / n_head is even, for rotary positions",
            ),
            "n_ctx_head": (
                c.model == "token" or (c.n_embd // c.n_ctx_head) % 2 == 0,
                "such that n_embd / n_ctx_head is even, for rotary positions",
            ),
            "downsample_mean": (
                0 <= c.downsample_mean - c.downsample_width / 2
                and c.downsample_mean + c.downsample_width / 2 < 1
                and c.downsample_width >= 0,
                "such that mean +- width / 2 stays in [0, 1)",
            ),
            "shear_width": (0 <= c.shear_width <= 4, "between 0 and 4"),
            "scale_width": (0 <= c.scale_width < 1, "between 0 and 1"),
            "rotation_width": (0 <= c.rotation_width <= 1, "between 0 and 1 (radians)"),
            "ink_scale": (0.01 <= c.ink_scale <= 100, "between 0.01 and 100"),
            "own_fraction": (0 <= c.own_fraction <= 1, "between 0 and 1"),
            "splice_fraction": (
                0 <= c.splice_fraction <= 1 - c.own_fraction,
                "between 0 and what --own_fraction leaves of 1",
            ),
            "splice_words": (c.splice_words >= 0, "0 or more"),
            "patience": (c.patience >= 0, "0 or more"),
            "learning_rate": (0 < c.learning_rate < 10, "above 0 and below 10"),
            "muon_learning_rate": (0 < c.muon_learning_rate < 10, "above 0 and below 10"),
            "weight_decay": (0 <= c.weight_decay < 10, "0 or more"),
            "warmup_steps": (c.warmup_steps >= 0, "0 or more"),
            "cooldown_fraction": (0 <= c.cooldown_fraction <= 1, "between 0 and 1"),
            "lr_decay": (0 < c.lr_decay <= 1, "above 0 and at most 1"),
            "grad_clip": (c.grad_clip >= 0, "0 or more"),
            "seed": (0 <= c.seed < 2**63, "0 or more"),
            "author_dropout": (0 <= c.author_dropout <= 1, "between 0 and 1"),
            **synthetic_rules(c),
            "read_words": (c.read_words >= 0, "0 or more"),
            "monitor_start": (0 <= c.monitor_start <= 1, "between 0 and 1"),
            "monitor": (c.monitor == "loss" or c.read_words > 0, "'loss' where --read_words is 0"),
        },
    )
    require(
        c,
        {
            "finetune": (
                not c.finetune or "start_from" not in c.explicit,
                "left out where --start_from says what to begin with",
            )
        },
    )
    sources = [
        name for name in ("resume", "local_checkpoint_path", "load_from_run_id") if getattr(c, name)
    ]
    if len(sources) > 1:
        raise UserError(
            f"--{sources[0]} and --{sources[1]} both say what to continue; give one of them"
        )


def require(config, rules):
    """Raise `UserError` for the first of {setting: (whether it holds, what it must be)} that does not hold."""
    for name, (holds, what) in rules.items():
        if not holds:
            raise UserError(f"--{name} must be {what}, not {getattr(config, name)}")


def synthetic_rules(config):
    """Rules of the settings that `fresh_ink.write_fresh` takes, for `require`."""
    return {
        "synthetic_words": (config.synthetic_words >= 0, "0 or more"),
        "synthetic_named_fraction": (0 <= config.synthetic_named_fraction <= 1, "between 0 and 1"),
    }


def sampling_rules(config):
    """Rules of the settings of drawing tokens, for `require`."""
    return {
        "bias": (0 <= config.bias <= 100, "between 0 and 100"),
        "temperature": (config.temperature >= 0, "0 or more"),
        "top_k": (config.top_k >= 0, "0 or more"),
        "top_p": (0 < config.top_p <= 1, "above 0 and at most 1"),
        "seed": (0 <= config.seed < 2**63, "0 or more"),
    }


def page_rules(config):
    """Rules of the settings of a page and of the ink on it, for `require`."""
    c = config
    return {
        "x_height": (
            c.x_height is None or 0.5 <= c.x_height <= 100,
            "between 0.5 and 100 (millimetres)",
        ),
        "line_height": (
            c.line_height is None or 1 <= c.line_height <= 500,
            "between 1 and 500 (millimetres)",
        ),
        "line_width": (
            c.line_width is None or 10 <= c.line_width <= 10_000,
            "between 10 and 10000 (millimetres)",
        ),
        "grid": (1 <= c.grid <= 100, "between 1 and 100 (millimetres)"),
        "indent": (0 <= c.indent <= 1000, "between 0 and 1000 (millimetres)"),
        "paragraph_space": (0 <= c.paragraph_space <= 100, "between 0 and 100 (lines)"),
        "word_space": (0 <= c.word_space <= 100, "between 0 and 100 (x-heights)"),
        "word_space_jitter": (0 <= c.word_space_jitter <= 1, "between 0 and 1"),
        "slope_jitter": (0 <= c.slope_jitter <= 10, "between 0 and 10 (degrees)"),
        "normalize_slant": (0 <= c.normalize_slant <= 1, "between 0 and 1"),
        "smooth": (0 <= c.smooth <= 1, "between 0 and 1"),
        "normalize_size": (0 <= c.normalize_size <= 1, "between 0 and 1"),
        "pen_width": (0.01 <= c.pen_width <= 20, "between 0.01 and 20 (millimetres)"),
        "swell": (0 <= c.swell <= 1, "between 0 and 1"),
        "dpi": (20 <= c.dpi <= 2400, "between 20 and 2400"),
    }


def plotter_rules(config):
    """Rules of the settings of animations and plotters, for `require`."""
    c = config
    return {
        "pace": (0.1 <= c.pace <= 1000, "between 0.1 and 1000 (letters a second)"),
        "gif_width": (16 <= c.gif_width <= 4000, "between 16 and 4000 (pixels)"),
        "fps": (
            1 <= c.fps <= 50,
            "between 1 and 50 (pictures a second)",
        ),  # programs slow down a GIF that is faster
        "feed": (0 < c.feed <= 1e6, "above 0 (millimetres a minute)"),
        "travel_feed": (0 < c.travel_feed <= 1e6, "above 0 (millimetres a minute)"),
    }
