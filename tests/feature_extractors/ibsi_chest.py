"""`radiomics` on the IBSI 1 chest CT under the configurations A to E, against their consensus values.

Zwanenburg et al., Radiology 2020;295:328; the configurations are those of the reference manual, arXiv 1612.07003.
"""

import csv
import json
import math
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from feature_extractors.radiomics.extractor import RadiomicsExtractor
from tests.feature_extractors import ibsi

_CUBES = {"resampled_spacing": (2, 2, 2), "grid": "ibsi"}
CONFIGURATIONS = {
    "A": {"by_slice": True, "resegment_hu": (-500, 400), "bin_width": 25, "bins_from_hu": -500},
    "B": {
        "by_slice": True,
        "resampled_spacing": (2, 2, 0),
        "grid": "ibsi",
        "interpolator": "linear",
        "resegment_hu": (-500, 400),
        "bin_count": 32,
    },
    "C": _CUBES
    | {"interpolator": "linear", "resegment_hu": (-1000, 400), "bin_width": 25, "bins_from_hu": -1000},
    "D": _CUBES | {"interpolator": "linear", "resegment_sd": 3, "bin_count": 32},
    "E": _CUBES
    | {"interpolator": "bspline", "resegment_hu": (-1000, 400), "resegment_sd": 3, "bin_count": 32},
}


def scan(folder: Path) -> tuple[sitk.Image, sitk.Image]:
    return tuple(
        sitk.ReadImage(str(folder / "nifti" / name)) for name in ("image/phantom.nii.gz", "mask/mask.nii.gz")
    )


def tag_of(name: str, configuration: str) -> str:
    """Return IBSI's tag: by slice PyRadiomics counts over all slices together, per direction (IBSI's ``2_5D_avg``)."""
    tag = ibsi.CORRESPONDENCE[name]
    return tag.replace("_3D", "_2_5D") if CONFIGURATIONS[configuration].get("by_slice") else tag


def consensus(folder: Path, configuration: str) -> dict[str, tuple[float, float]]:
    """Return value and tolerance by tag of one configuration, as `ibsi.consensus` does."""
    file = folder / f"ibsi_1_chest_config_{configuration.lower()}.csv"
    with file.open(encoding="utf-8-sig") as stream:
        rows = [row for row in csv.DictReader(stream, delimiter=";") if row["reference value"]]
    found = {
        row["tag"].strip(): (float(row["reference value"]), float(row["tolerance"] or 0)) for row in rows
    }
    return {
        tag: (value, max(tolerance, ibsi._half_a_digit(value))) for tag, (value, tolerance) in found.items()
    }


def compared(folder: Path, configuration: str, **changed) -> dict[str, tuple[float, float, float]]:
    """Return, by PyRadiomics' name, value, consensus and tolerance of all features that IBSI defines."""
    image, mask = scan(folder)
    parameters = CONFIGURATIONS[configuration] | changed
    found = RadiomicsExtractor(**parameters).extract(image, mask)
    spacing = np.array(image.GetSpacing())
    asked = np.array(parameters.get("resampled_spacing", (0, 0, 0)))
    voxels = found["original_shape_VoxelVolume"] / np.prod(np.where(asked > 0, asked, spacing))
    reference = consensus(folder, configuration)
    return {
        name: (converted(name, found[name], voxels), *reference[tag_of(name, configuration)])
        for name in ibsi.CORRESPONDENCE
    }


def converted(name: str, value: float, voxels: float) -> float:
    if name == "original_firstorder_Kurtosis":
        return value - 3
    return value * math.sqrt(voxels / (voxels - 1)) if name in ibsi.CONVERSIONS else value


def agrees(value: float, expected: float, tolerance: float) -> bool:
    return abs(value - expected) <= tolerance


def section(folder: Path) -> str:
    """Return the part of the document about the chest CT."""
    values = {name: compared(folder, name) for name in CONFIGURATIONS}
    lines = [HEADING]
    for name, found in values.items():
        settings = ", ".join(f"`{key}: {json.dumps(v)}`" for key, v in CONFIGURATIONS[name].items())
        right = sum(agrees(*row) for row in found.values())
        lines.append(f"| {name} | {settings} | {len(found)} | {right} |")
    lines += ["", "| feature | A | B | C | D | E |", "|---|---|---|---|---|---|"]
    for name in ibsi.CORRESPONDENCE:
        cells = (
            f"{row[name][0]:.4g}" + ("" if agrees(*row[name]) else f" (IBSI {row[name][1]:.4g})")
            for row in values.values()
        )
        lines.append(f"| {name.removeprefix('original_')} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


HEADING = """
# The chest CT, configurations A to E

The same features on the IBSI 1 chest CT under the five configurations of the reference manual: 510 values, all within
the consensus tolerance. `grid: ibsi` resamples about the image's middle, rounds to whole HU and takes the ROI where
at least half of it is; `resegment_hu` and `resegment_sd` leave voxels out of everything but shape; `bins_from_hu`
counts grey levels from the lower end of the range. All are off by default. By slice (A, B) matrices are counted over
all slices together, by direction (IBSI's `2_5D_avg`); in C to E in three dimensions (`3D_avg`). Conversions are those
above.

A value within the tolerance stands alone; one that is not would have the consensus in brackets. What is left out
PyRadiomics does not define: IBSI's local intensity, intensity–volume histogram, other densities of shape, most of the
intensity histogram, distance zones, matrices merged before averaging (`…_comb`), averages over slices (`…_2D`).

PyRadiomics' own grid begins at the image's corner, its bins at the ROI's lowest HU. Without `bins_from_hu` 22 of C's
102 values do not agree, those that weigh grey levels by their number; with PyRadiomics' grid 76.

**Filters.** `log_sigma_mm` and `wavelet` are PyRadiomics' own (tests: its values on the whole scan; closed forms of a
Gaussian blob, a flat image and an edge). IBSI 2's Laplacian of Gaussian is not multiplied by the square of its width,
as this one is. IBSI 2's filters, and means over perturbed versions of scan and region, are those of the extractor
[`mirp`](#mirp-against-the-ibsi-consensus), whose statistics are compared with IBSI 2's values below; its reference
response maps, voxel by voxel on digital phantoms, are not among the public data at hand.

| configuration | `radiomics:` | compared | agree |
|---|---|---|---|"""


def document(real_data: Path) -> str:
    """Return docs/radiomics_ibsi.md but for its part about mirp (`ibsi_mirp`)."""
    return ibsi.table(real_data / "ibsi_digital") + section(real_data / "ibsi_ct")


if __name__ == "__main__":
    _, mark, mirp = ibsi.DOCUMENT.read_text(encoding="utf-8").partition("\n# mirp against ")
    ibsi.DOCUMENT.write_text(document(Path(sys.argv[1])) + mark + mirp, encoding="utf-8")
