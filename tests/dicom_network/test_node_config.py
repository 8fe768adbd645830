"""The configuration of a DICOM node."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from gadolin.dicom_network.config import read_config
from gadolin.errors import RequestError

SMALLEST = """
spool = "spool"
[[callers]]
ae_title = "ARCHIVE"
address = "10.1.0.0/16"
[[destinations]]
name = "archive"
ae_title = "ARCHIVE"
address = "10.1.2.3"
port = 104
"""


def written(folder, text):
    path = folder / "node.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_defaults_listen_on_the_loopback_address_only(tmp_path):
    config = read_config(written(tmp_path, SMALLEST))

    assert config.listen.address == ip_address("127.0.0.1")
    assert config.listen.ae_title == "GADOLIN"
    assert config.listen.metrics_port is None
    assert config.callers[0].address == ip_network("10.1.0.0/16")
    assert config.series.sequences == ()


def test_paths_start_from_the_folder_of_the_configuration(tmp_path):
    (tmp_path / "token").write_text("secret")
    web = '[[destinations]]\nname = "web"\nurl = "https://archive/dicom-web"\ntoken_file = "token"\n'

    config = read_config(written(tmp_path, SMALLEST + web))

    assert config.spool == tmp_path / "spool"
    assert config.destinations[1].token_file == tmp_path / "token"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("[listen]\nport = 70000", "listen.port: Input should be less than or equal to 65535"),
        ("[listen]\nprot = 104", "listen.prot: Extra inputs are not permitted"),
        ('[listen]\nae_title = "A-TITLE-THAT-IS-TOO-LONG"', "listen.ae_title: String should match pattern"),
        ('[listen]\nae_title = "BACK\\\\SLASH"', "listen.ae_title: String should match pattern"),
        ('[listen]\naddress = "0.0.0.0"', "listen: an address that other computers reach needs listen.tls"),
        ('[series]\nsequences = ["T9"]', "series: sequences may hold T1, T1c, T2, FLAIR, PD"),
        ("[series]\nwait_seconds = 0", "series.wait_seconds: Input should be greater than 0"),
        ("[series]\nwait_seconds = inf", "series.wait_seconds: Input should be a finite number"),
        ('[[callers]]\nae_title = "X"\naddress = "hospital"', "callers.1.address"),
        ('[[destinations]]\nname = "archive"\nurl = "https://a/b"', "each destination needs a name of its own"),
        ('[[destinations]]\nname = "b"\nae_title = "B"', "a destination needs ae_title, address and port"),
        ('[[destinations]]\nname = "b"\nurl = "https://a"\nport = 4', "a destination with url takes token_file"),
        ('[[destinations]]\nname = "b"\nurl = "https://a"\ntoken_file = "none"', "token_file must be an existing file"),
        ("[listen", "the configuration must be TOML in UTF-8"),
    ],
)
def test_a_wrong_value_is_one_clear_line(tmp_path, change, message):
    with pytest.raises(RequestError) as caught:
        read_config(written(tmp_path, f"{SMALLEST}\n{change}\n"))

    assert caught.value.code == "node_config_invalid"
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("missing", ["callers", "destinations"])
def test_callers_and_destinations_are_needed(tmp_path, missing):
    sections = SMALLEST.split("[[")
    text = "[[".join(one for one in sections if not one.startswith(missing))

    with pytest.raises(RequestError, match=f"{missing}: Field required"):
        read_config(written(tmp_path, text))


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(RequestError, match="the configuration must be a readable file, No such file"):
        read_config(tmp_path / "none.toml")


def test_text_that_is_not_utf_8_is_reported(tmp_path):
    path = tmp_path / "node.toml"
    path.write_bytes(b'spool = "\xff"')

    with pytest.raises(RequestError, match="must be TOML in UTF-8"):
        read_config(path)


def test_other_computers_reach_it_only_when_the_configuration_allows_it(tmp_path):
    config = read_config(written(tmp_path, SMALLEST + '[listen]\naddress = "0.0.0.0"\nunencrypted = true\n'))

    assert not config.listen.address.is_loopback
