"""Tests of the guard: which requests are allowed, and the headers of every response."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest

TOKEN = "a-token-of-some-length"


def test_every_answer_forbids_what_a_page_does_not_need(client):
    for answer in (client.get("/"), client.get("/v1/model"), client.get("/nothing"), client.post("/v1/predict")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers
    assert client.get("/v1/model").headers["cache-control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "", "127.0.0.1.evil.example"])
def test_a_request_under_another_name_is_refused(host, client):
    assert client.get("/v1/model", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    ("host", "status"), [("192.168.1.7:8000", 200), ("[fe80::1]:8000", 200), ("evil.example", 421)]
)
def test_beyond_this_computer_a_number_is_a_name_of_the_service(host, status, make_client):
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": host}
    with make_client(host="0.0.0.0", token=TOKEN) as client:
        assert client.get("/v1/model", headers=headers).status_code == status


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8000", "127.0.0.1", "localhost", "LOCALHOST:1", "localhost.", "LocalHost.:8000",
        "[::1]:8000", "[::1]", "[0:0:0:0:0:0:0:1]:8000",
    ],
)  # fmt: skip
def test_the_names_of_this_computer_are_known(host, client):
    assert client.get("/v1/model", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_a_page_of_another_site_may_not_ask(headers, client, png, sent):
    answer = client.post("/v1/predict", files=sent(("a.png", png())), headers=headers)

    assert answer.status_code == 403
    assert client.options("/v1/predict", headers=headers).status_code == 403


@pytest.mark.slow
def test_the_service_s_own_page_may_ask(client, png, sent):
    headers = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/v1/predict", files=sent(("a.png", png())), headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://scans.example.org", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://scans.example.org:8443"}, 200),
        ({"Origin": "https://SCANS.example.org."}, 200),
        ({"Origin": "http://192.0.2.7:8080", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://192.0.2.7:8080"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://scans.example.org", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Origin": "https://scans.example.org.evil.example", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Origin": "https://[", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 403),
    ],
)
@pytest.mark.slow
def test_behind_a_server_that_replaces_the_host_the_page_is_known_by_its_origin(headers, status, make_client):
    with make_client(hosts=("scans.example.org",)) as client:
        answer = client.delete("/v1/jobs/none", headers={"Host": "127.0.0.1:8000", **headers})
    assert answer.status_code == (404 if status == 200 else status)
    assert answer.json()["code"] == ("job_not_found" if status == 200 else "foreign_origin")


def test_a_name_that_is_given_is_known_in_each_way_of_writing_it():
    from gadolin.server.settings import Settings

    hosts = ("Scans.Example.org.", "prüfung.example", "[2001:DB8::1]", "[2001:db8::2]:8443", "scans.example.net:8443")
    settings = Settings(host="[::1]", hosts=hosts)

    assert (settings.host, settings.local) == ("::1", True)
    assert {
        "scans.example.org", "xn--prfung-4ya.example", "2001:db8::1", "2001:db8::2", "scans.example.net"
    } <= settings.allowed_hosts  # fmt: skip


@pytest.mark.parametrize("host", ["127.0.0.2", "localhost", "::1", "[::1]", "0:0:0:0:0:0:0:1"])
def test_addresses_of_this_computer_alone_need_no_token(host):
    from gadolin.server.settings import Settings

    assert Settings(host=host).local


@pytest.mark.parametrize("given", ["Bearer {}", "bearer {}", "BEARER {}", "bEaReR   {} "])
def test_the_scheme_of_a_token_may_be_written_in_any_case(given, make_client):
    with make_client(token=TOKEN) as client:
        assert client.get("/v1/model", headers={"Authorization": given.format(TOKEN)}).status_code == 200
        assert client.get("/v1/model", headers={"Authorization": given.format(TOKEN + "x")}).status_code == 401
        for other in (TOKEN, f"Basic {TOKEN}", f"Bearer{TOKEN}", f"Bearer {TOKEN} {TOKEN}"):
            refused = client.get("/v1/model", headers={"Authorization": other})
            assert (refused.status_code, refused.json()["code"]) == (401, "token_missing")
            assert refused.headers["www-authenticate"] == "Bearer"


def test_a_cookie_of_another_application_hides_no_token(make_client):
    with make_client(token=TOKEN) as client:
        cookies = f'settings={{"a": [1, 2]}}; odd[name]=1; gadolin_token={TOKEN}; last'
        assert client.get("/v1/model", headers={"Cookie": cookies}).status_code == 200


PATHS = [
    "/", "/static/app.js", "/docs", "/docs.css", "/health", "/ready", "/v1/model", "/v1/phantom", "/openapi.json",
    "/v1/jobs/none", "/x",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.slow
def test_head_is_answered_as_get_without_what_it_holds(path, client):
    named = {"X-Request-ID": "one"}
    read, head = client.get(path, headers=named), client.head(path, headers=named)

    assert head.status_code == read.status_code
    assert head.content == b""
    assert dict(head.headers) == dict(read.headers)


def test_each_path_tells_by_which_methods_it_is_asked(client):
    allowed = {
        "/": "GET, HEAD, OPTIONS",
        "/v1/predict": "OPTIONS, POST",
        "/v1/jobs/none": "DELETE, GET, HEAD, OPTIONS",
    }
    for path, wanted in allowed.items():
        asked, wrong = client.options(path), client.request("PUT", path)
        assert (asked.status_code, asked.headers["allow"]) == (204, wanted)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, wanted)
        assert wrong.json()["code"] == "method_not_allowed"
        assert "access-control-allow-origin" not in asked.headers
    assert client.options("/nothing").status_code == 404


def test_a_monitor_needs_neither_token_nor_name(make_client):
    with make_client(token=TOKEN) as client:
        for path, told in (("/health", "ok"), ("/ready", "ready")):
            answer = client.get(path, headers={"Host": "gadolin_upstream"})
            assert (answer.status_code, answer.json()) == (200, {"status": told})
        assert client.get("/v1/model", headers={"Host": "gadolin_upstream"}).status_code == 421


@pytest.mark.parametrize("prefix", ["", "/scans/gadolin"])
@pytest.mark.slow
def test_below_a_path_the_service_is_the_same_with_and_without_it(prefix, make_client, png, sent):
    with make_client(root_path="/scans/gadolin/") as client:
        assert client.get(f"{prefix}/").headers["content-type"].startswith("text/html")
        assert client.get(f"{prefix}/static/app.js").status_code == 200
        assert client.post(f"{prefix}/v1/predict", files=sent(("a.png", png()))).status_code == 200
        assert client.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": "/scans/gadolin"}]
        begun = client.post(f"{prefix}/v1/jobs", files=sent(("a.png", png())), data={"kind": "predict"})
        assert client.get(urljoin(f"{prefix}/v1/jobs", begun.headers["location"])).status_code == 200
        assert client.get("/scans/gadoliny/v1/model").status_code == 404


def test_the_path_itself_leads_to_the_page_below_it(make_client):
    with make_client(root_path="/gadolin", token=TOKEN) as client:
        assert client.get("/gadolin").status_code == 401
        entered = client.get(f"/gadolin?token={TOKEN}", follow_redirects=False)
        assert (entered.status_code, entered.headers["location"]) == (303, "/gadolin/")
        again = client.get("/gadolin", headers={"Authorization": f"Bearer {TOKEN}"}, follow_redirects=False)
        assert (again.status_code, again.headers["location"]) == (307, "/gadolin/")


def test_no_path_is_led_to_the_name_that_a_request_was_sent_to(client):
    for path in ("/v1/model/", "/health/", "/v1/jobs/none/"):
        assert client.get(path, follow_redirects=False).status_code == 404


def test_the_cookie_is_for_secure_connections_where_there_is_one(make_client):
    with make_client(token=TOKEN) as client:
        for proto, secure in ((None, False), ("http", False), ("https", True), ("HTTPS", True)):
            headers = {} if proto is None else {"X-Forwarded-Proto": proto}
            cookie = client.get(f"/?token={TOKEN}", headers=headers, follow_redirects=False).headers["set-cookie"]
            assert ("secure" in cookie.lower()) is secure
            assert "path=" not in cookie.lower()


def test_a_copy_that_a_server_on_the_way_made_weak_is_known(client):
    tag = client.get("/static/app.js").headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", W/{tag}', "*"):
        assert client.get("/static/app.js", headers={"If-None-Match": known}).status_code == 304
    assert client.get("/static/app.js", headers={"If-None-Match": '"other"'}).status_code == 200
    whole = client.get("/static/app.js", headers={"Range": "bytes=0-9"})
    assert (whole.status_code, len(whole.content)) == (200, len(client.get("/static/app.js").content))


def test_what_is_refused_is_logged_by_its_code_alone(client, caplog):
    caplog.set_level("INFO", logger="gadolin")
    client.get("/v1/model", headers={"Host": "SECRET.example"})
    assert "refused: 421 host_not_allowed" in caplog.text
    assert "SECRET" not in caplog.text


def test_with_a_token_only_those_who_have_it_are_answered(make_client):
    with make_client(token=TOKEN) as client:
        assert client.get("/v1/model").status_code == 401
        assert client.get("/").status_code == 401
        assert client.get("/?token=another").status_code == 401
        assert client.get("/v1/model", headers={"Authorization": "Bearer another"}).status_code == 401
        assert client.get("/v1/model", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.get("/health").status_code == 200

        entered = client.get(f"/?token={TOKEN}", follow_redirects=False)
        assert entered.status_code == 303
        assert "httponly" in entered.headers["set-cookie"].lower()
        assert "samesite=strict" in entered.headers["set-cookie"].lower()
        assert client.get("/v1/model").status_code == 200, "the cookie then replaces the token"


@pytest.mark.parametrize(
    ("limits", "length"),
    [
        ({"max_queue": 1}, []),
        ({"max_waiting_bytes": 150}, [(b"content-length", b"100")]),
        ({"max_waiting_bytes": 2}, []),
    ],
    ids=["many", "large", "of unknown size"],
)
def test_more_than_the_queue_holds_is_sent_away_for_a_moment(settings, limits, length):
    import asyncio
    from dataclasses import replace

    from gadolin.server.middleware import Guard

    release, told = asyncio.Event(), []

    async def slow(scope, receive, send):
        await release.wait()

    async def ask(guard):
        async def receive():
            return {"type": "http.request", "body": b""}

        async def send(message):
            told.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/predict",
            "query_string": b"",
            "headers": [(b"host", b"localhost"), *length],
        }
        await guard(scope, receive, send)

    async def both():
        guard = Guard(slow, replace(settings, limits=replace(settings.limits, **limits)))
        first = asyncio.create_task(ask(guard))
        await asyncio.sleep(0)
        await ask(guard)
        release.set()
        await first

    asyncio.run(both())
    start = next(message for message in told if message["type"] == "http.response.start")
    assert start["status"] == 429
    assert (b"retry-after", b"1") in start["headers"]
