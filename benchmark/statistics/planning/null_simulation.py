"""How often each test cries wolf: two classifiers that are equal by construction, a thousand studies.

Command: ``python -m benchmark.statistics.planning.null_simulation --docs docs``. It rewrites the table between the
markers in ``docs/statistics.md`` and the figure in ``docs/figures``. See there for what the figures mean.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmark.statistics.comparison.paired import nadeau_bengio, paired_t
from benchmark.statistics.comparison.pairwise import TESTS, compare_all
from benchmark.statistics.intervals.bootstrap import Resampling
from benchmark.statistics.intervals.proportions import wilson
from benchmark.statistics.planning.null_studies import METRICS, Folds, SimulatedCases, study_tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COHORTS = (SimulatedCases("10 features", 10), SimulatedCases("40 features", 40))
REPEATS = (1, 2, 5, 10, 20)


def p_values(
    cohort: SimulatedCases, protocol: Folds, tests: list[str], *, studies: int, replicates: int, seed: int
) -> Iterator[pd.DataFrame]:
    """Yield the table of `compare_all` for every simulated study."""
    for study in range(studies):
        folds, predictions = study_tables(cohort, protocol, np.random.default_rng([seed, study]))
        resampling = Resampling(replicates, seed=study)
        yield compare_all(folds, predictions, [("a", "b")], METRICS, tests=tests, resampling=resampling)


def false_positive_rates(
    cohort: SimulatedCases,
    protocol: Folds,
    tests: list[str],
    *,
    studies: int,
    replicates: int = 2000,
    seed: int = 0,
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


def rates_by_repeats(cohort: SimulatedCases, metric: str, *, studies: int, seed: int = 0) -> pd.DataFrame:
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
            for test, paired_test in (("paired_t", plain), ("nadeau_bengio", corrected)):
                wrong[test, repeats] += paired_test.p is not None and paired_test.p < 0.05
    rows = [(*key, count / studies, *wilson(count, studies)) for key, count in wrong.items()]
    return pd.DataFrame(rows, columns=["test", "repeats", "rate", "low", "high"])


def simulate(studies: int, replicates: int) -> pd.DataFrame:
    """Return the rates of all tests in all cohorts: five folds, and 5×2 for the test that needs them."""
    five_fold = [test for test in TESTS if test != "five_by_two_f"]
    protocols = ((Folds(1, 5), five_fold), (Folds(5, 2), ["five_by_two_f"]))
    return pd.concat(
        [
            false_positive_rates(cohort, protocol, tests, studies=studies, replicates=replicates)
            for cohort in COHORTS
            for protocol, tests in protocols
        ],
        ignore_index=True,
    )


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
        axis.errorbar(
            rows["repeats"],
            rows["rate"],
            error,
            fmt="o-",
            capsize=3,
            color=f"C{1 - colour}",
            label=labels[str(test)],
        )
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
        prog="python -m benchmark.statistics.planning.null_simulation", description=__doc__
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
