"""A scan scores the same in every format, and whatever goes wrong with a file: the same score, or a refusal.

CI tries 2,000 mutated scans; `CACBENCH_MUTATIONS=20000` tries that many, other ones.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark.calcium.scoring import score
from benchmark.errors import CaseError
from benchmark.images.files import voxel_digest
from benchmark.images.reading import read_grid, read_image
from tests.benchmark.images.mutations import HARMFUL, HARMLESS, WRITE
from tests.benchmark.images.scan_formats import WRITERS, random_ct

HAND_RUN = int(os.environ.get("CACBENCH_MUTATIONS", "0"))
SENTENCES = [
    ("DICOM", "no pixel spacing", "has no PixelSpacing in its header"),
    ("DICOM", "an empty pixel spacing", "has no PixelSpacing in its header"),
    ("DICOM", "the detector's spacing alone", r"has no PixelSpacing .*ImagerPixelSpacing"),
    ("DICOM", "a pixel spacing of zero", "0 × 0 .* mm is not that of a CT"),
    ("DICOM", "a decimal comma", r"its PixelSpacing is not 2 decimal numbers"),
    ("DICOM", "an underscore in a number", "its PixelSpacing is not 2"),
    ("DICOM", "one pixel spacing for two axes", "its PixelSpacing is not 2 decimal numbers"),
    ("DICOM", "another pixel spacing in one slice", "differ in size or pixel spacing"),
    ("DICOM", "an empty position", "has no ImagePositionPatient"),
    ("DICOM", "an orientation of no length", "no unit vectors"),
    ("DICOM", "a slice aside", "sheared"),
    ("DICOM", "a slice that is a stub", r"file \d of 8 by name is named like a slice and is no DICOM image"),
    (
        "DICOM",
        "a slice that is an error page",
        r"file \d of 8 by name is named like a slice and is no DICOM image",
    ),
    (
        "DICOM",
        "a slice that is an LFS pointer",
        r"file \d of 8 by name is named like a slice and is no DICOM image",
    ),
    ("DICOM", "a half-fetched slice", r"file 9 of 9 by name is named like a slice"),
    ("DICOM", "an empty slice", r"file \d of 8 by name is empty"),
    ("DICOM", "a slice that is a dead link", r"holds a link to a file that is not there"),
    ("DICOM", "a slice cut in its voxels", r"file \d of 8 by name cannot be decoded"),
    ("DICOM", "a slope with a comma", "its RescaleSlope is not 1 decimal numbers"),
    ("DICOM", "a negative slope", "its RescaleSlope is -1, which makes no HU"),
    ("DICOM", "no intercept", "no HU range"),
    ("DICOM", "the intercept twice", "no HU range"),
    ("DICOM", "electron densities", r"are not in HU, as RescaleType says"),
    ("DICOM", "MR", "the modality is MR, and only CT is in HU"),
    ("DICOM", "alternating acquisitions", "slices of 2 acquisitions alternate"),
    ("NIfTI", "micrometres", "in another unit than mm"),
    ("NIfTI", "metres", "in another unit than mm"),
    ("NIfTI", "a spacing that is no number", "no positive number"),
    ("NIfTI", "pixdim against sform", r"contradicts itself: .* by pixdim, .* by sform"),
    ("NIfTI", "qform against sform", "contradicts itself"),
    ("NIfTI", "a sheared sform", "contradicts itself|sheared"),
    ("NIfTI", "a slice fewer in its header", "more bytes than its header means"),
    ("NIfTI", "four dimensions", "not a 3-D image"),
    ("NRRD", "no spacing", "gives no voxel spacing"),
    ("NRRD", "spacings that are no numbers", "spacings in its header give no length"),
    ("NRRD", "centimetres", "in another unit than mm"),
    ("NRRD", "sheared axes", "sheared"),
    ("NRRD", "its spacing twice", "its spacing twice"),
    ("NRRD", "cut", "bytes of voxels, where its header means"),
    ("MetaImage", "no spacing", "no voxel spacing along three axes"),
    ("MetaImage", "sheared axes", "sheared"),
    ("MetaImage", "a damaged zlib stream", "compressed voxels are (damaged|cut)"),
    ("MetaImage", "a cut zlib stream", "compressed voxels are cut"),
    ("MetaImage", "a list without some slices", r"names \d files for \d slices"),
    ("MetaImage", "a list with a slice twice", r"names \d files for \d slices"),
    ("MetaImage", "a data file that is not there", "must be there"),
    ("MetaImage", "cut voxels", "bytes of voxels, where the header means"),
]
seeds = st.integers(0, 2**32 - 1)


def agatston(path):
    return score(read_image(path)).total.agatston


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True)
@given(seeds)
def test_a_scan_scores_the_same_in_every_format_by_every_writer(seed):
    image = random_ct(seed)
    expected = score(image).total
    assert expected.agatston > 0
    with tempfile.TemporaryDirectory() as folder:
        for name, write in WRITERS.items():
            path = write(image, Path(folder))
            read = read_image(path)
            scored = score(read).total
            assert scored.agatston == pytest.approx(expected.agatston, rel=1e-4), name
            assert scored.volume_mm3 == pytest.approx(expected.volume_mm3, rel=1e-4), name
            assert voxel_digest(read) == voxel_digest(image), name
            grid = read_grid(path)
            assert grid.size == read.GetSize(), name
            assert grid.spacing == pytest.approx(read.GetSpacing()), name


def outcome(path):
    try:
        return agatston(path), None
    except CaseError as error:
        return None, str(error)


def listed(mutations):
    return [(kind, name) for kind, named in mutations.items() for name in named]


def mutated(kind, name, mutate, image, seed, folder):
    path = WRITE[kind](image, Path(folder))
    moved = mutate(path, np.random.default_rng(seed))
    return moved if isinstance(moved, Path) else path


def test_there_are_enough_mutations():
    assert len(listed(HARMFUL)) >= 100
    assert len(listed(HARMLESS)) >= 20


@pytest.mark.parametrize(("kind", "name"), listed(HARMLESS))
def test_what_leaves_a_scan_as_it_is_leaves_its_score(kind, name, tmp_path):
    image = random_ct(1)
    assert agatston(mutated(kind, name, HARMLESS[kind][name], image, 1, tmp_path)) == pytest.approx(
        score(image).total.agatston, rel=1e-4
    )


@pytest.mark.parametrize(("kind", "name", "sentence"), SENTENCES)
def test_what_spoils_a_scan_is_refused_with_what_it_is(kind, name, sentence, tmp_path):
    path = mutated(kind, name, HARMFUL[kind][name], random_ct(2), 2, tmp_path)
    with pytest.raises(CaseError, match=sentence):
        read_image(path)


@pytest.mark.slow
@settings(
    max_examples=HAND_RUN or 2000,
    deadline=None,
    derandomize=not HAND_RUN,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(seeds, st.sampled_from(listed(HARMFUL) + listed(HARMLESS)))
def test_a_mutated_scan_gives_the_same_score_or_a_refusal(seed, mutation):
    kind, name = mutation
    image = random_ct(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = mutated(kind, name, {**HARMFUL[kind], **HARMLESS[kind]}[name], image, seed, folder)
        scored, refusal = outcome(path)
    if refusal is None:
        assert scored == pytest.approx(score(image).total.agatston, rel=1e-4)
    else:
        assert path.name in refusal
        assert "\n" not in refusal
