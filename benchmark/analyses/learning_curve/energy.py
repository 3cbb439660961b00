"""The energy that the machine says its processors took: Linux's powercap (RAPL), where that can be read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True)
class EnergyMeter:
    """Counters of the processor packages, in microjoules. They count the whole machine, whoever makes it work."""

    counters: tuple[Path, ...]
    absent: str = ""
    """Why there are none."""

    def read(self) -> dict[Path, int]:
        """Return what each counter says now."""
        return {counter: _number(counter / "energy_uj") for counter in self.counters}

    def joules_since(self, before: dict[Path, int]) -> float | None:
        """Return the joules since counters said `before`; None where there are none. A counter may begin anew once."""
        if not self.counters:
            return None
        total = 0
        for counter, then in before.items():
            now = _number(counter / "energy_uj")
            total += now - then if now >= then else now - then + _number(counter / "max_energy_range_uj")
        return total / 1e6


def energy_meter(folder: Path = POWERCAP) -> EnergyMeter:
    """Return the meter of this machine: its packages, whose parts are counted in them."""
    if not folder.is_dir():
        return EnergyMeter((), f"this machine has no {folder}")
    packages = [
        place for place in sorted(folder.glob("*:*")) if place.name.count(":") == 1 and _is_package(place)
    ]
    if not packages:
        return EnergyMeter((), f"{folder} lists no processor package")
    try:
        for package in packages:
            _number(package / "energy_uj")
    except OSError as error:
        return EnergyMeter((), f"{packages[0] / 'energy_uj'} cannot be read ({error.strerror})")
    return EnergyMeter(tuple(packages))


def _is_package(place: Path) -> bool:
    try:
        return (place / "name").read_text().startswith("package")
    except OSError:
        return False


def _number(file: Path) -> int:
    return int(file.read_text())
