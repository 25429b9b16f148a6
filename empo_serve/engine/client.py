"""One vLLM OpenAI server, reached over HTTP: the only way this project talks to an engine.

Its OpenAI server is vLLM's stable, documented surface, so the same code serves a child process,
fifty remote replicas and the fake engine.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp

from empo_serve.engine.evidence import Answers, Health, counts
from empo_serve.errors import EngineError, EngineUnavailable, EngineUnreachable
from empo_serve.types import Query

log = logging.getLogger(__name__)

ROUTES = {"chat": "/v1/chat/completions", "completions": "/v1/completions"}

# Lower is sooner. Users always go first.
USER_PRIORITY = 0
BACKGROUND_PRIORITY = 10


class EngineClient:
    """Requests to one engine. Users' streams and control calls have separate connections, so
    that loading an adapter never queues behind answers."""

    def __init__(
        self, url: str, request_timeout_s: float, control_timeout_s: float = 120.0
    ) -> None:
        self.url = url.rstrip("/")
        self.inflight = 0
        self.is_up = False
        # Does it report the probabilities that it samples by? None until `check_logprobs` has run.
        self.has_exact_logprobs: bool | None = None
        # What took it down last, for the operator; meaningless while it is up.
        self.why_down = "it has not answered yet"
        # Set when it turns out to lack adapters that it was given: it was restarted in between.
        self.forgot = asyncio.Event()
        self.answers = Answers()
        self._timeout = aiohttp.ClientTimeout(total=None, connect=10, sock_read=request_timeout_s)
        self._session = self._new_session()
        self._control = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=control_timeout_s)
        )

    def _new_session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            # No limit on connections: admission is decided by us, not by a pool. vLLM closes an
            # idle connection after 5 s; a request on its way then would be lost.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=4),
            timeout=self._timeout,
            # A compressed stream would wait for a block to be full.
            headers={"Accept-Encoding": "identity"},
            # A cookie that came with one user's answer must not go out with another's request.
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    @property
    def can_serve(self) -> bool:
        """Up, with the adapters that it should have as far as we know."""
        return self.is_up and not self.forgot.is_set()

    async def close(self) -> None:
        await self._session.close()
        await self._control.close()

    async def cut(self) -> None:
        """End every open request at once: whoever waits for one gets EngineUnavailable."""
        session, self._session = self._session, self._new_session()
        self.answers.close()
        await session.close()

    async def post(
        self, route: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        """Send a request whose response is read by the caller.

        Raises EngineUnavailable, EngineUnreachable where the same request may be sent to another
        engine, and EngineError for a status that is no answer to such a request.
        """
        try:
            response = await self._session.post(
                self.url + ROUTES[route],
                data=body,
                headers={"Content-Type": "application/json", **(headers or {})},
                allow_redirects=False,  # the body would be lost, or go to a server not configured
            )
        except (aiohttp.SocketTimeoutError, aiohttp.ClientPayloadError) as e:
            raise EngineUnavailable(f"the engine at {self.url} does not answer: {e!r}") from e
        except (aiohttp.ClientError, TimeoutError) as e:
            raise EngineUnreachable(f"the engine at {self.url} cannot be reached: {e!r}") from e
        if response.status < 200 or 300 <= response.status < 400:
            response.close()
            # Users read this one, so it does not tell the engine's address.
            raise EngineError(
                f"The inference engine answered with status {response.status}.", response.status
            )
        self.answers.follow(response)
        return response

    async def one_token(self, engine_name: str) -> None:
        """The shortest request there is, to see whether the engine computes at all."""
        body = {"model": engine_name, "prompt": "a", "max_tokens": 1, "priority": USER_PRIORITY}
        await self._json("completions", body)

    async def check_logprobs(self, engine_name: str) -> None:
        """See whether log-probabilities are those after `logit_bias` and temperature, by a token
        that a bias makes certain. Raises EngineUnavailable."""
        certain = 5
        body = {
            "model": engine_name,
            "prompt": "a",
            "max_tokens": 1,
            "temperature": 1.0,
            "logit_bias": {certain: 100},
            "logprobs": 0,
            "return_token_ids": True,
            "priority": BACKGROUND_PRIORITY,
        }
        try:
            [choice] = (await self._json("completions", body))["choices"]
            is_drawn = choice["token_ids"] == [certain]
            [logprob] = choice["logprobs"]["token_logprobs"]
            self.has_exact_logprobs = is_drawn and logprob > -0.01
        except EngineUnavailable:
            raise
        except (EngineError, KeyError, TypeError, ValueError):
            self.has_exact_logprobs = False  # it does not even understand the question
        if not self.has_exact_logprobs:
            log.warning(
                "the engine at %s reports log-probabilities from before temperature and logit_bias "
                "or ignores them: no sample is reused, and at a temperature other than 1 learning "
                "is less exact; start vLLM with --logprobs-mode processed_logprobs and without "
                "speculative decoding",
                self.url,
            )

    async def prefill(self, route: str, prompt: Mapping[str, Any], engine_name: str) -> None:
        """Compute a prompt under an adapter, so that the engine has it in its prefix cache."""
        own = {"model": engine_name, "max_tokens": 1, "priority": BACKGROUND_PRIORITY}
        await self._json(route, {**prompt, **own})

    async def tokenize(self, prompt: Mapping[str, Any], engine_name: str) -> list[int]:
        """The token ids of a chat request's prompt, by the engine's own chat template."""
        body = {**prompt, "model": engine_name}
        try:
            async with self._control.post(self.url + "/tokenize", json=body) as response:
                raw = await response.read()
                if response.status != 200:
                    raise EngineError(
                        f"the engine did not tokenize a prompt: {error_message(raw)}",
                        response.status,
                    )
                return list(json.loads(raw)["tokens"])
        except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as e:
            raise EngineUnavailable(f"the engine at {self.url} does not tokenize: {e!r}") from e

    async def first_token_logprobs(
        self,
        query: Query,
        engine_name: str,
        num: int = 5,
        priority: int = BACKGROUND_PRIORITY,
    ) -> dict[str, float]:
        """The most likely first tokens of an answer and their log-probabilities. Raises
        EngineError."""
        body = query.prompt | {
            "model": engine_name,
            "temperature": 1.0,
            "max_tokens": 1,
            "priority": priority,
        }
        body |= (
            {"logprobs": True, "top_logprobs": num} if query.route == "chat" else {"logprobs": num}
        )
        answer = await self._json(query.route, body)
        try:
            logprobs = answer["choices"][0]["logprobs"]
            if query.route == "chat":
                top = logprobs["content"][0]["top_logprobs"]
                return {t["token"]: float(t["logprob"]) for t in top}
            return dict(logprobs["top_logprobs"][0])
        except (KeyError, IndexError, TypeError, ValueError) as e:
            raise EngineError(f"the engine sent no log-probabilities: {e!r}") from e

    async def token_logprobs(
        self,
        prompt_token_ids: Sequence[int],
        token_ids: Sequence[int],
        engine_name: str,
        priority: int = BACKGROUND_PRIORITY,
    ) -> list[float]:
        """Log-probability of each token of a given answer, at temperature 1. Raises
        EngineError."""
        body = {
            "model": engine_name,
            "prompt": [*prompt_token_ids, *token_ids],
            "max_tokens": 1,
            "temperature": 1.0,
            "prompt_logprobs": 0,
            "priority": priority,
        }
        answer = await self._json("completions", body)
        try:
            rows = answer["choices"][0]["prompt_logprobs"][len(prompt_token_ids) :]
            return [
                float(row[str(token)]["logprob"])
                for row, token in zip(rows, token_ids, strict=True)
            ]
        except (KeyError, IndexError, TypeError, ValueError) as e:
            raise EngineError(f"the engine sent no log-probabilities: {e!r}") from e

    async def health(self, timeout_s: float = 10.0) -> Health:
        try:
            async with self._control.get(
                self.url + "/health", timeout=aiohttp.ClientTimeout(total=timeout_s)
            ) as response:
                return Health.GOOD if response.status == 200 else Health.GONE
        except TimeoutError:
            return Health.SILENT
        except aiohttp.ClientError:
            return Health.GONE

    async def counts(self) -> dict[str, float] | None:
        """What the engine has counted of its own work; None if it does not tell."""
        try:
            async with self._control.get(
                self.url + "/metrics", timeout=aiohttp.ClientTimeout(total=5)
            ) as response:
                return counts(await response.text())
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def version(self) -> str:
        try:
            async with self._control.get(self.url + "/version") as response:
                return str((await response.json())["version"])
        except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as e:
            raise EngineUnavailable(f"the engine at {self.url} does not tell its version") from e

    async def models(self) -> list[dict[str, Any]]:
        """The engine's own model list, adapters included."""
        try:
            async with self._control.get(
                self.url + "/v1/models", timeout=aiohttp.ClientTimeout(total=10)
            ) as response:
                return list((await response.json())["data"])
        except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as e:
            raise EngineUnavailable(f"the engine at {self.url} does not list its models") from e

    async def load_adapter(self, engine_name: str, path: str) -> None:
        """Load an adapter under a name that is unique for ever. Loading it again is no error."""
        status, text = await self._control_post(
            "/v1/load_lora_adapter", {"lora_name": engine_name, "lora_path": path}
        )
        # The name is ours alone and never gets other weights, so "already loaded" is success.
        if status != 200 and "already been loaded" not in text:
            raise EngineError(f"the engine refused adapter {engine_name}: {text}", status)

    async def unload_adapter(self, engine_name: str) -> None:
        """Make the engine forget an adapter's name; running requests keep it to their end."""
        status, text = await self._control_post(
            "/v1/unload_lora_adapter", {"lora_name": engine_name}
        )
        if status not in (200, 404):
            raise EngineError(f"the engine did not unload {engine_name}: {text}", status)

    async def _control_post(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        try:
            async with self._control.post(self.url + path, json=body) as response:
                return response.status, error_message(await response.read())
        except aiohttp.ClientConnectorError as e:
            raise EngineUnreachable(f"the engine at {self.url} cannot be reached: {e!r}") from e
        except (aiohttp.ClientError, TimeoutError) as e:
            raise EngineUnavailable(f"the engine at {self.url} does not answer: {e!r}") from e

    async def _json(self, route: str, body: dict[str, Any]) -> dict[str, Any]:
        self.inflight += 1
        try:
            response = await self.post(route, json.dumps(body).encode())
            async with response:
                raw = await response.read()
        except (aiohttp.ClientError, TimeoutError) as e:
            raise EngineUnavailable(f"the engine at {self.url} broke off: {e!r}") from e
        finally:
            self.inflight -= 1
        if response.status != 200:
            raise EngineError(
                f"the engine answered {response.status}: {error_message(raw)}", response.status
            )
        try:
            answer: dict[str, Any] = json.loads(raw)
        except ValueError as e:
            raise EngineError(f"the engine's answer is not JSON: {raw[:100]!r}") from e
        return answer


def error_message(raw: bytes) -> str:
    """The message of an OpenAI error body, or the start of whatever it is instead."""
    try:
        return str(json.loads(raw)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return raw[:300].decode(errors="replace")
