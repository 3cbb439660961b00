"""Training: what is learnt from, that it learns, that it stops and goes on exactly, and what it refuses."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from benchmark.case import Case, Scan
from benchmark.errors import CaseError, UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.plugins import Cohort
from segmenters.denseraunet.plan import BasicUNet, DenseRAUnet, Input
from segmenters.denseraunet.training.loop import Training, learning_rate, validation_f1
from segmenters.denseraunet.training.sampling import PatchSampler, batches_from
from segmenters.denseraunet.training.scanner import as_another_scanner
from segmenters.denseraunet.training.scans import TrainingScan, read_training_set
from segmenters.denseraunet.training.study import Augmentation, Loss, Sampling, TrainingPlan
from segmenters.heart_region.segmenter import HeartRegionSegmenter

TINY = DenseRAUnet(channels=(8, 16), growth=8, layers=1, atrous_rates=(1, 2))


class SpotSource:
    """Blood with a spot of calcium on the left and one of metal on the right; `lesions` outlines the first."""

    def __init__(self, number, calcium=True, slices=6, mask_spacing=1.0):
        self.number, self.calcium, self.slices, self.mask_spacing = number, calcium, slices, mask_spacing

    def load(self):
        rng = np.random.default_rng(self.number)
        hu = rng.normal(40, 15, (self.slices, 48, 48))
        lesions = np.zeros(hu.shape, np.uint8)
        for x, coronary in ((rng.integers(6, 18), self.calcium), (rng.integers(28, 40), False)):
            z, y = rng.integers(1, 5), rng.integers(8, 40)
            if coronary or x > 20:
                hu[z, y : y + 3, x : x + 3] = 400 if coronary else 1500
            if coronary:
                lesions[z, y : y + 3, x : x + 3] = 1
        image, mask = (sitk.GetImageFromArray(array) for array in (hu.astype(np.int16), lesions))
        mask.SetSpacing((self.mask_spacing, 1.0, 1.0))
        return Scan(image, {"lesions": mask})

    def digest(self):
        return hashlib.sha256(repr(vars(self)).encode()).hexdigest()


class SpotCohort(Cohort):
    """Scans of spots."""

    count: int = 12
    calcium: bool = True
    slices: int = 6
    mask_spacing: float = 1.0

    def cases(self):
        return [
            Case(f"spot-{k:02}", SpotSource(k, self.calcium, self.slices, self.mask_spacing), label=1)
            for k in range(self.count)
        ]


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def plan(cohort=None, **changes):
    return TrainingPlan(
        cohort=cohort or SpotCohort(),
        **{
            "networks": {"denseraunet": TINY, "basic_unet": BasicUNet(features=(8, 8, 8, 16, 16, 8))},
            "input": Input(slices=3, pixel_mm=1.0),
            "sampling": Sampling(batch=4, patch_pixels=32),
            "loss": Loss(hardest=0.1),
            "steps": 40,
            "validate_every": 20,
            "learning_rate": 1e-2,
            "validation": 0.25,
            "within": None,
            **changes,
        },
    )


def read(plan, folder):
    with workers(1) as pool:
        return read_training_set(plan, Execution(Store(folder), pool))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return read(plan(), tmp_path_factory.mktemp("store"))


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_no_patient_is_on_both_sides_and_all_are_on_one(data):
    learning, validation = ({scan.case_id for scan in part} for part in (data.learning, data.validation))
    assert not learning & validation
    assert len(learning | validation) == 12
    assert len(validation) == 3


def test_the_target_is_the_outlined_spot_and_the_confounder_the_other(data):
    for scan in data.learning:
        assert scan.calcium.sum() == 9
        assert sum(scan.confounder_of(z).sum() for z in range(len(scan.hu))) == 9
        assert not scan.calcium[:, :, 22:].any()
        assert (scan.hu[scan.calcium] == 400).all()


def test_masks_are_held_a_bit_a_voxel_whatever_the_width_and_read_by_slice():
    mask = np.random.default_rng(0).random((3, 5, 13)) < 0.3
    bits = np.packbits(mask, axis=-1)
    scan = TrainingScan("odd", np.zeros(mask.shape, np.int16), bits, np.packbits(~mask, axis=-1), bits)
    assert bits.nbytes == 3 * 5 * 2
    np.testing.assert_array_equal(scan.calcium, mask)
    np.testing.assert_array_equal([scan.confounder_of(z) for z in range(len(mask))], ~mask)
    for z in range(3):
        np.testing.assert_array_equal(scan.calcium_of(z), mask[z])


def test_batches_are_the_same_whatever_the_number_of_processes_that_make_them(data):
    sampler = PatchSampler(data.learning, plan())
    alone, shared = (list(batches_from(sampler, 3, 7, loaders)) for loaders in (0, 2))
    assert len(alone) == 4
    for one, other in zip(alone, shared, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_patchas_another_scanner_shows_it_is_noisier_by_as_much_as_declared():
    flat = np.full((5, 64, 64), 40, np.int16)
    rng = np.random.default_rng(0)
    spread = [float(as_another_scanner(flat, Augmentation(noise_hu=20), 0.6, rng).std()) for _ in range(200)]
    assert 0 < min(spread) < 2
    assert 18 < max(spread) <= 20.1
    assert as_another_scanner(flat, Augmentation(), 0.6, rng) is flat


def test_added_noise_is_strongest_at_the_declared_frequency():
    flat = np.zeros((1, 256, 256), np.int16)
    kernel = Augmentation(noise_hu=20, noise_peak_per_mm=(0.25, 0.25))
    power = np.zeros((256, 256))
    for seed in range(40):
        noise = as_another_scanner(flat, kernel, 0.6, np.random.default_rng(seed))[0]
        power += np.abs(np.fft.fft2(noise / noise.std())) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256, 0.6), np.fft.fftfreq(256, 0.6)))
    rings = np.digitize(frequency, np.arange(0, 0.8, 0.02))
    mean = [power[rings == ring].mean() for ring in range(1, 40)]
    assert 0.02 * (np.argmax(mean) + 0.5) == pytest.approx(0.25, abs=0.05)
    assert mean[0] < 0.3 * max(mean)


@pytest.mark.parametrize("field", ["noise_peak_per_mm", "motion_mm"])
def test_a_range_that_falls_is_refused(field):
    with pytest.raises(ValueError, match="a range must rise"):
        Augmentation(**{field: (3.0, 2.0)})


def test_patches_of_the_heart_move_as_often_as_declared_and_those_of_bone_do_not(data):
    sampling = Sampling(batch=60, patch_pixels=32, foreground=0.5, confounder=0.5)
    plain = {"warped": 0.0, "brightness_hu": 0.0}
    still, moving = (
        PatchSampler(data.learning, plan(sampling=sampling, augmentation=Augmentation(moving=share, **plain)))
        for share in (0.0, 1.0)
    )
    spots = [sampler.batch(0)[1].sum(axis=(1, 2, 3)) for sampler in (still, moving)]
    assert set(spots[0]) <= {0, 3, 6, 9}
    assert len(set(spots[1]) - {0, 3, 6, 9}) > 5, "smeared to other sizes"
    bone = [replace(scan, elsewhere_bits=scan.confounder_bits) for scan in data.learning]
    sampling = Sampling(batch=20, patch_pixels=32, foreground=0, confounder=0, elsewhere=1)
    moving = PatchSampler(bone, plan(sampling=sampling, augmentation=Augmentation(moving=1.0, **plain)))
    images, _ = moving.batch(0)
    assert (images[:, 4:6].max(axis=(1, 2, 3)) == 1).all(), "1500 HU fill the second window of some pixel"


class Candidates(torch.nn.Module):
    """Calls every candidate calcium, the metal as well."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(20.0))

    def forward(self, image):
        return (image[:, -1:] - 0.5) * self.weight


