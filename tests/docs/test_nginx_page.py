"""The commands and the configuration of docs/how-to/behind-nginx.md work, and its limits are those of the service."""

from __future__ import annotations

import re
import shlex
import subprocess
import textwrap
from pathlib import Path

import pytest

from behind_nginx import NAME, NGINX, OPENSSL, WHOLE, configuration

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "behind-nginx.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(NGINX is None or OPENSSL is None, reason="nginx or openssl is not installed")
def test_nginx_accepts_the_configuration_with_the_certificate_of_the_page(tmp_path):
    make, install = [textwrap.dedent(text) for text in re.findall(r"^ *```sh\n(.*?)^ *```$", PAGE, re.M | re.S)][:2]
    subprocess.run(shlex.split(make.replace("\\\n", " ")), cwd=tmp_path, check=True, capture_output=True)
    placed = [line.split()[3] for line in install.splitlines()]
    assert placed == [f"{NAME}.pem", f"{NAME}.key"]
    site = configuration(tmp_path, 8443, 8000, *(tmp_path / name for name in placed))
    (tmp_path / "nginx.conf").write_text(WHOLE.format(folder=tmp_path, user="", site=site), encoding="utf-8")
    done = subprocess.run(
        [NGINX, "-t", "-e", tmp_path / "error.log", "-p", tmp_path, "-c", tmp_path / "nginx.conf"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_limits_of_nginx_are_those_of_the_service():
    from gadolin.server.settings import Limits

    assert f"client_max_body_size {Limits().max_request_bytes // 2**20}m;" in PAGE
    assert f"`--max-megabytes` of the service ({Limits().max_request_bytes // 2**20})" in PAGE
    assert f"more than {Limits().max_files:,} files" in PAGE
