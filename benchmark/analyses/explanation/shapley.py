"""SHAP values of a run on held-out cases: Lundberg and Lee 2017, arXiv 1705.07874; trees: arXiv 1905.04610.

Interventional, with the whole training fold as background: a value is a feature's share in the difference between
the model's output for a case and its mean output over the training cases. Needs the package ``shap``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmark.analyses.explanation.records import Scale, ShapRecord
from benchmark.analyses.feature_families import family_of
from benchmark.errors import UserError
from benchmark.evaluation.learners.ordinal import OrdinalClassifier
from benchmark.evaluation.refit import ChosenFold
from benchmark.evaluation.splits import Split
from benchmark.pipeline.plan import EvaluationPlan
from benchmark.plugins.fingerprint import code_digest, digest_of

Floats = NDArray[np.float64]

TOLERANCE = 1e-4
"""How far base value and SHAP values may add up to something else than the model's output (single precision)."""


def require_shap() -> None:
    """Raise `UserError` where the package shap is not installed."""
    if importlib.util.find_spec("shap") is None:
        raise UserError("--shap: the package shap is not installed; pip install 'cacbench[explain]'")


@dataclass(frozen=True)
class ShapFold:
    """A fold whose test cases are to be explained."""

    fold: ChosenFold

    def key(self) -> str:
        """Return the SHA-256 of all that decides the values."""
        return digest_of([self.fold.key(), code_digest(__name__), version("shap")])


def held_out_shap(task: ShapFold) -> ShapRecord:
    """Refit the fold and explain its test cases, on one thread.

    Raises `ValueError` for a model that is neither trees nor linear, and where values do not add up.
    """
    fold = task.fold.task
    with threadpool_limits(limits=1):
        fitted = task.fold.fit()
        before, model = fitted.steps[:-1], fitted.steps[-1]
        _refuse_mixtures(before)
        kept = fold.X[:, fitted.columns]
        if len(before):
            kept = before.transform(kept)
        models = model.estimators_ if isinstance(model, OrdinalClassifier) else [model]
        explained = [explain_model(part, kept[fold.train], kept[fold.test]) for part in models]
    return {
        "features": [fold.features[column] for column in fitted.columns],
        "scale": explained[0].scale,
        "base": np.concatenate([part.base for part in explained]).tolist(),
        "values": np.concatenate([part.values for part in explained]).tolist(),
        "output": np.concatenate([part.output for part in explained]).tolist(),
    }


@dataclass(frozen=True)
class Explained:
    """SHAP values (outputs, cases, features), base values (outputs,) and the model's outputs (outputs, cases)."""

    scale: Scale
    base: Floats
    values: Floats
    output: Floats


def explain_model(model: Any, background: Floats, X: Floats) -> Explained:
    """Explain a fitted model on X, shape (cases, features), against `background` (training cases, features).

    Two classes have one output, label 1; more have one each. The base value is the model's mean output over the
    background, computed by the model itself. Raises `ValueError` as `held_out_shap` says.
    """
    if type(model).__module__.startswith(("sklearn.ensemble", "xgboost")):
        # these models compare in single precision; in double, a value next to a split could take the other branch
        background, X = (values.astype(np.float32).astype(np.float64) for values in (background, X))
    scale, output = _outputs(model, X)
    base = _outputs(model, background)[1].mean(axis=1)
    values = _values(model, background, X)[
        -len(output) :
    ]  # a forest of two classes has label 0 mirrored first
    error = float(np.abs(base[:, None] + values.sum(axis=2) - output).max())
    if error > TOLERANCE:
        raise ValueError(
            f"the SHAP values miss the model's output by {error:.2g}: they explain something else"
        )
    return Explained(scale, base, values, output)


