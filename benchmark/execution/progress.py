"""Progress of long work, on standard error so that standard output stays machine-readable."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console

LINE_SECONDS = 30.0
LINE_SHARE = 0.05
"""A log gets a line when this long has passed and this much more is done, whichever is later."""


class Advance(Protocol):
    """Tells that one more item is done, and perhaps a sentence that people should read now."""

    def __call__(self, said: str = "") -> None:
        """Count one more item; `said` goes where the progress is shown."""


Progress = Callable[[str, int], AbstractContextManager[Advance]]


def _ignore(said: str = "") -> None:
    """Show nothing."""


def plain_console() -> Console:
    """Return a console on standard error that prints names and reasons as they are, `[…]` and `:key:` too."""
    from rich.console import Console

    return Console(stderr=True, markup=False, emoji=False)


@contextmanager
def silent(stage: str, total: int) -> Iterator[Advance]:
    """Show nothing."""
    yield _ignore


@contextmanager
def bars(stage: str, total: int) -> Iterator[Advance]:
    """Show a bar with counts and the time left, or lines where no terminal is; nothing for a stage without work."""
    if total == 0:
        yield _ignore
        return
    console = plain_console()
    with (_bar if console.is_terminal else lines)(stage, total, console) as advance:
        yield advance


@contextmanager
def _bar(stage: str, total: int, console: Console) -> Iterator[Advance]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<9}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
    )
    with Bars(*columns, console=console) as display:
        task = display.add_task(stage, total=total, rate="")
        begin, done = time.monotonic(), 0

        def advance(said: str = "") -> None:
            nonlocal done
            done += 1
            display.update(task, advance=1, rate=rate(done, time.monotonic() - begin))
            if said:
                console.print(said, highlight=False, soft_wrap=True)

        yield advance


@contextmanager
def lines(
    stage: str, total: int, console: Console, clock: Callable[[], float] = time.monotonic
) -> Iterator[Advance]:
    """Print a line now and then, as a log has room for, and one when the stage is over."""
    begin = told = clock()
    done = shown = 0

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    say(f"{stage}: {total} to do")

    def advance(said: str = "") -> None:
        nonlocal done, shown, told
        done += 1
        if said:
            say(said)
        now = clock()
        if now - told >= LINE_SECONDS and done - shown >= LINE_SHARE * total and done < total:
            shown, told = done, now
            left = (now - begin) / done * (total - done)
            so_far = f"{stage}: {done} of {total} in {duration(now - begin)}"
            say(f"{so_far}, about {duration(left)} left, {rate(done, now - begin)}")

    yield advance
    say(f"{stage}: {done} of {total} in {duration(clock() - begin)}")


def duration(seconds: float) -> str:
    """Return a time as people say it: ``42 s``, ``3 min``, ``2 h 5 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def rate(done: int, seconds: float) -> str:
    """Return how fast work goes as people say it: ``12 a second``, ``3 a minute``, ``5 an hour``."""
    for unit, length in (("a second", 1), ("a minute", 60)):
        if done * length >= 2 * seconds:
            return f"{done * length / max(seconds, 1e-9):.0f} {unit}"
    return f"{done * 3600 / seconds:.0f} an hour"


@contextmanager
def downloads(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a download; the yielded function is told the bytes that are here and those there will be."""
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=plain_console()) as display:
        task = display.add_task(name, total=None)
        yield lambda done, total: display.update(task, completed=done, total=total)


@contextmanager
def training_bar(name: str, steps: int, done: int) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    """Show a training; the yielded function is told the step and what is newly known, e.g. loss and F1.

    Where no terminal shows the bar, every validation is a line.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[values]}", markup=False),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    known: dict[str, float] = {}
    with Bars(*columns, console=plain_console()) as display:
        task = display.add_task(name, total=steps, completed=done, values="")

        def show(step: int, values: Mapping[str, float]) -> None:
            known.update(values)
            text = ", ".join(f"{key} {value:.3f}" for key, value in known.items())
            display.update(task, completed=step, values=text)
            if "validation_f1" in values and not display.console.is_terminal:
                display.console.print(
                    f"{name} step {step} of {steps}: {text}", highlight=False, soft_wrap=True
                )

        yield show
