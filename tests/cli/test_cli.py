from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gadolin._version import __version__
from gadolin.cli.output import progress_bar, table
from gadolin.cli.train import _written
from gadolin.errors import DownloadError, MissingExtraError, OutputError, ParityError
from gadolin.metrics import measure
from gadolin.metrics.table import read_table
from gadolin.models.bundle import TumourScale, Validation, write_bundle
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import RunFolder
from gadolin.phantoms import CLASSES
from gadolin.records import NOTICE
from gadolin.reports.context import ReportContext
from gadolin.reports.evaluation import Evaluation
from gadolin.workflows.card import write_cards

CLASSES_IN_ORDER = tuple(sorted(CLASSES))


def test_the_version_is_printed_alone(gadolin):
    ending = gadolin("--version")

    assert (ending.code, ending.out, ending.err) == (0, f"{__version__}\n", "")


def test_help_names_every_command_and_the_exit_codes(gadolin):
    ending = gadolin("--help")

    assert ending.code == 0
    for word in ("phantom", "scan", "train", "evaluate", "predict", "compare", "info", "Exit codes: 0 done"):
        assert word in ending.out


def test_an_unknown_command_is_a_wrong_request(gadolin):
    assert gadolin("trian").code == 2


@pytest.mark.slow
def test_phantom_writes_a_data_set_and_says_so_on_standard_error(gadolin, tmp_path):
    ending = gadolin("phantom", tmp_path / "p", "--patients", 2, "--slices", 1)

    assert (ending.code, ending.out) == (0, "")
    assert ending.err == f"wrote 8 slices of 8 synthetic patients to {tmp_path / 'p'}\n"
    assert (tmp_path / "p" / "manifest.csv").is_file()


@pytest.mark.slow
def test_phantom_answers_in_json(gadolin, tmp_path):
    ending = gadolin(
        "phantom", tmp_path / "p", "--patients", 2, "--slices", 1, "--seed", 5, "--fault", "copies", "--json"
    )

    folder = tmp_path / "p"
    assert (ending.code, ending.err) == (0, "")
    expected = {"folder": str(folder), "manifest": str(folder / "manifest.csv"), "classes": list(CLASSES), "seed": 5}
    assert ending.json == expected
    assert (folder / "faults.json").is_file()


def test_phantom_refuses_an_unknown_fault(gadolin, tmp_path):
    gadolin("phantom", tmp_path / "p", "--fault", "copy").refused("a fault must be one of", "'copy'")


def test_scan_shows_parts_classes_and_patients(gadolin, small_phantoms):
    ending = gadolin("scan", small_phantoms)

    assert ending.code == 0
    assert "32 slices, recognised by manifest" in ending.out
    assert "patients: 16" in ending.out
    assert [line.split() for line in ending.out.splitlines() if line.startswith(("test", "train"))] == [
        ["test", "2", "2", "2", "2", "8"],
        ["train", "6", "6", "6", "6", "24"],
    ]


def test_scan_answers_in_json_and_tells_what_it_renamed_and_skipped(gadolin, class_folders):
    (class_folders / "notumor").rename(class_folders / "no_tumor")
    (class_folders / "glioma" / "broken.png").write_text("no picture")

    found = gadolin("scan", class_folders, "--json").json
    words = gadolin("scan", class_folders).out

    assert (found["kind"], found["slices"], found["classes"]) == ("classes", 6, ["glioma", "notumor"])
    assert found["renamed"] == {"no_tumor": "notumor"}
    assert [each["path"] for each in found["errors"]] == [str(class_folders / "glioma" / "broken.png")]
    assert "class 'no_tumor' is counted as 'notumor'" in words
    assert "patients: unknown (see --patient-from)" in words
    assert "cannot be read: 1" in words


def test_train_answers_in_json_alone(trained, small_phantoms):
    ending, run = trained

    assert ending.code == 0
    assert all(line.startswith(("gadolin: ", "epoch 1/1: loss ")) for line in ending.err.splitlines())
    assert ending.err.count("epoch 1/1: ") == 1
    assert "a training of 2 steps is short" in ending.err
    assert "too few to set thresholds" in ending.err
    said = ending.json
    assert (said["run"], said["bundle"]) == (str(run), str(run / "bundle"))
    assert said["report"] == str(run / "evaluation" / "report.html")
    assert said["left_out_by_code"] == {}
    assert said["metrics"] == json.loads((run / "evaluation" / "metrics.json").read_text())


