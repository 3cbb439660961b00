"""`finetune_ct_fm` and `finetune_i3resnet` on narrow networks whose files have the names of the published ones."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import skops.io
import torch
from monai.networks.nets.resnet import ResNet
from monai.networks.nets.segresnet_ds import SegResEncoder
from sklearn.model_selection import StratifiedKFold

from benchmark.analyses.leakage.control import permuted_label_control
from benchmark.errors import CaseError, UserError
from benchmark.evaluation.fold import FoldTask, evaluate, fit_final
from benchmark.evaluation.protocol import Protocol
from benchmark.execution.seeds import derive_seed
from benchmark.plugins.registry import build
from classifiers.finetuned.estimator import FinetunedNetwork
from feature_extractors.ct_fm import network as ct_fm_network
from feature_extractors.i3resnet import network as i3resnet_network

NAMES = ("finetune_ct_fm", "finetune_i3resnet")
DEPTHS = ("head", "last_stage", "full")
WINDOW = {"finetune_ct_fm": {"hu_range": [-500, 1000]}, "finetune_i3resnet": {"preprocessing": "merlin"}}
RATE = {"finetune_ct_fm": 3e-3, "finetune_i3resnet": 1e-4}
LAST_STAGE = {"finetune_ct_fm": "layers.4.", "finetune_i3resnet": "layer4."}
BEFORE_IT = {"finetune_ct_fm": "layers.3.", "finetune_i3resnet": "layer3."}
FILTERS, BLOCKS, WIDTHS = 4, (1, 2, 2, 1), (4, 8, 16, 32)
CASES = 24
y = np.arange(CASES) % 2


def small(name):
    """The published architecture, as MONAI builds it, narrow."""
    if name == "finetune_ct_fm":
        return SegResEncoder(init_filters=FILTERS, blocks_down=(1, 2, 2, 4, 4))
    return ResNet(
        "bottleneck",
        list(BLOCKS),
        list(WIDTHS),
        n_input_channels=3,
        conv1_t_size=(3, 7, 7),
        conv1_t_stride=(1, 2, 2),
        feed_forward=False,
        bias_downsample=False,
    )


@pytest.fixture(scope="module", autouse=True)
def narrow():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ct_fm_network, "FILTERS", FILTERS)
        patch.setattr(i3resnet_network, "BLOCKS", BLOCKS)
        patch.setattr(i3resnet_network, "WIDTHS", WIDTHS)
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Of each encoder a file of random weights whose batch norms are not the identity."""
    made = {}
    for name in NAMES:
        torch.manual_seed(0)
        network = small(name)
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm3d):
                layer.running_mean.normal_(0, 0.1)
                layer.running_var.uniform_(0.5, 1.5)
                layer.weight.data.uniform_(0.5, 1.0)
                layer.bias.data.normal_(0, 0.2)
        made[name] = tmp_path_factory.mktemp(name) / "weights.pt"
        torch.save(network.state_dict(), made[name])
    return made


@pytest.fixture(scope="module")
def extractor(files):
    def declared(name, depth="last_stage", **parameters):
        return build(
            "feature_extractor",
            {
                "use": name,
                "depth": depth,
                "cube_voxels": 32,
                "region": "whole",
                "weights": {"file": str(files[name])},
                **WINDOW[name],
                **parameters,
            },
        )

    return declared


def scan(number):
    """Noise in soft tissue; a bright spot, left of the middle, in every second."""
    random = np.random.default_rng(derive_seed("scan", number))
    values = random.normal(0, 60, (32, 32, 32))
    values[12:20, 10:18, 16:26] += 900 * (number % 2)
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing((1.5, 1.5, 1.5))
    return image, sitk.GetImageFromArray(np.ones(values.shape, np.uint8))


@pytest.fixture(scope="module", name="X")
def handed_out(extractor):
    return {
        (name, depth): np.stack(
            [extractor(name, depth).extract_with_activations(*scan(number))[1] for number in range(CASES)]
        )
        for name in NAMES
        for depth in DEPTHS
    }


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    ("name", "parameters"),
    [("finetune_ct_fm", {}), ("finetune_ct_fm", {"pooling": "max"}), ("finetune_i3resnet", {})],
)
def test_untouched_the_trained_layers_give_the_frozen_features(extractor, name, parameters, depth):
    plugin = extractor(name, depth, **parameters)
    frozen, activations = plugin.extract_with_activations(*scan(1))
    with torch.no_grad():
        found = plugin.trained_part()(torch.from_numpy(activations[:1]).float())[0]
    np.testing.assert_allclose(found.numpy(), frozen.to_numpy(), atol=2e-3 * np.abs(frozen).max())


