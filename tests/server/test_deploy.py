"""Tests of the files in deploy/: they start the service with options that exist, and take its rights away."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from gadolin.cli.app import app

yaml = pytest.importorskip("yaml", reason="PyYAML comes with schemathesis")

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["gadolin"]
UNIT = DEPLOY / "gadolin.service"


def instructions(name):
    """Return the arguments of each instruction of that name in the Dockerfile."""
    return re.findall(rf"^{name} +(.+)$", DOCKERFILE, re.MULTILINE)


def unit():
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str
    parser.read(UNIT, encoding="utf-8")
    return parser


def parsed(words):
    """Parse a command line of gadolin serve without running it; return its values."""
    program, name, *options = words
    assert (Path(program).name, name) == ("gadolin", "serve")
    command = typer.main.get_command(app).commands["serve"]
    with command.make_context("serve", list(options)) as context:
        return context.params


COMMANDS = {
    "Dockerfile": lambda: json.loads(instructions("ENTRYPOINT")[0]) + json.loads(instructions("CMD")[-1]),
    "compose.yaml": lambda: json.loads(instructions("ENTRYPOINT")[0]) + COMPOSE["command"],
    "gadolin.service": lambda: shlex.split(unit()["Service"]["ExecStart"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_service_is_started_with_options_that_it_has(name):
    values = parsed(COMMANDS[name]())

    assert values["browser"] is False
    assert values["port"] == 8000
    assert values["host"] == ("127.0.0.1" if name == "gadolin.service" else "0.0.0.0")


def test_the_image_holds_the_extra_of_the_service_without_torch_and_runs_as_nobody():
    (install,) = [one for one in instructions("RUN") if "pip install" in one]
    assert '".[serve,hospital]"' in install
    assert "--no-cache-dir" in install
    assert instructions("USER") == ["10001:10001"]
    assert instructions("EXPOSE") == ["8000"]


def test_the_image_is_built_from_files_that_there_are():
    named = [word for one in instructions("COPY") if "--from" not in one for word in one.split()[:-1]]
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()

    assert [name for name in named if not (ROOT / name).exists()] == []
    assert {line.removeprefix("!") for line in kept if line.startswith("!")} == set(named)
    assert (DEPLOY / COMPOSE["build"]["context"] / COMPOSE["build"]["dockerfile"]).samefile(DEPLOY / "Dockerfile")


def test_the_health_check_asks_a_path_of_the_service(client):
    (check,) = re.findall(r"^HEALTHCHECK .*? CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    python, option, code = json.loads(check)

    assert (python, option) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")
    (path,) = re.findall(r"http://127\.0\.0\.1:8000(/\w+)", code)
    assert client.get(path, headers={"Host": "127.0.0.1:8000"}).status_code == 200


def test_the_container_can_write_nowhere_and_gain_nothing():
    assert COMPOSE["read_only"] is True
    assert COMPOSE["cap_drop"] == ["ALL"]
    assert COMPOSE["security_opt"] == ["no-new-privileges:true"]
    assert [one.partition(":")[0] for one in COMPOSE["tmpfs"]] == ["/tmp"]
    assert COMPOSE["environment"]["GADOLIN_TOKEN"].startswith("${GADOLIN_TOKEN:?")
    assert all(port.startswith("127.0.0.1:") for port in COMPOSE["ports"])


def test_the_unit_takes_rights_away():
    service = unit()["Service"]

    for key in ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictNamespaces"):
        assert service[key] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert (service["IPAddressDeny"], service["IPAddressAllow"]) == ("any", "localhost")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path):
    program = shutil.which("true")
    text = UNIT.read_text(encoding="utf-8").replace("/opt/gadolin/bin/gadolin", program)
    (tmp_path / UNIT.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / UNIT.name], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
