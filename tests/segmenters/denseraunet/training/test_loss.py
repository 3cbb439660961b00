"""The loss against closed forms, plain loops and MONAI."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segmenters.denseraunet.training.loss import (
    bootstrapped_cross_entropy,
    distillation_loss,
    segmentation_loss,
    soft_overlap_loss,
)
from segmenters.denseraunet.training.study import Loss


def logit(p):
    return math.log(p / (1 - p))


def test_the_hardest_half_of_four_pixels_is_their_mean_in_closed_form():
    logits = torch.tensor([logit(0.9), logit(0.6), logit(0.2), logit(0.01)])
    target = torch.tensor([1.0, 1.0, 1.0, 0.0])
    expected = -(math.log(0.6) + math.log(0.2)) / 2
    assert float(bootstrapped_cross_entropy(logits, target, 0.5)) == pytest.approx(expected, rel=1e-5)


def test_all_pixels_are_the_plain_cross_entropy():
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(2, 1, 5, 5)), rng.integers(0, 2, (2, 1, 5, 5))
    p = 1 / (1 + np.exp(-logits))
    expected = -np.mean(target * np.log(p) + (1 - target) * np.log(1 - p))
    found = bootstrapped_cross_entropy(torch.tensor(logits), torch.tensor(target, dtype=torch.float64), 1.0)
    assert float(found) == pytest.approx(expected)


@given(st.lists(st.tuples(st.floats(-8, 8), st.booleans()), min_size=1, max_size=30), st.floats(0.01, 0.99))
def test_fewer_harder_pixels_never_lower_the_loss(pixels, hardest):
    logits = torch.tensor([x for x, _ in pixels], dtype=torch.float64)
    target = torch.tensor([float(t) for _, t in pixels], dtype=torch.float64)
    plain = float(bootstrapped_cross_entropy(logits, target, 1.0))
    assert float(bootstrapped_cross_entropy(logits, target, hardest)) >= plain - 1e-12


def test_at_least_one_pixel_counts():
    logits, target = torch.tensor([logit(0.5), logit(0.9)]), torch.tensor([1.0, 1.0])
    assert float(bootstrapped_cross_entropy(logits, target, 1e-6)) == pytest.approx(math.log(2))


def test_the_soft_overlaps_of_three_pixels_in_closed_form():
    logits, target = torch.tensor([logit(0.8), logit(0.4), logit(0.1)]), torch.tensor([1.0, 1.0, 0.0])
    both, either = 1.2, 1.3 + 2
    assert float(soft_overlap_loss(logits, target, "iou")) == pytest.approx(
        1 - (both + 1) / (either - both + 1)
    )
    assert float(soft_overlap_loss(logits, target, "dice")) == pytest.approx(
        1 - (2 * both + 1) / (either + 1)
    )


def test_the_overlaps_are_monai_s_over_a_batch():
    from monai.losses import DiceLoss

    rng = torch.Generator().manual_seed(0)
    logits, target = (
        torch.randn(3, 1, 8, 8, generator=rng),
        (torch.rand(3, 1, 8, 8, generator=rng) > 0.8).float(),
    )
    for name, jaccard in (("dice", False), ("iou", True)):
        theirs = DiceLoss(sigmoid=True, batch=True, jaccard=jaccard, smooth_nr=1, smooth_dr=1)(logits, target)
        if (
            jaccard
        ):  # MONAI doubles the intersection and the union of its Jaccard, so 1 weighs half as much there
            theirs = DiceLoss(sigmoid=True, batch=True, jaccard=True, smooth_nr=2, smooth_dr=2)(
                logits, target
            )
        assert float(soft_overlap_loss(logits, target, name)) == pytest.approx(float(theirs), rel=1e-5)


@pytest.mark.parametrize("overlap", ["iou", "dice"])
def test_a_batch_without_calcium_costs_nothing_when_none_is_found(overlap):
    assert float(soft_overlap_loss(torch.full((4,), -40.0), torch.zeros(4), overlap)) == pytest.approx(
        0, abs=1e-6
    )


def test_the_parts_are_added_with_their_weights():
    logits, target = torch.tensor([0.3, -1.0, 2.0]), torch.tensor([1.0, 0.0, 0.0])
    both = segmentation_loss(logits, target, Loss(cross_entropy=0.5, hardest=1.0, overlap_weight=2.0))
    expected = 0.5 * bootstrapped_cross_entropy(logits, target, 1.0) + 2 * soft_overlap_loss(
        logits, target, "iou"
    )
    assert float(both) == pytest.approx(float(expected))
    only = segmentation_loss(logits, target, Loss(cross_entropy=0, overlap="dice"))
    assert float(only) == pytest.approx(float(soft_overlap_loss(logits, target, "dice")))


@given(st.lists(st.tuples(st.floats(-6, 6), st.floats(-6, 6)), min_size=1, max_size=20))
def test_distillation_is_torch_s_divergence_of_two_coins(pixels):
    student, teacher = (torch.tensor(each, dtype=torch.float64) for each in zip(*pixels, strict=True))
    coins = [torch.distributions.Bernoulli(logits=logits) for logits in (teacher, student)]
    expected = torch.distributions.kl_divergence(*coins)
    assert float(distillation_loss(student, teacher, 1.0)) == pytest.approx(float(expected.mean()), abs=1e-12)
    hardest = float(distillation_loss(student, teacher, 1e-9))
    assert hardest == pytest.approx(float(expected.max()), abs=1e-12)


def test_a_student_that_says_what_its_teacher_says_loses_nothing():
    logits = torch.linspace(-9, 9, 50, dtype=torch.float64)
    assert float(distillation_loss(logits, logits, 0.1)) == pytest.approx(0, abs=1e-12)
