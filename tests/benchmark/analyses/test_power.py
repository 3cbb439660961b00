import json

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import norm
from typer.testing import CliRunner

from benchmark.analyses.power import plan_power, power_figure, read_predictions
from benchmark.cli import app
from benchmark.errors import UserError


def predictions(**right):
    """A finished study's predictions of 200 cases: each run is right where its flags say so."""
    label = np.arange(200) % 2
    return pd.concat(
        pd.DataFrame(
            {
                "run": run,
                "repeat": 0,
                "fold": np.arange(200) // 2 % 5,
                "case_id": np.arange(200).astype(str),
                "label": label,
                "predicted": np.where(flags, label, 1 - label),
                "score": np.where(flags, label, 1 - label) * 0.8 + 0.1,
            }
        )
        for run, flags in right.items()
    )


def flags(wrong):
    return ~np.isin(np.arange(200), list(wrong))


WRONG = {
    "a": range(0, 35),
    "b": range(35, 50),
    "c": range(0, 60),
}  # a and b: 25 % discordant, b better by 10 points
FINISHED = predictions(**{run: flags(wrong) for run, wrong in WRONG.items()})
SIZES = (100, 150, 200, 250, 300)


def test_the_scans_needed_are_those_of_the_closed_form_for_mcnemars_test(toy_study):
    """Connor, Biometrics 1987;43:207: n = (1.96 √p + 0.84 √(p − d²))² / d²; the exact test wants some more."""
    discordant, d = 0.25, 0.1
    n = (norm.ppf(0.975) * discordant**0.5 + norm.ppf(0.8) * (discordant - d**2) ** 0.5) ** 2 / d**2
    plan = plan_power(toy_study(), FINISHED, run="b", reference_run="a", sizes=SIZES)
    assert plan.difference == pytest.approx(d)
    assert n <= plan.scans <= 1.12 * n
    assert (
        plan.sentences[0]
        == f"{plan.scans} scans separate b from a by +10.0 points of accuracy with a power of 0.8."
    )
    assert "McNemar's exact test" in plan.sentences[1]
    assert "itself uncertain" in plan.sentences[2]


def test_the_difference_that_matters_is_planned_for_instead_of_the_observed(toy_study):
    plan = plan_power(toy_study(), FINISHED, run="b", reference_run="a", sizes=SIZES, difference=0.05)
    assert plan.difference == pytest.approx(0.05)
    assert plan.scans is None
    assert plan.sentences[0] == (
        "More than 300 scans, the largest size tried, would be needed to tell b from a by +5.0 points of accuracy "
        "with a power of 0.8."
    )
    assert len(plan.sentences) == 2
    band = plan.curve["high"] - plan.curve["low"]
    assert (band < 0.05).all()


def test_a_smallest_size_that_is_enough_is_said_to_be_no_lower_bound(toy_study):
    plan = plan_power(toy_study(), FINISHED, run="b", reference_run="c", sizes=(150, 300), power=0.5)
    assert plan.sentences[0].startswith("150 scans or fewer separate b from c")


def test_by_default_the_best_other_run_meets_the_studys_reference(toy_study):
    plan = plan_power(toy_study(), FINISHED, default_reference_run="a", sizes=(50,))
    assert (plan.run, plan.reference_run) == ("b", "a")
    assert plan_power(toy_study(), FINISHED, reference_run="b", sizes=(50,)).run == "a"


def test_the_order_of_the_sizes_does_not_matter(toy_study):
    one, two = (
        plan_power(toy_study(), FINISHED, run="b", reference_run="a", sizes=sizes)
        for sizes in (SIZES, SIZES[::-1] * 2)
    )
    assert one.curve.equals(two.curve)


