"""Tests of ``gadolin node``."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from benchmarks.service.dicom_peers import LOOPBACK, SENDER, free_port, phantom_series, send
from gadolin.records import NOTICE


def configuration(folder, port):
    path = folder / "node.toml"
    path.write_text(
        f'spool = "spool"\n[listen]\nport = {port}\n[limits]\nfree_bytes = 0\n'
        f'[[callers]]\nae_title = "{SENDER}"\naddress = "{LOOPBACK}"\n'
        f'[[destinations]]\nname = "archive"\nae_title = "ARCHIVE"\naddress = "{LOOPBACK}"\nport = 104\n',
        encoding="utf-8",
    )
    return path


def test_a_configuration_can_be_checked_alone(gadolin, tmp_path):
    done = gadolin("node", "--config", configuration(tmp_path, 11112), "--check")

    assert (done.code, done.err) == (0, "the configuration is valid\n")
    assert not (tmp_path / "spool").exists()


def test_a_wrong_configuration_is_refused_in_one_line(gadolin, tmp_path):
    path = configuration(tmp_path, 70000)

    gadolin("node", "--config", path).refused("listen.port", "less than or equal to 65535", str(path))
    assert not (tmp_path / "spool").exists()


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_until_it_is_stopped_and_keeps_what_it_has(tmp_path, loopback, ending):
    port = free_port()
    command = [sys.executable, "-m", "gadolin", "node", "--config", str(configuration(tmp_path, port))]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    (image,) = phantom_series(tmp_path / "series", 1, 1, size=64)
    wait_until_it_listens(port, process)
    assert send(port, image)
    process.send_signal(ending)
    out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (0, "")
    assert err.startswith(f"{NOTICE}\nGADOLIN listens on {LOOPBACK}, port {port}\n")
    assert len(list((tmp_path / "spool" / "studies").rglob("*.dcm"))) == 1
    assert "Traceback" not in err


def wait_until_it_listens(port, process):
    last = time.monotonic() + 60
    while time.monotonic() < last:
        assert process.poll() is None
        with suppress(ConnectionRefusedError), socket.create_connection((LOOPBACK, port)):
            return
        time.sleep(0.1)
    pytest.fail("it does not listen")
