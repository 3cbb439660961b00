"""Any classifier behind ComBat, which learns the scanners' part of the features in the training fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, WithJsonSchema

from benchmark.plugins import Classifier, FeatureExtractor
from benchmark.plugins.registry import declared
from classifiers.random_forest import RandomForest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    Floats = NDArray[np.float64]

Learner = Annotated[
    Classifier,
    declared("classifier"),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "required": ["use"]}]}),
]


class CombatClassifier(Classifier):
    """A classifier that learns from features harmonised by ComBat (Johnson 2007), fitted in each training fold.

    Inner folds have a fit of their own. What is tested must be of scanners that trained: `leave_one_group_out` leaves
    nothing to learn of the one left out.
    """

    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn",)

    classifier: Learner = Field(
        RandomForest(), description="what learns from the harmonised features: `{use: NAME, …}`"
    )
    batch: Literal["group", "protocol"] = Field(
        "group", description="what the cases of one batch share: their scanner or site, or their protocol"
    )

    @property
    def batch_column(self) -> str:
        """The batches, as codes behind the features."""
        return self.batch

    @property
    def staged_parameter(self) -> str | None:
        """The classifier's own."""
        return self.classifier.staged_parameter

    def learning_from(self, extractor: FeatureExtractor) -> Classifier:
        """Return itself around the classifier as it learns. Raises `ValueError` for one that trains a network."""
        inner = self.classifier.learning_from(extractor)
        if inner.learns_from_activations:
            raise ValueError("ComBat harmonises a table of features, and a network that is trained has none")
        return self.model_copy(update={"classifier": inner})

    def unharmonised(self) -> Classifier:
        """Return the classifier alone."""
        return self.classifier

    def estimator(self, seed: int) -> Pipeline:
        """Return the classifier's pipeline, ComBat first."""
        from sklearn.pipeline import Pipeline

        from classifiers.combat.step import CombatStep

        return Pipeline([("combat", CombatStep()), *self.classifier.estimator(seed).steps])

    def parameter_grid(self) -> dict[str, list[Any]]:
        """Return the classifier's grid."""
        return self.classifier.parameter_grid()

    def fitted_in_search(self, model: Any, X: Floats, y: NDArray[np.intp]) -> Any:
        """Fit the classifier's own."""
        return self.classifier.fitted_in_search(model, X, y)

    def staged_probabilities(self, model: Any, X: Floats, stages: list[int]) -> Floats:
        """Return the classifier's own: ComBat comes before the model."""
        return self.classifier.staged_probabilities(model, X, stages)
