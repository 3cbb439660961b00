import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import accuracy_score

from benchmark.analyses.explanation.ablation import ablation_table, evaluate_variants, variants_of
from benchmark.analyses.feature_families import feature_families
from benchmark.evaluation.fold import evaluate
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import with_one_point

FAMILIES = ("shape", "firstorder", "glcm", "ngtdm")


@pytest.fixture
def ablate(tmp_path):
    def run(plan, replicates=2000, families=FAMILIES):
        names = plan.final_task(plan.runs[0]).features
        variants = variants_of(feature_families(names), len(names))
        variants = [variant for variant in variants if variant.family in ("", *families)]
        with workers(1) as pool:
            found = evaluate_variants(
                plan, plan.runs[0], variants, Execution(Store(tmp_path / "store"), pool)
            )
        table = ablation_table(plan, plan.runs[0], found, replicates=replicates)
        return found, table.set_index(["family", "kept", "metric"])

    return run


def own_predictions(plan):
    run = plan.runs[0]
    records = {(run.name, split): evaluate(plan.task(run, split)) for split in plan.splits}
    if plan.study.protocol.selection == "flat":
        records = with_one_point(plan, records)
    return plan.predictions(records)


@pytest.mark.parametrize(
    "protocol",
    [
        {"folds": 3, "inner_folds": 2, "repeats": 2},
        {"folds": 3, "selection": "flat"},
        {"folds": 3, "inner_folds": 2, "threshold": "youden"},
    ],
)
def test_all_features_are_the_studys_own_result_to_the_last_bit(planted, ablate, protocol):
    plan = planted(cases=60, protocol=protocol)
    found, table = ablate(plan, families=("glcm",))
    own = own_predictions(plan)
    pooled = [accuracy_score(mine["label"], mine["predicted"]) for _, mine in own.groupby("repeat")]
    assert table.loc[("", "all", "accuracy"), "value"] == np.mean(pooled)
    name = plan.runs[0].name
    everything = next(variant for variant in found.records if variant.kept == "all")
    again = plan.predictions({(name, split): record for split, record in found.records[everything].items()})
    assert (again["score"] == own["score"]).all()


def test_a_planted_family_is_the_only_one_whose_removal_costs_accuracy(planted, ablate):
    _, table = ablate(planted())
    assert table.loc[("firstorder", "left_out", "accuracy"), "difference_high"] < -0.1
    ideal = norm.cdf(1.5 * np.sqrt(3) / 2)  # of three independent features, 1.5 SD apart each
    assert table.loc[("firstorder", "alone", "accuracy"), "value"] == pytest.approx(ideal, abs=0.05)
    for family in ("shape", "glcm", "ngtdm"):
        row = table.loc[(family, "left_out", "accuracy")]
        assert row["difference_low"] <= 0.03
        assert row["difference_high"] >= 0
        chance = table.loc[(family, "alone", "roc_auc")]
        assert chance["high"] < 0.7
        assert table.loc[(family, "alone", "accuracy"), "difference_high"] < -0.1


def test_a_variant_is_evaluated_on_its_columns_alone(planted, ablate):
    plan = planted(cases=40, protocol={"folds": 2, "inner_folds": 2})
    found, table = ablate(plan)
    assert table.xs("accuracy", level="metric")["features"].to_dict() == {
        ("", "all"): 12,
        **{
            (family, kept): count
            for family in ("shape", "firstorder", "glcm", "ngtdm")
            for kept, count in (("alone", 3), ("left_out", 9))
        },
    }
    for variant, records in found.records.items():
        for record in records.values():
            named = all(f"_{variant.family}_" in name for name in record["kept"])
            unnamed = not any(f"_{variant.family}_" in name for name in record["kept"])
            assert {"all": True, "alone": named, "left_out": unnamed}[variant.kept]


def test_the_paired_difference_and_its_interval_are_those_of_resampled_patients(planted, ablate):
    plan = planted(cases=80, signal=0.8)
    found, table = ablate(plan, replicates=4000, families=("firstorder",))
    name = plan.runs[0].name
    correct = {}
    for variant in found.records:
        records = {(name, split): record for split, record in found.records[variant].items()}
        mine = plan.predictions(records).set_index("case_id").loc[plan.case_ids]
        correct[variant.family, variant.kept] = (mine["label"] == mine["predicted"]).to_numpy(float)
    difference = correct["firstorder", "left_out"] - correct["", "all"]
    random = np.random.default_rng(1)
    halves = [difference[plan.labels == label] for label in (0, 1)]
    drawn = [np.mean([random.choice(half, len(half)).mean() for half in halves]) for _ in range(4000)]
    row = table.loc[("firstorder", "left_out", "accuracy")]
    assert row["difference"] == pytest.approx(difference.mean(), abs=1e-12)
    assert [row["difference_low"], row["difference_high"]] == pytest.approx(
        np.quantile(drawn, [0.025, 0.975]).tolist(), abs=0.03
    )


def test_a_constant_family_has_a_note_instead_of_a_number_and_leaves_nothing_behind(planted, ablate):
    found, table = ablate(planted(cases=60, constant="glcm"), families=("glcm",))
    row = table.loc[("glcm", "alone", "accuracy")]
    assert row[["value", "low", "high", "difference"]].isna().all()
    assert row["note"] == "every column is the same in all cases: there is nothing to learn from"
    left_out = table.loc[("glcm", "left_out", "accuracy")]
    assert (left_out["difference"], left_out["difference_low"], left_out["difference_high"]) == (0, 0, 0)
    assert len(found.failed) == 1


def test_a_family_that_is_constant_in_one_training_fold_says_which(planted, ablate):
    plan = planted(cases=60)
    table = plan.features.tables["moments"]
    columns = [name for name in table if "ngtdm" in name]
    table[columns] = 0.0
    case = plan.case_ids[plan.splits[2].test[0]]
    table.loc[case, columns] = 1.0
    _, rows = ablate(plan, families=("ngtdm",))
    expected = "every column is the same in the training cases of fold 2: there is nothing to learn from"
    assert rows.loc[("ngtdm", "alone", "accuracy"), "note"] == expected


def test_bands_are_compared_by_the_metrics_of_classes(planted, ablate):
    plan = planted(cases=90, target={"use": "bands", "upper": [0, 20]})
    _, table = ablate(plan, families=("firstorder",))
    metrics = table.index.get_level_values("metric").unique().tolist()
    assert metrics == ["accuracy", "balanced_accuracy", "macro_f1", "quadratic_kappa"]
    assert table.loc[("firstorder", "left_out", "quadratic_kappa"), "difference_high"] < 0


def test_one_family_has_nothing_to_leave_out():
    assert [variant.kept for variant in variants_of({"glcm": (0, 1)}, 2)] == ["all"]
    assert [variant.kept for variant in variants_of({}, 2)] == ["all"]
