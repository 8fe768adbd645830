from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from gadolin.networks import build_classifier
from gadolin.recipe import RECIPES, Augmentation, Corruptions, Network, Optimizer, Sources, with_settings
from gadolin.training import epoch as learner_module
from gadolin.training.batches import Batch, Examples
from gadolin.training.epoch import (
    curriculum_progress,
    learn,
    learning_rate,
    lesion_map_loss,
    make_learner,
    slice_size,
    train_epoch,
    train_step,
    validate,
)


@pytest.fixture
def learner_of(tiny_network, tiny_recipe, squares, machine):
    """Make a learner for the squares; keywords replace fields of the recipe."""

    def make(examples=None, **fields):
        examples = examples or squares(32)
        return make_learner(tiny_network(), tiny_recipe(**fields), examples, fabric=machine.fabric(), seed=machine.seed)

    return make


def tensors(state):
    return {name: tensor.clone() for name, tensor in state.items()}


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(0, 0.01), (1, 0.5), (2, 1.0), (7, 0.505), (12, 0.01), (13, 0.01)],
    ids=lambda value: str(value),
)
def test_the_rate_warms_up_then_falls_along_a_cosine_to_a_hundredth(epoch, expected):
    assert learning_rate(Optimizer(lr=1, warmup_epochs=2), epoch, 12) == pytest.approx(expected)


def test_a_constant_rate_stays_and_needs_no_warm_up():
    config = Optimizer(lr=0.3, schedule="constant", warmup_epochs=0)

    assert {learning_rate(config, epoch, 5) for epoch in (0, 0.5, 4.9)} == {0.3}


def test_a_run_of_warm_up_only_does_not_divide_by_zero():
    assert math.isfinite(learning_rate(Optimizer(lr=1, warmup_epochs=2), 2.0, 2))


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("epochs", [1, 2, 28])
def test_the_input_grows_to_the_whole_in_steps_of_32(name, epochs):
    recipe = replace(RECIPES[name], epochs=epochs)

    sizes = [slice_size(recipe, epoch) for epoch in range(epochs)]

    assert all(size % 32 == 0 and size >= 32 for size in sizes)
    assert sizes == sorted(sizes)
    if epochs > 2:
        assert set(sizes[math.ceil(0.7 * epochs) :]) == {recipe.network.input_size}


def test_what_is_learned_later_grows_with_the_input():
    recipe = with_settings(RECIPES["robust"], ["epochs=10"])

    assert [round(curriculum_progress(recipe, epoch), 2) for epoch in (0, 3, 7, 9)] == [0, 0.43, 1, 1]
    assert curriculum_progress(with_settings(recipe, ["progressive=1"]), 0) == 1


def test_a_step_of_no_strength_knows_neither_tones_nor_marks(learner_of, squares):
    harder = Augmentation(tone=1.0), Corruptions(bias=1.0, marks=1.0, invert=1.0)
    losses = []
    for (augmentation, corruptions), strength in ((harder, 0.0), (harder, 1.0), ((Augmentation(), Corruptions()), 1.0)):
        learner = learner_of(augmentation=augmentation, corruptions=corruptions)
        batch = squares(16).take(np.arange(16))
        losses.append(train_step(learner, batch, size=32, number=0, strength=strength)[0])

    assert losses[0] == losses[2]
    assert losses[1] != losses[2]


def test_an_epoch_is_as_strong_as_the_curriculum_has_progressed(learner_of, squares, monkeypatch):
    strengths = []
    monkeypatch.setattr(
        learner_module, "train_step", lambda *_given, strength, **_rest: strengths.append(strength) or (1.0, 1)
    )
    learner = learner_of(progressive=0.5, epochs=10)

    for epoch in (0, 3, 9):
        train_epoch(learner, squares(32), epoch)

    assert sorted(set(strengths)) == pytest.approx([0, 3 / 7, 1])


def test_a_slice_of_any_class_is_neither_right_nor_wrong(learner_of):
    scaled, wanted = torch.rand(8, 1, 32, 32), torch.full((8, 2), 0.5)

    assert learn(learner_of(), scaled, wanted, number=0)[1] == 0


