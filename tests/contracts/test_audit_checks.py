"""Each check of the audit has one function, one registry entry, one section in the docs and one test file."""

from __future__ import annotations

import re
from pathlib import Path

import gadolin
from gadolin.checks import CHECKS
from gadolin.checks.titles import TITLES

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "reference" / "checks.md").read_text(encoding="utf-8")


def test_every_function_that_makes_findings_is_in_the_registry():
    """A check is a public function in ``checks/`` that takes only the data set and returns findings."""
    files = (Path(gadolin.__file__).parent / "checks").glob("*.py")
    checks = re.compile(r"^def ([a-z]\w+)\(dataset: Dataset\) -> list\[Finding\]", re.MULTILINE)
    assert {name for path in files for name in checks.findall(path.read_text(encoding="utf-8"))} == set(CHECKS)


def test_every_check_is_that_of_its_function():
    assert {name: check.__name__ for name, check in CHECKS.items()} == {name: name for name in CHECKS}


def test_every_check_has_a_section():
    assert re.findall(r"^## (\w+)$", DOCUMENT, re.MULTILINE) == list(CHECKS.built_in)


def test_every_check_has_a_test_file():
    assert [name for name in CHECKS if not (ROOT / "tests" / "checks" / f"test_{name}.py").is_file()] == []


def test_every_check_has_a_title_on_the_page():
    assert set(CHECKS) <= set(TITLES)
