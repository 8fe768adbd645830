"""A real archive on this computer for tests: Orthanc, its DICOMweb plug-in and DCMTK, all of Debian."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.service.dicom_peers import free_port

__all__ = ["NEEDS_DICOMWEB", "NEEDS_ORTHANC", "Archive", "orthanc"]

_FOLDERS = "/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin"
_ORTHANC, _STORESCU = (shutil.which(name, path=_FOLDERS) for name in ("Orthanc", "storescu"))
_PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
_LONGEST_START = 30  # seconds

NEEDS_ORTHANC = pytest.mark.skipif(not (_ORTHANC and _STORESCU), reason="Orthanc and DCMTK are not installed")
NEEDS_DICOMWEB = pytest.mark.skipif(
    not (_ORTHANC and _STORESCU and _PLUGIN.exists()), reason="Orthanc, its DICOMweb plug-in or DCMTK is not installed"
)


class Archive:
    """A running Orthanc with the AE title ORTHANC.

    ``dicomweb`` loads the DICOMweb plug-in. ``modalities`` maps the symbolic name of each node that Orthanc may send to
    to its AE title and port on 127.0.0.1. ``lua`` is the text of a routing script. ``settings`` are further settings of
    Orthanc. An archive that was closed can be started again with the same content and ports.
    """

    def __init__(
        self,
        folder: Path,
        *,
        dicomweb: bool = False,
        modalities: Mapping[str, tuple[str, int]] | None = None,
        lua: str = "",
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self.folder, self.web, self.dicom = folder, free_port(), free_port()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "route.lua").write_text(lua)
        content = {
            "StorageDirectory": str(folder),
            "IndexDirectory": str(folder),
            "HttpPort": self.web,
            "DicomPort": self.dicom,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "Plugins": [str(_PLUGIN)] if dicomweb else [],
            "DicomWeb": {"Enable": dicomweb, "Root": "/dicom-web/"},
            "DicomModalities": {name: [title, "127.0.0.1", port] for name, (title, port) in (modalities or {}).items()},
            "LuaScripts": [str(folder / "route.lua")] if lua else [],
            **(settings or {}),
        }
        (folder / "orthanc.json").write_text(json.dumps(content))

    @property
    def url(self) -> str:
        """The address of Orthanc's own REST API."""
        return f"http://127.0.0.1:{self.web}"

    @property
    def dicomweb(self) -> str:
        """The address of its DICOMweb services."""
        return f"{self.url}/dicom-web"

    def start(self) -> None:
        """Start Orthanc and wait until it answers."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start Orthanc, which answers a little later; reaches no network, as fixtures of a module may not."""
        self._log = (self.folder / "log.txt").open("a")
        self.process = subprocess.Popen(
            [str(_ORTHANC), self.folder / "orthanc.json"], stdout=self._log, stderr=self._log
        )

    def wait(self) -> None:
        """Wait until Orthanc answers."""
        last = time.monotonic() + _LONGEST_START
        while time.monotonic() < last:
            try:
                self.read("system")
            except (urllib.error.URLError, ConnectionError):
                assert self.process.poll() is None, (self.folder / "log.txt").read_text()
                time.sleep(0.1)
            else:
                return
        pytest.fail("Orthanc did not start")

    def close(self) -> None:
        """End Orthanc; its content stays on disk."""
        self.process.terminate()
        self.process.wait(timeout=30)
        self._log.close()

    def read(self, path: str) -> object:
        """Return the JSON that the REST API has at ``path``."""
        with urllib.request.urlopen(f"{self.url}/{path}") as answer:
            return json.load(answer)

    def send(self, *files: Path | str) -> None:
        """Send files to the archive with DCMTK's storescu."""
        subprocess.run([str(_STORESCU), "-R", "127.0.0.1", str(self.dicom), *files], check=True, capture_output=True)

    def modalities(self) -> dict[str, int]:
        """Return the number of instances by modality."""
        found: Counter[str] = Counter()
        for series in self.read("series?expand"):
            found[series["MainDicomTags"]["Modality"]] += len(series["Instances"])
        return dict(found)

    def files(self) -> dict[str, bytes]:
        """Return the content of each instance by its SOP Instance UID."""
        found = {}
        for one in self.read("instances?expand"):
            with urllib.request.urlopen(f"{self.url}/instances/{one['ID']}/file") as answer:
                found[one["MainDicomTags"]["SOPInstanceUID"]] = answer.read()
        return found


@contextmanager
def orthanc(
    folder: Path,
    *,
    dicomweb: bool = False,
    modalities: Mapping[str, tuple[str, int]] | None = None,
    lua: str = "",
    settings: Mapping[str, object] | None = None,
) -> Iterator[Archive]:
    """Run an ``Archive`` during the block; the test needs the fixture ``loopback``."""
    archive = Archive(folder, dicomweb=dicomweb, modalities=modalities, lua=lua, settings=settings)
    try:
        archive.start()
        yield archive
    finally:
        archive.close()
