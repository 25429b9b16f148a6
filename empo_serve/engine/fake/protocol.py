"""Generation requests as vLLM 0.32 takes them, and its checks of their values.

Checks run in vLLM's order, because a request may be wrong twice: rules between fields, then types,
then the model name, then the prompt, then the sampling parameters.
"""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from typing import Annotated, Any

from pydantic import Field, field_validator

from empo_serve.engine.fake.body import Body
from empo_serve.engine.fake.errors import ApiError, bad_value, engine_failed, not_supported
from empo_serve.engine.fake.model import Sampling
from empo_serve.engine.fake.tokenizer import END_TEXT, START_TEXT, VOCAB_SIZE, decode, encode

_MAX_LOGPROBS = 20
_MAX_N = 16384
_SURROGATE = re.compile("[\ud800-\udfff]")


class StreamOptions(Body):
    include_usage: bool | None = False
    continuous_usage_stats: bool | None = False


class GenerationRequest(Body):
    """What chat and completions have in common."""

    model: str | None = None
    n: int | None = 1
    max_tokens: int | None = None
    min_tokens: int = 0
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = 0.0
    frequency_penalty: float | None = 0.0
    logit_bias: dict[str, float] | None = None
    seed: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    stop_token_ids: list[int] | None = None
    include_stop_str_in_output: bool = False
    ignore_eos: bool = False
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    return_token_ids: bool | None = None
    priority: int = 0
    prompt_logprobs: int | None = None
    response_format: dict[str, Any] | None = None
    structured_outputs: dict[str, Any] | None = None

    @classmethod
    def check_first(cls, body: dict[str, Any]) -> None:
        if body.get("stream_options") and not body.get("stream"):
            raise bad_value(
                "Stream options can only be defined when `stream=True`.", "stream_options"
            )

    @property
    def num_sequences(self) -> int:
        return 1 if self.n is None else self.n

    @property
    def scores_prompt(self) -> bool:
        """Can the log-probabilities of the prompt's own tokens be told?"""
        return False

    @property
    def include_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def include_usage_in_every_chunk(self) -> bool:
        options = self.stream_options
        return bool(self.include_usage and options and options.continuous_usage_stats)

    @abstractmethod
    def num_top(self) -> int | None:
        """Likeliest tokens to report at each position; None where none are wanted."""

    @abstractmethod
    def wanted_tokens(self, room: int) -> int:
        """Length of the answer, of the `room` that the context has left."""

    def to_sampling(self, num_prompt_tokens: int, max_model_len: int) -> Sampling:
        """Check the sampling parameters. Raises ApiError."""
        if self.prompt_logprobs is not None and (self.prompt_logprobs or not self.scores_prompt):
            raise not_supported("prompt_logprobs but 0 in a completion of one whole answer")
        if self.structured_outputs or (self.response_format or {}).get("type", "text") != "text":
            raise not_supported("structured outputs")
        room = max_model_len - num_prompt_tokens
        max_tokens = self.wanted_tokens(room)
        if max_tokens > max_model_len:
            raise bad_value(
                f"max_tokens={max_tokens} cannot be greater than max_model_len={max_model_len}. "
                "Please request fewer output tokens.",
                "max_tokens",
                max_tokens,
            )
        max_tokens = min(max_tokens, room)
        temperature = 1.0 if self.temperature is None else self.temperature
        self._check_ranges(temperature, max_tokens)
        if self.min_tokens > max_tokens:
            raise ApiError(
                f"min_tokens must be less than or equal to max_tokens={max_tokens}, "
                f"got {self.min_tokens}."
            )
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        if "" in stop:
            raise ApiError("stop cannot contain an empty string.")
        if any(_SURROGATE.search(text) for text in stop):
            raise engine_failed("")  # as vLLM does
        if temperature == 0 and self.num_sequences > 1:
            raise ApiError(f"n must be 1 when using greedy sampling, got {self.num_sequences}.")
        return Sampling(
            max_tokens=max_tokens,
            temperature=temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            top_k=self.top_k or 0,
            min_tokens=self.min_tokens,
            ignore_eos=self.ignore_eos,
            stop=stop,
            stop_token_ids=frozenset(self.stop_token_ids or ()),
            include_stop=self.include_stop_str_in_output,
            num_top=self.num_top(),
            logit_bias=self._logit_bias(),
        )

    def _logit_bias(self) -> dict[int, float]:
        biases = self.logit_bias or {}
        wrong = [token for token in biases if not _is_int(token)]
        if wrong:
            message = "logit_bias contains key(s) that cannot be converted to integer token IDs: "
            raise bad_value(f"{message}{wrong!r}", "logit_bias", wrong)
        unknown = [token for token in map(int, biases) if not 0 <= token < VOCAB_SIZE]
        if unknown:
            raise bad_value(
                f"token_id(s) {unknown} in logit_bias contain out-of-vocab token ids. "
                f"Vocabulary size: {VOCAB_SIZE}",
                "logit_bias",
                unknown,
            )
        return {int(token): min(100.0, max(-100.0, bias)) for token, bias in biases.items()}

    def _check_ranges(self, temperature: float, max_tokens: int) -> None:
        if self.num_sequences < 1:
            raise ApiError(f"n must be at least 1, got {self.num_sequences}.")
        if self.num_sequences > _MAX_N:
            raise ApiError(f"n must be at most {_MAX_N}, got {self.num_sequences}.")
        for name, penalty in (
            ("presence_penalty", self.presence_penalty),
            ("frequency_penalty", self.frequency_penalty),
        ):
            if penalty is not None and not -2 <= penalty <= 2:
                raise ApiError(f"{name} must be in [-2, 2], got {penalty}.")
        if not math.isfinite(temperature):
            raise bad_value(
                f"temperature must be a finite number, got {temperature}.",
                "temperature",
                temperature,
            )
        if temperature < 0:
            raise bad_value(
                f"temperature must be non-negative, got {temperature}.", "temperature", temperature
            )
        if temperature > 2:
            raise bad_value(
                f"temperature must be in [0, 2], got {temperature}.", "temperature", temperature
            )
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise bad_value(f"top_p must be in (0, 1], got {self.top_p}.", "top_p", self.top_p)
        if self.top_k is not None and self.top_k < -1:
            raise ApiError(f"top_k must be 0 (disable), or at least 1, got {self.top_k}.")
        if max_tokens < 1:
            raise bad_value(
                f"max_tokens must be at least 1, got {max_tokens}.", "max_tokens", max_tokens
            )

    def check_num_top(self) -> None:
        """vLLM looks at this only once the answer has begun: a stream has its status by then."""
        num_top = self.num_top()
        num_top = VOCAB_SIZE if num_top == -1 else num_top
        if num_top is not None and num_top > _MAX_LOGPROBS:
            message = f"Requested sample logprobs of {num_top}, which is greater than max allowed: "
            raise bad_value(f"{message}{_MAX_LOGPROBS}", "logprobs", num_top)


