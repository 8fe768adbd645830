"""What the commands write has the fields of docs/reference/json.md, and each field of the page is in a document."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shlex
import zipfile
from pathlib import Path

import pytest

jsonschema = pytest.importorskip("jsonschema", reason="it comes with schemathesis")
referencing = pytest.importorskip("referencing", reason="it comes with jsonschema")

parquet = pytest.importorskip("pyarrow.parquet", reason="it comes with the extra bulk")

from fake_archive import STUDY, FakeArchive, series_of  # noqa: E402
from gadolin.cli import main  # noqa: E402
from generators.json_documents import DOCUMENTS, FROM_TYPES, SCHEMAS, TABLES, load, of_type  # noqa: E402

NAMES = (*DOCUMENTS, "bundle")
REGISTRY = referencing.Registry().with_resources(
    (path.name, referencing.Resource.from_contents(json.loads(path.read_text(encoding="utf-8"))))
    for path in sorted(SCHEMAS.glob("*.json"))
)
SHORT = "--set epochs=1 --set batch_size=16 --set network.input_size=32 --set progressive=1"
COMMANDS = {
    "phantom": ("phantom data --patients 12 --slices 4 --size 96 --fault copies --fault unreadable --fault labels",),
    "scan": ("scan data", "scan data/Training"),
    "split": ("split data --out split.csv --one-each", "split data --folds 3 --out folds.csv"),
    "train": (f"train data --out run {SHORT}",),
    "card": ("card run",),
    "crossval": (f"crossval data --folds folds.csv --only 0 --out folds {SHORT}",),
    "evaluate": (
        "evaluate run data --out evaluation",
        "evaluate run folds.csv --out every",  # the training slices too, so that two subsets are scored
        "evaluate shipped data --out shipped",
    ),
    "audit": ("audit data", "audit data/Training --only blank"),
    "predictions": ("predict one series", "predict data/Testing/glioma --model run"),
    "bulk": ("predict data/Testing --out bulk",),
    "bulk-metrics": ("evaluate bulk --labels data/manifest.csv",),
    "explanations": (
        "explain one --method evidence",
        "explain one --method all --samples 40 --pieces 8 --grids 1 --model run",
    ),
    "scores": ("score-explanations run split.csv --methods evidence,centre --slices 4",),
    "comparison": ("compare evaluation shipped",),
    "results": ("results series --out objects",),
    "recipes": ("recipes",),
    "plugins": ("plugins",),
    "bundle": ("info", "info run"),
    "error": ("scan gone",),
    "dicomweb": (f"dicomweb http://127.0.0.1:1 --study {STUDY}",),  # the archive is one in memory
}
"""Commands for each document; each is run with --json."""
FILES = {"run": "run/run.json", "bundle": "run/bundle/bundle.json", "metrics": "evaluation/metrics.json"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Work in one folder with a DICOM series of a phantom and a folder of one slice."""
    pytest.importorskip("torch")
    from gadolin.server.phantoms import phantom_picture

    folder = tmp_path_factory.mktemp("documents")
    content = phantom_picture("glioma", 0, 3)[0]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder / "series")
    (folder / "one").mkdir()
    for name in ("one", "series"):
        (folder / name / ".hidden").write_bytes(b"")
        (folder / name / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM")
    with contextlib.chdir(folder):
        yield folder


def run(line):
    """Run a command in this process, as the entry point of the package does, and return what it printed."""
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    archive = FakeArchive(*series_of(2), *series_of(1, number=2, Modality="CT"))
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr("sys.argv", ["gadolin", *shlex.split(line)])
        patch.setattr("gadolin.dicom_network.dicomweb.DicomWebArchive", lambda *_: archive)
        with pytest.raises(SystemExit):
            main()
    printed.flush()
    return printed.buffer.getvalue().decode("utf-8")


@pytest.fixture(scope="module")
def written(folder):
    """Return the documents of each schema, as commands print them and write them to files."""
    found = {name: [] for name in NAMES}
    for name, lines in COMMANDS.items():
        for line in lines:
            found[name].append(json.loads(run(f"{line} --json")))
        if name == "phantom":
            one = next(Path("data/Testing/glioma").glob("s*.png"))
            (Path("one") / one.name).write_bytes(one.read_bytes())
    found["metrics"] = [each["metrics"] for each in found["evaluate"]]
    for name, path in (
        ("run", "run/run.json"),
        ("bundle", "run/bundle/bundle.json"),
        ("metrics", "evaluation/metrics.json"),
        ("job", "bulk/_job.json"),
    ):
        found[name].append(json.loads(Path(path).read_text(encoding="utf-8")))
    found["reading"] = [
        json.loads(line) for line in Path("run/readings.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    scored = Path(found["scores"][0]["folder"])
    found["scored"] = [json.loads((scored / "explanations.json").read_text(encoding="utf-8"))]
    found["by-class"] = [json.loads((scored / "by-class.json").read_text(encoding="utf-8"))]
    found["tables"] = {
        "predict-csv": header(run("predict one --csv")),
        "answers-parquet": parquet.read_schema("bulk/part-000000.parquet").names,
        "predictions-csv": header(Path("evaluation/predictions.csv").read_text(encoding="utf-8")),
        "history-csv": header(Path("run/history.csv").read_text(encoding="utf-8")),
        "rows-csv": header((scored / "rows.csv").read_text(encoding="utf-8")),
        "of shipped": header(Path("shipped/predictions.csv").read_text(encoding="utf-8")),
    }
    return found


def header(text):
    return next(csv.reader(io.StringIO(text)))


def resolved(schema, base):
    """Return the schema that a schema refers to, with the file that it is in."""
    file, _, place = schema["$ref"].partition("#/$defs/")
    file = file or base
    whole = load(file.removesuffix(".json"))
    return (whole["$defs"][place] if place else whole), file, f"{file}:{place}"


def documented(schema, base, where):
    """Yield every documented field of a schema and of what it refers to, as (object, field)."""
    pending, done = [(schema, base, where)], set()
    while pending:
        one, file, place = pending.pop()
        if "$ref" in one:
            target, file, place = resolved(one, file)
            if place not in done:
                done.add(place)
                pending.append((target, file, place))
        yield from ((place, name) for name in one.get("properties", {}))
        inner = [*one.get("properties", {}).values(), *one.get("anyOf", ()), *one.get("allOf", ())]
        inner += [one[key] for key in ("items", "additionalProperties") if isinstance(one.get(key), dict)]
        pending += [(each, file, place) for each in inner]


def seen(schema, value, base, where):
    """Yield every documented field that a document has, as (object, field)."""
    if "$ref" in schema:
        target, file, place = resolved(schema, base)
        yield from seen(target, value, file, place)
        return
    branches = [one for one in schema.get("anyOf", ()) if validator(one, base).is_valid(value)]
    for branch in (*branches, *schema.get("allOf", ())):
        yield from seen(branch, value, base, where)
    for name, inner, one in parts_of(schema, value):
        if name:
            yield where, name
        yield from seen(inner, one, base, where)


def parts_of(schema, value):
    """Return the items of a list or the fields of an object: documented name or "", schema and value of each."""
    if isinstance(value, list):
        return [("", schema["items"], one) for one in value] if "items" in schema else []
    fields, other = schema.get("properties", {}), schema.get("additionalProperties")
    given = value.items() if isinstance(value, dict) else ()
    named = [(name, fields[name], one) for name, one in given if name in fields]
    return named + [("", other, one) for name, one in given if name not in fields and isinstance(other, dict)]


def validator(schema, base):
    """Return a validator of a part of the schema in the file ``base``."""
    inner = {} if "$schema" in schema else {"$defs": load(base.removesuffix(".json")).get("$defs", {})}
    return jsonschema.Draft202012Validator({**schema, **inner, "$id": base}, registry=REGISTRY)


@pytest.mark.train
@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_a_document_is_documented_with_its_type(name, written):
    check = validator(load(name), f"{name}.json")
    assert written[name]
    assert [(list(one.path), one.message[:200]) for each in written[name] for one in check.iter_errors(each)] == []


@pytest.mark.train
def test_every_documented_field_is_in_a_document(written):
    known, found = set(), set()
    for name in NAMES:
        schema, file = load(name), f"{name}.json"
        known |= set(documented(schema, file, f"{file}:"))
        for one in written[name]:
            found |= set(seen(schema, one, file, f"{file}:"))
    rare = {("common.json:Release", name) for name in load("common")["$defs"]["Release"]["properties"]}
    rare |= {("bundle.json:Facts", "finetuned_from")} | {("predictions.json:Series", "instance")}
    assert len(known) > 250
    assert known - found - rare == set()


@pytest.mark.train
@pytest.mark.parametrize("name", TABLES)
def test_the_columns_of_a_table_are_documented_in_order(name, written):
    schema = load(name)
    classes = (
        ["p_glioma", "p_meningioma", "p_notumor", "p_pituitary"] if not name.startswith(("history", "rows")) else []
    )
    there = written["tables"][name]
    assert [column for column in there if column in classes] == classes
    assert [column for column in there if column not in classes] == schema["required"]
    if name == "predictions-csv":
        assert written["tables"]["of shipped"] == [*schema["properties"], *classes]


@pytest.mark.parametrize("name", FROM_TYPES)
def test_the_schema_of_a_type_is_that_of_the_service(name):
    assert load(name) == of_type(name), "run python docs/refresh.py json"


@pytest.mark.parametrize("name", [path.stem for path in sorted(SCHEMAS.glob("*.json"))])
def test_every_schema_is_valid_and_describes_each_field(name):
    schema = load(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    parts = [schema, *schema.get("$defs", {}).values()]
    fields = [(key, one) for part in parts for key, one in part.get("properties", {}).items()]
    assert fields
    assert [key for key, one in fields if not one.get("description", "").endswith((".", ")"))] == []
    assert name in {*NAMES, *TABLES, "common"}
