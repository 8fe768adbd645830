from __future__ import annotations

import re

import pytest
import torch
from safetensors.torch import save

from benchmarks.package.backbones import FAMILIES
from gadolin.errors import RecipeError
from gadolin.networks import MirrorAverage, build_classifier
from gadolin.networks.backbones import backbone
from gadolin.networks.classifier import train_mode
from gadolin.recipe import Network, named_recipe

pytestmark = pytest.mark.slow

NAMES = ("compact", *FAMILIES)


@pytest.fixture(scope="module")
def founding():
    torch.manual_seed(0)
    return build_classifier(named_recipe("resnet50").network, 4)


@pytest.fixture
def compact():
    torch.manual_seed(0)
    return build_classifier(Network(input_size=64), 3).eval()


def slices(count, seed=0):
    return torch.randint(0, 256, (count, 256, 256), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def weight_count(module, *, trainable=False):
    return sum(each.numel() for each in module.parameters() if each.requires_grad or not trainable)


def test_the_founding_network_has_the_published_number_of_weights(founding):
    assert weight_count(founding.backbone) == 23_508_032
    assert weight_count(founding.head) == 262_788
    assert weight_count(founding, trainable=True) == 9_187_972


def test_only_the_last_two_blocks_and_the_head_of_the_founding_network_learn(founding):
    learning = {name.rsplit(".", 2)[0] for name, each in founding.named_parameters() if each.requires_grad}

    assert all(name.startswith(("backbone.layer4.1", "backbone.layer4.2", "head")) for name in learning)


def test_frozen_batch_norm_stays_as_it_was_through_a_training_step(founding):
    train_mode(founding)
    norms = {name: each for name, each in founding.named_modules() if isinstance(each, torch.nn.BatchNorm2d)}
    frozen = {name for name, each in norms.items() if not each.weight.requires_grad}
    before = {name: each.running_mean.clone() for name, each in norms.items()}

    founding(slices(2)[:, :64, :64]).logits.sum().backward()

    assert 0 < len(frozen) < len(norms)
    for name, norm in norms.items():
        assert norm.training == (name not in frozen)
        assert torch.equal(norm.running_mean, before[name]) == (name in frozen)
    founding.zero_grad()


def test_a_classifier_that_is_not_frozen_trains_all_its_batch_norm(compact):
    train_mode(compact)

    assert all(module.training for module in compact.modules())


def test_outputs_are_logits_features_and_evidence(compact):
    with torch.no_grad():
        output = compact(slices(2))

    assert output.logits.shape == (2, 3)
    assert output.features.shape == (2, 256)
    assert output.evidence.shape[:2] == (2, 3)
    assert {each.dtype for each in output} == {torch.float32}


def test_a_batch_answers_as_each_slice_alone(compact):
    batch = slices(3)

    with torch.no_grad():
        together = compact(batch).logits
        alone = torch.cat([compact(batch[row : row + 1]).logits for row in range(3)])

    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_the_mirror_average_says_the_same_of_a_slice_and_of_its_mirror_image(compact):
    answering = MirrorAverage(compact)
    batch = slices(2)

    with torch.no_grad():
        straight, mirrored = answering(batch), answering(batch.flip(2))
        plain = compact(batch)

    assert torch.equal(straight.logits, mirrored.logits)
    assert torch.equal(straight.features, mirrored.features)
    assert torch.equal(straight.evidence, mirrored.evidence.flip(3))
    assert not torch.equal(straight.logits, plain.logits)


@pytest.mark.parametrize("evidence", ["map", "outlines"])
def test_a_network_that_recognises_sequences_gives_their_probabilities_beside_the_rest(evidence):
    torch.manual_seed(0)
    network = build_classifier(Network(input_size=64, evidence=evidence), 3, sequences=4).eval()
    batch = slices(2)

    with torch.no_grad():
        plain, both = network(batch), MirrorAverage(network)(batch)

    for output in (plain, both):
        assert output.sequence.shape == (2, 4)
        torch.testing.assert_close(output.sequence.sum(dim=1), torch.ones(2))
    with torch.no_grad():
        mirrored = network(batch.flip(2))
    torch.testing.assert_close(both.sequence, (plain.sequence + mirrored.sequence) / 2)


def test_without_normalisation_the_network_sees_zero_to_one():
    network = build_classifier(Network(input_size=32, normalise=False), 2)
    scaled = torch.rand(1, 1, 32, 32)

    assert torch.equal(network.input_layer.normalise(scaled), scaled)


def test_an_outline_network_says_the_same_with_and_without_its_places():
    torch.manual_seed(0)
    network = build_classifier(Network(input_size=64, evidence="outlines"), 3).eval()
    scaled = torch.rand(2, 1, 64, 64)

    with torch.no_grad():
        plain = network.classify(scaled)
        output, places = network.classify_places(scaled)

    assert places.shape == (2, 4, 16, 16)
    assert output.evidence.shape == (2, 3, 16, 16)
    assert all(torch.equal(one, other) for one, other in zip(plain, output, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_backbone_gives_maps_at_strides_4_to_32_of_the_channels_that_it_names(name):
    kind = backbone(name)
    with torch.no_grad():
        maps = kind.build(64).eval()(torch.zeros(1, len(kind.mean), 64, 64))
    assert [tuple(each.shape[1:]) for each in maps] == [
        (channels, 64 // stride, 64 // stride) for channels, stride in zip(kind.features, (4, 8, 16, 32), strict=True)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_with_everything_frozen_training_and_inference_compute_the_same(name):
    """A timm norm may include the following activation and lose it when folded."""
    torch.manual_seed(0)
    network = build_classifier(Network(backbone=name, input_size=64, evidence="map", freeze=4), 3)
    for module in network.backbone.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # no identity norms
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    pictures = torch.rand(2, 1, 64, 64)
    network.eval()
    with torch.no_grad():
        wanted = network.classify(pictures).features
        train_mode(network)
        got = network.classify(pictures).features
    torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize("name", ["compact", "resnet50", "tf_efficientnet_lite0", "convnext_atto"])
def test_frozen_stages_stay_and_the_others_learn(name):
    network = build_classifier(Network(backbone=name, input_size=64, freeze=3), 3)
    kind = backbone(name)
    parameters = dict(network.backbone.named_parameters())
    learned = {key for key, parameter in parameters.items() if parameter.requires_grad}
    last = kind.stages[-1].partition(".")[0]

    assert 0 < len(learned) < len(parameters)
    assert all(key.startswith(last) for key in learned)
    assert next(iter(parameters)) not in learned
    assert list(parameters)[-1] in learned


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "inception_v3", "tresnet_m"])
def test_a_backbone_whose_maps_are_not_as_announced_is_refused(name):
    with pytest.raises(RecipeError) as refused:
        build_classifier(Network(backbone=name, input_size=64), 3)
    assert refused.value.code == "backbone_without_feature_maps"


@pytest.mark.parametrize(("backbone", "freeze"), [("test_vit", 1), ("hrnet_w18_small", 1)])
def test_a_backbone_whose_stages_do_not_follow_one_another_is_not_half_frozen(backbone, freeze):
    with pytest.raises(RecipeError) as refusal:
        build_classifier(Network(backbone=backbone, input_size=64, evidence="map", freeze=freeze), 3)
    assert refusal.value.code == "backbone_cannot_freeze"


@pytest.mark.parametrize("freeze", [0, 4])
def test_a_backbone_of_one_stride_works_by_the_map_and_not_by_outlines(freeze):
    network = build_classifier(Network(backbone="test_vit", input_size=64, evidence="map", freeze=freeze), 3).eval()
    assert all(parameter.requires_grad != bool(freeze) for parameter in network.backbone.parameters())
    with torch.no_grad():
        assert network.classify(torch.zeros(1, 1, 64, 64)).evidence.shape == (1, 3, 4, 4)
    with pytest.raises(RecipeError) as refused:
        build_classifier(Network(backbone="test_vit", input_size=64, evidence="outlines"), 3)
    assert refused.value.code == "backbone_without_strides"


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_of_a_backbone_has_one_name(name):
    """safetensors cannot store two names for one tensor; that would fail only after training."""
    state = backbone(name).build(64).state_dict()

    assert save(state)
    assert len({tensor.data_ptr() for tensor in state.values() if tensor.ndim}) == sum(
        bool(tensor.ndim) for tensor in state.values()
    )


def test_blocks_of_the_compact_backbone_begin_as_their_shortcut():
    body = backbone("compact").build(64).eval()
    maps = torch.rand(1, 32, 8, 8)

    assert torch.equal(body.stages[0](maps), maps)


def test_a_hidden_width_builds_the_dense_head():
    assert build_classifier(Network(input_size=32, hidden=7), 2).head.dense.out_features == 7


def test_an_unknown_backbone_is_refused_with_the_nearest_name():
    with pytest.raises(RecipeError, match=re.escape("got 'resnet5' (did you mean 'resnet50'?)")):
        build_classifier(Network(backbone="resnet5", input_size=64), 3)


@pytest.mark.parametrize(
    "values",
    [
        {"input_size": 100},
        {"input_size": 0},
        {"input_size": -32},
        {"input_size": 1056},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"dropout": float("nan")},
        {"hidden": -1},
        {"evidence": "outline"},
        {"evidence": "outlines", "hidden": 8},
    ],
    ids=str,
)
def test_values_that_no_network_can_be_built_with_are_refused(values):
    with pytest.raises(RecipeError) as caught:
        Network(**values)
    assert caught.value.code.startswith("recipe_value")
    assert f"network.{next(iter(values))}" in caught.value.rule


def test_the_last_map_of_an_outline_head_is_its_finest():
    network = build_classifier(Network(input_size=64, evidence="outlines"), 3).eval()
    seen = []
    network.last_map.register_forward_hook(lambda _module, _inputs, output: seen.append(output.shape[2:]))

    with torch.no_grad():
        network.classify(torch.zeros(1, 1, 64, 64))

    assert seen == [(16, 16)]
