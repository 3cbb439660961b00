"""The command line. Every command imports what it needs when it runs, so that `--help` is instant."""

import errno
import signal
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from benchmark import __version__
from benchmark.cli import (
    audit,
    explain,
    plugins,
    power,
    quality,
    results,
    robustness,
    scans,
    segmentation,
    studies,
    train,
)
from benchmark.errors import CaseError, UserError
from benchmark.execution.isolation import apart
from benchmark.execution.privacy import keep_private

USERS_MISTAKE = 2
UNEXPECTED = 70
"""EX_SOFTWARE of BSD's sysexits: not 1, which says that a guarded number moved."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""What a full disk, a used-up quota, a limit on files and a disk that has become read-only say."""
MAKE_ROOM = "make room, or name another folder; what was finished is kept: run again"
INTERRUPTED = 130
"""What a shell says of a program that Ctrl-C ended: 128 + SIGINT. Whoever asks by SIGTERM gets the same."""

EXAMPLES = {
    "init": ("init ../scans --labels labels.csv",),
    "run": (
        "run runs.yaml --jobs 4",
        "run --example phantoms",
        "run ours.yaml --set protocol.folds=3 --only radiomics",
    ),
    "validate": ("validate ours.yaml --strict",),
    "features": ("features ours.yaml --extractor radiomics --out radiomics.csv",),
    "check": ("check runs.yaml",),
    "apply": ("apply runs.yaml radiomics/random_forest others.yaml",),
    "reproduce": ("reproduce results/phantoms", "reproduce results/phantoms --study edited.yaml"),
    "ui": ("ui --port 5001",),
    "audit": ("audit runs.yaml --run radiomics/random_forest",),
    "explain": ("explain runs.yaml --run radiomics/xgboost --shap",),
    "quality": ("quality runs.yaml",),
    "plan": ("plan runs.yaml --scans 3",),
    "curve": ("curve studies/report_text.yaml",),
    "power": ("power runs.yaml --run radiomics/xgboost --sizes 200,400",),
    "robustness": ("robustness studies/robustness.yaml",),
    "score": ("score scan.nii.gz --mask calcium.nii.gz", "score dicom_folder --segmenter denseraunet --json"),
    "convert": ("convert dicom_folders nifti --key numbers.csv",),
    "phantom": ("phantom ten_scans --zero 5 --nonzero 5",),
    "list": ("list --json",),
    "schema": ("schema --out runs.schema.json",),
    "weights": ("weights runs.yaml --fetch",),
    "segmentation": ("segmentation studies/segmentation.yaml",),
    "train": ("train denseraunet --out ours.safetensors",),
}
"""What each command's help shows of it."""


class _Commands(TyperGroup):
    """The commands. By itself click ends an interruption and an `EOFError` with 1, which means another thing here."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("cacbench: interrupted", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except EOFError as error:
            raise RuntimeError("a file or stream ended too early") from error


app = typer.Typer(
    name="cacbench",
    cls=_Commands,
    help="Compare ways of turning a CT scan into features for assessing coronary artery calcium.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Begin with: cacbench run studies/first.yaml. Of one's own scans: cacbench init FOLDER.",
)
_GROUPS = (studies, results, audit, explain, quality, power, robustness, scans, plugins, segmentation, train)
for group in _GROUPS:
    for command in group.app.registered_commands:
        named = command.name or getattr(command.callback, "__name__", "")
        command.epilog = "\n\n".join(["Examples:", *(f"cacbench {line}" for line in EXAMPLES[named])])
    app.add_typer(group.app)


def _version(show: bool) -> None:
    if show:
        print(f"cacbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; an error ends it with a sentence and the exit code that README gives."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    keep_private()
    try:
        with apart():
            app(prog_name="cacbench")
    except (UserError, CaseError) as error:
        print(f"cacbench: {error}", file=sys.stderr)
        sys.exit(USERS_MISTAKE)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            place = error.filename or "results"
            print(f"cacbench: {place}: cannot be written ({error.strerror}); {MAKE_ROOM}", file=sys.stderr)
            sys.exit(USERS_MISTAKE)
        traceback.print_exc()
        print(
            "cacbench: this is an error in cacbench or in a plug-in and not your mistake: please report it with all "
            "the lines above and the study file",
            file=sys.stderr,
        )
        sys.exit(UNEXPECTED)
