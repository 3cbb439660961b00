"""The loss ablation: one network, one seed, few steps, four losses; prints the table of docs/denseraunet.md.

OMP_NUM_THREADS=1 python tests/performance/denseraunet_losses.py studies/segmentation.yaml RESULTS STEPS
"""

import sys
from pathlib import Path

from benchmark.analyses.segmentation.study import read_segmentation_study
from benchmark.execution.execution import open_execution
from benchmark.networks.inference import use_allotted_threads
from segmenters.denseraunet.training.loop import Training
from segmenters.denseraunet.training.scans import read_training_set
from segmenters.denseraunet.training.study import Loss

LOSSES = {
    "bootstrapped CE + IoU (default)": Loss(),
    "plain CE + IoU": Loss(hardest=1),
    "Dice": Loss(cross_entropy=0, overlap="dice"),
    "plain CE": Loss(hardest=1, overlap_weight=0),
}


def main() -> None:
    """Train with each loss and print the best validation F1."""
    study, results, steps = read_segmentation_study(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])
    plan = study.training.model_copy(update={"steps": steps, "validate_every": max(1, steps // 2)})
    with open_execution(results) as execution:
        data = read_training_set(plan, execution)
    use_allotted_threads()
    print(f"| loss | validation F1 after {steps} steps | best |\n|---|---|---|")
    for name, loss in LOSSES.items():
        training = Training(plan.model_copy(update={"loss": loss}), "denseraunet", data)
        training.run()
        last, best = training.progress.history[-1]["validation_f1"], training.progress.best_f1
        print(f"| {name} | {last:.3f} | {best:.3f} |", flush=True)


if __name__ == "__main__":
    main()
