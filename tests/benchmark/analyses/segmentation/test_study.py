"""A study of segmentation, from its file to its tables, pictures and MLflow; and training from the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

from benchmark.analyses.segmentation.evaluation import across_protocols, against_others, missed, summary
from benchmark.analyses.segmentation.run import run_segmentation
from benchmark.analyses.segmentation.study import SegmentationStudy, read_segmentation_study
from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.report.tracking.destination import tracking_uri
from segmenters.denseraunet.weights_file import read_header
from segmenters.heart_region.segmenter import HeartRegionSegmenter

ROOT = Path(__file__).resolve().parents[4]
HEART = {"use": "threshold", "within": {"use": "reference", "mask": "heart"}}
ORACLE = {"use": "reference", "mask": "lesions"}


def phantoms(**changes):
    return {
        "use": "phantom",
        "zero": 1,
        "nonzero": 2,
        "seed": "few",
        "coverage_mm": 90,
        "pixel_mm": 2.0,
        "noise_sd_hu": 5,
        "disease": {"median_score": 400, "sigma_ln": 0.2},
        "slice_thickness_mm": 5.0,
        **changes,
    }


@pytest.fixture(scope="module")
def declaration():
    tiny = {"use": "denseraunet", "channels": [8, 16], "growth": 8, "layers": 1, "atrous_rates": [1]}
    return {
        "name": "few",
        "cohorts": {"chest": phantoms(protocol="chest"), "cardiac": phantoms(protocol="cardiac")},
        "paired": ["chest", "cardiac"],
        "segmenters": {"rule": {"use": "threshold", "within": {"use": "reference"}}, "heart": HEART},
        "replicates": 200,
        "training": {
            "cohort": phantoms(seed="learn", nonzero=5),
            "networks": {"denseraunet": tiny},
            "steps": 6,
            "validate_every": 2,
            "input": {"slices": 3, "pixel_mm": 2.0},
            "sampling": {"batch": 2, "patch_pixels": 32},
            "validation": 0.5,
            "lesion_check": {"cohort": phantoms(seed="others"), "threshold": 0.01, "members": 2},
        },
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory, declaration):
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.yaml").write_text(yaml.safe_dump(declaration))
    return folder


@pytest.fixture(scope="module")
def measured(folder):
    study = read_segmentation_study(folder / "study.yaml")
    with workers(1) as pool:
        return run_segmentation(study, Execution(Store(folder / "results" / "store"), pool))


def cacbench(*arguments, cwd):
    command = [sys.executable, "-c", "from benchmark.cli import main; main()", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)


def test_every_scan_meets_every_segmenter(measured):
    assert len(measured.scans) == 2 * 2 * 3
    assert not measured.exclusions
    assert set(measured.scans.groupby(["cohort", "segmenter"]).size()) == {3}


def test_the_rule_in_the_heart_finds_whatever_the_rule_in_the_arteries_finds(measured):
    by_rule = measured.scans.pivot_table(index=["cohort", "case_id"], columns="segmenter", values="voxel_tp")
    assert (by_rule["heart"] >= by_rule["rule"]).all()


def test_the_intervals_hold_the_values_and_the_same_seed_gives_the_same_ones(measured, folder):
    study = read_segmentation_study(folder / "study.yaml")
    table = summary(measured.scans, study).dropna()
    assert ((table["low"] <= table["value"] + 1e-9) & (table["value"] <= table["high"] + 1e-9)).mean() > 0.9
    again = summary(measured.scans.sample(frac=1, random_state=0), study).dropna()
    merged = table.merge(again, on=["cohort", "segmenter", "metric"])
    np.testing.assert_allclose(merged["low_x"], merged["low_y"], rtol=1e-9)


def test_a_method_against_its_own_copy_differs_by_nothing(measured, folder):
    study = read_segmentation_study(folder / "study.yaml")
    copied = measured.scans[measured.scans["segmenter"] == "rule"]
    twice = pd.concat([copied, copied.assign(segmenter="heart")])
    table = against_others(twice, study)
    assert (table[["difference", "low", "high"]].fillna(0).abs() < 1e-12).all(axis=None)
    assert (table["p_holm"] == 1).all()


def test_protocols_are_compared_on_the_same_patients(measured, folder):
    table = across_protocols(measured.scans, read_segmentation_study(folder / "study.yaml"))
    assert set(table["patients"]) == {3}
    assert set(table["segmenter"]) == {"rule", "heart"}


def test_every_lesion_is_in_one_range_of_each_trait(measured):
    table = missed(measured.lesions)
    totals = table.groupby(["trait", "cohort", "segmenter"])["lesions"].sum()
    sizes = measured.lesions.groupby(["cohort", "segmenter"]).size()
    for trait in ("volume_mm3", "maximum_hu", "motion_mm"):
        assert totals[trait].to_dict() == sizes.to_dict()
    assert (table["found"] + table["missed"] == table["lesions"]).all()


def test_the_oracle_is_perfect_up_to_the_blur_and_a_second_run_measures_nothing(
    declaration, tmp_path, monkeypatch
):
    study = SegmentationStudy.model_validate(
        {
            **declaration,
            "paired": None,
            "segmenters": {"oracle": ORACLE},
            "reference": {"reach_mm": 0},
            "cohorts": {"one": phantoms(zero=0, nonzero=1)},
        }
    )
    with workers(1) as pool:
        first = run_segmentation(study, Execution(Store(tmp_path), pool))
        assert first.scans["lesion_fn"].sum() == 0
        assert first.scans["voxel_fn"].sum() == 0
        monkeypatch.setattr(
            "benchmark.analyses.segmentation.run.measure", lambda task: pytest.fail("measured again")
        )
        second = run_segmentation(study, Execution(Store(tmp_path), pool))
    pd.testing.assert_frame_equal(first.scans, second.scans)


def test_a_segmenter_that_cannot_run_is_named_and_the_others_go_on(declaration, tmp_path):
    absent = {"use": "denseraunet", "weights": "nowhere.safetensors"}
    one = {**declaration["cohorts"]["chest"], "zero": 0, "nonzero": 1}
    study = SegmentationStudy.model_validate(
        {
            **declaration,
            "segmenters": {"absent": absent, "heart": HEART},
            "cohorts": {"chest": one, "cardiac": {**one, "protocol": "cardiac"}},
        }
    )
    with workers(1) as pool:
        measured = run_segmentation(study, Execution(Store(tmp_path), pool))
    assert "no such weights file" in measured.unavailable["absent"]
    assert set(measured.scans["segmenter"]) == {"heart"}
    assert set(across_protocols(measured.scans, study)["segmenter"]) == {"heart"}
    assert against_others(measured.scans, study).empty


def test_a_case_that_fails_is_an_exclusion_with_its_reason(declaration, tmp_path):
    study = SegmentationStudy.model_validate(
        {
            **declaration,
            "reference": {"mask": "plaque"},
            "paired": None,
            "cohorts": {"one": phantoms(zero=0, nonzero=1)},
        }
    )
    with (
        workers(1) as pool,
        pytest.raises(UserError, match=r"every one of the 1 scans was excluded: .*no mask called 'plaque'"),
    ):
        run_segmentation(study, Execution(Store(tmp_path), pool))


def test_a_segmenter_that_fails_on_a_scan_is_an_exclusion_of_its_own(declaration, tmp_path):
    needs = {"use": "reference", "mask": "lesions"}
    study = SegmentationStudy.model_validate(
        {
            **declaration,
            "segmenters": {"rule": HEART, "oracle": needs},
            "paired": None,
            "cohorts": {"one": phantoms(zero=1, nonzero=1)},
        }
    )
    with workers(1) as pool:
        measured = run_segmentation(study, Execution(Store(tmp_path), pool))
    (excluded,) = measured.exclusions
    assert excluded.reason.startswith("oracle: ")
    assert "is empty" in excluded.reason
    assert measured.scans.groupby("segmenter").size().to_dict() == {"rule": 2, "oracle": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cohorts": {"chest": {"use": "phantm"}}}, "did you mean 'phantom'"),
        ({"segmenters": {"denseraunt": {}}}, "did you mean 'denseraunet'"),
        ({"paired": ["chest", "gated"]}, "'gated' names no cohort of this study"),
        ({"surprise": 1}, r"\.yaml:\d+: surprise: unknown key; there are: name, "),
        ({"cohorts": {"chest": {"use": "phantom", "zer": 1}}}, r"\.yaml:\d+: cohorts\.chest\.zer: .*'zero'"),
        (
            {"segmenters": {"threshold": {"within": {"use": "reference", "mak": "heart"}}}},
            r"\.yaml:\d+: segmenters\.threshold\.within\.mak: .*'mask'",
        ),
        (
            {
                "training": {
                    "cohort": {"use": "phantom"},
                    "lesion_check": {"cohort": {"use": "phantom", "stentd": 1}},
                }
            },
            r"\.yaml:\d+: training\.lesion_check\.cohort\.stentd: .*'stented'",
        ),
        ({"cohorts": None}, "cohorts: must name at least one plug-in"),
        (
            {"training": {"cohort": {"use": "phantom"}, "input": {"slices": 4}}},
            "training.input.slices: .*odd",
        ),
    ],
)
def test_a_mistake_in_the_file_is_a_sentence_with_its_place(declaration, tmp_path, change, message):
    file = tmp_path / "wrong.yaml"
    file.write_text(yaml.safe_dump({**declaration, **change}))
    with pytest.raises(UserError, match=message) as caught:
        read_segmentation_study(file)
    assert str(file) in str(caught.value)


def test_the_study_that_ships_tests_on_patients_that_none_learnt_from():
    study = read_segmentation_study(ROOT / "studies" / "segmentation.yaml")
    chest, cardiac = (study.cohorts[name].cases() for name in study.paired)
    assert [case.case_id for case in chest] == [case.case_id for case in cardiac]
    assert not {case.case_id for case in chest} & {case.case_id for case in study.training.cohort.cases()}
    assert {cohort.generation for cohort in (*study.cohorts.values(), study.training.cohort)} == {2}


@pytest.mark.slow
def test_the_fine_tuning_that_ships_stops_and_is_tested_on_patients_of_their_own():
    fine, whole = (
        read_segmentation_study(ROOT / "studies" / f"{name}.yaml")
        for name in ("segmentation_fine_tuning", "segmentation")
    )
    cohorts = [
        fine.cohorts["chest"],
        fine.training.cohort,
        fine.training.validation_cohort,
        whole.training.cohort,
    ]
    patients = [{case.case_id for case in cohort.cases()} for cohort in cohorts]
    assert len(set.union(*patients)) == sum(map(len, patients))
    assert {case.case_id for case in whole.cohorts["chest"].cases()} == patients[0]
    assert fine.training.networks == whole.training.networks
    assert fine.training.input == whole.training.input
    assert fine.training.within == HeartRegionSegmenter()


def test_the_study_of_the_first_generation_is_valid_and_holds_its_scanner_out():
    study = read_segmentation_study(ROOT / "studies" / "segmentation_generation_1.yaml")
    held_out = {scanner for cohort in study.cohorts.values() for scanner in cohort.scanners}
    assert not held_out & set(study.training.cohort.scanners)
    assert study.training.cohort.protocol == "chest"
    chest, cardiac = (study.cohorts[name].cases() for name in study.paired)
    assert [case.case_id for case in chest] == [case.case_id for case in cardiac]
    learnt_from = (study.training.cohort, study.training.lesion_check.cohort)
    patients = [{case.case_id for case in cohort.cases()} for cohort in learnt_from]
    assert not patients[0] & patients[1]
    assert not {case.case_id for case in chest} & (patients[0] | patients[1])
    assert not held_out & set(study.training.lesion_check.cohort.scanners)


@pytest.mark.slow
def test_the_commands_train_refuse_to_overwrite_and_compare(folder, measured):
    trained = cacbench(
        "train", "denseraunet", "study.yaml", "--out", "w.safetensors", "--jobs", 1, cwd=folder
    )
    assert trained.returncode == 0, trained.stderr
    assert "w.safetensors: validation F1" in trained.stdout
    told = [line for line in trained.stderr.splitlines() if line.startswith("denseraunet step ")]
    assert [line.partition(":")[0] for line in told] == [
        f"denseraunet step {step} of 6" for step in (2, 4, 6)
    ]
    assert all("validation_f1" in line for line in told)
    header = read_header(folder / "w.safetensors")
    assert header.training["steps"] == 6
    assert 0 < header.training["lesion_check"]["calcium"] < header.training["lesion_check"]["lesions"]
    assert not list(folder.glob("*.checkpoint*"))

    again = cacbench("train", "denseraunet", "study.yaml", "--out", "w.safetensors", cwd=folder)
    assert again.returncode == 2
    assert "w.safetensors: exists already; name another file, or overwrite it with --force" in again.stderr

    content = yaml.safe_load((folder / "study.yaml").read_text())
    own = {
        "use": "denseraunet",
        "weights": "w.safetensors",
        "input": content["training"]["input"],
        "network": content["training"]["networks"]["denseraunet"],
    }
    content["segmenters"]["own"] = own
    (folder / "own.yaml").write_text(yaml.safe_dump(content))
    done = cacbench("segmentation", "own.yaml", "--jobs", 1, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    rows = pd.DataFrame(json.loads(done.stdout))
    assert set(rows["segmenter"]) == {"rule", "heart", "own"}
    results = folder / "results" / "few"
    assert {file.name for file in (results / "overlays").iterdir()} == {
        f"{cohort}_{rank}.png" for cohort in ("chest", "cardiac") for rank in ("best", "median", "worst")
    }
    tables = {file.stem for file in (results / "tables").iterdir()}
    assert {"summary", "counts", "against_others", "across_protocols", "missed", "scans", "lesions"} <= tables
    client = mlflow.MlflowClient(tracking_uri(folder / "results"))
    (experiment,) = (e for e in client.search_experiments() if e.name == "few")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"few", *(f"{c}/{s}" for c in ("chest", "cardiac") for s in ("rule", "heart", "own"))}
    (training,) = (e for e in client.search_experiments() if e.name == "training")
    (run,) = client.search_runs([training.experiment_id])
    steps = client.get_metric_history(run.info.run_id, "validation_f1")
    assert [item.step for item in steps] == [2, 4, 6]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "densernet", "study.yaml", "--out", "n.safetensors"], "did you mean 'denseraunet'"),
        (["train", "denseraunet", "study.yaml", "--out", "n.pt"], "end the name in .safetensors"),
        (
            ["train", "denseraunet", "study.yaml", "--out", "n.safetensors", "--resume"],
            "no checkpoint to resume from",
        ),
        (
            ["train", "denseraunet", "study.yaml", "--out", "n.safetensors", "--from", "nowhere.safetensors"],
            "nowhere.safetensors: no such weights file",
        ),
        (["segmentation", "nowhere.yaml"], "nowhere.yaml: no such study file"),
    ],
)
def test_a_mistake_on_the_command_line_is_exit_code_2_and_a_sentence(folder, arguments, message):
    done = cacbench(*arguments, cwd=folder)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
