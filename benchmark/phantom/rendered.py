"""A phantom's scan whose image and masks are rendered where they are looked at: some segmenters fail before that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmark.case import Scan

if TYPE_CHECKING:
    import SimpleITK as sitk


class RenderedScan(Scan):
    """A scan whose image is made on first demand, and then kept."""

    def __init__(
        self, make: Callable[[], sitk.Image], masks: Mapping[str, sitk.Image], **others: Any
    ) -> None:
        """`others` are what a `Scan` has besides."""
        vars(self)["make"] = make
        super().__init__(image=make, masks=masks, **others)
        del vars(self)["image"]  # so that it is asked for below

    def __getattr__(self, name: str) -> Any:
        """Return what there is not yet: the image, made now."""
        if name != "image":
            raise AttributeError(name)
        vars(self)["image"] = vars(self)["make"]()
        return vars(self)["image"]


class RenderedMasks(Mapping[str, "sitk.Image"]):
    """Masks by name, each made on first demand, and then kept."""

    def __init__(self, names: Sequence[str], make: Callable[[str], sitk.Image]) -> None:
        self._names, self._make = tuple(names), make
        self._made: dict[str, sitk.Image] = {}

    def __getitem__(self, name: str) -> sitk.Image:
        """Return a mask. Raises `KeyError` where there is none of that name."""
        if name not in self._names:
            raise KeyError(name)
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        """Go through the names; nothing is made for that."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._names)
