"""The embeddings against the straightforward recipe, both sides in one run: ``python tests/performance/embeddings.py``.

``speed``: each extractor on a phantom against the published recipe in fp32, case by case and slice by slice, models
loaded on both sides; ``speed_imagenet`` and so on: one of them, one turn. ``scans``: the real CTs in full, with the
cosines. ``memory``: a 512 × 512 × 400 scan in its own process. ``device``: how much of the time is in the network, and
its FLOP/s beside a matrix product's.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from benchmark.cohorts.phantom import PhantomCohort
from benchmark.images.reading import read_image
from benchmark.networks.inference import to_device
from benchmark.networks.torchvision_repair import import_timm
from feature_extractors import radimagenet_network
from feature_extractors.ct_fm import network as ct_fm_network
from feature_extractors.ct_fm.extractor import CTFMExtractor
from feature_extractors.embedding import FrozenEmbedding
from feature_extractors.i3resnet.extractor import I3ResNetExtractor
from feature_extractors.monai_encoders.extractor import MONAIEncoderExtractor
from feature_extractors.radimagenet import RadImageNetExtractor
from feature_extractors.slices.extractor import SlicesExtractor

SEED = 0
REPEATS = 3
Recipe = Callable[[sitk.Image], np.ndarray]


def ct_fm_recipe() -> Recipe:
    """The model card's few lines, on the seeded network."""
    from monai.data import MetaTensor
    from monai.networks.nets.segresnet_ds import SegResEncoder
    from monai.transforms import Compose, CropForeground, EnsureType, Orientation, ScaleIntensityRange

    torch.manual_seed(SEED)
    network = SegResEncoder(init_filters=32, blocks_down=(1, 2, 2, 4, 4)).eval()
    scale = ScaleIntensityRange(a_min=-1024, a_max=2048, b_min=0, b_max=1, clip=True)
    preprocess = Compose(
        [EnsureType(), Orientation(axcodes="SPL"), scale, CropForeground(allow_smaller=True)]
    )

    def embed(image: sitk.Image) -> np.ndarray:
        affine = np.eye(4)
        affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
        affine[:3, 3] = image.GetOrigin()
        voxels = np.ascontiguousarray(sitk.GetArrayFromImage(image).astype(np.float32).T)[None]
        scan = preprocess(MetaTensor(voxels, affine=np.diag([-1.0, -1, 1, 1]) @ affine))
        with torch.no_grad():
            return (
                torch.nn.functional.adaptive_avg_pool3d(network(scan[None].as_tensor())[-1], 1)
                .flatten()
                .numpy()
            )

    return embed


def radimagenet_recipe() -> Recipe:
    """The official example's few lines, slice by slice, on the seeded network."""
    torch.manual_seed(SEED)
    network = import_timm().create_model("resnet50", pretrained=False, num_classes=0).eval()

    def embed(image: sitk.Image) -> np.ndarray:
        features = []
        for plane in sitk.GetArrayFromImage(image):
            shown = (np.clip(plane.astype(np.float32), -160, 240) + 160) / 400 * 255
            slice_ = torch.nn.functional.interpolate(
                torch.from_numpy(shown)[None, None], (224, 224), mode="bilinear"
            )
            with torch.no_grad():
                features.append(network(((slice_ - 127.5) * 2 / 255).repeat(1, 3, 1, 1))[0].numpy())
        return np.mean(features, axis=0)

    return embed


def imagenet_recipe() -> Recipe:
    """timm's data config, slice by slice, on the seeded network."""
    torch.manual_seed(SEED)
    network = import_timm().create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()

    def embed(image: sitk.Image) -> np.ndarray:
        features = []
        for plane in sitk.GetArrayFromImage(image):
            grey = torch.from_numpy((np.clip(plane.astype(np.float32), -160, 240) + 160) / 400)[None, None]
            shown = torch.nn.functional.interpolate(grey, (224, 224), mode="bicubic", antialias=True)
            with torch.no_grad():
                features.append(network((shown.clamp(0, 1) * 2 - 1).repeat(1, 3, 1, 1))[0].numpy())
        return np.mean(features, axis=0)

    return embed


