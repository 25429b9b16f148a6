"""The request fields in the OpenAPI document are fields of vLLM's requests."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from empo_serve.server.bodies import ChatRequest, CompletionRequest

FIELDS_OF_VLLM = """
import json
from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
from vllm.entrypoints.openai.completion.protocol import CompletionRequest
models = (ChatCompletionRequest, CompletionRequest)
print(json.dumps([sorted(model.model_fields) for model in models]))
"""


@pytest.mark.vllm
def test_the_documented_request_fields_are_vllms_and_empo() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FIELDS_OF_VLLM], capture_output=True, text=True, check=True
    )
    chat, completion = (set(fields) for fields in json.loads(done.stdout.splitlines()[-1]))
    assert ChatRequest.model_fields.keys() - chat == {"empo"}
    assert CompletionRequest.model_fields.keys() - completion == {"empo"}
