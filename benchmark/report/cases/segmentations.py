"""Pictures of what each segmenter of a study found in some cases, beside the mask that came with them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.errors import CaseError
from benchmark.execution.execution import Execution
from benchmark.images.geometry import bounding_box
from benchmark.pipeline.results import StudyResult
from benchmark.plugins.fingerprint import code_digest, digest_of
from benchmark.report.cases.pictures import PNG, PictureTask, parts_of_tasks, segmenters_of

if TYPE_CHECKING:
    import SimpleITK as sitk
    from matplotlib.axes import Axes

MOST_CASES, MOST_SEGMENTERS = 3, 6
MASK = "coronary"
"""The cohort's mask that regions are seen beside."""
PLACES = (0.1, 0.37, 0.63, 0.9)
"""Where the slices lie, as shares of the voxels below them of what the picture is about."""
MARGIN_MM = 12.0
LOW_HU, HIGH_HU = -160, 400
FOUND, GIVEN = "orange", "cyan"
GREYS = 64
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class MontageTask(PictureTask):
    """A case and the named segmenters, each of which gets a row of slices."""

    def key(self) -> str:
        """Return the SHA-256 of all that decides the picture."""
        drawn = [[name, segmenter.fingerprint()] for name, segmenter in self.segmenters.items()]
        return digest_of([self.scan, drawn, code_digest(__name__), version("matplotlib"), version("pillow")])


def montages_of_segmenters(result: StudyResult, execution: Execution) -> dict[str, bytes]:
    """Return a PNG by case id of up to three cases, from no calcium to much; one that cannot be drawn is left out."""
    chosen = spread(result)
    drawn = dict(list(segmenters_of(result).items())[:MOST_SEGMENTERS])
    parts = parts_of_tasks(result, execution, chosen, drawn)
    tasks = {name: MontageTask(*values) for name, values in parts.items()}
    pictures = execution.records("segmentations", draw_montage, tasks, PNG).records
    return {case_id: pictures[case_id] for case_id in chosen if case_id in pictures}


def spread(result: StudyResult) -> list[str]:
    """Return the cases to be drawn: first, middle and last of those compared, by label, score and case id."""
    cases = result.features.cases.loc[result.case_ids].reset_index(names="case_id")
    ordered = cases.sort_values(["label", "cac_score", "case_id"], ignore_index=True)["case_id"]
    places = np.linspace(0, len(ordered) - 1, min(MOST_CASES, len(ordered))).round().astype(int)
    return [str(ordered[place]) for place in dict.fromkeys(places)]


def legends(result: StudyResult, case_ids: Sequence[str]) -> list[str]:
    """Return of each case what is true of it."""
    classes, cases = result.study.target.classes, result.features.cases
    codes = dict(zip(case_ids, result.study.target.codes(cases.loc[list(case_ids)]), strict=True))
    said = []
    for name in case_ids:
        row = cases.loc[name]
        score: str = "" if pd.isna(row["cac_score"]) else f", Agatston score {row['cac_score']:.0f}"
        said.append(f"{name}: truly {classes[codes[name]]}{score}.")
    return said


def draw_montage(task: MontageTask) -> bytes:
    """Return the montage of a case. Raises `CaseError` where no segmenter finds anything but the whole image."""
    import SimpleITK as sitk

    scan = task.case.source.load()
    task.regions.lend_to(scan)
    found = {}
    for name, segmenter in task.segmenters.items():
        try:
            region = _mask(segmenter.segment(scan))
        except CaseError:  # the others are shown all the same
            continue
        if region.any() and not region.all():
            found[name] = region
    if not found:
        raise CaseError("no segmenter finds a region to be drawn")
    given = _mask(scan.masks[MASK]) if MASK in scan.masks else None
    upright = sitk.DICOMOrient(scan.image, "LPS")
    spacing = upright.GetSpacing()[::-1]
    hu = sitk.GetArrayFromImage(upright)
    return _png(hu, found, given if given is not None and given.any() else None, spacing)


def _mask(image: sitk.Image) -> Mask:
    """Return where a mask holds something, as a radiologist sees it."""
    import SimpleITK as sitk

    held: Mask = sitk.GetArrayFromImage(sitk.DICOMOrient(image, "LPS")) > 0
    return held


