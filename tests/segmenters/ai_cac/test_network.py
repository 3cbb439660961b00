"""AI-CAC's network: the layout of the published file, the numbers of its own MONAI, files that do not fit."""

import hashlib

import pytest
import torch
from monai.networks.nets import SwinUNETR

from benchmark.errors import UserError
from segmenters.ai_cac.network import AICAC, load

SMALL = 12
"""A feature size for tests: the same 159 tensors as at 96, of 1.6 million parameters."""


def published_layout(network, **more):
    """Return a checkpoint as AI-CAC's training writes it: of a network in DataParallel, with its optimiser."""
    parallel = torch.nn.DataParallel(network)
    optimiser = torch.optim.Adam(parallel.parameters())
    return {
        "epoch": 3,
        "model_state_dict": parallel.state_dict(),
        "optimizer_state_dict": optimiser.state_dict(),
        "loss": 0.25,
        **more,
    }


def swin_unetr(seed=0):
    torch.manual_seed(seed)
    return SwinUNETR(spatial_dims=2, in_channels=1, out_channels=1, feature_size=SMALL, drop_rate=0.2).eval()


@pytest.fixture
def file(tmp_path):
    torch.save(published_layout(swin_unetr()), tmp_path / "ai_cac.pth")
    return tmp_path / "ai_cac.pth"


def loaded(path):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return load(path, digest, SMALL, "cpu", "fp32")


def test_a_file_in_the_published_layout_gives_the_network_that_it_is_of(file):
    slices = torch.randn(2, 1, 64, 96, generator=torch.Generator().manual_seed(1)) * 300
    with torch.inference_mode():
        torch.testing.assert_close(loaded(file)(slices), swin_unetr()(slices), rtol=1e-4, atol=1e-5)


def test_at_its_true_size_the_layout_is_that_of_monai_1_4_in_data_parallel():
    """The digest is of names and shapes of DataParallel(SwinUNETR(img_size=(512, 512), …)) in MONAI 1.4.0."""
    tensors = AICAC(96).state_dict()
    assert len(tensors) == 159
    assert sum(tensor.numel() for tensor in tensors.values() if tensor.is_floating_point()) == 100_455_595
    layout = "\n".join(f"{name} {tuple(tensor.shape)}" for name, tensor in sorted(tensors.items()))
    assert hashlib.sha256(layout.encode()).hexdigest().startswith("44da871e29ed22b8")


def test_the_logits_are_those_of_monai_1_4():
    """Weights by a formula, an image by a formula; the numbers are MONAI 1.4.0's."""
    network = AICAC(SMALL).eval()
    with torch.no_grad():
        for place, (name, tensor) in enumerate(sorted(network.module.named_parameters())):
            values = torch.cos(torch.arange(tensor.numel(), dtype=torch.float64) * 0.7 + place) * 0.05
            scale = tensor.ndim == 1 and "norm" in name and name.endswith("weight")
            tensor.copy_((values + (1 if scale else 0)).reshape(tensor.shape))
        y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
        logits = network((300 * torch.sin(x / 7) * torch.cos(y / 5) - 100)[None, None])[0, 0]
    expected = torch.tensor(
        [
            [0.051659, 0.191192, 0.090615, 0.209209],
            [0.047897, 0.044102, 0.064079, 0.064863],
            [0.047360, 0.028618, 0.064868, 0.066623],
            [0.037609, 0.014770, 0.063342, 0.065376],
        ]
    )
    torch.testing.assert_close(logits[::31, ::31], expected, rtol=1e-3, atol=1e-4)
    assert logits.std().item() == pytest.approx(0.056737, abs=1e-4)


def changed(change):
    checkpoint = published_layout(swin_unetr())
    tensors = dict(checkpoint["model_state_dict"])
    change(tensors)
    return {**checkpoint, "model_state_dict": tensors}


HEAD = "module.out.conv.conv.weight"
CASES = {
    "a tensor is missing": (
        lambda t: t.pop(HEAD),
        r"these are not the weights of AICAC: of 159 tensors 1 \(module\.out\.conv\.conv\.weight\) missing and none",
    ),
    "a tensor has another name": (
        lambda t: t.update({"module.head": t.pop(HEAD)}),
        r"1 \(module\.out\.conv\.conv\.weight\) missing and 1 \(module\.head\) unknown",
    ),
    "a tensor has another shape": (
        lambda t: t.update({HEAD: t[HEAD][:, :6]}),
        r"module\.out\.conv\.conv\.weight has the shape \(1, 6, 1, 1\) instead of \(1, 12, 1, 1\)",
    ),
    "a tensor is not finite": (
        lambda t: t.update({HEAD: t[HEAD] * float("nan")}),
        r"module\.out\.conv\.conv\.weight holds values that are not finite",
    ),
    "the names lack their prefix": (
        lambda t: [t.update({name.removeprefix("module."): t.pop(name)}) for name in list(t)],
        r"of 159 tensors 159 \(module\..*, …\) missing and 159 \(decoder1\..*, …\) unknown",
    ),
}


@pytest.mark.parametrize(("change", "message"), CASES.values(), ids=CASES)
def test_tensors_that_do_not_fit_are_named_in_one_sentence(tmp_path, change, message):
    torch.save(changed(change), tmp_path / "other.pth")
    refused(tmp_path / "other.pth", message)


def test_a_checkpoint_of_another_layout_is_refused_with_what_it_holds(tmp_path):
    torch.save({"state_dict": swin_unetr().state_dict(), "epoch": 1}, tmp_path / "other.pth")
    refused(tmp_path / "other.pth", r"holds no `model_state_dict` but 2 \(state_dict, epoch\)")
    torch.save([1, 2], tmp_path / "list.pth")
    refused(tmp_path / "list.pth", "holds no `model_state_dict` but none")
    torch.save({"model_state_dict": 5}, tmp_path / "number.pth")
    refused(tmp_path / "number.pth", "holds no dictionary of tensors")


def test_the_published_size_is_not_taken_for_another(file):
    with pytest.raises(UserError, match=r"patch_embed\.proj\.\w+ has the shape \(12,.*\) instead of \(24,"):
        load(file, "24", 24, "cpu", "fp32")


def test_a_file_cut_short_a_web_page_and_nothing_are_refused(file, tmp_path):
    content = file.read_bytes()
    (tmp_path / "cut.pth").write_bytes(content[: len(content) // 2])
    refused(tmp_path / "cut.pth", "damaged or of another format")
    (tmp_path / "page.pth").write_text("<!DOCTYPE html><html>Sign in</html>")
    refused(tmp_path / "page.pth", "this is a web page, not weights")
    (tmp_path / "empty.pth").write_bytes(b"")
    refused(tmp_path / "empty.pth", "the weights file is empty")


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path):
    class Runs:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"model_state_dict": {"module.a": torch.zeros(1)}, "x": Runs()}, tmp_path / "code.pth")
    refused(tmp_path / "code.pth", "damaged or of another format")
    assert not (tmp_path / "ran").exists()


def refused(path, message):
    with pytest.raises(UserError, match=message) as caught:
        loaded(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
