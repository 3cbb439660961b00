"""Every Python block of the pages runs; what a page says is at hand (`folds`, a scan's file) is put there first."""

import os
import subprocess
import sys

import pytest
import SimpleITK as sitk

from benchmark.plugins.checks import synthetic_scan
from tests.benchmark.images.written_scans import write_series
from tests.docs.pages import PAGES, ROOT, blocks

PREDICTIONS = """
import numpy as np, pandas as pd
random = np.random.default_rng(0)
label = np.arange(100) % 2
rows = []
for run, skill in (("radiomics", 1.5), ("ct_fm", 0.5)):
    for case in range(100):
        score = 1 / (1 + np.exp(-skill * (2 * label[case] - 1) - random.normal()))
        rows.append((run, 0, case // 20, f"case-{case}", label[case], score, int(score > 0.5)))
predictions = pd.DataFrame(rows, columns="run repeat fold case_id label score predicted".split())
folds = predictions.assign(accuracy=predictions.label == predictions.predicted)
folds = folds.groupby(["run", "repeat", "fold"], as_index=False).accuracy.mean()
folds = folds.assign(f1=folds.accuracy, roc_auc=folds.accuracy, n_train=80, n_test=20)
"""
PIPELINE = """
import numpy as np
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB
X, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 2
def pipeline(X, y, seed):
    return cross_val_predict(GaussianNB(), X, y, cv=5)
"""
GIVEN = {"statistics.md": PREDICTIONS, "audit.md": PIPELINE}
SMALL = """from benchmark.phantom import beside_real
beside_real.COVERAGE_MM, beside_real.PATIENTS = 12.0, 1
"""
LESS = {
    "import write_beside_real\n": f"import write_beside_real\n{SMALL}",
    "PhantomCohort(generation=1)": "PhantomCohort(generation=1, zero=5, nonzero=5, coverage_mm=30)",
    "RandomForestClassifier(300": "RandomForestClassifier(5",
}
"""What stands in a block, and what takes less time."""


def written(page):
    """Return a page's Python as one script; what `tests/test_package.py` runs is left to it."""
    texts = [
        block.text for block in blocks("python") if block.page == page and "cacbench.run(" not in block.text
    ]
    script = "\n".join([GIVEN.get(page.name, ""), *texts])
    for long, short in LESS.items():
        script = script.replace(long, short)
    return script


def write_scans(folder):
    """Write the scans that README names: a NIfTI file and a DICOM folder, each with its mask."""
    scan = synthetic_scan()
    (folder / "p01").mkdir()
    sitk.WriteImage(scan.image, str(folder / "p01" / "ct.nii.gz"))
    sitk.WriteImage(scan.masks["coronary"], str(folder / "p01" / "coronaries.nii.gz"))
    write_series(sitk.Cast(scan.image, sitk.sitkInt16), folder / "p02" / "dicom")
    sitk.WriteImage(scan.masks["coronary"], str(folder / "p02" / "coronaries.nrrd"))


def run(script, folder):
    (folder / "page.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    command = [sys.executable, "page.py"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python" in page.read_text()], ids=lambda page: page.name
)
def test_the_python_of_a_page_runs(page, tmp_path, request):
    script = written(page)
    here = tmp_path / "project"
    (here / "docs" / "figures").mkdir(parents=True)
    if "../shared/data" in script:
        (tmp_path / "shared").mkdir()
        (tmp_path / "shared" / "data").symlink_to(request.getfixturevalue("real_data"))
    if "p02/dicom" in script:
        write_scans(here)
    done = run(script, here)
    assert done.returncode == 0, done.stderr


def test_a_block_that_does_not_run_is_found(tmp_path):
    done = run(f"{PREDICTIONS}\nprint(folds.acuracy)", tmp_path)
    assert done.returncode == 1
    assert "acuracy" in done.stderr