@pytest.mark.parametrize("name", NAMES)
def test_frozen_features_are_those_of_the_frozen_encoder_on_the_same_cube(extractor, files, name):
    frozen = build(
        "feature_extractor",
        {
            "use": name.removeprefix("finetune_"),
            "weights": {"file": str(files[name])},
            "cube_voxels": 32,
            "precision": "fp32",
            **WINDOW[name],
        },
    ).extract(*scan(1))
    found = extractor(name).extract(*scan(1))
    assert list(found.index) == list(frozen.index)
    np.testing.assert_allclose(found, frozen, atol=2e-3 * np.abs(frozen).max())  # the volume is rounded


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("name", NAMES)
def test_the_second_view_is_the_first_of_the_mirrored_scan(extractor, name, depth):
    image, roi = scan(1)
    mirrored = sitk.GetImageFromArray(np.ascontiguousarray(sitk.GetArrayFromImage(image)[..., ::-1]))
    mirrored.CopyInformation(image)
    expected = extractor(name, depth).extract_with_activations(mirrored, roi)[1][0]
    found = extractor(name, depth).extract_with_activations(image, roi)[1]
    assert len(found) == 2
    rounding = 1e-5 if depth == "head" else 2e-3
    np.testing.assert_allclose(found[1].astype(float), expected.astype(float), atol=rounding)
    assert np.abs(found[1].astype(float) - found[0].astype(float)).max() > 3 * rounding
    assert len(extractor(name, depth, mirrored=False).extract_with_activations(image, roi)[1]) == 1


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_of_the_last_stage_is_trained_and_none_before(extractor, name):
    whole = dict(small(name).named_parameters())
    last = [parameter for key, parameter in whole.items() if key.startswith(LAST_STAGE[name])]
    trained = list(extractor(name).trained_part().parameters())
    assert [one.shape for one in trained] == [one.shape for one in last]
    assert all(one.requires_grad for one in trained)
    assert len(list(extractor(name, "full").trained_part().parameters())) == len(whole)
    assert list(extractor(name, "head").trained_part().parameters()) == []


def plain_torch(name, file, volumes, trained, epochs):
    """The whole network every time; all of its layers but those `trained` begins the names of are held fast."""
    encoder = small(name).eval()
    encoder.load_state_dict(torch.load(file, weights_only=True))
    learning = [p for key, p in encoder.named_parameters() if key.startswith(trained)]

    def features(cases):
        shown = torch.from_numpy(cases).float()[:, None]
        if name == "finetune_ct_fm":
            return torch.nn.functional.adaptive_avg_pool3d(encoder(shown)[-1], 1).flatten(1)
        return encoder(shown.permute(0, 1, 2, 4, 3).repeat(1, 3, 1, 1, 1))

    with torch.no_grad():
        before = features(volumes[:, 0])
    centre, scale = before.mean(0), before.std(0, correction=0)
    scale[scale <= 1e-6] = 1
    head = torch.nn.Linear(len(centre), 2)
    torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(head.bias)
    groups = [{"params": learning, "lr": RATE[name]}] if learning else []
    optimiser = torch.optim.AdamW([*groups, {"params": head.parameters(), "lr": 1e-2}], weight_decay=0.01)
    for epoch in range(epochs):
        random = np.random.default_rng(derive_seed(7, "epoch", epoch))
        order, views = random.permutation(CASES), random.integers(2, size=CASES)
        for part in (order[:16], order[16:]):
            optimiser.zero_grad()
            logits = head((features(volumes[part, views[part]]) - centre) / scale)
            torch.nn.functional.cross_entropy(logits, torch.from_numpy(y[part])).backward()
            optimiser.step()
    with torch.no_grad():
        return head((features(volumes[:, 0]) - centre) / scale).softmax(1).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("name", NAMES)
def test_training_from_stored_activations_is_training_the_network_with_its_lower_layers_held(
    extractor, files, X, name, depth
):
    trained = {"head": ("nothing",), "last_stage": (LAST_STAGE[name],), "full": ("",)}[depth]
    others = (LAST_STAGE[name], BEFORE_IT[name]) if depth == "last_stage" else (LAST_STAGE[name],)
    network = FinetunedNetwork(
        extractor(name, depth), epochs=2, learning_rate=RATE[name], head_learning_rate=1e-2, seed=7
    )
    found = network.fit(X[name, depth], y).predict_proba(X[name, depth])
    expected, other = (
        plain_torch(name, files[name], X[name, "full"], layers, 2) for layers in (trained, others)
    )
    np.testing.assert_allclose(found, expected, atol=5e-3)  # float16 at the cut
    assert np.abs(found - other).max() > 0.02, "other layers would be seen"


def task(extractor, X, name, depth="last_stage"):
    settings = {"epochs": [1, 2], "learning_rate": 1e-3, "head_learning_rate": 1e-2}
    learner = build("classifier", {"use": "finetuned", **settings}).learning_from(extractor(name, depth))
    train, test = np.arange(18), np.arange(18, CASES)
    return FoldTask(learner, Protocol(inner_folds=3), (), X[name, depth], y, train, test, seed=5)


