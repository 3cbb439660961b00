"""Real scans with known calcium: plaques of exact mass in the vessels of scans that have none.

With it a method is measured on a scanner's own scans, whose noise, sharpness and anatomy no phantom has, against a
truth that no reader drew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, WithJsonSchema, model_validator

from benchmark.case import Case, ScanSource
from benchmark.cohorts.scan_files import UnusableScan
from benchmark.errors import UserError
from benchmark.execution.seeds import derive_seed
from benchmark.phantom.heart.plaque import Disease, DiseaseModel
from benchmark.phantom.implant.host import HostSettings
from benchmark.phantom.implant.placement import in_pieces
from benchmark.phantom.implant.source import ImplantedScan, PlacedPlaque
from benchmark.plugins import Cohort
from benchmark.plugins.declaration import did_you_mean
from benchmark.plugins.registry import declared

Hosts = Annotated[Cohort, declared("cohort"), WithJsonSchema({"type": "object", "required": ["use"]})]


class ImplantedCohort(Cohort):
    """Each host scan unaltered, as a zero case, and `copies` times with a disease drawn anew.

    Cases of one host are one `group` (the host's own, if it has one, else its case id), so that splits by groups keep
    it whole. Case ids end in hashes and say nothing of the label. The disease derives from the seed, the host's case
    id and the number of the copy. The unaltered host is there once: its copies would be the same voxels.
    """

    libraries: ClassVar[tuple[str, ...]] = ("numpy", "scipy", "SimpleITK")

    hosts: Hosts = Field(description="a cohort whose scans have a mask of the coronary arteries")
    mask: str = Field("coronary", description="the hosts' mask that plaques go into; its labels are kept")
    margin_mm: float = Field(
        0.0,
        ge=0,
        le=5,
        description="how far the vessels reach beyond the mask: 1.5 to 2 for one of centrelines",
    )
    copies: int = Field(1, ge=0, le=1000, description="cases with calcium made from each host")
    zero: bool = Field(True, description="the unaltered host, too, as a case without calcium")
    seed: int | str = Field(0, description="name of the random streams; another seed, other plaques")
    disease: DiseaseModel = Field(DiseaseModel(), description="distribution of scores over the copies")
    plaques: dict[str, tuple[PlacedPlaque, ...]] = Field(
        {},
        description="by a host's case id, plaques in places of your choice instead of drawn ones, in one copy",
    )
    existing: Literal["refuse", "keep"] = Field(
        "refuse",
        description="a host that has calcium in the mask: leave it out, or keep it as a part of the reference",
    )
    measured: HostSettings = Field(
        HostSettings(), description="what of the hosts is known instead of being measured on each"
    )

    @model_validator(mode="after")
    def _makes_cases(self) -> ImplantedCohort:
        if not (self.copies or self.zero):
            raise ValueError("copies is 0 and zero is false, which makes no case: set one of them")
        return self

    @property
    def place(self) -> str:
        """Where the hosts are listed."""
        return self.hosts.place

    def notices(self) -> Sequence[str]:
        """Return those of the hosts."""
        return self.hosts.notices()

    def cases(self) -> Sequence[Case]:
        """List the cases host by host, within a host in the order of their ids. Raises `UserError`."""
        hosts = list(self.hosts.cases())
        for name in self.plaques:
            if name not in (known := [host.case_id for host in hosts]):
                raise UserError(
                    f"{self.place}: plaques: no host is called {name!r}; {did_you_mean(name, known)}"
                )
        return [case for host in hosts for case in sorted(self._of(host), key=lambda case: case.case_id)]

    def _of(self, host: Case) -> Iterator[Case]:
        if self.zero:
            yield self._case(host, "zero", ())
        if placed := self.plaques.get(host.case_id, ()):
            yield self._case(host, "placed", tuple(Disease(lesions=(one.lesion,)) for one in placed), placed)
            return
        for k in range(self.copies):
            seed = derive_seed(self.seed, host.case_id, "implant", k)
            yield self._case(host, f"copy {k}", in_pieces(self.disease.draw(seed), seed), seed=seed)

    def _case(
        self,
        host: Case,
        name: str,
        plaques: tuple[Disease, ...],
        placed: tuple[PlacedPlaque, ...] = (),
        seed: int = 0,
    ) -> Case:
        tail = hashlib.sha256(f"{self.seed}\x1f{host.case_id}\x1f{name}".encode()).hexdigest()[:6]
        label, score = self._known(host, sum(plaque.agatston for plaque in plaques))
        return Case(
            case_id=f"{host.case_id}-{tail}",
            source=self._source(host, plaques, placed, seed),
            label=label,
            cac_score=score,
            group=host.group or host.case_id,
            patient=host.patient or host.case_id,
            protocol=host.protocol,
            contrast=host.contrast,
            covariates={**host.covariates, "host": host.case_id},
            anomalies=host.anomalies,
        )

    def _known(self, host: Case, implanted: float) -> tuple[int | None, float | None]:
        """Return label and score: without calcium of the host's own the implants', else theirs together if known."""
        own = host.cac_score if self.existing == "keep" else 0.0
        if own is not None:
            return int(own + implanted > 0), round(own + implanted, 3)
        return (1 if implanted else host.label), None

    def _source(
        self, host: Case, plaques: tuple[Disease, ...], placed: tuple[PlacedPlaque, ...], seed: int
    ) -> ScanSource:
        if isinstance(host.source, UnusableScan):
            return host.source
        if reason := self._refusal(host):
            return UnusableScan(f"{host.case_id}: {reason}")
        return ImplantedScan(
            host.case_id, host.source, self.mask, self.margin_mm, plaques, placed, self.existing, self.measured, seed
        )  # fmt: skip

    def _refusal(self, host: Case) -> str:
        """Return why a host cannot be one, as far as it is known without reading it."""
        if host.contrast:
            return "the host has contrast medium in its vessels, as bright as calcium; use scans without"
        if self.existing == "refuse" and (host.label or host.cac_score):
            known = f"a score of {host.cac_score:g}" if host.cac_score else "label 1"
            return f"the host has {known}, so calcium of its own; use hosts without, or `existing: keep`"
        return ""
