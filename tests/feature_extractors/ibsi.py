"""How PyRadiomics' features correspond to those of the Image Biomarker Standardisation Initiative (IBSI 1).

Zwanenburg et al., Radiology 2020;295:328. `python -m tests.feature_extractors.ibsi_chest`
writes docs/radiomics_ibsi.md anew.
"""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import SimpleITK as sitk

from feature_extractors.radiomics.extractor import RadiomicsExtractor

DOCUMENT = Path(__file__).parents[2] / "docs" / "radiomics_ibsi.md"

SHAPE = {
    "MeshVolume": "morph_volume",
    "VoxelVolume": "morph_vol_approx",
    "SurfaceArea": "morph_area_mesh",
    "SurfaceVolumeRatio": "morph_av",
    "Sphericity": "morph_sphericity",
    "Maximum3DDiameter": "morph_diam",
    "MajorAxisLength": "morph_pca_maj_axis",
    "MinorAxisLength": "morph_pca_min_axis",
    "LeastAxisLength": "morph_pca_least_axis",
    "Elongation": "morph_pca_elongation",
    "Flatness": "morph_pca_flatness",
}
FIRST_ORDER = {
    "Mean": "stat_mean",
    "Variance": "stat_var",
    "Skewness": "stat_skew",
    "Kurtosis": "stat_kurt",
    "Median": "stat_median",
    "Minimum": "stat_min",
    "10Percentile": "stat_p10",
    "90Percentile": "stat_p90",
    "Maximum": "stat_max",
    "InterquartileRange": "stat_iqr",
    "Range": "stat_range",
    "MeanAbsoluteDeviation": "stat_mad",
    "RobustMeanAbsoluteDeviation": "stat_rmad",
    "Energy": "stat_energy",
    "RootMeanSquared": "stat_rms",
    "Entropy": "ih_entropy",
    "Uniformity": "ih_uniformity",
}
GLCM = {
    "Autocorrelation": "auto_corr",
    "JointAverage": "joint_avg",
    "ClusterProminence": "clust_prom",
    "ClusterShade": "clust_shade",
    "ClusterTendency": "clust_tend",
    "Contrast": "contrast",
    "Correlation": "corr",
    "DifferenceAverage": "diff_avg",
    "DifferenceEntropy": "diff_entr",
    "DifferenceVariance": "diff_var",
    "JointEnergy": "energy",
    "JointEntropy": "joint_entr",
    "Imc1": "info_corr1",
    "Imc2": "info_corr2",
    "Idm": "inv_diff_mom",
    "Idmn": "inv_diff_mom_norm",
    "Id": "inv_diff",
    "Idn": "inv_diff_norm",
    "InverseVariance": "inv_var",
    "MaximumProbability": "joint_max",
    "SumAverage": "sum_avg",
    "SumEntropy": "sum_entr",
    "SumSquares": "joint_var",
}
GREY_LEVEL_OF_RUNS_AND_ZONES = {
    "GrayLevelNonUniformity": "glnu",
    "GrayLevelNonUniformityNormalized": "glnu_norm",
    "GrayLevelVariance": "gl_var",
}
GLRLM = GREY_LEVEL_OF_RUNS_AND_ZONES | {
    "ShortRunEmphasis": "sre",
    "LongRunEmphasis": "lre",
    "LowGrayLevelRunEmphasis": "lgre",
    "HighGrayLevelRunEmphasis": "hgre",
    "ShortRunLowGrayLevelEmphasis": "srlge",
    "ShortRunHighGrayLevelEmphasis": "srhge",
    "LongRunLowGrayLevelEmphasis": "lrlge",
    "LongRunHighGrayLevelEmphasis": "lrhge",
    "RunLengthNonUniformity": "rlnu",
    "RunLengthNonUniformityNormalized": "rlnu_norm",
    "RunPercentage": "r_perc",
    "RunVariance": "rl_var",
    "RunEntropy": "rl_entr",
}
GLSZM = GREY_LEVEL_OF_RUNS_AND_ZONES | {
    "SmallAreaEmphasis": "sze",
    "LargeAreaEmphasis": "lze",
    "LowGrayLevelZoneEmphasis": "lgze",
    "HighGrayLevelZoneEmphasis": "hgze",
    "SmallAreaLowGrayLevelEmphasis": "szlge",
    "SmallAreaHighGrayLevelEmphasis": "szhge",
    "LargeAreaLowGrayLevelEmphasis": "lzlge",
    "LargeAreaHighGrayLevelEmphasis": "lzhge",
    "SizeZoneNonUniformity": "zsnu",
    "SizeZoneNonUniformityNormalized": "zsnu_norm",
    "ZonePercentage": "z_perc",
    "ZoneVariance": "zs_var",
    "ZoneEntropy": "zs_entr",
}
GLDM = {
    "SmallDependenceEmphasis": "lde",
    "LargeDependenceEmphasis": "hde",
    "LowGrayLevelEmphasis": "lgce",
    "HighGrayLevelEmphasis": "hgce",
    "SmallDependenceLowGrayLevelEmphasis": "ldlge",
    "SmallDependenceHighGrayLevelEmphasis": "ldhge",
    "LargeDependenceLowGrayLevelEmphasis": "hdlge",
    "LargeDependenceHighGrayLevelEmphasis": "hdhge",
    "GrayLevelNonUniformity": "glnu",
    "DependenceNonUniformity": "dcnu",
    "DependenceNonUniformityNormalized": "dcnu_norm",
    "GrayLevelVariance": "gl_var",
    "DependenceVariance": "dc_var",
    "DependenceEntropy": "dc_entr",
}
NGTDM = {name: name.lower() for name in ("Coarseness", "Contrast", "Busyness", "Complexity", "Strength")}

