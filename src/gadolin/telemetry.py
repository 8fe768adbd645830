"""Disable the telemetry of packages before they are imported, so that no data leaves the machine.

They report from native code, threads and child processes, which Python hooks cannot intercept:

- onnxruntime (1.29 and later, on Linux too) writes a device id and a queue of events when it is imported, and looks up
  and connects to mobile.events.data.microsoft.com a few seconds later. It reads its switch once, at that import.
- huggingface_hub adds the installed packages to its requests and fetches a list of agents; it reads its switch at
  import.
- openvino sends an event to www.google-analytics.com at every import and writes a client id. No variable disables
  this, but it cannot report without its optional package openvino_telemetry.
"""

from __future__ import annotations

import os
import sys
from threading import Lock
from typing import Any

__all__ = ["SWITCHES", "import_onnxruntime", "import_openvino", "switch_off"]

SWITCHES = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""Variables that the packages document; child processes inherit them."""

_ON = {"1", "true", "yes", "on", "y"}  # values that onnxruntime treats as true
_REPORTER = "openvino_telemetry"
_SETTLED: set[str] = set()
"""Packages that were warned about, or imported here."""
_IMPORTING = Lock()


def switch_off() -> None:
    """Set the switches, and warn once about a package that was imported before.

    Importing ``gadolin`` calls this; further calls have no effect.
    """
    late = "onnxruntime" in sys.modules and os.environ.get("ORT_DISABLE_TELEMETRY", "").strip().lower() not in _ON
    os.environ.update(SWITCHES)
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None:  # already imported; the constant is read at each request
        vars(constants)["HF_HUB_DISABLE_TELEMETRY"] = True
    if late:
        _warn("onnxruntime", "import gadolin first, or set ORT_DISABLE_TELEMETRY=1 before the program starts")


def import_onnxruntime() -> Any:
    """Return onnxruntime with telemetry events disabled, even if it was imported before the switch was set."""
    switch_off()
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


def import_openvino() -> Any:
    """Return openvino, imported without its telemetry package; warn once if it was imported before.

    Raises ImportError if it is not installed.
    """
    modules: dict[str, Any] = sys.modules
    with _IMPORTING:
        if "openvino" in modules and modules.get(_REPORTER) is not None:
            _warn("openvino", "load the model first, or run opt_in_out --opt_out once")
        before = {_REPORTER: modules[_REPORTER]} if _REPORTER in modules else {}
        modules[_REPORTER] = None  # its import fails, and openvino falls back to a stub
        try:
            import openvino
        finally:
            del modules[_REPORTER]
            modules.update(before)
        _SETTLED.add("openvino")
    return openvino


def _warn(package: str, remedy: str) -> None:
    if package in _SETTLED:
        return
    _SETTLED.add(package)
    import logging  # deferred: importing gadolin must stay fast

    logging.getLogger("gadolin").warning(
        "%s was imported before gadolin could disable its telemetry and may send data from this process; %s",
        package,
        remedy,
    )
