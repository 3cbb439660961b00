"""Commands about segmentation: segmentation (compare segmenters), train (make a segmenter's weights)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmark.cli.options import DEFAULT_RESULTS, Dask, Jobs, Json, Results, StudyFile
from benchmark.errors import UserError

if TYPE_CHECKING:
    from segmenters.denseraunet.plan import TrainingPlan
    from segmenters.denseraunet.training.loop import Training

app = typer.Typer()

DEFAULT_SEGMENTATION_STUDY = Path("studies/segmentation.yaml")


@app.command()
def segmentation(
    study: StudyFile = DEFAULT_SEGMENTATION_STUDY,
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
    dask: Dask = None,
    as_json: Json = False,
) -> None:
    """Compare segmenters with reference masks: voxels, lesions, Agatston agreement, risk bands, per protocol."""
    from benchmark.analyses.segmentation.run import run_segmentation
    from benchmark.analyses.segmentation.study import read_segmentation_study
    from benchmark.analyses.segmentation.write import finish_segmentation
    from benchmark.execution.progress import bars
    from benchmark.execution.store import Store
    from benchmark.execution.workers import workers

    declared = read_segmentation_study(study)
    with workers(jobs, dask=dask) as pool:
        measured = run_segmentation(declared, Store(results / "store"), pool, bars)
    written = finish_segmentation(measured, declared, results, study)
    if as_json:
        print(written.tables["summary"].to_json(orient="records", indent=1))
    else:
        from benchmark.analyses.segmentation.console import print_segmentation

        print_segmentation(written, measured)


@app.command()
def train(
    network: Annotated[str, typer.Argument(help="A network of the study's `training: networks:`.")],
    study: StudyFile = DEFAULT_SEGMENTATION_STUDY,
    out: Annotated[Path, typer.Option("--out", help="The weights file, .safetensors.")] = Path(
        "denseraunet.safetensors"
    ),
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint beside the file.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the weights and start again.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16.")] = "auto",
    results: Results = DEFAULT_RESULTS,
    jobs: Jobs = None,
) -> None:
    """Train a segmenter's network on the study's training cohort; the best weights by validation F1 are written."""
    from benchmark.analyses.segmentation.study import read_segmentation_study
    from benchmark.execution.progress import bars
    from benchmark.execution.store import Store
    from benchmark.execution.workers import workers
    from segmenters.denseraunet.training.scans import read_training_set

    checkpoint = out.with_suffix(".checkpoint.safetensors")
    _refuse_overwriting(out, checkpoint, resume, force)
    plan = _plan(read_segmentation_study(study).training, network, study)
    with workers(jobs) as pool:
        data = read_training_set(plan, Store(results / "store"), pool, bars)
    from benchmark.networks.inference import use_allotted_threads
    from segmenters.denseraunet.training.loop import Training

    use_allotted_threads()
    training = Training(
        plan, network, data, device=_choice(device, "device", ("auto", "cpu", "cuda")),
        precision=_choice(precision, "precision", ("auto", "fp32", "bf16", "fp16")),
    )  # fmt: skip
    if resume:
        training.restore(checkpoint)
    _run(training, network, plan, checkpoint, results, study)
    header, tensors = training.result({"cohort": plan.cohort.parameters(), "seed": plan.seed})
    if plan.lesion_check is not None:
        from segmenters.denseraunet.training.lesions import learn_lesion_check

        with workers(jobs) as pool:
            header, tensors = learn_lesion_check(header, tensors, plan, plan.lesion_check, pool, bars)
    header.write(tensors, out)
    checkpoint.unlink()
    size = out.stat().st_size / 1e6
    print(
        f"{out}: validation F1 {training.progress.best_f1:.3f} at step {training.progress.best_step}, {size:.1f} MB"
    )


def _run(
    training: Training, network: str, plan: TrainingPlan, checkpoint: Path, results: Path, study: Path
) -> None:
    """Train with a bar, logging to MLflow as it goes."""
    from benchmark.execution.progress import training_bar
    from benchmark.report.tracking import logged_run

    excluded: Any = {"cohort": True, "networks": True, "lesion_check": {"cohort"}}
    parameters = {**plan.model_dump(mode="json", exclude=excluded), "cohort": plan.cohort.parameters(),
                  "network": plan.networks[network].model_dump(mode="json"), "device": training.device,
                  "precision": training.precision}  # fmt: skip
    with (
        training_bar(network, plan.steps, training.progress.step) as show,
        logged_run(results, "training", network, parameters) as mlflow,
    ):
        mlflow.log_artifact(str(study))

        def report(step: int, values: Mapping[str, float]) -> None:
            show(step, values)
            if step % 10 == 0 or "validation_f1" in values:
                mlflow.log_metrics(dict(values), step=step)

        try:
            training.run(checkpoint, report)
        except KeyboardInterrupt:
            import sys

            print("cacbench: interrupted; go on with --resume from the last validation", file=sys.stderr)
            raise typer.Exit(130) from None


def _plan(plan: TrainingPlan | None, network: str, study: Path) -> TrainingPlan:
    from benchmark.plugins.declaration import did_you_mean

    if plan is None:
        raise UserError(f"{study}: declares no training: add `training: {{cohort: …}}`")
    if network not in plan.networks:
        raise UserError(
            f"{study}: training.networks has no {network!r}; {did_you_mean(network, plan.networks)}"
        )
    return plan


def _refuse_overwriting(out: Path, checkpoint: Path, resume: bool, force: bool) -> None:
    if out.suffix != ".safetensors":
        raise UserError(f"--out {out}: end the name in .safetensors")
    if resume and not checkpoint.exists():
        raise UserError(f"{checkpoint}: there is no checkpoint to resume from; leave --resume out")
    if out.exists() and not force and not resume:
        raise UserError(f"{out}: exists already; name another file, or overwrite it with --force")
    if checkpoint.exists() and not (resume or force):
        raise UserError(
            f"{checkpoint}: a training was interrupted; go on with --resume or start again with --force"
        )


def _choice(value: str, name: str, choices: tuple[str, ...]) -> Any:
    if value not in choices:
        raise UserError(f"--{name} {value}: choose one of {', '.join(choices)}")
    return value
