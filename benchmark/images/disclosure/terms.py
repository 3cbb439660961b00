"""What may be written of a DICOM header's texts: terms on the lists below, and nothing else.

Technicians write names, birth dates and wards into protocol and description, so a list of what to keep out is never
complete. Words that are common surnames are left off (Sharp, Heart, Best), and so are numbers: dates and record
numbers are made of them; thickness and tube voltage have elements of their own.
"""

from __future__ import annotations

import re

_ACQUISITION = """
ct cta ctca ccta hrct ldct pet petct
cac casc cascore cascores cascoring cascseq cascoreseq cascorespi calcium calciumscore calciumscoring calcification
score scores scoring agatston smartscore
thorax thoracic chest cardiac cardio cor coro coronary coronaries lung lungs abdomen abdominal pelvis body aorta
native nativ non noncontrast contrast unenhanced enhanced plain without with
seq sequence sequential spiral helical axial coronal sagittal volume
gated nongated ungated ecg ekg prospective retrospective prosp retro triggered
diast bestdiast diastole diastolic syst bestsyst systole systolic phase
lowdose dose adult paediatric pediatric
mpr mip recon reconstruction fbp iterative safire admire asir veo idose aidr
standard smooth mediastinum mediastinal detail thin std topogram scout localizer localiser
"""
WORDS = frozenset(_ACQUISITION.split())
MANUFACTURERS = {
    **{name.casefold(): name for name in ("Siemens", "Philips", "Toshiba", "Canon", "Hitachi", "Fujifilm")},
    **{
        name.casefold(): name
        for name in ("Neusoft", "NeuroLogica", "Samsung", "Imatron", "Marconi", "Elscint")
    },
    **{"ge": "GE", "general": "GE", "uih": "United Imaging", "united": "United Imaging"},
}
"""By the first word of what headers write."""
KERNEL = re.compile(
    r"(?:[ABCDHIJTU]|A[abdfl]|B[flprv]|H[cfprv]|Q[rv]|S[adp]|Ur|Ub|Tr)\d\d[a-z]?(?:\\[1-5])?|FC\d\d|"
    r"STANDARD|SOFT|DETAIL|LUNG|BONE|BONEPLUS|EDGE|CHEST|XCA|XCB|CA|CB|YA|YB|[A-F]"
)
"""Siemens (with the strength of SAFIRE or ADMIRE), Toshiba and Canon, GE, Philips."""
_CODES = "CT MR PT NM CR DX US XA RF MG OT SC SR SEG RTSTRUCT RTDOSE RTPLAN PR KO REG"
MODALITIES = frozenset(_CODES.split())


def acquisition_terms(text: str) -> str:
    """Return those words of a free text that are terms of acquisition, or a kernel, in their order."""
    words = re.findall(r"[^\W_]+", text)
    return " ".join(word for word in words if word.casefold() in WORDS or _scanner_kernel(word))


def manufacturer(text: str) -> str:
    """Return who made the scanner, empty where it is none of those known."""
    first = re.match(r"\s*([A-Za-z]+)", text)
    return MANUFACTURERS.get(first[1].casefold(), "") if first else ""


def kernel(values: list[str]) -> str:
    """Return the values of Convolution Kernel, empty unless together they are one that scanners have."""
    text = "\\".join(values)
    return text if KERNEL.fullmatch(text) else ""


def modality(text: str) -> str:
    """Return a modality's code (DICOM PS3.3 C.7.3.1.1.1), or ``another``."""
    return text if text in MODALITIES else "another"


def _scanner_kernel(word: str) -> bool:
    return bool(re.search(r"\d", word) and KERNEL.fullmatch(word))
