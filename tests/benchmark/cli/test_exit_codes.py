"""How a command ends when something goes wrong: before the work where it can, and with a code of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
COHORT = """
import os, resource, signal
from benchmark.plugins import Cohort
from toy_plugins import ToyCohort

class Faulty(Cohort):
    '''A cohort whose list of cases goes wrong.'''
    how: str

    def cases(self):
        if self.how == "bug":
            return 1 / 0
        if self.how == "end of file":
            raise EOFError
        if self.how == "disk full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
            return ToyCohort().cases()
        # A shell has what it runs in the background ignore it, and continuous integration may be such a shell.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.fixture
def cacbench(tmp_path):
    """Run a command where somebody's faulty plug-in is installed."""
    package = tmp_path / "package"
    about = package / "faulty-1.dist-info"
    about.mkdir(parents=True)
    (package / "faulty_plugins.py").write_text(COHORT)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[cacbench.cohorts]\nfaulty = faulty_plugins:Faulty\n")
    path = os.pathsep.join([str(package), str(ROOT / "tests" / "plugin_package")])

    def run(*arguments):
        command = [sys.executable, "-c", "from benchmark.cli import main; main()", *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": path}
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)

    return run


@pytest.fixture
def faulty(tmp_path, toy_declaration):
    """A study whose cohort goes wrong."""

    def write(how):
        file = tmp_path / "faulty.yaml"
        file.write_text(yaml.safe_dump({**toy_declaration, "cohort": {"use": "faulty", "how": how}}))
        return file

    return write


@pytest.mark.parametrize(("how", "error"), [("bug", "ZeroDivisionError"), ("end of file", "EOFError")])
def test_an_unexpected_error_is_70_with_its_traceback_and_a_request_to_report_it(
    cacbench, faulty, tmp_path, how, error
):
    done = cacbench("run", faulty(how), "--results", tmp_path / "r", "--jobs", 1)
    assert done.returncode == 70
    assert "Traceback" in done.stderr
    assert error in done.stderr
    assert done.stderr.splitlines()[-1].startswith("cacbench: this is an error in cacbench or in a plug-in")
    assert "please report it" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", ["run", "audit", "validate"])
def test_ctrl_c_is_130_without_a_traceback(cacbench, faulty, tmp_path, command):
    where = [] if command == "validate" else ["--results", tmp_path / "r"]
    done = cacbench(command, faulty("interrupted"), *where)
    assert done.returncode == 130
    assert "interrupted" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def toy(tmp_path, toy_declaration):
    """A sound study, a robustness study of it, and one of segmentation."""
    contents = {
        "toy.yaml": toy_declaration,
        "robustness.yaml": {"study": toy_declaration, "conditions": {"dim": {"cohort": {"contrast": 100}}}},
        "segmentation.yaml": {
            "name": "few",
            "cohorts": {"chest": {"use": "toy_cohort"}},
            "segmenters": {"rule": {"use": "toy_centre"}},
            "training": {"cohort": {"use": "toy_cohort"}},
        },
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(yaml.safe_dump(content))
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "toy.yaml"],
        ["audit", "toy.yaml"],
        ["explain", "toy.yaml"],
        ["quality", "toy.yaml"],
        ["robustness", "robustness.yaml"],
        ["segmentation", "segmentation.yaml"],
        ["features", "toy.yaml"],
        ["train", "denseraunet", "segmentation.yaml"],
    ],
)
def test_results_that_cannot_be_written_are_refused_before_the_work(cacbench, toy, arguments):
    (toy / "file").write_text("in the way")
    command, *names, study = arguments
    done = cacbench(command, *names, toy / study, "--results", toy / "file")
    assert done.returncode == 2
    assert done.stderr.strip() == (
        f"cacbench: {toy / 'file'}: nothing can be written there (Not a directory); "
        "name a folder that can be written to"
    )
    assert (toy / "file").read_text() == "in the way"


@pytest.mark.slow
def test_a_disk_that_is_full_is_a_sentence_and_costs_nothing_that_was_finished(cacbench, faulty, tmp_path):
    done = cacbench("run", faulty("disk full"), "--results", tmp_path / "results", "--jobs", "1")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "cannot be written (File too large); make room, or name another folder" in done.stderr
    assert "what was finished is kept" in done.stderr
    assert not [
        file for file in (tmp_path / "results").rglob("*") if file.is_file() and file.stat().st_size == 100
    ]


@pytest.mark.parametrize("place", ["/proc/results", "/dev/null/results"])
def test_a_place_that_the_system_forbids_is_refused_alike(cacbench, toy, place):
    done = cacbench("run", toy / "toy.yaml", "--results", place)
    assert done.returncode == 2
    assert f"{place}: nothing can be written there (" in done.stderr


@pytest.mark.slow
def test_a_database_that_is_none_is_told_before_the_work_and_after_it_and_costs_no_result(cacbench, toy):
    (toy / "r").mkdir()
    (toy / "r" / "mlflow.db").write_text("something else, longer than a header would be. " * 20)
    done = cacbench("run", toy / "toy.yaml", "--results", toy / "r", "--jobs", 1)
    assert done.returncode == 0
    first, last = (line for line in done.stderr.splitlines() if line.startswith("MLflow: "))
    assert "mlflow.db cannot be used now" in first
    assert "mlflow.db: cannot be used as MLflow's database (file is not a database); move it away" in first
    assert "not logged to" in last
    assert (toy / "r" / "toy" / "study.json").exists()


def test_power_does_not_make_a_folder_that_was_misspelt(cacbench, toy):
    assert cacbench("power", toy / "toy.yaml", "--results", toy / "reslts").returncode == 2
    assert not (toy / "reslts").exists()


def test_ctrl_c_while_libraries_are_imported_is_an_interruption_too():
    strike = (
        "import signal, sys, cacbench\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Strike:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'benchmark.cli': signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Strike())\n"
        "cacbench.main()"
    )
    done = subprocess.run([sys.executable, "-c", strike], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (130, "cacbench: interrupted\n")
