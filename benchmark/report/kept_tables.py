"""A study's tables, kept in the store: what was resampled for them ten thousand times need not be so again."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import fields, replace

import pandas as pd

from benchmark.execution.environment import versions
from benchmark.execution.store import Codec, Store
from benchmark.pipeline.results import StudyResult
from benchmark.plugins.fingerprint import code_digest, digest_of
from benchmark.report.tables import all_tables

Tables = dict[str, pd.DataFrame]


def tables_of(result: StudyResult, store: Store) -> Tables:
    """Return every table of a study, see `all_tables`: those of a result that was the same, or made now and kept.

    Tables are made of what their key is made of, and of nothing else that the result holds.
    """
    decisive = _decisive(result)
    key = _key(decisive)
    kept: Tables | None = store.get("tables", key, TABLES)
    if kept is not None:
        return kept
    tables = all_tables(decisive)
    if all(_comes_back(table) for table in tables.values()):
        store.put("tables", key, tables, TABLES)
    return tables


def _decisive(result: StudyResult) -> StudyResult:
    """Return the result without what no table tells: models, features, seconds and what was done just now."""
    features = replace(result.features, tables={}, activations={}, seconds={}, computed=0)
    return replace(result, features=features, models={}, fitted=0)


def _key(result: StudyResult) -> str:
    """Return the SHA-256 of the study, what came out of it, the code that makes tables and the libraries.

    Pickled bytes are hashed, and neither kept nor read. Should equal results have others, tables are made once more.
    """
    study = result.study
    plug_ins = (plug_in for run in result.all_runs() for plug_in in study.plugins_of(run).values())
    came_out = _Hash()
    pickle.Pickler(came_out).dump(
        [getattr(result, each.name) for each in fields(result) if each.name != "study"]
    )
    return digest_of(
        {
            "study": study.model_dump(mode="json", serialize_as_any=True),
            "plug-ins": [plug_in.fingerprint() for plug_in in plug_ins],
            "result": came_out.hexdigest(),
            "code": code_digest(__name__),
            "libraries": versions(),
        }
    )


class _Hash:
    """A file that keeps of what is written the SHA-256 alone."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.hexdigest = self._sha256.hexdigest

    def write(self, content: bytes) -> None:
        self._sha256.update(content)


def _parquet(table: pd.DataFrame) -> bytes:
    written = io.BytesIO()
    table.to_parquet(written)
    return written.getvalue()


def _comes_back(table: pd.DataFrame) -> bool:
    """Say whether a table is the same when it is read again: types, values to the last bit, and index."""
    try:
        again = pd.read_parquet(io.BytesIO(_parquet(table)))
        pd.testing.assert_frame_equal(table, again, check_exact=True)
    except (AssertionError, TypeError, ValueError, NotImplementedError, OverflowError):  # of mixed columns
        return False
    return True


def _encoded(tables: Mapping[str, pd.DataFrame]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        for name, table in tables.items():
            files.writestr(zipfile.ZipInfo(name), _parquet(table))
    return archive.getvalue()


def _decoded(content: bytes) -> Tables:
    with zipfile.ZipFile(io.BytesIO(content)) as files:
        return {name: pd.read_parquet(io.BytesIO(files.read(name))) for name in files.namelist()}


TABLES = Codec("zip", _encoded, _decoded)
"""Tables by name, a Parquet file each."""
