"""What a result was made with: versions, commit, machine. No user name, no path."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

_NAMED = (
    "cacbench",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "xgboost-cpu",
    "xgboost",
    "lightgbm",
    "SimpleITK",
    "pyradiomics-bhklab",
    "torch",
    "monai",
    "timm",
    "mlflow",
)


def versions() -> dict[str, str]:
    """Return Python's version and those of the libraries that make the numbers."""
    library_versions = {"python": platform.python_version()}
    for name in _NAMED:
        try:
            library_versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return library_versions


def machine() -> dict[str, str]:
    """Return the operating system, the processor and the number of cores."""
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
    }


def peak_memory_mb() -> float:
    """Return the most memory that this program has held, in MB; of a child process not what its parent held before."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource

    unit = 1e6 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def all_packages() -> list[str]:
    """Return every installed distribution as ``name==version``, as a requirements file has it."""
    return sorted({f"{item.metadata['Name']}=={item.version}" for item in distributions()}, key=str.lower)


def git_commit() -> str:
    """Return the commit the code was at, with ``-dirty`` after it where files differ; empty outside its checkout."""
    here = Path(__file__).resolve()
    try:
        _git(
            here.parent, "ls-files", "--error-unmatch", here.name
        )  # installed inside another project's checkout
        return _git(here.parent, "describe", "--always", "--abbrev=40", "--dirty")
    except (OSError, subprocess.SubprocessError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
