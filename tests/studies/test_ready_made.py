"""The studies that come with the project can be read, run on phantoms, and are ready."""

import re
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml
from typer.testing import CliRunner

from benchmark.analyses.robustness.study import read_robustness_study
from benchmark.analyses.segmentation.study import read_segmentation_study
from benchmark.cli import app
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.phantom.export import write_cohort
from benchmark.plugins.registry import name_of
from benchmark.study.reading import read_study

STUDIES = Path(__file__).parents[2] / "studies"


@pytest.mark.parametrize(
    ("name", "cases", "runs"),
    [
        ("table2", 182, 8),
        ("families", 182, 8),
        ("bands", 182, 4),
        ("bands_four", 182, 4),
        ("scanners", 182, 6),
        ("pseudo_labels", 182, 8),
        ("roi_dilation", 120, 10),
        ("intensity_threshold", 120, 10),
        ("controls", 182, 12),
        ("finetuning", 100, 5),
        ("image_controls", 80, 8),
        ("harmonisation", 80, 2),
    ],
)
def test_a_ready_made_study_is_ready_on_phantoms(name, cases, runs):
    study = read_study(STUDIES / f"{name}.yaml")
    assert len(study.cohort.cases()) == cases
    assert len(study.all_runs()) == runs
    for extraction in study.extractors.values():
        assert extraction.extractor.availability().ready
        assert study.segmenters[extraction.segmenter].availability().ready


def test_the_study_of_filters_declares_what_mirp_is_to_do():
    study = read_study(STUDIES / "filters.yaml")
    assert len(study.cohort.cases()) == 40
    filtered, perturbed = (study.extractors[name].extractor for name in ("filtered", "perturbed"))
    assert [chosen.use for chosen in filtered.filters] == [
        "mean", "laplacian_of_gaussian", "laws", "separable_wavelet"
    ]  # fmt: skip
    assert len(perturbed.perturb.places(perturbed.by_slice)) == 3


@pytest.mark.parametrize("encoder", ["finetune_ct_fm", "finetune_i3resnet"])
def test_the_fine_tuning_study_takes_another_encoder_by_the_line_it_names(tmp_path, encoder):
    shipped = (STUDIES / "finetuning.yaml").read_text()
    (line,) = re.findall(rf"^#   (frozen: &shared {{use: {encoder}, .*}})$", shipped, re.MULTILINE)
    changed = re.sub(r"  frozen: &shared\n(    .*\n)+", f"  {line}\n", shipped)
    (tmp_path / "finetuning.yaml").write_text(changed)
    study = read_study(tmp_path / "finetuning.yaml")
    trained = {name: one.extractor for name, one in study.extractors.items() if name != "calcium_volumes"}
    assert {name_of(extractor) for extractor in trained.values()} == {encoder}
    assert {name: extractor.depth for name, extractor in trained.items()} == {
        "frozen": "head",
        "last_stage": "last_stage",
        "full": "full",
    }
    assert len(study.all_runs()) == 5


def test_the_robustness_study_scans_the_same_patients_under_every_condition():
    study = read_robustness_study(STUDIES / "robustness.yaml")
    patients = [(case.case_id, case.label) for case in study.base.cohort.cases()]
    assert len(patients) == 80
    assert len(study.base.all_runs()) == 4
    assert list(study.conditions) == ["rescan", "soft", "sharp", "noisy", "dilated_2mm"]
    for condition in study.conditions.values():
        assert [(case.case_id, case.label) for case in condition.cohort.cases()] == patients


@pytest.mark.slow
def test_implanted_scans_of_one_s_own_are_compared_by_changing_the_lines_of_the_hosts(tmp_path):
    shipped = yaml.safe_load((STUDIES / "implanted.yaml").read_text())
    study = read_segmentation_study(STUDIES / "implanted.yaml")
    assert [case.label for case in study.cohorts["implanted"].cases()].count(1) == 8
    small = {"coverage_mm": 60, "slice_thickness_mm": 6, "pixel_mm": 1.5, "protocol": "chest", "stented": 0}
    write_cohort(PhantomCohort(zero=2, nonzero=0, seed="mine", **small), tmp_path / "scans", 1)
    mine = {"hosts": {"use": "manifest", "path": "scans/manifest.csv"}, "mask": "coronary", "margin_mm": 1.5}
    shipped["cohorts"]["implanted"] |= mine
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(shipped, sort_keys=False))
    done = CliRunner().invoke(
        app, ["segmentation", str(tmp_path / "mine.yaml"), "--results", str(tmp_path / "r"), "--jobs", "1"]
    )
    assert done.exit_code == 0, done.output
    scores = pd.read_csv(tmp_path / "r" / "implanted" / "tables" / "summary.csv").set_index("segmenter")
    assert set(scores.index) == set(shipped["segmenters"])


@pytest.mark.slow
def test_segmenters_are_compared_on_scans_of_one_s_own_by_changing_the_lines_of_the_cohort(
    tmp_path, monkeypatch
):
    """A small cohort in the place of the phantoms, a small AI-CAC in that of the published one, no TotalSegmentator."""
    from segmenters.ai_cac.network import AICAC

    monkeypatch.setenv("TOTALSEG_HOME_DIR", str(tmp_path / "nothing"))
    monkeypatch.delenv("TOTALSEG_WEIGHTS_PATH", raising=False)
    shipped = yaml.safe_load((STUDIES / "segmenters_on_scans.yaml").read_text())
    assert list(read_segmentation_study(STUDIES / "segmenters_on_scans.yaml").segmenters) == list(
        shipped["segmenters"]
    )
    small = {"coverage_mm": 42, "slice_thickness_mm": 6, "pixel_mm": 1.5, "protocol": "chest", "seed": "mine"}
    write_cohort(PhantomCohort(zero=1, nonzero=1, **small), tmp_path / "scans", 1)
    shipped["cohorts"] = {"mine": {"use": "manifest", "path": "scans/manifest.csv"}}
    torch.manual_seed(0)  # else it depends on the tests before whether these weights call anything
    torch.save({"model_state_dict": AICAC(12).state_dict()}, tmp_path / "va_non_gated_ai_cac_model.pth")
    shipped["segmenters"]["ai_cac"]["feature_size"] = 12
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(shipped, sort_keys=False))
    done = CliRunner().invoke(
        app, ["segmentation", str(tmp_path / "mine.yaml"), "--results", str(tmp_path / "r"), "--jobs", "1"]
    )
    assert done.exit_code == 0, done.output
    for name in ("rule_in_totalsegmentator_heart", "rule_in_totalsegmentator_coronaries"):
        assert f"no result for {name}: " in done.output
    tables = tmp_path / "r" / "segmenters_on_scans" / "tables"
    rules = pd.read_csv(tables / "rules.csv").set_index("masks")
    ran = ["denseraunet", "ai_cac", "ai_cac_from_130_hu", "rule_in_heart_region"]
    assert list(rules.index) == ["(reference)", *ran]
    assert (rules["scans"] == 2).all()
    assert rules.loc["ai_cac", "agatston"] == rules.loc["ai_cac_from_130_hu", "agatston"]
    assert rules.loc["ai_cac", "ai_cac_rule"] > rules.loc["ai_cac_from_130_hu", "ai_cac_rule"]
