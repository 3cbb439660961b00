"""`make` finds a Python it can use, or says what to install."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is absent")


def make(*arguments, path):
    tools = [str(Path(shutil.which(name)).parent) for name in ("make", "sh")]
    return subprocess.run(
        ["make", *map(str, arguments)],
        cwd=ROOT,
        env={"PATH": ":".join([str(path), *dict.fromkeys(tools)])},
        capture_output=True,
        text=True,
    )


def command(folder, name, code):
    (folder / name).write_text(f"#!/bin/sh\nexit {code}\n")
    (folder / name).chmod(0o755)


def test_the_newest_python_that_runs_is_taken(tmp_path):
    command(tmp_path, "python3.13", 127)  # as a version manager answers that has no 3.13
    command(tmp_path, "python3.12", 0)
    command(tmp_path, "python3.11", 0)
    shown = make("-n", "environment", f"VENV={tmp_path}/venv", path=tmp_path)
    assert f"python3.12 -m venv {tmp_path}/venv" in shown.stdout


def test_one_sentence_says_what_to_install_where_there_is_none(tmp_path):
    for name in ("python3.13", "python3.12", "python3.11", "python3"):
        command(tmp_path, name, 1)
    refused = make("environment", f"VENV={tmp_path}/venv", path=tmp_path)
    assert refused.returncode == 2
    assert "needs Python 3.11, 3.12 or 3.13, and none is on the path: install one" in refused.stderr
    assert "make PYTHON=/path/to/python3" in refused.stderr


def test_make_tells_how_to_activate():
    shown = make("-n", "bench", path=ROOT)
    assert ". .venv/bin/activate" in shown.stdout


def test_slow_tests_are_left_out_by_hand_alone():
    assert "-m 'not slow'" in make("-n", "test", path=ROOT).stdout
    assert "slow" not in make("-n", "test-all", path=ROOT).stdout
    assert "make test-all" in (ROOT / ".ci" / "run").read_text()