def _png(
    hu: NDArray[Any], found: Mapping[str, Mask], given: Mask | None, spacing: tuple[float, ...]
) -> bytes:
    """Draw a row of slices for each segmenter: its region, and the mask that came with the scan."""
    from matplotlib.figure import Figure

    slices = _slices(given if given is not None else np.logical_or.reduce(list(found.values())))
    side, line_above, head = 1.6, 0.2, 0.3
    height = (side + line_above) * len(found) + head
    figure = Figure(figsize=(side * len(slices), height))
    figure.subplots_adjust(0.005, 0.005, 0.995, 1 - (head + line_above) / height, 0.02, line_above / side)
    axes = figure.subplots(len(found), len(slices), squeeze=False)
    for line, (name, region) in zip(axes, found.items(), strict=True):
        rows, columns = _window(region if given is None else region | given, spacing)
        for axis, z in zip(line, slices, strict=True):
            _draw(axis, hu[z, rows, columns], spacing[1] / spacing[2])
            _outline(axis, region[z, rows, columns], FOUND)
            if given is not None:
                _outline(axis, given[z, rows, columns], GIVEN, dashed=True)
        said = f"{name}: {_millilitres(region, spacing)}{_overlap(region, given)}"
        line[0].set_title(said, fontsize=7, loc="left", pad=2)
    beside = f", {GIVEN} (dashed): the mask {MASK} that came with it" if given is not None else ""
    figure.suptitle(
        f"Slices {', '.join(map(str, slices))}. {FOUND.capitalize()}: found{beside}.", fontsize=7, y=0.995
    )
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=130, metadata={"Software": None})
    return _smaller(content.getvalue())


def _slices(mask: Mask) -> list[int]:
    """Return some slices that hold voxels, spread by how many there are."""
    below = np.cumsum(mask.sum(axis=(1, 2)))
    return list(dict.fromkeys(int(np.searchsorted(below, share * below[-1])) for share in PLACES))


def _window(mask: Mask, spacing: tuple[float, ...]) -> tuple[slice, slice]:
    """Return rows and columns of a square around a mask, with a margin, moved or cut to lie in the slice."""
    box = bounding_box(mask)
    if box is None:
        raise CaseError("nothing to be drawn")
    side_mm = max((part.stop - part.start) * mm for part, mm in zip(box[1:], spacing[1:], strict=True))
    parts = []
    for part, mm, size in zip(box[1:], spacing[1:], mask.shape[1:], strict=True):
        side = min(size, round((side_mm + 2 * MARGIN_MM) / mm))
        start = min(max(0, (part.start + part.stop - side) // 2), size - side)
        parts.append(slice(start, start + side))
    return parts[0], parts[1]


def _millilitres(region: Mask, spacing: tuple[float, ...]) -> str:
    volume = region.sum() * np.prod(spacing) / 1000
    return f"{volume:.0f} mL" if volume >= 10 else f"{volume:.2g} mL"


def _overlap(region: Mask, given: Mask | None) -> str:
    if given is None:
        return ""
    found, within = (100 * (region & given).sum() / mask.sum() for mask in (given, region))
    return f"; holds {found:.0f} % of the mask, {within:.0f} % of it lies in the mask"


def _draw(axes: Axes, hu: NDArray[Any], aspect: float) -> None:
    axes.imshow(hu, cmap="gray", vmin=LOW_HU, vmax=HIGH_HU, interpolation="nearest", aspect=aspect)
    axes.set_axis_off()


def _outline(axes: Axes, mask: Mask, colour: str, dashed: bool = False) -> None:
    if mask.any() and not mask.all():
        style = "dashed" if dashed else "solid"
        axes.contour(mask, levels=[0.5], colors=colour, linewidths=0.7, linestyles=style)


def _smaller(png: bytes) -> bytes:
    """Return the picture with a palette of greys and of both outlines over them: noise costs bytes."""
    from matplotlib.colors import to_rgb
    from PIL import Image

    greys = np.repeat(np.linspace(0, 255, GREYS)[:, None], 3, axis=1)
    hues = [
        opacity * 255 * np.array(to_rgb(colour)) + (1 - opacity) * grey
        for colour in (FOUND, GIVEN)
        for opacity in (0.4, 0.7, 1.0)
        for grey in greys[:: GREYS // 8]
    ]
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.vstack([greys, *hues]).round().astype(np.uint8).tobytes())
    image = Image.open(io.BytesIO(png)).convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
    content = io.BytesIO()
    image.save(content, format="PNG", optimize=True)
    return content.getvalue()
