"""Declares the endpoints of the API: each once, for its route and for the OpenAPI document alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from flask import Response

View = TypeVar("View", bound=Callable[..., Response])


class FieldKind(StrEnum):
    """The type of a field, in JSON's words."""

    STRING = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    ARRAY = "array"
    OBJECT = "object"


@dataclass(frozen=True)
class ApiField:
    """An attribute that a request may have. `choices` are the only values of a string, if there are any."""

    name: str
    kind: FieldKind = FieldKind.STRING
    about: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class ApiParameter:
    """A parameter of an address's query, such as `search[name]`."""

    name: str
    about: str = ""


class Proof(StrEnum):
    """What a request to an endpoint has to prove."""

    TOKEN = "token"  # noqa: S105  # a name, not a secret
    SIGNED = "signed address"
    NOTHING = "nothing"


@dataclass(frozen=True)
class ApiEndpoint:
    """An endpoint. `gives` is the JSON:API type of the answer, empty if it has no document; `takes` likewise.

    `takes_many` is for a body whose `data` is an array, `takes_bytes` for a file. `may_be_empty` is for an
    answer that is 204 while there is nothing to show.

    `limit` is how many bytes the body may have. `includes` are the resources that the answer may include,
    `query` its other parameters.
    """

    method: str
    path: str
    view: Callable[..., Response]
    tag: str
    summary: str
    status: int = 200
    gives: str = ""
    many: bool = False
    takes: str = ""
    takes_many: bool = False
    takes_bytes: bool = False
    may_be_empty: bool = False
    fields: Sequence[ApiField] = ()
    relationships: Sequence[str] = ()
    query: Sequence[ApiParameter] = ()
    includes: Sequence[str] = ()
    proof: Proof = Proof.TOKEN
    limit: int | None = None

    @property
    def name(self) -> str:
        """The name by which Flask knows the view."""
        return f"{self.tag}-{self.view.__name__}-{self.method}-{self.path}".replace(".", "_")


@dataclass
class ApiRoutes:
    """The endpoints of one resource; `tag` is its name in the OpenAPI document."""

    tag: str
    endpoints: list[ApiEndpoint] = field(default_factory=list)

    def get(self, *paths: str, **about: Any) -> Callable[[View], View]:
        """Declare a GET; `about` has the fields of ApiEndpoint."""
        return self._on("GET", paths, about)

    def post(self, *paths: str, **about: Any) -> Callable[[View], View]:
        """Declare a POST."""
        return self._on("POST", paths, about)

    def put(self, *paths: str, **about: Any) -> Callable[[View], View]:
        """Declare a PUT."""
        return self._on("PUT", paths, about)

    def patch(self, *paths: str, **about: Any) -> Callable[[View], View]:
        """Declare a PATCH."""
        return self._on("PATCH", paths, about)

    def delete(self, *paths: str, **about: Any) -> Callable[[View], View]:
        """Declare a DELETE."""
        return self._on("DELETE", paths, about)

    def _on(self, method: str, paths: Sequence[str], about: Mapping[str, Any]) -> Callable[[View], View]:
        def declare(view: View) -> View:
            for path in paths:
                self.endpoints.append(ApiEndpoint(method, path, view, self.tag, **about))
            return view

        return declare
