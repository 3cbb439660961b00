import pytest

from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.cost import cost
from benchmark.pipeline.extraction import Extracted
from benchmark.pipeline.features import extract_features
from benchmark.pipeline.regions import Regions


def test_the_cost_is_the_mean_of_what_was_measured_over_all_cases_and_processes():
    measured = [Extracted({}, Regions(), {"reading": 1.0, "radiomics": seconds}) for seconds in (2.0, 4.0)]
    assert cost(measured, 60, 2) == (
        "a case takes here: reading 1.0 s, radiomics 3.0 s; 60 cases about 2 min with 2 processes"
    )


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_study_says_once_what_it_will_cost_and_every_case_is_extracted_once(
    toy_study, tmp_path, capfd, jobs
):
    from benchmark.execution.progress import bars

    with workers(jobs) as pool:
        features = extract_features(toy_study(), Execution(Store(tmp_path / "store"), pool, bars))
    assert (features.computed, len(features.tables["moments"])) == (40, 40)
    assert capfd.readouterr().err.count("a case takes here: reading") == 1


def test_few_cases_are_extracted_without_being_measured(toy_study, tmp_path, capfd):
    from benchmark.execution.progress import bars

    few = toy_study(cohort={"use": "toy_cohort", "zero": 4, "nonzero": 4})
    with workers(1) as pool:
        assert extract_features(few, Execution(Store(tmp_path / "store"), pool, bars)).computed == 8
    assert "a case takes here" not in capfd.readouterr().err
