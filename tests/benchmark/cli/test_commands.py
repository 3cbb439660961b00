"""The command line as its users meet it: in a process of its own."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import yaml

from benchmark import __version__
from benchmark.cli import EXAMPLES, app

ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "tests" / "plugin_package")}


def cacbench(*arguments, cwd=ROOT):
    command = [sys.executable, "-c", "from benchmark.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=ENVIRONMENT)


@pytest.fixture
def study(tmp_path, toy_declaration):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(toy_declaration))
    return file


def test_help_imports_no_library_of_the_numbers():
    code = "import sys, benchmark.cli; print([m for m in ('numpy', 'pandas', 'torch', 'mlflow', 'sklearn', 'SimpleITK', 'pydantic') if m in sys.modules])"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_shows_examples_that_it_takes():
    from typer.main import get_command

    commands = get_command(app).commands
    assert commands.keys() == EXAMPLES.keys()
    for name, command in commands.items():
        for example in EXAMPLES[name]:
            first, *arguments = shlex.split(example)
            assert first == name
            command.make_context(name, arguments)  # a wrong option would raise
            assert f"cacbench {example}" in command.epilog


def test_a_shell_completes_commands():
    asked = {"_CACBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "cacbench re", "COMP_CWORD": "1"}
    command = [sys.executable, "-c", "from benchmark.cli import main; main()"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**ENVIRONMENT, **asked})
    assert done.stdout.split() == ["reproduce"]


def test_the_version_is_the_packages():
    assert cacbench("--version").stdout.strip() == f"cacbench {__version__}"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, toy_content):
    """A study that was run: its folder, with the results below it, and what the command said."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "study.yaml").write_text(yaml.safe_dump(toy_content))
    done = cacbench("run", folder / "study.yaml", "--results", folder / "r", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture
def again(finished, tmp_path):
    """The arguments by which the finished study is run again: nothing is computed anew."""
    copied = tmp_path / "again"
    shutil.copytree(finished[0], copied)
    return copied / "study.yaml", "--results", copied / "r", "--jobs", 1


def test_a_run_ends_in_a_table_and_the_paths_of_what_it_wrote(finished):
    folder, said = finished
    assert "moments/toy_nearest" not in said.partition("skill:")[0]
    assert "moments" in said
    assert "120 feature vectors extracted and 8 models fitted" in said
    *paths, tracked = said.splitlines()[-5:]
    for line in paths:
        assert Path(line.strip()).exists(), line
    assert tracked.startswith("MLflow: run ")
    assert tracked.endswith(
        f"of experiment toy, {folder / 'r' / 'mlflow.db'}: cacbench ui --results {folder / 'r'}"
    )
    page = (folder / "r" / "toy" / "report.html").read_text()
    assert "moments/toy_nearest" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


@pytest.mark.slow
def test_every_run_is_shown_on_demand(again):
    done = cacbench("run", *again, "--full")
    assert "moments/toy_nearest" in done.stdout
    assert "Calibration" in done.stdout


@pytest.mark.slow
def test_a_quiet_run_says_what_was_found_and_where_it_is(again):
    done = cacbench("run", *again, "--quiet")
    assert done.stderr == ""
    assert "Methods" not in done.stdout
    assert done.stdout.splitlines()[-2] == str(again[2] / "toy" / "report.html")
    refused = cacbench("run", *again, "--quiet", "--full")
    assert (refused.returncode, "give one of them" in refused.stderr) == (2, True)


@pytest.mark.slow
def test_a_verbose_run_tells_each_case_and_a_log_each_step(study, tmp_path, toy_declaration):
    toy_declaration["cohort"]["broken"] = [3]
    study.write_text(yaml.safe_dump(toy_declaration))
    done = cacbench("run", study, "--results", tmp_path / "r", "--jobs", 1, "--verbose")
    assert "features: 40 to do" in done.stderr
    assert "features: toy-007: done" in done.stderr
    assert "folds: 6 of 6 in " in done.stderr


@pytest.mark.slow
def test_a_run_is_changed_and_singled_out_on_the_command_line(study, tmp_path):
    options = ("--set", "protocol.folds=4", "--only", "moments/toy_nearest")
    done = cacbench("run", study, "--results", tmp_path / "r", "--jobs", 1, "--json", *options)
    facts = json.loads(done.stdout)
    assert list(facts["runs"]) == ["moments/toy_nearest"]
    assert "4-fold" in facts["protocol"]
    wrong = cacbench("run", study, "--set", "protocol.fods=4")
    assert (wrong.returncode, "did you mean 'folds'" in wrong.stderr) == (2, True)


@pytest.mark.slow
def test_json_output_is_json_and_nothing_else(again):
    study, *_ = again
    done = cacbench("run", *again, "--json")
    facts = json.loads(done.stdout)
    assert facts["cases"] == 40
    assert set(facts["runs"]["moments/toy_nearest"]["accuracy"]) == {"value", "low", "high", "method"}
    assert json.loads(cacbench("validate", study, "--json").stdout)["runs"] == {
        "moments/logistic_regression": "ready",
        "moments/toy_nearest": "ready",
    }


@pytest.mark.slow
def test_validate_refuses_cases_that_cannot_be_split(tmp_path, toy_declaration):
    toy_declaration["cohort"] = {"use": "toy_cohort", "zero": 20, "nonzero": 2}
    (tmp_path / "few.yaml").write_text(yaml.safe_dump(toy_declaration))
    done = cacbench("validate", tmp_path / "few.yaml")
    assert done.returncode == 2
    assert "only 2 cases have label 1, too few for 3 folds" in done.stderr


@pytest.fixture
def checked(tmp_path, toy_declaration):
    """A study on a manifest of 20 fit cases, to which lines can be added."""
    voxels = np.random.default_rng(0).normal(0, 100, (8, 12, 12)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(tmp_path / "ct.nii.gz"))
    sitk.WriteImage(sitk.GetImageFromArray(np.ones_like(voxels)), str(tmp_path / "flat.nii.gz"))
    toy_declaration["cohort"] = {"use": "manifest", "path": "manifest.csv"}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(toy_declaration))

    def write(*lines):
        fit = [f"c{n},ct.nii.gz,{n % 2}" for n in range(20)]
        (tmp_path / "manifest.csv").write_text("\n".join(["case_id,image,label", *fit, *lines]) + "\n")
        return tmp_path / "study.yaml"

    return write


