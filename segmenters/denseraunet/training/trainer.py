"""DenseRAUnet's trainer: the plug-in under `training:` of a study of segmentation."""

from __future__ import annotations

from benchmark.plugins.training import Trainer, TrainingJob
from segmenters.denseraunet.training.study import TrainingPlan


class DenseRAUnetTrainer(TrainingPlan, Trainer):
    """Trains DenseRAUnet, or a baseline of its size, and then its second look."""

    def train(self, job: TrainingJob) -> str:
        """Write the best weights by validation F1. Raises `UserError`."""
        from segmenters.denseraunet.training.run import train

        return train(self, job)
