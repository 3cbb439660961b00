"""The regression check: whether a finished study still gives the headline numbers that were agreed on."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.errors import UserError
from benchmark.evaluation.case_filter import EVERY
from benchmark.execution.environment import machine, versions
from benchmark.execution.store import json_text, write_atomically
from benchmark.pipeline.results import StudyResult, tally
from benchmark.plugins.base import with_nested
from benchmark.plugins.fingerprint import digest_of
from benchmark.study.parameters import parameters_of
from benchmark.study.study import Run, Study

DECLARED = "study.yaml"
"""In a finished study's folder: the study file as it was read."""
HEADLINE_METRICS = ("accuracy", "sensitivity", "specificity", "f1", "roc_auc", "macro_f1", "quadratic_kappa")


def facts_of(result: StudyResult, summary: pd.DataFrame) -> dict[str, Any]:
    """Return what a program wants to know of a finished study, as JSON: ``results/<study>/study.json``."""
    target = result.study.target
    codes = target.codes(result.features.cases.loc[result.case_ids])
    return {
        "study": result.study.name,
        "cases": len(result.case_ids),
        "tested": result.tested,
        "patients": int(result.features.cases.loc[result.case_ids, "patient"].nunique()),
        "target": target.use,
        "labels": {name: int((codes == code).sum()) for code, name in enumerate(target.classes)},
        "excluded": len({item.case_id for item in result.features.exclusions}),
        "why_excluded": why_excluded(result),
        "anomalies": _anomalies(result),
        "protocol": _describe(result),
        "reference": result.reference_run,
        "runs": {
            str(run): {
                str(row["metric"]): {
                    "value": row["value"],
                    **{end: None if pd.isna(row[end]) else row[end] for end in ("low", "high")},
                    "method": row["method"],
                }
                for row in rows.to_dict("records")
            }
            for run, rows in summary.groupby("run", sort=False)
        },
        "without_result": result.failed,
        "made_of": {run.name: made_of(result.study, run) for run in result.all_runs()},
        "seconds_per_case": {name: round(value, 3) for name, value in result.features.seconds.items()},
        "weights": _weights(result),
        "cohort_hash": cohort_hash(result),
        "parameters": parameters_of(result.study),
        "overrides": result.study.overrides,
        "versions": versions(),
        "processor": machine()["processor"],
    }


def why_excluded(result: StudyResult) -> str:
    """Return the reasons of exclusion with their counts, a case counted once for each."""
    once = {(item.case_id, item.stage, item.reason): item for item in result.features.exclusions}
    return tally(list(once.values()))


def made_of(study: Study, run: Run) -> dict[str, dict[str, str]]:
    """Return what a run's plug-ins are here, by kind: their fingerprint, and their precision where they have one."""
    return {
        kind: {"fingerprint": plugin.fingerprint(), "precision": str(getattr(plugin, "precision", ""))}
        for kind, plugin in study.plugins_of(run).items()
    }


def cohort_hash(result: StudyResult) -> str:
    """Return a hash of the cohort as the runs saw it: case ids, labels and groups."""
    return digest_of(result.features.cases.reset_index().astype(str).to_dict("list"))


def _weights(result: StudyResult) -> dict[str, str]:
    """Return the digests of the weights behind the runs, by what the study calls the plug-in.

    A plug-in's own digest goes before those of the plug-ins within it: of several files it knows all.
    """
    found: dict[str, str] = {}
    for run in result.all_runs():
        for kind, plugin in result.study.plugins_of(run).items():
            for part in with_nested(plugin):
                if digest := part.weights_digest():
                    found.setdefault(result.study.names_of(run)[kind], digest)
    return found


def _anomalies(result: StudyResult) -> dict[str, int]:
    """Return how often each kind was met; of a segmenter's warnings with its name and the severity."""
    said = {"info": "note", "notable": "notable warning", "severe": "severe warning"}
    counts = Counter(
        f"{said[row['severity']]} of {row['segmenter']}: {row['anomaly']}"
        if row["segmenter"]
        else row["anomaly"]
        for row in result.features.anomalies.to_dict("records")
    )
    return dict(sorted(counts.items()))


def read_facts(folder: Path) -> dict[str, Any]:
    """Read what a finished study left in its folder. Raises `UserError` where it did not finish."""
    file = folder / "study.json"
    try:
        return dict(json.loads(file.read_text()))
    except FileNotFoundError:
        raise UserError(f"{file}: there is no finished study; run `cacbench run` first") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{file}: not valid JSON ({error}); run `cacbench run` again") from None


