"""Tests of the sandbox: a misbehaving decoder costs only its file, with one clear error."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from gadolin.errors import DamagedFileError, DecoderError, TooLargeError, error_from_json
from gadolin.readers.sandbox.sandbox import Bounds, Sandbox, has_limits

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not has_limits(), reason="this system does not limit processes"),
]

STUB = "sandbox_stub:work"
BOUNDS = Bounds(memory_bytes=256 * 2**20, seconds=60.0)


@pytest.fixture(scope="module")
def shared():
    sandbox = Sandbox(STUB, bounds=BOUNDS)
    yield sandbox
    sandbox.close()


@pytest.fixture
def made():
    """Make sandboxes; they are closed after the test."""
    with contextlib.ExitStack() as stack:

        def make(work=STUB, settings=None, bounds=BOUNDS):
            sandbox = Sandbox(work, settings, bounds)
            stack.callback(sandbox.close)
            return sandbox

        yield make


def reads(sandbox, content=b"content"):
    """Send a file through the sandbox and check that it comes back unchanged."""
    reply = sandbox.run({"do": "read", "more": [1, "two", None]}, content)
    assert reply.facts == {"seen": [1, "two", None]}
    assert reply.arrays[0].tobytes() == content
    assert reply.arrays[1].tolist() == [[0, 1, 2], [3, 4, 5]]
    return True


def wait_until(gone, seconds=60):
    deadline = time.monotonic() + seconds
    while not gone():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(pid):
    """Return whether a process has ended; a zombie counts as ended."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_it_starts_with_the_first_file_and_is_used_again(made):
    sandbox = made()
    assert sandbox.pid is None
    assert reads(sandbox)
    first = sandbox.pid
    assert reads(sandbox, b"")
    assert reads(sandbox, bytes(range(256)) * 20_000)
    assert sandbox.pid == first


@pytest.mark.parametrize(
    ("what", "code"),
    [({"do": "abort"}, "decoder_died"), ({"do": "fault"}, "decoder_died"), ({"do": "hang"}, "decoder_too_slow")],
    ids=["abort", "fault", "hang"],
)
def test_a_decoder_that_dies_or_never_ends_costs_its_file_alone(shared, what, code):
    assert reads(shared)
    before = shared.pid
    with pytest.raises(DecoderError) as caught:
        shared.run(what, b"bad", cpu_seconds=0.2)
    assert caught.value.code == code
    assert len(str(caught.value).splitlines()) == 1
    assert not Path(f"/proc/{before}").exists(), "no zombie remains"
    assert reads(shared)
    assert shared.pid != before


def test_one_that_sleeps_is_late_by_the_clock(made):
    sandbox = made(bounds=Bounds(seconds=1.0))
    assert reads(sandbox)
    with pytest.raises(DecoderError) as caught:
        sandbox.run({"do": "sleep"}, b"")
    assert caught.value.code == "decoder_too_slow"
    assert reads(sandbox)


@pytest.mark.parametrize("size", [0, 2**23], ids=["small", "more than a pipe holds"])
def test_one_that_does_not_even_take_its_file_is_late(made, size):
    sandbox = made(bounds=Bounds(seconds=1.0))
    assert reads(sandbox)
    os.kill(sandbox.pid, signal.SIGSTOP)
    with pytest.raises(DecoderError) as caught:
        sandbox.run({"do": "read"}, bytes(size))
    assert caught.value.code == "decoder_too_slow"


def test_one_that_was_killed_is_replaced(made):
    sandbox = made()
    assert reads(sandbox)
    os.kill(sandbox.pid, signal.SIGKILL)
    with pytest.raises(DecoderError) as caught:
        reads(sandbox)
    assert caught.value.code == "decoder_died"
    assert reads(sandbox)


def test_memory_is_bounded_and_running_out_of_it_is_an_error_of_the_file(shared):
    assert reads(shared)
    before = shared.pid
    with pytest.raises(TooLargeError) as caught:
        shared.run({"do": "eat"}, b"")
    assert caught.value.code == "out_of_memory"
    assert shared.pid == before
    assert reads(shared)


def test_no_file_is_written(shared, tmp_path):
    path = tmp_path / "file"
    with pytest.raises(DamagedFileError) as caught:
        shared.run({"do": "write", "path": str(path)}, b"")
    assert caught.value.code == "damaged_file"
    assert not path.exists() or path.read_bytes() == b""
    assert reads(shared)