def test_validation_counts_within_the_region_alone(data):
    left = np.zeros(data.validation[0].hu.shape, bool)
    left[:, :, :22] = True
    within = tuple(replace(scan, region_bits=np.packbits(left, axis=-1)) for scan in data.validation)
    nowhere = tuple(
        replace(scan, region_bits=np.packbits(np.zeros_like(left), axis=-1)) for scan in data.validation
    )
    f1 = [
        validation_f1(Candidates(), scans, plan(), TINY, "fp32")[0]
        for scans in (data.validation, within, nowhere)
    ]
    # Nine voxels of calcium and nine of metal: all that is called anywhere, half of it right.
    assert f1 == [pytest.approx(2 / 3), 1.0, 0.0]


def test_a_cohort_of_its_own_stops_the_training_and_shares_no_case(tmp_path):
    class Others(SpotCohort):
        def cases(self):
            return [Case(f"other-{k}", SpotSource(100 + k), label=1) for k in range(3)]

    found = read(plan(validation_cohort=Others()), tmp_path)
    assert len(found.learning) == 12
    assert [scan.case_id for scan in found.validation] == ["other-0", "other-1", "other-2"]
    with pytest.raises(UserError, match="spot-00 is learnt from and in `validation_cohort`"):
        read(plan(validation_cohort=SpotCohort(count=2)), tmp_path)


