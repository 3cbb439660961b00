"""Make a segmenter's weights: train."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli.options import (
    DEFAULT_RESULTS,
    DEFAULT_SEGMENTATION_STUDY,
    Experiment,
    Jobs,
    Results,
    StudyFile,
    Tracking,
)
from benchmark.errors import UserError

if TYPE_CHECKING:
    from benchmark.plugins.training import Report, Trainer, TrainingJob
    from benchmark.report.tracking.destination import Destination

app = typer.Typer()
Domain = Annotated[
    bool,
    typer.Option(
        "--domain", help="Train nothing: measure again what scans the weights in --out learnt from."
    ),
]


@app.command()
def train(
    network: Annotated[str, typer.Argument(help="A network of the study's `training: networks:`.")],
    study: StudyFile = DEFAULT_SEGMENTATION_STUDY,
    out: Annotated[Path, typer.Option("--out", help="The weights file, .safetensors.")] = Path(
        "denseraunet.safetensors"
    ),
    start: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Go on learning from these weights (fine-tuning): a file, or the name of one that ships.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint beside the file.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the weights and start again.")] = False,
    domain: Domain = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    tracking_uri: Tracking = None,
    experiment: Experiment = None,
) -> None:
    """Train a segmenter's network on the study's training cohort; the best weights by validation F1 are written."""
    from benchmark.analyses.segmentation.study import read_segmentation_study
    from benchmark.execution.execution import open_execution
    from benchmark.execution.store import require_writable
    from benchmark.plugins.training import TrainingJob
    from benchmark.report.tracking.destination import destination

    job = TrainingJob(
        network=network,
        out=out,
        resume=resume,
        device=_choice(device, "device", ("auto", "cpu", "cuda")),
        precision=_choice(precision, "precision", ("auto", "fp32", "bf16", "fp16")),
        execution=lambda: open_execution(results, jobs),
        watch=_watch(network, destination(results, tracking_uri, experiment), study),
        start=start,
        domain_alone=domain,
    )
    if not domain:
        _refuse_overwriting(job, force)
    trainer = _trainer(read_segmentation_study(study).training, network, study)
    require_writable(results)
    print(trainer.train(job))


def _watch(
    network: str, where: Destination, study: Path
) -> Callable[[Mapping[str, Any], int, int], AbstractContextManager[Report]]:
    """Return what shows a training as a bar and logs it to MLflow as it goes."""

    @contextmanager
    def watch(parameters: Mapping[str, Any], steps: int, done: int) -> Iterator[Report]:
        from benchmark.execution.progress import training_bar
        from benchmark.report.tracking.live import live_run

        with (
            training_bar(network, steps, done) as show,
            live_run(where, "training", network, parameters) as log,
        ):
            log(lambda mlflow: mlflow.log_artifact(str(study)))

            def report(step: int, values: Mapping[str, float]) -> None:
                show(step, values)
                if step % 10 == 0 or "validation_f1" in values:
                    log(lambda mlflow: mlflow.log_metrics(dict(values), step=step))

            try:
                yield report
            except KeyboardInterrupt:
                print("cacbench: interrupted; go on with --resume from the last validation", file=sys.stderr)
                raise typer.Exit(130) from None

    return watch


def _trainer(trainer: Trainer | None, network: str, study: Path) -> Trainer:
    from benchmark.plugins.declaration import did_you_mean

    if trainer is None:
        raise UserError(f"{study}: declares no training: add `training: {{cohort: …}}`")
    if network not in trainer.networks:
        raise UserError(
            f"{study}: training.networks has no {network!r}; {did_you_mean(network, trainer.networks)}"
        )
    return trainer


def _refuse_overwriting(job: TrainingJob, force: bool) -> None:
    out, checkpoint = job.out, job.checkpoint
    if out.suffix != ".safetensors":
        raise UserError(f"--out {out}: end the name in .safetensors")
    if job.resume and not checkpoint.exists():
        raise UserError(f"{checkpoint}: there is no checkpoint to resume from; leave --resume out")
    if out.exists() and not force and not job.resume:
        raise UserError(f"{out}: exists already; name another file, or overwrite it with --force")
    if checkpoint.exists() and not (job.resume or force):
        raise UserError(
            f"{checkpoint}: a training was interrupted; go on with --resume or start again with --force"
        )


def _choice(value: str, name: str, choices: tuple[str, ...]) -> Any:
    if value not in choices:
        raise UserError(f"--{name} {value}: choose one of {', '.join(choices)}")
    return value
