"""A study gives the same bytes whatever the hash seed, locale, time zone, folder, threads and processes."""

import os
import subprocess
import sys

import yaml

from tests.faults.trial import ROOT, tables

PLACES = os.pathsep.join(map(str, (ROOT, ROOT / "tests" / "plugin_package")))
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


def run(folder, declaration, jobs, **environment):
    """Run a study from a folder of its own; return the digests of its tables."""
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(declaration))
    command = [sys.executable, "-c", "import cacbench; cacbench.main()", "run", "study.yaml", "--quiet"]
    done = subprocess.run(
        [*command, "--jobs", str(jobs), "--results", "results"], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": PLACES, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return tables(folder / "results" / "toy")


def test_a_study_is_the_same_in_another_process_environment_and_folder(tmp_path, toy_declaration):
    toy_declaration["classifiers"] |= {"random_forest": {"grid": {"n_estimators": [20]}}}
    expected = run(tmp_path / "here", toy_declaration, 3, **HERE)
    assert len(expected) > 10
    elsewhere = tmp_path / "some where" / "ailleurs-ä"
    assert run(elsewhere, toy_declaration, 1, **ELSEWHERE, LC_ALL=comma_locale()) == expected
