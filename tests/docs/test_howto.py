"""The how-tos are complete, and what they say works: their commands and code run on phantoms, with tiny networks."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import typer.main
from PIL import Image

import gadolin as gd
from gadolin.cli import main
from gadolin.cli.app import app
from gadolin.phantoms import draw_patient
from gadolin.records import NOTICE
from gadolin.registry import installed
from gadolin.server.phantoms import phantom_picture

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "how-to"
COMMANDS = typer.main.get_command(app).commands
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md"))}
TASKS = sorted(set(PAGES) - {"index.md", "install.md"})
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
KINDS = {  # page: its group of entry points, and the file of the example with the same code
    "audit-check.md": ("checks", "dark_slices.py"),
    "backbone.md": ("backbones", "tinynet.py"),
    "data-source.md": ("sources", "small_phantoms.py"),
    "explanation-method.md": ("methods", "bands.py"),
    "reader.md": ("readers", "gslice.py"),
    "runtime.md": ("runtimes", "one_by_one.py"),
}
SHORT = {"epochs": 1, "batch_size": 8, "progressive": 1, "network.input_size": 64}
MULTISOURCE = {"network.backbone": "compact", "sources.draws": 16, "network.input_size": 32}


def blocks(page):
    """Yield the language and the text of each code block, without the indent of a list."""
    for found in BLOCK.finditer(PAGES[page]):
        yield found["language"], textwrap.dedent(found["text"])


def commands(text):
    """Return the calls of gadolin in a block of commands, as words; continued lines are joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("gadolin ")]


def tiny(words):
    """Return a command with few epochs, slices and samples, and without the network."""
    words = ["none" if word == "imagenet" else word for word in words]
    if words[0] in ("train", "crossval"):
        own = {word.partition("=")[0] for word in words} - {"epochs"}
        changes = SHORT | (MULTISOURCE if "multisource" in words or "second" in words else {})
        words += [part for key, value in changes.items() if key not in own for part in ("--set", f"{key}={value}")]
    if words[0] == "phantom":
        words += ["--patients", "4", "--slices", "2", "--size", "96"]
    few = {"--folds": "2", "--slices": "2"}
    return [
        few.get(before, word) if word.isdigit() else word for before, word in zip(["", *words], words, strict=False)
    ]


@pytest.fixture
def run_command(monkeypatch, capsys):
    """Run a command of a page in this process; return what it printed. It must end with exit code 0."""

    def run(words):
        monkeypatch.setattr(sys, "argv", ["gadolin", *tiny(words)])
        with pytest.raises(SystemExit) as ending:
            main()
        shown = capsys.readouterr()
        assert not ending.value.code, f"{shlex.join(words)}: {shown.err}"
        return shown.out

    return run


@pytest.fixture
def follow(run_command, tmp_path, monkeypatch):
    """Follow a page in an empty folder: run its commands and its Python; return what they print, and the names defined.

    ``leave_out`` are words of commands that train once more without showing anything new.
    """
    monkeypatch.chdir(tmp_path)

    def follow(page, leave_out=()):
        names = {}
        for language, text in blocks(page):
            if language == "sh":
                for words in commands(text):
                    if not set(leave_out) & set(words):
                        names[shlex.join(words)] = run_command(words)
            elif language == "python" and text.strip() not in code_of_examples():
                exec(compile(text, page, "exec"), names)
        return names

    return follow


def code_of_examples():
    files = (ROOT / "examples" / "plugin" / "src" / "gadolin_example").glob("*.py")
    return {path.read_text(encoding="utf-8").strip(): path.name for path in files}


def write_slices(folder, classes, patients=6):
    """Write two slices of 96 x 96 for each patient: classes maps the folder to the class that is drawn."""
    number = 0
    for label, drawn in classes.items():
        (Path(folder) / label).mkdir(parents=True)
        for _ in range(patients):
            number += 1
            for each, phantom in enumerate(draw_patient(drawn, number, slices=2, size=96)):
                Image.fromarray(phantom.pixels).save(f"{folder}/{label}/P{number:02}_{each}.png")


