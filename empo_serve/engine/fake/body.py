"""From the bytes of a request to a checked record, with vLLM's (FastAPI's) validation errors."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from empo_serve.engine.fake.errors import ApiError, BodyNotTextError

_MAX_SHOWN = 200


class Body(BaseModel):
    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    @classmethod
    def check_first(cls, body: dict[str, Any]) -> None:
        """Rules between fields, which hold before any type is looked at. Raises ApiError."""


class LoadRequest(Body):
    lora_name: str
    lora_path: str


class UnloadRequest(Body):
    lora_name: str


BodyT = TypeVar("BodyT", bound=Body)


def parse_body(raw: bytes, content_type: str | None, kind: type[BodyT]) -> tuple[Any, BodyT]:
    """The JSON value, and the request in it. Raises ApiError and BodyNotTextError."""
    if (content_type or "").split(";")[0].strip().lower() != "application/json":
        raise ApiError(
            "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed",
            kind="Bad Request",
        )
    try:
        body = json.loads(raw) if raw else None
    except UnicodeDecodeError as e:
        raise BodyNotTextError from e
    except json.JSONDecodeError as e:
        detail = {"loc": ("body", e.pos), "type": "json_invalid", "msg": "JSON decode error"}
        raise _validation_error([{**detail, "input": {}, "ctx": {"error": e.msg}}]) from e
    if body is None:
        detail = {"loc": ("body",), "type": "missing", "msg": "Field required"}
        raise _validation_error([{**detail, "input": None}])
    if isinstance(body, dict):
        kind.check_first(body)
    try:
        return body, kind.model_validate(body, from_attributes=True)
    except ValidationError as e:
        errors = e.errors(include_url=False)
        raise _validation_error(
            [{**error, "loc": ("body", *error["loc"])} for error in errors]
        ) from e


def _validation_error(errors: list[dict[str, Any]]) -> ApiError:
    lines = []
    for error in errors:
        shown: dict[str, Any] = {
            "type": error["type"],
            "loc": _location(error["loc"]),
            "msg": error["msg"],
            "input": _summary(error["input"]),
        }
        if "ctx" in error:
            shown["ctx"] = error["ctx"]
        lines.append(f"\n  {shown}")
    count = f"{len(errors)} validation error{'s' if len(errors) > 1 else ''}:"
    return ApiError(count + "".join(lines), _location(errors[0]["loc"]), kind="Bad Request")


def _location(loc: tuple[int | str, ...]) -> str:
    """Dotted path of the field, without pydantic's names for the members of a union."""
    return ".".join(
        str(part) for part in loc if isinstance(part, int) or (part != "str" and "[" not in part)
    )


def _summary(value: Any) -> str:
    if isinstance(value, dict):
        return f"<dict of {len(value)} items>"
    if isinstance(value, list):
        return f"<list of {len(value)} items>"
    text = str(value)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "...[truncated]"
