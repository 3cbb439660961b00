"""Holds a plug-in against the contract, in the manner of scikit-learn's `check_estimator`."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from benchmark.case import Scan
from benchmark.errors import CaseError, UserError
from benchmark.plugins.base import Classifier, Cohort, FeatureExtractor, Plugin, Segmenter

if TYPE_CHECKING:
    import SimpleITK as sitk

Check = Callable[[Any, Scan], str]
"""Returns what is wrong, and what to do; empty where nothing is."""
Kind = TypeVar("Kind", bound=Plugin)


def check_plugin(plugin: Plugin | type[Plugin], scan: Scan | None = None) -> None:
    """Raise `AssertionError` with every breach of the contract of plug-ins, one line each.

    `plugin` is a plug-in or, where its parameters have defaults, its class. `scan` is what segmenters and extractors
    are tried on, its mask ``coronary`` the ROI; default: a synthetic block of tissue with a calcified vessel,
    40 × 64 × 64 voxels. What says that it cannot run here is not tried: that raises `UserError` with its reason.
    """
    made = plugin() if isinstance(plugin, type) else plugin
    state = made.availability()
    if not state.ready:
        raise UserError(f"{type(made).__name__} cannot be checked here: {state.reason}")
    tried = scan or synthetic_scan()
    wrong = [
        f"{check.__name__.strip('_').replace('_', ' ')}: {found}"
        for check in _checks(made)
        if (found := _outcome(check, made, tried))
    ]
    if wrong:
        raise AssertionError("\n  ".join([f"{type(made).__name__} breaks the contract of plug-ins:", *wrong]))


def synthetic_scan(seed: int = 0) -> Scan:
    """Return soft tissue with noise and a calcified vessel of 400 HU, with masks ``coronary`` and ``lesions``."""
    import numpy as np
    import SimpleITK as sitk

    z, y, x = np.mgrid[:40, :64, :64]
    vessel = (y - 32) ** 2 + (x - 30) ** 2 <= 25
    hu = np.random.default_rng(seed).normal(40, 20, vessel.shape)
    lesions = vessel & (abs(z - 20) <= 2) & (x > 30)
    hu[lesions] += 360
    hu[:, :4] = -900  # some lung, for what looks for a body
    arrays = (hu.astype(np.float32), vessel.astype(np.uint8), lesions.astype(np.uint8))
    image, coronary, calcium = map(sitk.GetImageFromArray, arrays)
    for made in (image, coronary, calcium):
        made.SetSpacing((0.5, 0.5, 1.5))
        made.SetOrigin((-16.0, 20.0, 3.0))
    return Scan(image, {"coronary": coronary, "lesions": calcium})


def _checks(plugin: Plugin) -> Iterator[Check]:
    yield from (_is_frozen, _describes_its_parameters, _is_made_from_its_parameters, _travels_to_a_worker)
    if isinstance(plugin, Segmenter):
        yield from (_segments_on_the_scans_grid, _segments_the_same_twice)
    if isinstance(plugin, FeatureExtractor):
        yield from (_names_finite_features, _names_the_same_for_every_case, _extracts_the_same_twice)
        yield _refuses_an_empty_region
    if isinstance(plugin, Classifier) and not plugin.learns_from_activations:
        from benchmark.plugins.classifier_checks import CLASSIFIER_CHECKS

        yield from CLASSIFIER_CHECKS
    if isinstance(plugin, Cohort):
        yield _lists_cases


def _outcome(check: Check, plugin: Plugin, scan: Scan) -> str:
    try:
        return check(plugin, scan)
    except Exception as error:  # a plug-in may raise anything, and the other checks still say something
        return f"{type(error).__name__}: {error}"


def _is_frozen(plugin: Plugin, scan: Scan) -> str:
    return "" if type(plugin).model_config.get("frozen") else "its parameters can be changed: keep `frozen`"


def _describes_its_parameters(plugin: Plugin, scan: Scan) -> str:
    if not type(plugin).__doc__:
        return "it has no docstring, which is what `cacbench list` shows"
    silent = [name for name, field in type(plugin).model_fields.items() if not field.description]
    return f"no description of {', '.join(silent)}: give Field(description=…)" if silent else ""


def _is_made_from_its_parameters(plugin: Plugin, scan: Scan) -> str:
    values = {name: getattr(plugin, name) for name in type(plugin).model_fields}
    within = {name: value for name, value in values.items() if isinstance(value, Plugin)}
    try:
        again = type(plugin).model_validate({**plugin.model_dump(exclude=set(within)), **within})
    except ValueError as error:
        return f"its parameters do not make it again ({error})"
    if again != plugin or again.fingerprint() != plugin.fingerprint():
        return "made again from its parameters it is another one: keep state out of the fields"
    return ""


def _travels_to_a_worker(plugin: Plugin, scan: Scan) -> str:
    try:
        arrived = pickle.loads(pickle.dumps(plugin))  # noqa: S301
    except Exception as error:  # whatever a plug-in's own state raises
        return f"it cannot be pickled ({error}): load heavy state on first use, outside the fields"
    return "" if arrived == plugin else "it arrives as another one"


def _segments_on_the_scans_grid(plugin: Segmenter, scan: Scan) -> str:
    roi, changed = _unchanged(scan, plugin.segment)
    if changed:
        return changed
    if isinstance(roi, CaseError):
        return ""  # a refusal with its reason is an answer
    if roi.GetSize() != scan.image.GetSize() or roi.GetOrigin() != scan.image.GetOrigin():
        return "its region is on another grid than the scan: copy the scan's information"
    return "" if "integer" in roi.GetPixelIDTypeAsString() else "its region has no whole-numbered labels"


def _segments_the_same_twice(plugin: Segmenter, scan: Scan) -> str:
    first, second = (_unchanged(_fresh(scan), plugin.segment)[0] for _ in range(2))
    return "" if _same(first, second) else "the same scan has another region the second time: fix its seed"


def _names_finite_features(plugin: FeatureExtractor, scan: Scan) -> str:
    import numpy as np
    import pandas as pd

    found, changed = _unchanged(scan, lambda it: plugin.extract(it.image, it.masks["coronary"]))
    if changed or isinstance(found, CaseError):
        return changed or f"it refuses an ordinary scan ({found})"
    if not isinstance(found, pd.Series):
        return f"it gives a {type(found).__name__}, not a pandas Series"
    if not found.index.is_unique or not all(isinstance(name, str) and name for name in found.index):
        return "the names of its features are not different texts"
    try:
        values = found.to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        return "its features are not numbers"
    bad = [str(name) for name, value in zip(found.index, values, strict=True) if not np.isfinite(value)]
    return f"not finite: {', '.join(bad)}" if bad else ""


def _names_the_same_for_every_case(plugin: FeatureExtractor, scan: Scan) -> str:
    other = synthetic_scan(seed=1)
    names = [_names(plugin, scan.image, scan.masks["coronary"])]
    names.append(_names(plugin, other.image, other.masks["coronary"]))
    return "" if names[0] == names[1] or None in names else "another scan has other features"


def _extracts_the_same_twice(plugin: FeatureExtractor, scan: Scan) -> str:
    if _names(plugin, scan.image, scan.masks["coronary"]) is None:
        return ""
    first, second = (plugin.extract(scan.image, scan.masks["coronary"]) for _ in range(2))
    return "" if first.equals(second) else "the same scan has other features the second time: fix its seed"


def _refuses_an_empty_region(plugin: FeatureExtractor, scan: Scan) -> str:
    import numpy as np

    empty = scan.masks["coronary"] * 0
    try:
        found = plugin.extract(scan.image, empty)
    except CaseError:
        return ""
    except Exception as error:  # the contract has one kind of refusal
        return f"of an empty region it raises {type(error).__name__}, not CaseError with the reason"
    finite = np.isfinite(found.to_numpy(dtype=float)).all()
    return "" if finite else "of an empty region it gives NaN: raise CaseError with the reason"


def _lists_cases(plugin: Cohort, scan: Scan) -> str:
    cases = plugin.cases()
    names = [case.case_id for case in cases]
    if len(set(names)) < len(names):
        return "two of its cases have the same case_id"
    if not cases:
        return "it lists no case"
    first = cases[0].source
    return "" if first.digest() == pickle.loads(pickle.dumps(first)).digest() else "a source's digest changes"  # noqa: S301


def _names(plugin: FeatureExtractor, image: sitk.Image, roi: sitk.Image) -> list[str] | None:
    try:
        return list(plugin.extract(image, roi).index)
    except CaseError:
        return None


def _fresh(scan: Scan) -> Scan:
    """Return the scan without what segmenters keep in it."""
    return Scan(scan.image, scan.masks)


def _unchanged(scan: Scan, work: Callable[[Scan], Any]) -> tuple[Any, str]:
    """Return what `work` gives, or its `CaseError`, and whether it changed the scan."""
    import SimpleITK as sitk

    before = [sitk.Hash(image) for image in (scan.image, *scan.masks.values())]
    try:
        found = work(scan)
    except CaseError as error:
        found = error
    after = [sitk.Hash(image) for image in (scan.image, *scan.masks.values())]
    return found, "" if before == after else "it changes the scan it was given: work on a copy"


def _same(first: Any, second: Any) -> bool:
    import SimpleITK as sitk

    if isinstance(first, CaseError) or isinstance(second, CaseError):
        return str(first) == str(second)
    return bool(sitk.Hash(first) == sitk.Hash(second))
