"""Keeps what expensive segmenters found, so that another extractor, threshold or dilation does not pay for it again.

Regions travel between the parent, which alone reads and writes the store, and the workers as packed bytes.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmark.errors import CaseError
from benchmark.execution.store import Store, as_bytes
from benchmark.plugins import Segmenter
from benchmark.plugins.base import with_nested
from benchmark.plugins.fingerprint import digest_of

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.case import Scan

_PACKED = as_bytes("z")


@dataclass(frozen=True)
class Regions:
    """Packed regions of one scan, by the key of the segmenter that found them."""

    packed: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def load(cls, store: Store, scan: str, segmenters: Iterable[Segmenter]) -> Regions:
        """Return what the store has of the scan with this digest and these segmenters."""
        stored = {
            key: store.get("regions", digest_of([scan, key]), _PACKED) for key in region_keys(segmenters)
        }
        return cls({key: content for key, content in stored.items() if content is not None})

    def save(self, store: Store, scan: str) -> None:
        """Store the regions of the scan with this digest."""
        for key, content in self.packed.items():
            store.put("regions", digest_of([scan, key]), content, _PACKED)

    def lend_to(self, scan: Scan) -> None:
        """Put the regions into a scan, where the segmenters look for them."""
        scan.regions.update({key: _unpack(content, scan.image) for key, content in self.packed.items()})

    def found_in(self, scan: Scan) -> Regions:
        """Return the regions that were found in a scan and not lent to it. Failures are not kept."""
        return Regions(
            {
                key: _pack(region)
                for key, region in scan.regions.items()
                if key not in self.packed and not isinstance(region, CaseError)
            }
        )


def region_keys(segmenters: Iterable[Segmenter]) -> list[str]:
    """Return what identifies the regions that the segmenters, and those within them, would keep."""
    keys = [
        plugin.region_key()
        for segmenter in segmenters
        for plugin in with_nested(segmenter)
        if isinstance(plugin, Segmenter) and plugin.expensive
    ]
    return list(dict.fromkeys(keys))


def _pack(mask: sitk.Image) -> bytes:
    """Return a label image of at most 255 labels, without its grid, compressed."""
    import numpy as np
    import SimpleITK as sitk

    labels = sitk.GetArrayViewFromImage(mask)
    return json.dumps(labels.shape).encode() + b"\n" + zlib.compress(labels.astype(np.uint8).tobytes(), 1)


def _unpack(content: bytes, image: sitk.Image) -> sitk.Image:
    """Return the label image (uint8) on the image's grid."""
    import numpy as np
    import SimpleITK as sitk

    shape, _, packed = content.partition(b"\n")
    labels = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(json.loads(shape))
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(image)
    return mask
