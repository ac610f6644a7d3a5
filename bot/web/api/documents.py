"""JSON:API documents as answers: resources, relationships, what they include, pages of lists.

Source: https://developer.hashicorp.com/terraform/cloud-docs/api-docs, and https://jsonapi.org/format/1.0/.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from flask import Response

from bot.web.request.api_failures import MEDIA_TYPE

Fields = dict[str, Any]


@dataclass(frozen=True)
class ApiLink:
    """A relationship to one resource, by its type and id. An empty id is none."""

    type: str
    id: str
    related: str = ""

    def as_json(self) -> Fields:
        """Return it as a relationship object."""
        found: Fields = {"data": {"id": self.id, "type": self.type} if self.id else None}
        return found | ({"links": {"related": self.related}} if self.related else {})


@dataclass(frozen=True)
class ApiLinks:
    """A relationship to many resources of one type."""

    type: str
    ids: Sequence[str] = ()
    related: str = ""

    def as_json(self) -> Fields:
        """Return it as a relationship object."""
        found: Fields = {"data": [{"id": each, "type": self.type} for each in self.ids]}
        return found | ({"links": {"related": self.related}} if self.related else {})


@dataclass(frozen=True)
class Related:
    """A relationship that is only an address: what is there is not listed here."""

    related: str

    def as_json(self) -> Fields:
        """Return it as a relationship object."""
        return {"links": {"related": self.related}}


@dataclass(frozen=True)
class ApiResource:
    """A resource as clients see it."""

    type: str
    id: str
    attributes: Fields
    relationships: Mapping[str, ApiLink | ApiLinks | Related] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> Fields:
        """Return it as a resource object."""
        found: Fields = {"id": self.id, "type": self.type, "attributes": self.attributes}
        if self.relationships:
            found["relationships"] = {name: each.as_json() for name, each in self.relationships.items()}
        if self.links:
            found["links"] = dict(self.links)
        return found


@dataclass(frozen=True)
class PageOf:
    """A page of a list: its number from 1, how many a page has, and how many there are in all."""

    number: int
    size: int
    total: int

    def as_json(self) -> Fields:
        """Return the pagination object, also of an empty list: clients stop by it."""
        pages = max(1, -(-self.total // self.size))
        return {
            "current-page": self.number,
            "page-size": self.size,
            "prev-page": self.number - 1 if self.number > 1 else None,
            "next-page": self.number + 1 if self.number < pages else None,
            "total-pages": pages,
            "total-count": self.total,
        }


def one(resource: ApiResource, status: int = 200, included: Iterable[ApiResource] = ()) -> Response:
    """Answer with one resource."""
    return _answer({"data": resource.as_json()} | _included(included), status)


def many(resources: Iterable[ApiResource], page: PageOf, included: Iterable[ApiResource] = ()) -> Response:
    """Answer with a page of resources."""
    found: Fields = {"data": [each.as_json() for each in resources], "meta": {"pagination": page.as_json()}}
    return _answer(found | _included(included), 200)


def endless(resources: Iterable[ApiResource], number: int, size: int, *, more: bool) -> Response:
    """Answer with a page of a list whose length nobody counts."""
    page = {
        "current-page": number,
        "page-size": size,
        "prev-page": number - 1 if number > 1 else None,
        "next-page": number + 1 if more else None,
    }
    return _answer({"data": [each.as_json() for each in resources], "meta": {"pagination": page}}, 200)


def every(resources: Iterable[ApiResource]) -> Response:
    """Answer with all resources of a list that is always short."""
    data = [each.as_json() for each in resources]
    count = max(1, len(data))
    return _answer({"data": data, "meta": {"pagination": PageOf(1, count, len(data)).as_json()}}, 200)


def plain(document: Any, status: int = 200, media_type: str = "application/json") -> Response:
    """Answer with JSON that is not JSON:API."""
    return Response(json.dumps(document), status=status, mimetype=media_type)


def nothing(status: int = 204) -> Response:
    """Answer without a body."""
    return Response(status=status)


def moment(at: datetime | None) -> str | None:
    """Return a time as RFC 3339, None if there is none."""
    return (
        None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def _included(resources: Iterable[ApiResource]) -> Fields:
    unique = {(each.type, each.id): each for each in resources}
    return {"included": [each.as_json() for each in unique.values()]} if unique else {}


def _answer(document: Fields, status: int) -> Response:
    return Response(json.dumps(document), status=status, mimetype=MEDIA_TYPE)
