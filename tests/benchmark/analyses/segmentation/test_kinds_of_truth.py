"""`cacbench segmentation` on what people have: scores alone, segmentations of 3D Slicer, a real scan annotated."""

import json

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import yaml
from openpyxl import Workbook
from scipy.stats import spearmanr
from typer.testing import CliRunner

from benchmark.analyses.segmentation.agreement_figure import agreement_figure
from benchmark.analyses.segmentation.run import run_segmentation
from benchmark.analyses.segmentation.study import SegmentationStudy
from benchmark.analyses.segmentation.tables import all_tables
from benchmark.calcium.scoring import score
from benchmark.cli import app
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from tests.benchmark.images.slicer_files import write_segmentation
from tests.benchmark.images.written_scans import write_series

RULE = {"use": "threshold", "within": {"use": "whole_image"}, "hu": 300}
DENSE = {"use": "threshold", "within": {"use": "whole_image"}, "hu": 800}
LABELS = {**{1: "LM", 2: "LAD", 3: "LCx", 4: "RCA", 5: "aorta"}, 6: "root", 7: "mitral valve", 8: "other"}


@pytest.fixture(scope="module")
def scans():
    cohort = PhantomCohort(
        **{
            "zero": 3,
            "nonzero": 6,
            "seed": "truth",
            "generation": 1,
            "pixel_mm": 2.0,
            "coverage_mm": 90,
            "field_of_view_mm": 120,
        },
        slice_thickness_mm=5.0,
        disease={"median_score": 300, "sigma_ln": 1.0},
    )
    return [(case, case.source.load()) for case in cohort.cases()]


