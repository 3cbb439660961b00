"""The manifest cohort: what a CSV may say, what is refused, and the real CTs through extraction."""

import csv
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from openpyxl import Workbook

from benchmark.cohorts.manifest import ManifestCohort
from benchmark.errors import CaseError, UserError
from benchmark.plugins.registry import build
from feature_extractors.radiomics.extractor import RadiomicsExtractor
from segmenters.reference import ReferenceSegmenter


@pytest.fixture
def folder(tmp_path):
    """A folder with a CT, a coronary mask, and an empty lesion mask."""
    voxels = np.random.default_rng(0).normal(0, 300, (6, 20, 20)).astype(np.int16)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.5, 0.5, 3.0))
    mask = sitk.Cast(image * 0, sitk.sitkUInt8)
    mask[4:12, 4:12, 1:4] = 1
    sitk.WriteImage(image, str(tmp_path / "ct.nii.gz"))
    sitk.WriteImage(mask, str(tmp_path / "mask.nii.gz"))
    sitk.WriteImage(mask * 0, str(tmp_path / "empty.nii.gz"))
    sitk.WriteImage(mask[:, :, 1:], str(tmp_path / "elsewhere.nii.gz"))
    return tmp_path


def cohort(folder, *lines, **parameters):
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ManifestCohort(path=folder / "manifest.csv", **parameters)


def only_case(folder, *lines, **parameters):
    (case,) = cohort(folder, *lines, **parameters).cases()
    return case


# What a manifest may say


def test_all_columns_reach_the_case(folder):
    case = only_case(
        folder,
        "case_id, image, cac_score, label, mask, mask_lesions, patient, group, protocol",
        '"p 1", ct.nii.gz, 12.5, 1, mask.nii.gz, empty.nii.gz, 007, site-7, chest',
    )
    assert (case.case_id, case.label, case.cac_score) == ("p 1", 1, 12.5)
    assert (case.patient, case.group, case.protocol) == ("007", "site-7", "chest")
    scan = case.source.load()
    assert set(scan.masks) == {"coronary", "lesions"}
    assert sitk.GetArrayFromImage(scan.masks["coronary"]).sum() == 8 * 8 * 3
    assert not sitk.GetArrayFromImage(scan.masks["lesions"]).any()


@pytest.mark.parametrize(("score", "label"), [("0", 0), ("0.0", 0), ("0.3", 1), ("512", 1)])
def test_the_label_follows_from_the_score(folder, score, label):
    assert only_case(folder, "case_id,image,cac_score", f"a,ct.nii.gz,{score}").label == label


@pytest.mark.parametrize(("score", "label"), [("50", "0"), ("0", "1"), ("0.0", "1.0"), ("1e-3", "0")])
def test_a_label_that_is_the_opposite_of_its_score_is_refused_with_both(folder, score, label):
    with pytest.raises(UserError) as error:
        cohort(folder, "case_id,image,cac_score,label", "b,x.nii,,1", f"a,ct.nii.gz,{score},{label}").cases()
    assert str(error.value) == (
        f"{folder / 'manifest.csv'}, line 3: label {label} is the opposite of cac_score {score}; a score above 0 is "
        "label 1, and 0 is label 0: correct one or empty it"
    )


@pytest.mark.parametrize("name", ["NA", "null", "nan", "1e5", "007"])
def test_a_case_id_stays_what_it_is(folder, name):
    assert only_case(folder, "case_id,image,label", f"{name},ct.nii.gz,1").case_id == name


@pytest.mark.parametrize(
    "lines", [["case_id,image", "a,ct.nii.gz"], ["case_id,image,label,cac_score", "a,ct.nii.gz,,"]]
)
def test_neither_label_nor_score_is_needed_to_list_a_case(folder, lines):
    case = only_case(folder, *lines)
    assert (case.label, case.cac_score) == (None, None)


def test_a_manifest_may_be_a_spreadsheet(folder):
    book = Workbook()
    for row in (
        ["case_id", "image", "cac_score", None],
        ["007", "ct.nii.gz", 12.5, None],
        [8, "ct.nii.gz", 0, None],
    ):
        book.active.append(row)
    book.save(folder / "scans.xlsx")
    cases = ManifestCohort(path=folder / "scans.xlsx").cases()
    assert [(case.case_id, case.label, case.cac_score) for case in cases] == [("007", 1, 12.5), ("8", 0, 0)]


