"""Keeps what expensive segmenters found, so that another extractor, threshold or dilation does not pay for it again."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from benchmark.errors import CaseError
from benchmark.execution.store import Store
from benchmark.plugins import Segmenter
from benchmark.plugins.base import with_nested
from benchmark.plugins.fingerprint import digest_of

if TYPE_CHECKING:
    import SimpleITK as sitk

    from benchmark.case import Scan


def region_keys(segmenters: Iterable[Segmenter]) -> list[str]:
    """Return what identifies the regions that the segmenters, and those within them, would keep."""
    keys = [
        plugin.region_key()
        for segmenter in segmenters
        for plugin in with_nested(segmenter)
        if isinstance(plugin, Segmenter) and plugin.expensive
    ]
    return list(dict.fromkeys(keys))


def stored(store: Store, scan: str, segmenters: Iterable[Segmenter]) -> dict[str, bytes]:
    """Return the packed regions that the store has of the scan with this digest."""
    found = {
        key: store.get_bytes("regions", digest_of([scan, key]), suffix="z") for key in region_keys(segmenters)
    }
    return {key: content for key, content in found.items() if content is not None}


def keep(store: Store, scan: str, regions: Mapping[str, bytes]) -> None:
    """Store packed regions of the scan with this digest."""
    for key, content in regions.items():
        store.put_bytes("regions", digest_of([scan, key]), content, suffix="z")


def give(scan: Scan, kept: Mapping[str, bytes]) -> None:
    """Put packed regions into the scan, where the segmenters look for them."""
    scan.regions.update({key: _unpack(content, scan.image) for key, content in kept.items()})


def take(scan: Scan, kept: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return, packed, the regions that were found in this scan and not given to it. Failures are not kept."""
    return {
        key: _pack(found)
        for key, found in scan.regions.items()
        if key not in kept and not isinstance(found, CaseError)
    }


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
