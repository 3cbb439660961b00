"""Every test for every declared pair of runs and metric, as one tidy table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.statistics.comparison.case_tests import bootstrap_bca, bootstrap_percentile, delong, mcnemar
from benchmark.statistics.comparison.multiplicity import benjamini_hochberg, holm
from benchmark.statistics.comparison.paired import (
    PairedTest,
    bayesian_correlated_t,
    five_by_two_f,
    nadeau_bengio,
    paired_t,
    wilcoxon,
)
from benchmark.statistics.intervals.alignment import CaseScores, FoldScores, align_cases, align_folds
from benchmark.statistics.intervals.bootstrap import STANDARD, Resampled, Resampling, resample
from benchmark.statistics.metrics.weighted import check_metrics

Pair = tuple[str, str]
Family = Literal["study", "metric"]

COLUMNS = (
    "metric",
    "run",
    "reference",
    "test",
    "unit",
    "difference",
    "low",
    "high",
    "statistic",
    "df",
    "p",
    "p_holm",
    "p_bh",
    "effect_name",
    "effect",
    "p_worse",
    "p_equal",
    "p_better",
    "note",
)


def compare_all(
    folds: pd.DataFrame,
    predictions: pd.DataFrame,
    pairs: Sequence[Pair],
    metrics: Sequence[str],
    *,
    tests: Sequence[str] | None = None,
    resampling: Resampling = STANDARD,
    rope: float = 0.01,
    family: Family = "study",
) -> pd.DataFrame:
    """Compare the runs of each pair (run, reference) on each metric by each of `tests`, default all of `TESTS`.

    `folds` and `predictions` are described at `align_folds` and `align_cases`. Returns one row per metric, pair and
    test, with the columns `COLUMNS`. `difference` is run - reference, over folds (`unit` fold) or over the pooled
    out-of-fold cases (`unit` case), with its 95 % interval. `p` is two-sided; `p_holm` and `p_bh` are adjusted over
    the declared family: all pairs and metrics of one test (``study``), or all pairs of one metric (``metric``).

    A p-value that does not exist is missing and `note` says why; what a test does not have (the interval of a rank
    or F test, the effect size of DeLong's and the bootstrap tests) is missing too. McNemar's test is for accuracy,
    sensitivity and specificity, DeLong's for roc_auc: the other metrics have no row for them. `rope` is the
    half-width of practical equality in the Bayesian test, in units of the metric. `resampling` is the bootstrap tests'.

    Raises `ValueError`, one sentence, for what cannot be compared and for a level of `resampling` other than 0.95.
    """
    tests = tuple(TESTS) if tests is None else tests
    _check_declaration(pairs, metrics, tests)
    if family not in ("study", "metric"):
        raise ValueError(f"{family} is not a family of comparisons: choose study or metric")
    if resampling.level != STANDARD.level:
        # The t-tests' intervals are 95 % ones, and one table has one level.
        raise ValueError(f"a comparison has 95 % intervals: leave out the level {resampling.level}")
    runs = list(dict.fromkeys(run for pair in pairs for run in pair))
    cases = align_cases(predictions, runs, metrics)
    check_metrics(metrics, cases.label)
    resampled: dict[str, Resampled] = {}
    if any(test.startswith("bootstrap") for test in tests):
        resampled_runs = resample(list(cases.runs.values()), cases.label, metrics, resampling, cases.patient)
        resampled = dict(zip(runs, resampled_runs, strict=True))
    study = _Study(align_folds(folds, runs, metrics), cases, resampled, tuple(metrics), rope)
    rows = [
        _row(metric, pair, test, TESTS[test].run(study, pair, metric))
        for metric in metrics
        for pair in pairs
        for test in tests
        if TESTS[test].applies(metric)
    ]
    return _tidy(pd.DataFrame(rows, columns=list(COLUMNS)), family)


@dataclass(frozen=True)
class _Study:
    folds: FoldScores
    cases: CaseScores
    resampled: dict[str, Resampled]
    metrics: tuple[str, ...]
    rope: float

    def fold_scores(self, pair: Pair, metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        first, second = (self.folds.scores[run][metric] for run in pair)
        return first, second


@dataclass(frozen=True)
class _Test:
    run: Callable[[_Study, Pair, str], PairedTest]
    unit: Literal["fold", "case"]
    metrics: tuple[str, ...] = ()

    def applies(self, metric: str) -> bool:
        return not self.metrics or metric in self.metrics


def _paired_t(study: _Study, pair: Pair, metric: str) -> PairedTest:
    a, b = study.fold_scores(pair, metric)
    return paired_t(a.ravel(), b.ravel())


def _nadeau_bengio(study: _Study, pair: Pair, metric: str) -> PairedTest:
    a, b = study.fold_scores(pair, metric)
    return nadeau_bengio(a.ravel(), b.ravel(), study.folds.ratio(*pair))


def _wilcoxon(study: _Study, pair: Pair, metric: str) -> PairedTest:
    a, b = study.fold_scores(pair, metric)
    return wilcoxon(a.ravel(), b.ravel())


def _five_by_two(study: _Study, pair: Pair, metric: str) -> PairedTest:
    return five_by_two_f(*study.fold_scores(pair, metric))


def _bayesian(study: _Study, pair: Pair, metric: str) -> PairedTest:
    a, b = study.fold_scores(pair, metric)
    return bayesian_correlated_t(a.ravel(), b.ravel(), study.folds.ratio(*pair), study.rope)


def _mcnemar(study: _Study, pair: Pair, metric: str) -> PairedTest:
    label, patient = study.cases.label, study.cases.patient
    counted = {"accuracy": label >= 0, "sensitivity": label == 1, "specificity": label == 0}[metric]
    runs = [study.cases.runs[run].predicted for run in pair]
    a, b = (predicted[0, counted] == label[counted] for predicted in runs)
    paired_test = mcnemar(a, b, None if patient is None else patient[counted])
    repeats = len(runs[0])
    return (
        paired_test
        if repeats == 1
        else _with_note(paired_test, f"decisions of the first of {repeats} repeats")
    )


def _delong(study: _Study, pair: Pair, metric: str) -> PairedTest:
    a, b = (study.cases.runs[run].score for run in pair)
    return delong(study.cases.label, a, b, study.cases.patient)


def _percentile(study: _Study, pair: Pair, metric: str) -> PairedTest:
    return bootstrap_percentile(_resampled_difference(study, pair), study.metrics.index(metric))


def _bca(study: _Study, pair: Pair, metric: str) -> PairedTest:
    return bootstrap_bca(_resampled_difference(study, pair), study.metrics.index(metric))


def _resampled_difference(study: _Study, pair: Pair) -> Resampled:
    return study.resampled[pair[0]] - study.resampled[pair[1]]


TESTS: dict[str, _Test] = {
    "paired_t": _Test(_paired_t, "fold"),
    "nadeau_bengio": _Test(_nadeau_bengio, "fold"),
    "wilcoxon": _Test(_wilcoxon, "fold"),
    "five_by_two_f": _Test(_five_by_two, "fold"),
    "bayesian_correlated_t": _Test(_bayesian, "fold"),
    "mcnemar": _Test(_mcnemar, "case", ("accuracy", "sensitivity", "specificity")),
    "delong": _Test(_delong, "case", ("roc_auc",)),
    "bootstrap_percentile": _Test(_percentile, "case"),
    "bootstrap_bca": _Test(_bca, "case"),
}


def _check_declaration(pairs: Sequence[Pair], metrics: Sequence[str], tests: Sequence[str]) -> None:
    unknown = [test for test in tests if test not in TESTS]
    if unknown:
        raise ValueError(f"{unknown[0]} is not a test: choose from {', '.join(TESTS)}")
    if not pairs or not metrics:
        raise ValueError("there is nothing to compare: declare at least one pair of runs and one metric")
    for run, reference_run in pairs:
        if run == reference_run:
            raise ValueError(f"{run} is paired with itself: a comparison needs two runs")
    if len(set(pairs)) < len(pairs) or len(set(metrics)) < len(metrics):
        raise ValueError("a pair or a metric is declared twice: the family would count it twice")
    if not any(TESTS[test].applies(metric) for test in tests for metric in metrics):
        raise ValueError(f"none of the tests {', '.join(tests)} is for {', '.join(metrics)}")


def _row(metric: str, pair: Pair, test: str, paired_test: PairedTest) -> dict[str, object]:
    worse, equal, better = paired_test.posterior or (None, None, None)
    return {
        "metric": metric,
        "run": pair[0],
        "reference": pair[1],
        "test": test,
        "unit": TESTS[test].unit,
        "difference": paired_test.difference,
        "low": paired_test.low,
        "high": paired_test.high,
        "statistic": paired_test.statistic,
        "df": paired_test.df,
        "p": paired_test.p,
        "effect_name": paired_test.effect_name,
        "effect": paired_test.effect,
        "p_worse": worse,
        "p_equal": equal,
        "p_better": better,
        "note": paired_test.note,
    }


def _tidy(table: pd.DataFrame, family: Family) -> pd.DataFrame:
    members = table.groupby(["test"] if family == "study" else ["test", "metric"], sort=False)["p"]
    table["p_holm"], table["p_bh"] = members.transform(holm), members.transform(benjamini_hochberg)
    alone = (members.transform("count") == 1) & table["p"].notna()
    sentence = "the only comparison of its family: nothing to adjust for"
    table.loc[alone, "note"] = [f"{note}; {sentence}".lstrip("; ") for note in table.loc[alone, "note"]]
    numbers = [column for column in COLUMNS if column not in _TEXT]
    return table.astype(dict.fromkeys(numbers, "Float64"))


_TEXT = ("metric", "run", "reference", "test", "unit", "effect_name", "note")


def _with_note(paired_test: PairedTest, note: str) -> PairedTest:
    return replace(paired_test, note=f"{paired_test.note}; {note}".lstrip("; "))
