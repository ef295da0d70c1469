"""paperspace.sh, on a machine whose commands only note how they were called."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REAL_COMMANDS = ("bash", "touch", "id", "seq", "sed", "dirname", "mkdir", "env", "cat")
NVIDIA_SMI = 'case "$*" in *query*) echo "Card, 560.35";; *) echo "| CUDA Version: 12.6 |";; esac'
# Whether torch sees a card depends on the build that pip installed last.
PYTHON = """case "$*" in
    *is_available*) [ -e "$SEEN" ];;
    *get_device_name*) echo "training on Card";;
    *version.cuda*) echo "${BUILT:-130}";;
esac"""
PIP = """echo "pip $*" >> "$CALLS"
case "$*" in *"/cu$SEEING_BUILD") touch "$SEEN";; esac"""


class Machine:
    """A folder with the script, and the commands that it finds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.commands = folder, folder / "bin"
        self.calls = folder / "calls"
        self.calls.write_text("")
        self.commands.mkdir()
        (folder / ".venv" / "bin").mkdir(parents=True)
        for name in ("paperspace.sh", "requirements.txt"):
            shutil.copy(ROOT / name, folder)
        for name in REAL_COMMANDS:
            (self.commands / name).symlink_to(shutil.which(name))
        self.add("nvidia-smi", NVIDIA_SMI)
        self.add("apt-get", 'echo "$DEBIAN_FRONTEND apt-get $*" >> "$CALLS"')
        self.add("sudo", 'exec "$@"')
        self.add("sleep", ":")
        self.add("tmux", '[ "$1" = new-session ] && echo "tmux $*" >> "$CALLS"')
        self.add("python3", "exit ${HEADERS:-0}")
        self.add("../.venv/bin/python", PYTHON)
        self.add("../.venv/bin/pip", PIP)

    def add(self, name: str, script: str) -> None:
        path = self.commands / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.commands / "bash", "paperspace.sh", *arguments],
            cwd=self.folder,
            env={
                "PATH": str(self.commands),
                "HOME": os.environ["HOME"],
                "CALLS": str(self.calls),
                "SEEN": str(self.folder / "seen"),
                "SEEING_BUILD": "none",
                **environment,
            },
            capture_output=True,
            text=True,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_installs_what_compiling_needs_and_trains_on_one_card(machine: Machine) -> None:
    (machine.folder / "seen").touch()
    result = machine.run("--dataset_name", "my bank.json")
    assert result.returncode == 0, result.stderr
    calls = machine.calls.read_text().splitlines()
    assert calls[0] == "noninteractive apt-get -o DPkg::Lock::Timeout=900 update"
    assert calls[1].endswith("install -y build-essential")
    assert (
        "new-session -d -s cursive .venv/bin/python train.py --dataset_name my\\ bank.json"
        in (calls[-1])
    )
    assert not any("--index-url" in call for call in calls)
    result = machine.run(CARDS="2")
    assert "torchrun --standalone --nproc_per_node=2 train.py" in machine.calls.read_text()


def test_it_waits_while_the_machine_updates_itself(machine: Machine) -> None:
    (machine.folder / "seen").touch()
    machine.add("apt-get", 'echo apt-get >> "$CALLS"; [ "$(cat "$CALLS")" != apt-get ]')
    result = machine.run()
    assert result.returncode == 0 and "once more in 10 seconds" in result.stdout


def test_an_older_build_is_taken_for_an_older_driver(machine: Machine) -> None:
    result = machine.run(SEEING_BUILD="124")
    assert result.returncode == 0 and "training on Card" in result.stdout
    tried = [line for line in machine.calls.read_text().splitlines() if "--index-url" in line]
    assert [line[-5:] for line in tried] == ["cu126", "cu124"], "none newer than the driver"
    assert all("torch==2" in line for line in tried)


def test_a_card_that_torch_cannot_use_is_told(machine: Machine) -> None:
    result = machine.run()
    assert result.returncode == 1 and "tmux" not in machine.calls.read_text()
    assert "torch sees none. The driver is for CUDA 12.6" in result.stderr
    # With a driver that is new enough no other build helps.
    machine.calls.write_text("")
    result = machine.run(BUILT="126", CUDA_VISIBLE_DEVICES="7")
    assert result.returncode == 1 and "CUDA_VISIBLE_DEVICES (7)" in result.stderr
    assert "--index-url" not in machine.calls.read_text()
