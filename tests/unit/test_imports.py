"""The gateway is light: nothing that it imports brings torch or vLLM with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "vllm", "peft", "sentence_transformers", "math_verify", "sympy")


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("empo_serve.cli", (*HEAVY, "numpy", "aiohttp", "sqlalchemy", "pydantic")),
        ("empo_serve.supervisor.serve", HEAVY),
        ("empo_serve.engine.fake.server", HEAVY),
        ("empo_serve.train.job", HEAVY),
        ("empo_serve.semantics.process", HEAVY),
    ],
)
def test_importing_it_loads_nothing_heavy(module: str, forbidden: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & set({forbidden!r})))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""
