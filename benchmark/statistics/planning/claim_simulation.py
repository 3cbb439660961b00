"""What the verdict claims where the truth is known: methods that differ by a planted amount, two hundred studies each.

Command: ``python -m benchmark.statistics.planning.claim_simulation --docs docs``. It rewrites the table between the
markers in ``docs/statistics.md``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtri
from threadpoolctl import threadpool_limits

from benchmark.statistics.comparison.claims import claim_all
from benchmark.statistics.planning.null_studies import Folds, SimulatedCases, study_tables

PLANTED = (0.0, 0.03, 0.06, 0.12)
REPEATS = (1, 5)
ACCURACY, FEATURES = 0.84, 10
"""Of an ideal learner of the better half, as radiomics has in arXiv 2510.25347; features of either half."""
FINDINGS = ("better", "equal", "undecided", "worse")
_BEGIN, _END = "<!-- claims: begin -->", "<!-- claims: end -->"


def cohort_with(planted: float) -> SimulatedCases:
    """Return 182 patients whose second half of the features allows an ideal accuracy lower by `planted`."""
    first, second = (2 * float(ndtri(accuracy)) for accuracy in (ACCURACY, ACCURACY - planted))
    return SimulatedCases(f"{planted:g}", FEATURES, separation=first, other_separation=second)


def claimed_shares(planted: float, repeats: int, studies: int, seed: int = 0) -> dict[str, float]:
    """Return how often the better method is found better, equal, undecided, worse, and the mean ``detectable``."""
    cohort, protocol = cohort_with(planted), Folds(repeats, 5)
    rows = pd.concat(
        [
            claim_all(
                *study_tables(cohort, protocol, np.random.default_rng([seed, study])),
                [("a", "b")],
                "accuracy",
            )
            for study in range(studies)
        ]
    )
    shares = rows["finding"].value_counts(normalize=True)
    return {name: float(shares.get(name, 0.0)) for name in FINDINGS} | {
        "detectable": rows["detectable"].mean()
    }


def claims_as_markdown(studies: int) -> str:
    """Return the table of the documentation."""
    lines = [
        "| planted difference | folds | better | practically equal | undecided | worse | can show, mean |",
        "|---|---|---|---|---|---|---|",
    ]
    for repeats in REPEATS:
        for planted in PLANTED:
            found = claimed_shares(planted, repeats, studies)
            cells = [f"{100 * found[name]:.1f} %" for name in FINDINGS]
            folds = "5" if repeats == 1 else f"{repeats} × 5"
            shown = f"{100 * found['detectable']:.0f} points"
            lines.append(f"| {100 * planted:.0f} points | {folds} | " + " | ".join([*cells, shown]) + " |")
    return "\n".join([*lines, "", f"{studies} studies a row, 182 patients (94/88)."])


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.statistics.planning.claim_simulation", description=__doc__
    )
    parser.add_argument("--studies", type=int, default=200, help="simulated studies (default: %(default)s)")
    parser.add_argument(
        "--docs", type=Path, help="folder of statistics.md, to be rewritten; else only printed"
    )
    options = parser.parse_args()
    with threadpool_limits(limits=1):
        table = claims_as_markdown(options.studies)
    print(table)
    if options.docs:
        page = options.docs / "statistics.md"
        before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
        _, end, after = rest.partition(_END)
        if not end:
            raise SystemExit(f"{page}: the markers {_BEGIN} and {_END} are missing; restore them")
        page.write_text(f"{before}{_BEGIN}\n{table}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
