"""`runs.yaml` as models: one cohort, named segmenters, extractors and classifiers, the protocol, the comparisons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from benchmark.errors import UserError
from benchmark.evaluation.protocol import Protocol
from benchmark.evaluation.target import Nonzero, Target
from benchmark.plugins import Classifier, Cohort, Segmenter
from benchmark.plugins.base import Plugin
from benchmark.plugins.declaration import Declaration, Once, did_you_mean, mistake
from benchmark.plugins.registry import all_declared, build_all, declared
from benchmark.study.cluster import DeclaredCluster
from benchmark.study.comparisons import EMBEDDINGS, Comparisons, Yardsticks
from benchmark.study.extraction import OF_EXTRACTION, Extraction, plugin_parameters, segmenter_named
from benchmark.study.names import StudyName, refuse_names_of_no_file


@dataclass(frozen=True)
class Run:
    """One row of the comparison: the features of one extraction, learnt by one classifier."""

    extractor: str
    classifier: str

    @property
    def name(self) -> str:
        """The run's name, ``extractor/classifier``."""
        return f"{self.extractor}/{self.classifier}"


class Study(Declaration):
    """Everything one execution needs to know; see `runs.yaml` for an example."""

    name: StudyName
    seed: int | str = Field(0, description="every random choice derives from it and from names")
    cohort: Annotated[Cohort, declared("cohort")]
    segmenters: Annotated[dict[str, Segmenter], all_declared("segmenter")] = Field(min_length=1)
    extractors: dict[str, Extraction] = Field(min_length=1)
    classifiers: Annotated[dict[str, Classifier], all_declared("classifier")] = Field(min_length=1)
    target: Target = Nonzero()
    protocol: Protocol = Protocol()
    comparisons: Comparisons = Comparisons()
    yardsticks: Yardsticks | None = Field(
        Yardsticks(), description="rules without learning that every method is held against; null: none"
    )
    runs: Annotated[tuple[str, ...] | None, Once] = Field(
        None, description="`extractor/classifier` names; default: all of them"
    )
    execution: DeclaredCluster | None = Field(
        None, exclude=True, description="a cluster that does the work; default: this machine's processes"
    )

    _file: Path | None = PrivateAttr(None)

    @property
    def file(self) -> Path | None:
        """The file it was read from; None where it was declared in Python."""
        return self._file

    _text: str = PrivateAttr("")

    @property
    def text(self) -> str:
        """What that file said when it was read; empty where there is none."""
        return self._text

    _overrides: str = PrivateAttr("")

    @property
    def overrides(self) -> str:
        """What was changed of that file as it was read, as one types it; empty where nothing was."""
        return self._overrides

    @field_validator("extractors", mode="before")
    @classmethod
    def _extractors(cls, specs: Any, info: ValidationInfo) -> Any:
        segmenters = info.data.get("segmenters", {})
        folder = Path((info.context or {}).get("base") or "")
        parameters = dict(specs) if isinstance(specs, Mapping) else {}
        regions, learnt_from = {}, {}
        for name, spec in parameters.items():
            if not isinstance(spec, Mapping):
                raise mistake(name, message="must be a mapping such as `{segmenter: NAME}`")
            regions[name] = segmenter_named(name, spec, segmenters)
            if segmenters and regions[name] not in segmenters:
                raise mistake(name, "segmenter", message=_names_no("segmenter", regions[name], segmenters))
            learnt_from[name] = {key: value for key, value in spec.items() if key in OF_EXTRACTION}
            parameters[name] = plugin_parameters(name, spec, folder)
        built = build_all("feature_extractor", parameters, {**(info.context or {}), "named": segmenters})
        return {
            name: {"segmenter": regions[name], "extractor": plugin, **learnt_from[name]}
            for name, plugin in built.items()
        }

    @field_validator("segmenters", "extractors", "classifiers", mode="before")
    @classmethod
    def _named(cls, section: Any) -> Any:
        return refuse_names_of_no_file(section)

    @model_validator(mode="after")
    def _names_exist(self) -> Study:
        known = [run.name for run in self._product()]
        for name in self.runs or ():
            if name not in known:
                raise mistake("runs", message=_names_no("run", name, known))
        for run, other in self.comparisons.pairs or ():
            if run == other:
                raise mistake("comparisons", "pairs", message=f"{run} is paired with itself: name two runs")
        compared = {"reference": [self.comparisons.reference or self.run_names()[0]]}
        compared["pairs"] = [name for pair in self.comparisons.pairs or () for name in pair]
        for key, names in compared.items():
            for name in names:
                if name not in self.run_names():
                    raise mistake("comparisons", key, message=_names_no("run", name, self.run_names()))
        return self

    @model_validator(mode="after")
    def _asked_exist(self) -> Study:
        region = self.yardsticks.segmenter if self.yardsticks else None
        if region is not None and region not in self.segmenters:
            message = _names_no("segmenter", region, self.segmenters)
            raise mistake("yardsticks", "segmenter", message=message)
        known = [*self.methods, EMBEDDINGS]
        for name in self.comparisons.asked:
            if name not in known:
                raise mistake("comparisons", "question", message=_names_no("method", name, known))
        return self

    @model_validator(mode="after")
    def _beside_exist(self) -> Study:
        for name, extraction in self.extractors.items():
            if (other := extraction.beside) is None:
                continue
            if other not in self.extractors:
                message = _names_no("extractor", other, self.extractors)
            elif other == name or self.extractors[other].beside is not None:
                message = f"{other} stands beside another itself: name an extractor that has features of its own alone"
            else:
                continue
            raise mistake("extractors", name, "beside", message=message)
        return self

    @model_validator(mode="after")
    def _classifiers_fit(self) -> Study:
        for run in self.all_runs():
            try:
                self.learner(run)
            except ValueError as error:
                message = f"{run.name}: {error}; list the other runs under `runs`"
                raise mistake("runs", message=message) from None
        return self

    @model_validator(mode="after")
    def _metrics_defined(self) -> Study:
        allowed = self.target.metrics
        places = [("comparisons", "metrics", name) for name in self.comparisons.metrics or ()]
        for section, key, name in [*places, ("protocol", "scoring", self.protocol.scoring)]:
            if name not in allowed:
                what = f"is no metric of the target {self.target.use}: choose from {', '.join(allowed)}"
                raise mistake(section, key, message=f"{name} {what}")
        if not self.target.binary and self.protocol.threshold != "half":
            message = "only a target of two labels has a threshold: leave it out"
            raise mistake("protocol", "threshold", message=message)
        return self

    @property
    def compared_metrics(self) -> tuple[str, ...]:
        """The metrics on which runs are compared."""
        default = ("accuracy", "f1") if self.target.binary else ("accuracy", "quadratic_kappa")
        return self.comparisons.metrics or default

    def names_of(self, run: Run) -> dict[str, str]:
        """Return what the study calls a run's plug-ins, by kind, see `plugins_of`."""
        extraction = self.extractors[run.extractor]
        names = {"segmenter": extraction.segmenter, "extractor": run.extractor, "classifier": run.classifier}
        if extraction.beside is None:
            return names
        other = self.extractors[extraction.beside].segmenter
        return {**names, "beside": extraction.beside, "beside_segmenter": other}

    def plugins_of(self, run: Run) -> dict[str, Plugin]:
        """Return a run's plug-ins by kind: segmenter, extractor, classifier, of joined features also beside (…)."""
        extraction = self.extractors[run.extractor]
        plugins: dict[str, Plugin] = {
            "segmenter": self.segmenter_of(run.extractor),
            "extractor": extraction.extractor,
            "classifier": self.classifiers[run.classifier],
        }
        if extraction.beside is not None:
            plugins["beside"] = self.extractors[extraction.beside].extractor
            plugins["beside_segmenter"] = self.segmenter_of(extraction.beside)
        return plugins

    def with_beside(self, extractor: str) -> dict[str, Extraction]:
        """Return an extraction and the one that its features are joined with, by name."""
        names = [extractor, self.extractors[extractor].beside]
        return {name: self.extractors[name] for name in names if name is not None}

    def segmenter_of(self, extractor: str) -> Segmenter:
        """Return the segmenter that an extraction's region comes from."""
        return self.segmenters[self.extractors[extractor].segmenter]

    def learner(self, run: Run) -> Classifier:
        """Return the run's classifier as it learns the study's target from the run's extractor."""
        extraction = self.extractors[run.extractor]
        learner = self.classifiers[run.classifier].learning_from(extraction.extractor)
        if extraction.components is not None:
            from benchmark.evaluation.learners.reduced import reduced

            learner = reduced(learner, extraction.components)
        fused = extraction.beside is not None
        if fused and (learner.batch_column or learner.learns_from_activations):
            raise ValueError(
                f"{run.classifier} learns from one extractor's features, and {run.extractor} has two"
            )
        return self.target.learner(learner)

    def refuse_networks(self, runs: Iterable[Run], analysis: str) -> None:
        """Raise `UserError` for a run that trains a network: it has no table of features to take apart."""
        for run in runs:
            if self.learner(run).learns_from_activations:
                raise UserError(
                    f"run {run.name} trains a network and learns from no table of features, which {analysis} needs: "
                    "choose other runs, or list them under `runs`"
                )

    def refuse_fused(self, runs: Iterable[Run], analysis: str) -> None:
        """Raise `UserError` for a run that knows features of images and of reports by their places."""
        for run in runs:
            if self.learner(run).parts_columns:
                raise UserError(
                    f"run {run.name} learns from image and report apart, which {analysis} cannot take apart: choose "
                    "a run of another classifier, which learns from the joined features as they stand"
                )

    def refuse_harmonised(self, runs: Iterable[Run], analysis: str) -> None:
        """Raise `UserError` for a run with ComBat, which knows the scanners it was fitted on and no others."""
        for run in runs:
            if self.learner(run).batch_column:
                raise UserError(
                    f"run {run.name} harmonises by ComBat, which {analysis} cannot take apart or carry to other scans: "
                    "choose a run without it"
                )

    def all_runs(self) -> list[Run]:
        """Return the declared runs, by default every extractor with every classifier, in the declared order."""
        return [run for run in self._product() if self.runs is None or run.name in self.runs]

    def run_names(self) -> list[str]:
        """Return the names of `all_runs`."""
        return [run.name for run in self.all_runs()]

    def why_no_features(self, extractor: str) -> str:
        """Return why an extraction cannot run here, and what to do; empty if it can."""
        extractions = self.with_beside(extractor).values()
        reasons = (_reasons(self.segmenters[item.segmenter], item.extractor) for item in extractions)
        return "; ".join(dict.fromkeys(filter(None, reasons)))

    def why_unavailable(self, run: Run) -> str:
        """Return why a run cannot be made here, and what to do; empty if it can."""
        return "; ".join(
            filter(None, [self.why_no_features(run.extractor), _reasons(self.classifiers[run.classifier])])
        )

    @property
    def methods(self) -> list[str]:
        """The extractors that have runs, in the declared order: each is one method, whatever its classifiers."""
        return list(dict.fromkeys(run.extractor for run in self.all_runs()))

    @property
    def region(self) -> str:
        """The segmenter in whose region the yardsticks look: the declared one, or the reference run's."""
        declared_region = self.yardsticks.segmenter if self.yardsticks else None
        return declared_region or self.extractors[self.reference_run.partition("/")[0]].segmenter

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


def _names_no(what: str, name: object, known: Any) -> str:
    return f"{name!r} names no {what} of this study; {did_you_mean(str(name), known)}"
