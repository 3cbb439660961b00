"""Image and report joined early or late, all of it fitted in the training fold."""

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmark.errors import CaseError
from benchmark.evaluation.fold import FoldTask, evaluate
from benchmark.evaluation.learners.ordinal import Ordinal
from benchmark.evaluation.protocol import Protocol
from benchmark.plugins.base import WHOLE
from benchmark.plugins.reports import COORDINATE, GIVEN, OF_REPORT
from classifiers.fusion.blocks import CoordinateScaling, TermWeights
from classifiers.fusion.early import EarlyFusion
from classifiers.fusion.late import LateFusion
from classifiers.preprocessing import CorrelationFilter

IMAGE, TERMS = 5, 6
NAMES = (*(f"f{k}" for k in range(IMAGE)), GIVEN, *(f"{OF_REPORT}t{k}" for k in range(TERMS)))
REPORT = tuple(range(IMAGE, len(NAMES)))
TRAIN, TEST = np.arange(90), np.arange(90, 120)
EARLY = EarlyFusion(C=(0.3,), report_weight=(2.0,))
LATE = LateFusion(image_c=(0.1,), report_c=(1.0,))


def cases(missing=0.0, image=0.7, text=0.8, seed=0, n=120):
    """Image features and counts of terms that both tell something of y; some cases have no report."""
    random = np.random.default_rng(seed)
    y = random.permutation(np.arange(n) % 2)
    X = random.normal(size=(n, IMAGE)) + image * y[:, None] * (np.arange(IMAGE) < 2)
    given = random.random(n) >= missing
    counts = random.poisson(0.4 + text * y[:, None] * (np.arange(TERMS) < 2), (n, TERMS)) * given[:, None]
    return np.c_[X, given, counts].astype(float), y


def task(classifier, X, y, names=NAMES, groups=None):
    protocol = Protocol(folds=3, inner_folds=2)
    return FoldTask(classifier.told(names), protocol, names, X, y, TRAIN, TEST, seed=1, groups=groups)


def probabilities(*arguments, **more):
    return np.asarray(evaluate(task(*arguments, **more))["probabilities"])


# The words' weights


def test_weights_of_terms_are_those_of_scikit_learn_from_text():
    texts = ["calcium lad calcium", "no calcium", "lungs clear", "lad lad lad stent", ""]
    counts = CountVectorizer().fit(texts[:3])
    expected = TfidfVectorizer(sublinear_tf=True).fit(texts[:3])
    ours = TermWeights().fit(counts.transform(texts[:3]).toarray())
    assert ours.transform(counts.transform(texts).toarray()) == pytest.approx(
        expected.transform(texts).toarray()
    )


# Early


def test_early_fusion_is_what_scikit_learn_makes_of_the_same_parts():
    X, y = cases(missing=0.2)
    image = make_pipeline(VarianceThreshold(), CorrelationFilter(0.9), StandardScaler())
    parts = ColumnTransformer(
        [("image", image, slice(0, IMAGE)), ("report", TermWeights(), list(REPORT))],
        transformer_weights={"report": 2.0},
    )
    expected = make_pipeline(parts, LogisticRegression(C=0.3, max_iter=5000)).fit(X[TRAIN], y[TRAIN])
    record = evaluate(task(EARLY, X, y))
    assert np.asarray(record["probabilities"]) == pytest.approx(expected.predict_proba(X[TEST]))
    assert record["kept"] == list(NAMES)


@pytest.mark.parametrize("classifier", [EARLY, LATE])
def test_nothing_is_learnt_from_the_tested_cases(classifier):
    X, y = cases(missing=0.2)
    other, flipped = X.copy(), y.copy()
    other[TEST[1:]] = other[TEST[1:]][:, ::-1] + 3
    flipped[TEST] = 1 - flipped[TEST]
    first = probabilities(classifier, X, y)[0]
    assert (probabilities(classifier, other, flipped)[0] == first).all()


@pytest.mark.parametrize("columns", [range(IMAGE), REPORT])
def test_one_kind_alone_is_learnt_by_the_same_learner(columns):
    X, y = cases(text=1.2)
    X, names = X[:, list(columns)], tuple(NAMES[place] for place in columns)
    probability = probabilities(EARLY, X, y, names)
    assert ((probability[:, 1] > 0.5) == y[TEST]).mean() > 0.6
    scaled = StandardScaler().fit(X[TRAIN])
    if names[0] == "f0":
        plain = LogisticRegression(C=0.3, max_iter=5000).fit(scaled.transform(X[TRAIN]), y[TRAIN])
        assert probability == pytest.approx(plain.predict_proba(scaled.transform(X[TEST])))


def test_a_term_that_no_training_case_has_changes_nothing():
    X, y = cases()
    X[:, -1] = 0
    before = probabilities(EARLY, X, y)
    X[TEST, -1] = 5
    assert probabilities(EARLY, X, y) == pytest.approx(before)
    assert NAMES[-1] not in evaluate(task(EARLY, X, y))["kept"]


