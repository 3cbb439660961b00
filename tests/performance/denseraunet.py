"""Inference side by side with MONAI's BasicUNet, on one core: `python tests/performance/denseraunet.py`.

Time is the processor's, so that what else the machine does matters little; two free cores do about twice as much.
"""

import time

import numpy as np
import torch

from benchmark.networks.inference import prepare, resolve_precision
from segmenters.denseraunet.network import build_network
from segmenters.denseraunet.plan import BasicUNet, DenseRAUnet, Input
from segmenters.denseraunet.prediction import predict

SLICES, SIDE, REPEATS = 16, 224, 3


def slices_per_second(network, precision, prepared=True):
    """Return slices per second of one core, windowing and inferer included, the best of some repeats."""
    torch.manual_seed(0)
    module = build_network(network, Input())
    module = prepare(module, "cpu", precision) if prepared else module.eval()
    torch.set_num_threads(1)
    volume = np.random.default_rng(0).integers(-200, 400, (SLICES, SIDE, SIDE)).astype(np.int16)
    seconds = []
    for _ in range(REPEATS):
        begin = time.process_time()
        predict(module, volume, Input(), divisor=network.divisor)
        seconds.append(time.process_time() - begin)
    return SLICES / min(seconds)


def main() -> None:
    """Print slices per second, and how many times as fast the network is as shipped."""
    fast = resolve_precision("auto", "cpu")
    rates = {
        f"DenseRAUnet as shipped ({fast})": slices_per_second(DenseRAUnet(), fast),
        "DenseRAUnet in fp32": slices_per_second(DenseRAUnet(), "fp32"),
        f"BasicUNet prepared alike ({fast})": slices_per_second(BasicUNet(), fast),
        "BasicUNet as MONAI has it (fp32)": slices_per_second(BasicUNet(), "fp32", prepared=False),
    }
    shipped = next(iter(rates.values()))
    for name, rate in rates.items():
        print(
            f"{name:<36} {rate:6.1f} slices/s on one core; as shipped is {shipped / rate:.2f} times as fast"
        )


if __name__ == "__main__":
    main()
