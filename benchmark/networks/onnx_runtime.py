"""A torch network run by ONNX Runtime: the same numbers but for rounding, from small layers in half of the time.

docs/encoders.md has what is measured. Each number of threads and each processor may round otherwise, as in torch.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmark.networks.inference import use_allotted_threads

if TYPE_CHECKING:
    import torch

LIBRARIES = ("onnxruntime", "onnx")


def why_not_here() -> str:
    """Return what to install, in one sentence; empty where both libraries are here."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    remedy = "run `pip install 'cacbench[onnxruntime]'` in this environment"
    return f"{' and '.join(missing)} not installed: {remedy}" if missing else ""


def run_by_onnx_runtime(
    network: torch.nn.Module, example: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what does as `network` does, on the processor in float32, for any number of planes like `example`.

    Raises what torch raises where a network cannot be written down as a graph.
    """
    import onnxruntime
    import torch

    use_allotted_threads()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    with TemporaryDirectory() as folder:
        graph = Path(folder) / "network.onnx"
        _write(network, example, graph)
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def run(planes: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(session.run(None, {"planes": planes.contiguous().numpy()})[0])

    return run


def _write(network: torch.nn.Module, example: torch.Tensor, graph: Path) -> None:
    """Write the network as a graph, traced: torch's newer exporter takes ten times as long and one more library."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is a newer one
        torch.onnx.export(
            network,
            (example,),
            graph,
            dynamo=False,
            input_names=["planes"],
            dynamic_axes={"planes": {0: "n"}},
        )
