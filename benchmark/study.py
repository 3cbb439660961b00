"""`runs.yaml` as models: one cohort, named segmenters, extractors and classifiers, the protocol, the comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from benchmark.plugins import Classifier, Cohort, FeatureExtractor, Plugin, Segmenter
from benchmark.protocol import Metric, Protocol
from benchmark.registry import Kind, build, did_you_mean, plugin_class
from benchmark.target import Nonzero, Target

Test = Literal[
    "paired_t", "nadeau_bengio", "wilcoxon", "five_by_two_f", "bayesian_correlated_t", "mcnemar", "delong",
    "bootstrap_percentile", "bootstrap_bca",
]  # fmt: skip


class _Declared(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Extraction(_Declared):
    """A named feature extractor together with the segmenter whose ROI it reads."""

    segmenter: str
    extractor: FeatureExtractor


class Comparisons(_Declared):
    """What the runs are compared with, on which metrics, and by which tests."""

    reference: str | None = Field(
        None, description="the run all others are compared with; default: the first"
    )
    pairs: tuple[tuple[str, str], ...] | None = Field(
        None, min_length=1, description="runs compared, [run, with which]; default: all with the reference"
    )
    metrics: tuple[Metric, ...] | None = Field(
        None,
        min_length=1,
        description="compared by every test; default: accuracy and f1, of bands accuracy and quadratic_kappa",
    )
    tests: tuple[Test, ...] = Field(
        (
            "paired_t",
            "nadeau_bengio",
            "wilcoxon",
            "mcnemar",
            "delong",
            "bootstrap_bca",
            "bayesian_correlated_t",
        ),
        min_length=1,
        description="see docs/statistics.md for what each assumes and how often it errs",
    )
    family: Literal["study", "metric"] = Field(
        "metric",
        description="what p-values are adjusted over: all pairs and metrics of a test, or a metric's pairs",
    )
    rope: float = Field(0.01, gt=0, lt=1, description="half-width of practical equality in the Bayesian test")


@dataclass(frozen=True)
class Run:
    """One row of the comparison: the features of one extraction, learnt by one classifier."""

    extractor: str
    classifier: str

    @property
    def name(self) -> str:
        """The run's name, ``extractor/classifier``."""
        return f"{self.extractor}/{self.classifier}"


