"""Tests of what ``gadolin serve`` says before it serves: the addresses to use, and a port that is free."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import ifaddr
import pytest

from gadolin.cli.serve import _announce
from gadolin.errors import RequestError
from gadolin.server import run
from gadolin.server.settings import Settings

TOKEN = "a-token-of-some-length"
CARDS = [
    SimpleNamespace(ips=[SimpleNamespace(ip="127.0.0.1"), SimpleNamespace(ip=("::1", 0, 0))]),
    SimpleNamespace(
        ips=[
            SimpleNamespace(ip="192.0.2.7"),
            SimpleNamespace(ip="169.254.1.1"),
            SimpleNamespace(ip=("2001:db8::7", 0, 0)),
            SimpleNamespace(ip=("fe80::7", 0, 2)),
        ]
    ),
    SimpleNamespace(ips=[SimpleNamespace(ip="192.0.2.7"), SimpleNamespace(ip="10.0.0.2")]),
]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", ["127.0.0.1:81"]),
        ("localhost", ["localhost:81"]),
        ("::1", ["[::1]:81"]),
        ("192.0.2.7", ["192.0.2.7:81"]),
        ("0.0.0.0", ["127.0.0.1:81", "10.0.0.2:81", "192.0.2.7:81"]),
        ("::", ["[::1]:81", "10.0.0.2:81", "192.0.2.7:81", "[2001:db8::7]:81"]),
    ],
)
def test_the_addresses_are_those_that_this_and_other_computers_can_use(host, expected, monkeypatch):
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: CARDS)

    urls = run.page_urls(Settings(host, token=TOKEN, root_path="/gadolin"), 81)

    assert urls == [f"http://{each}/gadolin/?token={TOKEN}" for each in expected]


def test_a_computer_that_hides_its_addresses_is_no_obstacle(monkeypatch):
    def forbidden():
        raise OSError

    monkeypatch.setattr(ifaddr, "get_adapters", forbidden)

    assert run.page_urls(Settings("0.0.0.0", token=TOKEN), 81) == [f"http://127.0.0.1:81/?token={TOKEN}"]


def test_what_other_computers_need_is_said_where_they_can_reach_the_service(capsys):
    _announce(["http://127.0.0.1/", "http://192.0.2.7/"], Settings("0.0.0.0", token=TOKEN))
    everywhere = capsys.readouterr().err
    _announce(["http://127.0.0.1/", "http://192.0.2.7/"], Settings("0.0.0.0", token=TOKEN, hosts=("a.example",)))
    named = capsys.readouterr().err
    _announce(["http://127.0.0.1/"], Settings())
    here = capsys.readouterr().err

    assert "API: http://127.0.0.1/docs\nOther computers can use http://192.0.2.7/\n" in everywhere
    assert "--allow-host NAME" in everywhere
    assert "--allow-host" not in named
    assert here == "Gadolin answers at http://127.0.0.1/\nAPI: http://127.0.0.1/docs\n"


def test_the_description_of_the_api_is_beside_the_page_and_shows_no_token(capsys):
    _announce([f"http://127.0.0.1:81/gadolin/?token={TOKEN}"], Settings(token=TOKEN, root_path="/gadolin"))

    assert "API: http://127.0.0.1:81/gadolin/docs\n" in capsys.readouterr().err


def test_a_used_port_gives_one_error_with_the_next_free_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RequestError, match=rf"127\.0\.0\.1:{port} is unavailable .*use --port (\d+)") as caught:
            run._listener(Settings(port=port))
        free = int(caught.value.remedy.split()[2].rstrip(","))

        assert port < free <= port + 20
        run._listener(Settings(port=free)).close()


def test_no_port_is_offered_where_none_would_help():
    with pytest.raises(RequestError) as caught:
        run._listener(Settings("192.0.2.7", token=TOKEN))

    assert caught.value.remedy == "choose another --port, or --host"
