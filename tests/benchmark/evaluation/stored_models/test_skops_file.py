"""A model's bytes are the same wherever it is fitted, and read back to the same model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skops.io

from benchmark.evaluation.stored_models.skops_file import skops_bytes
from benchmark.plugins.registry import build

CLASSIFIERS = ["random_forest", "xgboost", "lightgbm", "logistic_regression"]
FIT = """
import hashlib, json, pickle, sys
import numpy as np
from benchmark.evaluation.fold import FoldTask, fit_final
from benchmark.evaluation.protocol import Protocol
from benchmark.plugins.registry import build
rng = np.random.default_rng(0)
y = np.arange(40) % 2
X = rng.normal(size=(40, 4)) + y[:, None]
for name, grid in json.loads(sys.argv[1]).items():
    task = FoldTask(
        classifier=build("classifier", {"use": name, "grid": grid}), protocol=Protocol(inner_folds=2),
        features=("a", "b", "c", "d"), X=X, y=y, train=np.arange(40), test=np.arange(0), seed=3,
    )
    if sys.argv[2] == "sent":
        task = pickle.loads(pickle.dumps(task))
    print(name, hashlib.sha256(fit_final(task)["skops"].encode()).hexdigest())
"""


def fitted(name):
    rng = np.random.default_rng(1)
    y = np.arange(30) % 2
    X = rng.normal(size=(30, 4)) + y[:, None]
    return build("classifier", name).estimator(0).fit(X, y), X


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_model_reads_back_to_the_same_predictions(name):
    model, X = fitted(name)
    content = skops_bytes(model)
    assert skops_bytes(fitted(name)[0]) == content
    read = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
    assert (read.predict_proba(X) == model.predict_proba(X)).all()


def test_other_data_give_other_bytes():
    assert len({skops_bytes(fitted(name)[0]) for name in CLASSIFIERS}) == len(CLASSIFIERS)


@pytest.mark.slow
def test_two_processes_store_the_same_bytes():
    grids = {
        "random_forest": {"n_estimators": [5, 8]},
        "xgboost": {"n_estimators": [5, 8]},
        "lightgbm": {"n_estimators": [5, 8]},
        "logistic_regression": {"C": [0.1, 1.0]},
    }
    said = []
    for seed, how in (("1", "here"), ("2", "sent")):
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", FIT, json.dumps(grids), how]
        said.append(subprocess.run(command, env=environment, capture_output=True, text=True))
        assert said[-1].returncode == 0, said[-1].stderr
    assert said[0].stdout == said[1].stdout
    assert said[0].stdout.count("\n") == 4


@pytest.mark.slow
def test_skops_is_imported_with_every_estimator_and_without_pytorch():
    code = (
        "import sys; from benchmark.evaluation.stored_models.skops_file import skops_io; skops_io();"
        "from skops.io._trusted_types import SKLEARN_ESTIMATOR_TYPE_NAMES as known;"
        "loaded = 'torch' in sys.modules;"
        "from sklearn.utils import all_estimators;"
        "there = sum(c.__module__.startswith('sklearn.') for _, c in all_estimators());"
        "print(loaded, len(known), there);"
        "import torch; from sklearn.externals.array_api_compat import is_torch_array;"
        "print(is_torch_array(torch.zeros(1)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, known, there, usable = done.stdout.split()
    assert (loaded, usable) == ("False", "True")
    assert int(known) == int(there) > 190
