"""A frozen run's predictions of another cohort, and how they do beside those of its own cases out of fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.analyses.application.frozen import FrozenRun, columns_for
from benchmark.analyses.application.other_cohort import OtherCohort
from benchmark.case import Exclusion
from benchmark.errors import UserError
from benchmark.evaluation.patients import patients_with_several
from benchmark.execution.execution import Execution
from benchmark.execution.seeds import derive_seed
from benchmark.pipeline.features import extract_features
from benchmark.pipeline.results import Features, tally
from benchmark.statistics.intervals.bootstrap import Resampling
from benchmark.statistics.intervals.calibration import calibration_curve
from benchmark.statistics.intervals.decision_curve import decision_curve
from benchmark.statistics.intervals.differences import difference_of_independent
from benchmark.statistics.intervals.headline import headline_intervals
from benchmark.statistics.intervals.recalibration import recalibration
from benchmark.statistics.metrics.scores import most_probable

PERFORMANCE = (
    *("metric", "inner", "inner_low", "inner_high", "inner_method"),
    *("value", "low", "high", "method", "difference", "difference_low", "difference_high"),
)


@dataclass(frozen=True)
class Application:
    """What a frozen run gave on another cohort; the tables that need labels are empty where it has none of a class."""

    frozen: FrozenRun
    other: OtherCohort
    predictions: pd.DataFrame
    """case_id, patient, label (missing: not known), score, predicted; of bands a probability for each."""
    labelled: int
    performance: pd.DataFrame
    """`PERFORMANCE`: out of fold on its own cohort, on the other, and the other less its own, with 95 % intervals."""
    recalibration: pd.DataFrame
    calibration: pd.DataFrame
    decision_curve: pd.DataFrame
    exclusions: list[Exclusion]


def apply_run(frozen: FrozenRun, other: OtherCohort, execution: Execution) -> Application:
    """Apply a frozen run to another cohort. Raises `UserError` where that cannot give its features, or trained it."""
    features = _features(frozen, other, execution)
    predictions = _predictions(frozen, other, features)
    known = predictions[predictions["label"].notna()]
    tables = dict.fromkeys(("performance", "recalibration", "calibration", "decision_curve"), pd.DataFrame())
    if known["label"].nunique() > 1:
        tables = _against_labels(frozen, known)
    return Application(frozen, other, predictions, len(known), exclusions=features.exclusions, **tables)


def _features(frozen: FrozenRun, other: OtherCohort, execution: Execution) -> Features:
    study, extractor = frozen.study, frozen.run.extractor
    changes = {"cohort": other.cohort, "extractors": study.with_beside(extractor), "runs": (frozen.run.name,)}
    try:
        features = extract_features(study.model_copy(update=changes), execution)
    except UserError as error:
        raise UserError(f"{other.name} cannot give the features of {frozen.run.name}: {error}") from None
    if extractor in features.unavailable:
        raise UserError(f"{frozen.run.name} cannot be applied: {features.unavailable[extractor]}")
    twins = [(case, frozen.trained_on[v]) for case, v in features.voxels.items() if v in frozen.trained_on]
    if twins:
        raise UserError(
            f"{other.name}: {len(twins)} of its scans trained {frozen.run.name} ({twins[0][0]} is {twins[0][1]} of "
            f"{study.name}): leave them out"
        )
    return features


def _predictions(frozen: FrozenRun, other: OtherCohort, features: Features) -> pd.DataFrame:
    table, target = features.tables[frozen.run.extractor], frozen.study.target
    if table.empty:
        raise UserError(
            f"{other.name} cannot give the features of {frozen.run.name}: {tally(features.exclusions)}"
        )
    columns = columns_for(frozen, list(table.columns), other.name)
    X = table.to_numpy()[:, columns][:, frozen.fitted.columns]
    probabilities = frozen.fitted.probabilities(X)
    cases = features.cases.loc[table.index]
    known = cases[target.column].notna()
    label = pd.Series(pd.NA, index=table.index, dtype="Int64")
    if known.any():
        label[known] = target.codes(cases[known])
    predicted = pd.DataFrame(
        {
            "case_id": table.index,
            "patient": cases["patient"].to_numpy(),
            "label": label.array,
            "score": probabilities[:, 1] if target.binary else 1 - probabilities[:, 0],
            "predicted": most_probable(probabilities, frozen.threshold),
        }
    )
    if target.binary:
        return predicted
    named = [f"probability_{name}" for name in target.classes][: probabilities.shape[1]]
    return predicted.join(pd.DataFrame(probabilities, columns=named))


def _against_labels(frozen: FrozenRun, known: pd.DataFrame) -> dict[str, pd.DataFrame]:
    label, score = known["label"].to_numpy(dtype=np.intp), known["score"].to_numpy(dtype=float)
    patient = patients_with_several(known)
    resampling = Resampling(seed=derive_seed(frozen.study.seed, "apply"))
    table = headline_intervals(
        label,
        score[None],
        resampling,
        predicted=known["predicted"].to_numpy(dtype=np.intp)[None],
        metrics=frozen.study.target.metrics,
        patient=patient,
    )
    tables = dict.fromkeys(("recalibration", "calibration", "decision_curve"), pd.DataFrame())
    tables["performance"] = _beside_inner(table[table["shown"]], frozen.inner)
    if frozen.study.target.binary:
        # Half a training case: a forest that is sure says no more than that.
        edge = 1 / (2 * len(frozen.task.train))
        tables["recalibration"] = recalibration(label, score, edge=edge, patient=patient)
        tables["calibration"] = calibration_curve(label, score, bins=5, patient=patient)
        tables["decision_curve"] = decision_curve(label, score, resampling=resampling, patient=patient)
    return tables


def _beside_inner(shown: pd.DataFrame, inner: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for row in shown.to_dict("records"):
        own = inner.loc[row["metric"]]
        ends = (row["value"], row["low"], row["high"])
        change = difference_of_independent(ends, (own["value"], own["low"], own["high"]))
        rows.append((row["metric"], *own, *ends, row["method"], *change))
    return pd.DataFrame(rows, columns=list(PERFORMANCE))
