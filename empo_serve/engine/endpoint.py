"""Another OpenAI-compatible server, which is asked for its first tokens and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from typing import Any

import aiohttp

from empo_serve.engine.client import error_message
from empo_serve.errors import EngineError, EngineUnavailable, StartupError

_CONCURRENT = 8
_TIMEOUT_S = 60.0
_NUM_TOP = 20  # the most that OpenAI and vLLM give


class Endpoint:
    """`url` is a base URL as the openai package takes it, such as "https://host/v1".

    To be made within a running event loop. Raises StartupError when `api_key_env` names a variable
    that is not set.
    """

    def __init__(self, url: str, model: str, api_key_env: str = "") -> None:
        headers = {}
        if api_key_env:
            if not os.environ.get(api_key_env):
                raise StartupError(f"the environment variable {api_key_env} is not set")
            headers["Authorization"] = f"Bearer {os.environ[api_key_env]}"
        self._url = url.rstrip("/") + "/chat/completions"
        self._model = model
        self._slots = asyncio.Semaphore(_CONCURRENT)
        self._session = aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)
        )

    @property
    def name(self) -> str:
        return f"{self._model} at {self._url.removesuffix('/chat/completions')}"

    async def close(self) -> None:
        await self._session.close()

    async def first_tokens(
        self, chats: Sequence[list[dict[str, Any]]], urgent: bool = False
    ) -> list[dict[str, float]]:
        """For each chat the likeliest first tokens of the reply with their log-probabilities; none
        where the server does not take the chat. Raises EngineError."""
        return list(await asyncio.gather(*(self._first_token(chat) for chat in chats)))

    async def _first_token(self, chat: list[dict[str, Any]]) -> dict[str, float]:
        body = {"model": self._model, "messages": chat, "max_tokens": 1, "temperature": 1.0}
        body |= {"logprobs": True, "top_logprobs": _NUM_TOP}
        try:
            async with (
                self._slots,
                # Not to a server that was not configured, least of all with the key.
                self._session.post(self._url, json=body, allow_redirects=False) as response,
            ):
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError) as e:
            raise EngineUnavailable(f"{self._url} does not answer: {e!r}") from e
        if response.status == 400:
            return {}
        if response.status != 200:
            raise EngineError(
                f"{self._url} answered {response.status}: {error_message(raw)}", response.status
            )
        try:
            content = json.loads(raw)["choices"][0]["logprobs"]["content"]
            return {t["token"]: float(t["logprob"]) for t in content[0]["top_logprobs"]}
        except (ValueError, KeyError, IndexError, TypeError) as e:
            raise EngineError(f"{self._url} sent no log-probabilities of tokens") from e