def vista3d_recipe() -> Recipe:
    """The bundle's transforms on the seeded encoder, in the order of its axes."""
    from monai.data import MetaTensor
    from monai.networks.nets.segresnet_ds import SegResEncoder
    from monai.transforms import Compose, ScaleIntensityRange, Spacing

    torch.manual_seed(SEED)
    network = SegResEncoder(init_filters=48, blocks_down=(1, 2, 2, 4, 4), norm="instance").eval()
    hu = {"a_min": -963.8247715525971, "a_max": 1053.678477684517}
    scale = ScaleIntensityRange(**hu, b_min=0, b_max=1, clip=True)
    preprocess = Compose([Spacing((1.5,) * 3, mode="bilinear", padding_mode="border"), scale])

    def embed(image: sitk.Image) -> np.ndarray:
        right = sitk.DICOMOrient(image, "RAS")
        voxels = np.ascontiguousarray(sitk.GetArrayFromImage(right).astype(np.float32).T)[None]
        scan = preprocess(MetaTensor(voxels, affine=np.diag([*right.GetSpacing(), 1.0])))
        with torch.no_grad():
            return network(scan[None].as_tensor())[-1].mean((2, 3, 4))[0].numpy()

    return embed


def i3resnet_recipe() -> Recipe:
    """Astra's transforms on the seeded network."""
    from monai.networks.nets.resnet import ResNet
    from monai.transforms import Compose, CropForeground, Resize, ScaleIntensityRange

    torch.manual_seed(SEED)
    inflated = {"n_input_channels": 3, "conv1_t_size": (3, 7, 7), "conv1_t_stride": (1, 2, 2)}
    widths, how = [64, 128, 256, 512], {"feed_forward": False, "bias_downsample": False}
    network = ResNet("bottleneck", [3, 8, 36, 3], widths, **inflated, **how).eval()
    crop = CropForeground(select_fn=lambda hu: hu > -1000, allow_smaller=True)
    scale = ScaleIntensityRange(a_min=-1000, a_max=200, b_min=0, b_max=1, clip=True)
    preprocess = Compose([crop, Resize((224, 224, 160), mode="area"), scale])

    def embed(image: sitk.Image) -> np.ndarray:
        voxels = sitk.GetArrayFromImage(sitk.DICOMOrient(image, "RAS")).astype(np.float32).T
        scan = preprocess(np.ascontiguousarray(voxels)[None]).as_tensor()
        with torch.no_grad():
            return network(scan[None].permute(0, 1, 4, 2, 3).repeat(1, 3, 1, 1, 1))[0].numpy()

    return embed


Make = Callable[..., FrozenEmbedding]
SIDES: dict[str, tuple[Make, Callable[[], Recipe]]] = {
    "ct_fm": (CTFMExtractor, ct_fm_recipe),
    "radimagenet": (RadImageNetExtractor, radimagenet_recipe),
    "imagenet": (SlicesExtractor, imagenet_recipe),
    "imagenet_onnxruntime": (partial(SlicesExtractor, backend="onnxruntime", device="cpu"), imagenet_recipe),
    "vista3d": (partial(MONAIEncoderExtractor, encoder="vista3d", region="whole"), vista3d_recipe),
    "i3resnet": (I3ResNetExtractor, i3resnet_recipe),
}


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def compare(scans: dict[str, sitk.Image], repeats: int, names: Iterable[str] = SIDES) -> None:
    """Print, for each extractor, precision and scan, the best of `repeats` turns of either side, and the cosine."""
    for name in names:
        make, make_recipe = SIDES[name]
        recipe = make_recipe()
        for precision in ("fp32",) if "onnxruntime" in name else ("auto", "fp32"):
            ours = make(weights={"untrained": SEED}, precision=precision)
            for label, image in scans.items():
                print(
                    f"{name:12} {ours.precision} {label:28}", _row(recipe, ours, image, repeats), flush=True
                )


def _row(recipe: Recipe, ours: FrozenEmbedding, image: sitk.Image, repeats: int) -> str:
    a, b = recipe(image).astype(np.float64), ours.extract(image, image).to_numpy()
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    turns = [
        (timed(partial(recipe, image)), timed(partial(ours.extract, image, image))) for _ in range(repeats)
    ]
    (wall_a, cpu_a), (wall_b, cpu_b) = (min(side) for side in zip(*turns, strict=True))
    return (
        f"recipe {wall_a:6.2f} s ({cpu_a:6.2f} CPU)   ours {wall_b:5.2f} s ({cpu_b:5.2f} CPU)   "
        f"{cpu_a / cpu_b:4.1f}× CPU   1 − cosine {1 - cosine:.1e}"
    )


