from __future__ import annotations

import pytest
import torch

from gadolin.errors import RequestError
from gadolin.training.machine import Machine


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"device": "cudda"}, "option_unknown"),
        ({"precision": "float16"}, "option_unknown"),
        ({"seed": -1}, "seed_out_of_range"),
        ({"accumulate": 0}, "accumulate_out_of_range"),
        ({"seed": 2**32}, "seed_out_of_range"),
    ],
    ids=str,
)
def test_what_is_no_device_precision_or_seed_is_refused(fields, code):
    with pytest.raises(RequestError) as caught:
        Machine(**fields)
    assert caught.value.code == code
    assert str(next(iter(fields.values()))) in caught.value.got


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_refused_at_once(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    with pytest.raises(RequestError) as caught:
        Machine(device=device)
    assert caught.value.code == "device_not_found"
    assert device in caught.value.got


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
