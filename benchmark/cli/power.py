"""The command that plans the next study: power."""

import json
from typing import Annotated

import typer

from benchmark.cli.options import DEFAULT_RESULTS, DEFAULT_STUDY, Json, Results, StudyFile
from benchmark.errors import UserError

app = typer.Typer()


@app.command()
def power(
    study: StudyFile = DEFAULT_STUDY,
    run: Annotated[
        str | None, typer.Option("--run", help="Default: the best run that is not the reference.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", help="Default: the study's reference.")
    ] = None,
    metric: Annotated[str, typer.Option("--metric", help="accuracy or roc_auc.")] = "accuracy",
    difference: Annotated[
        float | None,
        typer.Option(
            min=-1, max=1, help="What the next study must tell, run - reference; default: as observed."
        ),
    ] = None,
    wanted: Annotated[float, typer.Option("--power", min=0.05, max=0.999, help="The power wanted.")] = 0.8,
    sizes: Annotated[
        str | None, typer.Option("--sizes", help="Numbers of scans to try, as 100,200,400.")
    ] = None,
    results: Results = DEFAULT_RESULTS,
    as_json: Json = False,
) -> None:
    """Say how many scans would separate two runs of a finished study, from its predictions."""
    from benchmark.analyses.power import SIZES, plan_power, read_predictions, write_power
    from benchmark.study.reading import read_study

    declared = read_study(study)
    tried = SIZES if sizes is None else _numbers(sizes)
    predictions, facts = read_predictions(results / declared.name)
    plan = plan_power(
        declared,
        predictions,
        run=run,
        reference=reference,
        metric=metric,
        difference=difference,
        power=wanted,
        sizes=tried,
        default_reference=facts["reference"],
    )
    files = write_power(plan, declared, results)
    if as_json:
        facts = {
            "study": declared.name,
            "run": plan.run,
            "reference": plan.reference,
            "metric": plan.metric,
            "difference": plan.difference,
            "observed": plan.observed,
            "power": plan.power,
            "scans": plan.scans,
            "sentences": plan.sentences,
            "curve": plan.curve.to_dict("records"),
        }
        print(json.dumps(facts, indent=1))
        return
    from benchmark.report.console import console

    for sentence in plan.sentences:
        console.print(sentence, markup=False, soft_wrap=True)
    for file in files:
        console.print(str(file), markup=False, soft_wrap=True, highlight=False)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"--sizes {text}: give whole numbers with commas, such as 100,200,400") from None
