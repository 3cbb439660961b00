"""Downloads from the hub that go on where they stopped, also in the next process.

The download is ours because huggingface_hub, since 1.0, starts at the first byte again when its process ended.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmark.errors import UserError
from benchmark.networks.hub import HubFile, advice, cache_folder, endpoint, metadata, offline

if TYPE_CHECKING:
    from huggingface_hub.file_download import HfFileMetadata

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes there will be."""


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
        announced = metadata(file, 10.0)
        blob = file.folder / "blobs" / str(announced.etag)
        if not blob.exists():
            _download_blob(announced, blob, progress)
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
        raise UserError(f"{file}: not fetched: {advice(error)}") from error


def _download_blob(announced: HfFileMetadata, blob: Path, progress: Progress | None) -> None:
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    blob.parent.mkdir(parents=True, exist_ok=True)
    partial = blob.with_name(f"{blob.name}.cacbench.incomplete")
    with WeakFileLock(partial.with_suffix(".lock")):
        if blob.exists():
            return
        _append_rest(announced, partial, progress)
        _verify(announced, partial)
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


def _append_rest(announced: HfFileMetadata, partial: Path, progress: Progress | None) -> None:
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]
    from huggingface_hub.utils.tqdm import silent_tqdm

    total = announced.size or 0
    # A token is for the hub, not for the store of files it may redirect to.
    token = None if urlsplit(announced.location).netloc == urlsplit(endpoint()).netloc else False
    with _Watched(partial, total, progress) as file:
        here = file.tell()
        if here > total:
            here = file.truncate(0)
        if shutil.disk_usage(partial.parent).free < total - here:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        http_get(
            announced.location,
            file,
            resume_size=here,
            headers=build_hf_headers(token=token),
            expected_size=total,
            tqdm_class=silent_tqdm,
        )


def _verify(announced: HfFileMetadata, partial: Path) -> None:
    """Refuse a download that is not what the hub announced. The ETag of a large file is its SHA-256."""
    etag, size = str(announced.etag), partial.stat().st_size
    if size != announced.size:
        problem = f"{size} bytes arrived instead of {announced.size}"
    elif len(etag) == 64 and (digest := sha256_of(partial)) != etag:
        problem = f"its SHA-256 is {digest}, announced was {etag}"
    else:
        return
    partial.unlink()
    raise UserError(
        f"{announced.location}: what arrived is not what the hub announced ({problem}); fetch it again"
    )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, computed once per process as long as size and time of change stay."""
    stat = path.stat()
    return _sha256(path.resolve(), stat.st_size, stat.st_mtime_ns)


@cache
def _sha256(path: Path, size: int, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
