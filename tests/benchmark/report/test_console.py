from types import SimpleNamespace

import pandas as pd
import pytest

from benchmark.report import console as module
from benchmark.report.console import print_check, print_plan, print_plugins, print_table, print_weights

TEXT = "pip install 'cacbench[totalsegmentator]' [/] [red]x :warning: [0.1, 0.9]"
WEIGHTS = SimpleNamespace(
    plugin=TEXT, source=TEXT, state="unavailable", reason=TEXT, where=None, size=None, sha256=""
)
ABOUT = {"summary": TEXT, "state": TEXT, "parameters": {"a": TEXT}, "provenance": {}}
CHECKED = pd.DataFrame([(TEXT, 1.0, False)], columns=["run", "found", "ok"])


@pytest.mark.parametrize(
    ("show", "times"),
    [
        (lambda: print_plan(TEXT, 3, {"a": TEXT}), 2),
        (lambda: print_plugins({"segmenter": {"a": ABOUT}}), 3),
        (lambda: print_weights([WEIGHTS]), 3),
        (lambda: print_table(pd.DataFrame({"a": [TEXT], "b": [TEXT]}), TEXT), 3),
        (lambda: print_check(CHECKED, TEXT, TEXT), 4),
        (lambda: print_check(CHECKED.assign(ok=True), TEXT, ""), 1),
    ],
)
def test_what_users_and_plugins_say_is_printed_as_it_is(monkeypatch, capsys, show, times):
    console = type(module.console)(width=400, markup=module.console._markup, emoji=module.console._emoji)
    monkeypatch.setattr(module, "console", console)
    show()
    assert capsys.readouterr().out.count(TEXT) == times
