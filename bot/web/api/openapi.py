"""Makes the OpenAPI document from the declarations of the endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from bot.web.api.registry import ApiEndpoint, ApiField, FieldKind, Proof
from bot.web.request.api_failures import MEDIA_TYPE, ROOT

_ARGUMENT = re.compile(r"<(?:[a-z]+:)?(\w+)>")
_LINKED = {"type": "object", "properties": {"id": {"type": "string"}, "type": {"type": "string"}}}
_RELATED = {
    "type": "object",
    "properties": {"data": {"anyOf": [_LINKED, {"type": "array", "items": _LINKED}, {"type": "null"}]}},
}
_ERRORS = {
    "400": "a parameter that is not known",
    "401": "no valid token",
    "404": "it does not exist, or the token may not see or do it",
    "409": "not possible now",
    "413": "the body is too large",
    "422": "the request is not valid",
    "429": "too many requests",
}


def document(endpoints: Iterable[ApiEndpoint]) -> Mapping[str, Any]:
    """Return the document, version 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for each in endpoints:
        paths.setdefault(_ARGUMENT.sub(r"{\1}", each.path), {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Plangate", "version": "2", "description": "HashiCorp's API v2, as far as built."},
        "servers": [{"url": ROOT}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"errors": _errors()},
        },
    }


def _operation(each: ApiEndpoint) -> Mapping[str, Any]:
    arguments = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _ARGUMENT.findall(each.path)
    ]
    query = [
        {"name": one.name, "in": "query", "description": one.about, "schema": {"type": "string"}}
        for one in each.query
    ]
    if each.includes:
        about = f"With commas: {', '.join(each.includes)}"
        query.append({"name": "include", "in": "query", "description": about, "schema": {"type": "string"}})
    found: dict[str, Any] = {
        "operationId": each.name,
        "summary": each.summary,
        "tags": [each.tag],
        "parameters": [*arguments, *query],
        "responses": {str(each.status): _success(each)}
        | ({"204": {"description": "there is nothing yet"}} if each.may_be_empty else {})
        | {code: _failure(why) for code, why in _ERRORS.items()},
        "security": [{"token": []}] if each.proof is Proof.TOKEN else [],
    }
    if each.takes:
        found["requestBody"] = {"content": {MEDIA_TYPE: {"schema": _body(each)}}}
    if each.takes_bytes:
        found["requestBody"] = {"content": {"application/octet-stream": {"schema": {}}}}
    return found


def _success(each: ApiEndpoint) -> Mapping[str, Any]:
    if not each.gives:
        return {"description": each.summary}
    resource = _resource(each.gives, {})
    data = {"type": "array", "items": resource} if each.many else resource
    return {
        "description": each.summary,
        "content": {MEDIA_TYPE: {"schema": {"type": "object", "properties": {"data": data}}}},
    }


def _failure(why: str) -> Mapping[str, Any]:
    return {
        "description": why,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/errors"}}},
    }


def _body(each: ApiEndpoint) -> Mapping[str, Any]:
    resource = _resource(each.takes, {field.name: _schema(field) for field in each.fields})
    if each.relationships:
        related = dict.fromkeys(each.relationships, _RELATED)
        resource["properties"]["relationships"] = {"type": "object", "properties": related}
    data = {"type": "array", "items": resource} if each.takes_many else resource
    return {"type": "object", "required": ["data"], "properties": {"data": data}}


def _resource(kind: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "type": {"const": kind},
            "attributes": {"type": "object", "properties": attributes},
        },
    }


def _schema(each: ApiField) -> Mapping[str, Any]:
    found: dict[str, Any] = {"type": [each.kind.value, "null"], "description": each.about}
    if each.choices:
        found["enum"] = [*each.choices, None]
    if each.kind is FieldKind.ARRAY:
        found["items"] = {}
    return found


def _errors() -> Mapping[str, Any]:
    text = {"type": "string"}
    named = {"status": text, "title": text, "detail": text}
    one = {"type": "object", "required": list(named), "properties": named}
    errors = {"type": "array", "minItems": 1, "items": one}
    return {"type": "object", "required": ["errors"], "properties": {"errors": errors}}
