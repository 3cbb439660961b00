"""What a study predicts of a case: calcium or none, or the band of its Agatston score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, field_validator

from benchmark.errors import UserError
from benchmark.plugins.declaration import Declaration, did_you_mean
from benchmark.statistics.intervals.classes import CLASS_METRICS
from benchmark.statistics.metrics.scores import METRICS

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from benchmark.plugins import Classifier


class _Target(Declaration, ABC):
    @property
    @abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their codes from 0 up."""

    @property
    @abstractmethod
    def metrics(self) -> tuple[str, ...]:
        """The metrics that are defined for it, all of which are reported."""

    @property
    @abstractmethod
    def column(self) -> str:
        """The column of the cases that it derives from."""

    @abstractmethod
    def codes(self, cases: pd.DataFrame) -> NDArray[np.intp]:
        """Return each case's class code, (n,), from the columns label and cac_score. Raises `UserError`."""

    def learner(self, classifier: Classifier) -> Classifier:
        """Return the classifier as it learns this target."""
        return classifier

    @property
    def binary(self) -> bool:
        """Whether there are two classes, so that a probability has a threshold and an AUC."""
        return len(self.classes) == 2


class Nonzero(_Target):
    """The cohort's label: 1 for calcium, 0 for none."""

    use: Literal["nonzero"] = "nonzero"

    @property
    def classes(self) -> tuple[str, ...]:
        """Zero and non-zero."""
        return ("zero", "nonzero")

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of a binary target."""
        return METRICS

    @property
    def column(self) -> str:
        """The label."""
        return "label"

    def codes(self, cases: pd.DataFrame) -> NDArray[np.intp]:
        """Return the labels. Raises `UserError` for a case without one."""
        return _known(cases, self.column, "`label` or `cac_score`").to_numpy(dtype="intp")


class AgatstonBands(_Target):
    """The band of the cohort's Agatston score. A score on a limit is in the lower band: 10 is in 1–10."""

    use: Literal["bands"] = "bands"
    upper: tuple[float, ...] = Field(
        (0, 10, 100, 400), min_length=1, max_length=20, description="highest score of every band but the last"
    )
    ordinal: bool = Field(
        True, description="learn the bands' order (one model per limit, Frank and Hall 2001); false: nominal"
    )

    @field_validator("upper")
    @classmethod
    def _rising(cls, upper: tuple[float, ...]) -> tuple[float, ...]:
        if upper[0] < 0 or any(low >= high for low, high in pairwise(upper)):
            raise ValueError("must rise from 0 or above, as [0, 10, 100, 400] does")
        return upper

    @property
    def classes(self) -> tuple[str, ...]:
        """Names such as 0, 1-10, 11-100, 101-400, >400."""
        first, last = self.upper[0], self.upper[-1]
        names = [f"{low + 1:g}-{high:g}" for low, high in pairwise(self.upper)]
        return ("0" if first == 0 else f"0-{first:g}", *names, f">{last:g}")

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of classes; two bands are a target of classes, too."""
        return CLASS_METRICS

    @property
    def binary(self) -> bool:
        """No: the bands are classes even where there are two of them."""
        return False

    @property
    def column(self) -> str:
        """The Agatston score."""
        return "cac_score"

    def codes(self, cases: pd.DataFrame) -> NDArray[np.intp]:
        """Return the bands' codes. Raises `UserError` for a case whose score is not known."""
        import numpy as np

        scores = _known(cases, self.column, "`cac_score`").to_numpy(dtype=float)
        return np.searchsorted(np.asarray(self.upper, dtype=float), scores, side="left").astype(np.intp)

    def learner(self, classifier: Classifier) -> Classifier:
        """Return the classifier, around it one model per limit where the order is to be learnt."""
        from benchmark.evaluation.learners.ordinal import Ordinal

        return Ordinal(classifier=classifier) if self.ordinal and len(self.upper) > 1 else classifier


def _by_name(spec: Any) -> Any:
    declared = {"use": spec} if isinstance(spec, str) else spec
    if isinstance(declared, dict) and declared.get("use") not in (known := ("nonzero", "bands")):
        raise ValueError(
            f"{declared.get('use')!r} names no target; {did_you_mean(str(declared.get('use')), known)}"
        )
    return declared


Target = Annotated[Nonzero | AgatstonBands, Discriminator("use"), BeforeValidator(_by_name)]


def _known(cases: pd.DataFrame, column: str, remedy: str) -> pd.Series:
    values = cases[column]
    if values.isna().any():
        first = values.index[values.isna()][0]
        raise UserError(
            f"case {first} has no {column.replace('cac_score', 'Agatston score')}: give the cohort {remedy}"
        )
    return values
