"""What calcium can lie in: the coronary vessels and their neighbours, by the names that people give them.

Labels of masks made from names are those of `STRUCTURES`; 1 to 4 are the labels of COCA and of the phantoms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ELSEWHERE = "elsewhere"
"""Where calls lie that are in no structure anybody drew."""
_OF_CALCIUM = {
    *("calcium", "calcification", "calcifications", "calcified", "calc", "cac", "lesion", "lesions"),
    *("plaque", "plaques", "score"),
}
"""Words that say what was drawn, and not where."""


@dataclass(frozen=True)
class Structure:
    """A structure: its name in tables, its label in masks, whether it is a coronary vessel, and its other names."""

    name: str
    label: int
    coronary: bool
    synonyms: tuple[str, ...] = ()


STRUCTURES = (
    Structure("LM", 1, True, ("left main", "left main stem", "lmca", "lms", "lca", "left coronary")),
    Structure("LAD", 2, True, ("left anterior descending", "anterior descending")),
    Structure("LCx", 3, True, ("cx", "circumflex", "left circumflex")),
    Structure("RCA", 4, True, ("right coronary",)),
    Structure("PDA", 5, True, ("rpda", "posterior descending", "right posterior descending")),
    Structure("coronary", 6, True, ("coronaries", "coronary arteries", "cac")),
    Structure(
        "aorta",
        11,
        False,
        ("thoracic aorta", "ascending aorta", "descending aorta", "aortic arch", "aortic wall"),
    ),
    Structure(
        "aortic valve", 12, False, ("av", "root", "aortic root", "aortic annulus", "aortic valve or root")
    ),
    Structure("mitral valve", 13, False, ("mitral", "mv", "mitral annulus", "mitral annular", "mac")),
    Structure("pulmonary artery", 14, False, ("pulmonary", "pulmonary trunk", "pulmonary valve")),
    Structure("tricuspid valve", 15, False, ("tricuspid", "tricuspid annulus")),
    Structure("pericardium", 16, False, ("pericardial",)),
    Structure("bone", 17, False, ("bones", "ribs", "sternum", "spine")),
    Structure("other", 18, False, ()),
)
"""Side branches are drawn as part of their vessel; the aortic root counts as the valve's, whose calcium joins it."""
BY_NAME = {structure.name: structure for structure in STRUCTURES}
_MEANT = {name.lower(): item for item in STRUCTURES for name in (item.name, *item.synonyms)}


def structure_called(name: str) -> Structure | None:
    """Return the structure that a segment is called after, or None for a name of another meaning.

    Case, punctuation, a number at the end, a final "artery" and words such as "calcification" do not matter:
    "LAD_calcium 2", "Left Anterior Descending Artery" and "lad" are one.
    """
    every = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    while every and every[-1].isdigit():
        every.pop()
    words = [word for word in every if word not in _OF_CALCIUM] or every
    text = " ".join(words)
    for end in (" coronary artery", " artery", ""):
        if text.endswith(end) and (found := _MEANT.get(text.removesuffix(end))):
            return found
    return None
