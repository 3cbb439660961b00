"""Two models, one of the image and one of the report, and a third that weighs what they say."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from benchmark.errors import CaseError
from classifiers.fusion.blocks import Blocks, image_steps

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]
EDGE = 1e-6


class StackedReport(ClassifierMixin, BaseEstimator):
    """Late fusion (Wolpert 1992, stacked generalisation), gated by whether a case has a report.

    The weights of image and report are learnt from out-of-fold log odds within the training cases. A case without a
    report has the image model's probability, untouched. The report's model learns from cases with reports alone.

    Parameters
    ----------
    report : tuple of int
        Which columns are of reports.
    given : int or None
        The column that is 1 where there is a report.
    whole : int or None
        The column of codes of what no fold may part, which is learnt from by no model; None: cases alone.
    coordinates : tuple of int
        Which columns of reports are an embedding's coordinates and no counts.
    image_c, report_c : float
        Of the two logistic regressions.
    correlation_threshold : float or None
        Of the image features' filter.
    folds : int
        Of the out-of-fold probabilities.
    seed : int
    """

    def __init__(
        self,
        report: tuple[int, ...] = (),
        given: int | None = None,
        whole: int | None = None,
        coordinates: tuple[int, ...] = (),
        image_c: float = 0.03,
        report_c: float = 3.0,
        correlation_threshold: float | None = 0.9,
        folds: int = 5,
        seed: int = 0,
    ) -> None:
        self.report = report
        self.given = given
        self.whole = whole
        self.coordinates = coordinates
        self.image_c = image_c
        self.report_c = report_c
        self.correlation_threshold = correlation_threshold
        self.folds = folds
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fit the three models on X, (cases, features). Raises `CaseError` without image features, or few reports."""
        values, y = validate_data(self, X, y, dtype=np.float64)
        self.classes_, codes = np.unique(y, return_inverse=True)
        image, report, given, groups = self._parted(values)
        if not image.shape[1]:
            raise CaseError(
                "late_fusion needs features of an image beside the report's: name both by `beside`"
            )
        self.image_ = self._image_model().fit(image, codes)
        if not len(self.report):
            return self
        self._refuse_few(codes[given])
        said = np.column_stack(
            [
                self._out_of_fold(model, part[given], codes[given], None if groups is None else groups[given])
                for model, part in ((self._image_model(), image), (self._report_model(), report))
            ]
        )
        self.weights_ = LogisticRegression().fit(said, codes[given])
        self.report_ = self._report_model().fit(report[given], codes[given])
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Return the probability of each of ``classes_``, (cases, 2)."""
        check_is_fitted(self)
        image, report, given, _ = self._parted(validate_data(self, X, dtype=np.float64, reset=False))
        probabilities: Floats = self.image_.predict_proba(image)
        if given.any():
            said = [_log_odds(self.image_, image[given]), _log_odds(self.report_, report[given])]
            probabilities[given] = self.weights_.predict_proba(np.column_stack(said))
        return probabilities

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the more probable class of each case."""
        chosen: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return chosen

    def _parted(self, values: Floats) -> tuple[Floats, Floats, NDArray[np.bool_], NDArray[Any] | None]:
        """Return the image's columns, the report's, who has a report, and what must stay together."""
        report = np.asarray(self.report, dtype=np.intp)
        whole = [] if self.whole is None else [self.whole]
        image = np.setdiff1d(np.arange(values.shape[1]), [*report, *whole])
        given = np.zeros(len(values), bool) if self.given is None else values[:, self.given] > 0
        return values[:, image], values[:, report], given, values[:, self.whole] if whole else None

    def _refuse_few(self, codes: Labels) -> None:
        counts = np.bincount(codes, minlength=2)
        if len(self.classes_) != 2 or counts.min() < self.folds:
            raise CaseError(
                f"late_fusion weighs image and report in {self.folds} folds, and of the training cases with a report "
                f"{counts.min()} are of one class: lower its `folds`, or take early_fusion"
            )

    def _out_of_fold(self, model: Pipeline, X: Floats, codes: Labels, groups: NDArray[Any] | None) -> Floats:
        """Return the log odds of label 1 for each case from a model that has not seen it, nor what belongs to it."""
        validator = StratifiedKFold if groups is None else StratifiedGroupKFold
        odds = np.empty(len(X))
        for train, test in validator(self.folds, shuffle=True, random_state=self.seed).split(
            X, codes, groups
        ):
            if len(np.unique(codes[train])) < 2:
                raise CaseError("late_fusion: a fold of its own has one class alone: lower its `folds`")
            odds[test] = _log_odds(clone(model).fit(X[train], codes[train]), X[test])
        return odds

    def _image_model(self) -> Pipeline:
        return _with_regression(image_steps(self.correlation_threshold), self.image_c)

    def _report_model(self) -> Pipeline:
        places = tuple(range(len(self.report)))  # among the report's columns
        coordinates = tuple(np.flatnonzero(np.isin(self.report, self.coordinates)).tolist())
        blocks = Pipeline([("blocks", Blocks(places, coordinates))])
        return _with_regression(blocks, self.report_c)


def _with_regression(steps: Pipeline, C: float) -> Pipeline:
    return Pipeline([*steps.steps, ("model", LogisticRegression(C=C, max_iter=5000))])


def _log_odds(model: Pipeline, X: Floats) -> Floats:
    probability = np.clip(model.predict_proba(X)[:, 1], EDGE, 1 - EDGE)
    odds: Floats = np.log(probability / (1 - probability))
    return odds
