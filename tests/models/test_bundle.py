"""Tests of the bundle: it survives a round trip, and each kind of damage is one error with a remedy."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gadolin.datasets.manifest import file_digest
from gadolin.errors import BundleError
from gadolin.models.bundle import FORMAT_VERSION, TumourScale, Validation, read_bundle, require_weights, write_bundle
from gadolin.phantoms import CLASSES
from gadolin.preprocessing.montage import HEAD_COUNTER
from gadolin.preprocessing.prepare import Preparation


def facts_of(bundle):
    return json.loads((bundle.folder / "bundle.json").read_text(encoding="utf-8"))


@pytest.fixture
def bundle(tmp_path, make_bundle):
    return make_bundle(tmp_path / "bundle")


def test_a_bundle_comes_back_as_it_was_written(tmp_path, make_bundle):
    written = make_bundle(
        tmp_path,
        preparation=Preparation(size=32, margin=0.1),
        temperature=1.37,
        confidence_threshold=0.6,
        licence="CC-BY-4.0",
        manifest_digest="m",
        weights_digest="w",
        metrics={"test": {"accuracy": 0.9, "parts": {"copied": {"n": 3}}}},
        facts={"recipe": "größer", "seed": 1},
    )
    assert read_bundle(tmp_path) == written


def test_the_classes_keep_their_order(tmp_path, make_bundle):
    classes = CLASSES[::-1]
    written = make_bundle(tmp_path)
    write_bundle(replace(written, classes=classes))
    assert read_bundle(tmp_path).classes == classes


def test_weights_must_be_those_that_the_bundle_names(bundle):
    bundle.weights.write_bytes(b"weights")
    with pytest.raises(BundleError) as caught:
        require_weights(bundle)
    assert caught.value.code == "bundle_changed"
    assert "weights" in str(caught.value)
    assert require_weights(replace(bundle, weights_digest=file_digest(bundle.weights))) == bundle.weights


def test_a_bundle_without_weights_cannot_be_trained_from(bundle):
    bundle.weights.unlink(missing_ok=True)
    with pytest.raises(BundleError) as caught:
        require_weights(bundle)
    assert caught.value.code == "bundle_without_weights"


def test_a_run_folder_is_read_by_the_bundle_inside(bundle, tmp_path):
    assert read_bundle(tmp_path) == read_bundle(bundle.folder) == bundle


def test_a_bundle_can_be_moved(bundle, tmp_path):
    moved = bundle.folder.rename(tmp_path / "moved")
    assert read_bundle(moved).digest == bundle.digest


def test_the_file_tells_its_format_and_its_digest_and_not_where_it_lies(bundle):
    facts = facts_of(bundle)
    assert facts["format"] == FORMAT_VERSION
    assert facts["digest"] == bundle.digest
    assert "folder" not in facts


def test_a_bundle_of_the_format_before_has_no_head_counter_and_keeps_its_digest(bundle):
    edited(format=1, head_counter=...)(bundle)

    read = read_bundle(bundle.folder)

    assert read.head_counter == ""
    assert read.digest == bundle.digest


def test_a_head_counter_of_another_version_is_refused(tmp_path, make_bundle):
    bundle = make_bundle(tmp_path, head_counter="grid-99")

    with pytest.raises(BundleError) as caught:
        read_bundle(bundle.folder)
    assert caught.value.code == "bundle_counter_unknown"


def test_the_graph_and_the_weights_lie_beside_the_facts(bundle):
    assert bundle.graph == bundle.folder / "model.onnx"
    assert bundle.weights == bundle.folder / "weights.safetensors"


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 1.5},
        {"confidence_threshold": 0.5},
        {"classes": CLASSES[::-1]},
        {"preparation": Preparation(size=64)},
        {"graph_digest": "other"},
        {"head_counter": HEAD_COUNTER},
        {"sequence": ("T1", "T2")},
        {"p_tumour": (TumourScale(scale=1.5),)},
        {"validated": (Validation("glioma", "T1c", patients=40, slices=400, right=390),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_digest_changes_with_all_that_decides_an_answer(bundle, change):
    assert replace(bundle, **change).digest != bundle.digest


@pytest.mark.parametrize("change", [{"licence": "MIT"}, {"metrics": {"test": {"accuracy": 1}}}, {"facts": {"seed": 3}}])
def test_the_digest_does_not_change_with_what_only_describes(bundle, change):
    assert replace(bundle, **change).digest == bundle.digest


@pytest.mark.parametrize("version", [1, 2])
def test_bundles_of_older_formats_are_read_as_the_same_model(version, bundle):
    older = {"confidence_threshold": "abstain_below", "ood_threshold": "strange_above"}
    write_bundle(replace(bundle, confidence_threshold=0.7, facts={"finetuned_from": ["abc"]}))
    newer = read_bundle(bundle.folder)
    content = {older.get(key, key): value for key, value in facts_of(newer).items()} | {"format": version}
    for key in ("sequence", "p_tumour", "validated"):
        del content[key]
    content["facts"] = {"went_on_from": ["abc"]}
    (bundle.folder / "bundle.json").write_text(json.dumps(content))

    assert read_bundle(bundle.folder) == newer


def test_what_a_bundle_was_validated_on_is_kept(bundle):
    rows = (Validation("glioma", "T1c", patients=40, slices=400, right=390),)
    scale = (TumourScale(1.2, -0.3, 0.8), TumourScale(1.1, 0.2, 0.7, "T1c"))
    write_bundle(replace(bundle, sequence=("T1c", "FLAIR"), p_tumour=scale, validated=rows))

    again = read_bundle(bundle.folder)

    assert (again.sequence, again.p_tumour, again.validated) == (("T1c", "FLAIR"), scale, rows)


def spoil_graph(bundle):
    content = bytearray(bundle.graph.read_bytes())
    content[len(content) // 2] ^= 1
    bundle.graph.write_bytes(content)


def edited(**changes):
    def edit(bundle):
        facts = facts_of(bundle) | changes
        kept = {key: value for key, value in facts.items() if value is not ...}
        (bundle.folder / "bundle.json").write_text(json.dumps(kept))

    return edit


def replaced(text):
    return lambda bundle: (bundle.folder / "bundle.json").write_bytes(text)


DAMAGES = {
    "a missing graph": (
        lambda bundle: bundle.graph.unlink(),
        "model.onnx: a bundle must contain model.onnx, this one does not; download the bundle again",
    ),
    "a changed byte in the graph": (
        spoil_graph,
        "model.onnx: the network must match the digest in bundle.json, its digest differs; download the bundle again",
    ),
    "an empty graph": (lambda bundle: bundle.graph.write_bytes(b""), "its digest differs; download the bundle again"),
    "truncated facts": (replaced(b'{"format": 1, "dig'), "must be valid, this one is damaged"),
    "empty facts": (replaced(b""), "must be valid, this one is damaged"),
    "facts that are no text": (replaced(b"\xff\xfe\x00"), "must be valid, this one is damaged"),
    "facts that are a list": (replaced(b"[1, 2]"), "must be valid, this one is damaged"),
    "facts that are a word": (replaced(b'"bundle"'), "must be valid, this one is damaged"),
    "another format": (
        edited(format=99),
        "must be of format 1 or 2 or 3, this one is 99; install the Gadolin that wrote it",
    ),
    "no format": (edited(format=...), "this one is damaged ('format'); download or export it again"),
    "no classes": (edited(classes=...), "this one is damaged ('classes'); download or export it again"),
    "no graph digest": (edited(graph_digest=...), "must be valid, this one is damaged"),
    "an unknown key": (
        edited(temprature=2),
        "unknown bundle key 'temprature' (did you mean 'temperature'?); download the bundle again",
    ),
    "a folder of its own": (edited(folder="/etc"), "must be valid, this one is damaged"),
    "an unknown preparation key": (
        edited(preparation={"sizes": 64}),
        "unknown preparation key 'sizes' (did you mean 'size'?)",
    ),
    "a preparation out of range": (
        edited(preparation={"size": 3}),
        "preparation.size must be between 16 and 2048, got 3",
    ),
    "a preparation of another type": (edited(preparation={"size": "64"}), "must be valid, this one is damaged"),
    "one class": (edited(classes=["glioma"]), "two or more classes, all different; download it again"),
    "a class twice": (edited(classes=["a", "b", "b", "c"]), "two or more classes, all different; download it again"),
    "no temperature above zero": (
        edited(temperature=0),
        "must have a positive temperature, a confidence threshold in 0 to 1",
    ),
    "a threshold above one": (
        edited(confidence_threshold=1.5),
        "OOD threshold of 0 or more, got 1.0, 1.5 and 0.0; download",
    ),
    "a bound below zero": (
        edited(ood_threshold=-1),
        "OOD threshold of 0 or more, got 1.0, 0.0 and -1; download it again",
    ),
    "another temperature than was written": (
        edited(temperature=2.0),
        "its digest differs; download or export it again",
    ),
    "facts that are no object": (edited(facts=[]), "facts and metrics must be JSON objects"),
    "metrics that are a number": (edited(metrics=3), "must be valid, this one is damaged"),
    "metrics of a part that are a number": (edited(metrics={"test": 3}), "facts and metrics must be JSON objects"),
    "a temperature that is a word": (edited(temperature="warm"), "must be valid, this one is damaged"),
}


@pytest.mark.parametrize(("damage", "words"), DAMAGES.values(), ids=DAMAGES)
@pytest.mark.slow
def test_every_damage_is_one_error_that_names_the_bundle_and_a_remedy(bundle, damage, words):
    damage(bundle)
    with pytest.raises(BundleError) as caught:
        read_bundle(bundle.folder)
    message = str(caught.value)
    assert str(bundle.folder) in message
    assert words in message


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(BundleError) as caught:
        read_bundle(tmp_path / "gone")
    assert caught.value.code == "model_not_found"
    assert str(caught.value) == (
        f"a model must be a run folder or a bundle, {tmp_path / 'gone'} does not exist; check the path"
    )


def test_a_run_folder_without_a_bundle_is_unfinished(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(BundleError) as caught:
        read_bundle(tmp_path)
    assert caught.value.code == "model_incomplete"
    assert caught.value.remedy == "resume the run"


@pytest.mark.parametrize(
    "scales",
    [
        (TumourScale(scale=0),),
        (TumourScale(offset=2000),),
        (TumourScale(threshold=0.4),),
        (TumourScale(threshold=1.1),),
        (TumourScale(sequence="T1c"),),
        (TumourScale(), TumourScale(scale=2.0)),
        (),
    ],
)
def test_scales_of_the_tumour_that_make_no_sense_are_refused(bundle, scales):
    write_bundle(replace(bundle, p_tumour=scales))
    with pytest.raises(BundleError) as refused:
        read_bundle(bundle.folder)
    assert refused.value.code == "bundle_invalid"
