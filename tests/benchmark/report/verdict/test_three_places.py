"""The console, the page and MLflow show the same numbers in the same order, and so do Python and the tables."""

import html
import io
import itertools
import json
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from benchmark.cli import app
from benchmark.report.readable.overview import POOLED_APART, _apart
from benchmark.report.tracking.database import open_database
from benchmark.report.verdict.pairs import claims_in_words

DECLARATION = {
    "name": "places",
    "cohort": {"use": "toy_cohort"},
    "segmenters": {"toy_centre": {}},
    "extractors": {
        "rule": {"use": "calcium_rule", "segmenter": "toy_centre"},
        "moments": {"use": "toy_moments", "segmenter": "toy_centre"},
    },
    "classifiers": {"random_forest": {"grid": {"n_estimators": [5]}}, "logistic_regression": {}},
    "protocol": {"folds": 3, "inner_folds": 2},
    "comparisons": {"question": "moments against rule"},
}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """What the command printed, the tables of its page, its facts, and MLflow's runs."""
    folder = tmp_path_factory.mktemp("places")
    (folder / "places.yaml").write_text(yaml.safe_dump(DECLARATION))
    arguments = ["run", str(folder / "places.yaml"), "--results", str(folder / "r"), "--jobs", "1"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False, env={"COLUMNS": "300"})
    assert done.exit_code == 0
    written = folder / "r" / "places"
    page = (written / "report.html").read_text()
    module = open_database(folder / "r")
    runs = module.search_runs(experiment_names=["places"], output_format="list")
    parent = next(run for run in runs if run.info.run_name == "places")
    logged = module.artifacts.load_text(f"{parent.info.artifact_uri}/tables/methods.csv")
    return {
        "console": done.output,
        "page": tables_of(page),
        "page_text": page,
        "facts": json.loads((written / "study.json").read_text()),
        "tables": written / "tables",
        "mlflow": pd.read_csv(io.StringIO(logged)),
        "runs": {run.info.run_name: run.data for run in runs},
        "parent": parent.data,
    }


class Tables(HTMLParser):
    """The tables of a page as rows of texts."""

    def __init__(self):
        super().__init__()
        self.found, self.cell = [], None

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self.found.append([])
        elif tag == "tr":
            self.found[-1].append([])
        elif tag in ("th", "td"):
            self.cell = ""

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self.found[-1][-1].append(" ".join(self.cell.split()))
            self.cell = None


def tables_of(page):
    parser = Tables()
    parser.feed(page)
    return [pd.DataFrame(rows, columns=header) for header, *rows in parser.found if rows]


def on_the_page(places, *columns):
    return next(table for table in places["page"] if set(columns) <= set(table.columns))


def on_the_console(places):
    """The cells of the first table by method, two blanks apart; what runs over into a second line is left out."""
    lines = places["console"][places["console"].index("method   ") :].splitlines()[2:]
    rows = (line.strip() for line in itertools.takewhile(str.strip, lines) if line[:2].strip())
    return {name.strip("()"): cells for name, *cells in (re.split(r"\s{2,}", row) for row in rows)}


def numbers(text):
    return [float(found) for found in re.findall(r"[-+]?\d+(?:\.\d+)?", str(text).replace("−", "-"))]


def test_each_place_has_the_methods_in_the_same_order(places):
    order = places["mlflow"]["method"].tolist()
    assert len(order) == 5
    assert list(places["facts"]["methods"]) == order
    assert pd.read_csv(places["tables"] / "methods.csv")["method"].tolist() == order
    page = on_the_page(places, "method", "skill", "ranks")
    assert [name.strip("()") for name in page["method"]] == order
    assert list(on_the_console(places)) == order


def test_each_place_has_the_same_accuracy_skill_and_auc_of_each_method(places):
    page = on_the_page(places, "method", "skill", "ranks").set_index("method")
    console = on_the_console(places)
    for row in places["mlflow"].to_dict("records"):
        name = row["method"]
        shown = page.loc[name if row["kind"] == "method" else f"({name})"]
        cells = console[name]
        facts = places["facts"]["methods"][name]
        assert numbers(shown["accuracy"])[0] == pytest.approx(row["accuracy"], abs=5.1e-4)
        assert numbers(cells[1])[0] == pytest.approx(row["accuracy"], abs=5.1e-4)
        assert numbers(cells[1])[1:3] == pytest.approx(
            [row["accuracy_low"], row["accuracy_high"]], abs=5.1e-3
        )
        assert facts["accuracy"] == row["accuracy"]
        assert cells[0] == shown["skill"]
        if not pd.isna(row["skill"]):
            assert numbers(shown["skill"])[0] == pytest.approx(100 * row["skill"], abs=0.5)
            assert facts["skill"] == row["skill"]
        assert numbers(shown["AUC"])[0] == pytest.approx(row["roc_auc"], abs=5.1e-3)
        assert str(shown["AUC"]).rstrip("*") in " ".join(cells)


