import pytest
import yaml

from benchmark.analyses.robustness.study import read_robustness_study
from benchmark.errors import UserError

STUDY = {
    "name": "again",
    "cohort": {
        "use": "phantom",
        "zero": 5,
        "nonzero": 5,
        "scanners": ["standard"],
        "disease": {"median_score": 20},
    },
    "segmenters": {"reference": None, "dense": {"use": "threshold", "within": "reference", "hu": 130}},
    "extractors": {"calcium": {"use": "calcium_volumes", "segmenter": "dense"}},
    "classifiers": {"logistic_regression": {}},
    "protocol": {"folds": 2, "inner_folds": 2},
}


@pytest.fixture
def read(tmp_path):
    def go(conditions, **changes):
        file = tmp_path / "robustness.yaml"
        content = {"study": {**STUDY, **changes}, "conditions": conditions}
        file.write_text(yaml.safe_dump(content, sort_keys=False))
        return read_robustness_study(file)

    return go


def test_a_condition_changes_what_it_names_and_nothing_else(read):
    study = read({"soft": {"cohort": {"scanners": ["soft"], "rescan": 2, "disease": {"sigma_ln": 0.5}}}})
    base, soft = study.base, study.conditions["soft"]
    assert (soft.cohort.scanners, soft.cohort.rescan) == (("soft",), 2)
    assert soft.cohort.disease == base.cohort.disease.model_copy(update={"sigma_ln": 0.5})
    assert soft.cohort.model_copy(
        update={"scanners": ("standard",), "rescan": 0, "disease": base.cohort.disease}
    ) == (base.cohort)
    for part in ("segmenters", "extractors", "classifiers", "protocol", "seed"):
        assert getattr(soft, part) == getattr(base, part)


def test_the_patients_are_the_same_under_every_condition(read):
    study = read({"rescan": {"cohort": {"rescan": 1}}, "sharp": {"cohort": {"scanners": ["sharp"]}}})
    first = study.base.cohort.cases()
    for condition in study.conditions.values():
        again = condition.cohort.cases()
        assert [(case.case_id, case.label) for case in again] == [
            (case.case_id, case.label) for case in first
        ]
        assert all(a.source.patient == b.source.patient for a, b in zip(first, again, strict=True))


def test_a_segmenter_within_another_follows_its_change(read):
    segmenters = (
        read({"wide": {"segmenters": {"reference": {"dilation_mm": 2}}}}).conditions["wide"].segmenters
    )
    assert segmenters["reference"].dilation_mm == 2
    assert segmenters["dense"].within.dilation_mm == 2


def test_another_plug_in_replaces_the_declaration_whole(read):
    segmenters = read({"all": {"segmenters": {"dense": {"use": "whole_image"}}}}).conditions["all"].segmenters
    assert type(segmenters["dense"]).__name__ == "WholeImageSegmenter"


@pytest.mark.parametrize(
    ("conditions", "line_of", "sentence"),
    [
        ({"noisy": {"cohort": {"noise_sd_hu": 999}}}, "noise_sd_hu", "conditions.noisy.cohort.noise_sd_hu"),
        ({"noisy": {"cohort": {"noise": 9}}}, "noise:", "unknown key; did you mean 'noise_sd_hu'?"),
        (
            {"few": {"cohort": {"disease": {"median": 9}}}},
            "median",
            "few.cohort.disease.median: unknown key; did you mean 'median_score'?",
        ),
        ({"noisy": {"cohrt": {"rescan": 1}}}, "cohrt", "did you mean 'cohort'?"),
        ({"more": {"protocol": {"folds": 3}}}, "protocol: {folds: 3", "there are: cohort, segmenters"),
        (
            {"wide": {"segmenters": {"referense": {"dilation_mm": 2}}}},
            "referense",
            "did you mean 'reference'?",
        ),
        (
            {"wide": {"segmenters": {"reference": {"dilation_mm": -2}}}},
            "dilation_mm",
            "greater than or equal to 0",
        ),
        ({"wide": {"segmenters": {"reference": 2}}}, "reference: 2", "`dilation_mm: 2`"),
        ({"wide": 3}, "wide", "must be a mapping"),
        ({"base": {"cohort": {"rescan": 1}}}, "base:", "is not `base`"),
        ({}, "conditions", "must be a mapping such as `rescan:"),
    ],
)
def test_a_wrong_condition_is_refused_with_its_line(tmp_path, conditions, line_of, sentence):
    file = tmp_path / "robustness.yaml"
    text = yaml.safe_dump({"study": STUDY, "conditions": conditions}, sort_keys=False)
    file.write_text(text)
    lines = text.splitlines()
    first = lines.index("conditions:") if conditions else 0
    name = line_of.partition(":")[0]
    expected = next(i for i, line in enumerate(lines, 1) if i > first and line.strip().startswith(name))
    with pytest.raises(UserError) as refused:
        read_robustness_study(file)
    assert str(refused.value).startswith(f"{file}:{expected}: ")
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_mistake_in_the_base_study_is_refused_at_its_own_place(tmp_path):
    file = tmp_path / "robustness.yaml"
    file.write_text(
        "conditions:\n  rescan: {cohort: {rescan: 1}}\nstudy:\n  name: a\n  cohort: {use: phantom, zro: 3}\n"
    )
    with pytest.raises(UserError, match=rf"{file}:5: study\.cohort\.zro: unknown key; did you mean 'zero'"):
        read_robustness_study(file)


def test_hyperparameters_chosen_on_the_test_folds_are_refused(read):
    with pytest.raises(UserError, match=r"study\.protocol\.selection: .* use `selection: nested`"):
        read({"rescan": {"cohort": {"rescan": 1}}}, protocol={"selection": "flat"})


def test_a_plain_study_is_no_robustness_study(tmp_path):
    file = tmp_path / "runs.yaml"
    file.write_text(yaml.safe_dump(STUDY))
    with pytest.raises(UserError, match="unknown key"):
        read_robustness_study(file)
