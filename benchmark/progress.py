"""Progress of long work, on standard error so that standard output stays machine-readable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

Advance = Callable[[], None]
Progress = Callable[[str, int], AbstractContextManager[Advance]]


@contextmanager
def silent(stage: str, total: int) -> Iterator[Advance]:
    """Show nothing."""
    yield lambda: None


@contextmanager
def bars(stage: str, total: int) -> Iterator[Advance]:
    """Show a bar with counts and the time left; nothing for a stage without work."""
    if total == 0:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Bars(*columns, console=Console(stderr=True)) as display:
        task = display.add_task(stage, total=total)
        yield lambda: display.advance(task)


@contextmanager
def downloads(name: str) -> Iterator[Callable[[int, int], None]]:
    """Show a download; the yielded function is told the bytes that are here and those there will be."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True)) as display:
        task = display.add_task(name, total=None)
        yield lambda done, total: display.update(task, completed=done, total=total)


@contextmanager
def training_bar(name: str, steps: int, done: int) -> Iterator[Callable[[int, Mapping[str, float]], None]]:
    """Show a training; the yielded function is told the step and what is newly known, e.g. loss and F1.

    Where no terminal shows the bar, every validation is a line.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn(name), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[values]}"),
        TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=True),
    )  # fmt: skip
    known: dict[str, float] = {}
    with Bars(*columns, console=Console(stderr=True)) as display:
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
