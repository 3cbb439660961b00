"""What an audit says of each protocol: its value, its optimism, what it finds in permuted labels, and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pandas as pd

from benchmark.analyses.leakage.control import PermutedControl
from benchmark.analyses.leakage.variants import Variant
from benchmark.statistics.intervals.alignment import align_cases
from benchmark.statistics.intervals.bootstrap import Predicted, Resampled, Resampling, bca_interval, resample
from benchmark.statistics.intervals.degenerate import shown_interval

METRICS = ("balanced_accuracy", "accuracy")
Verdict = Literal["leaks", "confounded", "silent"]


class Estimate(NamedTuple):
    """A number with the ends of its 95 % interval, patients resampled, or by another method where that says nothing."""

    value: float
    low: float
    high: float
    method: str = "bca"


@dataclass(frozen=True)
class Finding:
    """What one protocol gave for one run."""

    run: str
    variant: Variant
    balanced_accuracy: Estimate
    accuracy: Estimate
    optimism: Estimate | None
    """Balanced accuracy above that of the protocol it is measured against, in percentage points, paired by patient."""
    control: PermutedControl

    @property
    def verdict(self) -> Verdict:
        """``leaks`` by the rule of `PermutedControl`, ``confounded`` by `exceeded_by` of what it finds."""
        if self.control.leaks:
            return "leaks"
        if self.variant.shows_confounding and self.control.exceeded_by(self.balanced_accuracy.value):
            return "confounded"
        return "silent"

    @property
    def sentence(self) -> str:
        """What was done and what follows from it."""
        what = self.variant.what
        return f"{what[0].upper()}{what[1:]}: {self._conclusion()}."

    def _conclusion(self) -> str:
        control, variant = self.control, self.variant
        if self.verdict == "leaks":
            evidence = (
                f"finds {control.mean:.3f} in labels that mean nothing, where chance is {control.chance:.3f}"
            )
            remedy = (
                "look for a leak, and audit with more permutations: one sound protocol in twenty is flagged"
            )
            if variant.sound or variant.needs_diagnostics:
                return f"{evidence}: {remedy}"
            points = f"{self.optimism.value:+.1f} points; it " if self.optimism else ""
            return f"{points}{evidence}: its number cannot be trusted"
        if self.verdict == "confounded":
            return "they tell the true labels better than permuted ones, so the cohort is confounded"
        if variant.shows_confounding:
            return "they tell the true labels no better than permuted ones"
        if self.optimism is None:
            return "finds nothing in permuted labels, as it should"
        blind = "permuted labels cannot show this leak, read `diagnostics alone`"
        small = "the leak is too small for this many permutations to show"
        return f"{self.optimism.value:+.1f} points; {blind if variant.needs_diagnostics else small}"

    def row(self) -> dict[str, Any]:
        """Return all of it as plain values under the names of the table's columns; None where there is none."""
        low, high = self.control.interval
        return {
            "run": self.run,
            "protocol": self.variant.name,
            "sound": self.variant.sound,
            **_columns("balanced_accuracy", self.balanced_accuracy),
            "balanced_accuracy_method": self.balanced_accuracy.method,
            **_columns("accuracy", self.accuracy),
            "accuracy_method": self.accuracy.method,
            "against": self.variant.against,
            **_columns("optimism_points", self.optimism),
            **_columns("permuted", Estimate(self.control.mean, low, high)),
            "permuted_bound": self.control.bound,
            "chance": self.control.chance,
            "verdict": self.verdict,
            "sentence": self.sentence,
        }


def assess(
    run: str,
    variants: Sequence[Variant],
    predictions: pd.DataFrame,
    controls: Mapping[str, PermutedControl],
    seed: int,
) -> list[Finding]:
    """Return one finding per variant. `predictions` names the variant in column ``run``; all share their cases."""
    names = [variant.name for variant in variants]
    aligned = align_cases(predictions, names, METRICS)
    methods = [aligned.runs[name] for name in names]
    resampled_variants = resample(methods, aligned.label, METRICS, Resampling(seed=seed), aligned.patient)
    resampled = dict(zip(names, resampled_variants, strict=True))
    return [
        Finding(
            run,
            variant,
            _estimate(resampled[variant.name], 0, aligned.runs[variant.name]),
            _estimate(resampled[variant.name], 1, aligned.runs[variant.name]),
            _optimism(variant, resampled),
            controls[variant.name],
        )
        for variant in variants
    ]


def _optimism(variant: Variant, resampled: Mapping[str, Resampled]) -> Estimate | None:
    if variant.against is None:
        return None
    difference = resampled[variant.name] - resampled[variant.against]
    value = float(difference.value[0])
    low, high = bca_interval(
        value, difference.replicates[:, 0], difference.jackknife[:, 0], difference.stratum
    )
    return Estimate(100 * value, 100 * low, 100 * high)


def _estimate(resampled: Resampled, place: int, method: Predicted) -> Estimate:
    found = shown_interval(METRICS[place], resampled, place, method)
    return Estimate(float(resampled.value[place]), found.low, found.high, found.method)


def _columns(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    value, low, high = estimate[:3] if estimate else (None, None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}
