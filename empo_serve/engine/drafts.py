"""Samples in the making: what an engine has streamed of them so far."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from empo_serve.errors import EngineError
from empo_serve.types import Sample


@dataclass(slots=True)
class Draft:
    """One sample, up to the token that came last. `finish_reason` is None until it is whole.

    `pieces[t]` is the text that `token_ids[t]` added. `barred` are the tokens that the next one is
    known not to be, with the log-probabilities that they had.
    """

    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    finish_reason: str | None = None
    barred: dict[int, float] = field(default_factory=dict)
    is_repetition: bool = False  # of another draft: no engine wrote it

    @property
    def sample(self) -> Sample:
        return Sample(
            self.text, self.finish_reason or "", tuple(self.token_ids), tuple(self.logprobs)
        )


class Drafts:
    """The samples of one query from one adapter version, finished or not."""

    def __init__(self, version: str, num: int) -> None:
        self.version = version
        self.prompt_token_ids: tuple[int, ...] = ()
        self.drafts = [Draft() for _ in range(num)]

    @property
    def unfinished(self) -> list[Draft]:
        return [draft for draft in self.drafts if draft.finish_reason is None]

    @property
    def samples(self) -> tuple[Sample, ...]:
        """The finished samples."""
        return tuple(draft.sample for draft in self.drafts if draft.finish_reason is not None)

    @property
    def num_tokens(self) -> int:
        """Tokens of all samples so far, and of the prompt once."""
        return len(self.prompt_token_ids) + sum(len(draft.token_ids) for draft in self.drafts)

    def grow(self, more: Iterable[Draft]) -> None:
        """Add drafts, begun or not."""
        self.drafts += more

    @property
    def num_repetitions(self) -> int:
        return sum(draft.is_repetition for draft in self.drafts)

    def add(self, route: str, event: Mapping[str, Any], wanted: Sequence[Draft]) -> int:
        """Add one streamed event; choice i of it belongs to `wanted[i]`. Raises EngineError.

        How many choices does it end?
        """
        num_ended = 0
        if "error" in event:
            raise EngineError(f"the engine broke off: {event['error'].get('message')}")
        # vLLM puts the prompt's tokens beside the choices in chats, inside them in completions.
        prompt_token_ids = event.get("prompt_token_ids")
        for choice in event["choices"]:
            prompt_token_ids = prompt_token_ids or choice.get("prompt_token_ids")
            draft = wanted[choice["index"]]
            token_ids = choice.get("token_ids") or []
            logprobs = choice.get("logprobs")
            if route == "chat":
                text = choice["delta"].get("content") or ""
                tokens = logprobs["content"] if logprobs else []
                values = [token["logprob"] for token in tokens]
                shown = [token["token"] for token in tokens]
            else:
                text = choice["text"]
                values = logprobs["token_logprobs"] if logprobs else []
                shown = logprobs["tokens"] if logprobs else []
            if len(token_ids) != len(values):
                raise EngineError(
                    f"the engine sent {len(token_ids)} token ids with {len(values)} "
                    "log-probabilities; such a sample cannot be learned from"
                )
            finish_reason = choice.get("finish_reason")
            num_ended += finish_reason is not None
            if draft.barred and token_ids:
                # The engine drew it among the others only: from a share of the distribution.
                values = [values[0] + _log_rest(draft.barred), *values[1:]]
                draft.barred = {}
                # It was asked for this token alone.
                finish_reason = finish_reason if finish_reason != "length" else None
            draft.text += text
            draft.token_ids += token_ids
            draft.logprobs += values
            draft.pieces += _pieces(text, shown)
            draft.finish_reason = finish_reason or draft.finish_reason
        if not self.prompt_token_ids and prompt_token_ids:
            self.prompt_token_ids = tuple(prompt_token_ids)
        return num_ended


def _pieces(text: str, shown: Sequence[str]) -> list[str]:
    """The text of one event, token by token. What does not add up to it is left out, so that the
    pieces of that sample do not make its text."""
    if len(shown) == 1:
        return [text]
    # The last token of a sample is shown, but no part of its text.
    pieces = [*shown[:-1], ""] if "".join(shown) != text else [*shown]
    return pieces if "".join(pieces) == text else [""] * len(shown)


def _log_rest(barred: Mapping[int, float]) -> float:
    """Log-probability of all tokens but those."""
    return math.log1p(-math.fsum(math.exp(logprob) for logprob in barred.values()))
