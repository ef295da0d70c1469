"""Tests of the settings of training."""

import dataclasses

import pytest

from cursivetransformer.config.args import public_values, setting_fields
from cursivetransformer.config.sample import SampleConfig
from cursivetransformer.config.train import (
    Config,
    get_all_args,
    get_recognizer_args,
    replace,
)
from cursivetransformer.utils.errors import UserError

KNOWN_NAMES = """
    dataset_name wandb_entity wandb_project wandb_run_name wandb_api_key load_from_run_id
    local_checkpoint_path max_steps print_every log_every lr_decay step_lr_every device seed
    n_layer n_embd n_embd_context n_ctx_head learning_rate weight_decay batch_size train_size
    test_size num_words max_seq_length augment downsample_mean downsample_width alphabet
""".split()


def read(*argv):
    return get_all_args(argv=["--device", "cpu", *argv])


def test_the_names_that_users_of_the_method_know_are_there():
    assert not set(KNOWN_NAMES) - {field.name for field in dataclasses.fields(Config)}


@pytest.mark.parametrize("cls", [Config, SampleConfig])
def test_every_setting_says_what_it_is_and_its_group(cls):
    for field in setting_fields(cls):
        assert field.metadata["help"] and field.metadata["group"], field.name
        assert isinstance(field.default, field.type), field.name


def test_hyphens_stand_for_underscores_and_booleans_switch_off():
    config = read(
        "--max-steps", "7", "--no-augment", "--learning-rate=0.5", "--dataset-name", "a-b"
    )
    assert (config.max_steps, config.augment, config.learning_rate, config.dataset_name) == (
        7,
        False,
        0.5,
        "a-b",
    )
    assert config.explicit == {"device", "max_steps", "augment", "learning_rate", "dataset_name"}


def test_a_notebook_gets_the_same_object():
    assert get_all_args(use_argparse=False, device="cpu", max_steps=7, augment=False) == read(
        "--max_steps", "7", "--no-augment"
    )


def test_the_paper_preset_is_the_published_recipe():
    c = read("--preset", "paper")
    assert (
        c.n_layer,
        c.n_embd,
        c.n_head,
        c.max_seq_length,
        c.num_words,
        c.min_words,
        c.batch_size,
    ) == (5, 64, 4, 1050, 4, 4, 32)
    assert (
        c.optimizer,
        c.learning_rate,
        c.lr_decay,
        c.step_lr_every,
        c.weight_decay,
        c.max_steps,
    ) == ("adamw", 1e-2, 0.5, 20_000, 1e-4, 125_000)
    assert (
        c.downsample_mean - c.downsample_width / 2,
        c.downsample_mean + c.downsample_width / 2,
    ) == pytest.approx((0.6, 0.7))


def test_what_is_given_wins_over_the_preset():
    assert read("--preset", "paper", "--n_layer", "2").n_layer == 2
    assert read().preset == "cpu"


@pytest.mark.parametrize(
    "argv, sentence",
    [
        (["--max_stepz", "5"], "did you mean --max_steps"),
        (["--whatever=5"], "there is no setting --whatever"),
        (["a.json", "b"], "'b' is not expected here; join several banks by commas: .* a.json,b"),
        (["a.json", "--dataset_name", "b"], "with and without its flag"),
        (["--max_steps", "2.5"], "takes a whole number"),
        (["--max_steps", "0"], "--max_steps takes a whole number between 1"),
        (["--max_steps"], "expected one argument"),
        (["--learning_rate", "fast"], "takes a number"),
        (["--learning_rate", "nan"], "--learning_rate takes a number above 0"),
        (["--preset", "papre"], "takes one of auto, cpu, gpu, paper"),
        (["--n_embd", "97"], "multiple of --n_head"),
        (["--n_ctx_head", "5"], "multiple of --n_head"),
        (["--n_embd", "9", "--n_head", "3"], "even, for rotary"),
        (["--max_seq_length", "20"], "--max_seq_length takes a whole number between 64"),
        (["--min_words", "3"], "at most --num_words"),
        (["--downsample_mean", "0.99"], "stays in"),
        (["--test_fraction", "1"], "--test_fraction takes a number above 0"),
        (["--device", "tpu"], "--device takes"),
        (["--device", "cuda:x"], "--device takes"),
        (["--resume", "a", "--load_from_run_id", "b"], "both say what to continue"),
        (
            ["--n_embd", "3072"],
            "has about 530,.* weights; take smaller numbers, for at most 50,000",
        ),
        (["--batch_size", "1024"], "takes up to 12.6 GB .* for at most 2.5 GB on cpu"),
        (["--num_words", "1000000000"], "--num_words takes a whole number between 1 and 64"),
        (["--batch_size", "99999999999999999999x"], "takes a whole number"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_one_sentence(argv, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        read(*argv)
    assert "\n" not in str(caught.value)


def test_a_bank_needs_no_flag():
    assert read("mine.json", "--max_steps", "5").dataset_name == "mine.json"
    assert read("--dataset_name", "mine.json").dataset_name == "mine.json"
    assert get_recognizer_args(argv=["mine.json"]).dataset_name == "mine.json"


def test_unknown_names_are_refused_in_a_notebook_too():
    with pytest.raises(UserError, match="did you mean --max_steps"):
        get_all_args(use_argparse=False, max_step=3)
    with pytest.raises(UserError, match="takes true or false"):
        get_all_args(use_argparse=False, augment="yes")


def test_help_lists_every_setting(capsys):
    with pytest.raises(SystemExit) as ended:
        get_all_args(argv=["--help-all"])
    out = capsys.readouterr().out
    assert ended.value.code == 0 and all(f"--{name}" in out for name in KNOWN_NAMES)


def test_the_key_is_kept_out_of_what_may_be_shown():
    assert "sesame" not in str(public_values(read("--wandb_api_key", "sesame")))


def test_two_starts_contradict_each_other():
    for get in (get_all_args, get_recognizer_args):
        with pytest.raises(UserError, match="--finetune must be left out where --start_from"):
            get(argv=["--device", "cpu", "--finetune", "base", "--start_from", "a.pt"])


def test_a_copy_is_checked_and_keeps_what_was_given():
    config = read("--max_steps", "7")
    assert replace(config, max_steps=9).explicit == config.explicit
    with pytest.raises(UserError, match="--max_steps takes a whole number between 1"):
        replace(config, max_steps=0)


@pytest.mark.parametrize(
    "argv, sentence",
    [
        (["--max_steps", "0"], "--max_steps takes a whole number between 1"),
        (["--learning_rate", "2"], "--learning_rate takes a number above 0 and at most 1"),
        (["--test_fraction", "0"], "--test_fraction takes a number above 0"),
        (["--own_fraction", "2"], "--own_fraction takes a number between 0 and 1"),
        (["--ink_scale", "0"], "--ink_scale takes a number between 0.01 and 100"),
        (["--synthetic_words", "-1"], "--synthetic_words takes a whole number between 0"),
    ],
)
def test_settings_of_recognizers_are_checked(argv, sentence):
    with pytest.raises(UserError, match=sentence):
        get_recognizer_args(argv=["--device", "cpu", *argv])
