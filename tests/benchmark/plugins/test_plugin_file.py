"""A plug-in in a file of one's own: named by its path, found by workers, and refused in a sentence."""

import pytest
import yaml

from benchmark.execution.execution import open_execution
from benchmark.pipeline.run import run_study
from benchmark.plugins.registry import build
from benchmark.study.reading import read_study

PEAK = '''
import pandas as pd
import SimpleITK as sitk
from cacbench import FeatureExtractor
from pydantic import Field


class Peak(FeatureExtractor):
    """Highest HU."""

    above: float = Field(0.0, description="HU taken off")

    def extract(self, image, roi):
        return pd.Series({"peak": float(sitk.GetArrayViewFromImage(image).max()) - self.above})


class Nothing:
    """No plug-in."""
'''


@pytest.fixture
def folder(tmp_path, request):
    # A name of its own: modules stay imported for the whole session.
    stem = "mine_" + "".join(c if c.isalnum() else "_" for c in request.node.name)
    (tmp_path / f"{stem}.py").write_text(PEAK)
    return tmp_path, stem


@pytest.mark.slow
def test_a_class_in_a_file_beside_the_study_is_a_plug_in_also_in_worker_processes(folder, toy_declaration):
    where, stem = folder
    toy_declaration["extractors"] = {
        "moments": toy_declaration["extractors"]["moments"],
        "peak": {"use": f"{stem}.py:Peak", "above": 5, "segmenter": "toy_centre"},
    }
    (where / "toy.yaml").write_text(yaml.safe_dump(toy_declaration))
    study = read_study(where / "toy.yaml")
    assert study.extractors["peak"].extractor.above == 5
    with open_execution(where / "results", 2) as execution:
        result = run_study(study, execution)
    assert result.features.tables["peak"].columns.tolist() == ["peak"]


@pytest.mark.parametrize(
    ("use", "sentence"),
    [
        ("nowhere.py:Peak", "nowhere.py: there is no such file in"),
        ("{stem}.py:Peek", "has no 'Peek'; did you mean 'Peak'"),
        ("{stem}.py:Nothing", "is not a FeatureExtractor"),
        ("{stem}_slip.py:Peak", r"_slip.py: cannot be imported \(SyntaxError"),
        ("{stem}_raises.py:Peak", r"_raises.py: cannot be imported \(ValueError"),
        ("json.py:Peak", "another module is called json; rename the file"),
        ("two-words.py:Peak", "is no name of a module"),
    ],
)
def test_what_is_wrong_with_the_file_is_a_sentence(folder, use, sentence):
    where, stem = folder
    for name in (f"{stem}_slip", "json", "two-words"):
        (where / f"{name}.py").write_text("class Peak(:")
    (where / f"{stem}_raises.py").write_text("int('seven')")
    with pytest.raises(ValueError, match=sentence):
        build("feature_extractor", {"use": use.format(stem=stem)}, {"base": where})