OWN = ("case_id,image,label,age,sex,scanner,", "a,ct.nii.gz,1, 61,f,A,,", "b,ct.nii.gz,0,,m,B,", ",,,,,,")


def test_columns_of_ones_own_are_left_and_named_once_for_all_cases(folder):
    manifest = cohort(folder, *OWN)
    assert [case.covariates for case in manifest.cases()] == [{}, {}]
    (notice,) = manifest.notices()
    assert notice == (
        f"{folder / 'manifest.csv'}: not used: age, sex, scanner; `covariates: [age, sex, scanner]` carries them "
        "beside the features"
    )


def test_columns_that_covariates_names_are_carried_as_they_are_written(folder):
    manifest = cohort(folder, *OWN, covariates=("sex", "age"))
    assert [case.covariates for case in manifest.cases()] == [
        {"sex": "f", "age": "61"},
        {"sex": "m", "age": ""},
    ]
    assert "not used: scanner; " in manifest.notices()[0]
    assert cohort(folder, *OWN, covariates=("sex", "age", "scanner")).notices() == []


def test_a_column_called_nearly_like_one_that_is_there_is_ones_own(folder):
    assert cohort(folder, "case_id,image,label,label2", "a,ct.nii.gz,1,0").notices()
    manifest = cohort(folder, "case_id,image,scroe", "a,ct.nii.gz,high", covariates=("scroe",))
    assert manifest.cases()[0].covariates == {"scroe": "high"}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("agee", "there is no column 'agee'; did you mean 'age'?"),
        ("label", "'label' has a meaning of its own"),
    ],
)
def test_covariates_that_are_no_columns_of_ones_own_are_refused(folder, name, hint):
    manifest = cohort(folder, *OWN, covariates=(name,))
    for listed in (manifest.cases, manifest.notices):
        with pytest.raises(UserError, match=hint):
            listed()


def test_empty_cells_blank_lines_and_a_byte_order_mark_are_no_trouble(folder):
    (folder / "manifest.csv").write_bytes(
        "\ufeffcase_id,image,label,cac_score,mask\r\na,ct.nii.gz,1.0,,\r\n\r\nb,ct.nii.gz,0,0,mask.nii.gz\r\n".encode()
    )
    first, second = ManifestCohort(path=folder / "manifest.csv").cases()
    assert (first.label, first.cac_score, first.source.load().masks) == (1, None, {})
    assert (second.label, second.cac_score) == (0, 0)


def test_listing_reads_no_image(folder):
    assert only_case(folder, "case_id,image,label", "a,nowhere.nii.gz,1").case_id == "a"


def test_a_relative_path_starts_from_the_study_file(folder):
    cohort(folder, "case_id,image,label", "a,ct.nii.gz,1")
    built = build("cohort", {"use": "manifest", "path": "manifest.csv"}, {"base": folder})
    assert [case.case_id for case in built.cases()] == ["a"]


