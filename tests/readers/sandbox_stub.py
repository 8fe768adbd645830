"""A worker for sandbox tests that misbehaves like a compromised or broken decoder."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time
from pathlib import Path

import numpy as np

from gadolin.errors import DamagedFileError
from gadolin.readers.sandbox import child
from gadolin.readers.sandbox.messages import Message


def work(settings):
    """Return the stub; ``settings`` can make it fail at start or fix its behaviour."""
    if settings.get("fail"):
        raise RuntimeError

    def handle(facts, content):
        return _DOES[settings.get("always") or facts["do"]](facts, content)

    return handle


def _read(facts, content):
    return Message({"seen": facts.get("more")}, (np.frombuffer(content, np.uint8), np.arange(6.0).reshape(2, 3)))


def _abort(_facts, _content):
    os.abort()


def _fault(_facts, _content):
    ctypes.string_at(0)


def _hang(_facts, _content):
    while True:
        pass


def _sleep(_facts, _content):
    time.sleep(600)


def _eat(_facts, _content):
    return Message({}, (np.ones(2**30),))


def _write(facts, _content):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    Path(facts["path"]).write_bytes(b"x" * 10)


def _refuse(_facts, _content):
    raise DamagedFileError(code="stub", rule="a rule", got="got this", remedy="do that")


def _limits(_facts, _content):
    kinds = ("RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_CPU", "RLIMIT_AS")
    return Message({kind: resource.getrlimit(getattr(resource, kind))[1] for kind in kinds})


def _talk(_facts, _content):
    os.write(1, b"SECRET")
    os.write(2, b"SECRET")
    return Message({})


def _rubbish(facts, _content):
    """Make every later reply the given bytes."""
    child.send = lambda pipe, _message: pipe.write(bytes.fromhex(facts["bytes"]))
    return Message({})


_DOES = {name[1:]: do for name, do in list(globals().items()) if callable(do) and name.startswith("_")}
