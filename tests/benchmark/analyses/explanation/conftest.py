"""Feature tables with a known truth, as a study would have extracted them."""

import numpy as np
import pandas as pd
import pytest

from benchmark.pipeline.plan import plan_evaluation
from benchmark.pipeline.results import Features

FAMILIES = ("shape", "firstorder", "glcm", "ngtdm")


def features_of(table, cac_score=None, label=None):
    cases = pd.DataFrame(
        {"label": label, "cac_score": cac_score, "group": "", "protocol": "", "contrast": ""},
        index=table.index,
    )
    return Features(cases, {"moments": table}, [], {}, {"moments": 0.0})


@pytest.fixture
def planted(toy_study):
    """Make a plan in which firstorder knows the label, three features of it; the other families are noise."""

    def make(cases=120, constant=None, signal=1.5, **changes):
        random = np.random.default_rng(7)
        names = [f"original_{family}_{place}" for family in FAMILIES for place in range(3)]
        ids = pd.Index([f"case-{place:03d}" for place in range(cases)], name="case_id")
        label = np.arange(cases) % 2
        table = pd.DataFrame(random.normal(size=(cases, len(names))), index=ids, columns=names)
        table.loc[:, [name for name in names if "firstorder" in name]] += signal * label[:, None]
        if constant:
            table.loc[:, [name for name in names if constant in name]] = 4.0
        score = np.where(label == 0, 0.0, np.exp(3 + table["original_firstorder_0"]))
        study = toy_study(
            **{
                "protocol": {"folds": 4, "inner_folds": 2},
                "classifiers": {"logistic_regression": {"grid": {"C": [0.3]}}},
                **changes,
            }
        )
        return plan_evaluation(study, features_of(table, cac_score=score, label=label))

    return make
