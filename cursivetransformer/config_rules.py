"""Which values of the settings make sense, alone and together, and which device there is. What the settings are, `config.py` says."""

from cursivetransformer.errors import UserError


def resolve_device(name):
    """"auto" becomes cuda, then mps, then cpu, by what is there; a device that is not there is refused."""
    import torch  # Here, so that reading settings alone stays fast.

    kind, _, index = name.partition(":")
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if there[device])
    if kind not in there or (index and not index.isdigit()):
        raise UserError(f"--device takes auto, cuda, mps or cpu, not {name!r}")
    if not there[kind] or (kind == "cuda" and index and int(index) >= torch.cuda.device_count()):
        raise UserError(f"this machine has no {name} that torch {torch.__version__} can use; leave --device out")
    return name


def check_config(config):
    """Refuse, before any work, settings that cannot work together; raises `UserError`."""
    c = config
    positive = ("max_steps", "batch_size", "train_size", "test_size", "num_words", "min_words", "n_layer", "n_embd",
                "n_head", "n_ctx_head", "n_embd_context", "print_every", "log_every", "pen_every", "step_lr_every")
    require(c, {name: (getattr(c, name) >= 1, "1 or more") for name in positive})
    require(c, {
        "min_words": (c.min_words <= c.num_words, f"at most --num_words ({c.num_words})"),
        "test_share": (0 < c.test_share < 1, "between 0 and 1"),
        "max_seq_length": (c.max_seq_length >= 64, "64 or more: a word takes about 200 tokens"),
        "n_embd": (c.n_embd % c.n_head == 0 and c.n_embd % c.n_ctx_head == 0,
                   f"a multiple of --n_head ({c.n_head}) and of --n_ctx_head ({c.n_ctx_head})"),
        "n_head": (c.model == "token" or (c.n_embd // c.n_head) % 2 == 0, "such that n_embd / n_head is even, for rotary positions"),
        "n_ctx_head": (c.model == "token" or (c.n_embd // c.n_ctx_head) % 2 == 0, "such that n_embd / n_ctx_head is even, for rotary positions"),
        "downsample_mean": (0 <= c.downsample_mean - c.downsample_width / 2 and c.downsample_mean + c.downsample_width / 2 < 1
                            and c.downsample_width >= 0, "such that mean +- width / 2 stays in [0, 1)"),
        "shear_width": (0 <= c.shear_width <= 4, "between 0 and 4"),
        "scale_width": (0 <= c.scale_width < 1, "between 0 and 1"),
        "rotation_width": (0 <= c.rotation_width <= 1, "between 0 and 1 (radians)"),
        "learning_rate": (0 < c.learning_rate < 10, "above 0 and below 10"),
        "muon_learning_rate": (0 < c.muon_learning_rate < 10, "above 0 and below 10"),
        "weight_decay": (0 <= c.weight_decay < 10, "0 or more"),
        "warmup_steps": (c.warmup_steps >= 0, "0 or more"),
        "cooldown_share": (0 <= c.cooldown_share <= 1, "between 0 and 1"),
        "lr_decay": (0 < c.lr_decay <= 1, "above 0 and at most 1"),
        "grad_clip": (c.grad_clip >= 0, "0 or more"),
        "seed": (0 <= c.seed < 2**63, "0 or more"),
        "author_dropout": (0 <= c.author_dropout <= 1, "between 0 and 1"),
        **pen_rules(c),
        "read_words": (c.read_words >= 0, "0 or more"),
        "best_by": (c.best_by == "loss" or c.read_words > 0, "'loss' where --read_words is 0"),
    })
    sources = [name for name in ("resume", "local_checkpoint_path", "load_from_run_id") if getattr(c, name)]
    if len(sources) > 1:
        raise UserError(f"--{sources[0]} and --{sources[1]} both say what to continue; give one of them")


def require(config, rules):
    """Raise `UserError` for the first of {setting: (whether it holds, what it must be)} that does not hold."""
    for name, (holds, what) in rules.items():
        if not holds:
            raise UserError(f"--{name} must be {what}, not {getattr(config, name)}")


def pen_rules(config):
    """Rules of the settings that `fresh_ink.write_fresh` takes, for `require`."""
    return {"pen_words": (config.pen_words >= 0, "0 or more"), "pen_named": (0 <= config.pen_named <= 1, "between 0 and 1")}


def sampling_rules(config):
    """Rules of the settings that `generate.write_rows` takes, for `require`."""
    return {
        "temperature": (config.temperature >= 0, "0 or more"),
        "top_k": (config.top_k >= 0, "0 or more"),
        "top_p": (0 < config.top_p <= 1, "above 0 and at most 1"),
        "seed": (0 <= config.seed < 2**63, "0 or more"),
    }