def test_train_hands_every_option_to_the_plan_and_sums_up_in_words(gadolin, trained, monkeypatch, tmp_path):
    plans = []
    weights = tmp_path / "w.safetensors"
    weights.touch()

    def train_model(plan, *, progress):
        from gadolin.training.train import Trained

        plans.append(plan)
        table = read_table(RunFolder(trained[1]).predictions)
        evaluation = Evaluation(table, measure(table), ReportContext("tiny", "abc", "2026-01-01"))
        return Trained(evaluation, RunFolder(trained[1]).read())

    monkeypatch.setattr("gadolin.training.train.train_model", train_model)
    shutil.copytree(trained[1], tmp_path / "run")

    ending = gadolin(
        *(
            "train",
            "data",
            "--out",
            tmp_path / "run",
            "--recipe",
            "resnet50",
            "--set",
            "epochs=3",
            "--set",
            "optimizer.lr=0.5",
        ),
        *("--weights", weights, "--seed", 7, "--device", "cpu", "--precision", "bfloat16", "--validation", 0.3),
        *("--test", 0.4, "--patient-from", "parent", "--skip-unreadable", "--cache", tmp_path / "cache", "--resume"),
    )

    (plan,) = plans
    assert (plan.weights.kind, plan.weights.path) == ("file", weights)
    assert (str(plan.data), plan.out, plan.cache) == ("data", tmp_path / "run", tmp_path / "cache")
    assert (plan.recipe.name, plan.recipe.epochs, plan.recipe.optimizer.lr) == ("resnet50", 3, 0.5)
    assert (plan.machine.seed, plan.machine.device) == (7, "cpu")
    assert (plan.machine.precision, plan.validation, plan.test) == ("bfloat16", 0.3, 0.4)
    assert (plan.patient_from, plan.skip_unreadable, plan.resume) == ("parent", True, True)
    assert ending.code == 0
    assert " right (" in ending.out.splitlines()[0]
    assert " answered, " in ending.out.splitlines()[1]
    assert "new patient" in ending.out
    assert NOTICE in ending.out
    written = dict(line.split(": ", 1) for line in ending.err.splitlines())
    assert list(written) == ["run", "report", "confusion matrix", "history", "model card", "next"]
    assert written["next"] == f"gadolin predict SLICE --model {tmp_path / 'run'}"


def test_the_files_that_a_training_names_are_there(trained):
    lines = _written(RunFolder(trained[1]), write_cards(RunFolder(trained[1])))
    named = [path for line in lines[:-1] for path in re.split(", drawn in |, with .*", line.partition(": ")[2]) if path]
    assert len(named) == 6
    assert [path for path in named if not Path(path).exists()] == []


def test_evaluate_counts_what_was_trained_on_apart_and_records_the_reading(gadolin, run_copy, class_folders):
    ending = gadolin("evaluate", run_copy, class_folders)

    assert ending.code == 0
    assert "duplicate" in ending.out
    assert NOTICE in ending.out
    page = run_copy / "evaluation-data" / "report.html"
    note, report = ending.err.splitlines()
    assert note.startswith("note: Duplicates of training slices were ")
    assert report == f"report: {page}"
    assert page.is_file()
    readings = [json.loads(line) for line in (run_copy / "readings.jsonl").read_text().splitlines()]
    assert [reading["slices"] for reading in readings] == [8, 6]
    assert readings[1]["parts"] == {"duplicate": 6}


def test_evaluate_reads_the_test_part_again_to_the_same_figures(gadolin, run_copy, small_phantoms, tmp_path):
    ending = gadolin("evaluate", run_copy, small_phantoms, "--out", tmp_path / "again", "--json")

    before = json.loads((run_copy / "evaluation" / "metrics.json").read_text())
    assert (ending.code, ending.err) == (0, "")
    assert ending.json["report"] == str(tmp_path / "again" / "report.html")
    assert ending.json["metrics"]["subsets"] == before["subsets"]


def test_evaluate_on_the_folder_one_stands_in_names_the_report_after_it(gadolin, run_copy, class_folders, monkeypatch):
    monkeypatch.chdir(class_folders)

    assert gadolin("evaluate", run_copy / "bundle", ".", "--json").json["report"] == str(
        run_copy / "evaluation-data" / "report.html"
    )


def test_evaluate_refuses_labels_that_are_no_class_of_the_model(gadolin, trained, class_folders):
    (class_folders / "notumor").rename(class_folders / "gliomas_of_ours")

    gadolin("evaluate", trained[1], class_folders).refused(
        "every label must be a class of the model", "gliomas_of_ours"
    )


def test_compare_finds_no_difference_of_a_run_to_itself(gadolin, trained):
    run = trained[1]

    said = gadolin("compare", run, run / "evaluation" / "predictions.csv", "--json").json
    words = gadolin("compare", run, run / "evaluation")

    assert {value["value"] for value in numbers_of(said)} == {0}
    assert words.code == 0
    assert words.out.startswith(f"A: {run}\nB: {run / 'evaluation'}\n")
    assert NOTICE in words.out


