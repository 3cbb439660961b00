"""What an expensive segmenter found is kept: across extractors, dilations and thresholds, and between executions."""

from typing import ClassVar

import numpy as np
import pytest
import SimpleITK as sitk
from pydantic import Field

from benchmark.case import Case, Scan
from benchmark.errors import CaseError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.extraction import ExtractionTask, Wanted, extract
from benchmark.pipeline.features import extract_features
from benchmark.pipeline.regions import Regions
from benchmark.plugins import Segmenter
from benchmark.study.extraction import Extraction
from segmenters.threshold import ThresholdSegmenter
from tests.plugin_package.toy_plugins import MomentsExtractor, ToySource

RUNS: list[str] = []


class Slow(Segmenter):
    """Finds a box; notes each time that it had to look."""

    expensive: ClassVar[bool] = True
    grow: int = Field(0)
    fails: bool = False

    def region_key(self) -> str:
        return self.model_copy(update={"grow": 0}).fingerprint()

    def segment(self, scan: Scan) -> sitk.Image:
        found = scan.region(self.region_key(), lambda: self._look(scan))
        return sitk.BinaryDilate(found, [self.grow] * 3, foregroundValue=7) if self.grow else found

    def _look(self, scan: Scan) -> sitk.Image:
        RUNS.append("looked")
        if self.fails:
            raise CaseError("nothing found")
        values = np.zeros(scan.image.GetSize()[::-1], np.uint8)
        values[2:6, 4:8, 4:8] = 7
        roi = sitk.GetImageFromArray(values)
        roi.CopyInformation(scan.image)
        return roi


@pytest.fixture(autouse=True)
def _fresh():
    RUNS.clear()


def wanted(**segmenters):
    return tuple(Wanted(name, segmenter, MomentsExtractor()) for name, segmenter in segmenters.items())


def case():
    return Case("a", ToySource("a", 1, 200.0, False), 1)


def test_it_looks_once_for_all_that_use_it_in_a_case():
    items = wanted(
        plain=Slow(), wide=Slow(grow=1), calcium=ThresholdSegmenter(within=Slow(), minimum_area_mm2=0)
    )
    outcome = extract(ExtractionTask(case(), items))
    assert RUNS == ["looked"]
    assert len(outcome.regions.packed) == 1
    sizes = {name: record["features"]["n"] for name, record in outcome.outcomes.items()}
    assert sizes["plain"] == 4 * 4 * 4
    assert sizes["wide"] > sizes["plain"] > sizes["calcium"]


def test_a_given_region_is_used_and_gives_the_same_features():
    first = extract(ExtractionTask(case(), wanted(plain=Slow())))
    again = extract(ExtractionTask(case(), wanted(plain=Slow(), wide=Slow(grow=1)), first.regions))
    assert RUNS == ["looked"]
    assert again.regions.packed == {}
    assert again.outcomes["plain"]["features"] == first.outcomes["plain"]["features"]


def test_a_failure_is_remembered_within_the_case_and_never_kept():
    failing = Slow(fails=True)
    outcome = extract(ExtractionTask(case(), wanted(a=failing, b=ThresholdSegmenter(within=failing))))
    assert RUNS == ["looked"]
    assert outcome.regions.packed == {}
    assert {item.reason for item in outcome.outcomes.values()} == {"nothing found"}


def test_a_packed_region_comes_back_with_its_labels_and_grid():
    scan = ToySource("a", 1, 200.0, False).load()
    found = Slow().segment(scan)
    other = ToySource("a", 1, 200.0, False).load()
    Regions().found_in(scan).lend_to(other)
    (back,) = other.regions.values()
    assert (sitk.GetArrayFromImage(back) == sitk.GetArrayFromImage(found)).all()
    assert back.GetSpacing() == found.GetSpacing()


def test_the_store_keeps_it_between_executions(toy_study, tmp_path):
    store = Store(tmp_path / "store")
    study = toy_study()

    def run(**segmenters):
        changed = study.model_copy(
            update={
                "segmenters": segmenters,
                "extractors": {
                    name: Extraction(segmenter=name, extractor=MomentsExtractor()) for name in segmenters
                },
            }
        )
        with workers(1) as pool:
            return extract_features(changed, Execution(store, pool))

    run(plain=Slow())
    assert len(RUNS) == 40
    found = run(
        plain=Slow(), wide=Slow(grow=1), calcium=ThresholdSegmenter(within=Slow(), minimum_area_mm2=0)
    )
    assert len(RUNS) == 40
    assert len(found.tables["wide"]) == 40
