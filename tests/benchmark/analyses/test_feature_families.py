from collections import Counter

import numpy as np
import SimpleITK as sitk

from benchmark.analyses.feature_families import family_of, feature_families
from feature_extractors.radiomics.extractor import RadiomicsExtractor


def extracted():
    random = np.random.default_rng(0)
    image = sitk.GetImageFromArray(random.normal(40, 60, (6, 8, 8)).astype(np.float32))
    roi = sitk.GetImageFromArray(np.pad(np.ones((4, 5, 5), np.uint8), ((1, 1), (2, 1), (1, 2))))
    return list(RadiomicsExtractor(diagnostics=True).extract(image, roi).index)


def test_what_the_extractor_gives_falls_into_the_published_families():
    names = extracted()
    found = feature_families(names)
    assert {family: len(members) for family, members in found.items()} == {
        "diagnostics": 5,
        "shape": 14,
        "firstorder": 18,
        "glcm": 24,
        "glrlm": 16,
        "glszm": 16,
        "gldm": 14,
        "ngtdm": 5,
    }
    assert sorted(position for members in found.values() for position in members) == list(range(112))
    assert all(
        f"_{family}_" in names[place]
        for family, members in found.items()
        if family != "diagnostics"
        for place in members
    )


def test_a_filtered_image_has_the_same_families():
    names = ["wavelet-LLH_glcm_Contrast", "log-sigma-1-0-mm-3D_glcm_Contrast", "original_shape2D_Perimeter"]
    assert Counter(map(family_of, names)) == {"glcm": 2, "shape2D": 1}


def test_an_extractor_with_other_names_has_no_families():
    assert feature_families([f"embedding_{place}" for place in range(512)]) == {}
    assert feature_families(["agatston", "volume_mm3"]) == {}
    assert feature_families(["original_glcm_Contrast", "agatston"]) == {}
    assert family_of("original_glcm_") is None
