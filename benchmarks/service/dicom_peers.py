"""The other sides of a DICOM node in its benchmarks: phantom series, a process of the node, an archive, a sender."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.presentation import AllStoragePresentationContexts
from pynetdicom.sop_class import EnhancedMRImageStorage, MRImageStorage

from gadolin.dicom_network.sending import close
from gadolin.dicom_results.objects import images_of
from gadolin.phantoms import draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.server.phantoms import EXAMPLES

LOOPBACK = "127.0.0.1"
NODE, ARCHIVE, SENDER = "GADOLIN", "ARCHIVE", "SENDER"
_START_SECONDS = 60.0
_MR = (MRImageStorage, EnhancedMRImageStorage)
_IMAGE_LIBRARY = "111028"


def free_port() -> int:
    """Return a TCP port of the loopback address that no one listens on."""
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        return int(server.getsockname()[1])


def phantom_series(folder: Path, number: int, slices: int, size: int = 256) -> list[Path]:
    """Write a phantom series of its own study; return its files.

    All show the patient whose tumour the packaged model names and marks in each slice of 256 pixels.
    """
    folder.mkdir(parents=True)
    drawn = draw_patient(EXAMPLES[0].label, EXAMPLES[0].seed, slices=slices, size=size)
    root, paths = f"1.2.826.0.1.3680043.8.498.20.{number}", []
    for place, one in enumerate(drawn):
        more = {"StudyInstanceUID": f"{root}.1", "InstanceNumber": place + 1, "SOPInstanceUID": f"{root}.3.{place}"}
        facts = DicomFacts(position=(0.0, 0.0, 5.0 * place), series=f"{root}.2", more=more)
        paths.append(folder / f"{place:04d}.dcm")
        paths[-1].write_bytes(dicom_bytes(np.asarray(one.pixels, np.uint16) * 4, facts))
    return paths


class NodeProcess:
    """``gadolin node`` as a process, which can be killed and started again."""

    def __init__(self, folder: Path, archives: Sequence[int], config: Mapping[str, Mapping[str, object]]) -> None:
        """Configure a node that sends to archives at these ports; ``config`` are further tables."""
        self.port, self.metrics_port, self.spool = free_port(), free_port(), folder / "spool"
        self._path, self._log = folder / "node.toml", folder / "node.log"
        listen = {"port": self.port, "metrics_port": self.metrics_port, **config.get("listen", {})}
        limits = {"free_bytes": 0, **config.get("limits", {})}
        lines = [f"spool = {json.dumps(str(self.spool))}"]
        for name, table in {"listen": listen, "series": config.get("series", {}), "limits": limits}.items():
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        lines += ["[[callers]]", f'ae_title = "{SENDER}"', f'address = "{LOOPBACK}"']
        for number, port in enumerate(archives, 1):
            lines += ["[[destinations]]", f'name = "archive{number}"', f'ae_title = "{ARCHIVE}"']
            lines += [f'address = "{LOOPBACK}"', f"port = {port}"]
        self._path.write_text("\n".join([*lines, ""]))

    def start(self, *, wait: bool = True) -> None:
        """Start the process, and wait until it listens."""
        command = [sys.executable, "-m", "gadolin", "node", "--config", str(self._path)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        last = time.monotonic() + _START_SECONDS
        while wait and time.monotonic() < last:
            if self.is_listening():
                return
            if self.process.poll() is not None:
                sys.exit(f"the node ended: {self.log()[-2000:]}")
            time.sleep(0.05)

    def is_listening(self) -> bool:
        """Return whether the node accepts connections."""
        with suppress(OSError), socket.create_connection((LOOPBACK, self.port), 1):
            return True
        return False

    def kill(self) -> None:
        """Kill the process, as kill -9 does; the processes that it started end by themselves."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End the process in good order."""
        self.process.terminate()
        self.process.wait(60)

    def log(self) -> str:
        """Return what the node has printed."""
        return self._log.read_text(errors="replace")

    def held(self) -> tuple[int, int]:
        """Return the numbers of threads and of open files of the node."""
        place = Path(f"/proc/{self.process.pid}")
        return sum(1 for _ in (place / "task").iterdir()), sum(1 for _ in (place / "fd").iterdir())

    def kept(self) -> int:
        """Return the number of series in the spool."""
        return sum(1 for _ in self.spool.glob("studies/*/*"))

    def memory(self) -> float:
        """Return the resident memory of the node and of the processes that it started, in MiB."""
        found = [self.process.pid, *_children(self.process.pid)]
        return sum(_resident(one) for one in found)


