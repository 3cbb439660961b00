"""Finds plug-ins by kind and name: built-in ones, imported on first use, of entry points, of one's own files."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from pydantic import BeforeValidator, ValidationError
from pydantic_core import InitErrorDetails

from benchmark.plugins.base import Classifier, Cohort, FeatureExtractor, Plugin, Segmenter
from benchmark.plugins.declaration import detail, did_you_mean, plain_message
from benchmark.plugins.plugin_file import class_in_file, is_in_file
from benchmark.plugins.training import Trainer

Kind = Literal["cohort", "segmenter", "feature_extractor", "classifier", "trainer"]

BASES: dict[Kind, type[Plugin]] = {
    "cohort": Cohort,
    "segmenter": Segmenter,
    "feature_extractor": FeatureExtractor,
    "classifier": Classifier,
    "trainer": Trainer,
}

BUILTINS: dict[Kind, dict[str, str]] = {
    "cohort": {
        "phantom": "benchmark.cohorts.phantom:PhantomCohort",
        "manifest": "benchmark.cohorts.manifest:ManifestCohort",
        "coca_gated": "benchmark.cohorts.coca_gated:CocaGatedCohort",
        "coca_nongated": "benchmark.cohorts.coca_nongated:CocaNongatedCohort",
        "orcascore": "benchmark.cohorts.orcascore:OrCaScoreCohort",
        "qrm": "benchmark.phantom.qrm:QrmCohort",
        "implanted": "benchmark.cohorts.implanted:ImplantedCohort",
    },
    "segmenter": {
        "reference": "segmenters.reference:ReferenceSegmenter",
        "whole_image": "segmenters.whole_image:WholeImageSegmenter",
        "heart_region": "segmenters.heart_region.segmenter:HeartRegionSegmenter",
        "pseudo_label": "segmenters.pseudo_label:PseudoLabelSegmenter",
        "threshold": "segmenters.threshold:ThresholdSegmenter",
        "denseraunet": "segmenters.denseraunet.segmenter:DenseRAUnetSegmenter",
        "ai_cac": "segmenters.ai_cac.segmenter:AICACSegmenter",
        "totalsegmentator": "segmenters.totalsegmentator.segmenter:TotalSegmentatorSegmenter",
    },
    "feature_extractor": {
        "radiomics": "feature_extractors.radiomics.extractor:RadiomicsExtractor",
        "mirp": "feature_extractors.mirp_radiomics.extractor:MirpExtractor",
        "ct_fm": "feature_extractors.ct_fm.extractor:CTFMExtractor",
        "radimagenet": "feature_extractors.radimagenet:RadImageNetExtractor",
        "slices": "feature_extractors.slices.extractor:SlicesExtractor",
        "finetune_slices": "feature_extractors.slices.finetuning.extractor:FinetuneSlicesExtractor",
        "finetune_ct_fm": "feature_extractors.ct_fm.finetuning:FinetuneCTFMExtractor",
        "finetune_i3resnet": "feature_extractors.i3resnet.finetuning:FinetuneI3ResNetExtractor",
        "i3resnet": "feature_extractors.i3resnet.extractor:I3ResNetExtractor",
        "monai_encoder": "feature_extractors.monai_encoders.extractor:MONAIEncoderExtractor",
        "denseraunet_features": "segmenters.denseraunet.embedding.extractor:DenseRAUnetFeaturesExtractor",
        "calcium_volumes": "feature_extractors.calcium_volumes:CalciumVolumesExtractor",
        "calcium_rule": "feature_extractors.calcium_rule:CalciumRuleExtractor",
        "control": "feature_extractors.control:ControlExtractor",
        "image_diagnostics": "feature_extractors.image_diagnostics:ImageDiagnosticsExtractor",
        "report_bow": "feature_extractors.reports.bag_of_words:ReportBagOfWords",
        "report_embedding": "feature_extractors.reports.embedding:ReportEmbedding",
    },
    "classifier": {
        "random_forest": "classifiers.random_forest:RandomForest",
        "xgboost": "classifiers.xgboost:XGBoost",
        "lightgbm": "classifiers.lightgbm:LightGBM",
        "logistic_regression": "classifiers.logistic_regression:LogisticRegression",
        "combat": "classifiers.combat.classifier:CombatClassifier",
        "early_fusion": "classifiers.fusion.early:EarlyFusion",
        "late_fusion": "classifiers.fusion.late:LateFusion",
        "finetuned": "classifiers.finetuned.classifier:Finetuned",
    },
    "trainer": {"denseraunet": "segmenters.denseraunet.training.trainer:DenseRAUnetTrainer"},
}


def names(kind: Kind) -> list[str]:
    """Return the names of all plug-ins of a kind, built-in ones first."""
    return [*BUILTINS[kind], *sorted(set(_external(kind)) - set(BUILTINS[kind]))]


def name_of(plugin: Plugin) -> str:
    """Return what a study file calls a plug-in's class; the class's own name where no kind lists it."""
    place = f"{type(plugin).__module__}:{type(plugin).__qualname__}"
    for kind, base in BASES.items():
        if isinstance(plugin, base):
            places = BUILTINS[kind] | {name: entry.value for name, entry in _external(kind).items()}
            return next((name for name, there in places.items() if there == place), type(plugin).__name__)
    return type(plugin).__name__


def plugin_class(kind: Kind, name: str, folder: Path = Path()) -> type[Plugin]:
    """Import and return the class of a plug-in; one of a file is found from `folder`.

    Raises `ValueError` for an unknown or unfit one.
    """
    if name in BUILTINS[kind]:
        module, _, attribute = BUILTINS[kind][name].partition(":")
        plugin = getattr(importlib.import_module(module), attribute)
    elif name in _external(kind):
        plugin = _loaded(_external(kind)[name])
    elif is_in_file(name):
        plugin = class_in_file(name, folder)
    else:
        raise ValueError(f"no {kind} is called {name!r}; {did_you_mean(name, names(kind))}")
    if not (isinstance(plugin, type) and issubclass(plugin, BASES[kind])):
        raise ValueError(
            f"plug-in {name!r} is not a {BASES[kind].__name__}: derive {plugin!r} from benchmark.plugins"
        )
    return plugin


def build(kind: Kind, spec: Any, context: Mapping[str, Any] | None = None) -> Plugin:
    """Make a plug-in from its declaration: ``{"use": name, **parameters}``, or a name alone; or return the one given.

    `context` is handed to the plug-in's validators: ``named`` holds the segmenters declared earlier in the study,
    which a name alone may refer to, and ``base`` the folder that relative paths start from.
    Raises `ValueError` (unknown plug-in) or its subclass `pydantic.ValidationError` (unfit parameters).
    """
    context = context or {}
    if isinstance(spec, BASES[kind]):
        return spec
    if isinstance(spec, str) and spec in context.get("named", {}):
        return context["named"][spec]  # type: ignore[no-any-return]
    parameters = {"use": spec} if isinstance(spec, str) else dict(spec) if isinstance(spec, Mapping) else {}
    name = parameters.pop("use", None)
    if not isinstance(name, str):
        raise ValueError(f"names no {kind}: add `use: NAME`, one of {', '.join(names(kind))}")
    return plugin_class(kind, name, Path(context.get("base") or "")).model_validate(
        parameters, context=dict(context)
    )


def build_all(kind: Kind, specs: Any, context: Mapping[str, Any] | None = None) -> dict[str, Plugin]:
    """Make every plug-in of ``{name: declaration}``; the name is its ``use`` unless it says otherwise.

    A later segmenter may refer to an earlier one by its name. Raises `pydantic.ValidationError` that places each
    mistake under the name, or `ValueError` where `specs` is no such mapping.
    """
    if not isinstance(specs, Mapping) or not specs:
        raise ValueError("must name at least one plug-in, as `name: {use: PLUGIN, …}`")
    context = context or {}
    built: dict[str, Plugin] = {}
    errors: list[InitErrorDetails] = []
    for name, spec in specs.items():
        declared = {"use": name, **spec} if isinstance(spec, Mapping) else spec or {"use": name}
        named = {**context.get("named", {}), **(built if kind == "segmenter" else {})}
        try:
            built[name] = build(kind, declared, {**context, "named": named})
        except ValidationError as error:
            errors += [detail(name, *item["loc"], message=plain_message(item)) for item in error.errors()]
        except ValueError as error:
            errors.append(detail(name, message=str(error)))
    if errors:
        raise ValidationError.from_exception_data(kind, errors)
    return built


def declared(kind: Kind) -> BeforeValidator:
    """Return the validator of a field that holds a plug-in, see `build`."""
    return BeforeValidator(lambda spec, info: build(kind, spec, info.context))


def all_declared(kind: Kind) -> BeforeValidator:
    """Return the validator of a field that holds named plug-ins, see `build_all`."""
    return BeforeValidator(lambda specs, info: build_all(kind, specs, info.context))


def _loaded(entry: EntryPoint) -> Any:
    """Import what an entry point names. Raises `ValueError`: what another package does wrong is no fault of ours."""
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        package = entry.dist.name if entry.dist else entry.module
        raise ValueError(
            f"plug-in {entry.name!r} of {package} cannot be imported ({type(error).__name__}: {error}); update or "
            "uninstall that package"
        ) from error


@cache
def _external(kind: Kind) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=f"cacbench.{kind}s")}
