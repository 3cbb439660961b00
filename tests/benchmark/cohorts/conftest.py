"""A phantom scan to write in the formats of the public data sets."""

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.case import Scan
from benchmark.cohorts.phantom import PhantomCohort


@pytest.fixture(scope="session")
def phantom_scan():
    """A small phantom with calcium in several vessels; a lesion's holes are filled, as polygons have none."""
    cohort = PhantomCohort(
        zero=0, nonzero=3, seed="coca", pixel_mm=1.0, field_of_view_mm=120, coverage_mm=105
    )
    scan = cohort.cases()[1].source.load()
    lesions = sitk.BinaryFillhole(scan.masks["lesions"] > 0)
    assert (sitk.GetArrayFromImage(lesions) == (sitk.GetArrayFromImage(scan.masks["lesions"]) > 0)).all()
    assert len(np.unique(sitk.GetArrayFromImage(scan.masks["lesions"]))) > 2
    return Scan(scan.image, scan.masks)
