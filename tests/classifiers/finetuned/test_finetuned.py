"""`finetuned` against plain torch, and that nothing but the training cases of a fold is learnt from."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import skops.io
import torch
from sklearn.model_selection import StratifiedKFold

from benchmark.analyses.leakage.control import permuted_label_control
from benchmark.evaluation.fold import FoldTask, evaluate, fit_final
from benchmark.evaluation.learners.ordinal import Ordinal
from benchmark.evaluation.protocol import Protocol
from benchmark.execution.seeds import derive_seed
from benchmark.networks.torchvision_repair import import_timm
from benchmark.plugins.registry import build
from classifiers.finetuned.estimator import FinetunedNetwork

SIDE, SEED = 64, 3
DEPTHS = ("head", "last_stage", "full")


def extractor(depth, **parameters):
    declared = {
        "encoder": "test_efficientnet",
        "weights": {"untrained": SEED},
        "input_size": SIDE,
        "slabs": 2,
    }
    return build(
        "feature_extractor",
        {"use": "finetune_slices", "depth": depth, "window_hu": [-300, 500], **declared, **parameters},
    )


def scan(number):
    """Noise; a bright spot in every second."""
    random = np.random.default_rng(derive_seed("scan", number))
    values = random.normal(0, 100, (4, 16, 16))
    values[1:3, 6:9, 6:9] += 500 * (number % 2)
    image = sitk.GetImageFromArray(values.astype(np.float32))
    return image, sitk.GetImageFromArray(np.ones(values.shape, np.uint8))


def activations(depth, cases=24, **parameters):
    handed_out = extractor(depth, **parameters)
    return np.stack([handed_out.extract_with_activations(*scan(number))[1] for number in range(cases)])


@pytest.fixture(scope="module", name="X")
def handed_out():
    return {depth: activations(depth) for depth in DEPTHS}


y = np.arange(24) % 2


def network(depth="last_stage", **settings):
    return FinetunedNetwork(
        extractor(depth),
        **{"learning_rate": 1e-3, "head_learning_rate": 1e-2, "epochs": 4, "seed": 7, **settings},
    )


def plain_torch(planes, trained, epochs):
    """The whole network every time; all of its layers but those `trained` begin with are held fast."""
    timm = import_timm()
    torch.manual_seed(SEED)
    encoder = timm.create_model("test_efficientnet", pretrained=False, num_classes=0).eval()
    mean = torch.tensor(encoder.pretrained_cfg["mean"])[:, None, None]
    deviation = torch.tensor(encoder.pretrained_cfg["std"])[:, None, None]
    shown = (torch.from_numpy(planes).float() / 255 - mean) / deviation  # (cases, views, slabs, 3, y, x)
    learning = [p for name, p in encoder.named_parameters() if name.startswith(trained)]

    def features(cases):
        return encoder(cases.flatten(0, 1)).unflatten(0, cases.shape[:2]).mean(1)

    with torch.no_grad():
        before = features(shown[:, 0])
    centre, scale = before.mean(0), before.std(0, correction=0)
    head = torch.nn.Linear(len(centre), 2)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    groups = [{"params": learning, "lr": 3e-3}] if learning else []
    optimiser = torch.optim.AdamW([*groups, {"params": head.parameters(), "lr": 1e-2}], weight_decay=0.01)
    for epoch in range(epochs):
        random = np.random.default_rng(derive_seed(7, "epoch", epoch))
        order, views = random.permutation(24), random.integers(2, size=24)
        for part in (order[:16], order[16:]):
            optimiser.zero_grad()
            logits = head((features(shown[part, views[part]]) - centre) / scale)
            torch.nn.functional.cross_entropy(logits, torch.from_numpy(y[part])).backward()
            optimiser.step()
    with torch.no_grad():
        return head((features(shown[:, 0]) - centre) / scale).softmax(1).numpy()


LAST_STAGE = ("blocks.4", "conv_head", "bn2")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("depth", "trained", "not_these"),
    [
        ("head", ("nothing",), LAST_STAGE),
        ("last_stage", LAST_STAGE, ("blocks.3", *LAST_STAGE)),
        ("full", ("",), LAST_STAGE),
    ],
)
def test_training_from_stored_activations_is_training_the_network_with_its_lower_layers_held(
    X, depth, trained, not_these
):
    found = network(depth, learning_rate=3e-3).fit(X[depth], y).predict_proba(X[depth])
    np.testing.assert_allclose(
        found, plain_torch(X["full"], trained, epochs=4), atol=2e-3
    )  # float16 at the cut
    assert np.abs(found - plain_torch(X["full"], not_these, epochs=4)).max() > 0.1, (
        "other layers would be seen"
    )


def test_the_deeper_the_training_the_more_of_the_network_has_changed(X):
    changed = {}
    for depth in DEPTHS:
        fitted = network(depth, epochs=1).fit(X[depth], y)
        before = fitted.extractor.trained_part().state_dict()
        changed[depth] = sum(
            not np.array_equal(array, before[name.removeprefix("layers.")].numpy())
            for name, array in fitted.tensors_.items()
            if name.startswith("layers.")
        )
    assert changed["head"] == 0 < changed["last_stage"] < changed["full"]


def test_one_fit_holds_every_smaller_number_of_epochs_to_the_bit(X):
    data = X["last_stage"]
    long = network(epochs=4, kept=(2, 4)).fit(data, y)
    short = network(epochs=2).fit(data, y)
    assert (long.at_epoch(2).predict_proba(data) == short.predict_proba(data)).all()
    assert not np.array_equal(long.predict_proba(data), short.predict_proba(data))


def test_the_result_is_the_same_bytes_for_one_and_two_threads(X):
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(network("full", epochs=1).fit(X["full"], y).predict_proba(X["full"]).tobytes())
            assert torch.get_num_threads() == threads, "what others do is left alone"
    finally:
        torch.set_num_threads(before)
    assert results[0] == results[1]


def test_the_seed_decides_and_classes_weigh_alike_however_many_cases_they_have():
    nothing = np.zeros((40, 1, 2, 5), np.float32)  # of depth head
    lopsided = np.arange(40) % 4 == 0
    fitted = network("head", epochs=60, head_learning_rate=0.05).fit(nothing, lopsided.astype(int))
    np.testing.assert_allclose(fitted.predict_proba(nothing), 0.5, atol=0.06)  # 0.25 and 0.75 without weights


def test_another_seed_gives_another_model(X):
    one, other = (
        network(seed=seed).fit(X["last_stage"], y).predict_proba(X["last_stage"]) for seed in (1, 2)
    )
    assert not np.array_equal(one, other)


def bound(depth, **parameters):
    settings = {"epochs": [1, 2], "learning_rate": 1e-3, "head_learning_rate": 1e-2, **parameters}
    return build("classifier", {"use": "finetuned", **settings}).learning_from(extractor(depth))


def task(X, depth="last_stage", protocol=None):
    train, test = np.arange(18), np.arange(18, 24)
    return FoldTask(bound(depth), protocol or Protocol(inner_folds=3), (), X[depth], y, train, test, seed=5)


@pytest.mark.parametrize("depth", DEPTHS)
def test_labels_and_scans_of_test_cases_change_nothing_that_is_learnt(X, depth):
    first = task(X, depth)
    labels, scans = y.copy(), X[depth].copy()
    labels[first.test] = 1 - labels[first.test]
    scans[first.test[1:]] = 1
    expected, relabelled = evaluate(first), evaluate(replace(first, y=labels))
    rescanned = evaluate(replace(first, X=scans))
    assert relabelled == expected
    assert rescanned["parameters"] == expected["parameters"]
    assert rescanned["inner_score"] == expected["inner_score"]
    assert rescanned["probabilities"][0] == pytest.approx(expected["probabilities"][0], abs=1e-6)
    assert rescanned["probabilities"][1:] != expected["probabilities"][1:]


@pytest.mark.slow
def test_permuted_labels_hold_chance_and_the_true_ones_do_not(X):
    def out_of_fold(values, labels, seed):
        predicted = np.empty(len(labels), int)
        for train, test in StratifiedKFold(3, shuffle=True, random_state=seed).split(labels, labels):
            fold = replace(task(X), X=values, y=labels, train=train, test=test, seed=seed)
            predicted[test] = np.argmax(evaluate(fold)["probabilities"], axis=1)
        return predicted

    control = permuted_label_control(out_of_fold, X["last_stage"], y, permutations=8)
    low, high = control.interval
    assert low <= control.chance <= high
    assert control.exceeded_by(float((out_of_fold(X["last_stage"], y, 0) == y).mean()))


def test_a_label_of_a_training_case_changes_what_is_learnt(X):
    labels = y.copy()
    labels[0] = 1 - labels[0]
    first = task(X)
    assert evaluate(replace(first, y=labels))["probabilities"] != evaluate(first)["probabilities"]


def test_epochs_are_chosen_on_one_inner_fold_and_fitted_on_the_whole_training_fold(X, monkeypatch):
    seen = []
    fit = FinetunedNetwork.fit
    monkeypatch.setattr(
        FinetunedNetwork, "fit", lambda self, X, y: seen.append((self.epochs, len(y))) or fit(self, X, y)
    )
    record = evaluate(task(X))
    assert seen == [(2, 12), (record["parameters"]["model__epochs"], 18)]


def test_a_threshold_is_chosen_from_the_held_out_cases(X):
    record = evaluate(task(X, protocol=Protocol(inner_folds=3, threshold="youden")))
    assert 0 < record["threshold"] < 1


def test_bands_are_learnt_in_their_order(X):
    bands = np.arange(24) % 3
    ordinal = replace(task(X, "head"), classifier=Ordinal(classifier=bound("head")), y=bands)
    probabilities = np.array(evaluate(ordinal)["probabilities"])
    assert probabilities.shape == (6, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1)


def test_the_key_follows_depth_weights_and_settings(X):
    first = task(X)
    others = [
        bound("full"),
        bound("last_stage", learning_rate=2e-3),
        build("classifier", {"use": "finetuned"}).learning_from(
            extractor("last_stage", weights={"untrained": 4})
        ),
    ]
    assert len({first.key(), *(replace(first, classifier=other).key() for other in others)}) == 4


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_stored_model_runs_no_code_names_no_place_and_predicts_as_before(X, depth):
    final = replace(task(X, depth), train=np.arange(24), test=np.arange(0))
    content = bytes.fromhex(fit_final(final)["skops"])
    types = skops.io.get_untrusted_types(data=content)
    assert types == ["classifiers.finetuned.estimator.FinetunedNetwork"]
    loaded = skops.io.loads(content, trusted=types)
    again = skops.io.loads(bytes.fromhex(fit_final(final)["skops"]), trusted=types)
    assert (loaded.predict_proba(X[depth]) == again.predict_proba(X[depth])).all()
    model = final.classifier.estimator(final.seed).set_params(**fit_final(final)["parameters"])
    assert (loaded.predict_proba(X[depth]) == model.fit(X[depth], y).predict_proba(X[depth])).all()
    with pytest.raises(TypeError, match="no weights to start from"):
        loaded.fit(X[depth], y)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"epochs": []}, "lists too few values"),
        ({"epochs": [0]}, "greater than 0"),
        ({"head_learning_rate": 0}, "greater than 0"),
        ({"learning_rate": float("nan")}, "finite number|greater than or equal"),
        ({"epoch": [2]}, "did you mean 'epochs'"),
    ],
)
def test_settings_that_cannot_be_trained_with_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        build("classifier", {"use": "finetuned", **parameters})
