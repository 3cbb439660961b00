"""What scans a network has learnt from is measured after its training, or again for weights that exist."""

from contextlib import contextmanager

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from benchmark.case import Case, Scan
from benchmark.cohorts.phantom import PhantomCohort
from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.networks.checkpoint import read_tensors
from benchmark.plugins import Cohort
from benchmark.plugins.training import TrainingJob
from segmenters.denseraunet.network import build_network
from segmenters.denseraunet.plan import DenseRAUnet, Input
from segmenters.denseraunet.training.domain import with_domain
from segmenters.denseraunet.training.trainer import DenseRAUnetTrainer
from segmenters.denseraunet.weights_file import WeightsFile, read_header

TINY, SEES = DenseRAUnet(channels=(4, 8), growth=4, layers=1, atrous_rates=(1,)), Input(slices=3)
PHANTOMS = PhantomCohort(zero=1, nonzero=2, seed="domain", protocol="chest", scanners=("soft",))


class BlockSource:
    """Soft tissue throughout."""

    def load(self):
        return Scan(sitk.GetImageFromArray(np.full((6, 40, 40), 40, np.int16)))

    def digest(self):
        return "block"


class Blocks(Cohort):
    """Scans that are no chests."""

    def cases(self):
        return [Case("block", BlockSource(), label=1)]


def trainer(**changes):
    return DenseRAUnetTrainer(**{"cohort": PHANTOMS, "networks": {"tiny": TINY}, "input": SEES, **changes})


@pytest.fixture
def job(tmp_path):
    """A job that measures weights which say nothing of their training."""

    @contextmanager
    def execution():
        with workers(1) as pool:
            yield Execution(Store(tmp_path / "store"), pool)

    torch.manual_seed(0)
    file = tmp_path / "w.safetensors"
    WeightsFile(TINY, SEES, 0.5, {"seed": 0}).write(build_network(TINY, SEES).state_dict(), file)
    return TrainingJob("tiny", file, False, "cpu", "fp32", execution, lambda *_: None, domain_alone=True)


@pytest.mark.slow
def test_weights_that_exist_are_told_their_domain_and_stay_the_same(job):
    before = read_tensors(job.out)
    assert read_header(job.out).domain is None
    assert "what 3 of the training's scans are like" in trainer().train(job)
    header, after = read_header(job.out), read_tensors(job.out)
    assert header.domain.scans == 3
    assert header.domain.ranges["slice_mm"] == (5.0, 5.0)
    low, high = header.domain.ranges["noise_hu"]
    assert 10 < low < high < 40
    assert header.training == {"seed": 0}
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.slow
def test_no_more_scans_are_measured_than_declared_and_the_same_ones_each_time(job):
    plan = trainer(domain_scans=2)
    domains = []
    for _ in range(2):
        plan.train(job)
        domains.append(read_header(job.out).domain)
    assert domains[0] == domains[1]
    assert domains[0].scans == 2


def test_scans_without_lungs_leave_the_domain_out_and_not_the_training(job):
    header, tensors = read_header(job.out), read_tensors(job.out)
    with job.execution() as execution:
        measured = with_domain(header, tensors, trainer(cohort=Blocks()), execution)
    assert measured.domain is None


def test_weights_of_another_network_are_refused(job):
    other = TINY.model_copy(update={"growth": 8})
    with pytest.raises(UserError, match="holds another network than 'tiny' of the study"):
        trainer(networks={"tiny": other}).train(job)
