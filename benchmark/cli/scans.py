"""Commands that write scans: convert, phantom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from benchmark.cli.options import Jobs, real, whole
from benchmark.errors import UserError
from benchmark.table_file import whole_number

if TYPE_CHECKING:
    from benchmark.plugins import Cohort

app = typer.Typer()


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
    numbered: Annotated[
        bool, typer.Option("--numbered", help="Call the cases case-0001 and so on, not after their folders.")
    ] = False,
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
        done = convert_scans(source, out, execution, choice=choice, numbered=numbered)
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