def write_series(folder, label, seed):
    """Write a DICOM series of three slices of one patient, with identifiers of their own."""
    Path(folder).mkdir(parents=True)
    content, _ = phantom_picture(label, seed, 3)
    with zipfile.ZipFile(io.BytesIO(content)) as files:
        for name in files.namelist():
            image = pydicom.dcmread(io.BytesIO(files.read(name)))
            image.PatientID = f"{label}-{seed}"
            image.save_as(Path(folder) / Path(name).name)


def write_volume(stem):
    """Write a NIfTI volume of six slices with a lesion in the second and third, and its mask."""
    import nibabel

    drawn = draw_patient("glioma", 1, slices=6, size=96)
    masks = [one.mask if place in (1, 2) else np.zeros_like(one.pixels) for place, one in enumerate(drawn)]
    for name, stack in (("", [one.pixels for one in drawn]), ("-mask", masks)):
        turned = np.rot90(np.stack(stack, -1), -1).astype(np.int16)
        nibabel.Nifti1Image(turned, np.diag([-2, 2, 5, 1])).to_filename(f"{stem}{name}.nii.gz")


# The pages


@pytest.mark.parametrize("page", TASKS)
def test_a_how_to_has_its_parts(page):
    text = PAGES[page]
    assert "For research only; not a medical device." in " ".join(text.split()), NOTICE
    assert re.search(r"^You need: ", text, re.MULTILINE)
    assert re.search(r"^1\. ", text, re.MULTILINE)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings.index("Check") < headings.index("What goes wrong") == len(headings) - 1
    assert "](../typical-problems.md" in text[text.index("## What goes wrong") :]


@pytest.mark.parametrize("page", TASKS)
def test_a_how_to_is_short(page):
    lines = PAGES[page].splitlines()
    code = sum(len(text.splitlines()) + 2 for _, text in blocks(page))
    assert len(lines) >= 30
    assert len(lines) - code <= 80


def test_the_index_lists_every_how_to():
    listed, hidden = PAGES["index.md"].split("```{toctree}")
    assert set(re.findall(r"\]\((\w[\w-]*\.md)\)", listed)) == set(PAGES) - {"index.md"}
    assert {f"{name}.md" for name in re.findall(r"^([\w-]+)$", hidden, re.MULTILINE)} == set(PAGES) - {"index.md"}


def test_the_parts_of_the_installation_have_every_command():
    table = re.search(r"^## Parts\n.*?(^\|.*?)\n\n", PAGES["install.md"], re.MULTILINE | re.DOTALL)[1]
    named = {words.split()[0] for words in re.findall(r"`([a-z][^`]*)`", table)}
    assert set(COMMANDS) - named == set()


def texts(root):
    """Return every string of the source, with three dots for the values in it."""
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(part.value if isinstance(part, ast.Constant) else "..." for part in node.values)


def test_every_message_of_a_typical_problem_is_in_the_source():
    page = (FOLDER.parent / "typical-problems.md").read_text(encoding="utf-8")
    symptoms = [line.split(" | ")[0] for line in page.splitlines() if line.startswith("| ")]
    script = (ROOT / "src" / "gadolin" / "server" / "page").glob("*.js")
    source = "\n".join([*texts(ROOT / "src"), *(path.read_text(encoding="utf-8") for path in script)])
    messages = [message for symptom in symptoms for message in re.findall(r'"([^"]+)"', symptom)]
    assert len(messages) > 80
    pieces = {piece.strip() for message in messages for piece in re.split(r"\.\.\.|, |[\d()]+", message)}
    assert {piece for piece in pieces if len(piece) > 5 and piece not in source} == set()


# Their steps


