"""Start the service on a local port, with Debian's nginx in front of it, for tests."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
OPENSSL = shutil.which("openssl")
DOCUMENT = Path(__file__).parents[1] / "docs" / "how-to" / "behind-nginx.md"
NAME = "scans.example.org"
WHOLE = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
{user}
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  scgi_temp_path {folder}/scgi;
  uwsgi_temp_path {folder}/uwsgi;
{site}
}}
"""


@dataclass(frozen=True)
class Nginx:
    """A running nginx: its port, its folder and its certificate."""

    port: int
    folder: Path

    @property
    def errors(self) -> str:
        """The error log of nginx."""
        return (self.folder / "error.log").read_text(encoding="utf-8", errors="replace")


@contextlib.contextmanager
def serving(predictor, settings):
    """Run the service in a thread; yields its port."""
    import uvicorn

    from gadolin.server.app import create_app

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            create_app(predictor, settings), log_config=None, access_log=False, timeout_graceful_shutdown=2
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the service did not start"
            time.sleep(0.02)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(20)


def documented(folder, port, upstream):
    """Return the documented configuration with local paths filled in, and make its certificate."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        [
            OPENSSL, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
            "-keyout", key, "-out", certificate,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return configuration(folder, port, upstream, certificate, key)


def configuration(folder, port, upstream, certificate, key):
    """Return the documented configuration with local ports and paths; it logs into ``folder``."""
    block = r"^( *)```nginx\n(.*?)^\1```"
    ((_, text),) = re.findall(block, DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    places = {
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "listen [::]:443 ssl http2;": "",
        f"/etc/ssl/certs/{NAME}.pem": certificate,
        f"/etc/ssl/private/{NAME}.key": key,
        "/var/log/nginx/gadolin.log": folder / "access.log",
        "http://127.0.0.1:8000;": f"http://127.0.0.1:{upstream};",
    }
    for documented_place, own in places.items():
        assert text.count(documented_place) == 1, f"{documented_place} must occur once in the document"
        text = text.replace(documented_place, str(own))
    return text


@contextlib.contextmanager
def nginx(folder, site):
    """Run nginx with ``site(port)`` on a free port; all its files are below ``folder``."""
    folder.mkdir(exist_ok=True)
    for _ in range(5):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        user = "user root;" if os.geteuid() == 0 else ""
        whole = folder / "nginx.conf"
        whole.write_text(WHOLE.format(folder=folder, user=user, site=site(port)), encoding="utf-8")
        process = subprocess.Popen(
            [NGINX, "-e", folder / "error.log", "-p", folder, "-c", whole],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        pid = folder / "nginx.pid"
        while process.poll() is None and not (pid.exists() and pid.read_text()):
            time.sleep(0.02)  # nginx writes its pid file once it listens
        if process.poll() is None:
            break
    else:
        raise AssertionError((folder / "error.log").read_text())
    try:
        yield Nginx(port, folder)
    finally:
        process.terminate()
        process.wait(20)
