from __future__ import annotations

import pickletools

import pytest
import torch

from gadolin.errors import DataError, OutputError
from gadolin.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)


def learned(seed=0):
    torch.manual_seed(seed)
    layer = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.BatchNorm2d(3)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.01)
    for _ in range(3):
        step(layer, optimizer)
    return layer, optimizer


def step(layer, optimizer):
    optimizer.zero_grad()
    layer(torch.arange(64.0).view(1, 1, 8, 8)).pow(2).sum().backward()
    optimizer.step()


@pytest.fixture
def checkpoint():
    layer, optimizer = learned()
    return Checkpoint(
        epoch=3,
        history=[{"epoch": 1.0, "loss": 0.1 + 0.2}, {"epoch": 2.0, "loss": 1e-30}],
        best_epoch=2,
        network=layer.state_dict(),
        average={"weight": torch.rand(2).to(torch.bfloat16)},
        optimizer=optimizer_tensors(optimizer),
        best={name: tensor + 1 for name, tensor in layer.state_dict().items()},
    )


def test_a_checkpoint_comes_back_bit_for_bit(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", checkpoint)

    back = load_checkpoint(tmp_path / "c.safetensors")

    assert (back.epoch, back.history, back.best_epoch) == (3, checkpoint.history, 2)
    for role in ("network", "average", "optimizer", "best"):
        before, after = getattr(checkpoint, role), getattr(back, role)
        assert before.keys() == after.keys()
        for name in before:
            assert torch.equal(before[name], after[name])
            assert before[name].dtype == after[name].dtype


def test_an_optimizer_goes_on_from_a_checkpoint_as_if_it_had_never_stopped(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", checkpoint)
    back = load_checkpoint(tmp_path / "c.safetensors")
    layer, optimizer = learned()
    resumed, other = learned(seed=1)
    resumed.load_state_dict(back.network)
    restore_optimizer(other, back.optimizer)

    step(layer, optimizer)
    step(resumed, other)

    assert all(torch.equal(one, two) for one, two in zip(layer.parameters(), resumed.parameters(), strict=True))


def test_an_empty_checkpoint_is_a_checkpoint_too(tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", Checkpoint())

    assert load_checkpoint(tmp_path / "c.safetensors") == Checkpoint()


def test_a_checkpoint_holds_no_pickle(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", checkpoint)
    content = (tmp_path / "c.safetensors").read_bytes()

    with pytest.raises(ValueError, match=r"pickle|opcode"):
        list(pickletools.genops(content))
    assert content[8:9] == b"{"  # safetensors: length of the JSON header, then the header
    assert b"torch" not in content


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "text", "foreign"])
def test_a_damaged_checkpoint_is_refused_by_name(damage, checkpoint, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "c.safetensors"
    save_checkpoint(path, checkpoint)
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "foreign":
        save_file({"x": torch.ones(1)}, path)
    else:
        path.write_bytes({"empty": b"", "truncated": content[: len(content) // 2], "text": b"not tensors"}[damage])

    with pytest.raises(DataError) as caught:
        load_checkpoint(path)
    assert caught.value.code == "checkpoint_unreadable"
    assert str(path) in caught.value.got


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before_and_says_why(checkpoint, tmp_path, monkeypatch):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, checkpoint)
    before = path.read_bytes()

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OutputError) as caught:
        save_checkpoint(path, Checkpoint())
    assert caught.value.code == "unwritable"
    assert "No space left on device" in str(caught.value)

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
