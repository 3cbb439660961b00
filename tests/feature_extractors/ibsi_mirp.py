"""`mirp` against the consensus of IBSI 1 (digital phantom, chest CT under A to E) and IBSI 2 (chest CT, 1.A to 9.B).

Zwanenburg et al., Radiology 2020;295:328; Whybra et al., Radiology 2024;310:e231319 (its phase 2), whose values are in
ibsi_filters.csv; the configurations are those of the reference manuals, arXiv 1612.07003 and 2006.05470.
`python -m tests.feature_extractors.ibsi_mirp FOLDER_OF_REAL_DATA` writes the part of docs/radiomics_ibsi.md about it.
"""

import csv
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import SimpleITK as sitk

from feature_extractors.mirp_radiomics.extractor import MirpExtractor
from tests.feature_extractors import ibsi, ibsi_chest

FILTER_VALUES = Path(__file__).with_name("ibsi_filters.csv")
DIGITAL = {"bin_width": 1, "bins_from_hu": 1}
"""Grey levels 1 to 6, each a bin."""
CHEST = {
    "A": {"by_slice": True, "resegment_hu": (-500, 400), "bin_width": 25},
    "B": {
        "by_slice": True,
        "spacing": (2, 2, 0),
        "spline_order": 1,
        "resegment_hu": (-500, 400),
        "bin_count": 32,
    },
    "C": {
        "spacing": (2, 2, 2),
        "spline_order": 1,
        "resegment_hu": (-1000, 400),
        "bin_width": 25,
        "ivh_bin_width": 2.5,
    },
    "D": {"spacing": (2, 2, 2), "spline_order": 1, "resegment_sd": 3, "bin_count": 32},
    "E": {
        "spacing": (2, 2, 2),
        "spline_order": 3,
        "resegment_hu": (-1000, 400),
        "resegment_sd": 3,
        "bin_count": 32,
        "ivh_bin_count": 1000,
    },
}
WHOLE = {"margin_mm": 1000}
IN_SLICES = ("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb")
IN_SPACE = ("3D_avg", "3D_comb")

_LAWS = {"use": "laws", "energy_distance": 7, "rotation_invariant": True, "pooling": "max"}
_GABOR = {
    "use": "gabor", "sigma_mm": 5, "wavelength_mm": 2, "aspect": 1.5, "step_degrees": 22.5,
    "response": "modulus", "rotation_invariant": True, "pooling": "mean",
}  # fmt: skip
_WAVELET = {"use": "separable_wavelet", "wavelet": "db3", "rotation_invariant": True, "pooling": "mean"}
_LOG = {"use": "laplacian_of_gaussian", "sigma_mm": 1.5, "truncate": 4}
FILTERS = {
    "1.A": None,
    "1.B": None,
    "2.A": {"use": "mean", "size": 5},
    "2.B": {"use": "mean", "size": 5},
    "3.A": _LOG,
    "3.B": _LOG,
    "4.A": {**_LAWS, "kernel": "L5E5"},
    "4.B": {**_LAWS, "kernel": "L5E5E5"},
    "5.A": _GABOR,
    "5.B": _GABOR,
    "6.A": {**_WAVELET, "passes": "LH", "level": 1},
    "6.B": {**_WAVELET, "passes": "LLH", "level": 1},
    "7.A": {**_WAVELET, "passes": "HH", "level": 2},
    "7.B": {**_WAVELET, "passes": "HHH", "level": 2},
    "8.A": {"use": "nonseparable_wavelet", "level": 1},
    "8.B": {"use": "nonseparable_wavelet", "level": 1},
    "9.A": {"use": "nonseparable_wavelet", "level": 2},
    "9.B": {"use": "nonseparable_wavelet", "level": 2},
}
"""A in slices as they are, B in space on voxels of 1 mm."""

POOLED = {
    "_2d_avg": "_2D_avg",
    "_2d_s_mrg": "_2D_comb",
    "_2.5d_d_mrg": "_2_5D_avg",
    "_2.5d_v_mrg": "_2_5D_comb",
    "_3d_avg": "_3D_avg",
    "_3d_v_mrg": "_3D_comb",
    "_2d": "_2D",
    "_2.5d": "_2_5D",
    "_3d": "_3D",
}


def tag_of(name: str) -> str:
    """Return IBSI's tag of a feature by mirp's name, which tells bins, distances and pooling besides."""
    name = re.sub(r"_fb[sn]_[wn][\d.]+$", "", name[name.find("stat_") if "stat_" in name else 0 :])
    name = re.sub(r"_(d1|a0)(\.0)?(?=_)", "", name)
    end = next((end for end in POOLED if name.endswith(end)), "")
    return name.removesuffix(end) + POOLED.get(end, "")


def filter_consensus(configuration: str) -> dict[str, tuple[float, float]]:
    """Return value and tolerance by tag, as `ibsi.consensus` does."""
    with FILTER_VALUES.open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream, delimiter=";") if row["reference value"]]
    found = {
        row["tag"]: (float(row["reference value"]), float(row["tolerance"]))
        for row in rows
        if row["configuration"] == configuration
    }
    return {
        tag: (value, max(tolerance, ibsi._half_a_digit(value))) for tag, (value, tolerance) in found.items()
    }


