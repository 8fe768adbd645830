"""Regression cases: files and folders that earlier versions handled wrongly, expected and actual result.

    python -m benchmarks run cases CASES [--write]

CASES holds the files; they show a public slice of a glioma, undamaged in decimal-comma.dcm. The folders are made of
phantoms and scanned without root's rights, since root may enter every folder.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path

import numpy as np

from benchmarks.publish import markdown, publish
from gadolin.cli import main as cli
from gadolin.errors import ReadError
from gadolin.models.predictor import Predictor
from gadolin.phantoms import PhantomPlan, write_phantoms
from gadolin.readers import open_file
from gadolin.records import Failure, Prediction, Slice
from gadolin.workflows.predict_files import predict_files

REFERENCE = "decimal-comma.dcm"
ALIKE = 0.99  # minimum correlation with the undamaged slice
FORK = multiprocessing.get_context("fork")
NOBODY = 65534  # user id of nobody


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", type=Path)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    predictor = Predictor.load()
    rows = list(files(arguments.cases, predictor))
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        rows += folders(Path(made))
    right = sum(row[-1] == "yes" for row in rows)
    lines = [
        f"{right} of {len(rows)} correct. The files show a slice of a glioma, three of them several slices; the "
        "correlation is that with the undamaged slice. The folders hold phantoms and were scanned.",
        "",
        *markdown(["case", "expected", "result", "correct"], rows),
    ]
    publish("cases", "Files that were once misread", lines, write=arguments.write)
    if right < len(rows):
        sys.exit(1)


def files(cases: Path, predictor: Predictor) -> Iterator[list[str]]:
    reference = first_slice(cases / REFERENCE)
    for name, (rule, judge) in FILES.items():
        answers = list(predict_files(predictor, [str(cases / name)]))
        image = first_slice(cases / name)
        yield [
            f"`{name}`",
            rule,
            actual(answers, image, reference),
            "yes" if judge(answers, image, reference) else "no",
        ]


Answers = list[Prediction | Failure]
Judge = Callable[[Answers, Slice | None, Slice | None], bool]


def first_slice(path: Path) -> Slice | None:
    try:
        contents = open_file(path)
        return contents.decode(contents.slices // 2)
    except ReadError:
        return None


def alike(image: Slice | None, reference: Slice | None) -> float:
    """Return the correlation of two slices, 0 if one is missing or the sizes differ."""
    if image is None or reference is None or image.pixels.shape != reference.pixels.shape:
        return 0.0
    return float(np.corrcoef(image.pixels.ravel(), reference.pixels.ravel())[0, 1])


def glioma(answers: Answers, image: Slice | None, reference: Slice | None) -> bool:
    """Return whether the prediction is glioma and the pixels match the undamaged slice."""
    (answer,) = answers
    return isinstance(answer, Prediction) and answer.label == "glioma" and alike(image, reference) > ALIKE


def without_window(answers: Answers, image: Slice | None, reference: Slice | None) -> bool:
    return glioma(answers, image, reference) and image is not None and image.window is None


def with_spacing(answers: Answers, image: Slice | None, reference: Slice | None) -> bool:
    return glioma(answers, image, reference) and image is not None and image.spacing_mm == (0.49, 0.49)


def several(answers: Answers, _image: Slice | None, _reference: Slice | None) -> bool:
    (answer,) = answers
    return (answer.code if isinstance(answer, Failure) else answer.reason_code) == "several_slices"


def answered(answers: Answers, image: Slice | None, _reference: Slice | None) -> bool:
    """Return whether every slice of a volume is read, with a black background."""
    read = all(isinstance(one, Prediction) for one in answers)
    return read and image is not None and float(np.median(image.pixels[0])) == float(image.pixels.min())


FILES: dict[str, tuple[str, Judge]] = {
    "decimal-comma.dcm": ("answered, 0.49 mm", with_spacing),
    "window-is-text.dcm": ("answered, without a window", without_window),
    "spacing-vr-ut.dcm": ("answered", glioma),
    "high-bit-15-stored-12.dcm": ("answered, the stored bits", glioma),
    "series-named-survey.dcm": ("answered", glioma),
    "mosaic-3x3.dcm": ("several_slices", several),
    "montage-2x2.png": ("several_slices", several),
    "side-by-side.png": ("several_slices", several),
    "rgb-16-bit-of-12.png": ("answered, at its depth", glioma),
    "min-is-white-16-bit.tif": ("answered, turned over", glioma),
    "large-text-chunk.png": ("answered", glioma),
    "nan-background.nii.gz": ("read, NaN is black", answered),
    "z-scored.nii.gz": ("read, background is black", answered),
    "sform-zero.nii.gz": ("read, by the qform", answered),
}


def actual(answers: Answers, image: Slice | None, reference: Slice | None) -> str:
    parts = []
    for answer in answers[:1]:
        if isinstance(answer, Failure):
            parts.append(f"{answer.code}: {answer.error.statement}")
        elif answer.label is None:
            parts.append(f"declined, {answer.reason_code}")
        else:
            parts.append(f"{answer.label}, p {max(answer.probabilities.values()):.2f}")
    if len(answers) > 1:
        parts.append(f"{len(answers)} slices")
    if alike(image, reference):
        parts.append(f"correlation {alike(image, reference):.3f}")
    return "; ".join(parts)


def folders(root: Path) -> list[list[str]]:
    phantoms = root / "phantoms"
    write_phantoms(phantoms, PhantomPlan(patients=4, slices=2))
    own = sys.argv
    with suppress(SystemExit), redirect_stdout(io.StringIO()):
        command(phantoms)  # import everything before the child gives up its rights
    sys.argv = own
    return [made(root, phantoms) for made in (closed, dangling, odd_parts, deeper, housekeeping)]


def classes(phantoms: Path, folder: Path) -> Path:
    """Copy the phantoms' training part to ``folder``, one folder per class."""
    shutil.copytree(phantoms / "Training", folder)
    return folder


