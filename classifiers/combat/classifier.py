"""Any classifier behind ComBat, which learns the scanners' part of the features in the training fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, WithJsonSchema

from benchmark.plugins import Classifier, FeatureExtractor
from benchmark.plugins.preceded import PrecededClassifier
from benchmark.plugins.registry import declared
from classifiers.random_forest import RandomForest

if TYPE_CHECKING:
    from classifiers.combat.step import CombatStep

Learner = Annotated[
    Classifier,
    declared("classifier"),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object", "required": ["use"]}]}),
]


class CombatClassifier(PrecededClassifier):
    """A classifier that learns from features harmonised by ComBat (Johnson 2007), fitted in each training fold.

    Inner folds have a fit of their own. What is tested must be of scanners that trained: `leave_one_group_out` leaves
    nothing to learn of the one left out.
    """

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

    def learning_from(self, extractor: FeatureExtractor) -> Classifier:
        """Return itself around the classifier as it learns. Raises `ValueError` for one that trains a network."""
        inner = self.classifier.learning_from(extractor)
        if inner.learns_from_activations:
            raise ValueError("ComBat harmonises a table of features, and a network that is trained has none")
        return self.model_copy(update={"classifier": inner})

    def unharmonised(self) -> Classifier:
        """Return the classifier alone."""
        return self.classifier

    def step(self) -> tuple[str, CombatStep]:
        """Return ComBat."""
        from classifiers.combat.step import CombatStep

        return "combat", CombatStep()
