"""A study's tables elsewhere: the same bytes where BLAS is the same, the same numbers where it is not.

Elsewhere is another number of processes and threads, hash seed, locale, time zone, folder, and another processor.
"""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.slow

STUDY = """
name: any_machine
cohort: {use: phantom, zero: 5, nonzero: 5}
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


HERE = {
    "PYTHONHASHSEED": "0",
    "LC_ALL": "C",
    "TZ": "UTC",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
ELSEWHERE = {
    "PYTHONHASHSEED": "4242",
    "TZ": "Pacific/Kiritimati",  # where it is tomorrow
    "OMP_NUM_THREADS": "3",
    "OPENBLAS_NUM_THREADS": "3",
}


def comma_locale():
    """A locale with a decimal comma, where the machine has one."""
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True).stdout.split()
    return next((name for name in known if name.startswith(("de_", "fr_", "es_"))), "C.UTF-8")


def tables(folder, jobs, kernel, **environment) -> Path:
    """Run the study in a process of its own, from `folder`; return the folder of its tables."""
    folder.mkdir()
    (folder / "study.yaml").write_text(STUDY)
    command = [sys.executable, "-c", "from benchmark.cli import main; main()", "run", "study.yaml", "--quiet"]
    places = {"OPENBLAS_CORETYPE": kernel, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(
        [*command, "--results", "r", "--jobs", str(jobs)],
        cwd=folder,
        env=os.environ | places | environment,
        check=True,
        capture_output=True,
    )
    return folder / "r" / "any_machine" / "tables"


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    return tables(tmp_path_factory.mktemp("any") / "here", 2, "Haswell", **HERE)


def test_processes_threads_environment_and_folder_change_no_byte(here, tmp_path):
    elsewhere = tables(tmp_path / "ailleurs-ä b", 1, "Haswell", **ELSEWHERE, LC_ALL=comma_locale())
    files = sorted(elsewhere.iterdir())
    assert len(files) > 10
    for file in files:
        assert (here / file.name).read_bytes() == file.read_bytes(), file.name


def test_other_kernels_change_no_decision_and_no_digit_that_is_shown(here, tmp_path):
    if " avx512f " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no AVX-512: the kernel would crash")
    for file in sorted(tables(tmp_path / "there", 2, "SkylakeX").iterdir()):
        try:
            mine, other = pd.read_csv(here / file.name), pd.read_csv(file)
        except pd.errors.EmptyDataError:
            assert (here / file.name).read_bytes() == file.read_bytes(), file.name
            continue
        pd.testing.assert_frame_equal(mine, other, rtol=1e-9, atol=1e-12)