def test_each_run_of_mlflow_has_what_the_page_s_table_of_runs_shows(places):
    page = on_the_page(places, "run", "p").set_index("run")
    assert len(page) == 4
    for name, row in page.iterrows():
        logged, facts = places["runs"][name].metrics, places["facts"]["runs"][name]["accuracy"]
        value, *ends = numbers(row["accuracy"])
        assert [value, *ends[:2]] == pytest.approx(
            [logged["accuracy"], logged["interval/accuracy_low"], logged["interval/accuracy_high"]],
            abs=5.1e-4,
        )
        assert [facts[end] for end in ("value", "low", "high")] == [
            logged["accuracy"],
            logged["interval/accuracy_low"],
            logged["interval/accuracy_high"],
        ]


def test_the_verdict_is_said_in_the_same_words(places):
    sentences = places["facts"]["verdict"]
    assert places["parent"].tags["mlflow.note.content"] == "\n\n".join(sentences)
    said = " ".join(places["console"].split())
    for sentence in sentences:
        assert " ".join(sentence.split()) in said
        assert sentence in html.unescape(places["page_text"])


def test_the_difference_comes_first_then_its_probabilities_then_p_with_its_family(places):
    shown = on_the_page(places, "family", "points", "P(better)")
    assert list(shown.columns) == [
        "family", "method", "against", "points", "P(better)", "P(equal)", "P(worse)", "p", "finding",
    ]  # fmt: skip
    claims = pd.read_csv(places["tables"] / "claims.csv")
    claims = claims[claims["family"] != "all pairs"].reset_index(drop=True)
    assert len(shown) == len(claims) > 2
    for row, claim in zip(shown.to_dict("records"), claims.to_dict("records"), strict=True):
        size = (claims["family"] == claim["family"]).sum()
        assert row["family"] == f"{claim['family']}, Holm over {size}"
        assert numbers(row["points"])[0] == pytest.approx(100 * claim["difference"], abs=0.5)
        chances = [float(row[f"P({name})"] or "nan") for name in ("better", "equal", "worse")]
        if not pd.isna(claim["p_better"]):
            assert chances == pytest.approx(
                [claim[f"p_{n}"] for n in ("better", "equal", "worse")], abs=5.1e-3
            )
            assert sum(chances) == pytest.approx(1, abs=0.02)


def test_a_claim_without_an_interval_is_shown_without_one():
    gone = dict.fromkeys(["low", "high", "p_better", "p_equal", "p_worse", "p_holm"], float("nan"))
    row = {"run": "a", "reference": "b", "family": "question", "finding": "undecided", **gone}
    claims = pd.DataFrame([{**row, "difference": 0.05}, {**row, "difference": float("nan")}])
    shown = claims_in_words(claims)
    assert shown["points"].tolist() == ["+5", ""]
    assert shown["P(better)"].tolist() == ["", ""]
    assert claims_in_words(claims.head(0)).empty


def test_the_pooled_auc_is_that_of_all_folds_together(places):
    """Of a rule, whose predictions are scored alike in every fold; of methods it is in the table of runs."""
    methods = places["mlflow"].set_index("method")
    summary = pd.read_csv(places["tables"] / "summary.csv")
    pooled = summary[summary["metric"] == "roc_auc"].set_index("run")["value"]
    choices = pd.read_csv(places["tables"] / "choices.csv")
    predictions = pd.read_csv(places["tables"] / "predictions.csv")
    for name in ("moments", "rule"):
        mine = choices[choices["run"].str.startswith(f"{name}/")]
        best = mine.sort_values("inner_score", ascending=False, kind="stable").drop_duplicates("fold")
        cases = predictions.merge(best[["run", "fold"]], on=["run", "fold"])
        assert methods.loc[name, "roc_auc_pooled"] == pytest.approx(
            roc_auc_score(cases["label"], cases["score"])
        )
        if best["run"].nunique() == 1:
            assert methods.loc[name, "roc_auc_pooled"] == pytest.approx(pooled[best["run"].iloc[0]])


@pytest.mark.parametrize(("folds", "pooled", "star"), [(0.9, 0.87, "*"), (0.9, 0.897, ""), (0.8, 0.82, "*")])
def test_an_auc_is_marked_where_pooled_it_is_another(folds, pooled, star):
    assert POOLED_APART == 0.01
    assert _apart({"roc_auc": folds, "roc_auc_pooled": pooled}, "roc_auc") == star
    assert _apart({"roc_auc": folds, "roc_auc_pooled": pooled}, "f1") == ""
