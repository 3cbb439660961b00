"""Scans read, scans made and commands started: against SimpleITK alone, a volume of noise, and the clock."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from benchmark.case import ScanSource
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.images.reading import read_image
from tests.performance.pairs import Row, paired

COMMANDS = {("--help",): "≤ 0.3 s", ("list",): "≤ 1.5 s", ("validate", "runs.yaml"): "≤ 3 s"}


def rows(data: Path) -> Iterator[Row]:
    """Yield a row for a NIfTI, a DICOM series, a phantom and each command."""
    nifti = data / "lung1_001" / "image.nii.gz"
    series = data / "thorax_ct" / "example_ct_dicom"
    limit = "≤ 1.2 times as long"
    times = paired(lambda: read_image(nifti), lambda: sitk.ReadImage(str(nifti)), 5)
    yield Row("a NIfTI of 134 slices", "SimpleITK", limit, *times)
    times = paired(lambda: read_image(series), lambda: _series(series), 5)
    yield Row(f"a DICOM series of {len(list(series.iterdir()))} slices", "SimpleITK", limit, *times)
    source = PhantomCohort(zero=0, nonzero=1).cases()[0].source
    times = paired(partial(rendered, source), partial(_noise, source.load().image.GetSize()), 5)
    yield Row("a phantom of the default study", "a volume of white noise", "≤ 3 times as long", *times)
    for command, goal in COMMANDS.items():
        yield Row(f"cacbench {' '.join(command)}", "–", goal, [_command(command) for _ in range(5)])


def rendered(source: ScanSource) -> list[sitk.Image]:
    """Return image and masks of a scan: a phantom's are rendered where they are looked at."""
    scan = source.load()
    return [scan.image, *scan.masks.values()]


def _noise(size: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(size=size).astype(np.int16)


def _series(folder: Path) -> sitk.Image:
    return sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))


def _command(arguments: Sequence[str]) -> float:
    """Return the CPU seconds of a command, interpreter included."""
    begin = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = (
        f"import sys; from benchmark.cli import main; sys.argv = ['cacbench', *{list(arguments)!r}]; main()"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    return end.ru_utime + end.ru_stime - begin.ru_utime - begin.ru_stime