def test_an_input_that_does_not_grow_is_whole_from_the_start(tiny_recipe):
    assert slice_size(tiny_recipe(progressive=1.0), 0) == 32


def test_the_loss_falls_and_all_are_named_rightly_after_a_few_epochs(learner_of, squares):
    learner = learner_of(ema_decay=0.5, epochs=8)

    rows = [train_epoch(learner, squares(32), epoch) for epoch in range(8)]
    seen = validate(learner, squares(16, seed=1))

    assert rows[-1]["train_loss"] < rows[0]["train_loss"] / 2
    assert seen["validation_accuracy"] == seen["validation_balanced_accuracy"] == 1
    assert seen["validation_loss"] < 0.5


def test_progress_is_told_of_every_step(learner_of, squares):
    told = []

    train_epoch(learner_of(), squares(32), 1, lambda *step: told.append(step))

    assert told == [(step, 12, "epoch 2/3") for step in (5, 6, 7, 8)]


def test_a_step_depends_on_seed_and_number_alone(learner_of, squares):
    batch = squares(8).take(np.arange(8))
    results = []
    for noise in (0, 1):
        learner = learner_of(augmentation=Augmentation(rotate_degrees=30, noise=0.1, mixup=1))
        torch.manual_seed(noise)
        results.append((train_step(learner, batch, size=32, number=5), tensors(learner.network.state_dict())))

    assert results[0][0] == results[1][0]
    assert all(torch.equal(results[0][1][name], results[1][1][name]) for name in results[0][1])


def test_the_average_follows_the_weights_by_what_the_decay_leaves(learner_of, squares):
    """The decay starts at (1 + step) / (10 + step), so early weights fade quickly."""
    learner = learner_of(ema_decay=0.9)
    batch = squares(8).take(np.arange(8))

    for number, decay in ((0, 0.1), (1, 2 / 11), (1000, 0.9)):
        before = tensors(learner.average)
        train_step(learner, batch, size=32, number=number)
        after = learner.network.state_dict()
        for name in ("head.linear.weight", "backbone.bn1.running_var"):
            expected = decay * before[name] + (1 - decay) * after[name]
            torch.testing.assert_close(learner.average[name], expected, atol=1e-6, rtol=1e-5)
    assert int(learner.average["backbone.bn1.num_batches_tracked"]) == 3


def test_without_a_decay_the_network_itself_answers(learner_of):
    learner = learner_of()

    assert learner.average == {}
    assert learner.state().keys() == learner.network.state_dict().keys()


def test_validation_looks_with_the_average_and_puts_the_weights_back(learner_of, squares):
    learner = learner_of(ema_decay=0.9)
    for name in learner.average:
        learner.average[name].zero_()
    learner.average["backbone.bn1.running_var"].fill_(1)
    learner.average["head.linear.bias"].copy_(torch.tensor([2.0, 0.0]))
    before = tensors(learner.network.state_dict())

    seen = validate(learner, squares(10))

    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2
    assert seen["validation_loss"] == pytest.approx(expected, abs=1e-5)
    assert seen["validation_accuracy"] == 0.5
    assert all(torch.equal(before[name], tensor) for name, tensor in learner.network.state_dict().items())


def test_balanced_accuracy_weighs_classes_alike(learner_of):
    learner = learner_of()
    with torch.no_grad():
        learner.network.head.linear.weight.zero_()
        learner.network.head.linear.bias.copy_(torch.tensor([1.0, 0.0]))
    targets = np.array([0] * 9 + [1], np.int64)

    seen = validate(learner, Examples(np.zeros((10, 64, 64), np.uint8), np.arange(10), targets))

    assert seen["validation_accuracy"] == pytest.approx(0.9)
    assert seen["validation_balanced_accuracy"] == pytest.approx(0.5)


def test_rare_classes_weigh_more_in_the_loss(learner_of, squares):
    slices = squares(8).slices
    rare = Examples(slices, np.arange(8), np.array([0] * 6 + [1] * 2, np.int64))

    assert learner_of(rare, balance="weights").weights.tolist() == pytest.approx([8 / 12, 2.0])
    assert learner_of(rare, balance="none").weights.tolist() == [1, 1]


