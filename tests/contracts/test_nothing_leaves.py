"""Nothing leaves the machine: telemetry of packages is switched off, and a system-call trace finds no connection."""

from __future__ import annotations

import ast
import importlib
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gadolin.phantoms import draw_patient
from gadolin.telemetry import SWITCHES

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "gadolin").rglob("*.py"))
REPORTING = {"onnxruntime", "openvino"}
STUBS = {
    "onnxruntime": """
import os
print("imported under", os.environ.get("ORT_DISABLE_TELEMETRY"))
def disable_telemetry_events():
    print("disabled")
""",
    "openvino_telemetry": "",
    "openvino": """
try:
    import openvino_telemetry
    print("reports")
except ImportError:
    print("cannot report")
""",
}


@pytest.fixture
def stubs(tmp_path):
    """Return a folder of stub packages that print, on import, whether they could report."""
    for name, text in STUBS.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


def fresh(code, folder, **variables):
    """Run code in a new interpreter with ``folder`` first on its path; return standard output lines and errors."""
    source = str(ROOT / "src")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join((str(folder), source))} | variables
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1], done.stderr


@pytest.mark.parametrize(
    "module", ["gadolin", "gadolin.errors", "gadolin.readers", "gadolin.cli.app", "gadolin.models.runtime"]
)
def test_every_switch_is_set_by_importing_whatever_module_first(module, stubs):
    code = f"import os, {module}\nfor name in {sorted(SWITCHES)}: print(os.environ[name])"
    assert fresh(code, stubs, ORT_DISABLE_TELEMETRY="0", HF_HUB_DISABLE_TELEMETRY="0")[0] == ["1"] * len(SWITCHES)


def test_onnxruntime_is_imported_under_its_switch_and_its_events_are_disabled(stubs):
    code = "from gadolin.telemetry import import_onnxruntime\nimport_onnxruntime()\nimport_onnxruntime()"
    assert fresh(code, stubs) == (["imported under 1", "disabled", "disabled"], "")


def test_openvino_is_imported_without_what_it_reports_with_which_others_may_still_import(stubs):
    code = (
        "from gadolin.telemetry import import_openvino\nimport_openvino()\nimport openvino_telemetry\nimport_openvino()"
    )
    assert fresh(code, stubs) == (["cannot report"], "")
    code = "import openvino_telemetry, sys\nfrom gadolin.telemetry import import_openvino\nimport_openvino()"
    assert fresh(f"{code}\nassert sys.modules['openvino_telemetry']", stubs) == (["cannot report"], "")


def test_two_threads_may_load_openvino_at_once(stubs):
    (stubs / "openvino.py").write_text(f"{STUBS['openvino']}\nimport time\ntime.sleep(0.2)", encoding="utf-8")
    code = """
from concurrent.futures import ThreadPoolExecutor
from gadolin.telemetry import import_openvino
with ThreadPoolExecutor(2) as pool:
    one, other = (pool.submit(import_openvino) for _ in range(2))
assert one.result() is other.result()
import openvino_telemetry
"""
    assert fresh(code, stubs) == (["cannot report"], "")


@pytest.mark.parametrize("package", sorted(REPORTING))
def test_a_package_that_was_imported_before_is_warned_of_once_with_what_to_do(package, stubs):
    code = f"""
import {package}
import gadolin
from gadolin import telemetry
for _ in range(2):
    telemetry.switch_off()
    telemetry.import_{package}()
"""
    errors = fresh(code, stubs)[1].splitlines()
    assert len(errors) == 1
    assert package in errors[0]
    assert {"onnxruntime": "ORT_DISABLE_TELEMETRY=1", "openvino": "opt_in_out --opt_out"}[package] in errors[0]


@pytest.mark.parametrize("value", ["1", "true", "Yes"])
def test_nobody_is_warned_where_the_switch_was_set_before_the_import(value, stubs):
    assert fresh("import onnxruntime, gadolin", stubs, ORT_DISABLE_TELEMETRY=value)[1] == ""


