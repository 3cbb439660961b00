"""What extractors of English reports have in common: sentences that state the label, and reading without them."""

from __future__ import annotations

from pydantic import Field

from benchmark.plugins.reports import ReportExtractor


class EnglishReportExtractor(ReportExtractor):
    """Knows which sentences say outright that there is coronary calcium, or that there is none."""

    without_statements: bool = Field(
        False, description="leave out sentences that say outright that there is coronary calcium, or none"
    )

    @property
    def leaves_out_statements(self) -> bool:
        """As declared."""
        return self.without_statements

    def stated(self, report: str) -> bool | None:
        """Return what sentences state outright: calcium if one does, none if one denies it and no other affirms it."""
        from feature_extractors.reports.sentences import sentences, stated

        said = {stated(sentence) for sentence in sentences(report)}
        return True if True in said else False if False in said else None

    def read_sentences(self, report: str) -> list[str]:
        """Return the sentences to be read, in lower case."""
        from feature_extractors.reports.sentences import sentences, stated

        return [
            sentence
            for sentence in sentences(report)
            if not (self.without_statements and stated(sentence) is not None)
        ]