@pytest.mark.slow
def test_validate_lists_every_problem_and_fails_only_if_told_to(checked, tmp_path):
    study = checked("x,gone.nii.gz,1", "y,lost.nii.gz,0")
    done = cacbench("validate", study)
    assert done.returncode == 0, done.stderr
    assert "2 of 22 cases would be left out:" in done.stdout
    assert f"x: {tmp_path / 'gone.nii.gz'}: no such file" in done.stdout
    assert f"y: {tmp_path / 'lost.nii.gz'}: no such file" in done.stdout
    strict = cacbench("validate", study, "--strict", "--json")
    assert strict.returncode == 2
    assert "--strict: 2 of 22 cases would be left out" in strict.stderr
    facts = json.loads(strict.stdout)
    assert (facts["cases"], facts["left_out"]) == (22, 2)
    assert facts["problems"][0] == {
        "case_id": "x",
        "file": str(tmp_path / "gone.nii.gz"),
        "reason": "no such file",
    }


@pytest.mark.slow
def test_validate_reads_voxels_only_if_told_to(checked):
    study = checked("x,flat.nii.gz,1")
    assert "left out" not in cacbench("validate", study).stdout
    assert "the image is constant" in cacbench("validate", study, "--deep", "--jobs", 1).stdout


@pytest.mark.slow
def test_validate_fails_where_too_little_is_left_and_says_what_is_wrong(checked, tmp_path):
    study = checked()
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("ct.nii.gz,1", "gone.nii.gz,1"))
    few = cacbench("validate", study)
    assert few.returncode == 2
    assert "10 of 20 cases would be left out" in few.stdout
    assert "all 10 cases have label 0" in few.stderr
    manifest.write_text(manifest.read_text().replace("ct.nii.gz,0", "gone.nii.gz,0"))
    assert "every one of the 20 cases would be left out" in cacbench("validate", study).stderr


def test_validate_counts_and_names_cases_without_label_and_score(checked, tmp_path):
    done = cacbench("validate", checked("x,ct.nii.gz,", "y,ct.nii.gz,", "z,gone.nii.gz,"))
    assert done.returncode == 2
    assert (
        f"{tmp_path / 'manifest.csv'}: 2 of 22 cases have neither `label` nor `cac_score`: x, y;"
        in done.stderr
    )


def test_every_published_set_of_weights_says_its_licence_and_what_it_has_learnt_from():
    described = json.loads(cacbench("list", "--json").stdout)["feature_extractor"]
    told = {name: one for about in described.values() for name, one in about["provenance"].items()}
    assert len(told) >= 15
    assert all(one["licence"] and one["trained_on"] for one in told.values())
    assert {name for name, one in told.items() if not one["may_hold"]} == {
        "imagenet",
        "dinov2_small",
        "dinov2_base",
        "dinov3_small",
        "all-MiniLM-L6-v2",
    }, "photographs, and sentences that are no reports"


