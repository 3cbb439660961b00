"""A study's tables on other processors: the same bytes where BLAS is the same, the same numbers where it is not."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

STUDY = """
name: any_machine
cohort: {use: phantom, zero: 7, nonzero: 7}
segmenters:
  reference: {}
  coronary_130: {use: threshold, within: reference, hu: 130}
extractors:
  radiomics: {segmenter: reference}
  calcium: {use: calcium_volumes, segmenter: coronary_130}
classifiers:
  random_forest: {grid: {n_estimators: [20], max_features: [sqrt, 0.3]}}
  logistic_regression: {}
protocol: {folds: 2, inner_folds: 2}
"""


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Run the study in a process of its own and return the folder of its tables."""

    def run(jobs: int, kernel: str) -> Path:
        folder = tmp_path_factory.mktemp(f"{kernel}{jobs}")
        (folder / "study.yaml").write_text(STUDY)
        command = [sys.executable, "-c", "from benchmark.cli import main; main()", "run", "study.yaml"]
        environment = {"OPENBLAS_CORETYPE": kernel, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run(
            [*command, "--results", "r", "--jobs", str(jobs)],
            cwd=folder,
            env=os.environ | environment,
            check=True,
            capture_output=True,
        )
        return folder / "r" / "any_machine" / "tables"

    return run


@pytest.fixture(scope="module")
def here(tables):
    return tables(2, "Haswell")


def test_the_number_of_processes_and_threads_changes_no_byte(here, tables):
    for file in sorted(tables(1, "Haswell").iterdir()):
        assert (here / file.name).read_bytes() == file.read_bytes(), file.name


def test_other_kernels_change_no_decision_and_no_digit_that_is_shown(here, tables):
    if " avx512f " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no AVX-512: the kernel would crash")
    for file in sorted(tables(2, "SkylakeX").iterdir()):
        try:
            mine, other = pd.read_csv(here / file.name), pd.read_csv(file)
        except pd.errors.EmptyDataError:
            assert (here / file.name).read_bytes() == file.read_bytes(), file.name
            continue
        pd.testing.assert_frame_equal(mine, other, rtol=1e-9, atol=1e-12)