class Archive:
    """An archive that keeps the objects it gets by their UID; a second one with the same UID and bytes adds nothing."""

    def __init__(self, port: int = 0, classes: Sequence[str] | None = None) -> None:
        """Listen on a port, or any; accept all storage classes, or some."""
        self.refuses = ""  # the UID of a study whose objects it refuses
        self.objects: dict[str, bytes] = {}
        self.repeated = self.contradicted = 0
        self._lock = threading.Lock()
        entity = AE(ARCHIVE)
        for one in classes or [str(each.abstract_syntax) for each in AllStoragePresentationContexts]:
            entity.add_supported_context(one)
        handlers: list[Any] = [(evt.EVT_C_STORE, self._store)]
        server = entity.start_server((LOOPBACK, port), block=False, evt_handlers=handlers)
        assert server is not None, "it runs in the background"
        self._server, self.port = server, int(server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()

    def reports(self) -> dict[str, frozenset[str]]:
        """Return the images of each report that no note rejects."""
        found = [dcmread(_file(one), stop_before_pixels=True) for one in list(self.objects.values())]
        rejected = {uid for one in found if one.Modality == "KO" for uid in images_of(one)}
        reports = [one for one in found if one.Modality == "SR" and one.SOPInstanceUID not in rejected]
        return {str(one.SOPInstanceUID): frozenset(_answered(one)) for one in reports}

    def count(self, modality: str) -> int:
        """Return the number of objects of a modality."""
        found = [dcmread(_file(one), specific_tags=["Modality"]) for one in list(self.objects.values())]
        return sum(one.Modality == modality for one in found)

    def _store(self, event: evt.Event) -> int:
        content = event.encoded_dataset()
        if self.refuses and self.refuses.encode() in content:
            return 0x0110
        uid = str(event.request.AffectedSOPInstanceUID)
        with self._lock:
            known = self.objects.setdefault(uid, content)
            if known is not content:
                self.repeated += 1
                self.contradicted += known != content
        return 0


def send(port: int, path: Path) -> bool:
    """Send one image in an association of its own; return whether it is acknowledged."""
    entity = AE(SENDER)
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
    image = dcmread(path)
    entity.add_requested_context(image.SOPClassUID, image.file_meta.TransferSyntaxUID)
    association = entity.associate(LOOPBACK, port, ae_title=NODE)
    try:
        return association.is_established and association.send_c_store(image).get("Status") == 0
    except (RuntimeError, ValueError, OSError):
        return False
    finally:
        close(association)


def _answered(report: Dataset) -> set[str]:
    """Return the UIDs of the MR images of the measurement groups."""
    found = (one.ReferencedSOPSequence[0] for one in _images(report))
    return {str(one.ReferencedSOPInstanceUID) for one in found if one.ReferencedSOPClassUID in _MR}


def _images(item: Dataset) -> list[Dataset]:
    """Return the items of type IMAGE, but for those of the image library."""
    found = []
    for one in item.get("ContentSequence", []):
        code = one.get("ConceptNameCodeSequence")
        if code and code[0].CodeValue == _IMAGE_LIBRARY:
            continue
        if one.ValueType == "IMAGE":
            found.append(one)
        found += _images(one)
    return found


def _file(content: bytes) -> Any:
    return io.BytesIO(content)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for one in map(int, task.read_text().split()):
                found += [one, *_children(one)]
    return found


def _resident(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0