def test_neither_fingerprint_nor_digest_depends_on_where_the_files_are(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(folder, elsewhere)
    lines = ("case_id,image,label,mask", "a,ct.nii.gz,1,mask.nii.gz")
    here, there = cohort(folder, *lines), cohort(elsewhere, *lines)
    assert here.fingerprint() == there.fingerprint()
    assert here.parameters() == there.parameters()
    assert "path" not in here.parameters()
    assert here.fingerprint() != cohort(folder, *lines, resample_mask=True).fingerprint()
    assert here.cases()[0].source.digest() == there.cases()[0].source.digest()


@pytest.mark.parametrize("changed", ["ct.nii.gz", "mask.nii.gz"])
def test_the_digest_follows_the_bytes_of_image_and_mask(folder, changed):
    case = only_case(folder, "case_id,image,label,mask", "a,ct.nii.gz,1,mask.nii.gz")
    before = case.source.digest()
    sitk.WriteImage(sitk.ReadImage(str(folder / changed)) + 1, str(folder / changed))
    assert case.source.digest() != before


# The user's mistakes: file, line, remedy


@pytest.mark.parametrize(
    ("lines", "place", "what"),
    [
        (
            ["case_id,image,label", "a,ct.nii.gz,1", "b,ct.nii.gz,0", "a,x.nii.gz,0"],
            "line 4",
            "already on line 2",
        ),
        (["case_id,image,label", "a,ct.nii.gz,2"], "line 2", "label '2' is not 0 or 1"),
        (["case_id,image,label", "a,ct.nii.gz,yes"], "line 2", "label 'yes' is not 0 or 1"),
        (["case_id,image,cac_score", "a,ct.nii.gz,-3"], "line 2", "cac_score '-3'"),
        (["case_id,image,cac_score", "a,ct.nii.gz,nan"], "line 2", "cac_score 'nan'"),
        (["case_id,image,cac_score", "a,ct.nii.gz,1_000"], "line 2", "cac_score '1_000'"),
        (["case_id,image,cac_score", "a,ct.nii.gz,low"], "line 2", "cac_score 'low'"),
        (["case_id,image,label", "a,,1"], "line 2", "image is empty"),
        (["case_id,image,label", ",ct.nii.gz,1"], "line 2", "case_id is empty"),
        (["case_id,label", "a,1"], "line 1", "no column 'image'"),
        (["case_id;image;label", "a;ct.nii.gz;1"], "line 1", "separate columns with commas"),
        (["case_id,image,lable", "a,ct.nii.gz,1"], "line 1", "did you mean 'label'?"),
        (["case_id,image,scroe", "a,ct.nii.gz,1"], "line 1", "'scroe'; did you mean 'cac_score'?"),
        (["case_id,image,Agatston", "a,ct.nii.gz,1"], "line 1", "did you mean 'cac_score'?"),
        (["case_id,image,Label", "a,ct.nii.gz,1"], "line 1", "name it in `covariates: [Label]`"),
        (["case_id,image,mask_", "a,ct.nii.gz,x"], "line 1", "did you mean 'mask'?"),
        (["case_id,image,mask_coronary", "a,ct.nii.gz,x"], "line 1", "did you mean 'mask'?"),
        (["case_id,image,label,", "a,ct.nii.gz,1,x"], "line 2", "column 4 has the value 'x' and no name"),
        (["case_id,image,label,label", "a,ct.nii.gz,1,1"], "line 1", "twice"),
        (["case_id,image,label", "a,ct,1.nii.gz,1"], "line 2", "more or fewer values"),
        (["case_id,image,label", "a,ct.nii.gz"], "line 2", "more or fewer values"),
        (["case_id,image,label", '"a,ct.nii.gz,1'], "manifest.csv", "CSV"),
        (["case_id,image,label"], "manifest.csv", "lists no case"),
        (
            ["case_id,image,patient", "a,ct.nii.gz,", "b,ct.nii.gz,7"],
            "line 2",
            "patient is empty, and given on other",
        ),
        (["case_id,image,patient_id", "a,ct.nii.gz,7"], "line 1", "did you mean 'patient'?"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_remedy(folder, lines, place, what):
    with pytest.raises(UserError) as error:
        cohort(folder, *lines).cases()
    message = str(error.value)
    assert "manifest.csv" in message
    assert place in message
    assert what in message
    assert "\n" not in message


def test_a_manifest_that_is_missing_empty_or_no_text_is_refused(folder):
    for name, content, what in (("a.csv", b"", "is empty"), ("b.csv", b"PK\x03\x04\xff\xfe\x00", "CSV")):
        (folder / name).write_bytes(content)
        with pytest.raises(UserError, match=what):
            ManifestCohort(path=folder / name).cases()
    for path in (folder / "nowhere.csv", folder):
        with pytest.raises(UserError, match=path.name):
            ManifestCohort(path=path).cases()


# What concerns one case


@pytest.mark.parametrize(
    ("image", "mask", "reason"),
    [
        ("nowhere.nii.gz", "mask.nii.gz", "the image: no such file"),
        ("ct.nii.gz", "nowhere.nii.gz", "the mask coronary: no such file"),
        ("ct.nii.gz", "empty.nii.gz", "the mask coronary: the mask is empty"),
        ("ct.nii.gz", "elsewhere.nii.gz", "another grid"),
        ("mask.nii.gz", "mask.nii.gz", "no HU range"),
    ],
)
def test_a_broken_case_is_refused_when_it_is_loaded(folder, image, mask, reason):
    case = only_case(folder, "case_id,image,label,mask", f"a,{image},1,{mask}")
    with pytest.raises(CaseError, match=reason):
        case.source.load()


def test_a_missing_file_has_no_digest(folder):
    case = only_case(folder, "case_id,image,label", "a,nowhere.nii.gz,1")
    with pytest.raises(CaseError, match="the image: no such file"):
        case.source.digest()


def test_a_truncated_image_is_refused(folder):
    content = (folder / "ct.nii.gz").read_bytes()
    (folder / "ct.nii.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(CaseError, match="truncated"):
        only_case(folder, "case_id,image,label", "a,ct.nii.gz,1").source.load()


def test_a_mask_on_another_grid_is_resampled_when_told_to(folder):
    lines = ("case_id,image,label,mask", "a,ct.nii.gz,1,elsewhere.nii.gz")
    scan = only_case(folder, *lines, resample_mask=True).source.load()
    assert scan.masks["coronary"].GetSize() == scan.image.GetSize()
    assert (sitk.GetArrayFromImage(scan.masks["coronary"])[1:4, 4:12, 4:12] == 1).all()


# Real CTs


def test_real_cts_go_through_extraction(real_data, tmp_path):
    cases = sorted((real_data / "sts_ct").glob("STS_*"))
    assert len(cases) == 10
    with (tmp_path / "manifest.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["case_id", "image", "mask", "label"])
        for number, case in enumerate(cases):
            writer.writerow([case.name, case / "CT_image.nii.gz", case / "CT_mask.nii.gz", number % 2])
    listed = ManifestCohort(path=tmp_path / "manifest.csv").cases()
    assert [case.case_id for case in listed] == [case.name for case in cases]
    # The tumours are large and the shape family grows with the square of their surface: it is run by hand.
    extractor = RadiomicsExtractor(families=("firstorder", "glcm"))
    for case in listed:
        scan = case.source.load()
        features = extractor.extract(scan.image, ReferenceSegmenter().segment(scan))
        inside = sitk.GetArrayFromImage(scan.image)[sitk.GetArrayFromImage(scan.masks["coronary"]) > 0]
        assert len(features) == 18 + 24
        assert features["original_firstorder_Mean"] == pytest.approx(inside.mean(dtype=float))
        assert features["original_firstorder_Maximum"] == inside.max()


# Reports


def test_a_report_is_the_text_itself_or_a_text_file(folder):
    (folder / "p2.txt").write_text(
        "Mild calcification of the LAD.\nHeart size: normal – ok", encoding="utf-8"
    )
    header = "case_id,image,label,report,report_file"
    lines = ['p1,ct.nii.gz,0,"No calcium, none."', "p2,ct.nii.gz,1,,p2.txt", "p3,ct.nii.gz,1,,"]
    lines[0] += ","
    cases = cohort(folder, header, *lines).cases()
    assert [case.report for case in cases] == [
        "No calcium, none.",
        "Mild calcification of the LAD.\nHeart size: normal – ok",
        "",
    ]
    assert not any("calci" in repr(case) for case in cases), "a case is shown without what its report says"
    assert cohort(folder, header, *lines).notices() == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("p1,ct.nii.gz,0,text,p1.txt", r"line 2: both report and report_file are filled in; keep one"),
        ("p1,ct.nii.gz,0,,gone.txt", r"line 2: report_file .*gone\.txt cannot be read \(No such file"),
        (
            "p1,ct.nii.gz,0,,ct.nii.gz",
            r"line 2: report_file .*ct\.nii\.gz is no text in UTF-8; save it as such",
        ),
        ("p1,ct.nii.gz,0,,.", r"line 2: report_file .* cannot be read \(Is a directory"),
        ("p1,ct.nii.gz,0,,huge.txt", r"line 2: report_file .* is larger than 1 MB"),
    ],
)
def test_a_report_that_cannot_be_read_is_answered_with_its_line_and_not_its_words(folder, line, message):
    (folder / "huge.txt").write_text("secret " * 200_000)
    with pytest.raises(UserError, match=message) as caught:
        cohort(folder, "case_id,image,label,report,report_file", line).cases()
    assert "secret" not in str(caught.value)


def test_a_report_is_no_covariate_and_a_misspelt_column_is_told(folder):
    with pytest.raises(UserError, match="covariates: 'report' has a meaning of its own"):
        cohort(folder, "case_id,image,report", "p1,ct.nii.gz,x", covariates=["report"]).cases()
    with pytest.raises(UserError, match="unknown column 'reports'; did you mean 'report'"):
        cohort(folder, "case_id,image,reports", "p1,ct.nii.gz,x").cases()