def test_the_hubs_client_is_switched_off_also_where_it_was_imported_before(stubs):
    pytest.importorskip("huggingface_hub")
    code = "from huggingface_hub import constants\nimport gadolin\nprint(constants.HF_HUB_DISABLE_TELEMETRY)"
    assert fresh(code, stubs)[0] == ["True"]


def test_only_the_module_of_telemetry_imports_packages_that_report_at_import():
    def imported(path):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield (node.module or "").partition(".")[0]

    assert [path.name for path in SOURCES if REPORTING & set(imported(path))] == ["telemetry.py"]


@pytest.mark.slow
@pytest.mark.parametrize("application", ["create_app(Predictor.load(sys.argv[1]))", "FastAPI()"])
def test_the_service_makes_no_span_of_a_request_though_a_collector_is_set_up(application, make_bundle):
    pytest.importorskip("fastapi.telemetry", reason="this FastAPI makes no spans")
    code = """
import sys
from fastapi import FastAPI
from fastapi.testclient import TestClient
from opentelemetry import trace
from gadolin import Predictor
from gadolin.server.app import create_app

class Collector(trace.TracerProvider):
    def get_tracer(self, *arguments, **options):
        print("asked for a span")
        return trace.NoOpTracer()

trace.set_tracer_provider(Collector())
TestClient(APPLICATION).get("/health")
""".replace("APPLICATION", application)
    done = subprocess.run(
        [sys.executable, "-c", code, str(make_bundle().folder)], capture_output=True, text=True, timeout=120, check=True
    )
    assert ("asked for a span" in done.stdout) == (application == "FastAPI()")


@pytest.fixture(scope="module")
def network_trace():
    """The benchmark ``network_trace`` as a module."""
    return importlib.import_module("benchmarks.service.network_trace")


def read(network_trace, trace):
    return network_trace.read_trace(trace, home=Path("/nowhere/home"), work=Path("/nowhere/work"))


@pytest.mark.parametrize(
    "line",
    [
        '7  connect(3<UDP:[1]>, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.1")}, 16) = 0',
        '7  openat(AT_FDCWD</x>, "/etc/resolv.conf", O_RDONLY|O_CLOEXEC) = 3</etc/resolv.conf>',
        r'7  sendto(3, "\33\n\1\0\0\1\0\0\0\0\0\0\3www\7example\3org\0\0\34\0\1", 33, MSG_NOSIGNAL, NULL, 0) = 33',
        '7  connect(3, {sa_family=AF_UNIX, sun_path="/run/systemd/resolve/io.systemd.Resolve"}, 42) = 0',
    ],
)
def test_each_step_of_a_look_up_is_seen(line, network_trace):
    seen = read(network_trace, line)
    assert (len(seen.look_ups), seen.connections, seen.files) == (1, (), ())


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ('{sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("198.51.100.7")}', ("198.51.100.7:443",)),
        ('{sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "2001:db8::1", '
         "&sin6_addr), sin6_scope_id=0}", ("2001:db8::1:80",)),
        ('{sa_family=AF_INET, sin_port=htons(8000), sin_addr=inet_addr("127.0.0.1")}', ()),
        ('{sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6)}', ()),
    ],
)  # fmt: skip
def test_connections_are_seen_where_they_leave_this_computer_also_those_that_fail(address, expected, network_trace):
    assert read(network_trace, f"7  connect(3, {address}, 16 <unfinished ...>").connections == expected
    whole = f"7  connect(3, {address}, 16 <unfinished ...>\n8  close(3) = 0\n7  <... connect resumed>) = -1 ENETUNREACH"
    assert read(network_trace, whole).connections == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('7  openat(AT_FDCWD</nowhere/work>, "id", O_RDWR|O_CREAT, 0600) = 3</nowhere/home/id>', ("~/id",)),
        ('7  mkdir("/nowhere/home/.cache/Microsoft", 0700) = 0', ("~/.cache/Microsoft",)),
        ('7  rename("/nowhere/work/a", "/nowhere/home/b") = 0', ("~/b",)),
        ('7  mkdirat(4</nowhere/home>, "c", 0700) = 0', ("~/c",)),
        ('7  openat(AT_FDCWD</nowhere/work>, "/var/lib/x", O_WRONLY) = 3</var/lib/x>', ("/var/lib/x",)),
        ('7  openat(AT_FDCWD</nowhere/work>, "x", O_RDONLY) = 3</nowhere/home/x>', ()),
        ('7  openat(AT_FDCWD</nowhere/work>, "x", O_WRONLY|O_CREAT, 0600) = -1 EACCES (Permission denied)', ()),
        ('7  openat(AT_FDCWD</nowhere/work>, "x", O_WRONLY|O_CREAT, 0600) = 3</nowhere/work/x>', ()),
        ('7  mkdir("/nowhere/home/.cache", 0700) = 0', ()),
        ('7  openat(AT_FDCWD</x>, "y", O_RDWR|O_CREAT) = 3</nowhere/home/.cache/gadolin/y>', ()),
        ('7  openat(AT_FDCWD</x>, "/dev/null", O_RDWR) = 3</dev/null<char 1:3>>', ()),
    ],
)
def test_files_are_seen_where_they_are_written_out_of_place(line, expected, network_trace):
    assert read(network_trace, line).files == expected