def numbers_of(content):
    """Yield every interval of a comparison."""
    if isinstance(content, dict):
        if "value" in content:
            yield content
        for inner in content.values():
            yield from numbers_of(inner)


def test_compare_needs_predictions(gadolin, trained, tmp_path):
    gadolin("compare", trained[1], tmp_path).refused(
        "a comparison needs predictions", tmp_path, "evaluate the model first"
    )


def test_info_shows_what_a_model_is(gadolin, trained):
    ending = gadolin("info", trained[1])
    assert max(map(len, ending.out.splitlines())) < 500, "a line must be short enough to read"

    bundle = Predictor.load(trained[1]).bundle
    assert (ending.code, ending.err) == (0, "")
    for word in (bundle.digest, ", ".join(CLASSES_IN_ORDER), "size 256", "recipe name", "validation part", NOTICE):
        assert word in ending.out
    for line in ("confidence threshold +none", "out-of-distribution threshold +none", "training started from +none"):
        assert re.search(f"^{line}$", ending.out, re.MULTILINE), line
    shipped = gadolin("info").out
    assert re.search(
        r"^licence and origin +CC BY-NC-SA 4.0. Learned from slices of Cheng et al.", shipped, re.MULTILINE
    )
    assert re.search(r"^confidence threshold +0\.\d+$", shipped, re.MULTILINE)
    assert gadolin("info", trained[1] / "bundle", "--json").json == json.loads(json.dumps(bundle.as_json()))


def test_info_tells_what_a_model_of_two_questions_was_validated_for(gadolin, trained, tmp_path):
    folder = tmp_path / "bundle"
    shutil.copytree(trained[1] / "bundle", folder)
    rows = (Validation("glioma", "T1c", 31, 226, 215), Validation("notumor", "FLAIR", 16, 57, 53))
    bundle = replace(
        Predictor.load(folder).bundle,
        sequence=("T1c", "FLAIR"),
        p_tumour=(TumourScale(threshold=0.8), TumourScale(sequence="T1c")),
        validated=rows,
    )
    write_bundle(bundle)

    told = gadolin("info", folder).out
    assert re.search(r"^MRI sequences recognised +T1c, FLAIR$", told, re.MULTILINE)
    assert re.search(r"^tumour thresholds +0.8; T1c 0.5$", told, re.MULTILINE)
    assert "T1c: glioma 95.1 % of 226 slices of 31 patients; FLAIR: no tumour 93.0 %" in told


def test_an_interruption_is_one_line(gadolin, class_folders, monkeypatch):
    def interrupted(plan, *, progress):
        raise KeyboardInterrupt

    monkeypatch.setattr("gadolin.training.train.train_model", interrupted)

    gadolin("train", class_folders).refused("interrupted", "--resume", code=1)


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (OutputError(code="unwritable", rule="cannot write: No space left on device"), 1, "No space left on device"),
        (OSError(28, "No space left on device", "run/events"), 1, "No space left on device"),
        (ParityError(code="export_differs", rule="the exported network must agree"), 1, "must agree"),
        (DownloadError(code="download_refused", rule="the file cannot be fetched"), 1, "cannot be fetched"),
        (MissingExtraError("openvino", "openvino"), 2, '[openvino]"'),
        (ModuleNotFoundError("No module named 'timm'", name="timm"), 2, '[train]"'),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_error_is_one_line_and_its_exit_code(error, code, told, gadolin, class_folders, monkeypatch):
    def failing(plan, *, progress):
        raise error

    monkeypatch.setattr("gadolin.training.train.train_model", failing)

    gadolin("train", class_folders).refused(told, code=code)


def test_a_fault_of_gadolin_itself_is_not_hidden(gadolin, class_folders, monkeypatch):
    def failing(plan, *, progress):
        raise ModuleNotFoundError("No module named 'gadolin.gone'", name="gadolin.gone")

    monkeypatch.setattr("gadolin.training.train.train_model", failing)

    with pytest.raises(ModuleNotFoundError):
        gadolin("train", class_folders)


def test_tables_align_names_left_and_numbers_right():
    assert table(["name", "n"], [["a", "1"], ["longer", "100"]]) == "name      n\n------  ---\na         1\nlonger  100"


def test_a_progress_bar_is_shown_on_a_terminal_only(monkeypatch, capsys):
    for terminal, shown in ((False, False), (True, True)):
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal, raising=False)
        with progress_bar("counting") as advance:
            advance(1, 2, "counting on")
        said = capsys.readouterr()
        assert said.out == ""
        assert bool(said.err) is shown
