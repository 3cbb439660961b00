"""The methods of a study: each extractor with the classifier that did best inside the training fold.

Taking the best of several classifiers on the tested cases would flatter every extractor, and those with more runs most.
So each fold of a method is that of the run with the highest inner score there: nothing tested decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmark.pipeline.results import StudyResult
from benchmark.pipeline.yardsticks import CEILING
from benchmark.study.comparisons import EMBEDDINGS

RANKED_BY = "accuracy"
_FOLD = ["run", "repeat", "fold"]


@dataclass(frozen=True)
class Methods:
    """The methods of a study and the rules without learning, on the same cases and folds."""

    names: list[str]
    """Extractors that have results, in the declared order."""
    rules: list[str]
    best_rule: str
    """The rule with the highest accuracy, the ceiling left aside; empty where none is declared."""
    folds: pd.DataFrame
    """Columns as of `StudyResult.folds`; ``run`` is the method or rule."""
    predictions: pd.DataFrame


def methods_of(result: StudyResult) -> Methods:
    """Return the methods of a finished study."""
    ran = {run.extractor for run in result.all_runs()}
    names = [name for name in result.study.methods if name in ran]
    parts = [_choose_within(result, [name], name) for name in names]
    if EMBEDDINGS in result.study.comparisons.asked:
        extractors = result.study.extractors
        embeddings = [
            name
            for name in names
            if extractors[name].extractor.embedding
            and not getattr(extractors[name].extractor, "untrained", False)
        ]
        parts += [_choose_within(result, embeddings, EMBEDDINGS)] if embeddings else []
    rules = list(dict.fromkeys(result.yardsticks["run"]))
    right = result.yardsticks.assign(
        right=result.yardsticks.get("label") == result.yardsticks.get("predicted")
    )
    beatable = right[right["run"] != CEILING].groupby("run", sort=False)["right"].mean()
    return Methods(
        names,
        rules,
        str(beatable.idxmax()) if len(beatable) else "",
        pd.concat([*(folds for folds, _ in parts), result.yardstick_folds], ignore_index=True),
        pd.concat([*(predictions for _, predictions in parts), result.yardsticks], ignore_index=True),
    )


def _choose_within(
    result: StudyResult, extractors: Sequence[str], name: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return folds and predictions of one method: in each fold those of the run with the highest inner score."""
    runs = [run.name for run in result.all_runs() if run.extractor in extractors]
    choices = result.choices[result.choices["run"].isin(runs)]
    best_first = choices.sort_values("inner_score", ascending=False, kind="stable")
    chosen = best_first.drop_duplicates(["repeat", "fold"])[_FOLD]
    return (
        result.folds.merge(chosen, on=_FOLD).assign(run=name),
        result.predictions.merge(chosen, on=_FOLD).assign(run=name),
    )
