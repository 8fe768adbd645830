from __future__ import annotations

import re

import pytest
import torch

from gadolin.errors import RequestError
from gadolin.training.machine import Machine


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"device": "cudda"}, "device must be one of auto, cpu, cuda, mps, got 'cudda' (did you mean 'cuda'?)"),
        ({"precision": "float16"}, "precision must be one of auto, float32, bfloat16, got 'float16'"),
        ({"seed": -1}, "seed must lie in 0 to 4294967295, got -1"),
        ({"accumulate": 0}, "accumulate must be 1 or more micro-batches per step, got 0"),
        ({"seed": 2**32}, "seed must lie in 0 to 4294967295, got 4294967296"),
    ],
    ids=str,
)
def test_what_is_no_device_precision_or_seed_is_refused(fields, told):
    with pytest.raises(RequestError, match=re.escape(told)):
        Machine(**fields)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused_at_once(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    with pytest.raises(RequestError, match=f"torch sees no {device} on this machine; use auto or cpu"):
        Machine(device=device)


@pytest.mark.parametrize(("precision", "expected"), [("float32", False), ("bfloat16", True)])
def test_a_precision_that_is_asked_for_holds(precision, expected):
    assert Machine("cpu", precision).bfloat16 is expected


@pytest.mark.parametrize("native", [True, False])
def test_auto_takes_bfloat16_where_the_processor_computes_in_it(native, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native})

    assert Machine("cpu", "auto").bfloat16 is native


def test_auto_takes_float32_where_the_processor_is_not_known(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)

    assert Machine("cpu", "auto").bfloat16 is False


@pytest.mark.parametrize(("precision", "expected"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_fabric_computes_on_the_device_at_the_precision(precision, expected):
    fabric = Machine("cpu", precision).fabric()

    with fabric.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == expected
    assert fabric.device == torch.device("cpu")
