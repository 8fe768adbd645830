"""Tests of the page with axe, which knows the rules of accessibility (WCAG)."""

from __future__ import annotations

from pathlib import Path

import pytest
from dropping import answering, declined, named, picture, read, series, suspected

AXE = Path(__file__).with_name("axe.min.js")


def barriers(page):
    """Return what axe finds serious or critical."""
    page.add_script_tag(path=AXE)
    found = page.evaluate("() => axe.run()")
    return [
        (one["id"], [node["html"][:120] for node in one["nodes"]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_the_page_has_no_serious_barrier(width, scheme, make_page):
    page = make_page(color_scheme=scheme, bypass_csp=True, viewport={"width": width, "height": 900})
    assert not barriers(page)
    others = {"1.dcm": declined(), "2.dcm": suspected()}
    answering(page, lambda one: one.update(others.get(one["path"], named("glioma"))))
    read(page, [*series(4), *series(3, number=2, size=80), ("x.png", picture()), ("garbage.png", b"x")])
    page.click("#view-controls summary")
    page.click("#maps summary")
    assert not barriers(page)
    page.click("#side")
    assert not barriers(page)
    page.click("#rows tr:nth-child(2) button")
    page.wait_for_selector("#reason.declined")
    page.click("#card-open")
    assert not barriers(page)
