"""Every parameter of a study has a place of its own, so that one that changed can be named."""

from pathlib import Path

from benchmark.study.overrides import Overrides
from benchmark.study.parameters import parameters_of
from benchmark.study.reading import read_study

DEFAULT = Path(__file__).resolve().parents[3] / "runs.yaml"


def test_defaults_and_plugins_within_plugins_are_there():
    told = parameters_of(read_study(DEFAULT))
    assert told["protocol.folds"] == 5
    assert told["segmenters.coronary_130.within.use"] == "pseudo_label"
    assert told["segmenters.coronary_130.minimum_area_mm2"] == 1.0
    assert told["classifiers.random_forest.grid.max_features"] == ["sqrt", 0.3]
    assert told["segmenters.denseraunet.input.windows_hu.1"] == [100.0, 1500.0]


def test_one_change_changes_one_place():
    before = parameters_of(read_study(DEFAULT))
    after = parameters_of(read_study(DEFAULT, Overrides(("segmenters.heart_region.wall_mm=2",))))
    assert {place for place in before if before[place] != after[place]} == {"segmenters.heart_region.wall_mm"}
    assert before.keys() == after.keys()


def test_of_a_file_its_name_is_told_and_no_place(tmp_path):
    (tmp_path / "ours.yaml").write_text(
        "name: ours\ncohort: {use: manifest, path: scans.csv}\nsegmenters: {whole_image: {}}\n"
        "extractors: {radiomics: {segmenter: whole_image}}\nclassifiers: {random_forest: {}}\n"
    )
    told = parameters_of(read_study(tmp_path / "ours.yaml"))
    assert told["cohort.path"] == "scans.csv"
    assert str(tmp_path) not in str(told)


def test_relative_paths_start_from_another_folder_where_one_is_told(tmp_path):
    (tmp_path / "ours.yaml").write_text(
        "name: ours\ncohort: {use: manifest, path: scans.csv}\nsegmenters: {whole_image: {}}\n"
        "extractors: {radiomics: {segmenter: whole_image}}\nclassifiers: {random_forest: {}}\n"
    )
    assert (
        read_study(tmp_path / "ours.yaml", base=tmp_path / "there").cohort.path
        == tmp_path / "there" / "scans.csv"
    )
