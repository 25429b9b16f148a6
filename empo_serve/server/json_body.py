"""From the bytes of a request to its JSON object."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from empo_serve.server.errors import BadRequest

# Deeper than any schema; well below what Python's JSON can write again.
_MAX_DEPTH = 256
_MAX_SHOWN = 200


def json_object(raw: bytes) -> dict[str, Any]:
    """The body's object, or vLLM's error for a body that is none. Raises BadRequest."""
    try:
        text = raw.decode(json.detect_encoding(raw))  # as json.loads finds the encoding
        body = _DECODER.decode(text) if raw else None
    except json.JSONDecodeError as e:
        raise _validation_error(
            "json_invalid", f"body.{e.pos}", "JSON decode error", {}, ctx={"error": e.msg}
        ) from e
    except (ValueError, RecursionError) as e:
        # vLLM answers these outside of OpenAI's error object.
        raise BadRequest(
            f"The body is not valid JSON: {e}", kind="Bad Request", param="body"
        ) from e
    if body is None:
        raise _validation_error("missing", "body", "Field required", None)
    if not isinstance(body, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise _validation_error("model_attributes_type", "body", message, body)
    # Only a body with many brackets can be deep.
    if raw.count(b"{") + raw.count(b"[") > _MAX_DEPTH and _depth(body) > _MAX_DEPTH:
        raise BadRequest(
            f"The body is nested more than {_MAX_DEPTH} levels deep.",
            kind="Bad Request",
            param="body",
        )
    if _SURROGATE.search(text) and not _is_text(body):
        raise BadRequest(
            "The body holds half of a surrogate pair, such as \\ud83d without its \\ude00.",
            kind="Bad Request",
            param="body",
        )
    return body


def _validation_error(kind: str, where: str, message: str, value: Any, **more: Any) -> BadRequest:
    detail = {"type": kind, "loc": where, "msg": message, "input": _summary(value)} | more
    return BadRequest(f"1 validation error:\n  {detail}", kind="Bad Request", param=where)


def _is_text(body: Any) -> bool:
    """Whether all strings can be encoded. The engine answers 500 to some that cannot."""
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _summary(value: Any) -> str:
    """As vLLM shows what it refuses."""
    if isinstance(value, dict | list):
        return f"<{type(value).__name__} of {len(value)} items>"
    text = str(value)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "...[truncated]"


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")  # whole pairs too

# Python reads and writes NaN and Infinity, which are not JSON, and reads 1e999 as Infinity.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)


def _depth(value: Any) -> int:
    """Levels of nesting, counted without recursion."""
    depth = 0
    level = [value]
    while level:
        depth += 1
        level = [
            item
            for outer in level
            for item in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(item, dict | list)
        ]
    return depth
