"""The command that scores one scan: score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli.options import Json, real, whole
from benchmark.errors import UserError

if TYPE_CHECKING:
    from benchmark.calcium.scoring import CalciumScoring
    from benchmark.pipeline.single_scan import ScoredScan

app = typer.Typer()


@app.command()
def score(
    image: Annotated[
        Path, typer.Argument(metavar="SCAN", help="NIfTI, NRRD, MHD/MHA, or a folder with one DICOM series.")
    ],
    mask: Annotated[
        Path | None, typer.Option("--mask", help="Label image; each label is scored by itself.")
    ] = None,
    resample_mask: Annotated[
        bool, typer.Option("--resample-mask", help="Resample a mask on another grid (nearest neighbour).")
    ] = False,
    segmenter: Annotated[
        str | None,
        typer.Option(
            "--segmenter",
            metavar="NAME",
            help="Find the calcium first: a segmenter, or YAML as '{denseraunet: {hu: 140}}'. It searches within "
            "heart_region unless `within` says otherwise.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="Folder of what --segmenter writes: picture, mask, score.")
    ] = Path("results/score"),
    force: Annotated[
        bool, typer.Option("--force", help="Give a risk band in spite of a severe warning.")
    ] = False,
    threshold_hu: Annotated[
        float | None,
        typer.Option(parser=real(), metavar="NUMBER", help="Candidate voxels, HU (default 130)."),
    ] = None,
    connectivity: Annotated[
        int | None,
        typer.Option(parser=whole(), metavar="NUMBER", help="4 or 8 neighbours in the slice (default 8)."),
    ] = None,
    minimum_area_mm2: Annotated[
        float | None,
        typer.Option(parser=real(), metavar="NUMBER", help="Smallest lesion in a slice (default 1)."),
    ] = None,
    mass_calibration: Annotated[
        float | None,
        typer.Option(parser=real(), metavar="NUMBER", help="µg/mm³ per HU; depends on the scanner."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score the calcium of one scan, in a mask or found by a segmenter: Agatston, volume, mass, lesions, risk band."""
    scoring = _scoring(
        threshold_hu=threshold_hu,
        connectivity=connectivity,
        minimum_area_mm2=minimum_area_mm2,
        mass_calibration=mass_calibration,
    )
    if segmenter is None:
        _show(_of_mask(image, mask, resample_mask, scoring), as_json)
    elif mask is not None:
        raise UserError("score: give --mask or --segmenter, not both: one says where the calcium is")
    else:
        _find_and_show(image, segmenter, out, scoring, as_json=as_json, force=force)


def _of_mask(image: Path, mask: Path | None, resample: bool, scoring: CalciumScoring) -> dict[str, Any]:
    from benchmark.calcium.scoring import score as score_calcium
    from benchmark.images.reading import read_image, read_mask

    volume = read_image(image)
    region = read_mask(mask, volume, resample=resample) if mask else None
    return score_calcium(volume, region, scoring).model_dump(mode="json")


def _find_and_show(
    image: Path, declared: str, out: Path, scoring: CalciumScoring, *, as_json: bool, force: bool
) -> None:
    """Write and show what is found. Raises `UserError` after that, where a severe warning forbids a risk band."""
    from benchmark.case import Scan
    from benchmark.images.reading import read_image
    from benchmark.pipeline.single_scan import calcium_segmenter, find_and_score

    segmenter = calcium_segmenter(declared)
    found = find_and_score(Scan(read_image(image)), segmenter, scoring)
    refused = bool(found.severe) and not force
    content = found.content(segmenter, band=not refused)
    _write(found, content, declared, out)
    _show(content, as_json)
    if refused:
        raise UserError(
            f"no risk band, for the result is not to be trusted: {found.severe[0].kind}: {found.severe[0].detail}; "
            "look at the picture, and give --force to have the band all the same"
        )


def _write(found: ScoredScan, content: dict[str, Any], declared: str, out: Path) -> None:
    from benchmark.execution.store import json_text, write_atomically
    from benchmark.images.writing import write_nifti
    from benchmark.report.lesion_montage import lesion_montage

    agatston = content["total"]["agatston"]
    note = "; ".join(map(str, found.severe or found.warnings))
    picture = lesion_montage(
        found.image, found.calcium, found.gate, f"{declared}: Agatston {agatston:.0f}", note
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_nifti(found.calcium, out / "calcium.nii.gz")
        content["written"] = {"picture": str(out / "calcium.png"), "mask": str(out / "calcium.nii.gz")}
        write_atomically(out / "calcium.png", picture)
        write_atomically(out / "score.json", json_text(content).encode())
    except (OSError, RuntimeError) as error:
        raise UserError(f"--out {out}: cannot be written ({error}); name another folder") from None


def _show(content: dict[str, Any], as_json: bool) -> None:
    from benchmark.execution.store import json_text
    from benchmark.report.console import print_score

    if as_json:
        print(json_text(content))
    else:
        print_score(content)


def _scoring(**options: float | None) -> CalciumScoring:
    """Return the rules of scoring with the options that were given. Raises `UserError` naming the one that is unfit."""
    from pydantic import ValidationError

    from benchmark.calcium.scoring import CalciumScoring

    given = {name: value for name, value in options.items() if value is not None}
    try:
        return CalciumScoring.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"--{str(first['loc'][0]).replace('_', '-')}: {first['msg']}") from None
