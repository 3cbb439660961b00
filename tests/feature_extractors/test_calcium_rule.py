"""What the rules of thumb read: the highest HU and the Agatston score of the ROI."""

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.errors import CaseError
from feature_extractors.calcium_rule import CalciumRuleExtractor


def image_of(array, spacing=(1.0, 1.0, 3.0)):
    image = sitk.GetImageFromArray(np.asarray(array))
    image.SetSpacing(spacing)
    return image


def test_a_square_of_calcium_has_its_score_by_hand():
    hu = np.full((3, 8, 8), 40, np.int16)
    hu[1, 2:4, 2:4] = 250  # 4 mm², weight 2
    hu[0, 7, 7] = 900
    roi = np.zeros((3, 8, 8), np.uint8)
    roi[:, :6, :6] = 1
    features = CalciumRuleExtractor().extract(image_of(hu), image_of(roi))
    assert features.to_dict() == {"maximum_hu": 250.0, "agatston": 8.0}


def test_a_speck_counts_for_the_maximum_and_not_for_the_score():
    hu = np.full((1, 8, 8), 40, np.int16)
    hu[0, 2, 2] = 180
    features = CalciumRuleExtractor().extract(
        image_of(hu, (0.5, 0.5, 3)), image_of(np.ones((1, 8, 8), np.uint8), (0.5, 0.5, 3))
    )
    assert features.to_dict() == {"maximum_hu": 180.0, "agatston": 0.0}


def test_an_empty_region_holds_nothing_and_another_grid_is_refused():
    hu = image_of(np.full((1, 8, 8), 900, np.int16))
    empty = image_of(np.zeros((1, 8, 8), np.uint8))
    assert CalciumRuleExtractor().extract(hu, empty).to_dict() == {"maximum_hu": 0.0, "agatston": 0.0}
    with pytest.raises(CaseError, match="ROI"):
        CalciumRuleExtractor().extract(hu, image_of(np.zeros((1, 8, 9), np.uint8)))
