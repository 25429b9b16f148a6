"""Error answers in OpenAI's shape, in vLLM's words."""

from __future__ import annotations


class ApiError(Exception):
    """An answer with an error object; `kind` is the object's "type"."""

    def __init__(
        self,
        message: str,
        param: str | None = None,
        *,
        kind: str = "BadRequestError",
        status: int = 400,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "error": {"message": message, "type": kind, "param": param, "code": status},
        }


class BodyNotTextError(Exception):
    """The body is not UTF-8; answered outside of OpenAI's shape."""


def bad_value(message: str, param: str, value: object = None) -> ApiError:
    shown = f", value={value}" if value is not None else ""
    return ApiError(f"{message} (parameter={param}{shown})", param)


def not_supported(what: str) -> ApiError:
    """vLLM does this; the fake engine says that it does not, rather than pretend."""
    message = f"the fake engine does not support {what}"
    return ApiError(message)


def bad_adapter(message: str) -> ApiError:
    return ApiError(message, kind="InvalidUserInput")


def not_found(message: str, param: str | None = None) -> ApiError:
    return ApiError(message, param, kind="NotFoundError", status=404)


def engine_failed(message: str) -> ApiError:
    return ApiError(message, kind="InternalServerError", status=500)


def prompt_too_long(num_tokens: int, limit: int) -> ApiError:
    return ApiError(
        f"This model's maximum context length is {limit} tokens. However, your prompt contains "
        f"{num_tokens} input tokens, which exceeds this limit even without any output tokens. "
        f"Please reduce the length of the input prompt. (parameter=input_tokens, "
        f"value={num_tokens})",
        "input_tokens",
    )
