"""Synthetic reports: written from the truth by names alone, and as often right, vague, silent or wrong as declared."""

import hashlib
import re
from collections import Counter
from dataclasses import asdict

import pytest
from pydantic import ValidationError

from benchmark.cohorts.phantom import PhantomCohort
from benchmark.phantom.reports import phrases
from benchmark.phantom.reports.model import WORDINGS, ReportModel
from feature_extractors.reports.bag_of_words import ReportBagOfWords

MANY = PhantomCohort(zero=600, nonzero=600, reports=ReportModel()).cases()
STATED = ReportBagOfWords().stated


def only(wording, **more):
    shares = {name: float(name == wording) for name in WORDINGS}
    return PhantomCohort(zero=60, nonzero=60, reports=ReportModel(**shares, **more)).cases()


@pytest.mark.parametrize("label", [0, 1])
def test_wordings_have_their_shares_whatever_the_truth(label):
    said = Counter(STATED(case.report) for case in MANY if case.label == label)
    right, wrong = said[bool(label)] / 600, said[not label] / 600
    assert right == pytest.approx(0.45, abs=0.06)  # three standard deviations of 600 draws
    assert wrong == pytest.approx(0.10, abs=0.04)
    none = sum(not case.report for case in MANY if case.label == label) / 600
    assert none == pytest.approx(0.10, abs=0.04)


def test_a_right_report_says_what_is_true_and_a_contradicting_one_the_opposite():
    assert {STATED(case.report) == bool(case.label) for case in only("right")} == {True}
    assert {STATED(case.report) == (not case.label) for case in only("contradicting")} == {True}
    for wording in ("vague", "missing"):
        assert {STATED(case.report) for case in only(wording)} == {None}
    assert {case.report for case in only("no_report")} == {""}


def test_vague_and_missing_wording_does_not_depend_on_the_label():
    texts = {label: Counter() for label in (0, 1)}
    for case in only("vague"):
        texts[case.label].update(text for text in phrases.VAGUE if text in case.report)
    assert set(texts[0]) == set(texts[1]) == set(phrases.VAGUE)
    assert not any(phrases.HINT in case.report for case in [*only("vague"), *only("missing")])


def test_a_right_report_names_the_diseased_vessels_alone():
    for case in only("right"):
        truth = case.source.disease.truth()
        for name, forms in phrases.VESSELS.items():
            named = any(re.search(rf"\b{form}\b", case.report) for form in forms)
            assert not named or truth[name]["agatston"] > 0


def test_a_report_depends_on_the_seed_and_the_case_and_on_no_other_case():
    few = {case.case_id: case for case in PhantomCohort(zero=5, nonzero=9, reports=ReportModel()).cases()}
    by_id = {case.case_id: case for case in MANY}
    assert {name: case.report for name, case in few.items()} == {name: by_id[name].report for name in few}
    other = PhantomCohort(zero=5, nonzero=9, seed=1, reports=ReportModel()).cases()
    assert not {case.report for case in other} & {case.report for case in few.values() if case.report}


def test_a_report_changes_nothing_else_of_a_case():
    with_reports, without = (
        PhantomCohort(zero=3, nonzero=3, reports=reports).cases() for reports in (ReportModel(), None)
    )
    for one, other in zip(with_reports, without, strict=True):
        assert one.source.digest() == other.source.digest()
        assert {**asdict(one), "report": ""} == asdict(other)


def test_the_same_words_on_every_machine():
    content = "\n\n".join(case.report for case in MANY[:50]).encode()
    assert hashlib.sha256(content).hexdigest()[:16] == "15d4cfd9757e8b91"


def test_every_style_has_a_name_in_it_which_a_case_does_not_show():
    people = [*phrases.SIGNED, *phrases.PATIENTS]
    for style in ("terse", "structured", "narrative"):
        cases = only("right", styles=(style,))
        assert all(any(person in case.report for person in people) for case in cases)
        assert not any(person in repr(case) for case in cases for person in people)
    assert only("right", styles=("structured",))[0].report.startswith("PATIENT: ")


def test_shares_that_are_not_shares_of_one_are_refused():
    with pytest.raises(ValidationError, match=r"right, vague, .* add up to 1\.45: they are shares of one"):
        ReportModel(right=0.9)
    with pytest.raises(ValidationError, match=r"unknown key; did you mean 'contradicting'"):
        PhantomCohort(reports={"contradictng": 0.1})
