"""What an audit says of each protocol: its value, its optimism, what it finds in permuted labels, and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pandas as pd

from benchmark.analyses.leakage.control import PermutedControl
from benchmark.analyses.leakage.variants import Variant
from benchmark.statistics.intervals.alignment import align_cases
from benchmark.statistics.intervals.bootstrap import Resampled, Resampling, bca_interval, resample

METRICS = ("balanced_accuracy", "accuracy")
Verdict = Literal["leaks", "confounded", "silent"]


class Estimate(NamedTuple):
    """A number with the ends of its 95 % BCa interval, patients resampled."""

    value: float
    low: float
    high: float


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
            **_columns("accuracy", self.accuracy),
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
    resampled_variants = resample(methods, aligned.label, METRICS, Resampling(seed=seed))
    resampled = dict(zip(names, resampled_variants, strict=True))
    return [
        Finding(
            run,
            variant,
            _estimate(resampled[variant.name], 0),
            _estimate(resampled[variant.name], 1),
            _optimism(variant, resampled),
            controls[variant.name],
        )
        for variant in variants
    ]


def _optimism(variant: Variant, resampled: Mapping[str, Resampled]) -> Estimate | None:
    if variant.against is None:
        return None
    difference = _estimate(resampled[variant.name] - resampled[variant.against], 0)
    return Estimate(*(100 * number for number in difference))


def _estimate(resampled: Resampled, place: int) -> Estimate:
    value = float(resampled.value[place])
    low, high = bca_interval(
        value, resampled.replicates[:, place], resampled.jackknife[:, place], resampled.label
    )
    return Estimate(value, low, high)


def _columns(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    value, low, high = estimate or (None, None, None)
    return {name: value, f"{name}_low": low, f"{name}_high": high}
