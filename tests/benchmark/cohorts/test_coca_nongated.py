"""COCA's chest scans: the spreadsheet's labels and scores, its published anomalies, and what is refused."""

import pytest
import SimpleITK as sitk
from openpyxl import Workbook

from benchmark.cohorts.coca_nongated import CocaNongatedCohort
from benchmark.errors import CaseError, UserError
from tests.benchmark.images.written_scans import write_series

HEADER = ("filename ", "LCA", "LAD", "LCX", "RCA", "total")
"""As published, with a space behind `filename`."""
CONTRADICTION = ("91A", 0, 25.5, 0, 3, 0)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "deidentified_nongated"
    folder.mkdir()
    return folder


def cohort(folder, *rows, header=HEADER, **parameters):
    book = Workbook()
    book.active.title = "Sheet1"
    for row in (header, *rows):
        book.active.append(row)
    book.save(folder / "scores.xlsx")
    for row in filter(any, rows):
        (folder / str(row[0]).removesuffix("A")).mkdir(exist_ok=True)
    return CocaNongatedCohort(path=folder, **parameters)


def test_labels_and_scores_are_those_of_the_sheet(folder):
    cases = cohort(folder, ("790A", 0, 0, 0, 0, 0), ("2A", 10.5, 20, 0, 1.25, 31.75), (None,) * 6).cases()
    assert [(case.case_id, case.label, case.cac_score) for case in cases] == [
        ("790A", 0, 0),
        ("2A", 1, 31.75),
    ]
    assert {case.protocol for case in cases} == {"chest"}
    assert not any(case.anomalies for case in cases)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_scan_is_found_two_folders_down_whatever_the_order_of_its_files(folder, phantom_scan, seed):
    (case,) = cohort(folder, ("14A", 0, 1, 0, 0, 1)).cases()
    write_series(phantom_scan.image, folder / "14" / "14", seed=seed)
    (case,) = cohort(folder, ("14A", 0, 1, 0, 0, 1)).cases()
    image = case.source.load().image
    assert (sitk.GetArrayFromImage(image) == sitk.GetArrayFromImage(phantom_scan.image)).all()


def test_the_spreadsheet_may_lie_beside_the_folder_or_anywhere(folder):
    declared = cohort(folder, ("1A", 0, 1, 0, 0, 1))
    beside = (folder / "scores.xlsx").rename(folder.parent / "scores.xlsx")
    assert len(declared.cases()) == 1
    elsewhere = beside.rename(folder.parent / "agatston.xlsx")
    assert len(declared.model_copy(update={"scores": elsewhere}).cases()) == 1
    with pytest.raises(UserError, match=r"scores\.xlsx: no such file"):
        declared.cases()


# Anomalies


@pytest.mark.parametrize(
    ("policy", "label", "score"), [("total", 0, 0), ("vessels", 1, 28.5), ("exclude", None, None)]
)
def test_where_total_and_vessels_disagree_the_declared_policy_decides(folder, policy, label, score):
    (case,) = cohort(folder, CONTRADICTION, disagreement=policy).cases()
    assert [met.kind for met in case.anomalies] == [
        "total is not the sum of the vessels",
        "label depends on total or vessels",
    ]
    if policy == "exclude":
        with pytest.raises(CaseError, match=r"total 0 is not the sum of the vessels, 28\.5"):
            case.source.digest()
    else:
        assert (case.label, case.cac_score) == (label, score)


def test_a_disagreement_that_flips_no_label_is_counted_once(folder):
    (case,) = cohort(folder, ("5A", 10, 0, 0, 0, 12)).cases()
    assert [met.kind for met in case.anomalies] == ["total is not the sum of the vessels"]


@pytest.mark.parametrize("total", [29, 30, 31])
def test_a_total_within_1_of_the_sum_is_rounding(folder, total):
    (case,) = cohort(folder, ("5A", 10, 20, 0, 0, total)).cases()
    assert not case.anomalies
    assert case.cac_score == total


def test_the_published_anomalies_are_all_found(folder):
    flips = [(f"{n}A", 0, 5 + n, 0, 0, 0) for n in (91, 105, 106, 121)]
    others = [("6A", 3, 0, 0, 0, 8), ("7A", 100, 50, 0, 0, 120)]
    plain = [(f"{n}A", 0, 0, 0, n, n) for n in range(10, 40)]
    cases = cohort(folder, *flips, *others, *plain).cases()
    met = [anomaly.kind for case in cases for anomaly in case.anomalies]
    assert met.count("total is not the sum of the vessels") == 6
    assert met.count("label depends on total or vessels") == 4


def test_rows_without_folder_and_folders_without_row_are_exclusions(folder):
    declared = cohort(folder, ("1A", 0, 1, 0, 0, 1))
    (folder / "1").rmdir()
    (folder / "50").mkdir()
    row, scan = declared.cases()
    with pytest.raises(CaseError, match="row 1A has no scan"):
        row.source.load()
    with pytest.raises(CaseError, match="50 has no row"):
        scan.source.load()
    assert scan.label is None


# Mistakes


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ([("1A", 0, 0, 0, 0, "?")], HEADER, r"row 2: total is '\?'"),
        ([("1A", 0, 0, 0, 0, 0), ("2A", -1, 0, 0, 0, 0)], HEADER, "row 3: LCA is -1"),
        ([("1A", "1_000", 0, 0, 0, 0)], HEADER, "row 2: LCA is '1_000'"),
        ([("1A", True, 0, 0, 0, 1)], HEADER, "row 2: LCA is 'True'"),
        ([("1A", 0, 0, None, 0, 0)], HEADER, "row 2: LCX is empty"),
        ([("1A", 0, 0, 0, 0, 0), ("1A", 0, 0, 0, 0, 0)], HEADER, "1A is there twice"),
        ([(None, 0, 0, 0, 0, 0)], HEADER, "row 2: no filename"),
        ([], ("id", "LCA", "LAD", "LCX", "RCA", "total"), "no column 'filename'"),
    ],
)
def test_a_mistake_in_the_sheet_is_named_with_its_row(folder, rows, header, message):
    with pytest.raises(UserError, match=message):
        cohort(folder, *rows, header=header).cases()


def test_what_is_no_spreadsheet_is_refused(folder):
    (folder / "scores.xlsx").write_text("filename,total")
    with pytest.raises(UserError, match="not a readable xlsx"):
        CocaNongatedCohort(path=folder).cases()
    with pytest.raises(UserError, match="deidentified_nongated"):
        CocaNongatedCohort(path=folder / "nowhere").cases()


def test_neither_fingerprint_nor_parameters_hold_a_path(folder):
    declared = CocaNongatedCohort(path=folder, scores=folder / "scores.xlsx")
    assert str(folder) not in str(declared.parameters())
    assert declared.fingerprint() == CocaNongatedCohort(path=folder / "elsewhere").fingerprint()
    assert declared.fingerprint() != declared.model_copy(update={"disagreement": "total"}).fingerprint()