@pytest.mark.slow
def test_list_shows_every_kind_with_parameters_and_state():
    described = json.loads(cacbench("list", "--json").stdout)
    assert list(described) == ["cohort", "segmenter", "feature_extractor", "classifier", "trainer"]
    assert described["classifier"]["random_forest"]["state"] == "ready"
    assert "zero" in described["cohort"]["toy_cohort"]["parameters"]
    shown = cacbench("list").stdout
    assert "random_forest" in shown
    provenance = described["feature_extractor"]["slices"]["provenance"]
    forbidden = {name for name, told in provenance.items() if not told["commercial"]}
    assert forbidden == {"rad_dino", "dale_ct"}
    assert described["feature_extractor"]["finetune_slices"]["provenance"] == provenance
    networks = described["feature_extractor"]["monai_encoder"]["provenance"]
    assert [name for name, told in networks.items() if not told["commercial"]] == ["vista3d"]
    assert shown.count("(NON-COMMERCIAL)") == 2 * len(forbidden) + 1, "once for each of the two, and vista3d"


@pytest.mark.parametrize(("name", "read"), [("f.parquet", pd.read_parquet), ("f.csv", pd.read_csv)])
def test_features_are_written_for_other_tools(again, tmp_path, name, read):
    done = cacbench("features", *again, "--out", tmp_path / name)
    assert done.returncode == 0, done.stderr
    table = read(tmp_path / name)
    assert list(table.columns[:5]) == ["case_id", "label", "cac_score", "group", "protocol"]
    assert "moments:mean" in table.columns
    assert len(table) == 40


@pytest.fixture
def unlabelled(tmp_path, toy_declaration):
    """A study on a manifest as `cacbench convert` writes it, with a column of somebody's own."""
    random = np.random.default_rng(0)
    header = "case_id,image,cac_score,label,mask,group,protocol,contrast,age,site\n"
    lines = [f"00{n},{n}.nii.gz,,,,,Calcium,,{50 + n},X\n" for n in range(3)]
    for n in range(3):
        image = sitk.GetImageFromArray(random.normal(0, 100, (8, 12, 12)).astype(np.int16))
        sitk.WriteImage(image, str(tmp_path / f"{n}.nii.gz"))
    (tmp_path / "manifest.csv").write_text(header + "".join(lines))
    toy_declaration["cohort"] = {"use": "manifest", "path": "manifest.csv", "covariates": ["age"]}
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(toy_declaration))
    return file


@pytest.mark.slow
def test_features_need_no_label_and_carry_covariates(unlabelled, tmp_path):
    options = ("--results", tmp_path / "r", "--jobs", 1)
    done = cacbench("features", unlabelled, "--out", tmp_path / "f.csv", *options)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "f.csv", dtype={"case_id": str})
    assert table["case_id"].tolist() == ["000", "001", "002"]
    assert table["age"].tolist() == [50, 51, 52]
    assert table["label"].isna().all()
    assert done.stderr.count("not used: site; `covariates: [site]` carries them beside the features") == 1
    assert cacbench("features", unlabelled, "--out", tmp_path / "f.parquet", *options).returncode == 0
    assert pd.read_parquet(tmp_path / "f.parquet")["age"].tolist() == ["50", "51", "52"]


@pytest.mark.slow
def test_a_run_without_labels_is_refused_in_one_sentence_with_the_file_and_the_cases(unlabelled, tmp_path):
    done = cacbench("run", unlabelled, "--results", tmp_path / "r", "--jobs", 1)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        f"cacbench: {tmp_path / 'manifest.csv'}: 3 of 3 cases have neither `label` nor `cac_score`: 000, 001, 002; "
        "give it, or use `cacbench features`, which needs none"
    )


@pytest.mark.slow
def test_a_covariate_called_as_a_feature_is_refused(unlabelled, tmp_path):
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",age,", ",mean,"))
    unlabelled.write_text(unlabelled.read_text().replace("- age", "- mean"))
    out = tmp_path / "f.csv"
    done = cacbench(
        "features", unlabelled, "--extractor", "moments", "--out", out, "--results", tmp_path / "r"
    )
    assert (done.returncode, out.exists()) == (2, False)
    assert "'mean' is a covariate and a feature: call the covariate otherwise" in done.stderr


