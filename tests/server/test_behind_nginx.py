"""Tests of the service behind nginx: with the documented configuration and with a minimal one."""

from __future__ import annotations

import http.client
import io
import json
import ssl
import time
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from behind_nginx import NAME, NGINX, OPENSSL, documented, nginx, serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed (Debian: nginx-light)"),
    pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed"),
    pytest.mark.usefixtures("loopback"),
]
TOKEN = "a-token-of-some-length"
BEARER = {"Authorization": f"bearer {TOKEN}"}
ORIGIN = {"Origin": f"https://{NAME}", "Sec-Fetch-Site": "same-origin"}
LIME = {"method": "lime", "samples": "60", "pieces": "12"}


class PredictRequest:
    """A response: status, lower-case headers, body."""

    def __init__(self, answer):
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.content = answer.read()

    def json(self):
        return json.loads(self.content)


def form(*files, **fields):
    """Return a multipart body and its headers."""
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    parts += [
        f'Content-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode() + content
        for name, content in files
    ]
    body = b"".join(b"--xx\r\n" + part + b"\r\n" for part in parts) + b"--xx--\r\n"
    return body, {"Content-Type": "multipart/form-data; boundary=xx"}


def noise(side=1200):
    """Return an image of more than a megabyte."""
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (side, side), np.uint8)).save(out, "PNG")
    assert len(out.getvalue()) > 1_200_000
    return out.getvalue()


@pytest.fixture(scope="module")
def service(predictor, settings):
    """The service, started as documented."""
    with serving(predictor, replace(settings, token=TOKEN, hosts=(NAME,), root_path="/gadolin")) as port:
        yield port


@pytest.fixture(scope="module")
def server(service, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    with nginx(folder, lambda port: documented(folder, port, service)) as running:
        yield running


@pytest.fixture
def ask(server):
    """Send a request through TLS under the documented host name."""

    def ask(method, path, body=None, headers=None):
        trust = ssl.create_default_context(cafile=server.folder / "cert.pem")
        trust.check_hostname = False  # the name is sent as Host; it does not resolve
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=60, context=trust)
        connection.request(method, path, body, {"Host": NAME, **(headers or {})})
        asked = PredictRequest(connection.getresponse())
        connection.close()
        return asked

    return ask


@pytest.fixture(scope="module")
def plain(predictor, settings, tmp_path_factory):
    """An nginx that knows only the address of the service, which knows nothing of nginx."""
    site = (
        "server {{ listen 127.0.0.1:{port}; location /gadolin/ {{ proxy_pass http://127.0.0.1:{service}/; }} "
        "location / {{ proxy_pass http://127.0.0.1:{service}; }} }}"
    )
    with (
        serving(predictor, replace(settings, hosts=())) as service,
        nginx(tmp_path_factory.mktemp("plain"), lambda port: site.format(port=port, service=service)) as running,
    ):
        yield running


