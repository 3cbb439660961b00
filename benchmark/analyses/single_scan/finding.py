"""One scan by itself: a segmenter from its declaration, what it finds, the score of it, and why to doubt it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from benchmark.calcium.scoring import STANDARD, CalciumScore, CalciumScoring, score
from benchmark.case import Scan, ScanWarning
from benchmark.errors import UserError
from benchmark.images.geometry import refuse_other_grid
from benchmark.plugins.base import Segmenter
from benchmark.plugins.declaration import plain_message
from benchmark.plugins.registry import build, plugin_class

if TYPE_CHECKING:
    import SimpleITK as sitk

GATE = "heart_region"
"""Where segmenters that search `within` another's region search a single scan, unless told otherwise."""
IMPLAUSIBLE = 10_000.0
"""Agatston score above which more is called than coronaries hold; ours: five times our phantoms' most."""


@dataclass(frozen=True)
class ScoredScan:
    """A scan with the calcium that a segmenter found in it."""

    image: sitk.Image
    calcium: sitk.Image
    gate: sitk.Image | None
    """The region within which was searched; none: anywhere."""
    score: CalciumScore
    warnings: tuple[ScanWarning, ...]

    @property
    def severe(self) -> list[ScanWarning]:
        """The warnings for which no risk band is given."""
        return [warning for warning in self.warnings if warning.severity == "severe"]

    def content(self, segmenter: Segmenter, *, band: bool) -> dict[str, Any]:
        """Return score, segmenter and warnings as JSON values; the risk bands are null unless `band`."""
        content = self.score.model_dump(mode="json")
        if not band:
            for part in (*content["regions"], content["total"]):
                part["risk_band"] = None
        return {
            **content,
            "segmenter": segmenter.parameters(),
            "fingerprint": segmenter.fingerprint(),
            "warnings": [asdict(warning) for warning in self.warnings],
        }


def calcium_segmenter(text: str, base: Path = Path()) -> Segmenter:
    """Return the segmenter that a name, or YAML like ``denseraunet: {within: null}``, declares.

    Raises `UserError` for what declares none, for one that cannot run here, and for one that finds no calcium.
    """
    name, parameters = _declared(text)
    try:
        cls = cast("type[Segmenter]", plugin_class("segmenter", name))
        if not cls.finds_calcium:
            raise UserError(
                f"--segmenter {name}: finds a region, not calcium; "
                f"score the 130 HU rule inside it: --segmenter '{{threshold: {{within: {name}}}}}'"
            )
        if "within" in cls.model_fields:
            parameters = {"within": GATE, **parameters}
        segmenter = cast("Segmenter", build("segmenter", {"use": name, **parameters}, {"base": base}))
    except ValueError as error:
        raise UserError(f"--segmenter {name}: {_message(error)}") from None
    if not (state := segmenter.availability()).ready:
        raise UserError(f"--segmenter {name}: {state.reason}")
    return segmenter


def find_and_score(scan: Scan, segmenter: Segmenter, scoring: CalciumScoring = STANDARD) -> ScoredScan:
    """Find and score the calcium of a scan. Raises `CaseError`."""
    calcium, warnings = segmenter.segment_noting(scan)
    refuse_other_grid(scan.image, calcium, "the segmentation")
    within = getattr(segmenter, "within", None)
    gate = within.segment(scan) if isinstance(within, Segmenter) else None
    scored = score(scan.image, calcium, scoring)
    return ScoredScan(scan.image, calcium, gate, scored, (*warnings, *_implausible(scored)))


def _implausible(scored: CalciumScore) -> Iterator[ScanWarning]:
    if scored.total.agatston > IMPLAUSIBLE:
        said = f"Agatston {scored.total.agatston:.0f} is more than coronaries hold: aorta, valves or bone were called"
        yield ScanWarning("score", "severe", said)


def _declared(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name of a segmenter and its parameters."""
    import yaml

    from benchmark.study.strict_yaml import load_yaml

    try:
        spec = load_yaml(text)
    except yaml.YAMLError as error:
        raise UserError(f"--segmenter: not valid YAML: {' '.join(str(error).split())}") from None
    if isinstance(spec, str):
        return spec, {}
    if isinstance(spec, Mapping) and isinstance(spec.get("use"), str):
        return spec["use"], {key: value for key, value in spec.items() if key != "use"}
    if isinstance(spec, Mapping) and len(spec) == 1:
        ((name, parameters),) = spec.items()
        if isinstance(name, str) and isinstance(parameters, (Mapping, type(None))):
            return str((parameters or {}).get("use", name)), {
                key: value for key, value in (parameters or {}).items() if key != "use"
            }
    raise UserError(
        f"--segmenter {text}: give a name, or one with parameters as '{{denseraunet: {{hu: 140}}}}'"
    )


def _message(error: ValueError) -> str:
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {plain_message(first)}"
