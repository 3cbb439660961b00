"""Makes a finished study anew and says number by number what came out the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.analyses.reproduction.difference import made_otherwise, numbers_side_by_side
from benchmark.analyses.reproduction.held import Held, options_of
from benchmark.analyses.study_run import run
from benchmark.errors import UserError
from benchmark.execution.environment import git_commit
from benchmark.execution.progress import Progress, bars
from benchmark.execution.store import json_text, write_atomically
from benchmark.report.tracking.destination import tracking_uri
from benchmark.study.overrides import Overrides
from benchmark.study.reading import read_study
from benchmark.study.study import Study


@dataclass(frozen=True)
class Reproduction:
    """A study beside itself."""

    study: str
    held: str
    """Where the numbers before are kept."""
    numbers: pd.DataFrame
    """As of `numbers_side_by_side`."""
    otherwise: list[str]
    """What differs in what made them."""

    @property
    def moved(self) -> pd.DataFrame:
        """The numbers that differ."""
        return self.numbers[~self.numbers["same"]]

    def __str__(self) -> str:
        """Say in a sentence whether the numbers are the same."""
        total, moved = len(self.numbers), len(self.moved)
        if not moved:
            return f"{self.study}: all {total} numbers are the same as in {self.held}"
        return f"{self.study}: {moved} of {total} numbers are others than in {self.held}"

    def as_json(self) -> dict[str, Any]:
        """Return what a program wants to know."""
        different = self.moved.drop(columns="same").to_dict("records")
        return {
            "study": self.study,
            "held": self.held,
            "numbers": len(self.numbers),
            "different": different,
            "otherwise": self.otherwise,
        }


def declared_again(held: Held, out: Path, instead: Path | None) -> Study:
    """Return the study that was held, as it was read then, or the one of the file `instead`. Raises `UserError`.

    What was held is written below `out`, where results refer to it.
    """
    if held.results is not None and held.results.resolve() == out.resolve():
        raise UserError(f"--out {out}: holds the study itself, which would be replaced; name another folder")
    changes = Overrides(options_of(held.changes, "set"), options_of(held.changes, "only"))
    if instead is not None:
        study = read_study(instead, changes)
        if study.name != held.facts["study"]:
            raise UserError(
                f"{instead}: declares the study {study.name}; {held.where} holds {held.facts['study']}"
            )
        return study
    file = out / f"{held.facts['study']}.yaml"
    write_atomically(file, held.text.encode())
    return read_study(file, changes, held.base)


def reproduce(
    held: Held, study: Study, out: Path, jobs: int | None, progress: Progress = bars
) -> Reproduction:
    """Run a study anew into `out` and hold it against what was held. Nothing is logged elsewhere. Raises `UserError`.

    What the store in `out` holds already is not computed again.
    """
    done = run(study, out, jobs=jobs, force=True, tracking_uri=tracking_uri(out), progress=progress)
    now = json.loads(json_text(done.published.report.facts))
    return Reproduction(
        study.name,
        held.where,
        numbers_side_by_side(held.facts, now),
        made_otherwise(held.facts, now, (held.commit, git_commit())),
    )
