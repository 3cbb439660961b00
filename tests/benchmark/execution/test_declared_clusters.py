"""A cluster that a study declares is started for its command: one of this machine, and a batch system's."""

import os
import stat
import sys
from typing import get_args

import pytest
from toy_work import slowly

from benchmark.errors import UserError
from benchmark.execution.workers import Cluster, workers
from benchmark.study.cluster import DeclaredCluster, Kind
from tests.benchmark.execution.clusters import ENVIRONMENT

distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")

SBATCH = """#!/bin/sh
cp "$1" {folder}/script
PYTHONPATH={path} setsid sh {folder}/script > {folder}/worker.log 2>&1 &
echo $! > {folder}/pid
echo "Submitted batch job 7"
"""
SCANCEL = """#!/bin/sh
echo "$@" >> {folder}/cancelled
kill -- -$(cat {folder}/pid)
"""


@pytest.fixture
def batch_system(tmp_path, monkeypatch):
    """SLURM's two commands, which start a job here at once."""
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        file = tmp_path / name
        file.write_text(text.format(folder=tmp_path, path=ENVIRONMENT["PYTHONPATH"]))
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def squares_on(cluster):
    with workers(dask=cluster) as pool:
        return pool.jobs, dict(pool.map(slowly, range(8)))


def test_processes_of_this_machine_do_the_work():
    assert squares_on(Cluster("local", (2, 2), {})) == (2, {x: x * x for x in range(8)})


def test_a_batch_system_is_asked_for_what_is_declared_and_does_the_work(batch_system):
    pytest.importorskip("dask_jobqueue", reason="the extra `dask` is not installed")
    declared = DeclaredCluster(
        cluster="slurm",
        workers=1,
        settings={
            "cores": 1,
            "memory": "1GB",
            "queue": "short",
            "walltime": "00:30:00",
            "python": sys.executable,
            "local_directory": str(batch_system),
            "scheduler_options": {"host": "127.0.0.1", "dashboard_address": None},
        },
    )
    jobs, squares = squares_on(declared.to_start())
    assert (jobs, squares) == (1, {x: x * x for x in range(8)})
    asked = (batch_system / "script").read_text()
    assert all(line in asked for line in ("#SBATCH -p short", "#SBATCH -t 00:30:00", "--mem="))
    assert "7" in (batch_system / "cancelled").read_text(), "no job is left behind"


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        (
            Cluster("kubernetes", (1, 1), {}),
            "execution: cluster kubernetes: dask-kubernetes is not installed",
        ),
        (
            Cluster("local", (1, 1), {"core": 1}),
            "cluster local: distributed cannot start it .*core.*`settings`",
        ),
        (Cluster("slurm", (1, 1), {}), "cluster slurm: dask-jobqueue cannot start it .*; correct `settings`"),
    ],
)
def test_what_cannot_be_started_is_said_in_a_sentence(cluster, message):
    with pytest.raises(UserError, match=message), workers(dask=cluster):
        pass


def test_every_kind_that_a_study_may_declare_can_be_started():
    from benchmark.execution.dask_cluster import KINDS

    assert set(get_args(Kind)) == set(KINDS)
