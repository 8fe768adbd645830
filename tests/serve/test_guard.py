"""Promises of the guard: who may ask, and what every answer carries."""

from __future__ import annotations

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


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "LOCALHOST:1"])
def test_the_names_of_this_computer_are_known(host, client):
    assert client.get("/v1/model", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_a_page_of_another_site_may_not_ask(headers, client, png, sent):
    answer = client.post("/v1/predict", files=sent(("a.png", png())), headers=headers)

    assert answer.status_code == 403
    assert client.options("/v1/predict", headers=headers).status_code == 403


def test_the_service_s_own_page_may_ask(client, png, sent):
    headers = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/v1/predict", files=sent(("a.png", png())), headers=headers).status_code == 200


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
        assert client.get("/v1/model").status_code == 200, "the cookie stands for the token from then on"


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

    from gadolin.serve.guard import Guard

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
