"""Any classifier preceded by a step of the pipeline, which is fitted wherever the classifier is: inside the fold."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark.plugins.base import Classifier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.base import BaseEstimator
    from sklearn.pipeline import Pipeline

    Floats = NDArray[np.float64]


class PrecededClassifier(Classifier):
    """What has the grid and the model of its `classifier` and hands it the features as one step more leaves them."""

    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn",)

    classifier: Classifier

    @abstractmethod
    def step(self) -> tuple[str, BaseEstimator]:
        """Return the name and the unfitted transformer that comes first."""

    @property
    def staged_parameter(self) -> str | None:
        """The classifier's own."""
        return self.classifier.staged_parameter

    def estimator(self, seed: int) -> Pipeline:
        """Return the classifier's pipeline, the step first."""
        from sklearn.pipeline import Pipeline

        return Pipeline([self.step(), *self.classifier.estimator(seed).steps])

    def parameter_grid(self) -> dict[str, list[Any]]:
        """Return the classifier's grid."""
        return self.classifier.parameter_grid()

    def fitted_in_search(self, model: Any, X: Floats, y: NDArray[np.intp]) -> Any:
        """Fit the classifier's own."""
        return self.classifier.fitted_in_search(model, X, y)

    def staged_probabilities(self, model: Any, X: Floats, stages: list[int]) -> Floats:
        """Return the classifier's own: the step comes before the model."""
        return self.classifier.staged_probabilities(model, X, stages)
