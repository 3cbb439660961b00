"""`execution:` says where the work is done, and changes no number."""

import pytest
from pydantic import ValidationError

from benchmark.execution.workers import Cluster
from benchmark.study.cluster import cluster_for

SLURM = {"cluster": "slurm", "workers": [2, 40], "settings": {"cores": 1, "memory": "8GB"}}


def test_the_command_s_word_counts_before_the_file_s(toy_study):
    study = toy_study(execution=SLURM)
    assert cluster_for(study.execution, None, None) == Cluster(
        "slurm", (2, 40), {"cores": 1, "memory": "8GB"}
    )
    assert cluster_for(study.execution, 2, None) is None
    assert cluster_for(study.execution, None, "tcp://there:8786") == "tcp://there:8786"
    assert cluster_for(toy_study().execution, None, None) is None


def test_no_key_and_no_result_knows_it(toy_study):
    assert toy_study(execution=SLURM).model_dump(mode="json") == toy_study().model_dump(mode="json")


def test_one_number_is_as_many_workers_from_beginning_to_end(toy_study):
    study = toy_study(execution={"cluster": "local", "workers": 3})
    assert cluster_for(study.execution, None, None) == Cluster("local", (3, 3), {})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cluster": "slrum"}, "slurm"),
        ({"workers": [5, 2]}, r"must be \[fewest, most\], as \[2, 40\] is"),
        ({"workers": 0}, "greater than or equal to 1"),
        ({"queue": "short"}, "queue"),
    ],
)
def test_a_mistake_in_it_is_named(toy_study, changes, message):
    with pytest.raises(ValidationError, match=message):
        toy_study(execution=SLURM | changes)
