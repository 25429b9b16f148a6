"""From the bytes of a user request to a `UserRequest`: check, sanitise, decide on learning.

The engine checks everything that is its own business, so that its answers and ours never differ;
here only what the engine must not see or cannot know is handled.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from empo_serve.config import Config
from empo_serve.server.auth import ANYBODY, Principal
from empo_serve.server.bodies import MAX_SAMPLES, EmpoField
from empo_serve.server.client_limits import check_limits, num_prompts, num_sequences
from empo_serve.server.errors import BadRequest
from empo_serve.server.json_body import json_object
from empo_serve.types import Query, UncertaintyOptions, UserRequest

# Ours alone: they never reach the engine from a client.
RESERVED = frozenset(
    {
        "cache_salt",
        "ec_transfer_params",
        "empo",
        "kv_transfer_params",
        "priority",
        "prompt_logprobs",
        "request_id",
        "return_token_ids",
        "vllm_xargs",
    }
)
# Fields with which a client steers an answer: such a query says little about the bare question,
# and a client could use them to steer what is learned.
_STEERING = frozenset(
    {
        "allowed_token_ids",
        "bad_words",
        "chat_template",
        "continue_final_message",
        "documents",
        "echo",
        "function_call",
        "functions",
        "guided_choice",
        "guided_grammar",
        "guided_json",
        "guided_regex",
        "logit_bias",
        "response_format",
        "structured_outputs",
        "suffix",
        "tools",
    }
)
_EMPO = {
    "samples": f"a whole number from 1 to {MAX_SAMPLES}",
    "answer": '"first" or "consensus"',
}


def parse_request(
    route: str,
    raw: bytes,
    content_type: str,
    headers: Mapping[str, str],
    config: Config,
    query_id: str,
    principal: Principal = ANYBODY,
) -> UserRequest:
    """Raises BadRequest with the status that vLLM gives, where vLLM has a say."""
    if content_type != "application/json":
        raise BadRequest(
            "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed",
            kind="Bad Request",
        )
    body = json_object(raw)
    _check_model(body, config.model.public_name)
    check_limits(route, body, config.limits)
    uncertainty = _uncertainty(route, body)
    engine_body = {
        k: v for k, v in body.items() if (name := k.lower()) not in RESERVED and "lora" not in name
    }
    # A name of another type stays: the engine refuses it, together with all else that is wrong.
    if isinstance(body.get("model"), str | None):
        engine_body.pop("model", None)
    if config.limits.max_tokens and all(
        body.get(field) is None for field in ("max_tokens", "max_completion_tokens")
    ):
        engine_body["max_tokens"] = config.limits.max_tokens
    prompt = _prompt_fields(route, engine_body)
    query = Query(
        query_id=query_id,
        route=route,
        prompt=prompt,
        question=_question(route, prompt),
        arrived_at=time.time(),
        principal=principal.name,
    )
    return UserRequest(
        route=route,
        body=engine_body,
        stream=body.get("stream") is True,
        num_seqs=num_sequences(route, body) + (uncertainty.samples if uncertainty else 0),
        uncertainty=uncertainty,
        query=query,
        not_learned=_why_not_learn(route, body, query, headers, config, principal),
    )


def _check_model(body: Mapping[str, Any], public_name: str) -> None:
    """vLLM takes no name, and an empty one, for the model that it serves; so do we."""
    model = body.get("model")
    if isinstance(model, str) and model not in ("", public_name):
        raise BadRequest(
            f"The model `{model}` does not exist. Valid aliases: {public_name}.",
            status=404,
            kind="NotFoundError",
            param="model",
        )


def _uncertainty(route: str, body: Mapping[str, Any]) -> UncertaintyOptions | None:
    options = body.get("empo")
    if options is None:
        return None
    if not isinstance(options, dict) or options.keys() - _EMPO.keys():
        raise BadRequest('empo must be an object with "samples" and "answer".', param="empo")
    try:
        field = EmpoField.model_validate(options)
    except ValidationError as e:
        name = str(e.errors()[0]["loc"][0])
        raise BadRequest(f"empo.{name} must be {_EMPO[name]}.", param=f"empo.{name}") from e
    if body.get("stream"):
        raise BadRequest(
            "empo does not go with stream: the answer waits for its samples.", param="stream"
        )
    if route == "completions" and num_prompts(body) > 1:
        raise BadRequest("empo goes with one prompt only.", param="prompt")
    if field.answer == "consensus" and body.get("n") not in (None, 1):
        raise BadRequest('empo.answer "consensus" gives one answer: n must be 1.', param="n")
    return UncertaintyOptions(samples=field.samples, consensus=field.answer == "consensus")


def _prompt_fields(route: str, body: Mapping[str, Any]) -> dict[str, Any]:
    names = ("messages", "chat_template_kwargs") if route == "chat" else ("prompt",)
    return {name: body[name] for name in names if name in body}


def _question(route: str, prompt: Mapping[str, Any]) -> str:
    """The text that the semantic layer sees: the last user message, or the whole prompt."""
    question = ""
    if route == "completions":
        question = prompt["prompt"] if isinstance(prompt.get("prompt"), str) else ""
    elif isinstance(messages := prompt.get("messages"), list):
        for message in messages:
            if isinstance(message, dict) and message.get("role") == "user":
                question = _text(message.get("content"))
    return question


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [
            p["text"] for p in content if isinstance(p, dict) and isinstance(p.get("text"), str)
        ]
        return "\n".join(texts)
    return ""


def _why_not_learn(
    route: str,
    body: Mapping[str, Any],
    query: Query,
    headers: Mapping[str, str],
    config: Config,
    principal: Principal,
) -> str | None:
    """A reason from a fixed list, so that it can be a metric label."""
    if "learn" not in principal.scopes:
        return "key"
    if headers.get("X-Empo-Learn", "").strip().lower() in ("no", "false", "0"):
        return "opted_out"
    if headers.get("X-Empo-Version"):
        return "pinned"
    if not config.privacy.learn:
        return "privacy"
    if any(value and field in _STEERING for field, value in body.items()):
        return "steered"
    if not query.question.strip():
        return "no_question"
    if route == "chat":
        messages = [m for m in body["messages"] if isinstance(m, dict)]
        if any(not _is_plain_text(m.get("content")) for m in messages):
            return "not_text"
        if messages[-1].get("role") != "user":
            return "steered"
        roles = {str(m.get("role")) for m in messages}  # whatever its type: the engine refuses it
        turns = sum(m.get("role") == "user" for m in messages)
        if (
            roles - {"system", "developer", "user"} or turns > 1
        ) and not config.privacy.learn_multi_turn:
            return "multi_turn"
    return None


def _is_plain_text(content: Any) -> bool:
    if isinstance(content, str):
        return True
    return isinstance(content, list) and all(
        isinstance(part, dict) and part.get("type") == "text" for part in content
    )
