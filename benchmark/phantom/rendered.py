"""A phantom's scan whose image and masks are rendered where they are looked at: some segmenters fail before that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from benchmark.case import Scan

if TYPE_CHECKING:
    import SimpleITK as sitk


class RenderedScan(Scan):
    """A scan whose image is made on first demand, and then kept. Copied or sent to another process it is all made."""

    def __init__(self, image: sitk.Image | Callable[[], sitk.Image], **others: Any) -> None:
        """`image` is the image or makes it; `others` are what a `Scan` has besides."""
        super().__init__(image=cast("sitk.Image", image), **others)
        if callable(image):
            vars(self)["make"] = vars(self).pop("image")

    def __getattr__(self, name: str) -> Any:
        """Return what there is not yet: the image, made now."""
        if name != "image" or "make" not in vars(self):
            raise AttributeError(name)
        vars(self)["image"] = vars(self).pop("make")()
        return vars(self)["image"]

    def __reduce__(self) -> tuple[type[Scan], tuple[Any, ...]]:
        """Go as a plain scan: what makes image and masks stays."""
        values = {field.name: getattr(self, field.name) for field in fields(Scan)}
        return Scan, tuple((values | {"masks": dict(self.masks)}).values())


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
