"""What the parts of a study cost on this machine, in seconds of one core: ``python tests/performance/costs.py``."""

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import SimpleITK as sitk

from benchmark.case import ScanSource
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.execution.environment import machine
from feature_extractors.radiomics.extractor import RadiomicsExtractor
from segmenters.denseraunet.segmenter import DenseRAUnetSegmenter

FULL_SIZE = {"field_of_view_mm": 200, "pixel_mm": 200 / 512, "coverage_mm": 180, "slice_thickness_mm": 3.0}


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the median of this process's time, after one turn that loads what is needed."""
    work()
    taken = []
    for _ in range(repeats):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return median(taken)


def rendered(source: ScanSource) -> list[sitk.Image]:
    """Return image and masks of a scan: a phantom's are rendered where they are looked at."""
    scan = source.load()
    return [scan.image, *scan.masks.values()]


def help_seconds() -> float:
    """Return the wall time of `cacbench --help`, interpreter included."""
    code = "import sys; from benchmark.cli import main; sys.argv = ['cacbench', '--help']; main()"
    taken = []
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        taken.append(time.perf_counter() - begin)
    return median(taken)


def main() -> None:
    """Print a line for each part."""
    case = PhantomCohort(zero=0, nonzero=1).cases()[0]
    full = PhantomCohort(zero=0, nonzero=1, **FULL_SIZE).cases()[0]
    scan = case.source.load()
    vessel, radiomics, network = scan.masks["coronary"], RadiomicsExtractor(), DenseRAUnetSegmenter()
    print(machine()["processor"])
    for name, taken in (
        ("cacbench --help", help_seconds()),
        ("a phantom of the default study", seconds(lambda: rendered(case.source))),
        ("a phantom of 60 × 512 × 512", seconds(lambda: rendered(full.source), 2)),
        ("radiomics in its vessels", seconds(lambda: radiomics.extract(scan.image, vessel))),
        ("DenseRAUnet on it", seconds(lambda: network.segment(case.source.load()))),
    ):
        print(f"{name:<34} {taken:6.2f} s", flush=True)


if __name__ == "__main__":
    main()
