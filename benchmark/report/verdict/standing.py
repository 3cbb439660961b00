"""Where methods and rules stand: skill with its interval, what may be claimed, who is tied with whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from benchmark.execution.seeds import derive_seed
from benchmark.pipeline.results import StudyResult
from benchmark.report.verdict.methods import RANKED_BY, Methods
from benchmark.statistics.comparison.claims import claim_all, rank_intervals, tied_groups
from benchmark.statistics.comparison.pairwise import Pair, compare_all
from benchmark.statistics.intervals.alignment import align_cases
from benchmark.statistics.intervals.bootstrap import Resampling, resample
from benchmark.statistics.intervals.headline import intervals_of
from benchmark.statistics.metrics.scores import decided_metric


def standing_tables(result: StudyResult, methods: Methods) -> dict[str, pd.DataFrame]:
    """Return ``methods`` (a row per method and rule, best first), ``skill`` (per run too) and ``claims``."""
    claims, skills = claims_of(result, methods), skill(result, methods)
    return {"methods": _standing(result, methods, claims, skills), "skill": skills, "claims": claims}


def claims_of(result: StudyResult, methods: Methods) -> pd.DataFrame:
    """Return what may be claimed of pairs of methods, in families that are adjusted each by itself.

    ``question``: the study's one, ``unanswered`` where one of the two has no result; ``reference``: all with the
    reference run's extractor; ``best rule``: all with it; ``all pairs``. Columns as of `claim_all`, and ``family``.
    """
    rope = result.study.comparisons.rope
    parts = [
        claim_all(methods.folds, methods.predictions, pairs, RANKED_BY, rope).assign(family=family)
        for family, pairs in _families(result, methods)
        if pairs
    ]
    asked = result.study.comparisons.asked
    if asked and not set(asked) <= set(methods.folds["run"]):
        unanswered = {"run": asked[0], "reference": asked[1], "finding": "unanswered", "family": "question"}
        parts.append(pd.DataFrame([unanswered]))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["family"])


def _families(result: StudyResult, methods: Methods) -> Iterator[tuple[str, list[Pair]]]:
    names, reference = methods.names, result.reference_run.partition("/")[0]
    asked = result.study.comparisons.asked
    there = set(methods.folds["run"])
    yield "question", [(asked[0], asked[1])] if asked and set(asked) <= there else []
    yield "reference", [(name, reference) for name in names if name != reference]
    yield "best rule", [(name, methods.best_rule) for name in names if methods.best_rule]
    yield "all pairs", [(a, b) for place, a in enumerate(names) for b in names[place + 1 :]]


def skill(result: StudyResult, methods: Methods) -> pd.DataFrame:
    """Return accuracy less that of the best rule for every method, rule and run, with the interval over patients.

    Columns run, best_rule, skill, low, high (BCa).
    """
    columns = ["run", "best_rule", "skill", "low", "high"]
    if not methods.best_rule:
        return pd.DataFrame(columns=columns)
    runs = [run.name for run in result.all_runs()]
    compared = compare_all(
        pd.concat([methods.folds, result.folds], ignore_index=True),
        pd.concat([methods.predictions, result.predictions], ignore_index=True),
        [(name, methods.best_rule) for name in [*_rows(methods), *runs] if name != methods.best_rule],
        [RANKED_BY],
        tests=("bootstrap_bca",),
        resampling=_resampling(result),
    )
    return compared.rename(columns={"reference": "best_rule", "difference": "skill"})[columns]


def _rows(methods: Methods) -> list[str]:
    return [*methods.names, *methods.rules]


def _resampling(result: StudyResult) -> Resampling:
    return Resampling(seed=derive_seed(result.study.seed, "methods"))


def _standing(
    result: StudyResult, methods: Methods, claims: pd.DataFrame, skills: pd.DataFrame
) -> pd.DataFrame:
    tables, ranks = _resampled(result, methods)
    rows = pd.DataFrame(_values(result, methods, tables))
    gained = skills.rename(columns={"run": "method", "low": "skill_low", "high": "skill_high"})
    rows = rows.merge(gained.drop(columns="best_rule"), on="method", how="left")
    rows = rows.assign(
        best_rule=methods.best_rule,
        group=rows["method"].map(_letters(methods, rows, claims)).fillna(""),
        rank_low=rows["method"].map(ranks["low"]).astype("Int64"),
        rank_high=rows["method"].map(ranks["high"]).astype("Int64"),
    )
    return rows.sort_values(RANKED_BY, ascending=False, kind="stable", ignore_index=True)


def _letters(methods: Methods, rows: pd.DataFrame, claims: pd.DataFrame) -> dict[str, str]:
    """Return the letters of methods that were not told apart, all pairs compared."""
    pairs = claims[claims["family"] == "all pairs"]
    apart = {
        frozenset((row["run"], row["reference"]))
        for row in pairs.to_dict("records")
        if row["finding"] in ("better", "worse")
    }
    return tied_groups(rows.set_index("method").loc[methods.names, RANKED_BY], apart)


def _values(
    result: StudyResult, methods: Methods, tables: Mapping[str, pd.DataFrame]
) -> Iterator[dict[str, object]]:
    """Yield each method's accuracy with its interval, other metrics pooled, and the AUC as mean of folds and pooled."""
    for name, table in tables.items():
        shown = table[table["shown"]].set_index("metric")
        values: dict[str, object] = {"method": name}
        values |= {metric: shown.loc[metric, "value"] for metric in shown.index}
        if "roc_auc" in result.study.target.metrics:
            values["roc_auc"] = methods.folds.loc[methods.folds["run"] == name, "roc_auc"].mean()
            values["roc_auc_pooled"] = _pooled_auc(methods.predictions[methods.predictions["run"] == name])
        values["kind"] = "rule" if name in methods.rules else "method"
        yield values | {f"{RANKED_BY}_{end}": shown.loc[RANKED_BY, end] for end in ("low", "high", "method")}


def _pooled_auc(predictions: pd.DataFrame) -> float:
    """Return the AUC over the cases of all folds together, the mean over repeats."""
    of_repeats = [
        decided_metric("roc_auc", *(rows[name].to_numpy() for name in ("label", "predicted", "score")))
        for _, rows in predictions.groupby("repeat")
    ]
    return sum(of_repeats) / len(of_repeats)


def _resampled(result: StudyResult, methods: Methods) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Return the intervals of every method and rule, and those of the methods' ranks."""
    metrics, names = [m for m in result.study.target.metrics if m != "roc_auc"], _rows(methods)
    case = align_cases(methods.predictions, names, [])
    drawn = resample(
        [case.runs[name] for name in names], case.label, metrics, _resampling(result), case.patient
    )
    tables = {
        name: intervals_of(case.runs[name], found, metrics) for name, found in zip(names, drawn, strict=True)
    }
    ranked = metrics.index(RANKED_BY)
    of_methods = dict(zip(names, drawn, strict=True))
    ranks = rank_intervals(
        pd.DataFrame({name: of_methods[name].replicates[:, ranked] for name in methods.names})
    )
    return tables, ranks
