import io

import pytest
from rich.console import Console

from benchmark.execution.progress import bars, duration, lines, rate


def log_of(total, seconds_each, said=()):
    """Return the lines that a stage of `total` items leaves in a log, each item taking as long."""
    console, now = Console(file=io.StringIO(), width=200), [0.0]
    with lines("features", total, console, clock=lambda: now[0]) as advance:
        for item in range(total):
            now[0] += seconds_each
            advance(dict(said).get(item, ""))
    return console.file.getvalue().splitlines()


def test_slow_items_have_a_line_for_each_twentieth():
    log = log_of(40, 60)
    assert log[:3] == [
        "features: 40 to do",
        "features: 2 of 40 in 2 min, about 38 min left, 60 an hour",
        "features: 4 of 40 in 4 min, about 36 min left, 60 an hour",
    ]
    assert log[-1] == "features: 40 of 40 in 40 min"
    assert len(log) == 21


def test_quick_items_have_a_line_for_each_half_minute():
    counts = [int(line.split()[1]) for line in log_of(1000, 0.5)]
    assert counts == [1000, *range(60, 1000, 60), 1000]


def test_a_short_stage_says_what_there_is_to_do_and_what_was_said_stands_where_it_was_said():
    assert log_of(3, 1, [(1, "a case takes here: radiomics 1.0 s")]) == [
        "features: 3 to do",
        "a case takes here: radiomics 1.0 s",
        "features: 3 of 3 in 3 s",
    ]


@pytest.mark.parametrize(
    ("done", "seconds", "text"),
    [
        (100, 10, "10 a second"),
        (2, 1, "2 a second"),
        (30, 60, "30 a minute"),
        (1, 60, "60 an hour"),
        (5, 7200, "2 an hour"),
    ],
)
def test_rates_read_as_people_say_them(done, seconds, text):
    assert rate(done, seconds) == text


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
