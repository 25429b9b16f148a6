"""Samples in the making: what an engine has streamed of them so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from empo_serve.errors import EngineError
from empo_serve.types import Sample


@dataclass(slots=True)
class Draft:
    """One sample, up to the token that came last. `finish_reason` is None until it is whole."""

    text: str = ""
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: str | None = None

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

    def grow(self, num: int) -> None:
        """Make it `num` samples in all."""
        self.drafts += [Draft() for _ in range(num - len(self.drafts))]

    def add(self, route: str, event: Mapping[str, Any], wanted: Sequence[Draft]) -> None:
        """Add one streamed event; choice i of it belongs to `wanted[i]`. Raises EngineError."""
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
                draft.text += choice["delta"].get("content") or ""
                values = [token["logprob"] for token in logprobs["content"]] if logprobs else []
            else:
                draft.text += choice["text"]
                values = logprobs["token_logprobs"] if logprobs else []
            if len(token_ids) != len(values):
                raise EngineError(
                    f"the engine sent {len(token_ids)} token ids with {len(values)} "
                    "log-probabilities; such a sample cannot be learned from"
                )
            draft.token_ids += token_ids
            draft.logprobs += values
            draft.finish_reason = choice.get("finish_reason") or draft.finish_reason
        if not self.prompt_token_ids and prompt_token_ids:
            self.prompt_token_ids = tuple(prompt_token_ids)