@pytest.mark.slow
def test_check_guards_what_update_wrote_and_exits_1_when_a_number_moves(again, tmp_path):
    headline = tmp_path / "headline.json"
    arguments = (*again[:3], "--headline", headline)
    assert cacbench("check", *arguments, "--update").returncode == 0
    assert cacbench("check", *arguments).returncode == 0
    content = json.loads(headline.read_text())
    content["toy"]["runs"]["moments/toy_nearest"]["accuracy"]["value"] -= 0.5
    headline.write_text(json.dumps(content))
    moved = cacbench("check", *arguments)
    assert moved.returncode == 1
    assert "1 of" in moved.stdout
    assert "moments/toy_nearest" in moved.stdout


@pytest.mark.slow
def test_strict_makes_an_unavailable_run_an_error(again, toy_declaration):
    toy_declaration["extractors"]["absent"] = {
        "use": "toy_moments",
        "segmenter": "toy_centre",
        "ready": False,
    }
    again[0].write_text(yaml.safe_dump(toy_declaration))
    refused = cacbench("run", *again, "--strict")
    assert refused.returncode == 2
    assert "absent/toy_nearest is unavailable: no weights: fetch them" in refused.stderr
    assert cacbench("run", *again).returncode == 0


@pytest.mark.slow
def test_a_mask_on_another_grid_is_scored_by_the_option_that_the_refusal_names(tmp_path):
    voxels = np.full((6, 20, 20), 40, np.int16)
    voxels[:, :5] = -900
    voxels[2:4, 8:12, 8:12] = 300
    image = sitk.GetImageFromArray(voxels)
    sitk.WriteImage(image, str(tmp_path / "ct.nii.gz"))
    sitk.WriteImage(sitk.Cast(image[:, :, 1:] > 130, sitk.sitkUInt8), str(tmp_path / "mask.nii.gz"))
    arguments = ("score", tmp_path / "ct.nii.gz", "--mask", tmp_path / "mask.nii.gz", "--json")
    refused = cacbench(*arguments)
    assert refused.returncode == 2
    assert (
        "`cacbench score --resample-mask`, in a study `resample_mask: true` of a manifest" in refused.stderr
    )
    scored = json.loads(cacbench(*arguments, "--resample-mask").stdout)
    assert scored["total"] == json.loads(cacbench(*arguments[:2], "--json").stdout)["total"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere.yaml"], "nowhere.yaml: no such study file"),
        (
            ["check", "runs.yaml", "--results", "nowhere"],
            "nowhere/phantoms/study.json: there is no finished study",
        ),
        (["score", "nowhere.nii.gz"], "nowhere.nii.gz"),
        (["score", "nowhere.nii.gz", "--connectivity", "5"], "--connectivity: "),
        (
            ["score", "nowhere.nii.gz", "--threshold-hu", "nan"],
            "--threshold-hu': 'nan' is not a finite number",
        ),
        (["score", "nowhere.nii.gz", "--mass-calibration", "inf"], "'inf' is not a finite number"),
        (["score", "nowhere.nii.gz", "--minimum-area-mm2", "1_0"], "in plain digits, such as 1000 or 0.5"),
        (["power", "--difference", "nan"], "'nan' is not a finite number"),
        (["power", "--power", "1"], "1 is not in the range from 0.05 to 0.999"),
        (["quality", "--too-many", "nan"], "'nan' is not a finite number"),
        (["phantom", "--zero", "1_0"], "'1_0' is not a finite number"),
        (["audit", "--permutations", "2.5"], "2.5 is not a whole number"),
        (["features", "runs.yaml", "--out", "f.xlsx"], "end the name in .parquet or .csv"),
        (
            ["features", "runs.yaml", "--out", "f.csv", "--extractor", "x"],
            "--extractor x: runs.yaml declares radiomics",
        ),
        (["ui", "--results", "nowhere"], "no MLflow database yet; run `cacbench run` first"),
        (["run", "--jobs", "0"], "--jobs"),
        (["rum"], "No such command"),
    ],
)
def test_a_mistake_is_exit_code_2_and_a_sentence_without_a_traceback(arguments, message):
    done = cacbench(*arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_a_mistake_in_the_study_file_names_file_line_place_and_remedy(study):
    study.write_text(study.read_text().replace("toy_cohort", "toy_cohrt"))
    done = cacbench("run", study)
    assert done.returncode == 2
    assert "study.yaml:" in done.stderr
    assert "did you mean 'toy_cohort'?" in done.stderr
