"""Whether a Dask cluster still does anything: without asking one would wait for it for ever."""

from __future__ import annotations

import sys
import time
from typing import Any

PATIENCE_S = 40.0
"""How long no worker may be there, in seconds: one that is started again is back by then."""
_KEPT = "what was finished is kept: start {} again and run again"


class ClusterWatch:
    """Watches a scheduler and its workers through a `distributed.Client`."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address
        self._seen: float | None = None
        if not self.workers():
            print(f"cacbench: --dask {address}: no worker yet; waiting for one", file=sys.stderr)

    def workers(self) -> int:
        """Return how many workers there are."""
        count = len(self._client.nthreads())
        if count:
            self._seen = time.monotonic()
        return count

    def lost(self) -> str:
        """Return why nothing will be done any more; empty while something may be."""
        if self._client.status != "running":
            return f"--dask {self._address}: the scheduler is gone; {_KEPT.format('it')}"
        try:
            there = self.workers()
        except Exception:  # a connection can break in as many ways as there are kinds of it
            return f"--dask {self._address}: the scheduler is gone; {_KEPT.format('it')}"
        if there or self._seen is None or time.monotonic() - self._seen < PATIENCE_S:
            return ""
        return f"--dask {self._address}: no worker is left for {PATIENCE_S:.0f} s; {_KEPT.format('one')}"
