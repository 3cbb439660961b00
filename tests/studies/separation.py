"""Are the three groups of the default study apart, and how many cases would show it of methods trained anew?

Run by hand on a finished study, from whose store it takes everything: ``python -m tests.studies.separation results``.
It prints the table of docs/studies.md.
"""

import sys
from itertools import chain, pairwise, product
from pathlib import Path

from benchmark.analyses.study_run import read
from benchmark.execution.execution import Execution
from benchmark.execution.store import Store
from benchmark.execution.workers import workers
from benchmark.pipeline.run import run_study
from benchmark.pipeline.yardsticks import CEILING
from benchmark.report.verdict.methods import Methods, methods_of
from benchmark.statistics.planning.separation import chances, separation

STUDY = Path(__file__).parents[2] / "runs.yaml"
GROUPS = (
    (CEILING,),
    ("radiomics_drawn", "calcium_denseraunet", "calcium_130"),
    ("denseraunet_features", "imagenet", "imagenet_untrained"),
)
SIZES = ((178, 1), (178, 5), (300, 5), (400, 5), (600, 5))


def points(value: float) -> str:
    return f"{100 * value:+.0f}".replace("-", "−")


def shown(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def table(methods: Methods) -> list[str]:
    found = separation(methods.folds, methods.predictions, GROUPS)
    lines = [
        "| better | than | points, interval over the cases | p, Holm over all | corrected test over folds |"
    ]
    lines += ["|---|---|---|---|---|"]
    for row in found.to_dict("records"):
        cases, folds = (
            f"[{points(row[f'{unit}_low'])}, {points(row[f'{unit}_high'])}]" for unit in ("cases", "folds")
        )
        lines.append(
            f"| {row['run']} | {row['reference']} | {points(row['difference'])} {cases} "
            f"| {shown(row['cases_holm']).removeprefix('= ')} | {folds}, p {shown(row['folds_p'])} |"
        )
    return lines


def sizes(methods: Methods) -> list[str]:
    first = methods.predictions["repeat"] == 0
    predictions = methods.predictions[first & methods.predictions["run"].isin(chain(*GROUPS))]
    right = predictions.assign(right=predictions["label"] == predictions["predicted"])
    label = predictions.drop_duplicates("case_id").set_index("case_id")["label"].sort_index().to_numpy()
    right = right.pivot(index="case_id", columns="run", values="right").sort_index()
    pairs = [list(product(*two)) for two in pairwise(GROUPS)]
    lines = ["| cases, repeats | first boundary | second | both |", "|---|---|---|---|"]
    for cases, repeats in SIZES:
        seen = (chances(right, label, asked, cases, repeats) for asked in (*pairs, [*chain(*pairs)]))
        lines.append(f"| {cases}, {repeats} | " + " | ".join(f"{100 * share:.0f} %" for share in seen) + " |")
    return lines


def main() -> None:
    with workers(1) as pool:
        result = run_study(read(STUDY), Execution(Store(Path(sys.argv[1]) / "store"), pool))
    methods = methods_of(result)
    print("\n".join([*table(methods), "", *sizes(methods)]))


if __name__ == "__main__":
    main()
