"""Every configuration that is shipped is one that the server takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from empo_serve.cli import main
from empo_serve.config import load_config
from empo_serve.semantics.entropy import normalized_entropy, semantic_entropy

ROOT = Path(__file__).resolve().parents[2]
READY = sorted((ROOT / "configs").glob("*.toml"))
SHIPPED = [*READY, ROOT / "deploy" / "empo.toml", ROOT / "empo_serve" / "demo_data" / "demo.toml"]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_a_shipped_configuration_passes_the_check(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["config", "check", "--config", str(file)])
    assert ended.value.code == 0, capsys.readouterr().err


def test_the_ready_configurations_sample_as_the_paper_does() -> None:
    assert [file.stem for file in READY] == ["freeform", "math"]
    for file in READY:
        config = load_config(file, env={})
        assert (config.sampling.num_generations, config.sampling.temperature) == (16, 1.0)
        assert (config.train.reward, config.train.beta) == ("prob", 0.0)
        # A prompt and the longest answer fit into the engine.
        assert config.engine.max_model_len is not None
        assert config.sampling.max_tokens + 1024 <= config.engine.max_model_len
    math = load_config(ROOT / "configs" / "math.toml", env={})
    assert (math.sampling.max_tokens, math.semantics.equivalence) == (3072, "rules")


def test_one_dissenter_among_sixteen_is_in_the_band_of_the_ready_configurations() -> None:
    ids = [0] * 15 + [1]
    for file in READY:
        assert load_config(file, env={}).band.low < normalized_entropy(semantic_entropy(ids), 16)
