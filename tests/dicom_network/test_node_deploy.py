"""The files in deploy/ for the DICOM node: valid, and with commands and keys that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from gadolin.dicom_network.config import NodeConfig, read_config

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "gadolin-node.service"
SERVICE = DEPLOY / "gadolin.service"


def settings(path):
    """Return the lines of a unit that are not comments."""
    return {line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")}


def test_the_configuration_is_valid():
    config = read_config(DEPLOY / "node.toml")

    assert config.listen.address.is_loopback
    assert config.spool == Path("/var/lib/gadolin/spool")


def test_every_key_is_documented():
    text = (ROOT / "docs" / "node.md").read_text(encoding="utf-8")
    for name, field in NodeConfig.model_fields.items():
        keys = getattr(field.annotation, "model_fields", {})
        for key in keys:
            assert f"`{name}.{key}`" in text, f"{name}.{key}"
        assert keys or f"`{name}`" in text or f"`[[{name}]]`" in text, name


def test_the_documented_defaults_are_those_of_the_configuration():
    text = (ROOT / "docs" / "node.md").read_text(encoding="utf-8")
    config = NodeConfig.model_validate(tomllib.loads((DEPLOY / "node.toml").read_text(encoding="utf-8")))
    for key in ("wait_seconds", "longest_seconds", "keep_seconds"):
        (row,) = re.findall(rf"^\| `series\.{key}` .*\| (\d+) \|$", text, re.MULTILINE)
        assert float(row) == type(config.series).model_fields[key].default


def test_the_unit_takes_the_rights_away_that_that_of_the_service_takes():
    kept = {line for line in settings(SERVICE) if line.partition("=")[0] not in ("ExecStart", "EnvironmentFile")}
    changed = {"After", "Restart", "TimeoutStopSec", "TasksMax", "Description"}

    assert {line for line in kept - settings(UNIT) if line.partition("=")[0] not in changed} == set()


def test_the_unit_runs_the_command():
    commands = [line.partition("=")[2] for line in settings(UNIT) if line.startswith("ExecStart")]

    assert len(commands) == 2
    assert all("gadolin node --config /etc/gadolin/node.toml" in one for one in commands)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit_of_the_node(tmp_path):
    text = UNIT.read_text(encoding="utf-8").replace("/opt/gadolin/bin/gadolin", "/bin/true")
    (tmp_path / UNIT.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / UNIT.name], capture_output=True, text=True, check=False
    )

    assert (done.returncode, UNIT.name in done.stderr) == (0, False), done.stderr
