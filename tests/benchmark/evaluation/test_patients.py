"""No split has scans of one patient on both of its sides."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmark.errors import UserError
from benchmark.evaluation.fold import FoldTask, evaluate
from benchmark.evaluation.patients import patients_with_several, permuted_labels
from benchmark.evaluation.protocol import Protocol
from benchmark.plugins.registry import build


def cases(patients=40, scans=3, sites=4, one_each=0, seed=0):
    """`patients` with 1 to `scans` scans each, label by patient, group by patient."""
    random = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), random.integers(1, scans + 1, patients))
    order = random.permutation(len(patient))
    patient = patient[order]
    table = pd.DataFrame(
        {
            "patient": [f"P{p:02}" for p in patient],
            "group": [f"site {p % sites}" for p in patient],
            "protocol": np.where(np.arange(len(patient)) % 2, "chest", "cardiac"),
            "contrast": "off",
        },
        index=pd.Index([f"c{i:03}" for i in range(len(patient))], name="case_id"),
    )
    return (patient // sites % 2).astype(np.intp), table


@pytest.mark.parametrize(
    "declared",
    [
        {},
        {"repeats": 3},
        {
            "train_on": {"protocols": ["chest"]},
            "test_on": {"protocols": ["cardiac"]},
            "folds": 3,
            "inner_folds": 3,
        },
        {"split": "grouped", "folds": 4, "inner_folds": 2},
        {"split": "leave_one_group_out"},
    ],
    ids=["stratified", "repeats", "trained on one protocol", "grouped", "one scanner out"],
)
def test_patients_stay_whole_in_every_outer_and_inner_fold(declared):
    labels, table = cases()
    protocol, patient = Protocol.model_validate(declared), table["patient"].to_numpy()
    splits = list(protocol.splits(labels, 0, table))
    assert splits
    for split in splits:
        assert not set(patient[split.train]) & set(patient[split.test])
        whole = protocol.kept_whole(table)[split.train]
        for train, test in protocol.inner(1, whole=True).split(
            labels[split.train], labels[split.train], whole
        ):
            assert not set(patient[split.train[train]]) & set(patient[split.train[test]])


def test_without_the_column_scans_of_a_patient_are_on_both_sides():
    labels, table = cases()
    split = next(iter(Protocol().splits(labels, 0, table.drop(columns="patient"))))
    patient = table["patient"].to_numpy()
    assert set(patient[split.train]) & set(patient[split.test])


def test_one_scan_a_patient_leaves_the_folds_and_the_stored_results_as_they_are():
    labels, table = cases(patients=60, scans=1)
    without = table.drop(columns="patient")
    for declared in ({"repeats": 2}, {"split": "grouped", "folds": 3, "inner_folds": 2}):
        one, other = (list(Protocol(**declared).splits(labels, 0, t)) for t in (table, without))
        for a, b in zip(one, other, strict=True):
            assert (a.train.tolist(), a.test.tolist()) == (b.train.tolist(), b.test.tolist())
    assert patients_with_several(table) is None
    assert Protocol().kept_whole(table) is None


def test_who_stays_together_in_the_inner_folds_is_part_of_a_results_key():
    classifier, X = build("classifier", {"use": "logistic_regression"}), np.zeros((6, 1))
    parts = (np.array([0, 0, 0, 1, 1, 1]), np.arange(4), np.arange(4, 6), 0)
    keys = {
        FoldTask(
            classifier, Protocol(), ("a",), X, *parts, groups=None if groups is None else np.array(groups)
        ).key()
        for groups in (None, [0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 2, 2], [5, 5, 7, 7, 8, 8])
    }
    assert len(keys) == 3


def test_hyperparameters_are_chosen_on_patients_that_did_not_train():
    random = np.random.default_rng(0)
    patient = np.repeat(np.arange(40), 3)
    X, labels = random.normal(size=(40, 4))[patient], (np.arange(40) % 2)[patient]
    task = FoldTask(
        build("classifier", "toy_nearest"),
        Protocol(),
        tuple("abcd"),
        X,
        labels,
        np.arange(90),
        np.arange(90, 120),
        0,
    )
    assert evaluate(task)["inner_score"] > 0.9, "a patient looks like himself"
    assert evaluate(replace(task, groups=patient))["inner_score"] < 0.75


@pytest.mark.parametrize("split", ["grouped", "leave_one_group_out"])
def test_a_patient_in_two_groups_is_refused_where_groups_stay_whole(split):
    labels, table = cases()
    torn = table.groupby("patient").filter(lambda scans: len(scans) > 1).index[0]
    table.loc[torn, "group"] = "site 9" if split == "grouped" else "site 1 and a half"
    name = table.loc[torn, "patient"]
    with pytest.raises(
        UserError, match=rf"patient {name} has scans in site .* and site .*\(1 such patients\): leave out"
    ):
        list(Protocol(split=split, folds=4, inner_folds=2).splits(labels, 0, table))
    assert list(Protocol().splits(labels, 0, table)), "without groups the patient stays whole"


def test_a_group_that_takes_no_part_tears_no_patient():
    labels, table = cases()
    torn = table.groupby("patient").filter(lambda scans: len(scans) > 1).index[0]
    table.loc[torn, "group"] = "elsewhere"
    only = {"groups": ["site 0", "site 1", "site 2", "site 3"]}
    protocol = Protocol.model_validate(
        {"split": "grouped", "folds": 4, "inner_folds": 2, "train_on": only, "test_on": only}
    )
    assert len(list(protocol.splits(labels, 0, table))) == 4


def test_a_patient_on_both_sides_of_a_fixed_split_is_refused():
    labels, table = cases()
    fixed = Protocol.model_validate(
        {"split": "fixed", "train_on": {"protocols": ["chest"]}, "test_on": {"protocols": ["cardiac"]}}
    )
    with pytest.raises(
        UserError, match=r"fold 0 of `split: fixed` trains on scans of patient P\d\d and tests others"
    ):
        list(fixed.splits(labels, 0, table))


def test_a_patient_in_two_folds_of_a_file_is_refused(tmp_path):
    labels, table = cases()
    file = tmp_path / "folds.csv"
    file.write_text("case_id,fold\n" + "".join(f"{name},{i % 3}\n" for i, name in enumerate(table.index)))
    with pytest.raises(UserError, match="of `split: frozen` trains on scans of patient"):
        list(Protocol(split="frozen", folds_file=file).splits(labels, 0, table))


def test_too_few_patients_are_counted_as_patients():
    labels = np.repeat([0, 1], [20, 20]).astype(np.intp)
    table = pd.DataFrame({"patient": ["a"] * 20 + list("bcdefghijklmnopqrstu")})
    with pytest.raises(UserError, match="only 1 patients have label 0, too few for 5 folds"):
        list(Protocol().splits(labels, 0, table))


def test_permuted_labels_are_exchanged_between_patients_with_as_many_scans():
    labels, table = cases(patients=200)
    codes = patients_with_several(table)
    permuted = permuted_labels(labels, codes, np.random.default_rng(0))
    by_patient = pd.DataFrame({"patient": codes, "before": labels, "after": permuted}).groupby("patient")
    assert (by_patient["after"].nunique() == 1).all(), "labels of a patient's scans stay together"
    assert permuted.sum() == labels.sum()
    same = (by_patient["after"].first() == by_patient["before"].first()).mean()
    assert 0.35 < same < 0.65
    plain = permuted_labels(labels, None, np.random.default_rng(0))
    assert plain.tolist() == np.random.default_rng(0).permutation(labels).tolist()
