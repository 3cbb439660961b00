import numpy as np

from benchmark.images.geometry import bounding_box


def test_the_bounding_box_is_the_smallest_and_none_for_nothing() -> None:
    mask = np.zeros((5, 6, 7), bool)
    assert bounding_box(mask) is None
    mask[1, 2, 3] = mask[3, 2, 6] = True
    assert bounding_box(mask) == (slice(1, 4), slice(2, 3), slice(3, 7))
