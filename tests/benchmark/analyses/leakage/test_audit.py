"""The audit of whole studies: toy scans, real features, the real command line."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import yaml

from benchmark.analyses.leakage.audit import audit_study
from benchmark.analyses.leakage.evaluation import permuted_plan
from benchmark.analyses.leakage.variants import VARIANTS
from benchmark.errors import UserError
from benchmark.evaluation.fold import evaluate
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.features import extract_features
from benchmark.pipeline.plan import plan_evaluation
from benchmark.pipeline.run import run_study
from benchmark.plugins import FeatureExtractor
from benchmark.statistics.metrics.scores import decided_metric
from benchmark.study.extraction import Extraction

ROOT = Path(__file__).resolve().parents[4]
PROTOCOLS = [variant.name for variant in VARIANTS if not variant.of_combat]


class VoxelsExtractor(FeatureExtractor):
    """The HU of every voxel of the region: 64 features that know nothing of each other."""

    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        inside = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(roi) > 0]
        return pd.Series({f"voxel {place}": value for place, value in enumerate(inside.astype(float))})


VOXELS = {"voxels": Extraction(segmenter="toy_centre", extractor=VoxelsExtractor())}
NOISE = {"use": "toy_cohort", "zero": 25, "nonzero": 25, "contrast": 0.0}


@pytest.fixture
def audit(tmp_path):
    def go(study, *names, permutations=2, store=None):
        with workers(1) as pool:
            return audit_study(
                study, names, permutations, Execution(Store(store or tmp_path / "store"), pool)
            )

    return go


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("leakage") / "store"


def by_protocol(found):
    return {finding.variant.name: finding for finding in found.findings}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_the_planted_leak_is_found_in_scans_of_noise_and_the_sound_protocols_are_silent(
    toy_study, audit, store, seed
):
    study = toy_study(cohort=NOISE, seed=seed).model_copy(update={"extractors": VOXELS})
    found = audit(study, permutations=6, store=store)
    findings = by_protocol(found)
    assert list(findings) == PROTOCOLS
    assert findings["filter before"].verdict == "leaks"
    assert "its number cannot be trusted" in findings["filter before"].sentence
    assert [findings[name].verdict for name in ("sound", "filter inside")] == ["silent", "silent"]
    assert found.findings[0].control.chance == 0.5
    assert len(found.permuted) == 6 * len(PROTOCOLS)


def test_the_sound_row_is_the_study_s_own_result_and_takes_it_from_the_store(toy_study, audit, tmp_path):
    study = toy_study()
    with workers(1) as pool:
        result = run_study(study, Execution(Store(tmp_path / "store"), pool))
    before, extracted = (set((tmp_path / "store" / kind).rglob("*.json")) for kind in ("folds", "features"))
    found = audit(study, "moments/toy_nearest")
    mine = result.predictions.query("run == 'moments/toy_nearest'")
    for metric in ("balanced_accuracy", "accuracy"):
        expected = decided_metric(metric, mine["label"], mine["predicted"], mine["score"])
        assert getattr(by_protocol(found)["sound"], metric).value == pytest.approx(expected)
    assert set((tmp_path / "store" / "features").rglob("*.json")) == extracted, "no scan is read again"
    fitted = len(set((tmp_path / "store" / "folds").rglob("*.json")) - before)
    distinct = len(PROTOCOLS) - 1  # of five features the filter before keeps all: it is `sound`
    assert fitted == 3 * (3 * distinct - 1), "three folds of all protocols and labels but the study's own"


def test_the_flat_row_is_what_a_flat_study_reports(toy_study, audit, tmp_path):
    found = by_protocol(audit(toy_study()))["tuned on the test folds"]
    with workers(1) as pool:
        flat = run_study(
            toy_study(protocol={"folds": 3, "selection": "flat"}), Execution(Store(tmp_path / "s"), pool)
        )
    mine = flat.predictions.query("run == 'moments/logistic_regression'")
    expected = decided_metric("balanced_accuracy", mine["label"], mine["predicted"], mine["score"])
    assert found.balanced_accuracy.value == pytest.approx(expected)


def test_optimism_is_the_difference_to_the_sound_counterpart_inside_its_interval(toy_study, audit):
    findings = by_protocol(audit(toy_study()))
    for finding in findings.values():
        if finding.optimism is not None:
            sound = findings[finding.variant.against].balanced_accuracy.value
            assert finding.optimism.value == pytest.approx(100 * (finding.balanced_accuracy.value - sound))
            assert finding.optimism.low <= finding.optimism.value <= finding.optimism.high
    assert {name for name, finding in findings.items() if finding.optimism is None} == {
        "sound",
        "filter inside",
        "diagnostics alone",
    }


@pytest.mark.slow
def test_a_cohort_whose_label_shows_in_the_whole_image_is_called_confounded(toy_study, audit):
    study = toy_study(cohort={"use": "toy_cohort", "contrast": 900.0})
    found = by_protocol(audit(study, permutations=5))["diagnostics alone"]
    assert found.verdict == "confounded"
    assert "the cohort is confounded" in found.sentence


def test_the_filter_inside_never_sees_a_test_label_and_the_one_before_does(toy_study, tmp_path):
    with workers(1) as pool:
        study = toy_study().model_copy(update={"extractors": VOXELS})
        plan = plan_evaluation(study, extract_features(study, Execution(Store(tmp_path), pool)))
    run, split = plan.runs[0], plan.splits[0]
    task = plan.task(run, split)
    changed = task.y.copy()
    changed[split.test] = 1 - changed[split.test]
    inside, before = (
        next(v for v in VARIANTS if v.name == f"filter {name}") for name in ("inside", "before")
    )
    other = replace(task, y=changed)
    first, second = (evaluate(inside.change(one, pd.DataFrame())) for one in (task, other))
    assert first == second
    assert len(first["kept"]) <= 10
    assert before.change(task, pd.DataFrame()).features != before.change(other, pd.DataFrame()).features


def test_the_labels_are_permuted_before_folds_are_drawn_for_them_once(toy_study, tmp_path):
    repeated = {"folds": 3, "inner_folds": 3, "repeats": 2}
    study = toy_study(cohort={"use": "toy_cohort", "zero": 30, "nonzero": 12}, protocol=repeated)
    with workers(1) as pool:
        plan = plan_evaluation(study, extract_features(study, Execution(Store(tmp_path), pool)))
    assert len(plan.splits) == 6
    for number in range(5):
        permuted = permuted_plan(plan, number)
        assert sorted(permuted.labels) == sorted(plan.labels)
        assert (permuted.labels != plan.labels).any()
        assert [int(permuted.labels[split.test].sum()) for split in permuted.splits] == [4, 4, 4]


@pytest.fixture
def bands(tmp_path):
    """Scans of three bands, brighter the more calcium, and a group per scanner."""
    random = np.random.default_rng(0)
    rows = []
    for place in range(36):
        values = random.normal(0, 100, (8, 12, 12)).astype(np.float32)
        values[3:5, 5:7, 5:7] += 150 * (place % 3)
        sitk.WriteImage(sitk.GetImageFromArray(values), tmp_path / f"{place}.nii.gz")
        rows.append((f"p{place:02d}", f"{place}.nii.gz", (0, 50, 500)[place % 3], f"scanner {place % 4}"))
    table = pd.DataFrame(rows, columns=["case_id", "image", "cac_score", "group"])
    table.to_csv(tmp_path / "scans.csv", index=False)
    return {"use": "manifest", "path": tmp_path / "scans.csv"}


@pytest.mark.slow
@pytest.mark.parametrize("split", ["stratified", "leave_one_group_out"])
def test_bands_are_audited_against_the_chance_of_three_classes(toy_study, audit, bands, split):
    study = toy_study(
        cohort=bands,
        target={"use": "bands", "upper": [0, 100]},
        protocol={"folds": 3, "inner_folds": 3, "split": split},
    )
    found = audit(study)
    assert found.findings[0].control.chance == pytest.approx(1 / 3)
    findings = by_protocol(found)
    assert list(findings) == PROTOCOLS
    assert findings["sound"].balanced_accuracy.low > 1 / 3
    assert findings["sound"].control.mean < 0.5


def test_protocols_that_lack_diagnostics_are_left_out_with_the_reason(toy_study, audit):
    study = toy_study(
        segmenters={"toy_centre": {}, "bright": {"use": "threshold", "within": "toy_centre", "hu": 200}},
        extractors={"calcium": {"use": "calcium_volumes", "segmenter": "bright"}},
    )
    found = audit(study)
    assert list(by_protocol(found)) == PROTOCOLS[:4]
    assert set(found.left_out) == {("calcium/logistic_regression", name) for name in PROTOCOLS[4:]}
    assert all(
        "of 40 cases have no diagnostics, the first: the ROI is empty" in why
        for why in found.left_out.values()
    )


@pytest.mark.parametrize(
    ("changes", "names", "message"),
    [
        (
            {},
            ["moments/toy_nearst"],
            "--run moments/toy_nearst: toy has no such run; did you mean 'moments/toy_n",
        ),
        ({"protocol": {"permute_labels": True}}, [], "`permute_labels` is on, .* leave it out"),
        ({"protocol": {"selection": "flat"}}, [], "declares `selection: flat`, .* declare nested"),
        ({"protocol": {"threshold": "youden"}}, [], "audit the study with `threshold: half`"),
        ({"cohort": {"use": "toy_cohort", "zero": 9, "nonzero": 0}}, [], "all 9 cases have label 0"),
    ],
)
def test_what_cannot_be_audited_is_refused_with_the_remedy(toy_study, audit, changes, names, message):
    with pytest.raises(UserError, match=message):
        audit(toy_study(**changes), *names)


def test_folds_that_hardly_any_permutation_can_fill_are_refused(toy_study, audit, bands):
    table = pd.read_csv(bands["path"])
    place = np.arange(len(table))
    table.assign(cac_score=50 * (place % 2), group=[f"pair {n // 2}" for n in place]).to_csv(
        bands["path"], index=False
    )
    study = toy_study(cohort=bands, protocol={"split": "leave_one_group_out", "inner_folds": 3})
    with pytest.raises(UserError, match=r"none of 100 permutations .* under `split: leave_one_group_out`"):
        audit(study)


def test_an_unavailable_run_is_refused_and_never_the_default(toy_study, audit, toy_declaration):
    absent = {"use": "toy_moments", "segmenter": "toy_centre", "ready": False}
    extractors = {"absent": absent, **toy_declaration["extractors"]}
    study = toy_study(extractors=extractors)
    assert study.reference_run == "absent/logistic_regression"
    assert {finding.run for finding in audit(study).findings} == {"moments/logistic_regression"}
    with pytest.raises(UserError, match="no weights: fetch them"):
        audit(study, "absent/toy_nearest")


@pytest.mark.slow
def test_the_command_writes_tables_figure_and_mlflow_runs_and_prints_json_or_a_table(
    tmp_path, toy_declaration
):
    file, results = tmp_path / "study.yaml", tmp_path / "r"
    file.write_text(yaml.safe_dump(toy_declaration))
    arguments = [str(file), "--permutations", "2", "--results", str(results), "--jobs", "1"]
    done = cacbench("audit", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout, parse_constant=pytest.fail)
    assert [row["protocol"] for row in printed["findings"]] == PROTOCOLS
    folder = results / "toy" / "audit"
    table = pd.read_csv(folder / "audit.csv")
    assert table["protocol"].to_list() == PROTOCOLS
    assert table["balanced_accuracy"].to_list() == [row["balanced_accuracy"] for row in printed["findings"]]
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(before) == {
        "audit.csv",
        "permutations.csv",
        "left_out.csv",
        "audit.svg",
        "audit.png",
        "report.html",
        "report.json",
    }
    again = cacbench("audit", *arguments)
    assert "tuned on the test folds" in again.stdout
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{results / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("toy").experiment_id])
    verdicts = {run.data.tags["verdict"] for run in runs if "verdict" in run.data.tags}
    assert verdicts <= {"silent", "leaks", "confounded"}
    assert len(runs) == 1 + len(PROTOCOLS) + 1, "the second names the first that it repeats, and nothing more"


def cacbench(*arguments):
    command = [sys.executable, "-c", "from benchmark.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "plugin_package")}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
