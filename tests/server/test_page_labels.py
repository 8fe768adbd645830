"""The page names classes without a lesion as the package does."""

from __future__ import annotations

import re
from pathlib import Path

import gadolin
from gadolin.datasets.labels import _ALIASES, is_without_lesion

SCRIPT = (Path(gadolin.__file__).parent / "server" / "page" / "labels.js").read_text(encoding="utf-8")


def test_the_page_knows_the_spellings_of_the_package():
    (listed,) = re.findall(r"new Set\(\[(.*?)\]\)", SCRIPT)
    names = set(re.findall(r'"(\w+)"', listed))
    assert names == {"notumor", *_ALIASES["notumor"]}
    assert all(map(is_without_lesion, names))
