"""Scans kept in files, and cases that cannot be used: what all cohorts of real data share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.case import Problem, Scan
from benchmark.errors import CaseError, UserError
from benchmark.images.dicom_selection import ANY, SeriesChoice
from benchmark.plugins.fingerprint import code_digest, digest_of


@dataclass(frozen=True)
class FileScan:
    """A scan kept in files: an image and masks by name."""

    image: Path
    masks: Mapping[str, Path] = field(default_factory=dict)
    resample_mask: bool = False
    series: SeriesChoice = ANY
    label_names: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def load(self) -> Scan:
        """Read image and masks. Raises `CaseError`; only the coronary mask must hold something."""
        from benchmark.images.reading import read_image_noting, read_mask

        with nameless("the image", self.image):
            image, anomalies = read_image_noting(self.image, self.series)
        masks = {}
        for name, path in self.masks.items():
            with nameless(f"the mask {name}", path):
                masks[name] = read_mask(path, image, resample=self.resample_mask, empty=name != "coronary")
        return Scan(image, masks, anomalies, label_names=self.label_names)

    @property
    def mask_names(self) -> tuple[str, ...]:
        """The names of the masks."""
        return tuple(self.masks)

    def problems(self, deep: bool = False) -> list[Problem]:
        """Return what is wrong with the image and with each mask, as their headers tell; deep: as `load` would find."""
        image, found = _tried(self.image, self._opened(deep))
        for name, path in self.masks.items():
            found += _tried(path, self._opened_mask(name, image, deep))[1]
        return found

    def _opened(self, deep: bool) -> Callable[[Path], Any]:
        """Return what opens the image, giving its voxels or its grid."""
        from benchmark.images.reading import read_grid, read_image_noting

        if deep:
            return lambda path: read_image_noting(path, self.series)[0]
        return lambda path: read_grid(path, self.series)

    def _opened_mask(self, name: str, image: Any, deep: bool) -> Callable[[Path], Any]:
        """Return what opens a mask and holds it against the `image` or its grid, if this could be opened."""
        from benchmark.images.geometry import refuse_other_grid
        from benchmark.images.reading import read_grid, read_mask

        def grid(path: Path) -> None:
            mask = read_grid(path)
            if image is not None and not self.resample_mask:
                refuse_other_grid(image, mask, path.name)

        if deep:
            return lambda path: read_mask(path, image, resample=self.resample_mask, empty=name != "coronary")
        return grid

    def digest(self) -> str:
        """Return the SHA-256 of the files' bytes. Raises `CaseError` if a file is missing."""
        return digest_of(
            {
                "image": digest_of_file("the image", self.image),
                "masks": {
                    name: digest_of_file(f"the mask {name}", path) for name, path in self.masks.items()
                },
                "resample_mask": self.resample_mask,
                "series": self.series.model_dump(),
                "label_names": {mask: list(names.items()) for mask, names in self.label_names.items()},
                "code": code_digest("benchmark.images.reading"),
            }
        )


@dataclass(frozen=True)
class UnusableScan:
    """Stands for the scan of a case that cannot be used, so that it is counted as an exclusion."""

    reason: str

    @property
    def mask_names(self) -> None:
        """Not known: there is no scan to have them."""

    def problems(self, deep: bool = False) -> list[Problem]:
        """Return the reason."""
        return [Problem("", self.reason)]

    def load(self) -> Scan:
        """Raise the reason."""
        raise CaseError(self.reason)

    def digest(self) -> str:
        """Raise the reason."""
        raise CaseError(self.reason)


@contextmanager
def nameless(what: str, path: Path) -> Iterator[None]:
    """Have errors call a file what it is in its case: its name may be the patient's, and errors are written.

    Of an error that nobody foresaw only the kind is told, for its text may quote a header. Raises `CaseError`.
    """
    try:
        yield
    except CaseError as error:
        raise CaseError(f"{what}: {str(error).removeprefix(f'{path.name}: ')}") from error
    except (UserError, MemoryError):
        raise
    except Exception as error:
        raise CaseError(f"{what}: cannot be read (unexpected {type(error).__name__}); look at it") from error


def digest_of_file(what: str, path: Path) -> str:
    """Return `file_digest` of a file that errors call `what`. Raises `CaseError`."""
    from benchmark.images.files import file_digest

    with nameless(what, path):
        return file_digest(path)


def _tried(path: Path, action: Callable[[Path], Any]) -> tuple[Any, list[Problem]]:
    """Return what came of an action on a file, or None, and why that is."""
    try:
        with nameless("", path):
            return action(path), []
    except CaseError as error:
        return None, [Problem(str(path), str(error).removeprefix(": "))]
