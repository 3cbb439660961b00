"""The cohort of frequent stents against the one it derives from."""

from benchmark.cohorts.phantom import PhantomCohort
from benchmark.cohorts.stented_phantom import StentedPhantomCohort


def test_the_declared_share_of_patients_has_stents_and_all_else_is_as_without():
    declared = {"zero": 150, "nonzero": 150, "seed": "stents", "protocol": "chest"}
    plain, stented = PhantomCohort(**declared).cases(), StentedPhantomCohort(**declared, stented=0.4).cases()
    assert [case.case_id for case in plain] == [case.case_id for case in stented]
    share = sum(bool(case.source.patient.stents) for case in stented) / 300
    assert 0.35 <= share <= 0.55
    for before, after in zip(plain, stented, strict=True):
        assert before.source.disease == after.source.disease
        assert before.source.acquisition == after.source.acquisition
        unstented = after.source.patient.model_copy(update={"stents": before.source.patient.stents})
        assert unstented == before.source.patient


def test_stents_say_nothing_about_the_label():
    cases = StentedPhantomCohort(zero=300, nonzero=300, seed="label", stented=0.5).cases()
    shares = [
        sum(bool(case.source.patient.stents) for case in cases if case.label == label) / 300
        for label in (0, 1)
    ]
    assert abs(shares[0] - shares[1]) < 0.12


def test_none_asked_for_is_the_phantom_cohort_and_all_asked_for_are_all():
    declared = {"zero": 10, "nonzero": 10, "seed": "edges"}
    assert StentedPhantomCohort(**declared, stented=0).cases() == PhantomCohort(**declared).cases()
    assert all(case.source.patient.stents for case in StentedPhantomCohort(**declared, stented=1).cases())
