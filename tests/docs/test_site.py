"""Tests of the documentation site: it builds without a warning, is complete, and needs no network."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import zlib
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

import gadolin
from gadolin.records import NOTICE

NEEDED = {"docs": ("sphinx", "furo", "myst_nb", "sphinx_copybutton"), "train": ("torch",), "hospital": ("highdicom",)}
for extra, names in NEEDED.items():
    for name in names:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: the extra {extra} brings it", allow_module_level=True)

pytestmark = pytest.mark.slow
DOCS = Path(__file__).parents[2] / "docs"
AXE = DOCS.parent / "tests" / "browser" / "axe.min.js"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
TUTORIALS = sorted(path.stem for path in (DOCS / "tutorials").glob("*.md") if path.stem != "index")
REMOTE = re.compile(r"(?:https?:)?//", re.IGNORECASE)
LOADED = re.compile(r"""url\(\s*['"]?((?:https?:)?//[^)]*)|@import\s+['"]?((?:https?:)?//\S*)""", re.IGNORECASE)
KINDS = (
    "index",
    "explanation/leakage",
    "tutorials/first-prediction",
    "measured/new-patients",
    "notebooks/founding-workflow",
    "commands",
    "reference/python-explanation",
    "reference/http",
    "search",
)
"""A page of each kind; two plain ones first."""
OPEN_FOLDS = "() => document.querySelectorAll('details').forEach(one => { one.open = true; })"
IS_STILL = """
() => document.readyState === 'complete' && document.getAnimations().every(one => one.playState !== 'running')
"""
NOTEBOOK = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

"""


class Page(HTMLParser):
    """The anchors of a page, where its links lead, and the addresses that it loads by itself."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.loads = set(), [], LOADED.findall(text)
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = {name: value for name, value in attrs if value}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a":
            self.links += [found["href"]] if "href" in found else []
            return
        self.loads += [
            found[each] for each in ("src", "href", "srcset", "data", "poster", "xlink:href") if each in found
        ]


def build(source, out):
    command = [sys.executable, "-m", "sphinx", "--jobs", "2", "--fail-on-warning", "--keep-going", "--quiet"]
    return subprocess.run(
        [*command, "-c", DOCS, "-d", out / "doctrees", source, out / "html"], capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    return build(DOCS, out), out / "html"


@pytest.fixture(scope="module")
def pages(built):
    """Every page of the site by its path."""
    found = {path.relative_to(built[1]).as_posix(): path for path in sorted(built[1].rglob("*.html"))}
    return {name: Page(path.read_text(encoding="utf-8")) for name, path in found.items()}


def test_the_site_builds_without_a_warning(built):
    done, _ = built
    assert done.returncode == 0, done.stderr


def test_every_public_name_has_an_entry(built):
    content = (built[1] / "objects.inv").read_bytes().split(b"\n", 4)[4]
    entries = re.findall(r"^gadolin\.(\w+) py:(\w+) ", zlib.decompress(content).decode(), re.MULTILINE)
    kinds = {"class": type, "exception": type, "function": object, "data": str}
    assert {name for name, kind in entries if kind in kinds} == set(gadolin.__all__)
    assert [name for name, kind in entries if not isinstance(getattr(gadolin, name), kinds[kind])] == []


def test_every_page_carries_the_notice(built, pages):
    assert len(pages) > 30
    assert [name for name in pages if NOTICE not in (built[1] / name).read_text(encoding="utf-8")] == []


def test_no_page_loads_anything_from_another_host(built, pages):
    loaded = {(name, each) for name, page in pages.items() for each in page.loads}
    assert len(loaded) > 100
    assert {(name, each) for name, each in loaded if not isinstance(each, str) or REMOTE.match(each)} == set()
    sheets = {path.name: LOADED.findall(path.read_text(encoding="utf-8")) for path in built[1].rglob("*.css")}
    assert sheets
    assert {name: found for name, found in sheets.items() if found} == {}


def test_every_internal_link_leads_somewhere(built, pages):
    lost, followed = set(), 0
    for name, page in pages.items():
        for link in {*page.links, *page.loads} - {"#"}:
            if re.match(r"[a-z]+:", link):
                continue
            followed += 1
            path, _, anchor = link.partition("#")
            file = ((built[1] / name).parent / unquote(path.partition("?")[0])).resolve() if path else built[1] / name
            target = pages.get(file.relative_to(built[1].resolve()).as_posix()) if path else page
            if not file.is_file() or (anchor and target and unquote(anchor) not in target.anchors):
                lost.add((name, link))
    assert followed > 1000
    assert lost == set()


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_shows_what_its_cells_printed_and_no_warning_of_python(built, name):
    text = (built[1] / "tutorials" / f"{name}.html").read_text(encoding="utf-8")
    assert text.count('class="cell_output') >= 4
    assert re.search(r'<img [^>]*src="(data:image/png;base64,|\.\./_images/)', text)
    assert re.search(r"\w*Warning: ", text) is None
    assert ">assert</span>" not in text


def test_the_first_tutorial_shows_the_reason_of_an_abstention(built):
    text = (built[1] / "tutorials" / "first-prediction.html").read_text(encoding="utf-8")
    assert "kind_not_validated\n" in text


def test_the_notebooks_of_the_examples_show_their_figures(built):
    for notebook in (DOCS.parent / "examples").glob("*.md"):
        page = unescape((built[1] / "notebooks" / f"{notebook.stem}.html").read_text(encoding="utf-8"))
        figures = re.findall(r"^    alt: (.+)$", notebook.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(figures) >= 4
        assert [text for text in figures if f'alt="{text}"' not in page] == []


def inspected(html, names, scheme, width):
    """Open pages in a browser, with their folds open: addresses requested, barriers that axe finds, pages too wide."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this computer")
    requested, barriers, wide = [], [], []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 844})
        page.on("request", lambda one: requested.append(one.url))
        for name in names:
            page.goto((html / f"{name}.html").as_uri())
            page.evaluate(OPEN_FOLDS)
            page.wait_for_function(IS_STILL)
            wide += [name] * page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
            page.add_script_tag(path=AXE)
            found = page.evaluate("() => axe.run({resultTypes: ['violations']})")["violations"]
            barriers += [(name, one["id"]) for one in found if one["impact"] in ("serious", "critical")]
        browser.close()
    return requested, barriers, wide


@pytest.mark.browser
@pytest.mark.parametrize(
    ("scheme", "width", "names"),
    [("light", 390, KINDS), ("dark", 1280, KINDS), ("dark", 390, KINDS[:2]), ("light", 1280, KINDS[:2])],
    ids=["phone, light", "desktop, dark", "phone, dark", "desktop, light"],
)
def test_in_a_browser_pages_request_nothing_and_have_no_serious_barrier(built, scheme, width, names):
    requested, barriers, wide = inspected(built[1], names, scheme, width)
    assert len(requested) > 5 * len(names)
    assert [url for url in requested if not url.startswith(("file:", "data:"))] == []
    assert barriers == []
    assert wide == []


@pytest.mark.browser
def test_a_barrier_in_a_fold_is_found(tmp_path):
    head = '<!doctype html><html lang="en"><title>Page</title><main><h1>Page</h1>'
    fold = '<details><summary>More</summary><img src="data:,"><p style="width: 500px">Text</p></details></main></html>'
    (tmp_path / "page.html").write_text(head + fold, encoding="utf-8")
    assert inspected(tmp_path, ["page"], "light", 390)[1:] == ([("page", "image-alt")], ["page"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# Page\n\n[text](missing.md)\n", "missing.md"),
        ("# Page\n\n[text](index.md#no-such-heading)\n", "no-such-heading"),
        ("# Page\n\n![text](missing.png)\n", "missing.png"),
        (f"{NOTEBOOK}# Page\n\n```{{code-cell}}\n1 / 0\n```\n", "ZeroDivisionError"),
    ],
    ids=["page", "heading", "image", "cell"],
)
def test_a_fault_of_a_page_fails_the_build(text, complaint, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(text, encoding="utf-8")
    done = build(tmp_path / "docs", tmp_path)
    assert done.returncode != 0
    assert complaint in done.stderr
