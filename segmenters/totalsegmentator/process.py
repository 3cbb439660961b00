"""TotalSegmentator in a process of its own: a crash, an exit, a kill or a time-out ends that process and no more.

The parent calls `run`; ``python -m segmenters.totalsegmentator.process`` is the child, which reads its request from
standard input. It gets a home folder of its own, so that parallel scans do not write the same configuration
file, and in that usage statistics are off.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

REASON_LENGTH = 400


class ProcessError(Exception):
    """The child did not finish; the message says how it ended."""


def run(request: dict[str, Any], timeout_s: float) -> None:
    """Do one request (`action` is ``segment`` or ``fetch``) in a child process. Raises `ProcessError`.

    ``segment`` takes ``image`` and ``out`` (NIfTI files), ``task``, ``structures`` (or None), ``device``; ``fetch``
    takes the dataset's ``number``. Both take the folder ``weights`` and the ``licence``.
    """
    with tempfile.TemporaryDirectory(prefix="cacbench-") as folder, open(f"{folder}/log", "w+b") as log:
        home = Path(folder, "home")
        home.mkdir(mode=0o700)
        (home / "config.json").write_text(json.dumps(_configuration(request["licence"])))
        child = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={
                **os.environ,
                "TOTALSEG_HOME_DIR": str(home),
                "TOTALSEG_WEIGHTS_PATH": request["weights"],
                "TMPDIR": folder,
            },
        )
        content = json.dumps({key: value for key, value in request.items() if key != "licence"})
        try:
            child.communicate(content.encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise ProcessError(f"it took longer than {timeout_s / 60:g} minutes and was ended") from None
        finally:
            _end(child)
        if child.returncode:
            log.seek(0)
            said = log.read().decode(errors="replace").replace(folder, "…")
            raise ProcessError(_how_it_ended(child.returncode, said))


def _configuration(licence: str) -> dict[str, Any]:
    return {
        "totalseg_id": "totalseg_cacbench",
        "send_usage_stats": False,
        "statistics_disclaimer_shown": True,
        "prediction_counter": 0,
        **({"license_number": licence} if licence else {}),
    }


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and the processes that it started: they are a process group of their own."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _how_it_ended(code: int, said: str) -> str:
    lines = [" ".join(line.split()) for line in said.replace("\r", "\n").splitlines()]
    text = " ".join(line for line in lines if line)[-REASON_LENGTH:]
    if code < 0:
        name = signal.Signals(-code).name
        why = " (out of memory?)" if name == "SIGKILL" else ""
        return f"it was ended by {name}{why}{': ' + text if text else ''}"
    return f"it ended with exit code {code}: {text or 'without a word'}"


def _main() -> None:
    request = json.load(sys.stdin)
    _die_with_parent(os.getppid())
    try:
        {"segment": _segment, "fetch": _fetch}[request.pop("action")](request)
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)


def _segment(request: dict[str, Any]) -> None:
    import multiprocessing

    import torch

    _repair_torchvision()
    from totalsegmentator import python_api

    if request["device"] == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("device is cuda, but torch sees no GPU; set `device: cpu`")
    # Weights are fetched by `cacbench weights --fetch` alone; a missing file then fails with its name.
    python_api.download_pretrained_weights = lambda task_id: None
    # TotalSegmentator takes all cores of the machine; this process was allotted some of them.
    allotted = int(os.environ.get("OMP_NUM_THREADS") or multiprocessing.cpu_count())
    multiprocessing.cpu_count = lambda: allotted
    python_api.totalsegmentator(
        request["image"],
        request["out"],
        ml=True,
        nr_thr_resamp=1,
        nr_thr_saving=1,
        task=request["task"],
        roi_subset=request["structures"],
        quiet=True,
        device="gpu" if request["device"] == "cuda" else "cpu",
    )


def _fetch(request: dict[str, Any]) -> None:
    from totalsegmentator.libs import download_pretrained_weights

    download_pretrained_weights(request["number"])


def _die_with_parent(parent: int) -> None:
    """End this process group once the parent is gone, so that no orphan keeps a GPU busy."""
    import threading
    import time

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(2)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _repair_torchvision() -> None:
    """Make torchvision importable where its build does not fit torch: nnU-Net imports it in every process."""
    from benchmark.networks.torchvision_repair import import_torchvision

    import_torchvision()


if __name__ == "__mp_main__":  # a process that nnU-Net spawned imports this module first
    _repair_torchvision()
if __name__ == "__main__":
    _main()
