import io

import pytest
from rich.console import Console

from benchmark.execution.progress import bars, duration, lines


def log_of(total, seconds_each, said=()):
    """Return the lines that a stage of `total` items leaves in a log, each item taking as long."""
    console, now = Console(file=io.StringIO(), width=200), [0.0]
    with lines("features", total, console, clock=lambda: now[0]) as advance:
        for item in range(total):
            now[0] += seconds_each
            advance(dict(said).get(item, ""))
    return console.file.getvalue().splitlines()


def test_slow_items_have_a_line_for_each_tenth():
    log = log_of(50, 60)
    assert log[:2] == [
        "features: 5 of 50 in 5 min, about 45 min left",
        "features: 10 of 50 in 10 min, about 40 min left",
    ]
    assert log[-1] == "features: 50 of 50 in 50 min"
    assert len(log) == 10


def test_quick_items_have_a_line_for_each_minute():
    counts = [int(line.split()[1]) for line in log_of(1000, 0.5)]
    assert counts == [120, 240, 360, 480, 600, 720, 840, 960, 1000]


def test_a_short_stage_has_one_line_and_what_was_said_stands_where_it_was_said():
    assert log_of(3, 1, [(1, "a case takes here: radiomics 1.0 s")]) == [
        "a case takes here: radiomics 1.0 s",
        "features: 3 of 3 in 3 s",
    ]


def test_without_a_terminal_and_without_work_nothing_is_said(capfd):
    with bars("features", 0) as advance:
        advance()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (89, "89 s"), (90, "2 min"), (5000, "83 min"), (7500, "2 h 5 min")]
)
def test_durations_read_as_people_say_them(seconds, text):
    assert duration(seconds) == text


def test_what_is_said_is_shown_as_it_is(capsys):
    said = "pip install 'cacbench[totalsegmentator]' [/] :warning:"
    with bars("[red]: cases", 1) as advance:
        advance(said)
    shown = capsys.readouterr().err
    assert said in shown
    assert "[red]: cases: 1 of 1" in shown