def test_cohorts_beside_the_first_are_learnt_from_and_share_no_case(tmp_path):
    class Others(SpotCohort):
        def cases(self):
            return [Case(f"other-{k}", SpotSource(100 + k), label=1) for k in range(3)]

    alone, more = read(plan(), tmp_path), read(plan(beside=[Others()]), tmp_path)
    assert len(more.learning) + len(more.validation) == len(alone.learning) + len(alone.validation) + 3
    assert plan(beside=[Others()]).learnt_from()["beside"] == [Others().parameters()]
    with pytest.raises(UserError, match="spot-00 is in `cohort` and `beside` it"):
        read(plan(beside=[SpotCohort(count=2)]), tmp_path)


def test_scans_without_a_heart_region_cannot_stop_a_training_that_is_judged_within_it(tmp_path):
    with pytest.raises(UserError, match=r"to learn from none has calcium .* and in the region of `within`"):
        read(plan(within=HeartRegionSegmenter()), tmp_path)


def test_fine_tuning_begins_with_the_weights_it_is_given(data, tmp_path):
    first = Training(plan(steps=3), "denseraunet", data, precision="fp32")
    first.run()
    header, tensors = first.result({})
    header.write(tensors, tmp_path / "first.safetensors")
    second = Training(
        plan(steps=2), "denseraunet", data, precision="fp32", start=tmp_path / "first.safetensors"
    )
    assert same(second.network.state_dict(), dict(tensors))
    second.run(tmp_path / "c.safetensors")
    with pytest.raises(UserError, match="this checkpoint is of another training"):
        Training(plan(steps=2), "denseraunet", data, precision="fp32").restore(tmp_path / "c.safetensors")
    with pytest.raises(UserError, match=r"first\.safetensors: weights of another architecture"):
        Training(plan(), "basic_unet", data, start=tmp_path / "first.safetensors")


@pytest.fixture(scope="module")
def teacher(data, tmp_path_factory):
    training = Training(plan(), "denseraunet", data, precision="fp32")
    training.run()
    header, tensors = training.result({})
    file = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    replace(header, threshold=0.35).write(tensors, file)
    return file


SLIM = {"slim": DenseRAUnet(channels=(4, 8), growth=4, layers=1, atrous_rates=(1, 2))}


def taught(file, **changes):
    return plan(networks=SLIM, teacher={"weights": file, "weight": 5.0}, **changes)


def test_a_student_says_what_its_teacher_says_more_than_without_it(data, teacher):
    taught_one = Training(taught(teacher), "slim", data, precision="fp32")
    alone = Training(plan(networks=SLIM), "slim", data, precision="fp32")
    images = torch.from_numpy(PatchSampler(data.validation, plan()).batch(0)[0])
    away = []
    for training in (taught_one, alone):
        training.run()
        with torch.no_grad():
            says = training.network.eval()(images).sigmoid()
            away.append(float((says - taught_one._teacher.network(images).sigmoid()).abs().mean()))
    assert away[0] < 0.8 * away[1]
    assert taught_one.result({})[0].threshold == 0.35, "it takes over the teacher's"