def test_biases_and_batch_norm_are_not_decayed_and_frozen_weights_not_learned(
    tiny_network, tiny_recipe, squares, machine
):
    network = tiny_network()
    network.backbone.conv1.weight.requires_grad = False
    recipe = tiny_recipe(optimizer=Optimizer(weight_decay=0.2))

    groups = make_learner(network, recipe, squares(8), fabric=machine.fabric(), seed=0).optimizer.param_groups

    assert [group["weight_decay"] for group in groups] == [0.2, 0.0]
    assert {parameter.ndim for parameter in groups[0]["params"]} == {2, 4}
    assert {parameter.ndim for parameter in groups[1]["params"]} == {1}
    assert all(parameter is not network.backbone.conv1.weight for group in groups for parameter in group["params"])


def test_gradients_are_clipped_to_the_norm(learner_of, squares):
    learner = learner_of(optimizer=Optimizer(clip_norm=1e-3))

    train_step(learner, squares(8).take(np.arange(8)), size=32, number=0)

    norms = torch.stack([each.grad.norm() for each in learner.network.parameters()])
    assert float(norms.norm()) <= 1.001e-3


def test_bfloat16_learns_the_squares_too(tiny_network, tiny_recipe, squares, machine):
    fabric = replace(machine, precision="bfloat16").fabric()
    learner = make_learner(tiny_network(), tiny_recipe(), squares(32), fabric=fabric, seed=0)

    rows = [train_epoch(learner, squares(32), epoch) for epoch in range(3)]

    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert learner.network.head.linear.weight.dtype == torch.float32


def scores(value, *, lesion):
    """Return scores of two classes and background at 2 x 2 positions; one of them is ``value``."""
    said = torch.zeros(1, 3, 2, 2)
    said[:, 0 if lesion else 2] = value
    return said


def test_places_said_rightly_cost_nothing_and_wrongly_much():
    wanted = torch.tensor([[1.0, 0.0]])
    lesion, none = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)

    assert float(lesion_map_loss(scores(50, lesion=True), lesion, wanted)) == pytest.approx(0, abs=1e-5)
    assert float(lesion_map_loss(scores(50, lesion=False), none, wanted)) == pytest.approx(0, abs=1e-5)
    assert float(lesion_map_loss(scores(50, lesion=False), lesion, wanted)) == pytest.approx(50 + 1 - 1 / 5, abs=1e-4)


def test_slices_without_an_outline_count_nothing():
    wanted = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    lesion = torch.cat([torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), -1.0)])
    said = torch.cat([scores(1, lesion=True), scores(9, lesion=False)])

    both = lesion_map_loss(said, lesion, wanted)

    assert both == lesion_map_loss(said[:1], lesion[:1], wanted[:1])
    assert float(lesion_map_loss(said[1:], lesion[1:], wanted[1:])) == 0


def outlined(examples):
    """Return a batch of squares with known outlines."""
    coverage = np.zeros((len(examples), 64, 64), np.uint8)
    coverage[1::2, 16:48, 16:48] = 255
    known = torch.ones(len(examples), dtype=torch.bool)
    return Batch(
        torch.from_numpy(examples.slices), torch.from_numpy(examples.targets), torch.from_numpy(coverage), known
    )


def learner_of_outlines(examples, recipe, machine):
    torch.manual_seed(0)
    network = build_classifier(recipe.network, 2)
    return make_learner(network, recipe, examples, fabric=machine.fabric(), seed=0)


def test_what_places_count_in_the_loss_is_the_recipes_weight(squares, tiny_recipe, machine):
    examples = squares(16)
    losses = []
    for weight in (0, 1, 3):
        config = Network(input_size=64, evidence="outlines")
        learner = learner_of_outlines(examples, tiny_recipe(network=config, outline_weight=weight), machine)
        losses.append(train_step(learner, outlined(examples), size=64, number=0)[0])

    assert losses[1] > losses[0] + 1
    assert losses[2] - losses[0] == pytest.approx(3 * (losses[1] - losses[0]), rel=1e-5)


