"""Commands about scans and phantoms: score, convert, phantom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from benchmark.cli.options import Jobs, Json, real, whole
from benchmark.errors import UserError
from benchmark.table_file import whole_number

if TYPE_CHECKING:
    from benchmark.analyses.single_scan.finding import ScoredScan
    from benchmark.calcium.scoring import CalciumScoring
    from benchmark.plugins import Cohort

app = typer.Typer()
Finder = Annotated[
    str | None,
    typer.Option(
        "--segmenter",
        metavar="NAME",
        help="Find the calcium first: a segmenter, or YAML as '{denseraunet: {hu: 140}}'. It searches within "
        "heart_region unless `within` says otherwise.",
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Folder of what --segmenter writes: picture, mask, score.")]
Forced = Annotated[bool, typer.Option("--force", help="Give a risk band in spite of a severe warning.")]


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
    segmenter: Finder = None,
    out: Out = Path("results/score"),
    force: Forced = False,
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
    from benchmark.analyses.single_scan.finding import calcium_segmenter, find_and_score
    from benchmark.case import Scan
    from benchmark.images.reading import read_image

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
    from benchmark.report.cases.lesion_montage import lesion_montage

    agatston = content["total"]["agatston"]
    note = "; ".join(map(str, found.severe or found.warnings))
    searched = {} if found.gate is None else {"searched": found.gate}
    picture = lesion_montage(
        found.image, found.calcium, searched, f"{declared}: Agatston {agatston:.0f}", note
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


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A folder of scans, with folders below it.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")],
    description: Annotated[
        str | None, typer.Option(help="Where a folder holds several series: text of its description.")
    ] = None,
    thickness: Annotated[
        float | None, typer.Option(parser=real(), metavar="NUMBER", help="Its slice thickness, mm.")
    ] = None,
    slices: Annotated[str | None, typer.Option(help="Its number of slices, or `most`.")] = None,
    folder_names: Annotated[
        bool,
        typer.Option("--folder-names", help="Call the cases after their folders, where these name nobody."),
    ] = False,
    key: Annotated[
        Path | None, typer.Option("--key", help="CSV to say in which case is which folder; not inside OUT.")
    ] = None,
    jobs: Jobs = None,
) -> None:
    """Convert a folder of DICOM series to NIfTI with a manifest; nothing of a patient's identity is written."""
    from pydantic import ValidationError

    from benchmark.cohorts.conversion import MANIFEST, REPORT
    from benchmark.cohorts.conversion import convert as convert_scans
    from benchmark.execution.execution import open_execution
    from benchmark.images.dicom_selection import SeriesChoice

    count = slices if slices is None or (number := whole_number(slices)) is None else number
    try:
        choice = SeriesChoice.model_validate(
            {"description": description, "thickness_mm": thickness, "slices": count}
        )
    except ValidationError:
        raise UserError("--slices: a number or `most`; --thickness: above 0 mm") from None
    with open_execution(out, jobs) as execution:
        done = convert_scans(source, out, execution, choice=choice, named=folder_names, key=key)
    for item in done:
        if item.image is None:
            print(f"{item.row['state']} {item.row['case_id']}: {item.row['reason']}")
    written = sum(item.image is not None for item in done)
    scans = sum(item.row["state"] != "passed over" for item in done)
    print(
        f"{out / MANIFEST}: {written} of {scans} scans; add label or cac_score. {out / REPORT}: the details"
    )


@app.command()
def phantom(
    out: Annotated[Path | None, typer.Argument(help="The folder to write; it gets a manifest.csv.")] = None,
    zero: Annotated[
        int, typer.Option(parser=whole(), metavar="NUMBER", help="Patients without calcium.")
    ] = 94,
    nonzero: Annotated[
        int, typer.Option(parser=whole(), metavar="NUMBER", help="Patients with calcium.")
    ] = 88,
    seed: Annotated[str, typer.Option(help="Any text or number.")] = "0",
    protocol: Annotated[
        str, typer.Option(help="cardiac, chest, mixed, or qrm (the calibration insert).")
    ] = "cardiac",
    gallery: Annotated[
        Path | None, typer.Option(help="Draw the gallery picture into this file instead.")
    ] = None,
    qrm_dicom: Annotated[
        Path | None, typer.Option(help="A real QRM scan to show beside the digital one.")
    ] = None,
    jobs: Jobs = None,
) -> None:
    """Write synthetic CTs with their masks and truth as NIfTI, with the manifest that reads them back."""
    if gallery is not None:
        from benchmark.phantom.gallery import write_gallery

        write_gallery(gallery, qrm_dicom)
        print(gallery)
        return
    if out is None:
        raise UserError("phantom: name the folder to write to, or a picture with --gallery")
    from benchmark.execution.progress import bars
    from benchmark.phantom.export import write_cohort

    cohort = _phantoms(zero, nonzero, seed, protocol)
    with bars("phantoms", len(cohort.cases())) as advance:
        manifest = write_cohort(cohort, out, jobs, lambda done, total: advance())
    print(manifest)


def _phantoms(zero: int, nonzero: int, seed: str, protocol: str) -> Cohort:
    """Return the cohort that the options describe. Raises `UserError` for impossible ones."""
    from pydantic import ValidationError

    from benchmark.phantom.qrm import QrmCohort
    from benchmark.plugins.registry import build

    number: int | str = int(seed) if re.fullmatch("-?[0-9]+", seed) else seed
    if protocol == "qrm":
        return QrmCohort(seed=number)
    try:
        spec = {"use": "phantom", "zero": zero, "nonzero": nonzero, "seed": number, "protocol": protocol}
        return cast("Cohort", build("cohort", spec))
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"--{first['loc'][0] if first['loc'] else 'phantom'}: {first['msg']}") from None