def test_the_limits_are_those_of_the_bounds(shared):
    limits = shared.run({"do": "limits"}, b"").facts
    assert (limits["RLIMIT_CORE"], limits["RLIMIT_FSIZE"]) == (0, 0)
    assert limits["RLIMIT_CPU"] <= BOUNDS.seconds * BOUNDS.files + 60
    assert 0 < limits["RLIMIT_AS"] < 16 * 2**30


def test_an_error_that_is_raised_inside_arrives_with_its_fields(shared):
    with pytest.raises(DamagedFileError) as caught:
        shared.run({"do": "refuse"}, b"")
    assert (caught.value.code, caught.value.rule, caught.value.got, caught.value.remedy) == (
        "stub",
        "a rule",
        "got this",
        "do that",
    )
    assert reads(shared)


def header(facts, arrays=(), more=b""):
    text = json.dumps({"facts": facts, "arrays": list(arrays)}).encode()
    return struct.pack("<I", len(text)) + text + more


RUBBISH = {
    "bytes": b"\xff" * 400,
    "no JSON": struct.pack("<I", 4) + b"!!!!",
    "another JSON": struct.pack("<I", 2) + b"[]",
    "facts that are a list": header([]),
    "deep JSON": struct.pack("<I", 200_000) + b"[" * 200_000,
    "objects": header({}, [{"type": "|O8", "shape": [1]}], bytes(8)),
    "a type of fields": header({}, [{"type": [["a", "<u2"]], "shape": [1]}], bytes(8)),
    "a huge array": header({}, [{"type": "<f8", "shape": [2**40]}]),
    "a negative side": header({}, [{"type": "<f8", "shape": [-1]}]),
    "many axes": header({}, [{"type": "<f8", "shape": [1] * 40}], bytes(8)),
    "an error of no type": header({"error": {"type": "SystemExit", "code": "x", "rule": "y"}}),
    "an error of numbers": header({"error": {"type": "ReadError", "code": 1, "rule": 2}}),
}


@pytest.mark.parametrize("name", RUBBISH)
def test_rubbish_in_place_of_a_reply_is_no_reply(made, name):
    sandbox = made(bounds=Bounds(memory_bytes=2**28, seconds=5.0))
    with pytest.raises(DecoderError) as caught:
        sandbox.run({"do": "rubbish", "bytes": RUBBISH[name].hex()}, b"")
    assert caught.value.code == "decoder_died"
    assert reads(sandbox)


def test_an_error_whose_fields_are_no_text_is_none():
    with pytest.raises(TypeError):
        error_from_json({"type": "ReadError", "code": "x", "rule": ["y"]})


def test_what_a_decoder_prints_reaches_neither_the_terminal_nor_the_pipe(shared, capfd):
    assert shared.run({"do": "talk"}, b"").facts == {}
    assert reads(shared)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("work", "settings"), [(STUB, {"fail": True}), ("no_such_module:work", {})])
def test_one_that_cannot_start_is_an_error_and_not_a_wait(made, work, settings):
    with pytest.raises(DecoderError) as caught:
        made(work, settings).run({"do": "read"}, b"")
    assert caught.value.code == "decoder_not_started"


def test_a_fresh_process_follows_after_so_many_files(made):
    sandbox = made(bounds=Bounds(files=2))
    reads(sandbox)
    first = sandbox.pid
    reads(sandbox)
    assert sandbox.pid is None
    reads(sandbox)
    assert sandbox.pid != first


def test_threads_share_one_process(made):
    sandbox = made()
    with ThreadPoolExecutor(8) as pool:
        contents = [bytes([number]) * (number * 1000) for number in range(64)]
        assert all(pool.map(lambda content: reads(sandbox, content), contents))


def test_a_thread_that_kills_it_ends_the_request_of_another(made):
    sandbox = made()
    reads(sandbox)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sandbox.run, {"do": "sleep"}, b"")
        while not sandbox._lock.locked():
            time.sleep(0.01)
        sandbox.kill()
        with pytest.raises(DecoderError):
            waiting.result(60)


