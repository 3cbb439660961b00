"""A phantom is the same bytes whatever the processor and the number of threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RENDER = """
import hashlib
import scipy.linalg
import SimpleITK as sitk
from threadpoolctl import threadpool_info
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.phantom.qrm import QrmPhantom

def digest(scan):
    images = (scan.image, *scan.masks.values())
    return hashlib.sha256(b"".join(sitk.GetArrayFromImage(image).tobytes() for image in images)).hexdigest()

cases = [
    case
    for generation, acquisitions in ((1, "preset"), (2, "varied"))
    for case in PhantomCohort(
        zero=1, nonzero=1, protocol="mixed", contrast="mixed", stented=0.9,
        generation=generation, acquisitions=acquisitions, matrix=128,
    ).cases()
]
print(digest(QrmPhantom().load()), *(digest(case.source.load()) for case in cases))
print(*sorted({pool["architecture"] for pool in threadpool_info() if pool["internal_api"] == "openblas"}))
"""


def render(**environment: str) -> tuple[str, str]:
    """Return the digests of five phantoms rendered in a process of its own, and the BLAS kernels it had."""
    done = subprocess.run(
        [sys.executable, "-c", RENDER],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )
    digests, kernels = done.stdout.splitlines()
    return digests, kernels


@pytest.fixture(scope="module")
def digests():
    return render(OPENBLAS_NUM_THREADS="1", OPENBLAS_CORETYPE="Haswell")[0]


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "2", "4"])
def test_threads_do_not_matter(digests, threads):
    assert render(OPENBLAS_NUM_THREADS=threads, OMP_NUM_THREADS=threads)[0] == digests


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["Haswell", "Zen", "SkylakeX"])
def test_the_kernels_of_blas_do_not_matter(digests, kernel):
    if kernel == "SkylakeX" and " avx512f " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no AVX-512: the kernel would crash")
    found, kernels = render(OPENBLAS_NUM_THREADS="2", OPENBLAS_CORETYPE=kernel)
    assert found == digests
    assert kernel in kernels or kernel == "Zen"  # builds without kernels of its own give Zen those of Haswell


@pytest.mark.slow
@pytest.mark.parametrize("hidden", ["X86_V4", "X86_V3,X86_V4"])
def test_numpys_own_kernels_do_not_matter(digests, hidden):
    """As if the processor had neither AVX-512 nor, in the second case, AVX2."""
    assert render(NPY_DISABLE_CPU_FEATURES=hidden + ",AVX512_ICL,AVX512_SPR")[0] == digests
