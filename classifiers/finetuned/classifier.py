"""The plug-in: trains the layers that a `TrainableExtractor` leaves open, in the training fold, with a linear head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from benchmark.plugins import Classifier, FeatureExtractor
from benchmark.plugins.trainable import TrainableExtractor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline


class Finetuned(Classifier):
    """A linear head on an encoder whose upper layers learn with it, for as many epochs as suit held-out cases."""

    libraries: ClassVar[tuple[str, ...]] = ("torch", "scikit-learn")

    epochs: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = Field(
        (2, 4, 8),
        description="numbers of passes over the training cases to choose from, on the first inner fold",
    )
    learning_rate: NonNegativeFloat = Field(1e-4, description="of the encoder's layers")
    head_learning_rate: PositiveFloat = Field(1e-3, description="of the head")
    weight_decay: NonNegativeFloat = Field(0.01, description="of both, as AdamW has it")
    batch_cases: PositiveInt = Field(16, description="cases of a step")

    def learning_from(self, extractor: FeatureExtractor) -> Classifier:
        """Return the classifier with the network it trains. Raises `ValueError` where the extractor hands out none."""
        if not isinstance(extractor, TrainableExtractor):
            raise ValueError(
                "this classifier trains a network, name it with `use: finetune_slices`, `finetune_ct_fm` or "
                "`finetune_i3resnet`"
            )
        return _Bound(training=self, extractor=extractor)

    def estimator(self, seed: int) -> Pipeline:
        """Raise `TypeError`: there is no network yet, see `learning_from`."""
        raise TypeError("`finetuned` learns from one extractor: ask `learning_from(extractor)`")

    def parameter_grid(self) -> dict[str, list[Any]]:
        """Return the numbers of epochs."""
        return {"model__epochs": sorted(set(self.epochs))}


class _Bound(Classifier):
    """The classifier with its network: both decide what is learnt, so both are in its fingerprint."""

    stages: ClassVar[str | None] = "epochs"

    training: Finetuned
    extractor: TrainableExtractor

    @property
    def learns_from_activations(self) -> bool:
        return True

    def estimator(self, seed: int) -> Pipeline:
        from sklearn.pipeline import Pipeline

        from classifiers.finetuned.estimator import FinetunedNetwork

        settings = self.training.model_dump(exclude={"epochs"})
        epochs = tuple(self.training.parameter_grid()["model__epochs"])
        model = FinetunedNetwork(self.extractor, epochs=epochs[-1], kept=epochs, seed=seed, **settings)
        # The grid search fits what is before the model: there must be something.
        return Pipeline([("untouched", "passthrough"), ("model", model)])

    def parameter_grid(self) -> dict[str, list[Any]]:
        return self.training.parameter_grid()

    def staged_probabilities(
        self, model: Any, X: NDArray[np.float64], stages: list[int]
    ) -> NDArray[np.float64]:
        import numpy as np

        return np.stack([model.at_epoch(stage).predict_proba(X) for stage in stages])
