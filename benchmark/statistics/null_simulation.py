"""How often each test cries wolf: two classifiers that are equal by construction, a thousand studies.

Command: ``python -m benchmark.statistics.null_simulation --docs docs``. It rewrites the table between the markers in
``docs/statistics.md`` and the figure in ``docs/figures``. See there for what the figures mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmark.statistics.intervals import wilson
from benchmark.statistics.metrics import decide
from benchmark.statistics.paired import nadeau_bengio, paired_t
from benchmark.statistics.pairwise import TESTS, compare_all
from benchmark.statistics.weighted import weighted_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]

METRICS = ("accuracy", "f1", "roc_auc")


@dataclass(frozen=True)
class Cohort:
    """Patients whose two halves of `features` standard normal features each carry the same information.

    `separation` is the Mahalanobis distance of the classes in either half: an ideal classifier of one half has
    accuracy Φ(separation/2). Both halves are exchangeable, so two equal learners, one on each, are equal on average.
    """

    name: str
    features: int
    positives: int = 88
    negatives: int = 94
    separation: float = 2.0

    def draw(self, random: np.random.Generator) -> tuple[Labels, tuple[Floats, Floats]]:
        """Return labels (cases,) and the two halves, each (cases, features)."""
        label = np.repeat([1, 0], [self.positives, self.negatives])
        shift = self.separation / np.sqrt(self.features)
        values = random.normal(size=(2, len(label), self.features)) + shift * label[:, None]
        return label, (values[0], values[1])


@dataclass(frozen=True)
class Folds:
    """A protocol: stratified `folds`-fold cross-validation, `repeats` times."""

    repeats: int
    folds: int

    def draw(self, label: Labels, random: np.random.Generator) -> Labels:
        """Return the fold of every case in every repeat, (repeats, cases)."""
        fold = np.empty((self.repeats, len(label)), dtype=np.intp)
        for repeat in range(self.repeats):
            for code in (0, 1):
                mine = random.permutation(np.flatnonzero(label == code))
                fold[repeat, mine] = np.arange(len(mine)) % self.folds
        return fold


COHORTS = (Cohort("10 features", 10), Cohort("40 features", 40))
REPEATS = (1, 2, 5, 10, 20)


def discriminant_scores(X: Floats, label: Labels, fold: Labels) -> Floats:
    """Return out-of-fold probabilities of linear discriminant analysis, (repeats, cases).

    `X` has shape (cases, features), `fold` (repeats, cases). All training sets are solved at once; a ridge of 1 %
    of the mean variance keeps them solvable.
    """
    repeats, folds = len(fold), int(fold.max()) + 1
    test = (fold[:, None, :] == np.arange(folds)[:, None]).reshape(repeats * folds, -1)
    seen = (~test).astype(float)
    mean = [
        (seen * (label == code)) @ X / (seen * (label == code)).sum(axis=1, keepdims=True) for code in (0, 1)
    ]
    centred = X[None] - np.where((label == 1)[None, :, None], mean[1][:, None], mean[0][:, None])
    scatter = np.matmul((centred * seen[:, :, None]).transpose(0, 2, 1), centred)
    covariance = scatter / (seen.sum(axis=1) - 2)[:, None, None]
    ridge = 0.01 * np.trace(covariance, axis1=1, axis2=2) / X.shape[1]
    direction = np.linalg.solve(
        covariance + ridge[:, None, None] * np.eye(X.shape[1]), (mean[1] - mean[0])[..., None]
    )
    middle = ((mean[0] + mean[1]) / 2)[:, None, :]
    odds = np.matmul(X[None] - middle, direction)[..., 0] + np.log((label == 1).sum() / (label == 0).sum())
    own = np.where(test, odds, 0).reshape(repeats, folds, -1).sum(axis=1)
    return np.asarray(1 / (1 + np.exp(-own)))


def study_tables(
    cohort: Cohort, protocol: Folds, random: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate one study of two equal methods; return its fold and prediction tables."""
    label, halves = cohort.draw(random)
    fold = protocol.draw(label, random)
    scores = [discriminant_scores(half, label, fold) for half in halves]
    tables = [
        pd.concat(parts, ignore_index=True)
        for parts in zip(*(_tables(run, label, fold, score) for run, score in zip("ab", scores, strict=True)),
                         strict=True)
    ]  # fmt: skip
    return tables[0], tables[1]


