"""Tests of decompression: exact, within a size limit, without memory for data beyond it."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadolin.errors import ReadError
from gadolin.readers.decompress import inflate, inflated_head, most_unpacked

KINDS = {"gzip": 31, "zlib": 15, "deflate": -15}


def deflated(content, wbits):
    packer = zlib.compressobj(9, wbits=wbits)
    return packer.compress(content) + packer.flush()


def bomb(wbits, mebibytes):
    """Return a stream that unpacks to ``size`` bytes, without holding them."""
    packer, zeros = zlib.compressobj(9, wbits=wbits), bytes(1 << 20)
    return b"".join([*(packer.compress(zeros) for _ in range(mebibytes)), packer.flush()])


@pytest.mark.parametrize("wbits", KINDS.values(), ids=KINDS)
@given(content=st.binary(max_size=5000))
def test_what_was_compressed_comes_back(wbits, content):
    assert inflate(deflated(content, wbits), wbits=wbits) == content


@pytest.mark.slow
def test_a_stream_longer_than_a_step_comes_back(rng):
    content = rng.bytes(3_500_000) + bytes(5_000_000)
    assert inflate(deflated(content, 31), wbits=31) == content
    with pytest.raises(ReadError) as caught:
        inflate(deflated(content, 31)[: 2 << 20], wbits=31)
    assert caught.value.code == "file_not_whole"


@pytest.mark.slow
@pytest.mark.parametrize("wbits", KINDS.values(), ids=KINDS)
def test_a_bomb_is_refused_before_its_memory_is_taken(wbits):
    content = bomb(wbits, 96)
    tracemalloc.start()
    try:
        with pytest.raises(ReadError) as caught:
            inflate(content, wbits=wbits)
        assert caught.value.code == "unpacks_too_large"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 80 << 20, "every file may unpack to 64 MiB"


def test_the_bound_of_the_caller_holds_too():
    assert len(inflate(zlib.compress(bytes(5000)), wbits=15, max_bytes=5000)) == 5000
    with pytest.raises(ReadError) as caught:
        inflate(zlib.compress(bytes(5000)), wbits=15, max_bytes=4999)
    assert caught.value.code == "unpacks_too_large"
    assert "4,999 bytes" in str(caught.value)


def test_beyond_what_is_free_the_bound_grows_with_what_went_in():
    assert most_unpacked(1) == 64 << 20
    assert most_unpacked(1 << 20) == 250 << 20
    assert most_unpacked(1 << 30) == 1 << 30


@pytest.mark.parametrize("wbits", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("keep", [0, 1, 10, 100])
def test_a_stream_that_ends_early_is_refused(wbits, keep):
    content = deflated(bytes(range(256)) * 40, wbits)
    with pytest.raises(ReadError) as caught:
        inflate(content[:keep], wbits=wbits)
    assert caught.value.code == "file_not_whole"


def test_a_damaged_stream_is_refused():
    content = bytearray(gzip.compress(bytes(range(256)) * 40))
    content[12:20] = b"\xff" * 8
    with pytest.raises(ReadError) as caught:
        inflate(bytes(content), wbits=31)
    assert caught.value.code == "compressed_data_damaged"


def test_the_head_of_a_stream_is_had_without_the_rest():
    content = gzip.compress(bytes(range(256)) * 4000)
    assert inflated_head(content[:4096], 544, wbits=31) == (bytes(range(256)) * 3)[:544]
    assert inflated_head(b"\x1f\x8bno stream", 544, wbits=31) == b""


@pytest.mark.parametrize("cuts", [(10,), (1, 2, 3), (4096, 8192)])
def test_members_of_gzip_that_follow_one_another_are_one_stream(cuts):
    content = bytes(range(256)) * 64
    places = [0, *cuts, len(content)]
    members = [gzip.compress(content[first:last]) for first, last in pairwise(places)]
    assert inflate(b"".join(members), wbits=31) == content
    assert inflate(b"".join(members) + b"and a trailer", wbits=31) == content


@pytest.mark.slow
def test_members_of_gzip_are_bounded_together():
    member = gzip.compress(bytes(40 << 20))
    with pytest.raises(ReadError) as caught:
        inflate(member * 3, wbits=31)
    assert caught.value.code == "unpacks_too_large"
