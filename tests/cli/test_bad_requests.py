from __future__ import annotations

import io
import json
import resource
import shutil
import struct
import subprocess
import sys
import zlib

import pytest
from PIL import Image


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height):
    """Return a grey PNG that declares any size and holds no pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def whole_png(side):
    out = io.BytesIO()
    Image.linear_gradient("L").resize((side, side)).save(out, "PNG")
    return out.getvalue()


BAD_PICTURES = {
    "text": (b"This is not a picture.\n", "a file must be a PNG, JPEG, BMP, TIFF or WebP image", "--skip-unreadable"),
    "empty": (b"", "a file must not be empty, this one is", "--skip-unreadable"),
    "truncated": (whole_png(256)[:-400], "an image must be intact, this one is damaged", "fetch it again"),
    "one pixel": (whole_png(1), "at least 16 pixels a side, this one has 1 x 1", "use the original"),
    "enormous": (png(20_000, 20_000), "an image may have at most 64,000,000 pixels", "scale it down"),
    "large": (png(9_000, 9_000), "this one has 9,000 x 9,000", "scale it down"),
}


@pytest.fixture
def train(gadolin, tmp_path):
    """Run a training that must fail; check that it leaves no files."""
    out = tmp_path / "run"

    def run(data, *words):
        ending = gadolin("train", data, "--out", out, *words)
        assert not out.exists() or not list(out.iterdir())
        return ending

    return run


@pytest.mark.parametrize("kind", BAD_PICTURES)
def test_a_bad_picture_among_the_training_data_is_named(kind, train, class_folders):
    content, rule, remedy = BAD_PICTURES[kind]
    path = class_folders / "glioma" / "bad.png"
    path.write_bytes(content)

    train(class_folders).refused(path, rule, remedy)


@pytest.mark.parametrize("kind", BAD_PICTURES)
def test_a_bad_picture_in_a_manifest_is_named(kind, train, class_folders):
    content, _, remedy = BAD_PICTURES[kind]
    (class_folders / "glioma" / "bad.png").write_bytes(content)
    rows = [f"{path.relative_to(class_folders)},{path.parent.name}" for path in sorted(class_folders.rglob("*.png"))]
    (class_folders / "manifest.csv").write_text("\n".join(["path,label", *rows]) + "\n")

    train(class_folders).refused("bad.png", remedy if kind not in ("text", "empty") else "; ")


def test_data_that_is_not_there_is_named(train, tmp_path):
    train(tmp_path / "absent").refused(
        "the data must be a folder or a manifest CSV", tmp_path / "absent", "check the path"
    )


def test_an_empty_folder_is_named_with_how_to_lay_it_out(train, tmp_path):
    (tmp_path / "empty").mkdir()

    train(tmp_path / "empty").refused("no image was found in", tmp_path / "empty", "one folder of images per class")


def test_one_class_alone_is_refused(train, class_folders):
    shutil.rmtree(class_folders / "notumor")

    train(class_folders).refused(
        "training needs two classes or more", class_folders, "'glioma'", "one folder per class"
    )


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ("path,label\nabsent.png,glioma\n", ("row 2: every path must be a file, 'absent.png' is not", "correct it")),
        ("path,lable\na.png,glioma\n", ("must have the columns path and label", "add label")),
        ("path,label,pateint\na.png,glioma,1\n", ("unknown column 'pateint' (did you mean 'patient'?)",)),
        ("path,label\n", ("a manifest must have one row or more", "add rows")),
        ("", ("a manifest must have the columns path and label",)),
    ],
    ids=["missing file", "missing column", "unknown column", "no row", "empty"],
)
def test_a_manifest_that_cannot_be_used_is_named_with_row_or_column(manifest, told, train, tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text(manifest)

    train(path).refused(path, *told)


@pytest.mark.slow
def test_a_manifest_of_bytes_is_refused(train, tmp_path):
    (tmp_path / "manifest.csv").write_bytes(b"\xff\xfe\x00")

    train(tmp_path / "manifest.csv").refused("a manifest must be a readable UTF-8 CSV")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--set", "optimizer.lrr=1"), "unknown recipe key 'optimizer.lrr' (did you mean 'optimizer.lr'?)"),
        (("--set", "epochs=0"), "epochs must be between 1 and 100000, got 0"),
        (("--set", "network.input_size=100"), "network.input_size must be a multiple of 32"),
        (("--set", "network.evidence=outline"), "network.evidence must be one of auto, map, outlines"),
        (("--set", "network.backbone=compct"), "got 'compct' (did you mean 'compact'?)"),
        (("--recipe", "absent.toml"), "absent.toml: the recipe file must be readable"),
        (("--recipe", "resnet"), "got 'resnet' (did you mean 'resnet50'?)"),
        (("--device", "gpu"), "device must be one of auto, cpu, cuda, mps, got 'gpu'"),
        (("--precision", "half"), "precision must be one of auto, float32, bfloat16"),
        (("--seed", "-1"), "seed must be between 0 and"),
        (("--test", "1.5"), "the test fraction must lie between 0 and 1"),
        (("--patient-from", "("), "--patient-from must be parent, dicom, bids or a regular expression"),
        (("--resume",), "a run folder must contain a run"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_wrong_option_is_told_with_what_may_be(words, told, train, class_folders):
    train(class_folders, *words).refused(told)


@pytest.mark.parametrize(
    "words", [(), ("data",), ("--seed", "3"), ("--recipe", "robust", "--set", "epochs=3"), ("--weights", "shipped")]
)
def test_a_run_is_repeated_with_no_other_options(words, gadolin, tmp_path):
    repeat = ("--repeat", tmp_path / "run") if words else ()
    gadolin("train", *words, *repeat, "--out", tmp_path / "out").refused("train needs either DATA and its options, or")


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        (
            "imagenet",
            "has no ImageNet weights; give --weights none, shipped, a .safetensors file, a run folder or a bundle",
        ),
        ("absent.safetensors", "absent.safetensors does not exist; give --weights none"),
    ],
)
@pytest.mark.slow
def test_weights_that_cannot_be_had_are_told_before_anything_is_written(weights, told, train, small_phantoms):
    train(small_phantoms, "--weights", weights, "--validation", "0.34").refused(told)


def test_a_run_folder_in_use_is_kept(gadolin, class_folders, trained):
    before = sorted(trained[1].rglob("*"))

    gadolin("train", class_folders, "--out", trained[1]).refused(
        "the output folder must be new or empty", trained[1], "choose another folder"
    )

    assert sorted(trained[1].rglob("*")) == before


@pytest.mark.parametrize("command", ["predict", "evaluate", "info"])
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("absent", "does not exist; check the path"),
        ("empty", "contains no bundle.json"),
        ("no network", "a bundle must contain model.onnx"),
        ("other network", "its digest differs; download the bundle again"),
        ("no json", "a bundle must be valid, this one is damaged"),
        ("list", "a bundle must be valid, this one is damaged"),
        ("version", "a bundle must be of format 1 or 2 or 3, this one is 99"),
        ("key", "unknown bundle key 'clases'"),
    ],
)
def test_a_wrong_or_damaged_bundle_is_named(
    command, damage, told, gadolin, make_bundle, pictures, small_phantoms, tmp_path
):
    model = tmp_path / "model"
    if damage == "empty":
        model.mkdir()
    elif damage != "absent":
        make_bundle(model)
        facts = json.loads((model / "bundle.json").read_text())
        if damage == "no network":
            (model / "model.onnx").unlink()
        elif damage == "other network":
            (model / "model.onnx").write_bytes((model / "model.onnx").read_bytes()[:-1] + b"x")
        else:
            content = {
                "no json": "{",
                "list": "[]",
                "version": json.dumps(facts | {"format": 99}),
                "key": json.dumps(facts | {"clases": []}),
            }
            (model / "bundle.json").write_text(content[damage])
    words = {
        "predict": ("predict", pictures[0], "--model", model),
        "evaluate": ("evaluate", model, small_phantoms),
        "info": ("info", model),
    }

    gadolin(*words[command]).refused(model, told)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_an_unknown_runtime_is_told_with_those_there_are(command, gadolin, trained, pictures, small_phantoms):
    words = {"predict": (pictures[0], "--model", trained[1]), "evaluate": (trained[1], small_phantoms)}

    gadolin(command, *words[command], "--runtime", "onxruntime").refused(
        "the runtime must be one of onnxruntime, openvino, got 'onxruntime' (did you mean 'onnxruntime'?)"
    )


def test_predict_prints_json_or_csv_and_not_both(gadolin, pictures, trained):
    ending = gadolin("predict", pictures[0], "--model", trained[1], "--json", "--csv")
    assert (ending.code, ending.json["error"]["code"]) == (2, "options_exclude_each_other")


@pytest.mark.slow
def test_a_process_ends_with_code_two_one_line_and_no_traceback(gadolin_process, class_folders, tmp_path):
    (class_folders / "glioma" / "bad.png").write_bytes(BAD_PICTURES["truncated"][0])

    ending = gadolin_process("train", class_folders, "--out", tmp_path / "run")

    ending.refused("bad.png", "an image must be intact, this one is damaged")


@pytest.mark.skipif(sys.platform == "win32", reason="process limits need POSIX")
@pytest.mark.slow
def test_a_disk_that_fills_up_ends_a_process_with_code_one_and_one_line(small_phantoms, tmp_path):
    """A file size limit of 20 kB stands in for a full disk."""
    done = subprocess.run(
        [sys.executable, "-m", "gadolin", "phantom", str(tmp_path / "p"), "--patients", "2", "--slices", "1"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("gadolin: cannot write ")
    assert done.stderr.count("\n") == 1


def test_serve_refuses_what_it_cannot_do(gadolin, trained):
    import socket

    gadolin("serve", "--model", trained[1], "--token", "short", "--no-browser").refused("16 ASCII characters or more")
    gadolin("serve", "--model", trained[1], "--workers", "0", "--no-browser").refused("workers in 1 to 64")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ending = gadolin("serve", "--model", trained[1], "--port", port, "--no-browser")
    assert ending.code == 2
    assert f"127.0.0.1:{port} is unavailable" in ending.err
