"""Every way of dealing cases into folds, against what scikit-learn's cross-validators promise."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from benchmark.errors import UserError
from benchmark.evaluation.case_filter import CaseFilter
from benchmark.evaluation.protocol import Protocol
from benchmark.evaluation.splits import cross_validator, frozen_folds
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from tests.plugin_package.toy_plugins import ToyCohort


def cases(groups):
    groups = list(groups)
    index = [f"c{number:03}" for number in range(len(groups))]
    return pd.DataFrame({"group": groups, "protocol": "cardiac", "contrast": "off"}, index=index)


SCANNERS = cases(np.repeat(["a", "b", "c", "d"], 30))
LABELS = np.arange(120) % 2


@settings(deadline=None, max_examples=30)
@given(st.integers(10, 30), st.integers(2, 6), st.integers(0, 10**6), st.integers(1, 2))
def test_grouped_folds_and_their_inner_folds_part_no_patient(patients, scans, seed, repeats):
    table = cases(f"p{number % patients}" for number in range(patients * scans))
    labels = (np.arange(len(table)) % patients) % 2
    protocol = Protocol(split="grouped", folds=3, inner_folds=2, repeats=repeats)
    splits = list(protocol.splits(labels, seed, table))
    groups = table["group"].to_numpy()
    for repeat in range(repeats):
        tested = np.concatenate([split.test for split in splits if split.repeat == repeat])
        assert sorted(tested) == list(range(len(table)))
    for split in splits:
        assert not set(groups[split.train]) & set(groups[split.test])
        mine = groups[split.train]
        for train, test in protocol.inner(seed).split(mine, labels[split.train], mine):
            assert not set(mine[train]) & set(mine[test])


def test_leaving_one_scanner_out_tests_each_scanner_once_and_trains_on_all_others():
    splits = list(Protocol(split="leave_one_group_out").splits(LABELS, 0, SCANNERS))
    tested = [set(SCANNERS["group"].iloc[split.test]) for split in splits]
    assert tested == [{"a"}, {"b"}, {"c"}, {"d"}]
    assert all(len(split.test) == 30 and len(split.train) == 90 for split in splits)


def test_a_scanner_that_only_trains_is_never_tested_and_trains_in_every_fold():
    protocol = Protocol(split="leave_one_group_out", test_on=CaseFilter(groups=("a", "b")))
    splits = list(protocol.splits(LABELS, 0, SCANNERS))
    groups = SCANNERS["group"].to_numpy()
    assert [set(groups[split.test]) for split in splits] == [{"a"}, {"b"}]
    assert all({"c", "d"} <= set(groups[split.train]) for split in splits)


def test_a_fixed_split_trains_here_and_tests_there():
    protocol = Protocol(
        split="fixed", train_on=CaseFilter(groups=("a", "b")), test_on=CaseFilter(groups=("d",))
    )
    (split,) = protocol.splits(LABELS, 0, SCANNERS)
    assert split.train.tolist() == list(range(60))
    assert split.test.tolist() == list(range(90, 120))


def test_frozen_folds_are_those_of_the_file_whatever_its_order(tmp_path):
    drawn = StratifiedKFold(4, shuffle=True, random_state=3).split(LABELS, LABELS)
    fold = np.empty(120, int)
    for number, (_, test) in enumerate(drawn):
        fold[test] = number
    rows = pd.DataFrame({"case_id": SCANNERS.index, "fold": fold, "score": 0.5}).sample(
        frac=1, random_state=1
    )
    rows.to_csv(tmp_path / "folds.csv", index=False)
    protocol = Protocol(split="frozen", folds_file=tmp_path / "folds.csv")
    splits = list(protocol.splits(LABELS, "any seed", SCANNERS))
    assert [split.test.tolist() for split in splits] == [np.flatnonzero(fold == k).tolist() for k in range(4)]


@pytest.mark.slow
@pytest.mark.parametrize("broken", [(), (3,)])
def test_a_studys_predictions_freeze_its_folds_for_another_study(toy_study, tmp_path, broken):
    cohort, protocol = {"use": "toy_cohort", "broken": broken}, {"folds": 3, "inner_folds": 2, "repeats": 2}
    with workers(1) as pool:
        first = run_study(toy_study(cohort=cohort, protocol=protocol), Execution(Store(tmp_path / "a"), pool))
        first.predictions.to_csv(tmp_path / "predictions.csv", index=False)
        frozen = {"split": "frozen", "folds_file": tmp_path / "predictions.csv", "inner_folds": 2}
        other = toy_study(seed="another", cohort=cohort, protocol=frozen)
        second = run_study(other, Execution(Store(tmp_path / "b"), pool))
    keys = ["run", "repeat", "case_id"]
    a, b = (result.predictions.set_index(keys)["fold"].sort_index() for result in (first, second))
    assert a.equals(b)


class ScannerCohort(ToyCohort):
    """Three scanners that take turns."""

    def cases(self):
        return [replace(case, group="abc"[number % 3]) for number, case in enumerate(super().cases())]


def test_a_study_by_groups_tests_no_group_it_trained_on(toy_study, tmp_path):
    protocol = {"split": "leave_one_group_out", "inner_folds": 2}
    with workers(1) as pool:
        result = run_study(
            toy_study(cohort=ScannerCohort(), protocol=protocol), Execution(Store(tmp_path), pool)
        )
    group = result.features.cases["group"]
    by_fold = result.predictions.assign(group=result.predictions["case_id"].map(group)).groupby("fold")[
        "group"
    ]
    assert set(by_fold.nunique()) == {1}
    assert by_fold.first().is_unique


def test_the_inner_folds_of_a_stratified_protocol_are_scikit_learns():
    ours = cross_validator("stratified", 5, 7).split(LABELS, LABELS)
    theirs = StratifiedKFold(5, shuffle=True, random_state=7).split(LABELS, LABELS)
    assert all((a[1] == b[1]).all() for a, b in zip(ours, theirs, strict=True))


def refusal(protocol, labels=LABELS, table=SCANNERS):
    with pytest.raises(UserError) as error:
        list(protocol.splits(labels, 0, table))
    return str(error.value)


def test_a_scanner_without_positives_is_refused_by_its_name():
    labels = np.where(SCANNERS["group"] == "c", 0, LABELS)
    message = refusal(Protocol(split="leave_one_group_out"), labels)
    assert "fold 2 (group c) tests 30 cases, all of label 0" in message


def test_a_training_fold_without_a_class_is_refused():
    labels = np.where((SCANNERS["group"] == "a") & (LABELS == 1), 2, LABELS)
    message = refusal(Protocol(split="leave_one_group_out", selection="flat"), labels)
    assert "fold 0 (group a) trains without a case of label 2" in message


def test_inner_folds_that_would_lack_a_class_are_refused():
    labels = np.where(np.isin(SCANNERS["group"], ["c", "d"]), 0, LABELS)
    protocol = Protocol(split="leave_one_group_out", test_on=CaseFilter(groups=("a", "b")))
    assert "an inner fold of its training cases has one label alone" in refusal(protocol, labels)


def test_cases_without_a_group_are_refused():
    assert "needs the group of every case" in refusal(Protocol(split="grouped"), table=cases([""] * 120))


def test_fewer_groups_than_folds_are_counted_and_named():
    assert "needs 5 groups, there are 4 (a, b, c, d)" in refusal(Protocol(split="grouped"))
    two = cases(np.repeat(["a", "b"], 60))
    assert "needs 3 groups, there are 2" in refusal(Protocol(split="leave_one_group_out"), table=two)


def test_a_fixed_split_whose_filters_overlap_is_refused():
    protocol = Protocol(
        split="fixed", train_on=CaseFilter(groups=("a", "b")), test_on=CaseFilter(groups=("b",))
    )
    assert "30 cases would train and be tested, c030 among them" in refusal(protocol)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"split": "frozen"}, "go together"),
        ({"folds_file": "folds.csv"}, "go together"),
        ({"split": "fixed"}, "needs both `train_on` and `test_on`"),
        ({"split": "leave_one_group_out", "repeats": 3}, "nothing to draw anew"),
        ({"selection": "flat", "threshold": "youden"}, "no inner folds to choose a threshold from"),
    ],
)
def test_declarations_that_contradict_themselves_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**parameters)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("case_id,fold\nc000,0\n", "119 of the 120 cases have no fold in repeat 0, c001 is the first"),
        ("case_id\nc000\n", "no column 'fold'"),
        ("case_id,fold\nc000,x\n", "a fold is not a whole number"),
        ("case_id,fold\nc000,0\nc000,1\n", "case c000 is in two folds of repeat 0"),
        ("case_id,fold\nc000,1_0\n", "line 2: a fold is not a whole number from 0 up but '1_0'"),
        ("", "is empty; start it with the header case_id,fold"),
    ],
)
def test_a_file_of_folds_that_does_not_fit_is_refused_with_the_place(tmp_path, content, message):
    file = tmp_path / "folds.csv"
    file.write_text(content)
    assert message in refusal(Protocol(split="frozen", folds_file=file))


def test_frozen_folds_know_cases_by_names_that_look_like_something_else(tmp_path):
    names = ["NA", "null", "nan", "1e5", "007", "7", "True", "2026-01-01"]
    file = tmp_path / "folds.csv"
    file.write_text("case_id,fold\n" + "".join(f"{name},{fold % 2}\n" for fold, name in enumerate(names)))
    assert frozen_folds(file, pd.Index(names))[0].tolist() == [0, 1] * 4


def test_frozen_folds_may_have_a_byte_order_mark_and_come_from_a_spreadsheet(tmp_path):
    file = tmp_path / "folds.csv"
    file.write_bytes("\ufeffcase_id, fold,,\r\na,1.0,,\r\nb,0,,\r\n,,,\r\n".encode())
    assert frozen_folds(file, pd.Index(["a", "b"]))[0].tolist() == [1, 0]


def test_a_missing_file_of_folds_is_named(tmp_path):
    assert "no such file of folds" in refusal(Protocol(split="frozen", folds_file=tmp_path / "none.csv"))
