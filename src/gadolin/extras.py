"""The pip command that installs a missing package, directly or through an extra of Gadolin."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

__all__ = ["distribution_of", "extra_command", "install_command"]

_DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "faiss": "faiss-cpu",
    "markdown_it": "markdown-it-py",
    "multipart": "python-multipart",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}
"""Distributions whose name differs from that of the module."""
_EVERYTHING = ("all", "dev")
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(?P<bounds>[^;]*)(?:;.*\bextra\s*==\s*[\"'](?P<extra>[\w-]+)[\"'])?")


def distribution_of(module: str) -> str:
    """Return the distribution of a module, such as "faiss-cpu" for "faiss.contrib"."""
    top = module.partition(".")[0]
    return _DISTRIBUTIONS.get(top, top).replace("_", "-")


def install_command(package: str, extra: str = "") -> str:
    """Return the pip command that installs ``package``, a distribution.

    It installs ``extra`` if that requires the package, or if no extra does; else the smallest extra that requires it,
    directly or indirectly; else the package alone.
    """
    own, extras = _required()
    name = _normal(package)
    if name in own:
        return f'pip install "{own[name]}"'
    if _brings(set(own), name):
        return f"pip install {package}"
    bringing = {each: len(names) for each, names in extras.items() if name in names and each not in _EVERYTHING}
    if not bringing:
        through = {each for each in extras if each not in _EVERYTHING and _brings(extras[each], name)}
        bringing = {each: len(extras[each]) for each in through}
    if extra and (extra in bringing or not bringing):
        return extra_command(extra)
    if bringing:
        return extra_command(min(bringing, key=lambda each: (bringing[each], each)))
    wanted = any(name in names for names in extras.values())
    return extra_command("dev") if wanted else f"pip install {package}"


def extra_command(extra: str) -> str:
    """Return the pip command that installs an extra of Gadolin, into a checkout if Gadolin runs from one."""
    checkout = _checkout()
    if checkout is None:
        return f'pip install "gadolin[{extra}]"'
    here = checkout.resolve() == Path.cwd().resolve()
    return f'pip install -e "{"." if here else checkout}[{extra}]"'


def _checkout() -> Path | None:
    """Return the folder that Gadolin was installed from with ``pip install -e``, if it was."""
    from importlib import metadata  # deferred: slow imports
    from urllib.parse import unquote, urlsplit

    try:
        origin = json.loads(metadata.distribution("gadolin").read_text("direct_url.json") or "{}")
        path = unquote(urlsplit(origin["url"]).path)
        folder = Path(path.removeprefix("/") if os.name == "nt" else path)
    except (metadata.PackageNotFoundError, KeyError, ValueError):
        return None
    return folder if origin.get("dir_info", {}).get("editable") else None


def _required(package: str = "gadolin") -> tuple[dict[str, str], dict[str, set[str]]]:
    """Return the requirements of a package by name, and those of each extra; both empty if it is not installed.

    Requirements under conditions other than an extra count as required.
    """
    from importlib import metadata  # deferred: a slow import

    own: dict[str, str] = {}
    extras: dict[str, set[str]] = {}
    try:
        lines = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return own, extras
    for line in lines:
        found = _REQUIREMENT.match(line)
        assert found is not None, "a requirement begins with a name"
        name = _normal(found["name"])
        if found["extra"]:
            extras.setdefault(found["extra"], set()).add(name)
        else:
            own[name] = found["name"] + found["bounds"].strip()
    return own, extras


def _brings(names: set[str], wanted: str) -> bool:
    """Return whether one of the packages requires ``wanted``, directly or through installed packages."""
    seen: set[str] = set()
    waiting = sorted(names)
    while waiting:
        one = waiting.pop()
        if one == wanted:
            return True
        if one not in seen:
            seen.add(one)
            waiting += sorted(_required(one)[0])
    return False


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
