"""A study from its file to what came out, as the command line and Python do it alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import UserError
from benchmark.execution.progress import Progress, bars
from benchmark.report.report import Published, publish

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from benchmark.pipeline.results import StudyResult
    from benchmark.study.study import Study


def read(file: str | Path, changes: Sequence[str] = (), only: Sequence[str] = ()) -> Study:
    """Read and validate a study file, as `cacbench run` does with ``--set`` and ``--only``.

    `changes` are such as ``protocol.folds=3``, `only` names of runs or extractors. Raises `UserError` naming the file,
    the line and the remedy.
    """
    from benchmark.study.overrides import Overrides
    from benchmark.study.reading import read_study

    return read_study(Path(file), Overrides(tuple(changes), tuple(only)))


def run(
    study: Study,
    results: str | Path = "results",
    *,
    jobs: int | None = 1,
    dask: str | None = None,
    force: bool = False,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    register: bool = False,
    progress: Progress = bars,
    verbose: bool = False,
) -> FinishedStudy:
    """Do what `cacbench run` does with a study that was `read`: extract, evaluate, compare, report, log to MLflow.

    Parameters are the command's options; ``progress=silent`` of `benchmark.execution.progress` shows none. Where `jobs`
    is None the study's `execution` does the work, or a process per core. With more than one job, or `dask`, a script
    must call this below ``if __name__ == "__main__":``, as Python asks of whatever starts processes. Raises
    `UserError`.
    """
    from benchmark.execution.execution import open_execution
    from benchmark.pipeline.run import run_study
    from benchmark.report.cases.pictures import pictures_of_hard_cases
    from benchmark.report.cases.segmentations import montages_of_segmenters
    from benchmark.report.folder import claim_folder
    from benchmark.report.kept_tables import tables_of
    from benchmark.report.study_report import report_of
    from benchmark.report.tracking.destination import destination
    from benchmark.study.cluster import cluster_for

    if study.file is None:
        raise UserError(
            f"{study.name}: was not read from a file, which the results refer to: use `cacbench.read`"
        )
    where = destination(Path(results), tracking_uri, experiment, register)
    claim = claim_folder(where, Path(study.name), study.file, {"": study.cohort}, force)
    with open_execution(
        where.results, jobs, cluster_for(study.execution, jobs, dask), progress, verbose
    ) as execution:
        result = run_study(study, execution)
        pictures = pictures_of_hard_cases(result, execution)
        montages = montages_of_segmenters(result, execution)
        tables = tables_of(result, execution.store)
    return FinishedStudy(result, publish(report_of(result, pictures, montages, tables), claim))


@dataclass(frozen=True, repr=False)
class FinishedStudy:
    """What came out of a study, as tables, sentences and a picture; a notebook shows it by itself."""

    result: StudyResult
    published: Published

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by name, as the results folder has it; README says what is in them."""
        return dict(self.published.report.tables)

    @property
    def summary(self) -> pd.DataFrame:
        """One row per run and metric: pooled out-of-fold value, its 95 % interval, mean and SD over the folds."""
        return self.tables["summary"]

    @property
    def methods(self) -> pd.DataFrame:
        """One row per method and rule, most skilful first."""
        return self.tables["methods"]

    @property
    def verdict(self) -> list[str]:
        """What may be said, in sentences."""
        return list(self.published.report.sentences)

    @property
    def page(self) -> Path:
        """The report's page."""
        return self.published.paths[0]

    def compare(self, run: str, other: str, metrics: Sequence[str] | None = None) -> pd.DataFrame:
        """Return `run` minus `other` by every declared test, a row per metric and test; p-values of this pair alone.

        Raises `UserError` for a run or metric that the study does not have.
        """
        from benchmark.plugins.declaration import did_you_mean
        from benchmark.report.tables import compared

        study, known = self.result.study, [run.name for run in self.result.all_runs()]
        for name in (run, other):
            if name not in known:
                raise UserError(
                    f"{name!r} is no run with results of {study.name}; {did_you_mean(name, known)}"
                )
        for name in metrics or ():
            if name not in study.target.metrics:
                raise UserError(
                    f"{name!r} is no metric of {study.name}; {did_you_mean(name, study.target.metrics)}"
                )
        return compared(self.result, [(run, other)], tuple(metrics or study.compared_metrics))

    def plot(self) -> Figure:
        """Draw each run's pooled value, its interval and its folds."""
        from benchmark.report.drawn.comparison import comparison_figure

        study = self.result.study
        return comparison_figure(self.summary, self.result.folds, study.compared_metrics, study.name)

    def __repr__(self) -> str:
        """Say how many runs on how many cases, the verdict, and where the page is."""
        name, report = self.result.study.name, self.published.report
        runs = f"{name}: {len(self.result.all_runs())} runs. {report.lead}"
        return "\n".join([runs, *self.verdict, str(self.page)])

    def _repr_html_(self) -> str:
        """Return the verdict and the table of methods, for a notebook."""
        from html import escape

        report = self.published.report
        overview: Any = report.sections[0].table
        sentences = "".join(f"<p>{escape(sentence)}</p>" for sentence in self.verdict)
        return (
            f"<h3>{escape(report.study)}</h3><p>{escape(report.lead)}</p>{sentences}{overview.to_html(index=False)}"
            f"<p>{escape(str(self.page))}</p>"
        )
