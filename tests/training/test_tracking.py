"""Where a run's record goes.

W&B runs in its offline mode, and what it wrote is read back from its own file.
"""

import json
import math
import shutil
import socket
import struct
import sys
import time

import pytest

from cursivetransformer.config.train import get_all_args
from cursivetransformer.models.checkpoint import load_checkpoint
from cursivetransformer.training import run as runs
from cursivetransformer.training import tracking
from cursivetransformer.training.run import train
from cursivetransformer.training.tracking import Tracker, has_wandb_key
from cursivetransformer.utils.errors import UserError
from tests.training.test_trainer import SMALL

pytest.importorskip("wandb")
from wandb.proto import wandb_internal_pb2  # noqa: E402

BLOCK, RECORD_HEAD, FULL, LAST = (
    32768,
    7,
    1,
    4,
)  # of the LevelDB log format, which W&B's files have after 7 bytes


def wandb_records(path):
    """The records of an offline run."""
    data, at, whole = path.read_bytes(), RECORD_HEAD, b""
    while at < len(data):
        if BLOCK - at % BLOCK < RECORD_HEAD:
            at += BLOCK - at % BLOCK
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + RECORD_HEAD])
        whole += data[at + RECORD_HEAD : at + RECORD_HEAD + length]
        at += RECORD_HEAD + length
        if kind in (FULL, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def history(records):
    return [
        {item.key or item.nested_key[0]: json.loads(item.value_json) for item in r.history.item}
        for r in records
        if r.WhichOneof("record_type") == "history"
    ]


@pytest.fixture
def no_login(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_MODE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def settings(made_up_bank, tmp_path, **changes):
    return get_all_args(
        use_argparse=False,
        **{
            **SMALL,
            "dataset_name": str(made_up_bank),
            "run_dir": str(tmp_path / "runs"),
            "wandb_run_name": "a",
            "max_steps": 8,
            **changes,
        },
    )


def test_an_offline_run_holds_figures_pictures_settings_and_the_checkpoint(
    no_login, made_up_bank, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        sys, "argv", ["train.py", "--wandb_api_key", "sesame"]
    )  # W&B keeps the command line, if it may
    train(
        settings(
            made_up_bank, tmp_path, wandb="offline", wandb_project="hands", wandb_api_key="sesame"
        )
    )
    path = next((tmp_path / "runs" / "a" / "wandb").glob("offline-run-*/*.wandb"))
    records = list(wandb_records(path))
    run = next(r.run for r in records if r.WhichOneof("record_type") == "run")
    assert (run.project, run.display_name) == ("hands", "a")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["n_layer"] == 1 and config["max_steps"] == 8 and "wandb_api_key" not in config
    logged = {row["_step"]: row for row in history(records)}
    written = [
        json.loads(line)
        for line in (tmp_path / "runs" / "a" / "metrics.jsonl").read_text().splitlines()
    ]
    assert set(logged) == {4, 8}
    for row in written:
        assert logged[row["step"]]["test_loss"] == pytest.approx(row["test_loss"])
        assert {"train_loss", "learning_rate_factor", "tokens_per_second"} <= set(
            logged[row["step"]]
        )
    assert any("samples" in row for row in logged.values())
    assert any(path.suffix == ".png" for path in (path.parent / "files").rglob("*"))
    saved = load_checkpoint(tmp_path / "runs" / "a" / "last.pt")
    artifacts = [r.artifact for r in records if r.WhichOneof("record_type") == "artifact"]
    assert (
        artifacts
        and artifacts[-1].name == tracking.artifact_name(saved.training["wandb_id"])
        and artifacts[-1].type == "model"
    )
    for file in (tmp_path / "runs").rglob("*"):
        assert not file.is_file() or b"sesame" not in file.read_bytes(), file


def test_a_run_is_resumed_from_its_id_alone_here_or_from_its_artifact(
    no_login, made_up_bank, tmp_path, monkeypatch
):
    config = settings(made_up_bank, tmp_path, wandb="offline", max_steps=4)
    train(config)
    run_id = load_checkpoint(tmp_path / "runs" / "a" / "last.pt").training["wandb_id"]
    common = dict(device="cpu", load_from_run_id=run_id)
    train(get_all_args(use_argparse=False, run_dir=config.run_dir, max_steps=8, **common))
    assert load_checkpoint(tmp_path / "runs" / "a" / "last.pt").training["step"] == 8

    # There is no local run, so the artifact is fetched: a stand-in for the service returns what was
    # logged above.
    class Api:
        def artifact(self, name, type):
            assert (name, type) == (
                f"me/{config.wandb_project}/{tracking.artifact_name(run_id)}:latest",
                "model",
            )
            return self

        def download(self, root):
            shutil.copytree(tmp_path / "runs" / "a", root)
            return root

    import wandb

    monkeypatch.setattr(wandb, "Api", Api)
    elsewhere = str(tmp_path / "elsewhere")
    train(
        get_all_args(
            use_argparse=False, run_dir=elsewhere, max_steps=12, wandb_entity="me", **common
        )
    )
    assert (
        load_checkpoint(tmp_path / "elsewhere" / f"fetched-{run_id}" / "last.pt").training["step"]
        == 12
    )
    monkeypatch.setattr(Api, "artifact", lambda self, name, type: 1 / 0)
    with pytest.raises(UserError, match="no run here has the W&B id 'zzz'"):
        train(
            get_all_args(
                use_argparse=False, run_dir=elsewhere, device="cpu", load_from_run_id="zzz"
            )
        )


def test_without_key_and_flag_one_line_says_so_and_training_goes_on(
    no_login, made_up_bank, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(runs, "draw_samples", lambda model, dataset, path: path.write_bytes(b""))
    train(settings(made_up_bank, tmp_path, wandb="auto", max_steps=4))
    assert capsys.readouterr().out.count("W&B: off (no key and no login") == 1


def test_where_a_key_is_found(no_login, made_up_bank, tmp_path, monkeypatch):
    config = settings(made_up_bank, tmp_path)
    assert not has_wandb_key(config)
    assert has_wandb_key(settings(made_up_bank, tmp_path, wandb_api_key="k"))
    (tmp_path / ".netrc").write_text("machine api.wandb.ai login user password k\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert has_wandb_key(config)
    (tmp_path / ".netrc").unlink()
    monkeypatch.setenv("WANDB_API_KEY", "k")
    assert has_wandb_key(config)


def test_losing_wandb_never_stops_a_run(no_login, made_up_bank, tmp_path, capsys, monkeypatch):
    import wandb

    config = settings(made_up_bank, tmp_path, wandb="online")
    real_init = wandb.init

    def unreachable(mode, **options):
        if mode == "online":
            raise wandb.errors.CommError("no route to host\nand more")
        return real_init(mode=mode, **options)

    monkeypatch.setattr(wandb, "init", unreachable)
    monkeypatch.setattr(tracking, "_is_reached", lambda url: True)
    tracker = Tracker(tmp_path / "runs" / "b", config)
    tracker.log(1, {"loss": 1.0})
    monkeypatch.setattr(type(tracker.wandb.run), "log", lambda *a, **k: 1 / 0)
    tracker.log(2, {"loss": 0.5})
    tracker.log(3, {"loss": math.nan, "other": 1.0})
    tracker.finish()
    out = capsys.readouterr().out
    assert (
        out.count("not reached (no route to host); keeping this run offline") == 1
        and out.count("gave up") == 1
    )
    assert [json.loads(line) for line in tracker.metrics_path.read_text().splitlines()] == [
        {"step": 1, "loss": 1.0},
        {"step": 2, "loss": 0.5},
        {"step": 3, "other": 1.0},
    ]
    monkeypatch.setattr(wandb, "init", lambda **options: 1 / 0)
    assert Tracker(tmp_path / "runs" / "c", config).wandb_id is None
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert Tracker(tmp_path / "runs" / "d", config).wandb_id is None
    assert "wandb is not installed" in capsys.readouterr().out


def test_a_server_that_never_answers_is_soon_given_up(monkeypatch):
    monkeypatch.setattr(tracking, "REACH_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        start = time.monotonic()
        assert not tracking._is_reached(f"http://127.0.0.1:{server.getsockname()[1]}")
        assert time.monotonic() - start < 2


def test_a_resumed_run_drops_the_figures_it_will_repeat(no_login, made_up_bank, tmp_path):
    config = settings(made_up_bank, tmp_path)
    tracker = Tracker(tmp_path / "a", config)
    for step in (1, 2, 3):
        tracker.log(step, {"loss": 1.0})
    with open(tracker.metrics_path, "a") as file:
        file.write('{"step": 4, "lo')  # a crash
    Tracker(tmp_path / "a", config, first_step=2)
    assert [json.loads(line)["step"] for line in tracker.metrics_path.read_text().splitlines()] == [
        1,
        2,
    ]
