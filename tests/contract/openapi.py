"""
The committed description of the API, and what of it is released.

`python -m tests.contract.openapi` writes docs/openapi.yaml anew; with `--release` it also adds to
released_api.txt, a promise a line: what is in there may not go away, and more may come.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import django
import yaml

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.yaml"
RELEASED = Path(__file__).parent / "released_api.txt"
METHODS = ("get", "head", "options", "post")
WHOLE = ("get", "post")
"""What the others do follows from these."""
Document = dict[str, Any]


def fetch_document() -> Document:
    """Return the description as a front end answers it."""
    from tests.support.listeners import Listener  # noqa: PLC0415 - Django must be set up

    listener = Listener("bazaar.urls.frontend")
    reply = listener.call("GET", "/api/schema/", headers={"Host": "localhost"})
    assert reply.status == 200, reply.body
    document: Document = json.loads(reply.body)
    return document


def to_yaml(document: Document) -> str:
    """Return the description as it is committed."""
    return yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)


def list_promises(document: Document) -> set[str]:
    """Return what a client may rely on, a line each."""
    promises = set(_list_fields(document))
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                name = f"{method.upper()} {path}"
                promises.add(name)
                if method in WHOLE:
                    promises |= set(_list_requests(name, item[method], document))
                    promises |= set(_list_answers(name, item[method], document))
    return promises


def _resolve(part: Any, document: Document) -> Any:
    while "$ref" in part:
        found: Any = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def _list_requests(name: str, operation: Document, document: Document) -> Iterator[str]:
    for one in operation.get("parameters", ()):
        told = _resolve(one, document)
        need = "required" if told["required"] else "optional"
        yield f"{name} takes {told['in']} {told['name']} ({need})"
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    for one in _list_kinds(schema.get("schema")):
        needed = ", ".join(sorted(_resolve({"$ref": one}, document)["required"]))
        yield f"{name} takes {one.rpartition('/')[2]}, which needs {needed}"


def _list_kinds(schema: Any) -> list[str]:
    """Return the references of a schema, alone or one of several."""
    parts = (schema or {}).get("oneOf", [schema or {}])
    return [one["$ref"] for one in parts if "$ref" in one]


def _list_answers(name: str, operation: Document, document: Document) -> Iterator[str]:
    for status, one in operation["responses"].items():
        answer = _resolve(one, document)
        yield f"{name} answers {status}"
        for header in answer.get("headers", ()):
            yield f"{name} answers {status} with {header}"
        for kind, content in answer.get("content", {}).items():
            for schema in _list_kinds(content["schema"]):
                yield f"{name} answers {status} {kind} {schema.rpartition('/')[2]}"
            for example in content.get("examples", ()):
                yield f"{name} answers {status} {kind} such as {example}"


def _list_fields(document: Document) -> Iterator[str]:
    for name, schema in document["components"]["schemas"].items():
        for field, told in schema.get("properties", {}).items():
            kinds = [told, *told.get("anyOf", ())]
            kind = " or ".join(sorted(_name_of(one) for one in kinds if _name_of(one)))
            always = "always" if field in schema.get("required", ()) else "sometimes"
            yield f"{name}.{field}: {kind}, {always}"


def _name_of(schema: Mapping[str, Any]) -> str:
    return str(schema.get("type") or schema.get("$ref", "").rpartition("/")[2])


def main() -> None:
    """Write what is committed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bazaar.settings.test")
    django.setup()
    document = fetch_document()
    COMMITTED.write_text(to_yaml(document), "utf-8")
    if "--release" in sys.argv[1:]:
        known = set(RELEASED.read_text("utf-8").splitlines()) if RELEASED.exists() else set()
        lines = sorted(known | list_promises(document))
        RELEASED.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
