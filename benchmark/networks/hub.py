"""Files of the Hugging Face hub: where they lie on this disk, and whether the hub would give them.

They lie in the hub's own cache (``HF_HUB_CACHE``, ``HF_HOME``), so that other programs find them. The environment
is read when it is asked for, not when huggingface_hub is imported.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import UserError

if TYPE_CHECKING:
    from huggingface_hub.file_download import HfFileMetadata

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

        file = try_to_load_from_cache(
            self.repo, self.filename, cache_dir=cache_folder(), revision=self.revision
        )
        return Path(file) if isinstance(file, str) else None

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

    if folder := os.environ.get("HF_HUB_CACHE"):
        return Path(folder).expanduser()
    home = os.environ.get("HF_HOME")
    return Path(home).expanduser() / "hub" if home else Path(constants.HF_HUB_CACHE)


def offline() -> bool:
    """Say whether ``HF_HUB_OFFLINE`` forbids the network."""
    from huggingface_hub import constants

    said = os.environ.get("HF_HUB_OFFLINE", "").upper()
    return constants.HF_HUB_OFFLINE or said in {"1", "ON", "YES", "TRUE"}


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
        error = _within_deadline(lambda: metadata(file, DECISION_SECONDS))
        if error is None or hasattr(error, "response") or isinstance(error, UserError):
            return advice(error) if error else ""
        _silent[address] = f"{address} does not answer ({advice(error)})"
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


def metadata(file: HubFile, timeout: float) -> HfFileMetadata:
    """Return what the hub says of `file`. Raises what huggingface_hub raises, `UserError` for another server."""
    from huggingface_hub import get_hf_file_metadata

    announced = get_hf_file_metadata(file.url, timeout=timeout, endpoint=endpoint())
    if not announced.etag or not announced.commit_hash or announced.size is None:
        raise UserError(
            f"{file.url}: what answers is not a hub: a portal or proxy stands between; check HF_ENDPOINT"
        )
    return announced


def advice(error: Exception) -> str:
    """Return what went wrong and what to do, as part of one sentence."""
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"no space is left at {cache_folder()}; free some or let HF_HUB_CACHE name another disk"
    if isinstance(error, (EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError)):
        return "the hub has no such repository, revision or file; check `repo`, `revision` and `filename`"
    if isinstance(error, OSError) and "Consistency check" in str(error):
        return "the connection ended before the file did; fetch again, it goes on from there"
    return str(error).strip().split("\n")[0] or type(error).__name__
