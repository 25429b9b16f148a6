"""Every error that empo_serve raises on purpose.

EmpoError
├── ConfigError            the operator's configuration or arguments are wrong   (exit code 2)
├── StartupError           something needed at start is missing or taken         (exit code 1)
├── EngineError            the inference engine refused or failed
│   └── EngineUnavailable  ... or does not answer
│       └── EngineUnreachable  ... since it took no request at all: another engine may
├── ScorerError            a group could not be scored; it becomes "not scored"
├── AdapterError           an adapter is unknown, or its files are not acceptable
└── JobError               a training job directory is not usable

Domain errors know no HTTP; the server maps them to status codes in one place.
"""

from __future__ import annotations


class EmpoError(Exception):
    """Base of all errors; the message is one line that says what is wrong and what to do."""


class ConfigError(EmpoError):
    pass


class StartupError(EmpoError):
    pass


class EngineError(EmpoError):
    """The engine answered with an error.

    `status` is the HTTP status it sent, or None when there was no answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class EngineUnavailable(EngineError):
    pass


class EngineUnreachable(EngineUnavailable):
    pass


class ScorerError(EmpoError):
    pass


class AdapterError(EmpoError):
    pass


class JobError(EmpoError):
    pass
