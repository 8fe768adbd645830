"""The response with DICOM objects: a ZIP archive, or the parts that DICOMweb sends."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from gadolin.dicom_results.multipart import Parts
from gadolin.server.object_maker import MadeObject

__all__ = ["SUMMARY_HEADER", "related_response", "zip_response"]

SUMMARY_HEADER = "Gadolin-Results"
"""Header of a response without results.json: its fields as JSON, but without lists, which hold names of files."""
_DOCUMENT = "results.json"
_FILE_NAME = "gadolin-results.zip"  # the same for every patient
_TIME = (1980, 1, 1, 0, 0, 0)  # equal results give equal archives
_LISTS = ("errors", "left_out")
_VARY = {"Vary": "Accept"}


def zip_response(document: dict[str, Any], objects: Sequence[MadeObject]) -> Response:
    """Return a ZIP archive of the objects and results.json, which holds ``document`` and lists the objects."""
    listed = [one.entry.as_json() for one in objects]
    whole = json.dumps({**document, "objects": listed}, indent=2, ensure_ascii=False).encode("utf-8", "replace")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in ((_DOCUMENT, whole), *((str(one.entry.path), one.content) for one in objects)):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, content)
    headers = _VARY | {"Content-Disposition": f'attachment; filename="{_FILE_NAME}"'}
    return Response(out.getvalue(), 200, headers, "application/zip")


def related_response(document: dict[str, Any], objects: Sequence[MadeObject]) -> Response:
    """Return the objects as parts of multipart/related, with ``document`` as the header ``SUMMARY_HEADER``.

    The lists of files are left out; their counts by code stay.
    """
    parts = Parts([one.content for one in objects])
    summary = {name: value for name, value in document.items() if name not in _LISTS}
    headers = _VARY | {SUMMARY_HEADER: json.dumps(summary)}  # in ASCII, without line ends
    return Response(b"".join(parts), 200, headers, parts.content_type)