def test_the_figure_marks_the_wanted_power_and_the_scans(toy_study):
    plan = plan_power(toy_study(), FINISHED, run="b", reference_run="a", sizes=SIZES)
    axis = power_figure(plan).axes[0]
    assert [0.8, 0.8] in [list(line.get_ydata()) for line in axis.lines]
    assert [plan.scans] * 2 in [list(line.get_xdata()) for line in axis.lines]
    assert [text.get_text() for text in axis.texts] == [f"{plan.scans} scans"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"run": "bb"}, "--run bb: has no predictions in this study"),
        ({"reference_run": "d"}, "--reference d: has no predictions"),
        ({"run": "a", "reference_run": "a"}, "a is both run and reference"),
        ({"metric": "f1"}, "--metric f1: power is known for accuracy and roc_auc"),
        ({"sizes": (3, 100)}, "3 scans are too few"),
        ({"difference": 0.0}, "--difference 0: no number of scans"),
        ({"difference": 1.0}, "no weighting of these cases makes the methods differ by 1 in accuracy"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_one_sentence(toy_study, wrong, sentence):
    with pytest.raises(UserError, match=sentence) as refused:
        plan_power(toy_study(), FINISHED, **({"run": "b", "reference_run": "a", "sizes": (100,)} | wrong))
    assert "\n" not in str(refused.value)


def test_an_auc_of_bands_is_refused_but_their_accuracy_is_planned(toy_study):
    bands = toy_study(target="bands")
    with pytest.raises(UserError, match="--metric roc_auc: undefined for a target of bands"):
        plan_power(bands, FINISHED, run="b", reference_run="a", metric="roc_auc")
    assert plan_power(bands, FINISHED, run="b", reference_run="a", sizes=SIZES).scans is not None


def test_a_study_of_one_run_has_nothing_to_separate(toy_study):
    with pytest.raises(UserError, match="predictions of one run alone"):
        plan_power(toy_study(), FINISHED[FINISHED["run"] == "a"], reference_run="a", sizes=(50,))


def test_a_study_without_predictions_is_sent_back_to_run(tmp_path):
    with pytest.raises(UserError, match="there is no finished study; run `cacbench run` first"):
        read_predictions(tmp_path)
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(UserError, match="predictions are missing; run `cacbench run` again"):
        read_predictions(tmp_path)


@pytest.fixture
def finished(tmp_path):
    """The folder of a finished study, but for its predictions."""
    (tmp_path / "tables").mkdir()
    (tmp_path / "study.json").write_text(json.dumps({"reference": "a"}))
    return tmp_path


def test_cases_keep_names_that_look_like_something_else(finished):
    names = ["NA", "null", "nan", "1e5", "007", "7"]
    written = FINISHED.assign(case_id=(names + [str(n) for n in range(200, 394)]) * 3)
    written.to_csv(finished / "tables" / "predictions.csv", index=False)
    found, _ = read_predictions(finished)
    assert found["case_id"].tolist() == written["case_id"].tolist()
    for column in ("repeat", "fold", "label", "score", "predicted"):
        assert (found[column].to_numpy() == written[column].to_numpy()).all()


def test_predictions_that_are_no_numbers_are_refused_with_their_line(finished):
    FINISHED.astype({"score": object}).assign(score="1_0").to_csv(
        finished / "tables" / "predictions.csv", index=False
    )
    with pytest.raises(UserError, match=r"predictions\.csv, line 2: score is '1_0', not a number"):
        read_predictions(finished)


def test_the_command_reads_a_finished_study_and_writes_curve_and_figure(tmp_path, toy_declaration):
    file, results = tmp_path / "study.yaml", tmp_path / "r"
    file.write_text(yaml.safe_dump(toy_declaration))
    finished = results / "toy"
    (finished / "tables").mkdir(parents=True)
    (finished / "study.json").write_text(json.dumps({"reference": "a"}))
    FINISHED.to_csv(finished / "tables" / "predictions.csv", index=False)
    arguments = ["power", str(file), "--results", str(results), "--sizes", "100,300"]
    done = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
    facts = json.loads(done.stdout)
    assert (facts["run"], facts["reference"], facts["observed"]) == ("b", "a", True)
    curve = pd.read_csv(finished / "power" / "power.csv")
    assert list(curve.columns) == ["scans", "difference", "power", "low", "high"]
    assert curve.to_dict("records") == facts["curve"]
    assert {path.name for path in (finished / "power").iterdir()} == {
        "power.csv",
        "power.svg",
        "power.png",
        "report.html",
        "report.json",
    }
    assert (results / "mlflow.db").exists()
    with pytest.raises(UserError, match="--sizes 100;200: give whole numbers"):
        CliRunner().invoke(app, [*arguments[:-1], "100;200"], catch_exceptions=False)
