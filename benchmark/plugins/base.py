"""The four kinds of plug-in: cohort, segmenter, feature extractor, classifier.

A plug-in is a frozen pydantic model whose fields are its parameters. One definition thus gives the YAML
validation, the editor's schema, the cache key, the MLflow parameters and the documentation. Heavy state (weights,
sessions) is loaded on first use, outside the model's fields, and never travels in a pickle.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from benchmark.plugins.declaration import Declaration
from benchmark.plugins.fingerprint import code_digest, digest_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import SimpleITK as sitk
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from benchmark.case import Case, Scan, ScanWarning


WHOLE = "kept whole: code"
"""The column behind the features that says which cases no fold may part."""


class Availability(BaseModel):
    """Whether a plug-in can run here; if not, the reason and what to do about it, in one sentence."""

    model_config = ConfigDict(frozen=True)
    ready: bool = True
    reason: str = ""


@dataclass(frozen=True)
class Provenance:
    """Under what somebody else's weights may be used, and what they have learnt from."""

    licence: str
    commercial: bool = True
    trained_on: str = ""
    may_hold: str = ""
    """Whose patients may be among what it was trained on, so that a cohort of theirs was seen; empty: nobody's."""

    @property
    def terms(self) -> str:
        """The licence, marked where it forbids commercial use."""
        return self.licence if self.commercial else f"{self.licence} (NON-COMMERCIAL)"


class Plugin(Declaration, ABC):
    """What all kinds have in common: parameters, availability, fingerprint."""

    libraries: ClassVar[tuple[str, ...]] = ()
    """Distributions whose version may change the result, whatever the parameters; part of the fingerprint."""
    provenance: ClassVar[Mapping[str, Provenance]] = {}
    """Of the published weights, by what one of its parameters may say; where there is but one, by their name."""

    def provenance_used(self) -> Provenance | None:
        """Return that of the weights it is declared with; None where they are nobody else's, or untrained."""
        return None

    def libraries_used(self) -> tuple[str, ...]:
        """Return the distributions whose version may change the result, as the plug-in is declared."""
        return self.libraries

    def availability(self) -> Availability:
        """Say whether the plug-in can run here. Cheap: no download, no heavy import."""
        return Availability()

    def weights_digest(self) -> str:
        """Return the SHA-256 of the weights the result depends on; empty where there are none."""
        return ""

    def parameters(self) -> dict[str, Any]:
        """Return the parameters as plain JSON values, plug-ins within plug-ins included."""
        return {name: _plain(getattr(self, name)) for name in type(self).model_fields}

    def fingerprint(self) -> str:
        """Return the SHA-256 of all that decides the result: parameters, code, libraries and weights."""
        cls = type(self)
        return digest_of(
            {
                "class": f"{cls.__module__}:{cls.__qualname__}",
                # Of a plug-in within this one, code and weights decide the result as well as its parameters.
                "parameters": {
                    name: value.fingerprint() if isinstance(value, Plugin) else _plain(value)
                    for name, value in ((name, getattr(self, name)) for name in cls.model_fields)
                },
                "code": code_digest(cls.__module__),
                "libraries": {name: _version(name) for name in self.libraries_used()},
                "weights": self.weights_digest(),
            }
        )


@cache
def _version(library: str) -> str:
    """Return a library's version, of which a study asks once for each plug-in and case."""
    return version(library)


class Cohort(Plugin):
    """Where cases come from."""

    reads_files: ClassVar[bool] = True
    """Whether its scans are read, so that a check of the files finds something; not where they are made."""
    mask_names: ClassVar[tuple[str, ...] | None] = None
    """Names of the masks that each of its scans has; None where that is the source's to say, or not known."""

    @property
    def place(self) -> str:
        """Where its cases are listed, as a message names it: its file or folder, or what it is."""
        return str(getattr(self, "path", type(self).__name__))

    def notices(self) -> Sequence[str]:
        """Return what people should be told once of its declaration. Raises `UserError` as `cases` does."""
        return ()

    @abstractmethod
    def cases(self) -> Sequence[Case]:
        """List the cases without reading their images. Raises `UserError` for a mistake in the declaration."""


