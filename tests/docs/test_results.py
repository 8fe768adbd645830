"""Tests of the results: the pages show the stored results, and every command can be run."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex

import pytest

from benchmarks import publish
from benchmarks.__main__ import GROUPS, RUN, commands, listing, modules, run
from benchmarks.results import MEASURED, ROOT, Result, marks, pages, render, rendered, store, stored

RESULTS = stored()
PAGES = pages()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def page_text(page):
    return (ROOT / page).read_text(encoding="utf-8")


@pytest.fixture
def repository(tmp_path):
    """A repository whose README.md, docs/card.md and docs/measured/speed.md show the result speed."""
    (tmp_path / "docs" / "images").mkdir(parents=True)
    (tmp_path / MEASURED).mkdir()
    for page in ("README.md", "docs/card.md", f"{MEASURED}/speed.md"):
        (tmp_path / page).write_text("<!-- begin speed -->\n<!-- end speed -->\n", encoding="utf-8")
    (tmp_path / "docs" / "plain.md").write_text("# Page\n", encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_what_render_makes_of_the_stored_results(page):
    assert rendered(page_text(page), page, RESULTS) == page_text(page), "run python -m benchmarks render"


def test_every_stored_result_is_on_one_page_of_results_and_has_the_name_of_its_file():
    assert len(RESULTS) > 50
    shown = [name for page in PAGES if page.startswith(f"{MEASURED}/") for name in marks(page_text(page))]
    assert sorted(shown) == sorted(RESULTS)
    assert [name for name, result in RESULTS.items() if name != result.name] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith(f"{MEASURED}/") and "index" not in page])
def test_a_page_of_results_has_a_table_then_what_was_run_then_folded_results(page):
    top, run = page_text(page).split("\n## What was run\n")
    title, question, table = top.split("\n\n")[:3]
    assert title.startswith("# ")
    assert "?" in question
    assert table.startswith("| ")
    assert re.findall(r"^\*\*What it ([a-z ]+)\.\*\*", top, re.MULTILINE) == ["means", "does not mean"]
    run, heading, folded = run.partition("\n## ")
    assert heading
    assert re.search(r"^\| ", run, re.MULTILINE)
    assert marks(top + run) == []
    results = re.findall(r"<!-- begin [\w-]+ -->\n(.*?)<!-- end [\w-]+ -->", folded, re.DOTALL)
    assert len(results) == len(marks(folded)) > 0
    folds = re.compile(r"### .+\n\n<details>\n<summary>Figures and command, .+</summary>\n.*</details>\n", re.DOTALL)
    assert [text[:80] for text in results if not folds.fullmatch(text)] == []


def test_no_line_begins_with_the_mark_of_a_cell():
    lines = [(path.name, line) for path in DOCUMENTS for line in path.read_text(encoding="utf-8").splitlines()]
    assert [found for found in lines if found[1].lstrip().startswith("<!-- cell")] == []


def test_every_image_of_a_result_exists():
    images = [file for result in RESULTS.values() for file in result.images.values()]
    assert [file for file in images if not (ROOT / "docs" / "images" / file).is_file()] == []


@pytest.mark.slow
def test_every_command_in_a_document_is_a_command():
    pages = {path.name: path.read_text(encoding="utf-8") for path in DOCUMENTS}
    named = {(page, name) for page, text in pages.items() for name in re.findall(rf"`{RUN} ([a-z]\w*)", text)}
    assert len(named) > 50
    assert {(page, name) for page, name in named if name not in modules()} == set()


def test_every_command_of_a_result_can_be_run_in_a_shell():
    for result in RESULTS.values():
        assert shlex.join(shlex.split(result.command)) == result.command
        assert shlex.split(result.command)[3] == "run"


def test_every_source_file_that_a_document_names_exists():
    for path in DOCUMENTS:
        found = re.findall(r"(?<![\w/])(?:benchmarks|fuzz|tools)/[\w/]+\.py", path.read_text(encoding="utf-8"))
        assert [name for name in found if not (ROOT / name).is_file()] == []


@pytest.mark.slow
def test_the_names_of_commands_are_unique_and_each_has_a_summary():
    names = [name for group in GROUPS for name in commands(group)]
    assert len(names) == len(set(names)) > 30
    summaries = {name: text for group in GROUPS for name, text in commands(group).items()}
    assert [name for name, text in summaries.items() if not text.endswith(".")] == []
    assert [name for name, text in summaries.items() if f"  {name:<18}{text}" not in listing()] == []


def test_an_unknown_command_is_refused():
    with pytest.raises(SystemExit, match="nothing is not a command"):
        run("nothing", [])


def test_a_command_shows_how_it_is_called(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", [])
    with pytest.raises(SystemExit, match="0"):
        run("structure", ["--help"])
    assert "usage: python -m benchmarks run structure" in capsys.readouterr().out


def test_a_stored_result_comes_back_and_is_rendered(repository):
    result = Result("speed", "Speed", f"{RUN} predict", "2026-01-01", "x86_64", ["fast", ""], {"Curve": "a.png"})
    store(result, repository)
    assert stored(repository) == {"speed": result}
    assert json.loads((repository / "docs" / "results" / "speed.json").read_text()) == dataclasses.asdict(result)

    assert render(root=repository) == ["README.md", "docs/card.md", f"{MEASURED}/speed.md"]
    assert render(root=repository) == []
    section = "\n".join(result.section("../images"))
    assert (repository / MEASURED / "speed.md").read_text() == (
        f"<!-- begin speed -->\n{section}\n<!-- end speed -->\n"
    )
    assert "](../images/a.png)" in section
    for page in ("README.md", "docs/card.md"):
        assert (repository / page).read_text() == "<!-- begin speed -->\nfast\n\n<!-- end speed -->\n"


TABLE = Result("speed", "Speed", RUN, "2026-01-01", "x86_64", lines=[])
TABLE.lines.extend(
    """| set | n | accuracy |
