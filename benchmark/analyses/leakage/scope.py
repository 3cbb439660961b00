"""What an audit looks at: which studies, which of their runs, and the diagnostics of the runs' scans."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmark.errors import UserError
from benchmark.pipeline.plan import EvaluationPlan
from benchmark.pipeline.results import Features
from benchmark.plugins.declaration import did_you_mean
from benchmark.plugins.registry import build
from benchmark.study.extraction import Extraction
from benchmark.study.study import Run, Study


def refuse_unfit(study: Study, permutations: int) -> None:
    """Raise `UserError` for a study whose protocol leaves nothing to audit."""
    protocol = study.protocol
    if permutations < 2:
        raise UserError(f"--permutations {permutations}: an interval needs 2 or more, 10 are usual")
    if protocol.permute_labels:
        raise UserError(
            f"{study.name}: `permute_labels` is on, and the audit permutes labels itself: leave it out of the protocol"
        )
    if protocol.selection == "flat":
        raise UserError(
            f"{study.name}: declares `selection: flat`, one of the leaks that the audit measures: declare nested, the "
            "audit evaluates flat beside it"
        )
    if protocol.threshold != "half":
        raise UserError(
            f"{study.name}: `threshold: {protocol.threshold}` needs inner folds, which tuning on the test folds does "
            "without: audit the study with `threshold: half`"
        )


def chosen_runs(study: Study, names: Sequence[str]) -> list[Run]:
    """Return the named runs; default: the reference run, or the first where that cannot be made here."""
    known = {run.name: run for run in study.all_runs()}
    for name in names:
        if name not in known:
            raise UserError(f"--run {name}: {study.name} has no such run; {did_you_mean(name, list(known))}")
    if names:
        return [known[name] for name in dict.fromkeys(names)]
    candidates = [study.reference_run, *known]
    ready = (name for name in candidates if not study.why_unavailable(known[name]))
    return [known[next(ready, study.reference_run)]]


def with_diagnostics(study: Study, runs: list[Run]) -> Study:
    """Return the study of these runs alone, with the diagnostics of their segmenters' ROIs extracted beside.

    A run with ComBat is not audited by them.
    """
    extractor = build("feature_extractor", "image_diagnostics")
    declared = {name: item for run in runs for name, item in study.with_beside(run.extractor).items()}
    beside = {
        _diagnostics_name(item.segmenter): Extraction(segmenter=item.segmenter, extractor=extractor)
        for run in runs
        for item in [study.extractors[run.extractor]]
        if study.learner(run).batch_column is None
    }
    changes = {"extractors": declared | beside, "runs": tuple(run.name for run in runs)}
    return study.model_copy(update=changes)


def _diagnostics_name(segmenter: str) -> str:
    return f"diagnostics of {segmenter}"


def diagnostics_by_run(
    study: Study, plan: EvaluationPlan, features: Features
) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Return the diagnostics of the plan's cases by run, rows as its cases, and why a run must do without them."""
    diagnostics: dict[str, pd.DataFrame] = {}
    without: dict[str, str] = {}
    for run in plan.runs:
        if study.learner(run).batch_column is not None:
            diagnostics[run.name] = pd.DataFrame(index=plan.case_ids)
            continue
        name = _diagnostics_name(study.extractors[run.extractor].segmenter)
        table = features.tables[name]
        lacking = [case_id for case_id in plan.case_ids if case_id not in table.index]
        diagnostics[run.name] = table = table.reindex(plan.case_ids)
        if lacking:
            why = {item.case_id: item.reason for item in features.exclusions if item.excluded_from == name}
            without[run.name] = (
                f"{len(lacking)} of {len(table)} cases have no diagnostics, the first: {why[lacking[0]]}"
            )
        elif (table.nunique() < 2).all():
            without[run.name] = "every diagnostic is the same in all cases: they can tell nothing"
    return diagnostics, without
