"""Derive patient ids from files, folders or file names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gadolin.errors import DataError
from gadolin.readers.contents import Contents
from gadolin.readers.pseudonyms import pseudonym

__all__ = ["PatientRule"]

_BIDS = r"(?:^|[/_])sub-([A-Za-z0-9]+)"


@dataclass(frozen=True)
class PatientRule:
    """Rule that derives the patient of a file below ``root``.

    ``given`` is "parent" (name of the parent folder), "dicom" (PatientID, hashed with the local key), "bids" (sub-XX in
    the path), or a regular expression with one group, searched in the path below ``root``. None uses the patient stored
    in the file, if any.
    """

    root: Path
    given: str | None

    def of(self, path: Path, class_folder: str, contents: Contents) -> str:
        """Return the patient of a file, or an empty string; raises DataError if the rule finds none."""
        if self.given is None:
            return contents.patient
        if self.given == "dicom":
            if contents.kind != "DICOM" or not contents.patient:
                got = "no DICOM file" if contents.kind != "DICOM" else "one without it"
                raise DataError(
                    code="patient_rule_unfit",
                    rule="--patient-from dicom needs DICOM files with a PatientID",
                    got=f"{path} is {got}",
                    remedy="choose another rule",
                )
            return contents.patient
        if self.given == "parent":
            if path.parent.name == class_folder:
                raise DataError(
                    code="patient_rule_unfit",
                    rule=f"--patient-from parent needs a folder per patient in {class_folder}/",
                    got=f"{path} is directly in it",
                    remedy="choose another rule",
                )
            return self._written(path.parent.name, contents)
        found = self._pattern.search(path.relative_to(self.root).as_posix())
        if found is None or self._pattern.groups != 1 or not found.group(1):
            what = "sub-XX" if self.given == "bids" else repr(self.given)
            raise DataError(
                code="patient_rule_matches_nothing",
                rule="--patient-from must match every path with one group",
                got=f"{what} finds no patient in {path}",
                remedy="correct it",
            )
        return self._written(found.group(1), contents)

    def _written(self, name: str, contents: Contents) -> str:
        """Return the patient name for output: hashed if the file is clinical."""
        return pseudonym(name) if contents.clinical else name

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        try:
            return re.compile(_BIDS if self.given == "bids" else self.given or "")
        except re.error as error:
            rule = "--patient-from must be parent, dicom, bids or a regular expression"
            raise DataError(
                code="patient_rule_invalid", rule=rule, got=f"got {self.given!r} ({error})", remedy="correct it"
            ) from error
