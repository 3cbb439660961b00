"""Files of the Hugging Face hub: where they lie here, whether it answers, and downloads that can be resumed.

The files lie in the hub's own cache (``HF_HUB_CACHE``, ``HF_HOME``), so that other programs find them. The
download is ours because huggingface_hub, since 1.0, starts again at the first byte when the process was
interrupted.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmark.errors import UserError

if TYPE_CHECKING:
    from huggingface_hub.file_download import HfFileMetadata

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes there will be."""

DECISION_SECONDS = 8.0
"""How long the hub may take to answer before a study goes on without it."""


@dataclass(frozen=True)
class HubFile:
    """One file of one repository of the hub, at a branch, tag or commit."""

    repo: str
    filename: str
    revision: str

    def __str__(self) -> str:
        """Name the file the way the hub's pages do."""
        return f"{self.repo}/{self.filename}@{self.revision}"

    @property
    def url(self) -> str:
        """The file's address at the endpoint that ``HF_ENDPOINT`` names."""
        from huggingface_hub import hf_hub_url

        return hf_hub_url(self.repo, self.filename, revision=self.revision, endpoint=endpoint())

    def cached(self) -> Path | None:
        """Return the file in the hub's cache, or None. Touches no network."""
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(
            self.repo, self.filename, cache_dir=cache_folder(), revision=self.revision
        )
        return Path(found) if isinstance(found, str) else None

    @property
    def folder(self) -> Path:
        """The repository's folder in the hub's cache."""
        return cache_folder() / f"models--{self.repo.replace('/', '--')}"


def endpoint() -> str:
    """Return the hub's address, as the environment says now."""
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")


def cache_folder() -> Path:
    """Return the hub's cache, as the environment says now."""
    from huggingface_hub import constants

    if home := os.environ.get("HF_HUB_CACHE"):
        return Path(home).expanduser()
    return (
        Path(os.environ["HF_HOME"]).expanduser() / "hub"
        if "HF_HOME" in os.environ
        else Path(constants.HF_HUB_CACHE)
    )


def offline() -> bool:
    """Say whether ``HF_HUB_OFFLINE`` forbids the network."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").upper() in {
        "1",
        "ON",
        "YES",
        "TRUE",
    }


def why_unreachable(file: HubFile) -> str:
    """Return why `file` cannot be fetched now, or an empty string.

    Each file is asked for once per process, and a hub that gave no answer is not asked again: a study without
    a network knows within `DECISION_SECONDS`, whatever the number of its networks.
    """
    if offline():
        return "HF_HUB_OFFLINE is set"
    return _why_unreachable(file, endpoint())


@cache
def _why_unreachable(file: HubFile, address: str) -> str:
    if address not in _silent:
        error = _within_deadline(lambda: _metadata(file, DECISION_SECONDS))
        if error is None or hasattr(error, "response") or isinstance(error, UserError):
            return _advice(error) if error else ""
        _silent[address] = f"{address} does not answer ({_advice(error)})"
    return _silent[address]


_silent: dict[str, str] = {}


def _within_deadline(ask: Callable[[], object]) -> Exception | None:
    """Return the error of `ask`, or None. A name server can hang for longer than any timeout of HTTP."""
    outcome: list[Exception | None] = []

    def run() -> None:
        try:
            ask()
            outcome.append(None)
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(DECISION_SECONDS)
    return outcome[0] if outcome else TimeoutError(f"nothing came within {DECISION_SECONDS:.0f} s")


def download(file: HubFile, progress: Progress | None = None) -> Path:
    """Fetch `file` into the hub's cache, going on from where an interrupted download ended; return its path.

    A file becomes visible under its name only when it is whole. Raises `UserError` with what stopped it.
    """
    from huggingface_hub import hf_hub_download

    if offline():
        raise UserError(
            f"{file}: cannot be fetched while HF_HUB_OFFLINE is set; unset it or give `weights: {{file: …}}`"
        )
    try:
        found = _metadata(file, 10.0)
        blob = file.folder / "blobs" / str(found.etag)
        if not blob.exists():
            _download_blob(found, blob, progress)
        # The blob is here: what is left for the library is the reference and the link under the file's name.
        return Path(
            hf_hub_download(
                file.repo,
                file.filename,
                revision=file.revision,
                endpoint=endpoint(),
                cache_dir=cache_folder(),
            )
        )
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{file}: not fetched: {_advice(error)}") from None


def _metadata(file: HubFile, timeout: float) -> HfFileMetadata:
    from huggingface_hub import get_hf_file_metadata

    found = get_hf_file_metadata(file.url, timeout=timeout, endpoint=endpoint())
    if not found.etag or not found.commit_hash or found.size is None:
        raise UserError(
            f"{file.url}: what answers is not a hub: a portal or proxy stands between; check HF_ENDPOINT"
        )
    return found


def _download_blob(found: HfFileMetadata, blob: Path, progress: Progress | None) -> None:
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    blob.parent.mkdir(parents=True, exist_ok=True)
    partial = blob.with_name(f"{blob.name}.cacbench.incomplete")
    with WeakFileLock(partial.with_suffix(".lock")):
        if blob.exists():
            return
        _append_rest(found, partial, progress)
        _verify(found, partial)
        os.replace(partial, blob)


class _Watched(io.BufferedWriter):
    """A file that tells how far it has grown."""

    def __init__(self, path: Path, total: int, progress: Progress | None) -> None:
        super().__init__(io.FileIO(path, "ab"))
        self._total, self._progress = total, progress

    def write(self, data: Any) -> int:
        written = super().write(data)
        if self._progress:
            self._progress(self.tell(), self._total)
        return written


def _append_rest(found: HfFileMetadata, partial: Path, progress: Progress | None) -> None:
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]
    from huggingface_hub.utils.tqdm import silent_tqdm

    total = found.size or 0
    # A token is for the hub, not for the store of files it may redirect to.
    token = None if urlsplit(found.location).netloc == urlsplit(endpoint()).netloc else False
    with _Watched(partial, total, progress) as file:
        here = file.tell()
        if shutil.disk_usage(partial.parent).free < total - here:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        http_get(
            found.location,
            file,
            resume_size=here,
            headers=build_hf_headers(token=token),
            expected_size=total,
            tqdm_class=silent_tqdm,
        )


def _verify(found: HfFileMetadata, partial: Path) -> None:
    """Refuse a download that is not what the hub announced. The ETag of a large file is its SHA-256."""
    etag, size = str(found.etag), partial.stat().st_size
    if size != found.size:
        problem = f"{size} bytes arrived instead of {found.size}"
    elif len(etag) == 64 and (digest := sha256_of(partial)) != etag:
        problem = f"its SHA-256 is {digest}, announced was {etag}"
    else:
        return
    partial.unlink()
    raise UserError(
        f"{found.location}: what arrived is not what the hub announced ({problem}); fetch it again"
    )


def _advice(error: Exception) -> str:
    """Return what went wrong and what to do, as part of one sentence."""
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"no space is left at {cache_folder()}; free some or let HF_HUB_CACHE name another disk"
    if isinstance(error, (EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError)):
        return "the hub has no such repository, revision or file; check `repo`, `revision` and `filename`"
    if isinstance(error, OSError) and "Consistency check" in str(error):
        return "the connection ended before the file did; fetch again, it goes on from there"
    return str(error).strip().split("\n")[0] or type(error).__name__


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, computed once per process as long as size and time of change stay."""
    stat = path.stat()
    return _sha256(path.resolve(), stat.st_size, stat.st_mtime_ns)


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
