import pytest

from benchmark.case import Case
from benchmark.errors import UserError
from benchmark.pipeline.cases import list_cases
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
