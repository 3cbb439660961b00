"""The kinds of columns of a joined table, each prepared as its kind needs, in the training fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from benchmark.plugins.reports import COORDINATE, GIVEN, OF_REPORT
from classifiers.preprocessing import CorrelationFilter

Floats = NDArray[np.float64]


def report_columns(names: Sequence[str]) -> tuple[int, ...]:
    """Return the places of the features of reports."""
    return tuple(place for place, name in enumerate(names) if name.startswith(OF_REPORT))


def coordinate_columns(names: Sequence[str]) -> tuple[int, ...]:
    """Return those of the reports' features that are coordinates of an embedding and no counts."""
    return tuple(place for place, name in enumerate(names) if name.startswith(COORDINATE))


def given_column(names: Sequence[str]) -> int | None:
    """Return the place of the feature that says whether there is a report; None where no features are of reports."""
    return list(names).index(GIVEN) if GIVEN in names else None


class VaryingColumns(TransformerMixin, BaseEstimator):
    """Keep what varies in the cases it is fitted on; unlike scikit-learn's filter it may keep nothing."""

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Look at X, shape (cases, features)."""
        values = validate_data(self, X, dtype=np.float64)
        self.kept_: NDArray[np.intp] = np.flatnonzero(np.ptp(values, axis=0) > 0)
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Return the columns that varied."""
        check_is_fitted(self)
        kept: Floats = validate_data(self, X, dtype=np.float64, reset=False)[:, self.kept_]
        return kept


class TermWeights(TransformerMixin, BaseEstimator):
    """TF-IDF of counts (cases, terms): 1 + ln count, times the inverse document frequency, each case of length 1.

    A case without any term stays zero. The frequencies are those of the cases it is fitted on.
    """

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn the document frequencies."""
        self.weights_ = TfidfTransformer(sublinear_tf=True).fit(validate_data(self, X, dtype=np.float64))
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Return the weights, dense."""
        check_is_fitted(self)
        weighted: Floats = self.weights_.transform(
            validate_data(self, X, dtype=np.float64, reset=False)
        ).toarray()
        return weighted


class CoordinateScaling(TransformerMixin, BaseEstimator):
    """Standardise an embedding (cases, coordinates) over the cases that have one; a case without stays zero.

    Then divide by the root of their number, so that a case is about 1 long, as `TermWeights` makes it.
    """

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn means and deviations."""
        values = validate_data(self, X, dtype=np.float64)
        self.scaler_ = StandardScaler().fit(values[values.any(axis=1)])
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Return the scaled coordinates."""
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, reset=False)
        given = values.any(axis=1, keepdims=True)
        scaled: Floats = given * self.scaler_.transform(values) / np.sqrt(values.shape[1])
        return scaled


class Blocks(TransformerMixin, BaseEstimator):
    """Image features filtered and standardised, and beside them the report's: terms weighed, an embedding scaled.

    Parameters
    ----------
    report : tuple of int
        Which columns are of reports; the others are the image's. Either may be none.
    coordinates : tuple of int
        Which of those are an embedding's coordinates and no counts.
    correlation_threshold : float or None
        Of the image features' filter.
    report_weight : float
        What the report's columns, no longer than about 1, are multiplied by beside standardised features: a penalised
        model trusts the larger of two columns more.
    """

    def __init__(
        self,
        report: tuple[int, ...] = (),
        coordinates: tuple[int, ...] = (),
        correlation_threshold: float | None = 0.9,
        report_weight: float = 1.0,
    ) -> None:
        self.report = report
        self.coordinates = coordinates
        self.correlation_threshold = correlation_threshold
        self.report_weight = report_weight

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Fit both kinds on X, shape (cases, features)."""
        values = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        self.parts_ = {
            name: (columns, made.fit(values[:, columns]))
            for name, columns, made in self._parts(values.shape[1])
            if np.ptp(values[:, columns], axis=0).any()
        }
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Return the prepared columns, the image's first."""
        check_is_fitted(self)
        values: Floats = validate_data(self, X, dtype=np.float64, reset=False)
        return np.hstack(
            [
                (1.0 if name == "image" else self.report_weight) * made.transform(values[:, columns])
                for name, (columns, made) in self.parts_.items()
            ]
        )

    def names_after(self, names: NDArray[Any]) -> NDArray[Any]:
        """Return the names of what comes out."""
        kept = []
        for columns, made in self.parts_.values():
            of_part = names[columns]
            for _, step in made.steps:
                if isinstance(step, VaryingColumns):
                    of_part = of_part[step.kept_]
                elif isinstance(step, CorrelationFilter):
                    of_part = of_part[step.get_support()]
            kept.append(of_part)
        return np.concatenate(kept)

    def _parts(self, width: int) -> list[tuple[str, NDArray[np.intp], Pipeline]]:
        report, coordinates = (
            np.asarray(columns, dtype=np.intp) for columns in (self.report, self.coordinates)
        )
        parts = [
            ("image", np.setdiff1d(np.arange(width), report), image_steps(self.correlation_threshold)),
            ("terms", np.setdiff1d(report, coordinates), _report_steps(TermWeights())),
            ("coordinates", coordinates, _report_steps(CoordinateScaling())),
        ]
        return [part for part in parts if len(part[1])]


def image_steps(correlation_threshold: float | None) -> Pipeline:
    """Return constant filter → correlation filter → scaling."""
    uncorrelated = (
        [] if correlation_threshold is None else [("uncorrelated", CorrelationFilter(correlation_threshold))]
    )
    return Pipeline([("varying", VaryingColumns()), *uncorrelated, ("scaled", StandardScaler())])


def _report_steps(weighing: TransformerMixin) -> Pipeline:
    return Pipeline([("varying", VaryingColumns()), ("weighed", weighing)])
