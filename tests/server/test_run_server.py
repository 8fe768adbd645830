"""Tests of the service on a port: connections of clients and proxies, and the order of shutdown."""

from __future__ import annotations

import contextlib
import io
import json
import re
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from behind_nginx import serving
from gadolin.models.predictor import Predictor
from gadolin.server import app

pytestmark = pytest.mark.slow

ASK = """
import json, sys, urllib.request
address, name = sys.argv[1:]
with open(name, "rb") as file:
    body = b'--xx\\r\\nContent-Disposition: form-data; name="files"; filename="a.png"\\r\\n\\r\\n' + file.read()
headers = {"Content-Type": "multipart/form-data; boundary=xx"}
asked = urllib.request.Request(address + "v1/predict", body + b"\\r\\n--xx--\\r\\n", headers)
with urllib.request.urlopen(address + "health", timeout=60) as health:
    assert health.status == 200
with urllib.request.urlopen(asked, timeout=60) as answer:
    print(len(json.load(answer)["predictions"]))
"""


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as one:
        one.bind(("::1", 0))
        return True
    return False


@pytest.mark.skipif(not has_ipv6(), reason="this computer has no IPv6")
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_a_service_listens_on_ipv6_and_prints_an_address_that_works(host, predictor, png, tmp_path):
    picture = tmp_path / "a.png"
    picture.write_bytes(png())
    model = predictor.bundle.folder
    words = [sys.executable, "-m", "gadolin", "serve", "--model", model, "--host", host, "--port", "0", "--no-browser"]
    words += ["--root-path", "/gadolin/", "--workers", "1"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = next(line for line in process.stderr if "answers at" in line).split()[-1]
            done = subprocess.run([sys.executable, "-c", ASK, address, picture], capture_output=True, text=True)
        finally:
            process.terminate()
            process.stderr.close()

    assert re.fullmatch(r"http://\[::1\]:\d+/gadolin/", address)
    assert (done.stdout.strip(), done.stderr) == ("1", "")


def form(content, fields=""):
    head = b'--xx\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    return fields.encode() + head + content + b"\r\n--xx--\r\n"


def request(body, path="/v1/predict", version="1.1", headers=""):
    kind = "Content-Type: multipart/form-data; boundary=xx"
    return f"POST {path} HTTP/{version}\r\nHost: 127.0.0.1\r\n{kind}\r\n{headers}\r\n".encode() + body


def answered(stream):
    """Read one response from a connection: status and body."""
    status = int(stream.readline().split()[1])
    length = 0
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return status, stream.read(length)


@pytest.fixture(scope="module")
def port(predictor, settings):
    with serving(predictor, settings) as running:
        yield running


@pytest.fixture
def connection(port, loopback):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as made:
        yield made


def test_one_connection_carries_several_requests(connection, png):
    body, stream = form(png()), connection.makefile("rb")
    for _ in range(3):
        connection.sendall(request(body, headers=f"Content-Length: {len(body)}\r\n"))
        status, content = answered(stream)
        assert (status, len(json.loads(content)["predictions"])) == (200, 1)


def test_a_server_that_speaks_an_older_http_is_answered(connection, png):
    body = form(png())
    connection.sendall(request(body, version="1.0", headers=f"Connection: close\r\nContent-Length: {len(body)}\r\n"))

    stream = connection.makefile("rb")
    assert answered(stream)[0] == 200
    assert stream.read() == b"", "the connection is closed afterwards"


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(connection, png):
    body, stream = form(png()), connection.makefile("rb")
    connection.sendall(request(b"", headers=f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n"))
    assert answered(stream)[0] == 100

    connection.sendall(body)
    assert answered(stream)[0] == 200


def test_a_client_that_asks_before_it_sends_too_much_is_refused_first(connection, settings):
    most = settings.limits.max_request_bytes
    connection.sendall(request(b"", headers=f"Content-Length: {most + 1}\r\nExpect: 100-continue\r\n"))

    status, content = answered(connection.makefile("rb"))
    assert (status, json.loads(content)["code"]) == (413, "request_too_large")


def test_a_body_in_pieces_of_unknown_number_is_read(connection, png):
    body = form(png())
    pieces = io.BytesIO()
    for start in range(0, len(body), 1000):
        piece = body[start : start + 1000]
        pieces.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    connection.sendall(request(pieces.getvalue() + b"0\r\n\r\n", headers="Transfer-Encoding: chunked\r\n"))

    assert answered(connection.makefile("rb"))[0] == 200


def test_who_gives_up_a_request_for_an_explanation_ends_its_work(predictor, settings, png, loopback):
    counted, begun = [], threading.Event()

    def slow(prepared):
        counted.append(len(prepared))
        begun.set()
        time.sleep(0.005)
        return predictor.run_network(prepared)

    samples = 20_000
    fields = "".join(
        f'--xx\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {"method": "shap", "samples": samples, "pieces": 12}.items()
    )
    body = form(png(), fields)
    with serving(Predictor(predictor.bundle, slow), settings) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as made:
            made.sendall(request(body, "/v1/explain", headers=f"Content-Length: {len(body)}\r\n"))
            assert begun.wait(60)
        before = -1
        while before != sum(counted):
            before = sum(counted)
            time.sleep(1)

    assert sum(counted) < samples // 2


def test_explanations_take_no_thread_that_a_prediction_needs(make_client, png, sent, monkeypatch):
    release, working = threading.Event(), threading.Semaphore(0)

    def stuck(*_, **__):
        working.release()
        assert release.wait(60)
        return {}

    monkeypatch.setattr(app, "explain", stuck)
    files = sent(("a.png", png()))
    with make_client() as client, ThreadPoolExecutor(41) as clients:
        asking = [clients.submit(client.post, "/v1/explain", files=files) for _ in range(40)]
        try:
            for _ in range(app._EXPLAINERS):
                assert working.acquire(timeout=60)
            answer = clients.submit(client.post, "/v1/predict", files=files).result(60)
        finally:
            release.set()
        assert answer.status_code == 200
        assert {one.result(60).status_code for one in asking} == {200}


def test_the_telemetry_of_the_web_framework_stays_off_whatever_the_surroundings_say(predictor, monkeypatch):
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")

    told = getattr(app.create_app(predictor), "_telemetry", {})  # in versions that have it

    assert not any(told.get(name) for name in ("tracing", "metrics", "logs", "auto_configure"))
