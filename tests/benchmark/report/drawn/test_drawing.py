"""A figure is drawn where what it shows is new: counted, never timed."""

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure

from benchmark.execution.store import Store
from benchmark.report.drawn.drawing import KIND, Drawing, write_figure
from benchmark.report.drawn.flowchart import flow_figure

FLOW = pd.DataFrame(
    {
        "step": ["cohort", "excluded", "compared", "tested"],
        "cases": [9, 1, 8, 8],
        "reason": ["", "no", "", ""],
    }
)


@pytest.fixture
def drawn(monkeypatch):
    """The formats that were drawn, in turn."""
    formats, save = [], Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **kw: formats.append(kw["format"]) or save(self, *args, **kw)
    )
    return formats


@pytest.fixture
def write(tmp_path):
    """Write the flowchart of a table; return the files' bytes."""
    store = Store(tmp_path / "store")

    def files(flow=FLOW, draw=flow_figure, name="flow"):
        written = write_figure(Drawing(draw, (flow,)), tmp_path, name, store)
        return [file.read_bytes() for file in written]

    return files


def test_the_same_table_is_drawn_once_and_a_lost_file_is_there_again(write, drawn, tmp_path):
    first = write()
    assert drawn == ["svg", "png"]
    (tmp_path / "flow.svg").unlink()
    assert write(FLOW.copy()) == first
    assert drawn == ["svg", "png"]


def test_what_was_kept_is_what_is_drawn_without_a_store(write, tmp_path):
    files = write_figure(flow_figure(FLOW), tmp_path / "direct", "flow", Store(tmp_path / "none"))
    assert [file.read_bytes() for file in files] == write() == write()
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"flow": FLOW.assign(cases=[9, 2, 7, 7])},
        {"flow": FLOW.assign(reason=["", "other", "", ""])},
        {"flow": FLOW.rename(index={0: 7})},
        {"flow": FLOW.astype({"cases": float})},
        {"name": "other"},
    ],
)
def test_whatever_else_is_shown_is_drawn(write, drawn, change):
    write()
    write(**change)
    assert drawn == ["svg", "png"] * 2


def test_a_damaged_figure_is_drawn_again(write, drawn, tmp_path, capsys):
    first = write()
    (png,) = (tmp_path / "store" / KIND).rglob("*.png")
    png.write_bytes(png.read_bytes()[:-1])
    assert write() == first
    assert drawn == ["svg", "png"] * 2
    assert "damaged" in capsys.readouterr().err


def test_the_settings_of_who_draws_change_no_byte(write, tmp_path):
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 20}):
        once = write()
        assert mpl.rcParams["font.size"] == 20
    files = write_figure(flow_figure(FLOW), tmp_path / "plain", "flow", Store(tmp_path / "none"))
    assert once == [file.read_bytes() for file in files]