def test_what_interrupts_the_wait_ends_the_process(made):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process ignores SIGINT
    sandbox = made()
    reads(sandbox)
    pid = sandbox.pid
    main = threading.main_thread().ident
    timer = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        sandbox.run({"do": "sleep"}, b"")
    timer.join()
    signal.signal(signal.SIGINT, before)
    assert not Path(f"/proc/{pid}").exists()
    assert reads(sandbox)


def test_it_ends_when_nothing_refers_to_it_any_more():
    sandbox = Sandbox(STUB, bounds=BOUNDS)
    reads(sandbox)
    pid = sandbox.pid
    del sandbox
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_gets_a_process_of_its_own_and_leaves_that_of_its_parent(made):
    sandbox = made()
    reads(sandbox)
    near, far = multiprocessing.Pipe()

    def child():
        far.send((sandbox.pid, reads(sandbox), sandbox.pid))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    before, read, after = near.recv()
    process.join()
    assert process.exitcode == 0
    assert (before, read) == (None, True)
    assert after != sandbox.pid
    wait_until(lambda: is_gone(after))
    assert reads(sandbox)


def _read_in_worker(number):
    sandbox = _WORKERS.setdefault("one", Sandbox(STUB, bounds=BOUNDS))
    reads(sandbox, bytes([number]))
    return sandbox.pid


_WORKERS: dict[str, Sandbox] = {}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_pool_start_their_own_and_leave_none(method, monkeypatch):
    """Pool workers are daemons, which multiprocessing does not allow to start processes."""
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = set(pool.map(_read_in_worker, range(8), chunksize=1))
        pool.close()
        pool.join()
    for pid in found:
        wait_until(lambda pid=pid: is_gone(pid))


SCRIPT = """
import sys
from gadolin.readers.sandbox.sandbox import Bounds, Sandbox
sandbox = Sandbox("sandbox_stub:work", bounds=Bounds(seconds=60.0))
sandbox.run({"do": "read"}, b"")
print(sandbox.pid, flush=True)
"""


def python(code, **options):
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", SCRIPT + code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize(
    "end", ["", "sys.exit(3)", "raise KeyboardInterrupt", "import os; pid = os.fork(); pid and os.waitpid(pid, 0)"]
)
def test_a_program_that_ends_leaves_no_process_and_says_nothing(end):
    with python(end) as program:
        out, err = program.communicate(timeout=120)
    assert is_gone(int(out.split()[0]))
    assert err == "" or (end.startswith("raise") and "KeyboardInterrupt" in err and "Warning" not in err)


def test_ctrl_c_ends_the_program_and_its_sandbox():
    foreground = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{foreground}; sandbox.run({{'do': 'sleep'}}, b'')"
    with python(code, start_new_session=True) as program:
        pid = int(program.stdout.readline())
        time.sleep(0.3)
        os.killpg(program.pid, signal.SIGINT)
        _, err = program.communicate(timeout=120)
    assert program.returncode != 0
    assert "KeyboardInterrupt" in err
    assert err.count("Traceback") == 1
    assert is_gone(pid)


@pytest.mark.parametrize("busy", ["import time; time.sleep(600)", "sandbox.run({'do': 'hang'}, b'', cpu_seconds=1.0)"])
def test_it_ends_after_a_parent_that_was_killed(busy):
    with python(busy) as program:
        pid = int(program.stdout.readline())
        time.sleep(0.2)
        program.kill()
        program.communicate(timeout=120)
    wait_until(lambda: is_gone(pid))


def test_arrays_of_every_type_and_shape_travel(made):
    from io import FileIO

    from gadolin.readers.sandbox.messages import Message, receive, send

    arrays = [np.zeros(shape, kind) for kind in ("u1", ">i2", "<f4", "f8", "?") for shape in ((0,), (3, 0), (2, 3))]
    arrays.append(np.arange(12).reshape(3, 4).T[::2])
    near, far = os.pipe()
    with FileIO(near, "rb") as reading, FileIO(far, "wb") as writing:
        send(writing, Message({"a": 1}, tuple(arrays)))
        found = receive(reading, 2**20)
    for one, other in zip(arrays, found.arrays, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def test_nothing_is_imported_from_the_working_folder(made, monkeypatch, tmp_path):
    for name in ("json", "struct", "gadolin", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    assert reads(made())
    assert not (tmp_path / "ran").exists()