@pytest.mark.train
def test_data_is_split_by_patient(follow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_slices("mri", {"glioma": "glioma", "notumor": "notumor"})
    Path("figshare").mkdir()
    files = sorted(Path("mri").rglob("*.png"))
    rows = [f"../{path.as_posix()},{path.parent.name},{path.name[:3]}" for path in files]
    Path("figshare/manifest.csv").write_text("\n".join(["path,label,patient", *rows]), encoding="utf-8")

    shown = follow("patient-splits.md")

    audit = shown["gadolin audit split.csv --only shared_slices --only shared_patients".removeprefix("gadolin ")]
    assert audit.startswith("No slice and no patient of the test part is in the training part.")
    assert audit.startswith(re.search(r'must begin with "(.*?)"', PAGES["patient-splits.md"])[1])
    for written in ("split.csv", "split-with-patients.csv"):
        with Path(written).open(encoding="utf-8", newline="") as file:
            parts = {(row["patient"], row["split"]) for row in csv.DictReader(file)}
        assert len(parts) == len({patient for patient, _ in parts}) == 12
    assert (tmp_path / "crossval" / "evaluation" / "report.html").is_file()


@pytest.mark.train
def test_dicom_and_nifti_files_are_used(follow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_series("study", "meningioma", 103)
    for label in ("glioma", "meningioma"):
        for seed in range(4):
            write_series(f"dicom-mri/{label}/{seed}", label, seed)
    Path("volumes").mkdir()
    write_volume("volumes/sub-01")
    write_volume("scan")

    shown = follow("dicom-and-nifti.md")

    assert shown["predict study"] == shown["predict study --series 103"]
    assert '"header_sequence": ' in shown["predict study --json"]
    assert "patients: 8" in shown["scan dicom-mri"]
    with Path("manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["notumor", "glioma", "glioma", "notumor", "notumor", "notumor"]
    assert [row["outline"] == "none" for row in rows] == [row["label"] == "notumor" for row in rows]


@pytest.mark.train
def test_other_classes_are_trained(follow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_slices("mine", {"lymphoma": "glioma", "metastasis": "meningioma", "healthy": "notumor"})
    shutil.copytree("mine/lymphoma", "new-slices")

    shown = follow("other-classes.md", leave_out=["run-from-scratch"])

    assert "class 'healthy' is counted as 'notumor'" in next(
        text for words, text in shown.items() if words.startswith("scan ")
    )
    assert re.search(r"^classes +lymphoma, metastasis, notumor$", shown["info run"], re.MULTILINE)


@pytest.mark.train
def test_a_backbone_of_timm_is_trained(follow, run_command, small_phantoms, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mri").symlink_to(small_phantoms, target_is_directory=True)
    (recipe,) = [text for language, text in blocks("timm-backbone.md") if language == "toml"]
    Path("mobilenet.toml").write_text(recipe, encoding="utf-8")

    follow("timm-backbone.md")

    assert gd.load_recipe("mobilenet.toml").network.backbone == "mobilenetv3_small_050"
    assert "mobilenetv3_small_050" in gd.backbones("mobilenetv3*")
    assert (tmp_path / "run-vit" / "evaluation" / "report.html").is_file()


@pytest.mark.train
def test_an_interrupted_training_is_resumed(run_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_slices("mri", {"glioma": "glioma", "notumor": "notumor"})
    run_command(["split", "mri", "--by", "copies", "--folds", "2", "--out", "folds.csv"])
    start, again, crossval, predict = [words for _, text in blocks("resume.md") for words in commands(text)]
    assert again == [*start, "--resume"]
    shutil.copy("mri/glioma/P01_0.png", "slice.png")

    from gadolin.training import train

    with monkeypatch.context() as patch:
        patch.setattr(train, "_finish", interrupt)
        with pytest.raises(AssertionError, match="interrupted"):
            run_command(start)
    run_command(again)
    run_command([*crossval[:-1], "--only", "0"])
    run_command(crossval)
    run_command(predict)

    assert '"finished": true' in Path("run/run.json").read_text(encoding="utf-8")
    assert Path("run/history.csv").read_text(encoding="utf-8").count("\n") == 1 + SHORT["epochs"]


@pytest.mark.train
def test_a_model_card_is_filled_in(follow, run_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = follow("model-card.md")
    card = Path("run/model-card.md")
    before = json.loads(shown["card run --json"])
    assert before["to_fill"] == card.read_text(encoding="utf-8").count("TO FILL:") > 0
    assert {one["text"] for one in before["files"]} == {str(card), str(Path("run/datasheet-phantom.md"))}

    answers = re.sub(r"^.*TO FILL:.*$", "An answer.", card.read_text(encoding="utf-8"), flags=re.MULTILINE)
    card.write_text(answers, encoding="utf-8")
    assert '"to_fill": 0' in run_command(["card", "run", "--json"])
    assert '"to_fill": 0' in PAGES["model-card.md"]
    assert "An answer." in card.with_suffix(".html").read_text(encoding="utf-8")
    assert "datasheet-phantom.html" in card.with_suffix(".html").read_text(encoding="utf-8")


def interrupt(*given):
    raise KeyboardInterrupt


@pytest.mark.train
def test_a_training_with_less_memory_runs(follow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_slices("mri", {"glioma": "glioma", "notumor": "notumor"})
    follow("out-of-memory.md", leave_out=["run-bfloat16", "run-small"])
    assert '"accumulate": 2' in Path("run/run.json").read_text(encoding="utf-8")


@pytest.mark.train
def test_several_sources_are_trained(follow, small_phantoms, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(small_phantoms, "hospitals")
    rows = Path("hospitals/manifest.csv").read_text(encoding="utf-8").splitlines()
    rows = [f"{rows[0]},sequence", *(f"{row},T1c" for row in rows[1:])]
    Path("hospitals/manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    shown = follow("several-sources.md")["info second"]
    assert re.search(r"^recipe name +multisource$", shown, re.MULTILINE)
    assert re.search(r"^training started from +run$", shown, re.MULTILINE)
    assert "`validated for`" in PAGES["several-sources.md"]


@pytest.fixture(scope="module")
def pasted(tmp_path_factory):
    """Paste the two files of each page about a plug-in, and install them as the pages say, but without the network."""
    folder = tmp_path_factory.mktemp("pasted")
    projects = []
    for page, (_, example) in KINDS.items():
        (project,) = [text for language, text in blocks(page) if language == "toml"]
        code = next(text for language, text in blocks(page) if language == "python")
        name = tomllib.loads(project)["project"]["name"]
        assert f"pip install ./{name}" in PAGES[page]
        assert f"`{name}/{name.replace('-', '_')}.py`" in PAGES[page]
        assert code_of_examples()[code.strip()] == example, f"run python docs/refresh.py {Path(page).stem}"
        (folder / name).mkdir()
        (folder / name / "pyproject.toml").write_text(project, encoding="utf-8")
        (folder / name / f"{name.replace('-', '_')}.py").write_text(code, encoding="utf-8")
        projects.append(folder / name)
    options = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--target")
    subprocess.run([sys.executable, "-m", "pip", "install", *options, folder / "site", *projects], check=True)
    return folder / "site"


@pytest.mark.train
@pytest.mark.parametrize("page", KINDS)
def test_pasted_code_of_a_plug_in_works(page, pasted, follow, run_command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(draw_patient("glioma", 1, slices=2, size=96)[1].pixels).save("slice.png")
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(pasted))
    installed.cache_clear()
    try:
        shown = follow(page)
        listed = run_command(["plugins"])
    finally:
        installed.cache_clear()
        for name in set(sys.modules) - before:
            if name.startswith("gadolin_"):
                del sys.modules[name]
    (project,) = [text for language, text in blocks(page) if language == "toml"]
    ((group, points),) = tomllib.loads(project)["project"]["entry-points"].items()
    assert group == f"gadolin.{KINDS[page][0]}"
    (name,) = points
    assert re.search(rf"^{KINDS[page][0][:-1]} +{name} +gadolin-[\w-]+ 1\.0 +ok$", listed, re.MULTILINE)
    seen = {"audit-check.md": "1 of 8 slices are almost black", "data-source.md": "A small set of phantoms"}
    assert any(seen.get(page, "") in text for text in shown.values() if isinstance(text, str))
