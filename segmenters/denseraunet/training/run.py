"""A training from scans to a weights file: the network, then what looks at its lesions a second time."""

from __future__ import annotations

from typing import Any

from benchmark.errors import UserError
from benchmark.networks.checkpoint import read_tensors
from benchmark.networks.inference import use_allotted_threads
from benchmark.plugins.training import TrainingJob
from segmenters.denseraunet.trained_weights import TrainedWeights
from segmenters.denseraunet.training.domain import with_domain
from segmenters.denseraunet.training.lesions import learn_lesion_check
from segmenters.denseraunet.training.loop import Training
from segmenters.denseraunet.training.scans import read_training_set
from segmenters.denseraunet.training.study import TrainingPlan
from segmenters.denseraunet.weights_file import read_header


def train(plan: TrainingPlan, job: TrainingJob) -> str:
    """Train a network of the plan; the best weights by validation F1 are written. Raises `UserError`.

    Or, if the job says so, only measure again what scans written weights learnt from.
    """
    if job.domain_alone:
        return _measured_again(plan, job)
    start = None if job.start is None else TrainedWeights(file=job.start)
    before = {} if start is None else {"from": start.weights_digest()}
    with job.execution() as execution:
        data = read_training_set(plan, execution)
    use_allotted_threads()
    training = Training(
        plan,
        job.network,
        data,
        device=job.device,
        precision=job.precision,
        start=None if start is None else start.path,
    )
    if job.resume:
        training.restore(job.checkpoint)
    with job.watch(_on_record(plan, training, job) | before, plan.steps, training.progress.step) as report:
        training.run(job.checkpoint, report)
    header, tensors = training.result({**plan.learnt_from(), **plan.taught_by(), "seed": plan.seed, **before})
    if plan.lesion_check is not None:
        with job.execution() as execution:
            header, tensors = learn_lesion_check(header, tensors, plan, plan.lesion_check, execution)
    with job.execution() as execution:
        with_domain(header, tensors, plan, execution).write(tensors, job.out)
    job.checkpoint.unlink()
    best, size = training.progress, job.out.stat().st_size / 1e6
    return f"{job.out}: validation F1 {best.best_f1:.3f} at step {best.best_step}, {size:.1f} MB"


def _measured_again(plan: TrainingPlan, job: TrainingJob) -> str:
    header, tensors = read_header(job.out), read_tensors(job.out)
    if header.network != plan.networks[job.network]:
        raise UserError(
            f"{job.out}: holds another network than {job.network!r} of the study: name the one it holds"
        )
    with job.execution() as execution:
        header = with_domain(header, tensors, plan, execution)
    header.write(tensors, job.out)
    return f"{job.out}: what {header.domain.scans if header.domain else 0} of the training's scans are like"


def _on_record(plan: TrainingPlan, training: Training, job: TrainingJob) -> dict[str, Any]:
    cohorts = dict.fromkeys(("cohort", "beside", "validation_cohort"), True)
    left_out: Any = {**cohorts, "networks": True, "lesion_check": {"cohort"}}
    return {
        **plan.model_dump(mode="json", exclude=left_out),
        **plan.learnt_from(),
        "network": plan.networks[job.network].model_dump(mode="json"),
        "device": training.device,
        "precision": training.precision,
    }
