"""A scikit-learn classifier whose model is a network's upper layers and a linear head."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from benchmark.plugins.registry import build
from benchmark.plugins.trainable import TrainableExtractor
from classifiers.finetuned.training import Setting, centre_and_scale, epochs, probabilities, with_head

Tensors = dict[str, NDArray[Any]]


class FinetunedNetwork(ClassifierMixin, BaseEstimator):
    """Takes X (cases, views, …) as `TrainableExtractor.extract_with_activations` hands it out.

    Parameters
    ----------
    extractor : whose layers are trained, from its published weights at each fit; in a loaded model its architecture.
    epochs : passes over the cases.
    learning_rate, head_learning_rate, weight_decay : of AdamW, for the extractor's layers and the head.
    batch_cases : cases of a step.
    seed : the order of cases and the view of each derive from it.
    kept : numbers of epochs after which the weights are kept as well, for `at_epoch`.
    """

    def __init__(
        self,
        extractor: TrainableExtractor | dict[str, Any],
        epochs: int = 8,
        learning_rate: float = 1e-4,
        head_learning_rate: float = 1e-3,
        weight_decay: float = 0.01,
        batch_cases: int = 16,
        seed: int = 0,
        kept: tuple[int, ...] = (),
    ) -> None:
        self.extractor = extractor
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.head_learning_rate = head_learning_rate
        self.weight_decay = weight_decay
        self.batch_cases = batch_cases
        self.seed = seed
        self.kept = kept

    def fit(self, X: NDArray[Any], y: NDArray[Any]) -> Self:
        """Train on all of X. Raises `UserError` where the extractor's weights cannot be had."""
        if not isinstance(self.extractor, TrainableExtractor):
            raise TypeError("a loaded model has no weights to start from: make a new one")
        self.classes_, codes = np.unique(y, return_inverse=True)
        setting, layers = self._setting(), self.extractor.trained_part()
        network = with_head(layers, *centre_and_scale(layers, X, setting), len(self.classes_))
        self._at: dict[int, Tensors] = {}
        for epoch in epochs(network, X, codes, setting):
            if epoch in self.kept:
                self._at[epoch] = _tensors(network)
            if epoch == self.epochs:
                break
        self.tensors_ = _tensors(network)
        return self

    def at_epoch(self, epoch: int) -> FinetunedNetwork:
        """Return the classifier as it was after one of the epochs `kept`."""
        earlier = FinetunedNetwork(**self.get_params(deep=False))
        earlier.classes_, earlier.tensors_ = self.classes_, self._at[epoch]
        return earlier

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability of each of ``classes_``, (cases, classes)."""
        import torch

        check_is_fitted(self, "tensors_")
        extractor = self.extractor
        if isinstance(extractor, dict):
            extractor = cast(TrainableExtractor, build("feature_extractor", extractor))
        tensors = {name: torch.from_numpy(array) for name, array in self.tensors_.items()}
        device, _ = extractor.trains_on
        centre, scale = tensors["centre"].to(device), tensors["scale"].to(device)
        network = with_head(extractor.trained_part(), centre, scale, len(self.classes_))
        network.load_state_dict(tensors, strict=True)
        return probabilities(network, np.asarray(X), self._setting(extractor))

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the most probable class of each case."""
        chosen: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return chosen

    def _setting(self, extractor: TrainableExtractor | None = None) -> Setting:
        device, precision = (extractor or cast(TrainableExtractor, self.extractor)).trains_on
        own = {
            field.name: getattr(self, field.name) for field in fields(Setting) if hasattr(self, field.name)
        }
        return Setting(device=device, precision=precision, **own)

    def __getstate__(self) -> dict[str, Any]:
        # A model on disk is arrays and plain values: the layers are built anew from their architecture.
        state = {name: value for name, value in super().__getstate__().items() if name != "_at"}
        if isinstance(self.extractor, TrainableExtractor):
            state["extractor"] = self.extractor.architecture()
        return state


def _tensors(network: Any) -> Tensors:
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}
