"""`check_plugin` passes what keeps the contract and names each breach."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from pydantic import Field

from benchmark.errors import CaseError, UserError
from benchmark.plugins import Classifier, Cohort, FeatureExtractor, Segmenter
from benchmark.plugins.checks import check_plugin
from benchmark.plugins.registry import BUILTINS, build

NEED_DECLARATION = {"manifest", "coca_gated", "coca_nongated", "orcascore", "implanted", "pseudo_label"}
"""What has no default parameters."""
CHECKED = [
    (kind, name)
    for kind in ("segmenter", "feature_extractor", "classifier")
    for name in BUILTINS[kind]
    # The first two look for a chest; the last is nothing without the extractor whose network it trains.
    if name not in (*NEED_DECLARATION, "heart_region", "denseraunet", "finetuned")
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), CHECKED)
def test_what_ships_keeps_the_contract_or_says_why_it_cannot_run_here(kind, name):
    try:
        plugin = build(kind, name)
    except ValueError as error:
        pytest.skip(f"{name} must be declared: {error}")
    if plugin.availability().ready:
        check_plugin(plugin)
    else:
        with pytest.raises(UserError, match="cannot be checked here: "):
            check_plugin(plugin)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("cohort", "toy_cohort"),
        ("segmenter", "toy_centre"),
        ("feature_extractor", "toy_moments"),
        ("classifier", "toy_nearest"),
    ],
)
def test_somebody_elses_plugins_keep_it(kind, name):
    check_plugin(type(build(kind, name)))


class Moments(FeatureExtractor):
    """The mean inside the ROI."""

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        inside = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(roi) > 0]
        if not inside.size:
            raise CaseError("the ROI is empty")
        return pd.Series({"mean": float(inside.mean())})


class Undescribed(Moments):
    """Has a parameter that nobody can look up."""

    hu: float = 130.0


class Renaming(Moments):
    """Names its features after the case."""

    def extract(self, image, roi):
        return super().extract(image, roi).rename({"mean": f"mean {sitk.GetArrayViewFromImage(image).max()}"})


class Random(Moments):
    """Draws a number."""

    def extract(self, image, roi):
        return super().extract(image, roi) + np.random.default_rng().normal()


class Unfinished(Moments):
    """Divides by nothing."""

    def extract(self, image, roi):
        return super().extract(image, roi) * np.nan


class Careless(FeatureExtractor):
    """Knows no empty ROI, and writes into the scan."""

    def extract(self, image, roi):
        image[0, 0, 0] = 1e4
        inside = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(roi) > 0]
        return pd.Series({"first": float(inside[0])})


class Listing(Moments):
    """Gives a list."""

    def extract(self, image, roi):
        return [1.0]


class Elsewhere(Segmenter):
    """A region on a grid of its own."""

    def segment(self, scan: Any) -> sitk.Image:
        return sitk.Image(4, 4, 4, sitk.sitkUInt8)


class Painting(Segmenter):
    """Paints what it finds into the scan."""

    def segment(self, scan: Any) -> sitk.Image:
        scan.masks["coronary"][0, 0, 0] = 1
        return scan.masks["coronary"]


class Restless(Segmenter):
    """Finds another region each time."""

    def segment(self, scan: Any) -> sitk.Image:
        noise = sitk.GetImageFromArray(
            np.random.default_rng().integers(0, 2, scan.image.GetSize()[::-1], np.uint8)
        )
        noise.CopyInformation(scan.image)
        return noise


class Misnamed(Classifier):
    """A pipeline without a step `model`, and a grid of what it has not."""

    def estimator(self, seed: int) -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import Pipeline

        return Pipeline([("last", LogisticRegression())])

    def parameter_grid(self) -> dict[str, list[Any]]:
        return {"model__C": [1.0]}


class Twins(Cohort):
    """Lists a case twice."""

    zero: int = Field(1, description="cases")

    def cases(self) -> list[Any]:
        from toy_plugins import ToyCohort

        return ToyCohort(zero=1, nonzero=1).cases() * 2


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        (Undescribed, "describes its parameters: no description of hu"),
        (Renaming, "names the same for every case: another scan has other features"),
        (Random, "extracts the same twice: the same scan has other features the second time"),
        (Unfinished, "names finite features: not finite: mean"),
        (Careless, "names finite features: it changes the scan it was given"),
        (Careless, "refuses an empty region: of an empty region it raises IndexError, not CaseError"),
        (Listing, "names finite features: it gives a list, not a pandas Series"),
        (Elsewhere, "segments on the scans grid: its region is on another grid than the scan"),
        (Painting, "segments on the scans grid: it changes the scan it was given"),
        (Restless, "segments the same twice: the same scan has another region the second time"),
        (Misnamed, "ends in a step called model: estimator"),
        (
            Misnamed,
            "tries parameters that there are: parameter_grid() names what the pipeline does not have: model__C",
        ),
        (Twins, "lists cases: two of its cases have the same case_id"),
    ],
)
def test_each_breach_is_named(plugin, said):
    with pytest.raises(AssertionError) as caught:
        check_plugin(plugin)
    assert said in str(caught.value)


def test_the_example_of_the_contract_passes():
    check_plugin(Moments)
    check_plugin(Moments())