| --- | --- | --- |
| ms | 7 | 90 % |
| ms, T1 | 6 | 80 % |

| set | s |
| --- | --- |
| ms | 2 |
| ms | 3 |""".splitlines()
)


def test_a_cell_of_a_table_is_shown_in_a_sentence():
    text = (
        'A <!-- cell speed "ms" "accuracy" --><!-- end -->, B <!-- cell speed "ms, T1, 6" "accuracy" -->1<!-- end -->.'
    )
    shown = rendered(text, "README.md", {"speed": TABLE})
    assert re.sub("<!--.*?-->", "", shown) == "A 90 %, B 80 %."
    assert rendered(shown, "README.md", {"speed": TABLE}) == shown


def test_a_mark_of_a_result_that_is_not_stored_is_an_error():
    with pytest.raises(LookupError, match="shows speed, which is not in docs/results"):
        rendered("<!-- begin speed -->\n<!-- end speed -->", "README.md", {})


@pytest.mark.parametrize(("row", "column"), [("ct", "accuracy"), ("ms", "recall"), ("ms", "s")])
def test_a_cell_that_is_missing_or_not_unique_is_an_error(row, column):
    with pytest.raises(LookupError, match="there must be one"):
        TABLE.cell(row, column)


def test_publishing_renders_the_documents_and_leaves_the_readme(repository, monkeypatch, capsys):
    monkeypatch.setattr(publish, "ROOT", repository)
    monkeypatch.setattr(publish, "store", lambda result: store(result, repository))
    monkeypatch.setattr(publish, "render", lambda pages: render(pages, repository))
    monkeypatch.setattr(publish, "pages", lambda: pages(repository))
    monkeypatch.setattr("sys.argv", [f"{RUN} predict", "folder/of data", "--write"])
    readme = (repository / "README.md").read_text()

    publish.publish("speed", "Speed", ["fast"], write=False)
    assert stored(repository) == {}
    publish.publish("speed", "Speed", ["fast"], write=True, pictures={"A curve": b"png"})

    assert (repository / "docs" / "images" / "speed-a-curve.png").read_bytes() == b"png"
    assert f"`{RUN} predict 'of data' --write`" in (repository / MEASURED / "speed.md").read_text()
    printed = capsys.readouterr().out
    assert "## Speed" in printed
    assert "no page shows" not in printed
    assert (repository / "README.md").read_text() == readme
    publish.publish("memory", "Memory", ["little"], write=True)
    assert "<!-- begin memory -->\n<!-- end memory -->\n" in capsys.readouterr().out
