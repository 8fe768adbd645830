"""Put what the package says into the documents: run it from the repository root after a change to either.

``python docs/refresh.py NAME`` writes one kind of page (``PAGES``), such as ``codes`` or ``commands``; without an
argument it writes all of them, runs the demo and, where Chromium is installed, takes docs/images/report.png.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from generators.bundle import write_bundle_page
from generators.checks import write_checks
from generators.codes import write_codes
from generators.commands import write_commands
from generators.http import write_http
from generators.json_documents import write_json_page
from generators.manifest import write_manifest_page
from generators.plugins import EXAMPLES, write_plugin
from generators.recipes import write_recipes
from generators.session import write_document, write_session

PAGES = {
    "bundle": (write_bundle_page, "docs/reference/bundle.md"),
    "checks": (write_checks, "docs/reference/checks.md"),
    "codes": (write_codes, "docs/codes.md"),
    "commands": (write_commands, "docs/commands.md"),
    "http": (write_http, "docs/reference/http.md"),
    "json": (write_json_page, "docs/reference/json.md"),
    "manifest": (write_manifest_page, "docs/reference/manifest.md"),
    "prediction": (write_document, "docs/prediction.md"),
    "recipes": (write_recipes, "docs/recipes.md"),
    "session": (write_session, "README.md"),
    **{name: (write_plugin, f"docs/how-to/{name}.md") for name in EXAMPLES},
}
"""The generated pages by name: the function that writes the text between the marks of a page, and the page."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Refresh everything, or what is named; the demo's folder is ``demo``."""
    for name in sys.argv[1:] or PAGES:
        write, page = PAGES[name]
        write(Path(page))
    if sys.argv[1:]:
        return
    subprocess.run([sys.executable, "demo.py"], check=True)
    photograph(Path("demo/run/evaluation-fresh/report.html"), Path("docs/images/report.png"))


def photograph(page: Path, picture: Path) -> None:
    """Take a picture of the top of a report, in few enough colours for a repository."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.stderr.write(f"no Chromium found: {picture} stays as it is\n")
        return
    quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with tempfile.TemporaryDirectory() as profile:
        shot = Path(profile) / "report.png"
        flags = [
            "--headless",
            "--hide-scrollbars",
            "--no-sandbox",
            "--disable-gpu",
            *quiet,
            f"--user-data-dir={profile}/user",
        ]
        subprocess.run(
            [browser, *flags, "--window-size=1100,1600", f"--screenshot={shot}", page.resolve().as_uri()],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        from PIL import Image

        Image.open(shot).convert("RGB").quantize(64).save(picture, optimize=True)


if __name__ == "__main__":
    main()