def parameters(configuration: str) -> dict:
    """Return those of the plug-in for a configuration of the chest CT."""
    if (chest := CHEST.get(configuration)) is not None:
        return {**chest, **WHOLE, "matrices": IN_SLICES if chest.get("by_slice") else IN_SPACE}
    chosen, grid = FILTERS[configuration], {"by_slice": True}
    if configuration.endswith("B"):
        grid = {"spacing": (1, 1, 1), "spline_order": 3}
    features = {"families": ["statistics"]} if chosen is None else {"families": [], "filters": [chosen]}
    if chosen is not None:
        features["filters"] = [{**chosen, "boundary": "reflect"}]
    return {**grid, **features, **WHOLE, "resegment_hu": (-1000, 400)}


def features_of(folder: Path, configuration: str) -> set[str]:
    """Return the tags of all features that a configuration of the chest CT has a value of."""
    if configuration in FILTERS:
        return set(filter_consensus(configuration))
    of_images = re.compile("_(init|interp|reseg)_(img|roi)$")
    return {tag for tag in ibsi_chest.consensus(folder, configuration) if not of_images.search(tag)}


def compared(folder: Path, configuration: str, **changed) -> dict[str, tuple[float, float, float]]:
    """Return, by mirp's name, value, consensus and tolerance of what IBSI has a value of on the chest CT."""
    image, mask = ibsi_chest.scan(folder)
    found = MirpExtractor.model_validate(parameters(configuration) | changed).extract(image, mask)
    if configuration in CHEST:
        return _beside(found, ibsi_chest.consensus(folder, configuration))
    return _beside(found, filter_consensus(configuration))


def compared_digital(folder: Path) -> dict[str, tuple[float, float, float]]:
    """Return the same of the digital phantom, in slices and in space."""
    image = sitk.ReadImage(str(folder / "nifti" / "image" / "phantom.nii.gz"))
    mask = sitk.ReadImage(str(folder / "nifti" / "mask" / "mask.nii.gz"))
    reference, found = ibsi.consensus(folder), {}
    for by_slice, matrices in ((True, IN_SLICES), (False, IN_SPACE)):
        plugin = MirpExtractor(by_slice=by_slice, matrices=matrices, **DIGITAL, **WHOLE)
        found |= _beside(plugin.extract(image, mask), reference)
    return found


def _beside(found, reference: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float, float]]:
    return {
        name: (value, *reference[tag_of(name)]) for name, value in found.items() if tag_of(name) in reference
    }


def row(name: str, found: dict[str, tuple[float, float, float]], said: dict) -> str:
    """Return a configuration's line of the document."""
    others = [
        f"{feature} {value:.4g} (IBSI {expected:.4g} ± {tolerance:.2g})"
        for feature, (value, expected, tolerance) in found.items()
        if not ibsi_chest.agrees(value, expected, tolerance)
    ]
    parameters = ", ".join(f"`{key}: {json.dumps(value)}`" for key, value in said.items())
    return f"| {name} | {parameters} | {len(found)} | {len(found) - len(others)} | {'; '.join(others)} |"


def digital_row(real_data: Path) -> str:
    return row("digital phantom", compared_digital(real_data / "ibsi_digital"), DIGITAL)


def settings(configuration: str) -> dict:
    """Return what the document says of a configuration: what tells it from the others."""
    return CHEST.get(configuration) or FILTERS[configuration] or {"families": ["statistics"]}


def chest_row(real_data: Path, configuration: str) -> str:
    """Return the line of a configuration."""
    return row(configuration, compared(real_data / "ibsi_ct", configuration), settings(configuration))


def rows(real_data: Path) -> Iterator[str]:
    """Yield all lines, minutes of processor time."""
    yield digital_row(real_data)
    for configuration in (*CHEST, *FILTERS):
        yield chest_row(real_data, configuration)
        print(configuration, f"{time.process_time():.0f} s", file=sys.stderr, flush=True)


def written(text: str, real_data: Path) -> str:
    """Return the document with its part about mirp made anew."""
    return (
        text.partition("\n# mirp against")[0]
        + HEADING
        + "".join(f"\n{line}" for line in rows(real_data))
        + "\n"
    )


HEADING = """
# mirp against the IBSI consensus

The extractor `mirp` is the library of that name, a second implementation beside PyRadiomics, against the same consensus
and that of IBSI 2 (Whybra et al., Radiology 2024;310:e231319): 18 statistics of the chest CT under each of the
configurations 1.A to 9.B, A in slices, B on cubes of 1 mm by cubic splines, of the voxels of -1000 to 400 HU, filters
with `boundary: reflect`. Compared is every feature that mirp computes and IBSI has a value of: shape, local intensity,
statistics, histogram, intensity-volume histogram and texture by every way of pooling its matrices (`2D_avg` to
`3D_comb`); no value of IBSI's is left out. Moran's I and Geary's C are ours (`autocorrelation.py`): mirp adds up
pair by pair, for minutes, or samples. `margin_mm` takes the whole scan.

`python -m tests.feature_extractors.ibsi_mirp FOLDER_OF_REAL_DATA` writes this part, by mirp 2.7.0, in minutes; the
tests make some of its lines anew.

| configuration | parameters | compared | agree | does not agree |
|---|---|---|---|---|"""

if __name__ == "__main__":
    ibsi.DOCUMENT.write_text(
        written(ibsi.DOCUMENT.read_text(encoding="utf-8"), Path(sys.argv[1])), encoding="utf-8"
    )
