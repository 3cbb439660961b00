"""Run lengths against PyRadiomics' own, which walks along every line."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from radiomics import cMatrices

from feature_extractors.radiomics.run_lengths import run_lengths

SIDES = st.tuples(*[st.integers(1, 6)] * 3).filter(lambda shape: sum(side > 1 for side in shape) > 1)


@st.composite
def rois(draw):
    """Grey levels 1 to 4 of a box, and a ROI of at least one voxel in it."""
    shape = draw(SIDES)
    levels = draw(arrays(np.int64, shape, elements=st.integers(1, 4)))
    return levels, draw(arrays(bool, shape).filter(np.any))


@settings(max_examples=300, deadline=None)
@given(rois())
def test_every_small_roi_has_the_run_lengths_of_pyradiomics(roi):
    levels, inside = roi
    highest = int(levels[inside].max())
    (expected,), angles = cMatrices.calculate_glrlm(levels, inside, highest, max(levels.shape), False, 0)
    assert (run_lengths(levels, inside, angles) == expected).all()


def test_a_constant_slab_has_runs_as_long_as_its_sides():
    levels, angles = np.ones((1, 3, 5), int), np.array([[0, 0, 1], [0, 1, 0]], np.intc)
    along_x, along_y = np.moveaxis(run_lengths(levels, levels > 0, angles)[0], -1, 0)
    assert along_x.tolist() == [0, 0, 0, 0, 3]
    assert along_y.tolist() == [0, 0, 5, 0, 0]
