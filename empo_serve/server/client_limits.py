"""What a request body may ask for: the operator's limits on the client's own fields.

The engine reads 8, 8.0, "8" and "8.0" as the same number, so these checks do too; what it would
refuse as no number is left to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from empo_serve.config import LimitsSection
from empo_serve.server.errors import BadRequest

# The engine's cost per token grows with these lists; OpenAI's API takes far fewer.
_MAX_ITEMS = 1024
_LISTS = ("stop", "stop_token_ids", "bad_words", "logit_bias")
_LENGTHS = ("max_tokens", "max_completion_tokens")


def check_limits(route: str, body: Mapping[str, Any], limits: LimitsSection) -> None:
    """Raises BadRequest for the first field that is over a limit."""
    for field, value in body.items():
        if type(value) is int and not -(2**63) <= value < 2**63:
            raise BadRequest(f"{field} does not fit into 64 bits.", param=field)
    if _is_above(body.get("n"), limits.max_n):
        raise BadRequest(f"n must be at most {limits.max_n}, got {body['n']}.", param="n")
    if limits.max_tokens:
        for field in _LENGTHS:
            if _is_above(body.get(field), limits.max_tokens):
                raise BadRequest(
                    f"{field} must be at most {limits.max_tokens}, got {body[field]}.", param=field
                )
    for field in _LISTS:
        value = body.get(field)
        if isinstance(value, list | dict) and len(value) > _MAX_ITEMS:
            raise BadRequest(f"{field} may hold at most {_MAX_ITEMS} entries.", param=field)
    if route == "chat":
        messages = body.get("messages")
        if isinstance(messages, list) and len(messages) > limits.max_messages:
            raise BadRequest(
                f"A chat may hold at most {limits.max_messages} messages, got {len(messages)}.",
                param="messages",
            )
    elif num_prompts(body) > 1 and num_sequences(route, body) > limits.max_messages:
        raise BadRequest(
            f"A request may ask for at most {limits.max_messages} completions (prompts times n).",
            param="prompt",
        )


def num_prompts(body: Mapping[str, Any]) -> int:
    """Prompts of a completions request."""
    prompt = body.get("prompt")
    # A list of numbers is one prompt, as token ids.
    if not isinstance(prompt, list) or not prompt or isinstance(prompt[0], int):
        return 1
    return len(prompt)


def num_sequences(route: str, body: Mapping[str, Any]) -> int:
    """Sequences that the engine runs for a request within the limits: its prompts times n."""
    n = _number(body.get("n"))
    prompts = 1 if route == "chat" else num_prompts(body)
    return prompts * (int(n) if n is not None and n > 1 else 1)


def _is_above(value: Any, limit: int) -> bool:
    number = _number(value)
    return number is not None and number > limit


def _number(value: Any) -> float | None:
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
    except OverflowError:
        return float("inf")
