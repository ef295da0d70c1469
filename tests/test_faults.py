"""The short form of `python -m benchmarks.faults`: what goes wrong ends in a sentence."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CASES = {
    "bank,checkpoint,recognizer": 40,
    "resumed checkpoint,settings,kills,flags": 8,
}


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")
@pytest.mark.parametrize("parts", CASES)
def test_all_that_is_tried_holds(parts):
    command = [sys.executable, "-m", "benchmarks.faults", "--only", parts]
    result = subprocess.run(
        [*command, "--cases", str(CASES[parts])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \| (\d+) \|", result.stdout, re.MULTILINE)
    assert {name for name, *_ in rows} == set(parts.split(","))
    assert {(tried, held) for _, tried, held in rows} == {(str(CASES[parts]),) * 2}
