"""Ranking several methods over several cohorts or scanners: Friedman's test with Nemenyi's comparisons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of methods (rank 1 is best) over `cohorts` cohorts.

    `statistic` and `p` are Friedman's; `nemenyi` (methods × methods) holds the p-values of all pairs and
    `critical_difference` the difference of mean ranks that is significant at `alpha`.
    """

    mean_ranks: pd.Series
    cohorts: int
    statistic: float | None
    p: float
    nemenyi: pd.DataFrame
    critical_difference: float
    alpha: float
    note: str = ""

    def groups(self) -> list[list[str]]:
        """Return the maximal groups of methods, best first, whose mean ranks differ less than the critical one."""
        ranks = self.mean_ranks.sort_values(kind="stable")
        groups: list[list[str]] = []
        for start, rank in enumerate(ranks):
            members = list(ranks.index[start:][ranks.iloc[start:] - rank < self.critical_difference])
            if len(members) > 1 and not (groups and set(members) <= set(groups[-1])):
                groups.append(members)
        return groups


def rank_methods(scores: pd.DataFrame, *, alpha: float = 0.05, higher_is_better: bool = True) -> Ranking:
    """Rank the methods (columns) within each cohort (row) of `scores`, ties sharing their mean rank.

    Friedman's chi-squared with tie correction (`scipy.stats.friedmanchisquare`); Nemenyi's differences from the
    studentized range, Demšar 2006, JMLR 7:1-30, section 3.2. Raises `ValueError` for fewer than three methods or
    two cohorts, or a missing score.
    """
    cohorts, methods = scores.shape
    if methods < 3:
        raise ValueError(
            f"{methods} methods: Friedman's test ranks three or more; compare two with `compare_all`"
        )
    if cohorts < 2:
        raise ValueError(f"{cohorts} cohort: ranking over cohorts needs at least two")
    if not np.isfinite(scores.to_numpy(dtype=float)).all():
        raise ValueError("a score is missing: every method needs one in every cohort")
    ranks = scores.round(12).rank(axis=1, ascending=not higher_is_better)
    mean_ranks = ranks.mean()
    standard_error = np.sqrt(methods * (methods + 1) / (6 * cohorts))
    note, statistic, p = "all methods tie in every cohort", None, 1.0
    if (ranks.nunique(axis=1) > 1).any():
        friedman = stats.friedmanchisquare(*ranks.to_numpy().T)
        note, statistic, p = "", float(friedman.statistic), float(friedman.pvalue)
    gaps = np.abs(np.subtract.outer(mean_ranks.to_numpy(), mean_ranks.to_numpy())) / standard_error
    nemenyi = stats.studentized_range.sf(gaps * np.sqrt(2), methods, np.inf)
    needed = stats.studentized_range.ppf(1 - alpha, methods, np.inf) / np.sqrt(2) * standard_error
    return Ranking(
        mean_ranks,
        cohorts,
        statistic,
        p,
        pd.DataFrame(np.clip(nemenyi, 0, 1), scores.columns, scores.columns),
        float(needed),
        alpha,
        note,
    )
