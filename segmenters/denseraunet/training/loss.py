"""Bootstrapped cross-entropy plus a soft overlap: the loss of arXiv 1907.11392, and what it is compared with."""

from __future__ import annotations

import torch
from torch.nn import functional

from segmenters.denseraunet.training.study import Loss


def segmentation_loss(logits: torch.Tensor, target: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Return the weighted sum of both parts. `logits` and `target` (0 or 1) have one shape, any."""
    total = logits.new_zeros(())
    if loss.cross_entropy:
        total = total + loss.cross_entropy * bootstrapped_cross_entropy(logits, target, loss.hardest)
    if loss.overlap_weight:
        total = total + loss.overlap_weight * soft_overlap_loss(logits, target, loss.overlap)
    return total


def bootstrapped_cross_entropy(logits: torch.Tensor, target: torch.Tensor, hardest: float) -> torch.Tensor:
    """Return the mean binary cross-entropy over the `hardest` fraction of pixels, at least one.

    Wu et al., arXiv 1605.06885, section 3.2: pixels that are already easy do not count.
    """
    each = functional.binary_cross_entropy_with_logits(logits, target, reduction="none").flatten()
    return _mean_of_the_hardest(each, hardest)


def distillation_loss(logits: torch.Tensor, taught: torch.Tensor, hardest: float) -> torch.Tensor:
    """Return the mean Kullback–Leibler divergence from a teacher's logits `taught` over the `hardest` pixels.

    Hinton et al., arXiv 1503.02531, section 2, at a temperature of 1; nothing where both say the same.
    """
    likely = torch.sigmoid(taught)
    each = functional.binary_cross_entropy_with_logits(logits, likely, reduction="none")
    least = functional.binary_cross_entropy_with_logits(taught, likely, reduction="none")
    return _mean_of_the_hardest((each - least).flatten(), hardest)


def _mean_of_the_hardest(each: torch.Tensor, hardest: float) -> torch.Tensor:
    if hardest >= 1:
        return each.mean()
    return each.topk(max(1, round(hardest * each.numel())), sorted=False).values.mean()


def soft_overlap_loss(logits: torch.Tensor, target: torch.Tensor, overlap: str) -> torch.Tensor:
    """Return 1 − soft IoU (Rahman and Wang, 2016, doi:10.1007/978-3-319-50835-1_22) or 1 − soft Dice.

    Sums run over the whole batch, because most slices hold no calcium. One is added to both sides of the
    fraction, so that a batch without calcium is well-behaved.
    """
    p = torch.sigmoid(logits)
    both, either = (p * target).sum(), p.sum() + target.sum()
    if overlap == "dice":
        return 1 - (2 * both + 1) / (either + 1)
    return 1 - (both + 1) / (either - both + 1)
