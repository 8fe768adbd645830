"""docs/reference/json.md: what Gadolin writes for programs, from the JSON schemas in docs/reference/schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from generators.marks import fill
from generators.schema_tables import fields_table, slug

__all__ = ["DOCUMENTS", "FROM_TYPES", "SCHEMAS", "TABLES", "load", "of_type", "section", "write_json_page"]

SCHEMAS = Path(__file__).parents[1] / "reference" / "schemas"
DOCUMENTS = (
    "error",
    "phantom",
    "scan",
    "audit",
    "split",
    "train",
    "crossval",
    "evaluate",
    "metrics",
    "run",
    "reading",
    "card",
    "recipes",
    "predictions",
    "bulk",
    "job",
    "bulk-metrics",
    "explanations",
    "scores",
    "scored",
    "by-class",
    "comparison",
    "results",
    "dicomweb",
    "plugins",
)
"""The schemas of the page in their order; ``bundle`` is on docs/reference/bundle.md."""
TABLES = ("predict-csv", "answers-parquet", "predictions-csv", "history-csv", "rows-csv")
"""The schemas of the rows of CSV and Parquet files."""
FROM_TYPES = {"predictions": "Predictions", "results": "DicomResults"}
"""Schemas that are those of types of the service, by the name of the type."""
_ONLY_SERVICE = ("picture", "evidence")


def write_json_page(path: Path) -> None:
    """Write the schemas of types of the service, then the section of every document and table."""
    for name in FROM_TYPES:
        text = json.dumps(of_type(name), indent=2) + "\n"
        (path.parent / "schemas" / f"{name}.json").write_text(text, encoding="utf-8")
    fill(path, "documents", "\n\n".join(section(name) for name in DOCUMENTS))
    fill(path, "tables", "\n\n".join(section(name) for name in TABLES))
    fill(path, "shared", objects(load("common")["$defs"]).replace("#### ", "### "))


def load(name: str) -> dict[str, Any]:
    """Return a schema."""
    found: dict[str, Any] = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def of_type(name: str) -> dict[str, Any]:
    """Return the schema of a type of the service without the fields that commands never write, and closed."""
    from gadolin.server import schemas

    found = getattr(schemas, FROM_TYPES[name]).model_json_schema()
    inner = found["$defs"]
    for field in _ONLY_SERVICE:
        inner.get("Prediction", {}).get("properties", {}).pop(field, None)
    for unused in ("Picture", "Evidence"):
        inner.pop(unused, None)
    for one in (found, *inner.values()):
        one["additionalProperties"] = False
        one.pop("title", None)
        for value in one["properties"].values():
            value.pop("title", None)
    title = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name.capitalize()}
    return title | found


def section(name: str) -> str:
    """Return the section of a schema: description, its file, the fields, and the objects that it defines."""
    schema = load(name)
    text = [f"### {schema['title']}", f"{schema['description']} Schema: [{name}.json](schemas/{name}.json)."]
    inner = {key: one for key, one in schema.get("$defs", {}).items() if key not in load("common")["$defs"]}
    return "\n\n".join([*text, fields(schema), *([objects(inner)] if inner else [])])


def objects(described: dict[str, Any]) -> str:
    """Return a table of the fields of each object."""
    return "\n\n".join(f"#### {name}\n\n{one['description']}\n\n{fields(one)}" for name, one in described.items())


def fields(schema: dict[str, Any]) -> str:
    """Return the table of the fields of an object, after a sentence on the object that it extends."""
    extended = [one["$ref"].rpartition("/")[2] for one in schema.get("allOf", ())]
    also = [f"It has the fields of [{name}](#{slug(name)}), and:\n\n" for name in extended]
    return "".join(also) + fields_table(schema)