# An embedding of the report in the place of its terms


EMBEDDED = tuple(name.replace(f"{OF_REPORT}t", f"{COORDINATE}") for name in NAMES)


def embedded(seed=0, missing=0.2):
    """Image features and an embedding with a wide spread, of which one coordinate tells something of y."""
    X, y = cases(missing=missing, seed=seed)
    random = np.random.default_rng(seed)
    coordinates = random.normal(3, 10, (len(y), TERMS)) + 12 * y[:, None] * (np.arange(TERMS) < 1)
    X[:, IMAGE + 1 :] = coordinates * X[:, [IMAGE]]
    return X, y


def scaled(X, rows):
    """Coordinates standardised over the reports among `rows`, about 1 long, and zero without a report."""
    given = X[:, IMAGE] > 0
    known = X[rows][given[rows], IMAGE + 1 :]
    return given[:, None] * (X[:, IMAGE + 1 :] - known.mean(0)) / known.std(0) / np.sqrt(TERMS)


def test_an_embedding_is_standardised_over_the_cases_that_have_one():
    X, _ = embedded()
    ours = CoordinateScaling().fit(X[TRAIN, IMAGE + 1 :]).transform(X[:, IMAGE + 1 :])
    assert ours == pytest.approx(scaled(X, TRAIN))
    assert not ours[X[:, IMAGE] == 0].any()
    assert np.linalg.norm(ours[X[:, IMAGE] > 0], axis=1).mean() == pytest.approx(1, abs=0.1)


def test_early_fusion_with_an_embedding_is_a_regression_on_its_scaled_coordinates():
    X, y = embedded()
    image = make_pipeline(CorrelationFilter(0.9), StandardScaler()).fit(X[TRAIN, :IMAGE])
    joined = np.c_[image.transform(X[:, :IMAGE]), 2.0 * X[:, [IMAGE]], 2.0 * scaled(X, TRAIN)]
    expected = LogisticRegression(C=0.3, max_iter=5000).fit(joined[TRAIN], y[TRAIN])
    ours = probabilities(EARLY, X, y, EMBEDDED)
    assert ours == pytest.approx(expected.predict_proba(joined[TEST]), abs=1e-6)
    assert ours != pytest.approx(probabilities(EARLY, np.abs(X), y), abs=0.01), "coordinates are no counts"


@pytest.mark.parametrize("classifier", [EARLY, LATE])
def test_an_embedding_helps_the_image_and_nothing_is_learnt_from_tested_ones(classifier):
    X, y = embedded()
    fused = probabilities(classifier, X, y, EMBEDDED)
    alone = probabilities(EARLY, X[:, :IMAGE], y, EMBEDDED[:IMAGE])
    right = y[TEST]
    assert np.mean(np.log(fused[np.arange(30), right])) > np.mean(np.log(alone[np.arange(30), right]))
    other = X.copy()
    other[TEST[1:], IMAGE + 1 :] *= -5
    assert (probabilities(classifier, other, y, EMBEDDED)[0] == fused[0]).all()


def test_late_fusion_with_an_embedding_has_the_image_s_answer_without_a_report():
    X, y = embedded(missing=0.3)
    silent = X[TEST, IMAGE] == 0
    expected = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000))
    expected.fit(X[TRAIN, :IMAGE], y[TRAIN])
    ours = probabilities(LATE, X, y, EMBEDDED)
    assert silent.any()
    assert ours[silent] == pytest.approx(expected.predict_proba(X[TEST][silent, :IMAGE]))
    assert ours[~silent] != pytest.approx(expected.predict_proba(X[TEST][~silent, :IMAGE]), abs=0.05)


# Late


def test_late_fusion_is_the_stacking_of_scikit_learn_where_every_case_has_a_report():
    X, y = cases()
    image = make_pipeline(
        ColumnTransformer([("image", StandardScaler(), slice(0, IMAGE))]),
        LogisticRegression(C=0.1, max_iter=5000),
    )
    varying = list(REPORT)[1:]  # `given` is 1 throughout and dropped
    report = make_pipeline(
        ColumnTransformer([("report", TermWeights(), varying)]), LogisticRegression(max_iter=5000)
    )
    stack = StackingClassifier(
        [("image", image), ("report", report)],
        LogisticRegression(),
        cv=StratifiedKFold(5, shuffle=True, random_state=1),
        stack_method="decision_function",
    )
    expected = stack.fit(X[TRAIN], y[TRAIN]).predict_proba(X[TEST])
    assert probabilities(LATE, X, y) == pytest.approx(expected, abs=1e-6)


