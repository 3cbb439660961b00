"""The studies that come with cacbench, by name, wherever it is installed."""

from __future__ import annotations

from pathlib import Path

from benchmark.errors import UserError
from benchmark.plugins.declaration import did_you_mean

DEFAULT = "phantoms"
"""The study of ``runs.yaml``, by its own name."""
_SHIPPED, _CHECKOUT = Path(__file__).with_name("examples"), Path(__file__).parents[2]


def examples() -> dict[str, Path]:
    """Return the study files by name: the default study, and those of ``studies/``."""
    home = _SHIPPED if _SHIPPED.is_dir() else _CHECKOUT
    return {DEFAULT: home / "runs.yaml"} | {
        file.stem: file for file in sorted((home / "studies").glob("*.yaml"))
    }


def copy_example(name: str, folder: Path) -> Path:
    """Write the study `name` into a folder, to be run and changed there; return the file.

    A file that is there already is taken as it is, if it was not changed. Raises `UserError` for one that was, and for
    a name that is no example's.
    """
    known = examples()
    if name not in known:
        raise UserError(f"--example {name}: there is none of this name; {did_you_mean(name, known)}")
    lines = known[name].read_text().splitlines(keepends=True)
    text = "".join(line for line in lines if not line.startswith("# yaml-language-server"))
    file = folder / f"{name}.yaml"
    if not file.exists():
        file.write_text(text)
    elif file.read_text() != text:
        raise UserError(
            f"{file}: is there and says something else; run it by its name, `cacbench run {file}`"
        )
    return file
