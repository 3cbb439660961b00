import pickle
import subprocess
import sys

import pytest
from pydantic import ValidationError

from benchmark.plugins import base as plugins
from benchmark.plugins.registry import build


def test_parameters_are_frozen_and_unknown_ones_refused():
    cohort = build("cohort", {"use": "toy_cohort", "zero": 3})
    with pytest.raises(ValidationError):
        cohort.zero = 4
    with pytest.raises(ValidationError, match="unknown key"):
        build("cohort", {"use": "toy_cohort", "zeros": 3})


def test_the_fingerprint_follows_parameters_and_code_and_survives_a_pickle(monkeypatch):
    cohort = build("cohort", {"use": "toy_cohort", "zero": 3})
    assert cohort.fingerprint() == build("cohort", {"use": "toy_cohort", "zero": 3}).fingerprint()
    assert cohort.fingerprint() == pickle.loads(pickle.dumps(cohort)).fingerprint()
    assert cohort.fingerprint() != build("cohort", {"use": "toy_cohort", "zero": 4}).fingerprint()
    before = cohort.fingerprint()
    monkeypatch.setattr(plugins, "code_digest", lambda module: "changed")
    assert cohort.fingerprint() != before


def test_the_fingerprint_of_a_plugin_holds_that_of_the_plugin_within():
    inner = [{"use": "reference", "dilation_mm": dilation} for dilation in (0.0, 1.0)]
    outer = [build("segmenter", {"use": "threshold", "within": spec}) for spec in inner]
    assert outer[0].fingerprint() != outer[1].fingerprint()
    assert outer[1].parameters()["within"]["dilation_mm"] == 1.0


def test_the_fingerprint_is_the_same_in_another_process():
    code = "from benchmark.plugins.registry import build; print(build('classifier', 'xgboost').fingerprint())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == build("classifier", "xgboost").fingerprint()