@pytest.fixture(scope="module")
def results(tmp_path_factory, scans):
    """COCA's layout with scores alone, and Slicer's files beside NIfTI files, run from the command line."""
    folder = tmp_path_factory.mktemp("truth")
    _write_coca(folder / "deidentified_nongated", scans)
    _write_slicer(folder, scans)
    study = {
        "name": "truth",
        "cohorts": {
            "coca": {"use": "coca_nongated", "path": "deidentified_nongated"},
            "slicer": {"use": "manifest", "path": "cases.csv", "segmentations": "segmentations"},
        },
        "segmenters": {"rule": RULE, "dense": DENSE},
        "replicates": 200,
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    arguments = ["segmentation", str(folder / "study.yaml"), "--results", str(folder / "r"), "--jobs", "1"]
    shown, as_json = (
        CliRunner().invoke(app, arguments + more, catch_exceptions=False) for more in ([], ["--json"])
    )
    assert (shown.exit_code, as_json.exit_code) == (0, 0)
    tables = {file.stem: pd.read_csv(file) for file in (folder / "r" / "truth" / "tables").glob("*.csv")}
    return (
        tables,
        shown.output,
        json.loads(as_json.stdout),
        (folder / "r" / "truth" / "report.html").read_text(),
    )


def _write_coca(folder, scans):
    book = Workbook()
    book.active.append(("filename ", "LCA", "LAD", "LCX", "RCA", "total"))
    for number, (case, scan) in enumerate(scans, start=1):
        write_series(scan.image, folder / str(number) / str(number), uid=f"1.2.3.{number}")
        total = round(case.cac_score, 1)
        book.active.append((f"{number}A", 0, total, 0, 0, total))
    book.save(folder / "scores.xlsx")


def _write_slicer(folder, scans):
    lines = ["case_id,image"]
    for number, (_, scan) in enumerate(scans, start=1):
        sitk.WriteImage(scan.image, str(folder / f"s{number}.nii.gz"))
        lines.append(f"s{number},s{number}.nii.gz")
        lesions, aorta = (sitk.GetArrayFromImage(scan.masks[name]) for name in ("lesions", "aorta"))
        drawn = {"Left main": lesions == 1, "LAD": lesions == 2, "LCx": lesions == 3, "RCA": lesions == 4}
        drawn["Thoracic aorta"] = (aorta > 0) & (lesions == 0)
        write_segmentation(folder / "segmentations" / f"s{number}.seg.nrrd", scan.image, drawn)
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")


def test_scores_alone_are_compared_with_the_spreadsheet_s_and_no_voxel_is_claimed(results, scans):
    tables, *_ = results
    rows = tables["scans"].query("cohort == 'coca' and segmenter == 'rule'").set_index("case_id")
    assert set(rows["reference"]) == {"score"}
    assert rows["voxel_tp"].isna().all()
    assert rows["cac_score"].tolist() == [round(case.cac_score, 1) for case, _ in scans]
    for name, (_, scan) in zip(rows.index, scans, strict=True):
        dense = scan.image >= 300
        assert rows.loc[name, "agatston"] == pytest.approx(score(scan.image, dense).total.agatston)
    assert set(tables["summary"]["cohort"]) == set(tables["counts"]["cohort"]) == {"slicer"}
    assert set(tables["lesions"]["cohort"]) == {"slicer"}


def test_the_figures_are_those_of_other_libraries_on_the_table_of_scans(results):
    tables, *_ = results
    assert set(tables["scores"].query("cohort == 'coca'")["against"]) == {"score"}
    for segmenter in ("rule", "dense"):
        rows = tables["scans"].query(f"cohort == 'coca' and segmenter == '{segmenter}'")
        found, true = rows["agatston"], rows["cac_score"]
        table = tables["scores"].query(f"cohort == 'coca' and segmenter == '{segmenter}'")
        table = table.set_index("metric")
        assert set(table["cases"]) == {9}
        assert table.loc["spearman", "value"] == pytest.approx(spearmanr(found, true).statistic)
        assert table.loc["bias", "value"] == pytest.approx((found - true).mean())
        assert table.loc["limit_high", "value"] == pytest.approx(
            (found - true).mean() + 1.96 * (found - true).std(ddof=1)
        )
        assert table.loc["zero_accuracy", "value"] == pytest.approx(((found > 0) == (true > 0)).mean())
        assert table.loc["zero_sensitivity", "value"] == pytest.approx((found[true > 0] > 0).mean())


def test_segmenters_are_compared_on_scores_alone_in_bands_and_kappa(results):
    tables, *_ = results
    pairs = tables["against_others"].groupby(["cohort", "reference"])["metric"].agg(set).to_dict()
    assert pairs == {
        ("coca", "score"): {"band_accuracy", "kappa"},
        ("slicer", "mask"): {"voxel_f1", "lesion_f1", "band_accuracy", "kappa"},
    }


def test_slicer_s_lesions_are_found_or_missed_by_vessel(results, scans):
    tables, *_ = results
    lesions, vessels = tables["lesions"], tables["vessels"]
    assert set(lesions["vessel"]) <= {"LM", "LAD", "LCx", "RCA"}
    by_vessel = lesions.groupby(["segmenter", "vessel"])["found"].agg(["size", "sum"])
    for row in vessels.itertuples():
        assert (row.lesions, row.found) == tuple(by_vessel.loc[(row.segmenter, row.vessel)])
    assert tables["scans"].query("cohort == 'slicer'")["label"].sum() > 0


def test_slicer_s_aorta_takes_the_false_calls_in_it(results, scans):
    tables, *_ = results
    calls = tables["calls"].query("segmenter == 'rule' and structure == 'aorta'").set_index("case_id")
    for number, (_, scan) in enumerate(scans, start=1):
        hu, aorta = sitk.GetArrayFromImage(scan.image), sitk.GetArrayFromImage(scan.masks["aorta"]) > 0
        dense = (hu >= 300) & aorta & (sitk.GetArrayFromImage(scan.masks["lesions"]) == 0)
        assert calls.loc[f"s{number}", "voxels"] == dense.sum()
    table = tables["false_calls"].query("segmenter == 'rule'").set_index("structure")
    false = tables["scans"].query("cohort == 'slicer' and segmenter == 'rule'")["voxel_fp"].sum()
    assert table["voxels"].sum() == false > 0
    assert table["share"].sum() == pytest.approx(1)


def test_page_console_and_json_say_all_of_it(results):
    _, shown, facts, page = results
    for text in (
        "coca: Agatston scores against the cases",
        "Lesions found, by vessel",
        "False calls by anatomy",
    ):
        assert text in page
        assert text in shown
    assert {fact["table"] for fact in facts} == {"summary", "scores", "vessels", "false_calls"}


def test_each_scan_s_scores_are_drawn_with_bias_and_limits_as_ratios():
    rows = pd.DataFrame(
        {"segmenter": "rule", "agatston": [0.0, 9, 99, 40], "reference_agatston": [0.0, 4, 49, 79]}
    )
    (axes,) = agreement_figure(rows, "coca").axes
    (points,) = axes.collections
    np.testing.assert_allclose(
        points.get_offsets(), np.column_stack([np.sqrt([1, 50, 5000, 41 * 80]), [1, 2, 2, 41 / 80]])
    )
    logs = np.log([1, 2, 2, 41 / 80])
    drawn = sorted(line.get_ydata()[0] for line in axes.lines)
    ends = [np.exp(logs.mean() + sign * 1.96 * logs.std(ddof=1)) for sign in (-1, 0, 1)]
    assert drawn == pytest.approx(sorted([1.0, *ends]))


# What cannot be compared


def measured(cohort, folder, **changes):
    study = SegmentationStudy.model_validate(
        {"name": "s", "cohorts": {"own": cohort}, "segmenters": {"rule": RULE}, "replicates": 100, **changes}
    )
    with workers(1) as pool:
        found = run_segmentation(study, Execution(Store(folder), pool))
    return found, all_tables(found, study)


def test_a_case_with_neither_mask_nor_score_and_one_whose_mask_is_called_otherwise_are_left_out(
    tmp_path, scans
):
    scan = scans[0][1]
    for name, image in (("s", scan.image), ("m", scan.masks["lesions"])):
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    lines = ["case_id,image,cac_score,mask_lesion", "a,s.nii.gz,0,", "b,s.nii.gz,,", "c,s.nii.gz,0,m.nii.gz"]
    (tmp_path / "cases.csv").write_text("\n".join(lines) + "\n")
    cohort = {"use": "manifest", "path": str(tmp_path / "cases.csv")}
    found, tables = measured(cohort, tmp_path)
    assert set(found.scans["case_id"]) == {"a"}
    reasons = tables["exclusions"].set_index("case_id")["reason"]
    assert "neither a mask of its lesions nor a score (`cac_score`)" in reasons["b"]
    assert (
        "has no mask called 'lesions' to compare with; it has: lesion; `reference: {mask: null}`"
        in reasons["c"]
    )
    found, _ = measured(cohort, tmp_path, reference={"mask": None})
    assert set(found.scans["case_id"]) == {"a", "c"}


def test_a_cohort_of_masks_and_scores_is_compared_in_two_parts(tmp_path, scans):
    lines = ["case_id,image,cac_score,mask_lesions"]
    for number, (case, scan) in enumerate(scans[:6]):
        sitk.WriteImage(scan.image, str(tmp_path / f"s{number}.nii.gz"))
        sitk.WriteImage(scan.masks["lesions"], str(tmp_path / f"m{number}.nii.gz"))
        lines.append(
            f"{number},s{number}.nii.gz,{case.cac_score},{f'm{number}.nii.gz' if number % 2 else ''}"
        )
    (tmp_path / "cases.csv").write_text("\n".join(lines) + "\n")
    _, tables = measured({"use": "manifest", "path": str(tmp_path / "cases.csv")}, tmp_path)
    assert tables["scores"].groupby("against")["cases"].max().to_dict() == {"mask": 3, "score": 6}
    assert set(tables["summary"]["scans"]) == {3}


# A real scan


@pytest.mark.slow
def test_on_a_real_chest_the_130_hu_rule_in_the_heart_region_finds_the_coronaries_and_calls_aorta_and_valves(
    real_data, tmp_path
):
    place = real_data / "lung1_001"
    if not place.is_dir():
        pytest.skip("no lung1_001 among the real data")
    line = f"lung1_001,{place / 'image.nii.gz'},{place / 'calcium.nii.gz'}"
    (tmp_path / "cases.csv").write_text(f"case_id,image,segmentation\n{line}\n")
    cohort = {"use": "manifest", "path": str(tmp_path / "cases.csv"), "segments": LABELS}
    rule = {"use": "threshold", "within": {"use": "heart_region"}}
    found, tables = measured(cohort, tmp_path, segmenters={"rule": rule})
    (scan,) = found.scans.to_dict("records")
    assert scan["voxel_tp"] + scan["voxel_fn"] == 657, "no voxel of the annotation is lost or added"
    vessels = tables["vessels"].set_index("vessel")
    assert vessels["lesions"].to_dict() == {"RCA": 6, "LCx": 4, "LAD": 4, "LM": 1}
    assert (vessels["found"] == vessels["lesions"]).all()
    calls = tables["false_calls"].set_index("structure")
    calcium = {"aorta": 2555, "aortic valve": 189, "mitral valve": 78, "other": 2123}
    assert {name: calls.loc[name, "calcium_voxels"] for name in calcium} == calcium
    assert (calls.loc[["aortic valve", "mitral valve"], "voxels"] == [189, 78]).all(), (
        "the rule knows no anatomy"
    )
    assert calls.loc["aorta", "voxels"] > 2000
    assert calls["voxels"].sum() == scan["voxel_fp"]
