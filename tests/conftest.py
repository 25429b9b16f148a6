"""What every tier shares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The machines that run this are shared and noisy: a slow example is no failure.
settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")


@pytest.fixture(scope="session")
def demo_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled demo model as a Hugging Face directory, converted as the server does it."""
    from empo_serve.train.bundled import demo_model_path

    directory = tmp_path_factory.mktemp("model") / "smollm2"
    subprocess.run(
        [
            *(sys.executable, "-m", "empo_serve.train.prepare_model"),
            *(str(demo_model_path()), str(directory), "--dtype", "bfloat16"),
        ],
        check=True,
        capture_output=True,
    )
    return directory


@pytest.fixture(scope="session")
def zero_adapter_dir(demo_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The all-zero adapter of the demo model."""
    from empo_serve.train.zero_adapter import zero_adapter

    directory = tmp_path_factory.mktemp("adapters") / "zero"
    zero_adapter(demo_model_dir, directory, rank=2, alpha=4.0)
    return directory


@pytest.fixture(scope="session")
def random_adapter_dir(zero_adapter_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the demo model with random weights, far from zero."""
    import numpy as np
    from safetensors.numpy import load_file, save_file

    directory = tmp_path_factory.mktemp("adapters") / "random"
    directory.mkdir()
    random = np.random.default_rng(1)
    tensors = {
        name: random.normal(0, 0.05, values.shape).astype(np.float32)
        for name, values in sorted(
            load_file(zero_adapter_dir / "adapter_model.safetensors").items()
        )
    }
    save_file(tensors, directory / "adapter_model.safetensors", metadata={"format": "pt"})
    config = (zero_adapter_dir / "adapter_config.json").read_text()
    (directory / "adapter_config.json").write_text(config)
    return directory
