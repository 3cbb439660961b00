"""Where a study's work runs if neither `--jobs` nor `--dask` says so: a Dask cluster started for the command."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from benchmark.execution.workers import Cluster
from benchmark.plugins.declaration import Declaration

Kind = Literal["local", "slurm", "pbs", "lsf", "sge", "oar", "moab", "htcondor", "kubernetes"]
Count = Annotated[int, Field(ge=1)]


class DeclaredCluster(Declaration):
    """A cluster as a study declares it. It decides where work is done and no number: no key and no result knows it."""

    cluster: Kind = Field(
        description="`local`: processes of this machine; `kubernetes`: by dask-kubernetes; others: by dask-jobqueue"
    )
    workers: Count | tuple[Count, Count] = Field(
        description="how many; [fewest, most]: as many as there is work for"
    )
    settings: dict[str, Any] = Field(
        {},
        description="what Dask's class for it takes: `{cores: 1, memory: 8GB, queue: short, walltime: '02:00:00'}`",
    )

    @field_validator("workers")
    @classmethod
    def _rising(cls, workers: int | tuple[int, int]) -> int | tuple[int, int]:
        if isinstance(workers, tuple) and workers[0] > workers[1]:
            raise ValueError("must be [fewest, most], as [2, 40] is")
        return workers

    def to_start(self) -> Cluster:
        """Return what the command starts."""
        fewest, most = self.workers if isinstance(self.workers, tuple) else (self.workers,) * 2
        return Cluster(self.cluster, (fewest, most), self.settings)


def cluster_for(declared: DeclaredCluster | None, jobs: int | None, dask: str | None) -> str | Cluster | None:
    """Return what `open_execution` is to work on: the command's `--jobs` and `--dask` count before the study's word."""
    return dask if jobs or dask or declared is None else declared.to_start()