def speed(names: Iterable[str] = SIDES, repeats: int = REPEATS) -> None:
    """Compare on a phantom of the default study."""
    (case,) = PhantomCohort(zero=0, nonzero=1).cases()
    compare({case.case_id: case.source.load().image}, repeats, names)


def scans() -> None:
    """Compare on the real CTs, each of them whole."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("CACBENCH_REAL_DATA", root.parent / "shared" / "data")) / "thorax_ct"
    paths: Iterable[str] = ("pulmonary/ct_cropped.nii.gz", "aorta/ct_cropped.nii.gz", "example_ct_dicom")
    compare({path: read_image(folder / path) for path in paths}, 1)


def memory() -> None:
    """Embed a whole chest CT of 512 × 512 × 400, in a process of its own for each precision."""
    for precision in ("auto", "fp32"):
        subprocess.run([sys.executable, __file__, f"memory_{precision}"], check=True)


def _embed_chest(precision: str) -> None:
    generator = np.random.default_rng(0)
    planes = [generator.integers(-900, 500, (512, 512), dtype=np.int16) for _ in range(8)]
    image = sitk.GetImageFromArray(np.stack([planes[index % 8] for index in range(400)]))
    extractor = CTFMExtractor(weights={"untrained": SEED}, precision=precision)
    wall, cpu = timed(lambda: extractor.extract(image, image))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"ct_fm {extractor.precision} 512 × 512 × 400: peak {peak:.2f} GiB, {wall:.0f} s ({cpu:.0f} CPU)",
        flush=True,
    )


def device() -> None:
    """Print the share of the time that is in the network and its FLOP/s beside a matrix product's."""
    from torch.utils.flop_counter import FlopCounterMode

    image = PhantomCohort(zero=1, nonzero=0).cases()[0].source.load().image
    for name in ("ct_fm", "radimagenet"):
        extractor = SIDES[name][0](weights={"untrained": SEED})
        run = _network_alone(extractor, image)
        with FlopCounterMode(display=False) as counter:
            run()
        whole = min(timed(partial(extractor.extract, image, image))[0] for _ in range(5))
        alone = min(timed(run)[0] for _ in range(5))
        flops, peak = counter.get_total_flops() / alone, _matrix_product(extractor)
        print(
            f"{name:12} {extractor.device} {extractor.precision}: {alone / whole:4.0%} of {whole:.3f} s is network, "
            f"{flops / 1e12:.2f} TFLOP/s, {flops / peak:.0%} of a matrix product's {peak / 1e12:.2f}"
        )


def _network_alone(extractor: FrozenEmbedding, image: sitk.Image) -> Callable[[], object]:
    if isinstance(extractor, CTFMExtractor):
        encoder = ct_fm_network.load(extractor.weights, extractor.device, extractor.precision)
        volume = to_device(torch.from_numpy(extractor.preprocess(image, image))[None, None], encoder)
        return lambda: _finished(ct_fm_network.embed(encoder, volume))
    assert isinstance(extractor, RadImageNetExtractor)
    backbone = radimagenet_network.load(
        extractor.backbone, extractor.weights, extractor.device, extractor.precision
    )
    slices = extractor.preprocess(image, image)
    return lambda: _finished(radimagenet_network.embed(backbone, slices, extractor.batch_slices))


def _finished(result: torch.Tensor) -> None:
    if result.device.type == "cuda":
        torch.cuda.synchronize()


def _matrix_product(extractor: FrozenEmbedding, side: int = 4096) -> float:
    a = torch.randn(side, side, dtype=torch.bfloat16 if extractor.precision == "bf16" else torch.float32)
    a = a.to(extractor.device)
    return 2 * side**3 / min(timed(lambda: _finished(a @ a))[0] for _ in range(6))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    parts: dict[str, Callable[[], None]] = {
        "speed": speed,
        "scans": scans,
        "memory": memory,
        "device": device,
    }
    in_own_process = {f"memory_{name}": partial(_embed_chest, name) for name in ("auto", "fp32")}
    in_own_process |= {f"speed_{name}": partial(speed, [name], 1) for name in SIDES}
    for part in sys.argv[1:] or parts:
        (parts | in_own_process)[part]()
