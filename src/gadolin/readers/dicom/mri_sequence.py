"""MRI sequence of a DICOM frame from its scan parameters, not from its description.

The limits follow radiological practice (Bernstein, King and Zhou, "Handbook of MRI Pulse Sequences", 2004): a spin
echo with short echo and repetition times is T1-weighted, with long ones T2-weighted, with a short echo and a long
repetition time proton-density-weighted; a long inversion time that suppresses fluid makes a FLAIR.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydicom.dataset import Dataset

from gadolin.readers.dicom.functional_groups import fact, first_texts
from gadolin.readers.dicom.values import items, texts

__all__ = ["sequence_of"]

_SHORT_ECHO, _LONG_ECHO = 35.0, 60.0  # ms
_SHORT_REPETITION, _LONG_REPETITION = 1200.0, 1800.0  # ms
_GRADIENT_ECHO, _GRADIENT_REPETITION = 10.0, 800.0  # ms, of a spoiled gradient echo with T1 weighting
_FLUID_DARK = (1500.0, 3000.0)  # ms of inversion
_TISSUE_DARK = (300.0, 1400.0)  # ms of inversion, as in MPRAGE and T1 FLAIR
_NO_AGENT = frozenset({"", "NO", "NONE", "N", "0", "NO CONTRAST", "WITHOUT"})
_AGENT_IN_WORDS = re.compile(r"\+ ?c\b|\bgad|\bgd\b|\bpost\b|\bce\b|contrast|\bt1c\b|\bkm\b", re.IGNORECASE)
_WITHOUT_IN_WORDS = re.compile(r"\bpre\b|without|non.?contrast|\bnativ", re.IGNORECASE)
_OTHER_WEIGHTING = re.compile(
    r"diff|dwi|\badc\b|trace|perf|\bdsc\b|\bdce\b|\basl\b|swi|swan|\btof\b|angio|\bmra\b|fmri|bold|\bmip\b|t2\*|fiesta|ciss",
    re.IGNORECASE,
)


def sequence_of(dataset: Dataset, facts: Sequence[Dataset]) -> str:
    """Return "T1", "T1c", "T2", "FLAIR" or "PD" for the frame of ``facts``, or "" if unknown.

    Uses echo, repetition and inversion times (ms), the kind of echo and the contrast agent. Diffusion, perfusion,
    angiography and susceptibility return "". The description decides only whether a contrast agent was given, and only
    if the field for it is missing.
    """
    frame = list(facts)
    words = " ".join(
        [*texts(dataset, "SeriesDescription"), *texts(dataset, "ProtocolName"), *first_texts(frame, "SequenceName")]
    )
    scanned = {
        one.upper() for one in (*first_texts(frame, "ScanningSequence"), *first_texts(frame, "EchoPulseSequence"))
    }
    b_value = fact(frame, "DiffusionBValue", 1)
    if _OTHER_WEIGHTING.search(words) or "EP" in scanned or (b_value is not None and b_value[0] > 0):
        return ""
    weighting = _weighting(_echo(frame), _first(frame, "RepetitionTime"), _inversion(frame), _is_gradient(scanned))
    return "T1c" if weighting == "T1" and _with_agent(dataset, words) else weighting


def _weighting(echo: float, repetition: float, inversion: float, is_gradient: bool) -> str:
    """Return the weighting from times in ms; 0 means unknown."""
    if echo <= 0:
        return ""
    if _FLUID_DARK[0] <= inversion <= _FLUID_DARK[1] and echo >= _LONG_ECHO:
        return "FLAIR"
    if _TISSUE_DARK[0] <= inversion <= _TISSUE_DARK[1]:
        return "T1" if echo < _SHORT_ECHO else ""
    if inversion > 0:
        return ""
    if is_gradient:
        return "T1" if echo <= _GRADIENT_ECHO and 0 < repetition <= _GRADIENT_REPETITION else ""
    if echo < _SHORT_ECHO and 0 < repetition <= _SHORT_REPETITION:
        return "T1"
    if repetition < _LONG_REPETITION:
        return ""
    return "PD" if echo < _SHORT_ECHO else "T2" if echo >= _LONG_ECHO else ""


def _is_gradient(scanned: set[str]) -> bool:
    return bool(scanned & {"GR", "GRADIENT"}) and not scanned & {"SE", "SPIN", "BOTH"}


def _with_agent(dataset: Dataset, words: str) -> bool:
    """Return whether a contrast agent was given: the header's field, else the description."""
    agents = texts(dataset, "ContrastBolusAgent")
    if agents:
        return " ".join(agents).upper() not in _NO_AGENT
    if items(dataset, "ContrastBolusAgentSequence"):
        return True
    return bool(_AGENT_IN_WORDS.search(words)) and not _WITHOUT_IN_WORDS.search(words)


def _echo(frame: list[Dataset]) -> float:
    return _first(frame, "EffectiveEchoTime") or _first(frame, "EchoTime")


def _inversion(frame: list[Dataset]) -> float:
    return _first(frame, "InversionTime") or _first(frame, "InversionTimes")


def _first(frame: list[Dataset], name: str) -> float:
    found = fact(frame, name, 1)
    return found[0] if found else 0.0