def test_without_a_report_the_image_alone_decides():
    X, y = cases(missing=0.3)
    model = LATE.told(NAMES).estimator(1).set_params(model__image_c=0.1).fit(X[TRAIN], y[TRAIN])
    silent = X[TEST][X[TEST, IMAGE] == 0]
    assert len(silent) > 3
    image = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=5000))
    image.fit(X[TRAIN, :IMAGE], y[TRAIN])
    assert model.predict_proba(silent) == pytest.approx(image.predict_proba(silent[:, :IMAGE]))


def test_the_report_is_learnt_from_cases_that_have_one():
    X, y = cases(missing=0.3)
    model = LATE.told(NAMES).estimator(1).fit(X[TRAIN], y[TRAIN])[-1]
    given = TRAIN[X[TRAIN, IMAGE] > 0]
    alone = LATE.told(NAMES).estimator(1).fit(X[given], y[given])[-1]
    report = X[TEST][:, list(REPORT)]
    assert model.report_.predict_proba(report) == pytest.approx(alone.report_.predict_proba(report))


def test_the_folds_of_the_stacking_keep_patients_whole():
    X, y = cases(n=120)
    X[1::2], y[1::2] = X[::2], y[::2]  # two scans of each of 60 patients, one like the other
    patient = np.arange(120) // 2
    with_codes, names = np.c_[X, patient], (*NAMES, WHOLE)
    knowing = LATE.told(names).estimator(1).fit(with_codes[TRAIN], y[TRAIN])[-1]
    assert knowing.image_.n_features_in_ == IMAGE, "the code is learnt from by no model"
    image = make_pipeline(StandardScaler(), LogisticRegression(C=0.03, max_iter=5000))
    expected = np.empty(len(TRAIN))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=1)
    for train, test in folds.split(TRAIN, y[TRAIN], patient[TRAIN]):
        assert not set(patient[TRAIN][train]) & set(patient[TRAIN][test])
        fitted = image.fit(X[TRAIN][train, :IMAGE], y[TRAIN][train])
        expected[test] = fitted.decision_function(X[TRAIN][test, :IMAGE])
    given = X[TRAIN][:, :IMAGE]
    assert knowing._out_of_fold(knowing._image_model(), given, y[TRAIN], patient[TRAIN]) == pytest.approx(
        expected
    )
    parted = LATE.told(NAMES).estimator(1).fit(X[TRAIN], y[TRAIN])[-1]
    assert not np.allclose(parted.weights_.coef_, knowing.weights_.coef_)


def test_too_few_reports_or_reports_alone_are_refused_with_the_remedy():
    X, y = cases()
    X[5:, IMAGE:] = 0
    with pytest.raises(
        CaseError, match=r"with a report \d are of one class: lower its `folds`, or take early_fusion"
    ):
        LATE.told(NAMES).estimator(1).fit(X[TRAIN], y[TRAIN])
    report, names = X[TRAIN][:, list(REPORT)], NAMES[IMAGE:]
    with pytest.raises(
        CaseError, match="needs features of an image beside the report's: name both by `beside`"
    ):
        LATE.told(names).estimator(1).fit(report, y[TRAIN])


# Both


@pytest.mark.parametrize("classifier", [EARLY, LATE])
def test_bands_are_learnt_by_the_same_parts(classifier):
    X, y = cases()
    bands = y + (X[:, 0] > 1)
    knowing = Ordinal(classifier=classifier).told(NAMES)
    probability = knowing.estimator(0).fit(X[TRAIN], bands[TRAIN]).predict_proba(X[TEST])
    assert probability.shape == (30, 3)
    assert probability.sum(axis=1) == pytest.approx(1)
    assert (probability.argmax(axis=1) == bands[TEST]).mean() > 0.5


def test_told_columns_reach_a_worker_and_leave_the_plugin_as_it_was():
    import pickle

    knowing = pickle.loads(pickle.dumps(EARLY.told(NAMES)))
    assert knowing.estimator(0)[0].report == REPORT
    assert EARLY.estimator(0)[0].report == ()
    assert knowing.fingerprint() == EARLY.fingerprint(), "the names are part of a task's key"


def test_a_report_whose_words_mean_nothing_adds_nothing_and_one_that_tells_does():
    gains = {}
    for name, text in (("meaning nothing", 0.0), ("telling", 1.2)):
        scores = []
        for seed in range(12):
            X, y = cases(text=text, seed=seed, n=240)
            for classifier in (EARLY, LATE):
                fitted = classifier.told(NAMES).estimator(seed).fit(X[:120], y[:120])
                image = EARLY.told(NAMES[:IMAGE]).estimator(seed).fit(X[:120, :IMAGE], y[:120])
                scores.append(fitted.score(X[120:], y[120:]) - image.score(X[120:, :IMAGE], y[120:]))
        gains[name] = np.mean(scores), np.std(scores) / np.sqrt(len(scores))
    mean, error = gains["meaning nothing"]
    assert mean < 2 * error, "no gain"
    assert gains["telling"][0] > 0.1