class Study(_Declared):
    """Everything one execution needs to know; see `runs.yaml` for an example."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="names the folder under results/")
    seed: int | str = Field(0, description="every random choice derives from it and from names")
    cohort: Cohort
    segmenters: dict[str, Segmenter] = Field(min_length=1)
    extractors: dict[str, Extraction] = Field(min_length=1)
    classifiers: dict[str, Classifier] = Field(min_length=1)
    target: Target = Nonzero()
    protocol: Protocol = Protocol()
    comparisons: Comparisons = Comparisons()
    runs: tuple[str, ...] | None = Field(
        None, description="`extractor/classifier` names; default: all of them"
    )

    @field_validator("cohort", mode="plain")
    @classmethod
    def _cohort(cls, spec: Any, info: ValidationInfo) -> Any:
        if isinstance(spec, Cohort):
            return spec
        try:
            return build("cohort", spec, info.context)
        except ValidationError as error:
            details = [
                _detail(*item["loc"], message=plain_message(item, _fields("cohort", spec, item)))
                for item in error.errors()
            ]
            raise ValidationError.from_exception_data("Study", details) from None

    @field_validator("segmenters", mode="plain")
    @classmethod
    def _segmenters(cls, specs: Any, info: ValidationInfo) -> Any:
        return _build_all("segmenter", specs, info.context or {})

    @field_validator("classifiers", mode="plain")
    @classmethod
    def _classifiers(cls, specs: Any, info: ValidationInfo) -> Any:
        return _build_all("classifier", specs, info.context or {})

    @field_validator("extractors", mode="plain")
    @classmethod
    def _extractors(cls, specs: Any, info: ValidationInfo) -> Any:
        segmenters = info.data.get("segmenters", {})
        context = {**(info.context or {}), "named": segmenters}
        parameters = {
            name: {**(spec or {})} for name, spec in _mapping(specs).items() if not _is_extraction(spec)
        }
        regions = {name: spec.pop("segmenter", None) for name, spec in parameters.items()}
        for name, region in regions.items():
            if region not in segmenters and segmenters:
                raise _located(name, "segmenter", message=_names_no("segmenter", region, segmenters))
        built = _build_all("feature_extractor", parameters, context)
        made = {name: Extraction(segmenter=regions[name], extractor=built[name]) for name in parameters}
        return {name: made.get(name, spec) for name, spec in specs.items()}

    @model_validator(mode="after")
    def _names_exist(self) -> Study:
        known = [run.name for run in self._product()]
        for name in self.runs or ():
            if name not in known:
                raise _located("runs", message=_names_no("run", name, known))
        for run, other in self.comparisons.pairs or ():
            if run == other:
                raise _located("comparisons", "pairs", message=f"{run} is paired with itself: name two runs")
        compared = {"reference": [self.comparisons.reference or self.run_names()[0]]}
        compared["pairs"] = [name for pair in self.comparisons.pairs or () for name in pair]
        for key, names in compared.items():
            for name in names:
                if name not in self.run_names():
                    raise _located("comparisons", key, message=_names_no("run", name, self.run_names()))
        return self

    @model_validator(mode="after")
    def _metrics_defined(self) -> Study:
        allowed = self.target.metrics
        places = [("comparisons", "metrics", name) for name in self.comparisons.metrics or ()]
        for section, key, name in [*places, ("protocol", "scoring", self.protocol.scoring)]:
            if name not in allowed:
                what = f"is no metric of the target {self.target.use}: choose from {', '.join(allowed)}"
                raise _located(section, key, message=f"{name} {what}")
        if not self.target.binary and self.protocol.threshold != "half":
            message = "only a target of two labels has a threshold: leave it out"
            raise _located("protocol", "threshold", message=message)
        return self

    @property
    def compared_metrics(self) -> tuple[str, ...]:
        """The metrics on which runs are compared."""
        default = ("accuracy", "f1") if self.target.binary else ("accuracy", "quadratic_kappa")
        return self.comparisons.metrics or default

    def learner(self, run: Run) -> Classifier:
        """Return the run's classifier as it learns the study's target."""
        return self.target.learner(self.classifiers[run.classifier])

    def all_runs(self) -> list[Run]:
        """Return the declared runs, by default every extractor with every classifier, in the declared order."""
        return [run for run in self._product() if self.runs is None or run.name in self.runs]

    def run_names(self) -> list[str]:
        """Return the names of `all_runs`."""
        return [run.name for run in self.all_runs()]

    def why_no_features(self, extractor: str) -> str:
        """Return why an extraction cannot run here, and what to do; empty if it can."""
        declared = self.extractors[extractor]
        return _reasons(self.segmenters[declared.segmenter], declared.extractor)

    def why_unavailable(self, run: Run) -> str:
        """Return why a run cannot be made here, and what to do; empty if it can."""
        return "; ".join(
            filter(None, [self.why_no_features(run.extractor), _reasons(self.classifiers[run.classifier])])
        )

    @property
    def reference_run(self) -> str:
        """The run all others are compared with."""
        return self.comparisons.reference or self.run_names()[0]

    def _product(self) -> Iterator[Run]:
        return (
            Run(extractor, classifier) for extractor in self.extractors for classifier in self.classifiers
        )


def _reasons(*plugins: Plugin) -> str:
    return "; ".join(state.reason for plugin in plugins if not (state := plugin.availability()).ready)


def _build_all(kind: Kind, specs: Any, context: Mapping[str, Any]) -> dict[str, Plugin]:
    """Build every named declaration; a later segmenter may refer to an earlier one by its name."""
    built: dict[str, Plugin] = {}
    errors: list[InitErrorDetails] = []
    for name, spec in _mapping(specs).items():
        if isinstance(spec, Plugin):
            built[name] = spec
            continue
        declared = {"use": name, **spec} if isinstance(spec, Mapping) else spec or {"use": name}
        named = {**context.get("named", {}), **(built if kind == "segmenter" else {})}
        try:
            built[name] = build(kind, declared, {**context, "named": named})
        except ValidationError as error:
            errors += [
                _detail(name, *item["loc"], message=plain_message(item, _fields(kind, declared, item)))
                for item in error.errors()
            ]
        except ValueError as error:
            errors.append(_detail(name, message=str(error)))
    if errors:
        raise ValidationError.from_exception_data("Study", errors)
    return built


def _mapping(specs: Any) -> dict[str, Any]:
    if not isinstance(specs, Mapping) or not specs:
        raise ValueError("must name at least one plug-in, as `name: {use: PLUGIN, …}`")
    return dict(specs)


def _is_extraction(spec: Any) -> bool:
    return isinstance(spec, Extraction)


def _detail(*place: str | int, message: str) -> InitErrorDetails:
    error = PydanticCustomError("declaration", "{message}", {"message": message})
    return InitErrorDetails(type=error, loc=place, input=None)


def _located(*place: str | int, message: str) -> ValidationError:
    return ValidationError.from_exception_data("Study", [_detail(*place, message=message)])


def _names_no(what: str, name: object, known: Any) -> str:
    return f"{name!r} names no {what} of this study; {did_you_mean(str(name), known)}"


def _fields(kind: Kind, declared: Any, item: Any) -> Iterable[str]:
    """Return the parameters that a plug-in's wrong key may have meant; none for a key deeper inside."""
    direct = isinstance(declared, Mapping) and len(item["loc"]) == 1
    return plugin_class(kind, declared["use"]).model_fields if direct else ()


def plain_message(item: Any, known: Any) -> str:
    """Return what is wrong with an item of a validation error; `known` are the keys there are."""
    if item["type"] == "extra_forbidden":
        return f"unknown key; {did_you_mean(str(item['loc'][-1]), known)}" if known else "unknown key"
    if item["type"] == "missing":
        return "is missing; add it"
    return str(item["msg"]).removeprefix("Value error, ")
