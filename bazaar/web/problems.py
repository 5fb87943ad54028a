"""
Errors as problem documents (RFC 9457), each with a page that explains it.

The text of a page is the file of its kind in docs/problems; its heading is the problem's title.
"""

from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from bazaar.protocol import errors
from bazaar.web.endpoint import ANSWER_HEADERS, KEY_HEADER, DescribedError, Environ

PROBLEM_JSON = "application/problem+json"
PAGES = "/problems/"
"""Where the front end serves the pages."""
_FOLDER = Path(__file__).parents[2] / "docs" / "problems"
REFUSED_KINDS = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "no_such_path",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.LENGTH_REQUIRED: "length_required",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
    HTTPStatus.INTERNAL_SERVER_ERROR: "mistake",
    HTTPStatus.SERVICE_UNAVAILABLE: "database_failed",
}
"""The kinds of what is no failure of the domain, by status."""
MEMBER_KINDS = frozenset(
    {"damaged_page", "diverged", "gap_found", "leader_alive", "not_active", "stale_term"}
    | {"unconfirmed", "unknown_holder"}
)
"""Kinds that only members of the cluster tell each other."""

Type = Annotated[
    str,
    Meta(
        description="The kind of the problem: the address of a page that explains it.",
        examples=["/problems/insufficient_quantity"],
    ),
]
Title = Annotated[str, Meta(description="The kind in words; the same for every such problem.")]
Definite = Annotated[
    bool,
    Meta(
        description="Whether it surely had no effect. If not, repeat a trade with the same key: it"
        " happens once, and the answer shows it."
    ),
]
Key = Annotated[
    str,
    Meta(description="The key to repeat the trade with; of trades only."),
]


class Problem(Struct, frozen=True):
    """An error as a problem document."""

    type: Type
    title: Title
    status: Annotated[int, Meta(description="The status of the answer.", ge=400, le=599)]
    detail: Annotated[str, Meta(description="What is wrong this time, in one sentence.")]
    definite: Definite
    idempotency_key: Key | UnsetType = UNSET


class ProblemPage(Struct, frozen=True):
    """What a kind of problem means, and what to do."""

    type: Type
    title: Title
    explanation: Annotated[str, Meta(description="Paragraphs, with blank lines between.")]


def list_kinds() -> list[str]:
    """Return all kinds that a client may get."""
    failures = {kind.name for kind in errors.KINDS} - MEMBER_KINDS
    return sorted(failures | set(REFUSED_KINDS.values()))


@cache
def read_pages() -> dict[str, ProblemPage]:
    """Return the page of each kind."""
    pages = {}
    for kind in list_kinds():
        heading, _, text = (_FOLDER / f"{kind}.md").read_text("utf-8").partition("\n")
        pages[kind] = ProblemPage(PAGES + kind, heading.removeprefix("# "), text.strip())
    return pages


def shape_problem(error: DescribedError, environ: Environ) -> Problem:
    """Return an error as a problem document; a trade's has its key."""
    status = HTTPStatus(error.code)
    kind = error.headers.get(errors.FAILURE_HEADER) or REFUSED_KINDS.get(status, "bad_request")
    page = read_pages().get(kind)
    key = (environ.get(ANSWER_HEADERS) or {}).get(KEY_HEADER)
    return Problem(
        type=page.type if page else "about:blank",
        title=page.title if page else status.phrase,
        status=error.code,
        detail=error.message,
        definite=error.headers.get("Bazaar-Definite") == "true",
        idempotency_key=key or UNSET,
    )
