"""Switches off the telemetry of packages before they are imported, so that nothing leaves the machine.

They report from native code, threads and child processes, where no hook of ours would see it:

- onnxruntime (1.29 and later, on Linux too) writes a device id and a queue of events when it is imported, and looks up
  and connects to mobile.events.data.microsoft.com a few seconds later. It reads its switch once, at that import.
- huggingface_hub adds what is installed to its requests and fetches a list of agents; it reads its switch at import.
- openvino sends an event to www.google-analytics.com at every import and writes a client id; no variable stops it, but
  without its package openvino_telemetry, which is optional, it has nothing to report with.
"""

from __future__ import annotations

import os
import sys
from threading import Lock
from typing import Any

__all__ = ["SWITCHES", "import_onnxruntime", "import_openvino", "switch_off"]

SWITCHES = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""Variables that the packages document; child processes inherit them."""

_ON = {"1", "true", "yes", "on", "y"}  # values that onnxruntime reads as yes
_REPORTER = "openvino_telemetry"
_SETTLED: set[str] = set()
"""Packages that were warned of, or imported here."""
_IMPORTING = Lock()


def switch_off() -> None:
    """Set the switches, whatever they were set to, and warn once of a package that was imported before.

    Importing ``gadolin`` does this; to call it again changes nothing.
    """
    late = "onnxruntime" in sys.modules and os.environ.get("ORT_DISABLE_TELEMETRY", "").strip().lower() not in _ON
    os.environ.update(SWITCHES)
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is not None:  # imported before; the constant is read at each request
        vars(constants)["HF_HUB_DISABLE_TELEMETRY"] = True
    if late:
        _warn("onnxruntime", "import gadolin first, or set ORT_DISABLE_TELEMETRY=1 before the program starts")


def import_onnxruntime() -> Any:
    """Return onnxruntime with its events switched off, also where it was imported before the switch was set."""
    switch_off()
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime


def import_openvino() -> Any:
    """Return openvino, imported without the package that reports, and warn once where it was imported before.

    Raises ImportError where it is not installed.
    """
    modules: dict[str, Any] = sys.modules
    with _IMPORTING:
        if "openvino" in modules and modules.get(_REPORTER) is not None:
            _warn("openvino", "load the model first, or run opt_in_out --opt_out once")
        before = {_REPORTER: modules[_REPORTER]} if _REPORTER in modules else {}
        modules[_REPORTER] = None  # an import of it fails, and openvino uses a stub instead
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
    import logging  # not before it is needed: importing gadolin costs next to nothing

    logging.getLogger("gadolin").warning(
        "%s was imported before gadolin could switch its telemetry off, so it may send data from this process; %s",
        package,
        remedy,
    )
