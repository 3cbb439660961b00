"""Which of a folder's volume files is a scan and which is a mask of which scan, told by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.images.files import SUFFIXES

_SAID = {
    "mask_lesions": "lesion lesions calcium calcification calcifications cac",
    "mask_heart": "heart",
    "mask_aorta": "aorta",
    "mask": "mask masks seg segs segmentation segmentations label labels labelstr roi coronary coronaries vessels",
}
MASKS = {column: tuple(words.split()) for column, words in _SAID.items()}
"""The manifest's columns, and the words in a name that say so; the more special first."""
SCANS = ("image", "images", "imagestr", "img", "ct", "scan", "scans", "volume", "volumes")
"""Words that say that it is the scan; like those of masks, they are no part of a case's name."""


@dataclass(frozen=True)
class FoundScan:
    """A scan in a folder, what the study calls it, and its masks by the manifest's columns."""

    case_id: str
    image: Path
    masks: Mapping[str, Path] = field(default_factory=dict)


def pair(files: Iterable[Path], root: Path) -> tuple[list[FoundScan], list[Path]]:
    """Return the scans among volume files below `root` with their masks, and the masks that belong to no one scan."""
    scans: dict[tuple[str, ...], list[Path]] = {}
    masks: dict[tuple[str, ...], dict[str, list[Path]]] = {}
    for file in sorted(files):
        words = _words(file, root)
        key = _case_of(words)
        if (column := _column(words)) is None:
            scans.setdefault(key, []).append(file)
        else:
            masks.setdefault(key, {}).setdefault(column, []).append(file)
    images = [image for found in scans.values() for image in found]
    found, used = [], set()
    for key, of_case in scans.items():
        # Two scans of one name: which of them a mask belongs to is not to be guessed, nor which of two masks is meant.
        mine = {name: at[0] for name, at in masks.get(key, {}).items() if len(at) == 1 and len(of_case) == 1}
        used |= set(mine.values())
        found += [FoundScan(_name(image, images, root), image, mine) for image in of_case]
    lonely = [
        at for by_column in masks.values() for paths in by_column.values() for at in paths if at not in used
    ]
    return sorted(found, key=lambda scan: scan.image), sorted(lonely)


def without_suffix(name: str) -> str:
    """Return a volume file's name without its suffix, of two parts perhaps."""
    suffix = max((end for end in SUFFIXES if name.lower().endswith(end)), key=len, default="")
    return name[: len(name) - len(suffix)]


def safe(name: str) -> str:
    """Return a name that will do for a case and a file."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._") or "scan"


def _words(file: Path, root: Path) -> list[str]:
    parts = [*file.relative_to(root).parts[:-1], without_suffix(file.name)]
    return [word for part in parts for word in re.findall("[a-z]+|[0-9]+", part.lower())]


def _case_of(words: Sequence[str]) -> tuple[str, ...]:
    """Return what is left of a name without the words that say scan or mask, and without nnU-Net's channel."""
    said = {*SCANS, *(word for several in MASKS.values() for word in several)}
    left = [word for word in words if word not in said]
    return tuple(left[:-1] if len(left) > 1 and left[-1] == "0000" else left)


def _column(words: Sequence[str]) -> str | None:
    return next((column for column, said in MASKS.items() if set(said) & set(words)), None)


def _name(image: Path, images: Sequence[Path], root: Path) -> str:
    """Return the folder's name where it holds no other scan, else the file's."""
    alone = sum(other.parent == image.parent for other in images) == 1 and image.parent != root
    return safe("_".join(image.parent.relative_to(root).parts) if alone else without_suffix(image.name))
