import pytest

from benchmark.case import Case
from benchmark.errors import UserError
from benchmark.pipeline.cases import about_cases, list_cases, refuse_unlabelled
from benchmark.plugins import Cohort


class Listed(Cohort):
    label: int | None
    cac_score: float | None

    def cases(self):
        return [Case("a", None, 1, 5.0), Case("b", None, self.label, self.cac_score)]


@pytest.mark.parametrize(("label", "score"), [(1, 0.0), (0, 0.5)])
def test_a_label_that_is_the_opposite_of_its_score_is_refused_whatever_the_cohort(label, score):
    with pytest.raises(UserError, match=f"Listed: case b has label {label} and cac_score {score:g}, but"):
        list_cases(Listed(label=label, cac_score=score))


@pytest.mark.parametrize(("label", "score"), [(1, 0.5), (0, 0), (None, 3), (1, None), (None, None)])
def test_one_that_is_not_or_is_not_known_is_listed(label, score):
    assert [case.case_id for case in list_cases(Listed(label=label, cac_score=score))] == ["a", "b"]


def test_covariates_stand_beside_what_is_known_of_every_case():
    about = about_cases(
        [Case("a", None, 1, covariates={"age": "61"}), Case("b", None, covariates={"sex": "f"})]
    )
    assert about[["age", "sex"]].to_dict("list") == {"age": ["61", ""], "sex": ["", "f"]}
    assert about["label"].to_csv(index=False, lineterminator=" ").split() == ["label", "1", '""']


def test_cases_without_what_is_learnt_are_counted_and_named_with_the_cohorts_place():
    about = about_cases([Case(f"c{n}", None, 1 if n == 3 else None) for n in range(6)])
    with pytest.raises(UserError) as error:
        refuse_unlabelled(Listed(label=1, cac_score=1), about, "label")
    assert str(error.value) == (
        "Listed: 5 of 6 cases have neither `label` nor `cac_score`: c0, c1, c2 …; give it, or use `cacbench features`, "
        "which needs none"
    )
    with pytest.raises(UserError, match=r"6 of 6 cases have no Agatston score \(`cac_score`\): c0, c1, c2 …"):
        refuse_unlabelled(Listed(label=1, cac_score=1), about, "cac_score")
