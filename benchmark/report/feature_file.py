"""Feature tables as one file for other tools."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from benchmark.errors import UserError
from benchmark.execution.store import write_atomically
from benchmark.pipeline.results import Features
from benchmark.table_file import csv_of

SUFFIXES = (".parquet", ".csv")


def check_suffix(file: Path) -> None:
    """Raise `UserError` unless the file's name says a format that can be written."""
    if file.suffix not in SUFFIXES:
        raise UserError(f"--out {file}: end the name in {' or '.join(SUFFIXES)}")


def write_features(features: Features, file: Path, *, prefixed: bool) -> None:
    """Write one row per case: what is known of it, covariates included, then the features.

    With `prefixed` a feature is called ``extraction:feature``, so that several tables fit into one file. Raises
    `UserError` where a covariate is called as a feature is.
    """
    tables = [table.add_prefix(f"{name}:") if prefixed else table for name, table in features.tables.items()]
    whole = pd.concat([features.cases, *tables], axis=1).reset_index()
    if (twice := whole.columns[whole.columns.duplicated()]).size:
        raise UserError(
            f"--out {file}: {twice[0]!r} is a covariate and a feature: call the covariate otherwise"
        )
    if file.suffix == ".csv":
        content = csv_of(whole).encode()
    else:
        buffer = io.BytesIO()
        whole.to_parquet(buffer, index=False)
        content = buffer.getvalue()
    write_atomically(file, content)
