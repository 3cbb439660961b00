"""What a report's words count as, what is denied, and what states the label outright."""

import pytest

from benchmark.phantom.reports import phrases
from feature_extractors.reports.bag_of_words import ReportBagOfWords
from feature_extractors.reports.vocabulary import TERMS

BAG = ReportBagOfWords()


def counted(text, **parameters):
    counts = ReportBagOfWords(**parameters).read(text)
    return {name.removeprefix("report: "): value for name, value in counts.items() if value}


@pytest.mark.parametrize(
    ("sentence", "stated"),
    [
        ("Moderate coronary artery calcification.", True),
        ("Calcified plaques in the LAD and RCA.", True),
        ("Agatston score 123.4.", True),
        ("Coronary calcium score of 0.5.", True),
        ("No pericardial effusion, but extensive calcification of the LAD.", True),
        ("No significant change of the coronary calcification.", True),
        ("No coronary calcification.", False),
        ("NO EVIDENCE OF CALCIFIED CORONARY PLAQUE", False),
        ("The coronary arteries are free of calcification.", False),
        ("Coronary calcifications are not seen.", False),
        ("Coronary calcium score: 0.", False),
        ("Agatston score 0.0", False),
        ("Coronary calcification cannot be excluded.", None),
        ("Possible calcification of the left main.", None),
        ("The coronary arteries are not well assessed.", None),
        ("The coronary arteries arise normally.", None),
        ("Aortic valve calcification.", None),
        ("No calcification of the thoracic aorta.", None),
        ("Coronary stent in the LAD.", None),
        ("Calcified granuloma in the right upper lobe, seen by Dr. Ladislav Lcxter.", None),
        ("", None),
    ],
)
def test_a_sentence_states_coronary_calcium_denies_it_or_does_neither(sentence, stated):
    assert BAG.stated(sentence) is stated


def test_one_sentence_that_affirms_outweighs_one_that_denies():
    assert BAG.stated("No calcification of the LAD. Calcified plaque of the RCA.") is True


def test_every_synthetic_sentence_is_read_as_it_is_meant():
    worded = {"degree": "mild", "Degree": "Mild", "vessels": "left main coronary artery and LAD", "score": 7}
    assert {BAG.stated(text.format(**worded)) for text in phrases.AFFIRMED} == {True}
    assert {BAG.stated(text) for text in phrases.DENIED} == {False}
    others = [phrases.HINT, *phrases.VAGUE, *phrases.UNMENTIONED, *phrases.LUNGS, *phrases.REST]
    others += [*phrases.AORTA.values(), *phrases.VALVES.values(), *phrases.STENT.values()]
    assert {BAG.stated(text) for text in others} == {None}


def test_a_term_counts_by_how_it_is_said_and_where():
    text = "No coronary calcification.\nMild calcification of the aorta; valve calcification is possible."
    assert counted(text) == {
        "given": 1,
        "coronary: no calcification": 1,
        "coronary: no coronary": 1,
        "calcification": 1,
        "mild": 1,
        "aorta": 1,
        "perhaps calcification": 1,
        "perhaps valve": 1,
    }


def test_a_denial_reaches_over_commas_and_not_beyond_its_clause():
    assert counted("No effusion, nodule or consolidation; stent in place.") == {
        "given": 1,
        "no effusion": 1,
        "no nodule": 1,
        "no consolidation": 1,
        "stent": 1,
    }


def test_without_statements_only_they_are_left_out():
    text = (
        "Moderate calcification of the LAD. Heart size is normal. Coronary calcification cannot be excluded."
    )
    left = "Heart size is normal. Coronary calcification cannot be excluded."
    assert counted(text, without_statements=True) == counted(left)
    assert counted(left, without_statements=True) == counted(left)


def test_features_are_the_same_for_every_text_and_say_nothing_of_a_name():
    names = list(BAG.read("").index)
    assert len(names) == 1 + 6 * len(TERMS) == len(set(names))
    assert all(name.startswith("report: ") for name in names)
    assert not BAG.read(" \n ").any(), "blank is no report"
    person = "Ladislav Rcason, born 1950-01-02, MRN 0815, seen by Dr. Fewster and Mrs Scorey."
    assert counted(person) == {"given": 1}
    assert list(BAG.read(person).index) == names


def test_blanks_and_case_do_not_matter():
    text = "Extensive calcification of the left  anterior\tdescending artery."
    assert counted(text) == counted(text.upper()) == counted(" ".join(text.split()))