def test_the_teacher_learns_nothing(data, teacher):
    training = Training(taught(teacher, steps=3), "slim", data)
    before = {name: tensor.clone() for name, tensor in training._teacher.network.state_dict().items()}
    training.run()
    assert same(before, training._teacher.network.state_dict())


def test_a_taught_training_goes_on_with_the_same_teacher_alone(data, teacher, tmp_path):
    file = tmp_path / "c.safetensors"
    Training(taught(teacher, steps=1, validate_every=1), "slim", data).run(file)
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(teacher.read_bytes())
    Training(taught(copy, steps=1, validate_every=1), "slim", data).restore(file)
    with pytest.raises(UserError, match="this checkpoint is of another training"):
        Training(plan(networks=SLIM, steps=1, validate_every=1), "slim", data).restore(file)


def test_a_teacher_that_is_not_here_or_sees_other_slices_is_refused(data, teacher, tmp_path):
    with pytest.raises(UserError, match=r"none\.safetensors: no such weights file; make it with"):
        Training(taught(tmp_path / "none.safetensors"), "slim", data)
    with pytest.raises(
        UserError, match=r"teacher\.safetensors: the teacher does not see what `input` declares"
    ):
        Training(taught(teacher, input=Input(slices=5, pixel_mm=1.0)), "slim", data)


def test_contrast_leaves_what_is_at_or_below_0_hu():
    ramp = np.arange(-100, 500, dtype=np.int16).reshape(1, 20, 30)
    changed = as_another_scanner(ramp, Augmentation(contrast=0.5), 0.6, np.random.default_rng(1))
    np.testing.assert_array_equal(changed[ramp <= 0], ramp[ramp <= 0])
    factor = changed[ramp > 0] / ramp[ramp > 0]
    assert np.ptp(factor) < 1e-5
    assert 0.5 <= factor[0] <= 1.5


def test_scans_are_prepared_once(tmp_path, monkeypatch):
    read(plan(), tmp_path)
    monkeypatch.setattr(SpotSource, "load", lambda self: pytest.fail("was read again"))
    assert len(read(plan(), tmp_path).learning) == 9


def test_patches_are_around_calcium_as_often_as_declared_and_hold_nothing_below_the_threshold(data):
    sampler = PatchSampler(
        data.learning, plan(sampling=Sampling(batch=200, patch_pixels=32, foreground=0.8, confounder=0))
    )
    images, targets = sampler.batch(0)
    assert images.shape == (200, 7, 32, 32)
    assert targets.shape == (200, 1, 32, 32)
    assert 0.65 <= (targets.sum(axis=(1, 2, 3)) > 0).mean() <= 0.95
    assert (images[:, -1:][targets > 0] == 1).all(), "the last channel is the candidates"


def test_a_step_s_batch_is_the_same_whenever_it_is_drawn(data):
    first, second = PatchSampler(data.learning, plan()), PatchSampler(data.learning, plan())
    for step in range(3):
        first.batch(step)
    for a, b in zip(first.batch(7), second.batch(7), strict=True):
        assert (a == b).all()
    assert (first.batch(7)[0] != first.batch(8)[0]).any()


def test_the_learning_rate_rises_and_falls_to_nothing():
    rates = [learning_rate(step, plan(steps=100)) for step in range(100)]
    assert max(rates) == pytest.approx(1e-2, rel=0.02)
    assert np.argmax(rates) in (8, 9, 10)
    assert rates[-1] < 1e-5
    assert rates[0] == pytest.approx(1e-3)