@pytest.fixture
def ask_plain(plain):
    def ask(method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", plain.port, timeout=60)
        connection.request(method, path, body, headers or {})
        asked = PredictRequest(connection.getresponse())
        connection.close()
        return asked

    return ask


def test_the_documented_server_lets_slices_be_predicted_and_explained(ask, client, png, sent):
    body, headers = form(("a.png", png()))
    wanted = client.post("/v1/predict", files=sent(("a.png", png()))).json()

    predicted = ask("POST", "/gadolin/v1/predict", body, {**headers, **BEARER, **ORIGIN})
    explained = ask("POST", "/gadolin/v1/explain", *[form(("a.png", png()), **LIME)[0], {**headers, **BEARER}])

    assert (predicted.status, predicted.json()) == (200, wanted)
    assert explained.status == 200
    assert explained.json()["explained"][0]["explanations"][0]["method"] == "lime"


def test_a_job_is_found_where_its_answer_says(ask, png):
    body, headers = form(("a.png", png()), kind="explain", **LIME)

    begun = ask("POST", "/gadolin/v1/jobs", body, {**headers, **BEARER, **ORIGIN})
    place = f"/gadolin/v1/{begun.headers['location']}"
    told = ask("GET", place, headers=BEARER).json()
    end = time.monotonic() + 60
    while told["status"] in ("queued", "running") and time.monotonic() < end:
        time.sleep(0.05)
        told = ask("GET", place, headers=BEARER).json()

    assert begun.status == 202
    assert told["status"] == "done"
    assert ask("DELETE", place, headers={**BEARER, **ORIGIN}).status == 204


def test_the_page_is_entered_by_a_link_and_everything_that_it_names_is_there(ask):
    for path in ("/gadolin", f"/gadolin?token={TOKEN}"):
        assert ask("GET", path).headers["location"].endswith(path.replace("/gadolin", "/gadolin/"))
    assert ask("GET", "/gadolin/").status == 401
    entered = ask("GET", f"/gadolin/?token={TOKEN}")
    cookie = entered.headers["set-cookie"]

    assert (entered.status, entered.headers["location"]) == (303, "./")
    assert "secure" in cookie.lower(), "the request came through TLS"
    assert "path=" not in cookie.lower(), "the browser keeps it for the external path"
    own = {"Cookie": cookie.partition(";")[0]}
    page = ask("GET", "/gadolin/", headers=own)
    assert page.status == 200
    named = [each.partition('"')[0] for mark in ('src="', 'href="') for each in page.content.decode().split(mark)[1:]]
    assert len(named) >= 4
    for one in named:
        assert not one.startswith("/"), "the page does not know the path prefix"
        if not one.startswith("#"):
            assert ask("GET", f"/gadolin/{one}", headers=own).status == 200
    assert ask("GET", "/gadolin/openapi.json", headers=own).json()["servers"] == [{"url": "/gadolin"}]


def test_what_is_sent_through_the_documented_server_is_spooled_to_no_disk(ask, server, plain, ask_plain, png):
    large, headers = form(("a.png", noise()))
    small, _ = form(("a.png", png(size=512)))
    assert len(small) > 16_384, "more than nginx keeps in memory by default"

    assert ask("POST", "/gadolin/v1/predict", large, {**headers, **BEARER}).status == 200
    assert ask_plain("POST", "/v1/predict", small, headers).status == 200

    assert "temporary file" in plain.errors, "nginx logs it when it does"
    assert "temporary file" not in server.errors


def test_the_documented_server_logs_no_token(ask, server):
    assert ask("GET", f"/gadolin/?token={TOKEN}").status == 303

    end = time.monotonic() + 30
    while "/gadolin/" not in (log := (server.folder / "access.log").read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    assert '"GET /gadolin/" 303' in log
    assert TOKEN not in log


def test_a_monitor_needs_no_token(ask):
    for method in ("GET", "HEAD"):
        assert ask(method, "/gadolin/health").status == 200
        assert ask(method, "/gadolin/ready").status == 200
        assert ask(method, "/gadolin/v1/model").status == 401
    assert ask("GET", "/gadolin/health").json() == {"status": "ok"}


@pytest.mark.parametrize("root", ["", "/gadolin"])
def test_nginx_may_be_told_nothing_but_where_the_service_is(root, ask_plain, png):
    body, headers = form(("a.png", png()))
    page = {"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"}

    assert ask_plain("GET", f"{root}/").status == 200
    assert ask_plain("GET", f"{root}/static/app.js").status == 200
    assert ask_plain("POST", f"{root}/v1/predict", body, headers).status == 200
    assert ask_plain("POST", f"{root}/v1/predict", body, {**headers, **page}).status == 200
    begun = ask_plain("POST", f"{root}/v1/jobs", form(("a.png", png()), kind="predict")[0], headers)
    assert ask_plain("GET", f"{root}/v1/{begun.headers['location']}").status == 200
    assert ask_plain("DELETE", f"{root}/v1/{begun.headers['location']}").status == 204


def test_more_than_nginx_takes_by_itself_is_refused_by_nginx(ask_plain):
    """The browser tests cover what the page then shows."""
    refused = ask_plain("POST", "/v1/predict", *form(("a.png", noise())))

    assert refused.status == 413
    assert refused.headers["content-type"] == "text/html"


def test_an_archive_in_pieces_of_unknown_number_comes_through(ask, png):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.png", png("glioma", number))
    body, headers = form(("set.zip", packed.getvalue()))
    pieces = iter([body[start : start + 5000] for start in range(0, len(body), 5000)])

    answer = ask("POST", "/gadolin/v1/predict", pieces, {**headers, **BEARER})

    assert answer.status == 200
    assert len(answer.json()["predictions"]) == 3
