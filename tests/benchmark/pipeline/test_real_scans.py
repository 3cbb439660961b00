"""Real CTs from manifest to table, the mask on another grid, and a large chest CT within 4 GB."""

import csv
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.features import extract_features
from benchmark.study.study import Study

LIMIT_GIB = 4.0


def study(manifest, **cohort):
    return Study.model_validate(
        {
            "name": "real",
            "cohort": {"use": "manifest", "path": str(manifest), **cohort},
            "segmenters": {
                "drawn": {"use": "reference"},
                "dense": {"use": "threshold", "within": "drawn", "hu": 20},
                "everything": {"use": "whole_image"},
            },
            "extractors": {
                "drawn": {"use": "radiomics", "segmenter": "drawn"},
                "dense": {"use": "radiomics", "segmenter": "dense", "families": ["shape"]},
                "everything": {"use": "radiomics", "segmenter": "everything", "families": ["firstorder"]},
            },
            "classifiers": {"logistic_regression": {}},
        }
    )


def write_manifest(file, rows):
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([["case_id", "image", "mask", "label"], *rows])
    return file


@pytest.mark.slow
def test_real_cts_go_from_manifest_to_table(real_data, tmp_path):
    rows = [
        (folder.name, *sorted(folder.glob("*image*")), *sorted(folder.glob("*mask*")), number % 2)
        for number, folder in enumerate(sorted((real_data / "sts_ct").glob("STS_*"))[:2])
    ]
    rows.append(("qrm", real_data / "qrm_phantom" / "dicom", "", 0))
    with workers(1) as pool:
        found = extract_features(
            study(write_manifest(tmp_path / "m.csv", rows)), Execution(Store(tmp_path / "s"), pool)
        )
    assert found.tables["drawn"].shape == (2, 107)
    assert found.tables["dense"].shape == (2, 14)
    assert found.tables["everything"].shape == (3, 18)
    assert {(item.case_id, item.excluded_from, item.stage) for item in found.exclusions} == {
        ("qrm", "drawn", "segment"),
        ("qrm", "dense", "segment"),
    }
    for case_id, image, mask, _ in rows[:2]:
        voxels = sitk.GetArrayFromImage(sitk.ReadImage(str(image)))
        inside = sitk.GetArrayFromImage(sitk.ReadImage(str(mask))) > 0
        row = found.tables["drawn"].loc[case_id]
        assert row["original_firstorder_Mean"] == pytest.approx(voxels[inside].mean())
        whole = found.tables["everything"].loc[case_id]
        assert whole["original_firstorder_Maximum"] == voxels.max()
    assert found.anomalies["anomaly"].tolist() == ["derived series read"]


def test_the_heart_mask_on_another_grid_is_refused_with_both_grids_or_resampled(real_data, tmp_path):
    folder = real_data / "thorax_ct" / "pulmonary"
    (heart,) = folder.glob("*heart*")
    image = next(file for file in sorted(folder.iterdir()) if "ct" in file.name.lower())
    manifest = write_manifest(tmp_path / "m.csv", [("thorax", image, heart, 0)])
    with workers(1) as pool:
        with pytest.raises(UserError, match="another grid") as error:
            extract_features(
                study(manifest).model_copy(update={"extractors": only_drawn(manifest)}),
                Execution(Store(tmp_path / "a"), pool),
            )
        for file in (image, heart):
            size = " × ".join(map(str, sitk.ReadImage(str(file)).GetSize()))
            assert f"{size} voxels of" in str(error.value)
        accepted = extract_features(
            study(manifest, resample_mask=True), Execution(Store(tmp_path / "b"), pool)
        )
    assert accepted.tables["drawn"].shape == (1, 107)


def only_drawn(manifest):
    return {"drawn": study(manifest).extractors["drawn"]}


MEASURE = """
import sys
from pathlib import Path
from benchmark.case import Case
from benchmark.cohorts.scan_files import FileScan
from benchmark.pipeline.extraction import ExtractionTask, Wanted, extract
from feature_extractors.radiomics.extractor import RadiomicsExtractor
from segmenters.reference import ReferenceSegmenter
from segmenters.threshold import ThresholdSegmenter
from segmenters.whole_image import WholeImageSegmenter

source = FileScan(Path(sys.argv[1]), {"coronary": Path(sys.argv[2])})
source.digest()
wanted = (
    Wanted("drawn", ReferenceSegmenter(dilation_mm=1.0), RadiomicsExtractor()),
    Wanted("dense", ThresholdSegmenter(within=WholeImageSegmenter()), RadiomicsExtractor()),
)
outcomes = extract(ExtractionTask(Case("a", source, 1), wanted)).outcomes
assert all(isinstance(outcome, dict) for outcome in outcomes.values()), outcomes
status = Path("/proc/self/status").read_text()  # ru_maxrss would begin at the size of the test process
print(int(status.split("VmHWM:")[1].split()[0]) / 2**20)
"""


@pytest.mark.slow
def test_a_chest_ct_of_512_by_512_by_800_stays_within_4_gb(tmp_path):
    """Every stage but the embeddings, which have a limit of their own, in one process."""
    voxels = np.full((800, 512, 512), -900, np.int16)
    voxels[:, 60:450, 40:470] = 40
    mask = np.zeros(voxels.shape, np.uint8)
    for y, x in ((200, 200), (220, 300), (300, 260)):
        mask[300:480, y : y + 6, x : x + 6] = 1
        voxels[350:380, y : y + 3, x : x + 4] = 400
    for name, values in (("ct", voxels), ("mask", mask)):
        image = sitk.GetImageFromArray(values)
        image.SetSpacing((0.7, 0.7, 0.625))
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii"))
    del voxels, mask, values, image
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "ct.nii"), str(tmp_path / "mask.nii")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < LIMIT_GIB
    for file in tmp_path.iterdir():
        file.unlink()  # half a gigabyte that pytest would keep