@pytest.mark.parametrize("network", ["denseraunet", "basic_unet"])
def test_it_learns_which_spot_is_calcium(data, network):
    training = Training(plan(), network, data, precision="fp32")
    losses = []
    training.run(report=lambda step, values: losses.append(values.get("loss", np.nan)))
    losses = np.array(losses)[~np.isnan(losses)]
    assert losses[-10:].mean() < 0.9 * losses[:5].mean()
    assert training.progress.best_f1 > 0.7


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_resumed_training_is_the_uninterrupted_one_to_the_last_bit(data, tmp_path, precision):
    declared = plan(steps=8, validate_every=3)
    whole = Training(declared, "denseraunet", data, precision=precision)
    whole.run()

    class PowerCutError(Exception):
        pass

    def cut(step, values):
        if step == 5:
            raise PowerCutError

    first = Training(declared, "denseraunet", data, precision=precision)
    with pytest.raises(PowerCutError):
        first.run(tmp_path / "c.safetensors", cut)
    second = Training(declared, "denseraunet", data, precision=precision)
    second.restore(tmp_path / "c.safetensors")
    assert second.progress.step == 3
    second.run(tmp_path / "c.safetensors")
    assert same(whole.network.state_dict(), second.network.state_dict())
    assert same(whole.best, second.best)
    assert whole.progress == second.progress


def test_it_stops_when_the_validation_f1_no_longer_rises(data):
    training = Training(
        plan(steps=100, validate_every=1, patience=2, learning_rate=1e-9), "denseraunet", data
    )
    training.run()
    assert training.progress.step == training.progress.best_step + 2 < 100
    assert training.finished


def test_the_result_is_the_best_and_not_the_last(data):
    training = Training(plan(), "denseraunet", data, precision="fp32")
    training.run()
    header, tensors = training.result({"seed": 0})
    assert header.training["validation_f1"] == max(
        round(row["validation_f1"], 4) for row in training.progress.history
    )
    assert header.threshold == training.progress.threshold
    assert same(tensors, training.best)


@pytest.mark.parametrize(
    ("cohort", "message"),
    [
        (
            SpotCohort(calcium=False),
            r"of the 9 cases to learn from none has calcium at or above 130 HU inside its mask 'lesions'",
        ),
        (SpotCohort(count=1), "fewer than 2 cases"),
        (SpotCohort(mask_spacing=2.0), "the mask 'lesions' is on another grid than the image"),
        (SpotCohort(slices=5), None),
    ],
)
def test_a_cohort_that_cannot_be_learnt_from_is_refused_in_a_sentence(cohort, message, tmp_path):
    if message is None:
        with pytest.raises(UserError, match="has 5 slices, but the network looks at 7 at once"):
            read(plan(cohort, input=Input(slices=7, pixel_mm=1.0)), tmp_path)
        return
    with pytest.raises(UserError, match=message):
        read(plan(cohort), tmp_path)


def test_a_checkpoint_cut_in_half_is_refused(data, tmp_path):
    file = tmp_path / "c.safetensors"
    training = Training(plan(steps=1, validate_every=1), "denseraunet", data)
    training.run(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(UserError, match=r"c\.safetensors: the file is cut short or damaged .* --force"):
        Training(plan(steps=1, validate_every=1), "denseraunet", data).restore(file)


def test_a_checkpoint_of_another_training_is_refused(data, tmp_path):
    file = tmp_path / "c.safetensors"
    Training(plan(steps=1, validate_every=1), "denseraunet", data).run(file)
    for other in (plan(steps=2), plan(seed=5)):
        with pytest.raises(UserError, match="this checkpoint is of another training"):
            Training(other, "denseraunet", data).restore(file)


def test_a_loss_that_is_not_finite_stops_with_a_remedy(data):
    training = Training(plan(learning_rate=1e-2), "denseraunet", data)
    with torch.no_grad():
        training.network.head.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="the loss is nan at step 1: lower `learning_rate`"):
        training.run()


def test_a_case_without_the_mask_is_named():
    from benchmark.calcium.truth import ReferenceRule, reference_calcium

    with pytest.raises(
        CaseError, match="has no mask called 'calcium' to learn from or compare with; it has: lesions"
    ):
        reference_calcium(SpotSource(0).load(), ReferenceRule(mask="calcium"))