@pytest.mark.parametrize("name", NAMES)
def test_labels_and_scans_of_test_cases_change_nothing_that_is_learnt(extractor, X, name):
    first = task(extractor, X, name)
    labels, scans = y.copy(), first.X.copy()
    labels[first.test] = 1 - labels[first.test]
    scans[first.test[1:]] = 1
    expected = evaluate(first)
    assert evaluate(first) == expected, "and it is the same bytes each time"
    assert evaluate(replace(first, y=labels)) == expected
    rescanned = evaluate(replace(first, X=scans))
    assert rescanned["parameters"] == expected["parameters"]
    assert rescanned["inner_score"] == expected["inner_score"]
    assert rescanned["probabilities"][0] == pytest.approx(expected["probabilities"][0], abs=1e-6)
    assert rescanned["probabilities"][1:] != expected["probabilities"][1:]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_permuted_labels_hold_chance_and_the_true_ones_do_not(extractor, X, name):
    first = task(extractor, X, name)

    def out_of_fold(values, labels, seed):
        predicted = np.empty(len(labels), int)
        for train, test in StratifiedKFold(3, shuffle=True, random_state=seed).split(labels, labels):
            fold = replace(first, X=values, y=labels, train=train, test=test, seed=seed)
            predicted[test] = np.argmax(evaluate(fold)["probabilities"], axis=1)
        return predicted

    control = permuted_label_control(out_of_fold, first.X, y, permutations=8)
    low, high = control.interval
    assert low <= control.chance <= high
    assert control.exceeded_by(float((out_of_fold(first.X, y, 0) == y).mean()))


@pytest.mark.slow
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("name", NAMES)
def test_a_stored_model_runs_no_code_and_predicts_as_before(extractor, X, name, depth):
    final = replace(task(extractor, X, name, depth), train=np.arange(CASES), test=np.arange(0))
    content = bytes.fromhex(fit_final(final)["skops"])
    types = skops.io.get_untrusted_types(data=content)
    assert types == ["classifiers.finetuned.estimator.FinetunedNetwork"]
    loaded = skops.io.loads(content, trusted=types)
    model = final.classifier.estimator(final.seed).set_params(**fit_final(final)["parameters"])
    assert (loaded.predict_proba(final.X) == model.fit(final.X, y).predict_proba(final.X)).all()


@pytest.mark.parametrize("change", ["missing", "renamed", "misshapen"])
@pytest.mark.parametrize("name", NAMES)
def test_weights_that_do_not_fit_are_refused_also_by_the_trained_part(
    extractor, files, tmp_path, name, change
):
    tensors = torch.load(files[name], weights_only=True)
    victim = next(key for key in reversed(tensors) if key.endswith("weight"))
    tensor = tensors.pop(victim)
    if change != "missing":
        tensors[victim + "x" if change == "renamed" else victim] = (
            tensor if change == "renamed" else tensor[:1]
        )
    torch.save(tensors, tmp_path / "other.pt")
    plugin = extractor(name, weights={"file": str(tmp_path / "other.pt")})
    with pytest.raises(UserError, match=r"other\.pt: .*" + victim.replace(".", r"\.")):
        plugin.trained_part()
    with pytest.raises(UserError, match=r"other\.pt: .*" + victim.replace(".", r"\.")):
        plugin.extract(*scan(0))


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_region_and_activations_beyond_float16_are_the_case_s_failure(
    extractor, files, tmp_path, name
):
    image, roi = scan(0)
    with pytest.raises(CaseError, match="the ROI is empty"):
        extractor(name, region="roi").extract(image, roi * 0)
    tensors = torch.load(files[name], weights_only=True)
    for key in tensors:
        if key.startswith(BEFORE_IT[name]) and tensors[key].ndim == 5:
            tensors[key] *= 1e6
    torch.save(tensors, tmp_path / "loud.pt")
    with pytest.raises(CaseError, match="overflow in float16; use `depth: full`"):
        extractor(name, weights={"file": str(tmp_path / "loud.pt")}).extract_with_activations(image, roi)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"depth": "last_stag"}, "'head', 'last_stage' or 'full'"),
        ({"precision": "fp16"}, "gradients overflow in fp16"),
        ({"cube_voxels": 8}, "greater than or equal to 16"),
        ({"mirrord": False}, "did you mean 'mirrored'"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_a_declaration_that_cannot_be_is_refused(extractor, name, parameters, message):
    with pytest.raises(ValueError, match=message):
        extractor(name, **parameters)


def test_ct_fm_needs_a_cube_so_that_all_cases_have_one_shape(extractor):
    with pytest.raises(ValueError, match="valid integer"):
        extractor("finetune_ct_fm", cube_voxels=None)
    assert extractor("finetune_i3resnet", cube_voxels=None, size=[32, 48, 64]).preprocess(*scan(0)).shape == (
        32,
        48,
        64,
    )
