"""Answers of a server, asked for through the OpenAI SDK and kept in a file of JSON lines.

The first line of the file holds the settings. A run that was ended goes on where it was; one with
other settings is refused, because its answers would be of another kind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import urlsplit

import openai
from questions import Question, Template

from empo_serve.errors import ConfigError, EmpoError

Kind = Literal["greedy", "sampled"]

TIMEOUT_S = 3600.0  # long reasoning on a busy server
MAX_RETRIES = 5  # of what a server may well do later: 429, 503, a lost connection
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Every other request would get the same.
_HOPELESS = (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError)


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides an answer. `version` None: whatever the server answers with."""

    model: str
    version: str | None
    system: str
    suffix: str
    max_tokens: int
    num_samples: int
    temperature: float


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    is_truncated: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """One request and what came back. `version` is None from a server that names none."""

    file: str
    id: str
    kind: Kind
    question: str
    version: str | None
    answers: tuple[Answer, ...]


class Server:
    """Asks one server, always with the same settings."""

    def __init__(
        self, base_url: str, api_key: str, settings: Settings | None, learn: bool = False
    ) -> None:
        self._settings = settings
        self._headers = {} if learn else {"X-Empo-Learn": "no"}
        if settings and settings.version:
            self._headers["X-Empo-Version"] = settings.version
        self._openai = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key or "none",  # the SDK insists on one
            max_retries=MAX_RETRIES,
            timeout=TIMEOUT_S,
            # A proxy that the environment names has no business on loopback.
            http_client=openai.DefaultAsyncHttpxClient(
                trust_env=urlsplit(base_url).hostname not in _LOOPBACK
            ),
        )

    async def first_model(self) -> str:
        """The model that the server names first. Raises EmpoError if it does not answer."""
        try:
            client = self._openai.with_options(max_retries=0, timeout=30.0)  # it must be up by now
            return str((await client.models.list()).data[0].id)
        except (openai.OpenAIError, IndexError) as e:
            raise EmpoError(f"no model at {self._openai.base_url}: {one_line(e)}") from e

    async def ask(self, question: Question, kind: Kind) -> Answered:
        """Raises openai.OpenAIError, or EmpoError where no request can succeed."""
        settings = self._settings
        assert settings is not None, "a server without settings only names its model"
        is_sampled = kind == "sampled"
        body: dict[str, Any] = {
            "model": settings.model,
            "messages": Template(settings.system, settings.suffix).messages(question),
            "max_tokens": settings.max_tokens,
            "n": settings.num_samples if is_sampled else 1,
            "temperature": settings.temperature if is_sampled else 0.0,
            "top_p": 1.0,  # a server may have another default
            "extra_headers": self._headers,
        }
        try:
            raw = await self._openai.chat.completions.with_raw_response.create(**body)
        except _HOPELESS as e:
            raise EmpoError(f"the server refuses: {one_line(e)}") from e
        answers = tuple(
            Answer(choice.message.content or "", choice.finish_reason == "length")
            for choice in raw.parse().choices
        )
        if len(answers) != body["n"]:
            raise EmpoError(f"the server gives {len(answers)} answers for n = {body['n']}")
        version = raw.headers.get("X-Empo-Version")
        return Answered(question.file, question.id, kind, question.text, version, answers)

    async def close(self) -> None:
        await self._openai.close()


class AnswerFile:
    """The answers so far, by (file, id, kind), and the file that each new one is appended to.

    Raises ConfigError when the file is not one of ours, or was written with other settings.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self.answered: dict[tuple[str, str, Kind], Answered] = {}
        self._path = path
        try:
            # "a+b" alone neither destroys what is there nor needs it.
            self._file = open(path, "a+b")  # noqa: SIM115 - closed by __exit__
        except OSError as e:
            raise ConfigError(f"cannot write {path}: {e.strerror}") from e
        try:
            self._read(settings)
        except ConfigError:
            self._file.close()
            raise

    def __enter__(self) -> AnswerFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, answered: Answered) -> None:
        self._append(asdict(answered))
        self._keep(answered)

    def find(self, question: Question, kind: Kind) -> Answered | None:
        """Raises ConfigError if the id stood for another question then."""
        answered = self.answered.get((question.file, question.id, kind))
        if answered is not None and answered.question != question.text:
            raise ConfigError(
                f"{self._path} holds an answer to another question {question.id} of "
                f"{question.file}: give another --out"
            )
        return answered

    def _read(self, settings: Settings) -> None:
        self._file.seek(0)
        raw = self._file.read()
        complete = raw[: raw.rfind(b"\n") + 1]
        lines = complete.splitlines()
        try:
            rows = [json.loads(line) for line in lines]
            before = rows[0]["settings"] if rows else None
            for row in rows[1:]:
                answers = tuple(Answer(**answer) for answer in row.pop("answers"))
                self._keep(Answered(**row, answers=answers))
        except (ValueError, TypeError, KeyError) as e:
            raise ConfigError(f"{self._path} is not a file of answers: give another --out") from e
        if before is None and raw:
            raise ConfigError(f"{self._path} is not a file of answers: give another --out")
        if before is None:
            self._append({"settings": asdict(settings)})
        else:
            _check_same(self._path, before, asdict(settings))
            # What a killed run left behind of its last line.
            self._file.truncate(len(complete))

    def _append(self, row: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(row, ensure_ascii=True).encode("ascii") + b"\n")
        self._file.flush()

    def _keep(self, answered: Answered) -> None:
        self.answered[answered.file, answered.id, answered.kind] = answered


def _check_same(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    different = [name for name in now if before.get(name) != now[name]]
    if different:
        name = different[0]
        raise ConfigError(
            f"{path} was written with {name} = {before.get(name)!r}, not {now[name]!r}: "
            "use the same settings or another --out"
        )


def one_line(error: BaseException) -> str:
    """The server's own words where it has some; a connection's error says little but its cause."""
    if isinstance(error, openai.APIStatusError) and isinstance(error.body, dict):
        return f"{error.status_code} {error.body.get('message', error.message)}"
    text = str(error) or type(error).__name__
    cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
    return " ".join(f"{text}{cause}".split())
