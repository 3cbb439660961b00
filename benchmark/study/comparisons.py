"""What a study compares: runs on metrics by tests, one question, and rules without learning as yardsticks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from benchmark.evaluation.protocol import Metric
from benchmark.plugins.declaration import Declaration, Once

EMBEDDINGS = "embeddings"
"""In a question: whichever embedding does best inside the training folds."""

Test = Literal[
    "paired_t",
    "nadeau_bengio",
    "wilcoxon",
    "five_by_two_f",
    "bayesian_correlated_t",
    "mcnemar",
    "delong",
    "bootstrap_percentile",
    "bootstrap_bca",
]


class Comparisons(Declaration):
    """What the runs are compared with, on which metrics, and by which tests."""

    reference: str | None = Field(
        None, description="the run all others are compared with; default: the first"
    )
    pairs: Annotated[tuple[tuple[str, str], ...] | None, Once] = Field(
        None, min_length=1, description="runs compared, [run, with which]; default: all with the reference"
    )
    metrics: Annotated[tuple[Metric, ...] | None, Once] = Field(
        None,
        min_length=1,
        description="compared by every test; default: accuracy and f1, of bands accuracy and quadratic_kappa",
    )
    tests: Annotated[tuple[Test, ...], Once] = Field(
        (
            "paired_t",
            "nadeau_bengio",
            "wilcoxon",
            "mcnemar",
            "delong",
            "bootstrap_bca",
            "bayesian_correlated_t",
        ),
        min_length=1,
        description="see docs/statistics.md for what each assumes and how often it errs",
    )
    family: Literal["study", "metric"] = Field(
        "metric",
        description="what p-values are adjusted over: all pairs and metrics of a test, or a metric's pairs",
    )
    rope: float = Field(0.01, gt=0, lt=1, description="half-width of practical equality in the Bayesian test")
    question: str | None = Field(
        None,
        pattern=r"^\S+ against \S+$",
        description="`A against B`, two extractors or `embeddings`: the one comparison the study is made for",
    )

    @property
    def asked(self) -> tuple[str, ...]:
        """The two methods of the question; none where none is asked."""
        return tuple(self.question.split(" against ")) if self.question else ()


class Yardsticks(Declaration):
    """Rules that learn nothing: what a method gains over the best of them is its skill."""

    segmenter: str | None = Field(
        None, description="whose region the rules look for calcium in; default: the reference run's"
    )
    truth: str | None = Field(
        "lesions", description="mask of the true calcium: the ceiling, where the cohort has it; null: none"
    )
