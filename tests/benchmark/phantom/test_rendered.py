"""A phantom is rendered where somebody looks at it, and then once."""

import copy
import pickle
from dataclasses import replace

import pytest
import SimpleITK as sitk

from benchmark.execution.execution import Failure
from benchmark.phantom.synthesis import MASKS, Phantom
from benchmark.pipeline.extraction import ExtractionTask, Wanted, extract
from benchmark.plugins.registry import build

COHORT = {"zero": 1, "nonzero": 1, "coverage_mm": 90, "pixel_mm": 2.0, "slice_thickness_mm": 5.0}


@pytest.fixture
def case():
    return build("cohort", {"use": "phantom", **COHORT}).cases()[0]


@pytest.fixture
def rendered(monkeypatch):
    """What was rendered, in turn: the image, or a mask's name."""
    names, image, mask = [], Phantom.image, Phantom.mask
    monkeypatch.setattr(Phantom, "image", lambda self: names.append("image") or image(self))
    monkeypatch.setattr(Phantom, "mask", lambda self, name: names.append(name) or mask(self, name))
    return names


def test_image_and_masks_are_rendered_once_each_and_only_where_asked_for(case, rendered):
    scan = case.source.load()
    assert (sorted(scan.masks), rendered) == (sorted(MASKS), [])
    assert scan.masks["heart"] is scan.masks["heart"]
    assert scan.image is scan.image
    assert rendered == ["heart", "image"]
    assert scan.image.GetSize() == scan.masks["heart"].GetSize()
    assert "drawn" not in scan.masks
    with pytest.raises(AttributeError):
        _ = scan.picture


@pytest.mark.parametrize(
    "again",
    [lambda scan: pickle.loads(pickle.dumps(scan)), copy.deepcopy, lambda scan: replace(scan, reach_mm=5.0)],
)
def test_a_scan_is_copied_sent_and_changed_like_any_other(case, again):
    scan = again(case.source.load())
    other = case.source.load()
    assert sitk.Hash(scan.image) == sitk.Hash(other.image)
    assert {name: sitk.Hash(mask) for name, mask in scan.masks.items()} == {
        name: sitk.Hash(mask) for name, mask in other.masks.items()
    }
    assert scan.label_names == other.label_names


def test_masks_do_not_depend_on_what_was_rendered_before(case):
    first, second = case.source.load(), case.source.load()
    before = sitk.Hash(first.image)
    assert {name: sitk.Hash(mask) for name, mask in first.masks.items()} == {
        name: sitk.Hash(second.masks[name]) for name in MASKS
    }
    assert sitk.Hash(second.image) == before


def test_a_scan_in_which_the_pseudo_label_fails_is_not_rendered(case, rendered):
    segmenter = build("segmenter", {"use": "pseudo_label", "failures": 0.999})
    failing = Wanted("x", segmenter, build("feature_extractor", "toy_moments"))
    outcome = extract(ExtractionTask(case, (failing,))).outcomes["x"]
    assert isinstance(outcome, Failure)
    assert outcome.stage == "segment"
    assert "no vessel was found" in outcome.reason
    assert rendered == ["coronary"]