class Segmenter(Plugin):
    """Finds the region of interest in a scan."""

    expensive: ClassVar[bool] = False
    """Whether what it finds is worth keeping in the store. It then asks for it by ``Scan.region(region_key(), …)``."""
    finds_calcium: ClassVar[bool] = False
    """Whether what it finds is calcium, to be scored, and not a region to look for it in."""

    @property
    def masks_needed(self) -> tuple[str, ...]:
        """Names of the scan's own masks without which it fails, those of segmenters within it left aside."""
        return ()

    def region_key(self) -> str:
        """Return what identifies the region that is kept, free of what is cheap to do afterwards."""
        return self.fingerprint()

    @abstractmethod
    def segment(self, scan: Scan) -> sitk.Image:
        """Return the ROI as a label image on the scan's grid; 0 is background. Raises `CaseError`.

        It takes the whole `Scan`, not the image alone, because `reference` needs the masks that came with it.
        """

    def steps(self, scan: Scan) -> dict[str, sitk.Image]:
        """Return what it goes through on the way to its region, to look at: label images on the scan's grid, by name.

        In order, the last is the region; nothing unless a segmenter works in steps. Raises `CaseError`.
        """
        return {}

    def segment_noting(self, scan: Scan) -> tuple[sitk.Image, tuple[ScanWarning, ...]]:
        """Do what `segment` does and return why it is to be doubted, too; nothing unless a segmenter can tell."""
        return self.segment(scan), ()

    def segment_once(self, scan: Scan) -> tuple[sitk.Image, tuple[ScanWarning, ...]]:
        """Do what `segment_noting` does, once per scan for all who ask; nobody may change the image."""
        key = self.fingerprint()
        if key not in scan.findings:
            scan.findings[key] = self.segment_noting(scan)
        return scan.findings[key]


class FeatureExtractor(Plugin):
    """Turns an image and its ROI into one named vector."""

    embedding: ClassVar[bool] = False
    """Whether the vector is the activations of a network that was trained on other scans."""

    @abstractmethod
    def extract(self, image: sitk.Image, roi: sitk.Image) -> pd.Series:
        """Return the features as float64, indexed by name; the same names for every case. Raises `CaseError`."""


class Classifier(Plugin):
    """A scikit-learn Pipeline and the grid its hyperparameters are chosen from."""

    stages: ClassVar[str | None] = None
    """A parameter of the step ``model`` of which one fit with a large value holds all smaller ones exactly."""

    @property
    def staged_parameter(self) -> str | None:
        """`stages`, or what it is called where a classifier wraps another."""
        return self.stages

    @property
    def learns_from_activations(self) -> bool:
        """Whether it learns from the activations of a `TrainableExtractor` and not from the table of features.

        What it fits is costly then: its grid is tried on one inner fold, held out, and not on all in turn.
        """
        return False

    @property
    def batch_column(self) -> str | None:
        """The column of the cases that it needs as codes behind the features, to harmonise them; None: none."""
        return None

    def unharmonised(self) -> Classifier:
        """Return the classifier without the harmonisation; itself where it has none."""
        return self

    def learning_from(self, extractor: FeatureExtractor) -> Classifier:
        """Return the classifier as it learns from an extractor's features. Raises `ValueError` where it cannot."""
        return self

    @property
    def parts_columns(self) -> bool:
        """Whether it learns from features of images and of reports apart, so that it must be told which is which."""
        return False

    @property
    def keeps_whole(self) -> bool:
        """Whether it has folds of its own and needs a column `WHOLE` where patients or groups must not be parted."""
        return False

    def told(self, columns: Sequence[str]) -> Classifier:
        """Return the classifier as it learns from features of these names, in this order."""
        return self

    @abstractmethod
    def estimator(self, seed: int) -> Pipeline:
        """Return the unfitted pipeline; its last step is named ``model``."""

    @abstractmethod
    def parameter_grid(self) -> dict[str, list[Any]]:
        """Return the grid in scikit-learn's form: ``step__parameter`` to values."""

    def fitted_in_search(self, model: Any, X: NDArray[np.float64], y: NDArray[np.intp]) -> Any:
        """Fit the step ``model`` where only its probabilities are asked for; return what has `predict_proba`.

        What is returned need not be the model itself, only predict the same, and `staged_probabilities` must take it.
        """
        return model.fit(X, y)

    def staged_probabilities(
        self, model: Any, X: NDArray[np.float64], stages: list[int]
    ) -> NDArray[np.float64]:
        """Return what `model` would predict had it been fitted with each of `stages`.

        Shape (stages, cases, classes). Only called where `stages` is set, with the fitted step ``model`` and X as
        the earlier steps leave it.
        """
        raise TypeError(f"{type(self).__name__} names stages but does not predict them")


def with_nested(plugin: Plugin) -> Iterator[Plugin]:
    """Yield a plug-in and the plug-ins that are its parameters, their own included."""
    yield plugin
    for name in type(plugin).model_fields:
        if isinstance(value := getattr(plugin, name), Plugin):
            yield from with_nested(value)


def _plain(value: Any) -> Any:
    """Return `value` as JSON values, a nested plug-in as its parameters."""
    if isinstance(value, Plugin):
        return value.parameters()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value
