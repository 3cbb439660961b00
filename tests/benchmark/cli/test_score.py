"""`cacbench score --segmenter`: what is found, drawn and said of one scan, and when no risk band is given."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

from benchmark.calcium.scoring import score
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.images.reading import read_image, read_mask

ROOT = Path(__file__).resolve().parents[3]


def cacbench(*arguments):
    command = [sys.executable, "-c", "from benchmark.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ})


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """A chest phantom as a file, and its scan."""
    much = {"median_score": 400, "sigma_ln": 0.2}
    cohort = PhantomCohort(zero=0, nonzero=1, seed="score", protocol="chest", disease=much)
    scan = cohort.cases()[0].source.load()
    file = tmp_path_factory.mktemp("phantom") / "scan.nii.gz"
    sitk.WriteImage(scan.image, str(file))
    return file


@pytest.fixture(scope="module")
def enhanced(real_data):
    """A real chest with contrast medium."""
    return real_data / "thorax_ct" / "pulmonary" / "ct_cropped.nii.gz"


@pytest.mark.slow
def test_of_a_phantom_the_score_of_what_is_found_and_its_band_are_given_without_a_warning(phantom, tmp_path):
    done = cacbench("score", phantom, "--segmenter", "denseraunet", "--out", tmp_path / "o", "--json")
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    image = read_image(phantom)
    expected = score(image, read_mask(tmp_path / "o" / "calcium.nii.gz", image)).total
    assert content["total"] == expected.model_dump(mode="json")
    assert expected.agatston > 0
    # A field of view without the spine leaves unchecked which way round the patient lies: a note, no warning.
    assert [(warning["kind"], warning["severity"]) for warning in content["warnings"]] == [
        ("orientation", "info")
    ]
    assert content["segmenter"]["within"] == {"wall_mm": 3.0, "bone_mm": 3.0}, (
        "heart_region unless told otherwise"
    )
    assert (tmp_path / "o" / "calcium.png").read_bytes()[:4] == b"\x89PNG"
    assert json.loads((tmp_path / "o" / "score.json").read_text()) == content


@pytest.mark.slow
def test_a_severe_warning_refuses_the_band_and_nothing_else(enhanced, tmp_path):
    done = cacbench("score", enhanced, "--segmenter", "threshold", "--out", tmp_path, "--json")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "cacbench: no risk band, for the result is not to be trusted: contrast medium:"
    )
    assert "--force" in done.stderr
    content = json.loads(done.stdout)
    assert content["total"]["risk_band"] is None
    assert all(region["risk_band"] is None for region in content["regions"])
    assert content["total"]["agatston"] > 10_000
    warned = [warning["kind"] for warning in content["warnings"] if warning["severity"] != "info"]
    assert warned == ["contrast medium", "score"]
    assert (tmp_path / "calcium.png").is_file()
    forced = cacbench("score", enhanced, "--segmenter", "threshold", "--out", tmp_path, "--json", "--force")
    assert forced.returncode == 0
    assert json.loads(forced.stdout)["total"]["risk_band"] == ">400"


@pytest.mark.slow
def test_people_read_the_warnings_below_the_score(enhanced, tmp_path):
    done = cacbench("score", enhanced, "--segmenter", "{threshold: {hu: 500}}", "--out", tmp_path)
    assert "severe: contrast medium: blood has 460 HU" in done.stdout
    assert f"picture: {tmp_path / 'calcium.png'}" in done.stdout


@pytest.mark.parametrize(
    ("segmenter", "message"),
    [
        (
            "heart_region",
            "finds a region, not calcium; score the 130 HU rule inside it: --segmenter '{threshold",
        ),
        ("whole_image", "finds a region, not calcium"),
        ("denserunet", "no segmenter is called 'denserunet'; did you mean 'denseraunet'?"),
        ("{denseraunet: {hux: 3}}", "--segmenter denseraunet: hux: unknown key; did you mean 'hu'?"),
        ("{denseraunet: {weights: nowhere.safetensors}}", "nowhere.safetensors: no such weights file"),
        ("{a: 1, b: 2}", "give a name, or one with parameters as"),
        ("[denseraunet", "not valid YAML"),
    ],
)
def test_what_declares_no_finder_of_calcium_is_refused_before_the_scan_is_read(segmenter, message):
    from benchmark.analyses.single_scan.finding import calcium_segmenter
    from benchmark.errors import UserError

    with pytest.raises(UserError) as refused:
        calcium_segmenter(segmenter)
    assert message in str(refused.value)


def test_a_mask_and_a_segmenter_are_one_too_many(phantom):
    done = cacbench("score", phantom, "--mask", phantom, "--segmenter", "threshold")
    assert done.returncode == 2
    assert "give --mask or --segmenter, not both" in done.stderr


def test_an_abdomen_is_refused_with_a_sentence(real_data, tmp_path):
    abdomen = real_data / "thorax_ct" / "example_ct_dicom"
    done = cacbench("score", abdomen, "--segmenter", "threshold", "--out", tmp_path)
    assert done.returncode == 2
    assert done.stderr.strip().endswith(
        "no lungs in the field of view, so the heart is not found between them; give a chest CT"
    )


def test_the_gate_can_be_left_out_or_be_another():
    from benchmark.analyses.single_scan.finding import calcium_segmenter

    assert calcium_segmenter("denseraunet: {within: null}").within is None
    assert (
        type(calcium_segmenter("{use: threshold, within: whole_image}").within).__name__
        == "WholeImageSegmenter"
    )
    assert calcium_segmenter("denseraunet:").within.wall_mm == 3