CORRESPONDENCE = {
    **{f"original_shape_{name}": tag for name, tag in SHAPE.items()},
    **{f"original_firstorder_{name}": tag for name, tag in FIRST_ORDER.items()},
    **{f"original_glcm_{name}": f"cm_{tag}_3D_avg" for name, tag in GLCM.items()},
    **{f"original_glrlm_{name}": f"rlm_{tag}_3D_avg" for name, tag in GLRLM.items()},
    **{f"original_glszm_{name}": f"szm_{tag}_3D" for name, tag in GLSZM.items()},
    **{f"original_gldm_{name}": f"ngl_{tag}_3D" for name, tag in GLDM.items()},
    **{f"original_ngtdm_{name}": f"ngt_{tag}_3D" for name, tag in NGTDM.items()},
}
"""PyRadiomics' names to IBSI's tags, in 3-D, GLCM and GLRLM averaged over the directions."""

VOXELS = 74
"""Voxels in the digital phantom's ROI."""
CONVERSIONS: dict[str, tuple[Callable[[float], float], str]] = {
    "original_firstorder_Kurtosis": (
        lambda value: value - 3,
        "IBSI's kurtosis is in excess of 3; equal after subtracting 3",
    ),
    **dict.fromkeys(
        (
            "original_shape_LeastAxisLength",
            "original_shape_MinorAxisLength",
            "original_shape_MajorAxisLength",
        ),
        (
            lambda value: value * math.sqrt(VOXELS / (VOXELS - 1)),
            "PyRadiomics divides the covariance by N, IBSI by N - 1; equal after multiplying by sqrt(N / (N - 1))",
        ),
    ),
}
"""Features that agree once a stated difference of definition is undone."""

WITHOUT_CONSENSUS = {
    "original_shape_Maximum2DDiameterSlice": "IBSI defines the diameter in 3-D only",
    "original_shape_Maximum2DDiameterColumn": "IBSI defines the diameter in 3-D only",
    "original_shape_Maximum2DDiameterRow": "IBSI defines the diameter in 3-D only",
    "original_firstorder_TotalEnergy": "not in IBSI: the energy times the volume of a voxel",
    "original_glcm_MCC": "not in IBSI: Haralick's maximal correlation coefficient",
}


def phantom_features(folder: Path) -> dict[str, float]:
    """Return all features of the digital phantom, its grey levels 1 to 6 in bins of their own."""
    image = sitk.ReadImage(str(folder / "nifti" / "image" / "phantom.nii.gz"))
    mask = sitk.ReadImage(str(folder / "nifti" / "mask" / "mask.nii.gz"))
    return RadiomicsExtractor(bin_width=1).extract(image, mask).to_dict()


def consensus(folder: Path) -> dict[str, tuple[float, float]]:
    """Return the consensus value and tolerance by tag.

    Values are printed with three significant digits, so half a unit of the third is the least tolerance.
    """
    with (folder / "reference_values.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream, delimiter=";") if row["reference value"]]
    values = {row["tag"]: (float(row["reference value"]), float(row["tolerance"])) for row in rows}
    return {tag: (value, max(tolerance, _half_a_digit(value))) for tag, (value, tolerance) in values.items()}


def _half_a_digit(value: float) -> float:
    return 0.5 * 10 ** (math.floor(math.log10(abs(value))) - 2) * (1 + 1e-9) if value else 0.0


def table(folder: Path) -> str:
    """Return the document: every feature, its IBSI tag and whether the values agree."""
    features, reference = phantom_features(folder), consensus(folder)
    lines = [HEADING]
    for name, value in features.items():
        tag = CORRESPONDENCE.get(name, "")
        convert, difference = CONVERSIONS.get(name, (float, ""))
        if tag:
            expected, tolerance = reference[tag]
            agrees = "yes" if abs(convert(value) - expected) <= tolerance else "no"
        lines.append(
            f"| {name.removeprefix('original_')} | {tag or '-'} | {value:.4g} | {agrees if tag else '-'} "
            f"| {difference or WITHOUT_CONSENSUS.get(name, '')} |"
        )
    return "\n".join(lines) + "\n"


HEADING = """# PyRadiomics against the IBSI consensus

The features of the `radiomics` extractor on the IBSI 1 digital phantom (`bin_width: 1`), and whether they lie within
the tolerance of the consensus value (Zwanenburg et al., Radiology 2020;295:328). Texture matrices are 3-D; GLCM and
GLRLM features are averaged over the 13 directions (IBSI's `3D_avg`). PyRadiomics' GLDM is IBSI's NGLDM.

PyRadiomics' bins begin at multiples of the bin width, IBSI's at the lowest grey level of the ROI (or of the
resegmentation range). The phantom's grey levels are whole, so the two agree here; on other images they need not.

This file is written by `python -m tests.feature_extractors.ibsi_chest FOLDER_OF_REAL_DATA`, and a test holds it to
be current. Below: [the chest CT under configurations A to E](#the-chest-ct-configurations-a-to-e).

| feature | IBSI tag | value | agrees | difference of definition |
|---|---|---|---|---|"""
