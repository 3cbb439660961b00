"""Names that fail after hours of computing are refused when they are declared."""

import pytest
from pydantic import ValidationError


@pytest.mark.parametrize("name", ["mlflow.db", "store", "a" * 81, "a/b", ".hidden", ""])
def test_a_study_has_a_name_that_can_be_a_folder_and_is_not_taken(toy_study, name):
    with pytest.raises(ValidationError):
        toy_study(name=name)


@pytest.mark.parametrize("name", ["a/b", "a\\b", ".hidden", "-x", "", "a\nb", "a" * 81])
@pytest.mark.parametrize("section", ["segmenters", "extractors", "classifiers"])
def test_a_part_has_a_name_that_can_be_in_a_file_s(toy_study, toy_declaration, section, name):
    (content, *_) = toy_declaration[section].values()
    with pytest.raises(ValidationError, match="begin with a letter or digit, without slashes"):
        toy_study(**{section: {**toy_declaration[section], name: content}})


@pytest.mark.parametrize("name", ["ct_fm 2", "Größe", "5mm", "a.b+c"])
def test_other_names_are_the_user_s_own(toy_study, toy_declaration, name):
    extractors = {**toy_declaration["extractors"], name: {"use": "toy_moments", "segmenter": "toy_centre"}}
    assert f"{name}/toy_nearest" in toy_study(extractors=extractors).run_names()
