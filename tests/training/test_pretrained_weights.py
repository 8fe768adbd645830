from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from gadolin.datasets.manifest import file_digest
from gadolin.errors import WeightsError
from gadolin.models.bundle import SHIPPED, read_bundle, write_bundle
from gadolin.models.starting_point import OTHER_CHOICES, StartingPoint
from gadolin.networks import build_classifier
from gadolin.recipe import Network, named_recipe
from gadolin.training import pretrained_weights
from gadolin.training.epoch import make_learner, train_step
from gadolin.training.pretrained_weights import has_lesion_decoder, load_weights

CONFIG = Network(input_size=32, evidence="map")


def network_of(seed, config=CONFIG):
    torch.manual_seed(seed)
    return build_classifier(config, 3)


def state_of(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture
def target(tiny_compact):
    return network_of(1)


@pytest.fixture
def source(tiny_compact):
    return network_of(2)


@pytest.fixture
def saved(source, tmp_path, make_bundle):
    """Save the source's weights as one of the possible starting points."""

    def save(kind):
        if kind == "backbone":
            path = tmp_path / "backbone.safetensors"
            save_file(state_of(source.backbone), path)
            return path, path
        if kind == "with a foreign head":
            path = tmp_path / "published.safetensors"
            save_file(state_of(source.backbone) | {"fc.weight": torch.ones(2, 2)}, path)
            return path, path
        if kind == "classifier":
            path = tmp_path / "classifier.safetensors"
            save_file(state_of(source), path)
            return path, path
        folder = tmp_path / "run" / "bundle"
        save_weights(make_bundle(folder), state_of(source))
        return (folder if kind == "bundle" else folder.parent), folder / "weights.safetensors"

    return save


def save_weights(bundle, state):
    """Write weights to a bundle and record their digest."""
    save_file(state, bundle.weights)
    write_bundle(replace(bundle, weights_digest=file_digest(bundle.weights)))


@pytest.mark.parametrize("kind", ["backbone", "with a foreign head", "classifier", "bundle", "run"])
def test_the_backbone_starts_from_what_was_saved_and_the_head_anew(kind, saved, source, target):
    path, file = saved(kind)
    head = state_of(target.head)

    facts = load_weights(target, "compact", StartingPoint.resolve(str(path)))

    digest = file_digest(file)
    assert facts == {
        "weights": path.name,
        "weights_path": str(path),
        "weights_digest": digest,
        "weights_head": "new",
        "finetuned_from": (digest,),
    }
    assert same(state_of(target.backbone), state_of(source.backbone))
    assert same(state_of(target.head), head)


def test_weights_of_another_number_of_classes_fit_too(saved, source, tiny_compact):
    torch.manual_seed(0)
    other = build_classifier(CONFIG, 7)

    load_weights(other, "compact", StartingPoint.resolve(str(saved("classifier")[0])))

    assert same(state_of(other.backbone), state_of(source.backbone))


OUTLINES = Network(input_size=32, evidence="outlines")


@pytest.fixture
def knowing(tmp_path, make_bundle):
    """Save a network trained with outlines, with other classes than the target or the same."""
    known = network_of(2, OUTLINES)
    folder = tmp_path / "knowing" / "bundle"
    bundle = make_bundle(folder)
    save_weights(bundle, state_of(known))
    return known, folder, bundle.classes


def test_a_whole_head_is_kept_where_the_classes_are_the_same(knowing):
    _, folder, classes = knowing
    known, target = (build_classifier(OUTLINES, len(classes)) for _ in range(2))
    save_weights(read_bundle(folder), state_of(known))

    facts = load_weights(target, "compact", StartingPoint.resolve(str(folder.parent)), classes)

    assert facts["weights_head"] == "kept"
    assert same(state_of(target), state_of(known))


def test_a_head_of_as_many_classes_of_other_names_is_not_kept(knowing):
    _, folder, classes = knowing
    save_weights(read_bundle(folder), state_of(build_classifier(OUTLINES, len(classes))))
    target = build_classifier(OUTLINES, len(classes))
    scores = target.head.linear.weight.clone()

    facts = load_weights(target, "compact", StartingPoint.resolve(str(folder)), tuple("abcdef"[: len(classes)]))

    assert facts["weights_head"] == "decoder kept"
    assert torch.equal(target.head.linear.weight, scores)


@pytest.mark.parametrize("count", [3, 4])
def test_only_the_decoder_is_kept_where_the_classes_are_others(count, knowing):
    known, folder, _ = knowing
    torch.manual_seed(1)
    target = build_classifier(OUTLINES, count)
    before = state_of(target.head)

    facts = load_weights(target, "compact", StartingPoint.resolve(str(folder)), tuple("abcd"[:count]))

    assert facts["weights_head"] == "decoder kept"
    after = state_of(target.head)
    decoder = {name for name in after if name.startswith("upwards.")}
    assert same({name: after[name] for name in decoder}, {name: state_of(known.head)[name] for name in decoder})
    assert same(*({name: each[name] for name in after.keys() - decoder} for each in (before, after)))


def test_weights_tell_whether_they_know_outlines(knowing, saved):
    assert has_lesion_decoder(StartingPoint.resolve(str(knowing[1])))
    assert not has_lesion_decoder(StartingPoint.resolve(str(saved("classifier")[0])))
    assert not has_lesion_decoder(StartingPoint.resolve("none"))
    assert not has_lesion_decoder(StartingPoint.resolve("imagenet"))


def test_none_leaves_the_network_as_it_was_made(target):
    before = state_of(target)

    assert load_weights(target, "compact", StartingPoint.resolve("none")) == {"weights": "none"}
    assert same(state_of(target), before)


@pytest.mark.parametrize(
    ("damage", "code", "detail"),
    [
        ("absent", "weights_not_found", ""),
        ("text", "weights_unreadable", ""),
        ("truncated", "weights_unreadable", ""),
        ("shape", "weights_do_not_fit", "1 of another shape (first: conv2.bias)"),
        ("missing", "weights_do_not_fit", "1 tensors missing"),
        ("unknown", "weights_do_not_fit", "1 unknown"),
        ("folder", "model_incomplete", "bundle.json"),
    ],
)
def test_weights_that_cannot_be_had_or_do_not_fit_change_nothing(damage, code, detail, source, target, tmp_path):
    path = tmp_path / "weights.safetensors"
    state = state_of(source.backbone)
    if damage == "shape":
        state["conv2.bias"] = torch.zeros(5)
    if damage == "missing":
        del state["conv2.bias"]
    if damage == "unknown":
        state["more"] = torch.zeros(1)
    if damage == "folder":
        path.mkdir()
    elif damage != "absent":
        save_file(state, path)
    if damage == "text":
        path.write_text("not tensors")
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-4])
    before = state_of(target)

    with pytest.raises(WeightsError) as refusal:
        load_weights(target, "compact", StartingPoint.resolve(str(path)))
    assert refusal.value.code == code
    assert str(path) in refusal.value.got
    assert detail in refusal.value.got

    assert "\n" not in str(refusal.value)
    assert same(state_of(target), before)