@pytest.fixture(scope="module")
def strace():
    """Skip the test where strace cannot trace."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    if subprocess.run(["strace", "-f", "-qq", "-e", "trace=none", "true"], capture_output=True, check=False).returncode:
        pytest.skip("tracing is not permitted here")


@pytest.fixture(scope="module")
def slice_png():
    out = io.BytesIO()
    Image.fromarray(np.asarray(draw_patient("glioma", 0, slices=3, size=96)[1].pixels, np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def folder(tmp_path, slice_png):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "slice.png").write_bytes(slice_png)
    return tmp_path


def require_reporting():
    """Skip a control where the installed onnxruntime has no telemetry; since 1.29 it has, on Linux too."""
    import onnxruntime

    if tuple(map(int, re.findall(r"\d+", onnxruntime.__version__)[:2])) < (1, 29):
        pytest.skip("this onnxruntime reports nothing")


@pytest.mark.slow
def test_predicting_reaches_nothing_and_writes_nothing(strace, network_trace, folder):
    assert network_trace.watch(folder, "predict", network_trace.command("predict", "slice.png")).nothing


@pytest.mark.slow
def test_the_same_command_without_the_switch_is_seen_to_write(strace, network_trace, folder):
    require_reporting()
    words = network_trace.command("predict", "slice.png", before="onnxruntime")
    seen = network_trace.watch(folder, "control", words, cut_off=True)
    assert any("deviceid" in path for path in seen.files)


@pytest.mark.slow
def test_a_service_that_answers_reaches_nothing_and_writes_nothing(strace, network_trace, folder, slice_png, loopback):
    pytest.importorskip("fastapi")
    assert network_trace.watch_service(folder, "serve", 1, content=slice_png).nothing


@pytest.mark.slow
def test_the_same_service_without_the_switch_is_seen_to_write(strace, network_trace, folder, slice_png, loopback):
    pytest.importorskip("fastapi")
    require_reporting()
    seen = network_trace.watch_service(folder, "control", 1, content=slice_png, before="onnxruntime")
    assert any("deviceid" in path for path in seen.files)


@pytest.mark.slow
@pytest.mark.parametrize("before", ["", "openvino"])
def test_openvino_reaches_nothing_but_where_it_was_imported_before(strace, network_trace, folder, before):
    pytest.importorskip("openvino")
    pytest.importorskip("openvino_telemetry")
    words = network_trace.command("predict", "slice.png", "--runtime", "openvino", before=before)
    seen = network_trace.watch(folder, "openvino", words, cut_off=bool(before))
    assert seen.nothing == (not before)
