"""The default study as one would script it with the same libraries, without what this project does to be fast.

Scans, regions and folds are the project's, for they are the study's data; every number is made here.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import SimpleITK as sitk
import torch
from monai.inferers import SlidingWindowInferer
from numpy.typing import NDArray
from radiomics.featureextractor import RadiomicsFeatureExtractor
from safetensors.torch import load_file
from scipy import ndimage

from benchmark.networks.torchvision_repair import import_timm
from feature_extractors.slices.presets import EFFICIENTNET_LITE0
from segmenters.denseraunet.network import build_network
from segmenters.denseraunet.trained_weights import SHIPPED
from segmenters.denseraunet.weights_file import read_header

SHIPPED_FILE = SHIPPED / "denseraunet_slim.safetensors"
Values = NDArray[np.float64]


def features_of(image: sitk.Image, pseudo: sitk.Image, drawn: sitk.Image) -> dict[str, Values]:
    """Return what each extractor of the default study makes of a scan, given two masks of the vessels; maxima first."""
    calcium, narrowest = found_by_network(image)
    planes = slabs(image)
    return {
        "radiomics": radiomics(image, pseudo),
        "radiomics_drawn": radiomics(image, drawn),
        "calcium_130": amounts(image, sitk.GetArrayFromImage(pseudo) > 0),
        "calcium_denseraunet": amounts(image, calcium),
        "denseraunet_features": np.r_[narrowest.max(axis=(0, 2, 3)), narrowest.mean(axis=(0, 2, 3))],
        "imagenet": embedding(planes, pretrained=True),
        "imagenet_untrained": embedding(planes, pretrained=False),
    }


def radiomics(image: sitk.Image, mask: sitk.Image) -> Values:
    """Return PyRadiomics' 107 features, sorted by name."""
    found = RadiomicsFeatureExtractor().execute(image, mask)
    return np.array([float(found[name]) for name in sorted(found) if name.startswith("original")])


def amounts(image: sitk.Image, mask: NDArray[np.bool_]) -> Values:
    """Return Agatston score, volume, lesions and maximum of the voxels of a mask from 130 HU on."""
    hu = sitk.GetArrayFromImage(image)
    counted = mask & (hu >= 130)
    x, y, z = image.GetSpacing()
    agatston = 0.0
    for plane, marked in zip(hu, counted, strict=True):
        lesions, count = ndimage.label(marked, np.ones((3, 3)))
        for peak in ndimage.maximum(plane, lesions, range(1, count + 1)) if count else []:
            agatston += min(int(peak) // 100, 4)
    volume = counted.sum() * x * y * z
    return np.array([agatston, volume, ndimage.label(counted)[1], hu[counted].max(initial=0)], float)


def found_by_network(image: sitk.Image) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Return what DenseRAUnet calls, and what its bottleneck made on the way: fp32, four slices at a time."""
    network, made = denseraunet()
    seen = read_header(SHIPPED_FILE).input
    x, y, z = image.GetSpacing()
    size = [round(n * mm / seen.pixel_mm) for n, mm in zip(image.GetSize()[:2], (x, y), strict=True)]
    grid = sitk.Image([*size, image.GetDepth()], sitk.sitkFloat32)
    grid.SetOrigin(image.GetOrigin())
    grid.SetSpacing((seen.pixel_mm, seen.pixel_mm, z))
    grid.SetDirection(image.GetDirection())
    fine = sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear)
    hu = torch.from_numpy(sitk.GetArrayFromImage(fine))
    windows = [((hu - low) / (high - low)).clamp(0, 1) for low, high in seen.windows_hu]
    half = seen.slices // 2
    around = (torch.arange(len(hu))[:, None] + torch.arange(-half, half + 1)).clamp(0, len(hu) - 1)
    candidates = (hu >= seen.candidate_hu).float()[:, None]
    stacks = torch.cat([*(window[around] for window in windows), candidates], dim=1)
    infer = SlidingWindowInferer((256, 256), sw_batch_size=4, overlap=0.25, mode="gaussian")
    made.clear()
    with torch.inference_mode():
        probability = torch.cat([infer(part, network) for part in stacks.split(4)])[:, 0].sigmoid()
    on_grid = sitk.GetImageFromArray(probability.numpy())
    on_grid.CopyInformation(grid)
    whole = sitk.GetArrayFromImage(sitk.Resample(on_grid, image, sitk.Transform(), sitk.sitkLinear))
    return whole >= read_header(SHIPPED_FILE).threshold, torch.cat(made).numpy()


def slabs(image: sitk.Image) -> torch.Tensor:
    """Return the maxima of six slabs, 96 × 96, as EfficientNet-Lite0 takes them."""
    hu = np.stack([part.max(axis=0) for part in np.array_split(sitk.GetArrayFromImage(image), 6)])
    grey = torch.from_numpy((np.clip(hu.astype(np.float32), -200, 800) + 200) / 1000)[:, None]
    shown = torch.nn.functional.interpolate(grey, (96, 96), mode="bicubic", antialias=True)
    return (shown.clamp(0, 1) * 2 - 1).repeat(1, 3, 1, 1)


def embedding(planes: torch.Tensor, *, pretrained: bool) -> Values:
    """Return the mean over the slabs of what the encoder makes of them, 1,280 features."""
    with torch.inference_mode():
        return efficientnet(pretrained)(planes).mean(dim=0).numpy()


@cache
def denseraunet() -> tuple[torch.nn.Module, list[torch.Tensor]]:
    """Return the network as it was trained, and where a hook puts what its bottleneck makes."""
    header = read_header(SHIPPED_FILE)
    network = build_network(header.network, header.input).eval()
    tensors = load_file(SHIPPED_FILE)
    network.load_state_dict({name: tensors.get(name, value) for name, value in network.state_dict().items()})
    made: list[torch.Tensor] = []
    network.atrous.register_forward_hook(lambda _module, _inputs, output: made.append(output))
    return network, made


@cache
def efficientnet(pretrained: bool) -> torch.nn.Module:
    """Return timm's EfficientNet-Lite0, with the weights of the package index or as it begins."""
    network = import_timm().create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0)
    if pretrained:
        learnt = [key for key in network.state_dict() if not key.endswith("num_batches_tracked")]
        file = torch.load(EFFICIENTNET_LITE0.path(), weights_only=True)
        values = [tensor for key, tensor in file.items() if not key.endswith("num_batches_tracked")]
        network.load_state_dict(dict(zip(learnt, values[: len(learnt)], strict=True)), strict=False)
    return network.eval()