def test_a_bundle_without_weights_is_refused(target, make_bundle, tmp_path):
    make_bundle(tmp_path / "bundle")

    with pytest.raises(WeightsError) as caught:
        load_weights(target, "compact", StartingPoint.resolve(str(tmp_path / "bundle")))
    assert caught.value.code == "bundle_without_weights"


def test_the_compact_backbone_has_no_imagenet_weights(target):
    told = f"the backbone 'compact' has no ImageNet weights; {OTHER_CHOICES}, or --recipe resnet50"
    with pytest.raises(WeightsError, match=re.escape(told)):
        load_weights(target, "compact", StartingPoint.resolve("imagenet"))


@pytest.fixture(scope="module")
def founding():
    """Make the founding network once at a smaller size; each test loads its own weights."""
    recipe = named_recipe("resnet50")
    return network_of(4, replace(recipe.network, input_size=64))


def test_without_a_way_to_the_hub_one_line_names_the_other_choices(founding, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    with pytest.raises(WeightsError, match=re.escape(f"; {OTHER_CHOICES}")) as refusal:
        load_weights(founding, "resnet50", StartingPoint.resolve("imagenet"))

    assert str(refusal.value).startswith("the weights resnet50.tv_in1k could not be downloaded from the hub (")
    assert "\n" not in str(refusal.value)


def test_weights_from_the_hub_arrive(founding, monkeypatch):
    asked = []
    torch.manual_seed(9)
    hub = network_of(9, replace(named_recipe("resnet50").network, input_size=64)).backbone

    def create_model(name, **settings):
        asked.append((name, settings))
        return hub

    monkeypatch.setattr(timm, "create_model", create_model)
    monkeypatch.setattr(pretrained_weights, "_require_answer", lambda _address: None)

    facts = load_weights(founding, "resnet50", StartingPoint.resolve("imagenet"))

    settings = {
        "pretrained": True,
        "pretrained_cfg_overlay": {},
        "features_only": True,
        "out_indices": (1, 2, 3, 4),
    }
    assert asked == [("resnet50.tv_in1k", settings)]
    assert facts == {"weights": "imagenet", "weights_source": "resnet50.tv_in1k"}
    assert same(state_of(founding.backbone), state_of(hub))


def test_frozen_weights_that_were_transferred_stay_through_a_step_and_the_others_learn(
    founding, make_bundle, squares, machine, tmp_path
):
    recipe = named_recipe("resnet50")
    recipe = replace(recipe, network=replace(recipe.network, input_size=64))
    run = tmp_path / "run"
    bundle = make_bundle(run / "bundle")
    source = state_of(network_of(6, recipe.network))
    for name in source:
        if name.endswith("bn3.weight"):  # starts at zero, which would keep the previous block from training
            source[name].fill_(0.5)
    save_weights(bundle, source)

    load_weights(founding, "resnet50", StartingPoint.resolve(str(run)))
    learner = make_learner(founding, recipe, squares(4), fabric=machine.fabric(), seed=0)
    train_step(learner, squares(4).take(np.arange(4)), size=64, number=0)

    after = {f"backbone.{name}": tensor for name, tensor in founding.backbone.named_parameters()}
    learned = {name for name, tensor in after.items() if tensor.requires_grad}
    assert learned
    assert {name for name, tensor in after.items() if not torch.equal(tensor, source[name])} == learned


@pytest.mark.parametrize(
    ("named", "told"),
    [("shipped", True), (str(SHIPPED), True), (str(SHIPPED / "weights.safetensors"), True), ("none", False)],
)
def test_what_the_shipped_model_learned_from_is_told_where_a_run_starts_from_it(caplog, named, told):
    pretrained_weights.require_unseen(StartingPoint.resolve(named), [])
    assert ("trained on Figshare 1512427" in caplog.text) is told


def test_it_is_told_too_where_a_run_starts_from_one_that_started_from_it(caplog, source, tmp_path, make_bundle):
    bundle = make_bundle(tmp_path / "bundle")
    save_weights(bundle, state_of(source))
    pretrained_weights.require_unseen(StartingPoint.resolve(str(bundle.folder)), [])
    assert not caplog.text

    own = read_bundle(bundle.folder)
    write_bundle(replace(own, facts=own.facts | {"finetuned_from": ["0" * 64, read_bundle(SHIPPED).weights_digest]}))
    for start in (bundle.folder, bundle.weights):
        caplog.clear()
        pretrained_weights.require_unseen(StartingPoint.resolve(str(start)), [])
        assert "trained on Figshare 1512427" in caplog.text
        facts = load_weights(network_of(1), "compact", StartingPoint.resolve(str(start)))
        assert facts["finetuned_from"] == (own.weights_digest, "0" * 64, read_bundle(SHIPPED).weights_digest)

    save_file(state_of(network_of(3)), bundle.weights)  # no longer match the digest of the bundle
    caplog.clear()
    pretrained_weights.require_unseen(StartingPoint.resolve(str(bundle.weights)), [])
    assert not caplog.text
