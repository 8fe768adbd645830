from __future__ import annotations

import pytest

from gadolin.workflows.audit import audit


@pytest.fixture(scope="session")
def audit_json(small_phantoms):
    """Return the JSON of the audit of the small phantoms."""
    return audit(small_phantoms).as_json()
