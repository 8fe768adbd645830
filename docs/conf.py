"""Configuration of the documentation site: ``make docs`` builds it from the pages of this folder.

The pages are also read on a code forge, so they link to files of the repository. In the site such a link leads to the
page that shows the file (``SHOWN``) or to a copy of the file that the site holds; a link to a folder or to a document
without a page becomes plain text.
"""

from __future__ import annotations

import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy.typing
from docutils.nodes import Element
from nbclient import NotebookClient
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import gadolin
from gadolin.records import NOTICE

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SHOWN = {
    "SECURITY.md": "security",
    "CHANGELOG.md": "changelog",
    **{f"examples/{path.name}": f"notebooks/{path.stem}" for path in ROOT.glob("examples/*.md")},
}
"""Documents outside this folder and the pages that show them."""
LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")
BARE_LIST = re.compile(r"<dl>\n(<dd>.*?)</dl>", re.DOTALL)
T = TypeVar("T")


class NDArray(Generic[T]):
    """Shown in signatures as it is written, instead of what it is short for in numpy."""

    __module__ = "numpy.typing"


numpy.typing.NDArray = NDArray  # before autodoc imports the modules whose signatures it shows

project = "Gadolin"
author = "The Gadolin authors"
copyright = author
version = release = gadolin.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode", "sphinx_copybutton"]
exclude_patterns = ["**/.*"]
nitpicky = True
# Types of other packages cannot be looked up without a network, and those of inner modules have no page.
nitpick_ignore_regex = [("py:.*", r"(?!gadolin\.\w+$).*")]

myst_heading_anchors = 4
myst_links_external_new_tab = False
nb_execution_mode = "force"
nb_execution_show_tb = True  # of a cell that fails, which is a warning and so fails the build
nb_execution_timeout = 900  # of one cell; the longest ones train for seconds, on a busy computer for minutes
nb_execution_in_temp = True
nb_merge_streams = True
NotebookClient.coalesce_streams = True  # in pieces, MyST-NB merges a stream with line breaks in between
nb_ipywidgets_js: dict[str, object] = {}  # its default loads scripts from other hosts
# Notebooks find the command gadolin of this environment. They train in one thread: threads that wait for each other are
# slow on a busy computer, and the sums of a network depend on their number.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
os.environ["OMP_NUM_THREADS"] = "1"

# The torch half is described without torch: it takes gigabytes, and only names and docstrings are needed.
autodoc_mock_imports = [
    "torch",
    "torchvision",
    "timm",
    "lightning_fabric",
    "onnx",
    "onnxscript",
    "safetensors",
    "captum",
]
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False

highlight_language = "none"
pygments_dark_style = "github-dark"
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

html_theme = "furo"
html_title = f"Gadolin {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_favicon = html_logo = "_static/icon.svg"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "announcement": NOTICE,
    "light_css_variables": {"color-brand-primary": "#0b5563", "color-brand-content": "#0b5563"},
    "dark_css_variables": {"color-brand-primary": "#7fd0dd", "color-brand-content": "#7fd0dd"},
}


def read_page(app: Sphinx, name: str, source: list[str]) -> None:
    """Mend the links of a page to files outside this folder; show the document of a page in ``SHOWN``."""
    page = app.env.doc2path(name)
    document = next((ROOT / file for file, shown in SHOWN.items() if shown == name), None)
    if document is not None:
        app.env.note_dependency(document)
        source[0] = document.read_text(encoding="utf-8")
    source[0] = LINK.sub(partial(mended, (document or page).parent, page.parent), source[0])


def mended(home: Path, folder: Path, link: re.Match[str]) -> str:
    """Return a link for a page in ``folder``, whose text has its links relative to ``home``."""
    path = (home / link["path"]).resolve()
    if not path.exists() or not path.is_relative_to(ROOT):
        return link[0]  # Sphinx warns of it
    name = path.relative_to(ROOT).as_posix()
    if path.is_dir() or (path.suffix == ".md" and name not in SHOWN and not path.is_relative_to(HERE)):
        return link["text"]
    target = HERE / f"{SHOWN[name]}.md" if name in SHOWN else path
    text = title(target) if target.suffix == ".md" and link["text"].endswith(".md") else link["text"]
    return f"[{text}]({Path(os.path.relpath(target, folder)).as_posix()}{link['anchor'] or ''})"


def title(page: Path) -> str:
    """Return the title of a page up to a colon, where a link has the name of the file as its text."""
    found = re.search(r"^# ([^:\n]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else page.stem


def public_type(app: Sphinx, env: BuildEnvironment, node: Element, text: Element) -> Element | None:
    """Resolve a class of an annotation, such as gadolin.records.Slice, to its entry, gadolin.Slice."""
    module, _, name = node.get("reftarget", "").rpartition(".")
    if not module.startswith("gadolin.") or name not in gadolin.__all__:
        return None
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, "class", f"gadolin.{name}", node, text
    )


def with_fresh_defaults(*event: Any) -> tuple[str, str] | None:
    """Show a default that is made for each object as ``...``: its own text cannot be parsed."""
    arguments, returned = event[-2:]
    return (arguments.replace("<factory>", "..."), returned) if "<factory>" in (arguments or "") else None


def without_bare_lists(*event: Any) -> None:
    """Make lines of the parameters of a signature, which Sphinx writes as a list of definitions without terms."""
    _, name, _, context, _ = event
    if name.startswith("reference/"):
        context["body"] = BARE_LIST.sub(
            lambda found: f'<span class="sig-lines">{found[1].replace("dd>", "span>")}</span>', context["body"]
        )


def setup(app: Sphinx) -> None:
    """Connect the functions above."""
    app.connect("source-read", read_page)
    app.connect("missing-reference", public_type)
    app.connect("html-page-context", without_bare_lists)
    app.connect("autodoc-process-signature", with_fresh_defaults)