def test_a_network_with_outlines_learns_where_the_square_is(squares, tiny_recipe, machine):
    examples = squares(16)
    batch = outlined(examples)
    learner = learner_of_outlines(examples, tiny_recipe(network=Network(input_size=64, evidence="outlines")), machine)
    network = learner.network

    losses = [train_step(learner, batch, size=64, number=number)[0] for number in range(8)]
    with torch.no_grad():
        _, places = network.classify_places(network.input_layer.scale(batch.prepared))
    lesion = 1 - places.softmax(dim=1)[1::2, -1]

    assert losses[-1] < losses[0] / 2
    inside = lesion[:, 4:12, 4:12]
    assert inside.mean() > 2 * (lesion.sum() - inside.sum()) / (8 * (16 * 16 - 8 * 8))


def test_any_kind_is_right_where_a_slice_teaches_none(tiny_network, tiny_recipe, machine):
    targets = np.array([0, 0, 0, 2], np.int64)
    known = np.array([True, False, False, True])
    examples = Examples(np.zeros((4, 64, 64), np.uint8), np.arange(4), targets, kinds=(0, 1), kind_known=known)
    learner = make_learner(tiny_network(3), tiny_recipe(), examples, fabric=machine.fabric(), seed=0)
    with torch.no_grad():
        learner.network.head.linear.weight.zero_()
        learner.network.head.linear.bias.copy_(torch.tensor([0.0, 5.0, 0.0]))

    seen = validate(learner, examples)

    assert seen["validation_accuracy"] == 0.5  # wrong both for the other kind and for no tumour
    each = math.exp(5) + 2
    wanted = -(2 * math.log(1 / each) + 2 * math.log((math.exp(5) + 1) / each)) / 4
    assert seen["validation_loss"] == pytest.approx(wanted, abs=1e-4)


def test_a_network_learns_the_sequences_that_are_known(squares, tiny_recipe, machine):
    examples = replace(squares(16), sequences=np.where(np.arange(16) < 12, np.arange(16) % 2, -1))
    recipe = tiny_recipe(network=Network(input_size=64), sources=Sources(sequence_weight=1.0))
    torch.manual_seed(0)
    network = build_classifier(recipe.network, 2, sequences=2)
    learner = make_learner(network, recipe, examples, fabric=machine.fabric(), seed=0)
    batch = examples.take(np.arange(16))

    for number in range(12):
        train_step(learner, batch, size=64, number=number)

    network.eval()
    with torch.no_grad():
        said = network(batch.prepared).sequence
    assert (said.argmax(1)[:12] == batch.sequences[:12]).float().mean() > 0.9


def test_a_slice_whose_tones_are_turned_teaches_no_sequence(squares, tiny_recipe, machine):
    examples = replace(squares(8), sequences=np.zeros(8, np.int64))
    gradients = []
    for invert in (0.0, 1.0):
        recipe = tiny_recipe(sources=Sources(sequence_weight=1.0), corruptions=Corruptions(invert=invert))
        torch.manual_seed(0)
        network = build_classifier(replace(recipe.network, input_size=32), 2, sequences=2)
        learner = make_learner(network, recipe, examples, fabric=machine.fabric(), seed=0)
        train_step(learner, examples.take(np.arange(8)), size=32, number=0)
        gradients.append(float(network.sequence_head.weight.grad.abs().sum()))

    assert gradients[0] > 0
    assert gradients[1] == 0


@pytest.mark.parametrize(("precision", "computed"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
@pytest.mark.parametrize("evidence", ["map", "outlines"])
def test_convolutions_compute_at_the_precision(precision, computed, evidence, squares, tiny_recipe, machine):
    examples = squares(16)
    recipe = tiny_recipe(network=Network(input_size=64, evidence=evidence))
    learner = learner_of_outlines(examples, recipe, replace(machine, precision=precision))
    found = set()
    learner.network.backbone.stem.register_forward_hook(lambda _module, _given, out: found.add(out.dtype))

    train_step(learner, outlined(examples), size=64, number=0)
    assert found == {computed}
    found.clear()
    validate(learner, examples)
    assert found == {computed}
