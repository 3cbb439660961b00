"""Writes the report of a phantom from what is true of it. Another seed says the same in other words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.phantom.acquisition.scanner import Protocol
from benchmark.phantom.body.patient import Patient
from benchmark.phantom.heart.plaque import Disease
from benchmark.phantom.reports import phrases
from benchmark.phantom.reports.model import ReportModel, Style, Wording

HINTED = 0.3
"""Share of the reports that call calcium which also recommend what follows from it."""
DEGREES = ((100.0, "mild"), (400.0, "moderate"), (float("inf"), "extensive"))


@dataclass(frozen=True)
class Findings:
    """What a report may tell of: never the fold a case is in, nor its place in the cohort."""

    patient: Patient
    disease: Disease
    protocol: Protocol
    contrast: bool

    @property
    def sites(self) -> set[str]:
        """Where calcium lies outside the coronary arteries."""
        return {deposit.site.rpartition(" ")[2] for deposit in self.patient.deposits}


def write_report(findings: Findings, model: ReportModel, seed: int) -> str:
    """Return the report; empty for a scan without one."""
    rng = np.random.default_rng(seed)
    wording, style = model.draw(rng)
    if wording == "no_report":
        return ""
    says = _says_calcium(findings.disease, wording)
    coronary = _coronary(findings.disease, wording, says, rng)
    hint = [phrases.HINT] if says and rng.random() < HINTED else []
    found = [coronary, *_others(findings, rng)]
    return _laid_out(
        style, findings, [found[place] for place in rng.permutation(len(found))], coronary, hint, rng
    )


def _says_calcium(disease: Disease, wording: Wording) -> bool | None:
    """Return what a report says of the coronary calcium; None: nothing."""
    there = disease.agatston > 0
    return {"right": there, "contradicting": not there}.get(wording)


def _coronary(disease: Disease, wording: Wording, says: bool | None, rng: np.random.Generator) -> str:
    """Return the sentence about the coronary arteries; '' where they are passed over."""
    if says is None:
        return _one(rng, phrases.VAGUE if wording == "vague" else phrases.UNMENTIONED)
    if not says:
        return _one(rng, phrases.DENIED)
    score = disease.agatston or float(rng.integers(1, 100))  # of one that is not there
    degree = next(name for limit, name in DEGREES if score <= limit)
    truth = disease.truth()
    diseased = [name for name in phrases.VESSELS if truth[name]["agatston"] > 0] or ["LAD"]
    short = int(rng.random() < 0.4)
    named = [phrases.VESSELS[name][short] for name in diseased]
    vessels = named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
    return _one(rng, phrases.AFFIRMED).format(
        degree=degree, Degree=degree.capitalize(), vessels=vessels, score=max(1, round(score))
    )


def _others(findings: Findings, rng: np.random.Generator) -> list[str]:
    """Return sentences about what is not coronary, true of the patient where the phantom has it."""
    sites = findings.sites
    aorta, valves = phrases.AORTA["aorta" in sites], phrases.VALVES[bool(sites & {"valve", "annulus"})]
    rest = [phrases.REST[place] for place in rng.choice(len(phrases.REST), size=2, replace=False)]
    mentioned = [sentence for sentence in (aorta, valves) if rng.random() < 0.7]
    return [phrases.STENT[bool(findings.patient.stents)], *mentioned, _one(rng, phrases.LUNGS), *rest]


def _laid_out(
    style: Style,
    findings: Findings,
    found: list[str],
    coronary: str,
    hint: list[str],
    rng: np.random.Generator,
) -> str:
    """Return the report in a style; all have a name somewhere, as real ones do."""
    body = " ".join(sentence for sentence in found if sentence)
    contrast = "with" if findings.contrast else "without"
    protocol = "gated" if findings.protocol == "cardiac" else "not gated"
    technique = phrases.TECHNIQUE.format(contrast=contrast, protocol=protocol)
    name, signed, history = (
        _one(rng, choice) for choice in (phrases.PATIENTS, phrases.SIGNED, phrases.HISTORY)
    )
    if style == "terse":
        return " ".join([body, *hint, signed])
    if style == "structured":
        impression = [coronary, *hint] if coronary else ["No acute finding.", *hint]
        return "\n".join(
            [
                f"PATIENT: {name}",
                f"HISTORY: {history}",
                f"TECHNIQUE: {technique}",
                f"FINDINGS: {body}",
                f"IMPRESSION: {' '.join(impression)}",
                signed,
            ]
        )
    opening = f"Thank you for referring {name} with {history}. {technique}"
    return f"{opening} {body} {' '.join(hint)}\n{signed}"


def _one(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]
