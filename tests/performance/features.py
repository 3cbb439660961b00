"""Radiomics against PyRadiomics' own extractor: a vessel in a full-size scan, and the tumours of ten real CTs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import SimpleITK as sitk

from benchmark.cohorts.phantom import PhantomCohort
from benchmark.images.reading import read_image
from feature_extractors.radiomics.extractor import RadiomicsExtractor
from tests.performance.pairs import Row, paired

FULL_SIZE = {"field_of_view_mm": 200, "pixel_mm": 200 / 512, "coverage_mm": 150, "slice_thickness_mm": 3.0}


def rows(data: Path) -> Iterator[Row]:
    """Yield a row for the vessel and one for each tumour under `data`."""
    scan = PhantomCohort(zero=0, nonzero=1, **FULL_SIZE).cases()[0].source.load()
    yield _row("radiomics, vessel in 512×512×50", "≥ 8 ×", scan.image, scan.masks["coronary"] != 0, 5)
    for folder in sorted((data / "sts_ct").glob("STS_*")):
        image, roi = read_image(folder / "CT_image.nii.gz"), sitk.ReadImage(str(folder / "CT_mask.nii.gz"))
        roi.CopyInformation(image)
        yield _row(f"radiomics, tumour of {folder.name}", "≥ 3 ×", image, roi, 5)


def _row(what: str, goal: str, image: sitk.Image, roi: sitk.Image, repeats: int) -> Row:
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    extractor, theirs = RadiomicsExtractor(), RadiomicsFeatureExtractor()
    found, expected = extractor.extract(image, roi), theirs.execute(image, roi)
    apart = max(abs(value - float(expected[name])) / abs(value) for name, value in found.items() if value)
    times = paired(lambda: extractor.extract(image, roi), lambda: theirs.execute(image, roi), repeats)
    return Row(what, "PyRadiomics", goal, *times, equal=f"within {apart:.0e}")
