"""What people call the things that calcium lies in."""

import pytest

from benchmark.calcium.structures import BY_NAME, STRUCTURES, structure_called
from tests.benchmark.images.written_scans import VESSELS

MEANT = {
    "LM": ["LM", "left main", "Left_Main", "Left main coronary artery", "LMCA", "LM calcium"],
    "LAD": [
        "LAD",
        "lad",
        "Left Anterior Descending",
        "Left anterior descending artery",
        "LAD_calcification 2",
        "LAD-1",
    ],
    "LCx": ["LCx", "LCX", "Cx", "circumflex", "Left Circumflex Artery", "left circumflex coronary artery"],
    "RCA": ["RCA", "Right Coronary Artery", "right coronary"],
    "PDA": ["PDA", "posterior descending artery", "RPDA"],
    "coronary": ["Coronary artery calcium", "coronary arteries", "CAC"],
    "aorta": ["Thoracic aorta", "thoracic_aorta", "Aorta", "ascending aorta", "Aortic wall"],
    "aortic valve": ["Aortic valve", "aortic valve calcification", "aortic root", "Root"],
    "mitral valve": ["mitral", "Mitral valve", "Mitral annulus", "mitral annular calcification", "MAC"],
    "other": ["other"],
}


@pytest.mark.parametrize(("structure", "names"), MEANT.items())
def test_a_structure_is_known_by_its_usual_names(structure, names):
    assert {name: structure_called(name).name for name in names} == dict.fromkeys(names, structure)


@pytest.mark.parametrize(
    "name", ["", "Segment_1", "Calcium", "left", "left atrium", "artery", "LM/LAD", "7", "LADD"]
)
def test_what_may_mean_anything_means_nothing(name):
    assert structure_called(name) is None


def test_labels_and_names_are_each_one_structure_s_and_the_first_four_are_coca_s():
    assert len({structure.label for structure in STRUCTURES}) == len(BY_NAME) == len(STRUCTURES)
    every = [name.lower() for structure in STRUCTURES for name in (structure.name, *structure.synonyms)]
    assert len(every) == len(set(every))
    assert {label: structure_called(name).label for label, name in VESSELS.items()} == {
        n: n for n in range(1, 5)
    }