def _tables(run: str, label: Labels, fold: Labels, score: Floats) -> tuple[pd.DataFrame, pd.DataFrame]:
    folds, n = int(fold.max()) + 1, len(label)
    rows, values = [], []
    for repeat in range(len(fold)):
        member = (fold[repeat] == np.arange(folds)[:, None]).astype(float)
        values.append(weighted_metrics(METRICS, label, decide(score[repeat]), score[repeat], member))
        sizes = member.sum(axis=1).astype(int)
        rows += [(run, repeat, place, n - size, size) for place, size in enumerate(sizes)]
    scores = pd.DataFrame(rows, columns=["run", "repeat", "fold", "n_train", "n_test"])
    scores[list(METRICS)] = np.concatenate(values)
    repeats = np.repeat(np.arange(len(fold)), n)
    predictions = pd.DataFrame(
        {"run": run, "repeat": repeats, "fold": fold.ravel(), "case_id": np.tile(np.arange(n), len(fold)),
         "label": np.tile(label, len(fold)), "score": score.ravel(), "predicted": decide(score.ravel())}
    )  # fmt: skip
    return scores, predictions


def p_values(
    cohort: Cohort, protocol: Folds, tests: list[str], *, studies: int, replicates: int, seed: int
) -> Iterator[pd.DataFrame]:
    """Yield the table of `compare_all` for every simulated study."""
    for study in range(studies):
        folds, predictions = study_tables(cohort, protocol, np.random.default_rng([seed, study]))
        yield compare_all(
            folds, predictions, [("a", "b")], METRICS, tests=tests, replicates=replicates, seed=study
        )


