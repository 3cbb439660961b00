"""The terms that are counted in a report, each by the beginnings of the English words that stand for it.

The list is fixed and holds no names, so that whatever a report says of a person, the counts do not.
"""

from __future__ import annotations

from functools import cache
from re import Pattern, compile

TERMS: dict[str, tuple[str, ...]] = {
    "calcification": ("calcif", "calcium"),
    "plaque": ("plaque",),
    "atherosclerosis": ("atheroscl", "atheroma"),
    "coronary": ("coronar",),
    "left main": ("left main", "lm"),
    "anterior descending": ("lad", "anterior descending"),
    "circumflex": ("lcx", "circumflex"),
    "right coronary": ("rca", "right coronary"),
    "stenosis": ("stenos", "narrowing"),
    "stent": ("stent",),
    "bypass": ("bypass", "cabg"),
    "score": ("agatston", "score"),
    "mild": ("mild", "minimal", "minor", "few", "small", "faint", "tiny"),
    "moderate": ("moderate",),
    "severe": ("severe", "extensive", "heavy", "marked", "dense"),
    "diffuse": ("diffuse", "multifocal", "multivessel"),
    "normal": ("normal", "unremarkable", "clear", "intact"),
    "enlarged": ("enlarg", "dilat", "cardiomegaly"),
    "heart": ("heart", "cardiac", "ventric", "atri"),
    "aorta": ("aort",),
    "valve": ("valv", "annul"),
    "pericardium": ("pericard",),
    "pulmonary": ("pulmon", "lung", "lobe", "pleur"),
    "effusion": ("effusion",),
    "nodule": ("nodul", "granuloma", "mass"),
    "emphysema": ("emphysema", "copd"),
    "consolidation": ("consolidat", "opacit", "infiltrat", "pneumon"),
    "lymph node": ("lymph", "aden", "nodes"),
    "bone": ("bone", "osseous", "spine", "spondyl", "rib", "fracture", "degenerat"),
    "aneurysm": ("aneurysm", "ectasia"),
    "motion": ("motion", "artefact", "artifact", "noise"),
    "contrast": ("contrast", "intravenous"),
    "risk": ("risk", "statin", "prevent", "cardiolog"),
    "chest pain": ("chest pain", "angina", "dyspn"),
    "diabetes": ("diabet",),
    "hypertension": ("hypertens",),
    "smoker": ("smok", "tobacco"),
    "follow-up": ("follow", "recommend", "correlat"),
}
CORONARY = ("coronary", "left main", "anterior descending", "circumflex", "right coronary")
"""Terms that make a sentence one about the coronary arteries."""
WHOLE = ("lad", "lm", "lcx", "rca", "rib", "few", "mass", "score")
"""Words that are not beginnings of others: a Ladislav is no artery."""


@cache
def pattern(term: str) -> Pattern[str]:
    """Return what finds a term in lower-case text."""
    forms = (form.replace(" ", r"\s+") + (r"s?\b" if form in WHOLE else r"\w*") for form in TERMS[term])
    return compile(rf"\b(?:{'|'.join(forms)})")