def headline_of(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the entry that guards a study: values and tolerances, and what they are of and were made with.

    The tolerance is half the width of the metric's own 95 % interval: a change that resampling the
    patients would not produce. Numbers on the same machine and versions repeat exactly; the tolerance is for others:
    networks and BLAS sum in the order that suits a processor, and a last digit can turn a split of a tree.
    """
    return {
        "cases": facts["cases"],
        "excluded": facts["excluded"],
        "runs": {
            run: {
                metric: {
                    "value": round(metrics[metric]["value"], 6),
                    "tolerance": round(_half_width(metrics[metric]), 6),
                }
                for metric in HEADLINE_METRICS
                if metrics.get(metric, {}).get("value") is not None
            }
            for run, metrics in facts["runs"].items()
        },
        "cohort_hash": facts["cohort_hash"],
        "folds": _folds(facts),
        "versions": facts["versions"],
        "processor": facts["processor"],
    }


def _folds(facts: dict[str, Any]) -> str:
    """Return a hash of what decides the folds, and who trains and is tested in them."""
    parameters = facts["parameters"].items()
    return digest_of(
        {name: value for name, value in parameters if name == "seed" or name.startswith("protocol.")}
    )


def _half_width(found: dict[str, Any]) -> float:
    """Return half the width of a metric's interval; 0 where none is estimable, so that nothing but the value holds."""
    return 0.0 if found["low"] is None else float(found["high"] - found["low"]) / 2


def compare_with_headline(facts: dict[str, Any], file: Path) -> pd.DataFrame:
    """Return one row per guarded number: run, metric, expected, tolerance, found, ok.

    Raises `UserError` when the file does not guard this study.
    """
    guarded = _guarded(facts, file)
    rows: list[tuple[Any, ...]] = [
        ("(all)", name, guarded[name], 0, facts[name], guarded[name] == facts[name])
        for name in ("cases", "excluded")
    ]
    for run, metrics in guarded["runs"].items():
        measured = facts["runs"].get(run, {})
        for metric, expected in metrics.items():
            value = measured.get(metric, {}).get("value")
            near = value is not None and abs(value - expected["value"]) <= expected["tolerance"]
            rows.append((run, metric, expected["value"], expected["tolerance"], value, near))
    return pd.DataFrame(rows, columns=["run", "metric", "expected", "tolerance", "found", "ok"])


def made_elsewhere(facts: dict[str, Any], file: Path) -> str:
    """Return what this study was made with that differs from what made the guarded numbers; empty if nothing does.

    Raises `UserError` when the file does not guard this study.
    """
    guarded = _guarded(facts, file)
    now, before = facts["versions"], guarded["versions"]
    # Entries of before know neither cohort nor folds.
    said = {"another cohort": ("cohort_hash", facts["cohort_hash"])}
    said["other folds (`seed` or `protocol`)"] = ("folds", _folds(facts))
    other = [what for what, (key, here) in said.items() if guarded.get(key, here) != here]
    other += [
        f"{name} {now.get(name, 'absent')} (guarded: {before.get(name, 'absent')})"
        for name in sorted(now.keys() | before.keys())
        if now.get(name) != before.get(name)
    ]
    if (here := facts.get("processor")) != (there := guarded.get("processor")):
        other.append(f"another processor, {here or 'unknown'} (guarded: {there or 'unknown'})")
    return ", ".join(other)


def update_headline(facts: dict[str, Any], file: Path) -> None:
    """Make this study's numbers the guarded ones; other studies' entries stay."""
    content = _read(file) if file.exists() else {}
    content[facts["study"]] = headline_of(facts)
    write_atomically(file, json_text(content, sort_keys=True).encode())


def _guarded(facts: dict[str, Any], file: Path) -> dict[str, Any]:
    guarded = _read(file).get(facts["study"])
    if guarded is None:
        raise UserError(
            f"{file}: does not guard study {facts['study']}; add it with `cacbench check --update`"
        )
    return dict(guarded)


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text()))
    except FileNotFoundError:
        raise UserError(f"{file}: no headline file; make one with `cacbench check --update`") from None
    except (json.JSONDecodeError, TypeError) as error:
        raise UserError(f"{file}: not a headline file ({error}); restore it from version control") from None


def _describe(result: StudyResult) -> str:
    protocol = result.study.protocol
    split = {
        "stratified": f"stratified {protocol.folds}-fold cross-validation",
        "grouped": f"stratified {protocol.folds}-fold cross-validation of whole groups",
        "leave_one_group_out": "cross-validation leaving one group out",
        "fixed": "fixed split",
        "frozen": "cross-validation with folds from a file",
    }[protocol.split]
    parts = [f"{'nested' if protocol.selection == 'nested' else 'flat (optimistic)'} {split}"]
    parts += [f"{protocol.repeats} repeats"] if protocol.repeats > 1 else []
    parts += ["labels permuted"] if protocol.permute_labels else []
    parts += [f"threshold by {protocol.threshold}"] if protocol.threshold != "half" else []
    if (protocol.train_on, protocol.test_on) != (EVERY, EVERY):
        parts.append(f"trained on {protocol.train_on}, tested on {protocol.test_on}")
    return ", ".join(parts)