def false_positive_rates(
    cohort: Cohort, protocol: Folds, tests: list[str], *, studies: int, replicates: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Return each test's share of studies with p < 0.05, one row per metric and test, with its Wilson interval.

    The Bayesian test has no p: it counts where its 95 % interval leaves out zero. A missing p counts as not
    significant. Columns metric, test, rate, low, high, cohort.
    """
    every = pd.concat(
        p_values(cohort, protocol, tests, studies=studies, replicates=replicates, seed=seed),
        ignore_index=True,
    )
    by_interval = (every["low"] > 0) | (every["high"] < 0)
    wrong = (every["p"] < 0.05).where(every["test"] != "bayesian_correlated_t", by_interval).fillna(False)
    table = wrong.groupby([every["metric"], every["test"]], sort=False).sum().reset_index(name="rate")
    counts = [int(count) for count in table["rate"]]
    ends = np.array([wilson(count, studies) for count in counts])
    table["rate"], table["low"], table["high"] = np.array(counts) / studies, ends[:, 0], ends[:, 1]
    return table.assign(cohort=cohort.name)


def rates_by_repeats(cohort: Cohort, metric: str, *, studies: int, seed: int = 0) -> pd.DataFrame:
    """Return the rates of the plain and the corrected t-test over 1 to 20 repeats of five folds.

    Columns test, repeats, rate, low, high.
    """
    wrong = {(test, repeats): 0 for test in ("paired_t", "nadeau_bengio") for repeats in REPEATS}
    for study in range(studies):
        folds, _ = study_tables(cohort, Folds(max(REPEATS), 5), np.random.default_rng([seed, study]))
        a, b = (folds.loc[folds["run"] == run, metric].to_numpy() for run in "ab")
        for repeats in REPEATS:
            first = slice(5 * repeats)
            plain, corrected = paired_t(a[first], b[first]), nadeau_bengio(a[first], b[first], 1 / 4)
            for test, found in (("paired_t", plain), ("nadeau_bengio", corrected)):
                wrong[test, repeats] += found.p is not None and found.p < 0.05
    rows = [(*key, count / studies, *wilson(count, studies)) for key, count in wrong.items()]
    return pd.DataFrame(rows, columns=["test", "repeats", "rate", "low", "high"])


def simulate(studies: int, replicates: int) -> pd.DataFrame:
    """Return the rates of all tests in all cohorts: five folds, and 5×2 for the test that needs them."""
    five_fold = [test for test in TESTS if test != "five_by_two_f"]
    protocols = ((Folds(1, 5), five_fold), (Folds(5, 2), ["five_by_two_f"]))
    return pd.concat(
        [
            false_positive_rates(cohort, protocol, tests, studies=studies, replicates=replicates)
            for cohort in COHORTS for protocol, tests in protocols
        ],
        ignore_index=True,
    )  # fmt: skip


def rates_as_markdown(rates: pd.DataFrame, studies: int) -> str:
    """Return the table of the documentation: a row per test and metric, a column per cohort."""
    lines = ["| test | metric | " + " | ".join(cohort.name for cohort in COHORTS) + " |"]
    lines.append("|---|---|" + "---|" * len(COHORTS))
    for test in TESTS:
        for metric in METRICS:
            rows = rates[(rates["test"] == test) & (rates["metric"] == metric)].set_index("cohort")
            if len(rows):
                cells = [
                    "{rate:.3f} ({low:.3f}–{high:.3f})".format(**rows.loc[cohort.name]) for cohort in COHORTS
                ]
                lines.append(f"| `{test}` | {metric} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", f"{studies} studies; the 95 % Wilson interval of each rate in brackets."])


def repeats_figure(rates: pd.DataFrame) -> Figure:
    """Draw both t-tests' false-positive rates against the number of repeats, with the nominal 0.05."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 3.4), layout="constrained")
    axis = figure.subplots()
    labels = {"paired_t": "plain paired t", "nadeau_bengio": "Nadeau–Bengio"}
    for colour, (test, rows) in enumerate(rates.groupby("test", sort=False)):
        error = np.abs(rows[["low", "high"]].to_numpy().T - rows["rate"].to_numpy())
        axis.errorbar(rows["repeats"], rows["rate"], error, fmt="o-", capsize=3, color=f"C{1 - colour}",
                      label=labels[str(test)])  # fmt: skip
    axis.axhline(0.05, color="0.4", linestyle="--", linewidth=1, label="nominal 0.05")
    axis.set(xlabel="repeats of 5-fold cross-validation", ylabel="false-positive rate", ylim=(0, None))
    axis.set_xticks(REPEATS)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    return figure


def write_documentation(folder: Path, rates: pd.DataFrame, by_repeats: pd.DataFrame, studies: int) -> None:
    """Replace the table between the markers of ``statistics.md`` and the figure in ``figures``."""
    import matplotlib as mpl

    page = folder / "statistics.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise SystemExit(f"{page}: the markers {_BEGIN} and {_END} are missing; restore them")
    table = rates_as_markdown(rates, studies)
    page.write_text(f"{before}{_BEGIN}\n{table}\n{end}{after}", encoding="utf-8")
    (folder / "figures").mkdir(exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "null"}):
        repeats_figure(by_repeats).savefig(folder / "figures" / "null_paired_t.svg", metadata={"Date": None})


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.statistics.null_simulation", description=__doc__
    )
    parser.add_argument("--studies", type=int, default=1000, help="simulated studies (default: %(default)s)")
    parser.add_argument(
        "--replicates", type=int, default=1000, help="bootstrap replicates (default: %(default)s)"
    )
    parser.add_argument(
        "--docs", type=Path, help="folder of statistics.md, to be rewritten; else only printed"
    )
    options = parser.parse_args()
    with threadpool_limits(limits=1):
        rates = simulate(options.studies, options.replicates)
        by_repeats = rates_by_repeats(COHORTS[0], "accuracy", studies=options.studies)
    print(rates_as_markdown(rates, options.studies), by_repeats.to_string(index=False), sep="\n\n")
    if options.docs:
        write_documentation(options.docs, rates, by_repeats, options.studies)


_BEGIN, _END = "<!-- null simulation: begin -->", "<!-- null simulation: end -->"

if __name__ == "__main__":
    main()
