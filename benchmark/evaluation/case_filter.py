"""Which cases may train, and which may be tested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from benchmark.errors import UserError
from benchmark.plugins.declaration import Declaration, Once

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


class CaseFilter(Declaration):
    """Which cases may take part; what is not given does not matter."""

    contrast: bool | None = Field(None, description="on or off: with or without contrast medium")
    protocols: Annotated[tuple[str, ...] | None, Once] = Field(
        None, min_length=1, description="names of acquisition protocols"
    )
    groups: Annotated[tuple[str, ...] | None, Once] = Field(
        None, min_length=1, description="names of scanners, sites, …"
    )

    def __str__(self) -> str:
        """Say in words which cases pass."""
        parts = [] if self.contrast is None else [f"contrast {'on' if self.contrast else 'off'}"]
        parts += [] if self.protocols is None else [f"protocol {' or '.join(self.protocols)}"]
        parts += [] if self.groups is None else [f"group {' or '.join(self.groups)}"]
        return ", ".join(parts) or "all cases"

    def keeps(self, cases: pd.DataFrame, where: str = "protocol") -> NDArray[np.bool_]:
        """Return which rows pass, shape (n,); `cases` has the columns contrast, protocol and group.

        Raises `UserError` where contrast matters and is not known of a case, or no case has a named protocol or
        group.
        """
        import numpy as np

        kept = np.ones(len(cases), bool)
        if self.contrast is not None:
            unknown = cases.index[~cases["contrast"].isin(["on", "off"])]
            if len(unknown):
                raise UserError(
                    f"{where}: whether contrast was given is not known of {len(unknown)} cases, {unknown[0]} among "
                    "them: say so in the manifest's column `contrast`, or take it from DICOM by `read_tags: true`"
                )
            kept &= (cases["contrast"] == ("on" if self.contrast else "off")).to_numpy()
        for column, names in (("protocol", self.protocols), ("group", self.groups)):
            if names is not None:
                kept &= _named(cases, column, names, where)
        return kept


EVERY = CaseFilter()


def _named(cases: pd.DataFrame, column: str, names: tuple[str, ...], where: str) -> NDArray[np.bool_]:
    for name in names:
        if not (cases[column] == name).any():
            known = ", ".join(sorted(set(cases[column]))) or "none"
            raise UserError(f"{where}: no case has the {column} {name!r}; there are: {known}")
    return cases[column].isin(names).to_numpy()
