"""Declared cases train, declared cases are tested: Table 2 of arXiv 2510.25347 tests on plain scans only."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import UserError
from benchmark.evaluation.case_filter import CaseFilter
from benchmark.evaluation.protocol import Protocol
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.report.headline import facts_of
from benchmark.report.tables import summary
from tests.plugin_package.toy_plugins import ToyCohort

PLAIN = CaseFilter(contrast="off")


class MixedCohort(ToyCohort):
    """Every other case of either label with contrast."""

    def cases(self):
        return [
            replace(case, contrast=number % 2 == 1, protocol="cardiac" if number % 4 < 2 else "chest")
            for number, case in enumerate(super().cases())
        ]


def cases(n, contrast=("on", "off"), protocol=("cardiac", "cardiac", "chest")):
    return pd.DataFrame(
        {"contrast": np.resize(contrast, n), "protocol": np.resize(protocol, n)},
        index=[f"c{number}" for number in range(n)],
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(40, 90), st.integers(0, 10**6), st.integers(2, 4))
def test_folds_test_each_plain_case_once_train_on_all_others_and_never_on_it(n, seed, folds):
    table = cases(n)
    labels = (np.arange(n) // 2) % 2
    protocol = Protocol(folds=folds, inner_folds=2, test_on=PLAIN)
    splits = list(protocol.splits(labels, seed, table))
    plain = np.flatnonzero(table["contrast"] == "off")
    assert sorted(np.concatenate([split.test for split in splits])) == plain.tolist()
    for split in splits:
        assert not set(split.train) & set(split.test)
        assert {"on", "off"} <= set(table["contrast"].iloc[split.train])
        assert len(set(labels[split.test])) == 2


def test_who_takes_no_part_is_in_no_fold():
    table, labels = cases(60, contrast=("on", "off", "off")), np.arange(60) // 3 % 2
    protocol = Protocol(folds=2, inner_folds=2, train_on=PLAIN, test_on=PLAIN)
    used = {int(case) for split in protocol.splits(labels, 0, table) for case in (*split.train, *split.test)}
    assert used == set(np.flatnonzero(table["contrast"] == "off"))


def test_without_a_filter_nothing_changes():
    labels = np.arange(50) % 2
    plain = list(Protocol(folds=5).splits(labels, "s"))
    with_table = list(Protocol(folds=5).splits(labels, "s", cases(50, contrast=("",))))
    assert all((a.test == b.test).all() for a, b in zip(plain, with_table, strict=True))


def test_unknown_contrast_is_refused_with_the_remedy():
    table = cases(30, contrast=("on", "off", ""))
    with pytest.raises(UserError, match="not known of 10 cases, c2 among them"):
        PLAIN.keeps(table)
    assert CaseFilter(protocols=("chest",)).keeps(table).sum() == 10


@pytest.mark.parametrize(
    ("text", "kept"), [("off", 15), ("on", 15), ('"off"', 15), ("false", 15), ("null", 30)]
)
def test_on_and_off_are_understood_as_yaml_reads_them(text, kept):
    assert CaseFilter.model_validate(yaml.safe_load(f"contrast: {text}")).keeps(cases(30)).sum() == kept


def test_a_protocol_that_no_case_has_is_refused_with_those_there_are():
    with pytest.raises(UserError, match="'abdomen'; there are: cardiac, chest"):
        CaseFilter(protocols=("abdomen",)).keeps(cases(6))


def test_too_few_cases_to_test_are_counted_as_such():
    table, labels = cases(40, contrast=["on"] * 37 + ["off"] * 3), np.arange(40) % 2
    with pytest.raises(UserError, match="only 1 cases that may test have label 0"):
        list(Protocol(folds=3, inner_folds=2, test_on=PLAIN).splits(labels, 0, table))


def test_a_study_trains_on_mixed_and_tests_on_plain_scans(toy_study, tmp_path):
    study = toy_study(
        cohort=MixedCohort(zero=24, nonzero=24),
        protocol={"folds": 3, "inner_folds": 3, "test_on": {"contrast": "off"}},
    )
    with workers(1) as pool:
        result = run_study(study, Execution(Store(tmp_path), pool))
    tested = result.features.cases.loc[result.predictions["case_id"].unique()]
    assert set(tested["contrast"]) == {"off"}
    assert len(tested) == 24
    assert set(result.folds["n_test"]) == {8}
    assert set(result.folds["n_train"]) == {32}
    facts = facts_of(result, summary(result))
    assert facts["protocol"].endswith("trained on all cases, tested on contrast off")