def _is_int(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


class _Messages(Body):
    """The second base of ChatRequest, so that its field, and an error in it, comes first."""

    messages: list[dict[str, Any]]

    @field_validator("messages")
    @classmethod
    def _check_messages(cls, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for message in messages:
            if not isinstance(message.get("role"), str):
                raise ValueError("Input should be a message with a role")
            content = message.get("content", "")
            may_be_null = message["role"] == "assistant"
            if not isinstance(content, str | list) and not (may_be_null and content is None):
                raise ValueError("Input should be a valid string")
        return messages


class ChatRequest(GenerationRequest, _Messages):
    max_completion_tokens: int | None = None
    logprobs: bool | None = False
    top_logprobs: int | None = 0
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None

    @classmethod
    def check_first(cls, body: dict[str, Any]) -> None:
        super().check_first(body)
        if "messages" in body and body["messages"] is None:
            raise ApiError("'NoneType' object is not iterable")
        num_top = body.get("top_logprobs")
        if isinstance(num_top, int | float):
            if num_top < 0 and num_top != -1:
                message = "`top_logprobs` must be a positive value or -1."
                raise bad_value(message, "top_logprobs", num_top)
            if num_top != 0 and not body.get("logprobs"):
                message = "when using `top_logprobs`, `logprobs` must be set to true."
                raise bad_value(message, "top_logprobs")

    def num_top(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None

    def wanted_tokens(self, room: int) -> int:
        for limit in (self.max_completion_tokens, self.max_tokens):
            if limit is not None:
                return limit
        return room

    def prompt_token_ids(self) -> list[int]:
        """The rendered chat. Raises ApiError for an empty one, and for parts that are not text."""
        if self.tools and self.tool_choice in (None, "auto"):
            raise ApiError(
                '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser '
                "to be set"
            )
        if not self.messages:
            raise ApiError(
                "Cannot apply chat template to an empty conversation. Provide at least one message."
            )
        turns = [
            f"{START_TEXT}{message['role']}\n{_text_of(message.get('content'))}{END_TEXT}\n"
            for message in self.messages
        ]
        return encode(f"{''.join(turns)}{START_TEXT}assistant\n")


def _text_of(content: str | list[Any] | None) -> str:
    if isinstance(content, str):
        return content
    texts = []
    for part in content or []:
        if not isinstance(part, dict) or part.get("type") != "text" or "text" not in part:
            raise ApiError("1 validation error: Input should be a part of type 'text'")
        texts.append(str(part["text"]))
    return "\n".join(texts)


TokenId = Annotated[int, Field(ge=0)]


class CompletionRequest(GenerationRequest):
    prompt: list[TokenId] | list[list[TokenId]] | str | list[str]
    logprobs: int | None = None
    echo: bool | None = False
    suffix: str | None = None

    @classmethod
    def check_first(cls, body: dict[str, Any]) -> None:
        super().check_first(body)
        if body.get("prompt") in (None, ""):
            raise bad_value(
                "Either prompt or prompt_embeds must be provided and non-empty.", "prompt"
            )
        logprobs = body.get("logprobs")
        if logprobs is not None and not isinstance(logprobs, int | float):
            raise bad_value("`logprobs` must be an integer.", "logprobs", logprobs)

    @property
    def scores_prompt(self) -> bool:
        return not self.stream and self.prompt_logprobs == 0

    def num_top(self) -> int | None:
        return self.logprobs

    def wanted_tokens(self, room: int) -> int:
        return 16 if self.max_tokens is None else self.max_tokens

    def prompts_token_ids(self) -> list[list[int]]:
        """Raises ApiError for no prompt, and for ids outside of the vocabulary."""
        if self.suffix:
            raise ApiError(
                "suffix is only supported for models with FIM completion rendering", "suffix"
            )
        if self.echo and self.logprobs is not None:
            raise not_supported("echo with logprobs")
        if not self.prompt:
            raise ApiError("You must pass at least one prompt")
        first = self.prompt[0]
        prompts: list[Any] = (
            [self.prompt] if isinstance(self.prompt, str) or isinstance(first, int) else self.prompt
        )
        ids = [encode(prompt) if isinstance(prompt, str) else prompt for prompt in prompts]
        for token in (token for one in ids for token in one):
            if token >= VOCAB_SIZE:
                raise ApiError(f"Token id {token} is out of vocabulary")
        return ids

    def echo_text(self, prompt_token_ids: list[int]) -> str:
        return decode(prompt_token_ids) if self.echo else ""