def closed(root: Path, phantoms: Path) -> list[str]:
    data = classes(phantoms, root / "closed")
    (data / "glioma").chmod(0)
    code, answer = scan(data)
    named = any("glioma" in one["path"] for one in answer.get("errors", []))
    return row("a class folder of mode 000", "reported, exit 1", code, answer, right=code == 1 and named)


def dangling(root: Path, phantoms: Path) -> list[str]:
    data = classes(phantoms, root / "dangling")
    (data / "glioma" / "gone.png").symlink_to("../../.git/annex/objects/gone.png")
    code, answer = scan(data)
    named = any("gone.png" in one["path"] for one in answer.get("errors", []))
    return row("a link that leads nowhere", "reported, exit 1", code, answer, right=code == 1 and named)


def odd_parts(root: Path, phantoms: Path) -> list[str]:
    data = root / "parts"
    for name in ("Train", "TEST", "validate"):
        shutil.copytree(phantoms / "Testing", data / name)
    code, answer = scan(data)
    found = sorted(answer.get("parts", {}))
    right = code == 0 and found == ["test", "train", "validation"]
    return row("parts named Train, TEST, validate", "three parts", code, answer, right=right)


def deeper(root: Path, phantoms: Path) -> list[str]:
    shutil.copytree(phantoms / "Training", root / "top" / "data" / "Training")
    shutil.copytree(phantoms / "Testing", root / "top" / "data" / "Testing")
    code, answer = scan(root / "top")
    right = code == 0 and sorted(answer.get("parts", {})) == ["test", "train"] and len(answer["classes"]) == 4
    return row("the data one folder deeper", "two parts, four classes", code, answer, right=right)


def housekeeping(root: Path, phantoms: Path) -> list[str]:
    data = classes(phantoms, root / "served")
    before = scan(data)[1]["slices"]
    first = next((data / "glioma").glob("*.png"))
    for folder in (data / "@eaDir", data / "glioma" / "@eaDir"):
        folder.mkdir()
        shutil.copy(first, folder / "SYNOPHOTO_THUMB_S.png")
    code, answer = scan(data)
    right = code == 0 and answer["slices"] == before and "@eaDir" not in answer["classes"]
    return row("thumbnails of a file server (@eaDir)", "left out and counted", code, answer, right=right)


def row(case: str, rule: str, code: int, answer: dict[str, object], *, right: bool) -> list[str]:
    parts = answer.get("parts")
    counts = {name: sum(each.values()) for name, each in parts.items()} if isinstance(parts, dict) else {}
    left = {kind: len(answer.get(kind, [])) for kind in ("errors", "left_out")}  # type: ignore[arg-type]  # lists
    output = f"exit {code}; slices {counts}; classes {answer.get('classes')}; {left}"
    return [case, rule, output.replace("|", "/"), "yes" if right else "no"]


def scan(data: Path) -> tuple[int, dict[str, object]]:
    """Return exit code and JSON of ``gadolin scan``, run in a child process without root's rights."""
    home = data.parent / "home"
    home.mkdir(exist_ok=True)
    home.chmod(0o777)
    output = home / "answer.json"
    child = FORK.Process(target=_scan, args=(data, home, output))
    child.start()
    child.join()
    answer = json.loads(output.read_text(encoding="utf-8") or "{}")
    output.unlink()
    return child.exitcode or 0, answer


def _scan(data: Path, home: Path, output: Path) -> None:
    if os.geteuid() == 0:
        os.setuid(NOBODY)  # after all imports: other users may lack access to the interpreter
    os.chdir(home)
    os.environ |= {"HOME": str(home), "GADOLIN_CACHE": str(home / "cache")}
    with output.open("w", encoding="utf-8") as file, redirect_stdout(file):
        command(data)


def command(data: Path) -> None:
    sys.argv = ["gadolin", "scan", str(data), "--json"]
    cli()