def _values(model: Any, background: Floats, X: Floats) -> Floats:
    """Return SHAP values, (outputs, cases, features)."""
    import shap

    masker = shap.maskers.Independent(background, max_samples=len(background))  # by default it samples 100
    if hasattr(model, "coef_"):
        shap_values = shap.LinearExplainer(model, masker).shap_values(X)
    else:
        explainer = shap.TreeExplainer(
            model, masker, feature_perturbation="interventional", model_output="raw"
        )
        shap_values = explainer.shap_values(X, check_additivity=False)
    values = np.asarray(shap_values, dtype=float)
    return np.moveaxis(values, -1, 0) if values.ndim == 3 else values[None]


def _outputs(model: Any, X: Floats) -> tuple[Scale, Floats]:
    """Return what is explained, (outputs, cases), before it becomes a probability where the model has that."""
    name, classes = type(model).__name__, len(model.classes_)
    scale: Scale
    if name == "XGBClassifier":
        scale, output = "log-odds", model.predict(X, output_margin=True)
    elif name == "LGBMClassifier":
        scale, output = "log-odds", model.predict(X, raw_score=True)
    elif hasattr(model, "coef_"):
        scale, output = "log-odds", model.decision_function(X)
    elif hasattr(model, "estimators_") and name.endswith(("ForestClassifier", "TreesClassifier")):
        scale, output = "probability", model.predict_proba(X)[:, 1 if classes == 2 else 0 :]
    else:
        raise ValueError(f"SHAP here explains trees and linear models, not {name}: choose another run")
    output = np.asarray(output, dtype=float)
    return ("margin" if scale == "log-odds" and classes > 2 else scale), output.reshape(len(X), -1).T


def _refuse_mixtures(steps: Any) -> None:
    from sklearn.base import OneToOneFeatureMixin

    for name, step in steps.steps:
        if not isinstance(step, OneToOneFeatureMixin):
            raise ValueError(
                f"the step {name} before the model mixes features: none has a SHAP value of its own"
            )


def shap_table(
    plan: EvaluationPlan, records: Mapping[Split, ShapRecord], features: Sequence[str]
) -> pd.DataFrame:
    """Return one row per repeat, out-of-fold case and explained output.

    Columns repeat, fold, case_id, explained (e.g. ``log-odds of nonzero``), base_value, model_output, and a SHAP
    value per feature that a fold kept: it is exactly 0 in the folds that dropped it.
    """
    kept = [name for name in features if any(name in record["features"] for record in records.values())]
    tables = []
    for split, record in records.items():
        values, output = np.asarray(record["values"]), np.asarray(record["output"])
        cases = [plan.case_ids[position] for position in split.test]
        for place, explained in enumerate(_names(plan.study.target.classes, record["scale"], len(values))):
            about = pd.DataFrame(
                {
                    "repeat": split.repeat,
                    "fold": split.fold,
                    "case_id": cases,
                    "explained": explained,
                    "base_value": record["base"][place],
                    "model_output": output[place],
                }
            )
            shap_values = pd.DataFrame(values[place], columns=record["features"])
            tables.append(about.join(shap_values.reindex(columns=kept, fill_value=0.0)))
    return pd.concat(tables, ignore_index=True)


def shap_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return one row per explained output and feature: explained, feature, family, mean_abs_shap; largest first."""
    features = list(table.columns[6:])
    means = table.assign(**table[features].abs()).groupby("explained", sort=False)[features].mean()
    tables = []
    for explained, row in means.iterrows():
        ranked = row.sort_values(ascending=False, kind="stable")
        families = [family_of(str(name)) or "" for name in ranked.index]
        about = {"explained": explained, "feature": ranked.index, "family": families}
        tables.append(pd.DataFrame({**about, "mean_abs_shap": ranked.to_numpy()}))
    return pd.concat(tables, ignore_index=True)


def _names(classes: Sequence[str], scale: Scale, outputs: int) -> list[str]:
    if len(classes) == 2:
        return [f"{scale} of {classes[1]}"]
    if outputs == len(classes):
        return [f"{scale} of {name}" for name in classes]
    return [f"{scale} of more than {name}" for name in classes[:-1]]
