from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_model import save_llama

from empo_serve.train.prepare_model import main
from empo_serve.train.zero_adapter import linear_layers

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "empo_serve.train.prepare_model"]
HIDDEN, HEADS, LAYERS, INNER = 64, 4, 2, 96
TOKENS = ["<|endoftext|>", *(chr(c) for c in range(33, 127)), "ab"]


def write_gguf(path: Path) -> None:
    """A tiny Llama with a byte-pair tokenizer, as llama.cpp writes one."""
    from gguf import GGUFWriter, TokenType

    rng = np.random.default_rng(0)

    def weight(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape, dtype=np.float32) * 0.05

    writer = GGUFWriter(path, "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([TokenType.CONTROL, *[TokenType.NORMAL] * (len(TOKENS) - 1)])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_chat_template("{{ messages[0]['content'] }}")
    writer.add_tensor("token_embd.weight", weight(len(TOKENS), HIDDEN))
    writer.add_tensor("output_norm.weight", np.ones(HIDDEN, dtype=np.float32))
    for i in range(LAYERS):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{i}.{name}.weight", weight(HIDDEN, HIDDEN))
        writer.add_tensor(f"blk.{i}.ffn_gate.weight", weight(INNER, HIDDEN))
        writer.add_tensor(f"blk.{i}.ffn_up.weight", weight(INNER, HIDDEN))
        writer.add_tensor(f"blk.{i}.ffn_down.weight", weight(HIDDEN, INNER))
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{i}.{name}.weight", np.ones(HIDDEN, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_becomes_a_directory_that_can_be_served(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf")
    dest = tmp_path / "data" / "model"
    command = [*COMMAND, str(tmp_path / "tiny.gguf"), str(dest), "--dtype", "bfloat16"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    config = json.loads((dest / "config.json").read_text(encoding="utf-8"))
    assert config["dtype"] == "bfloat16"
    assert "quantization_config" not in config
    assert (dest / "tokenizer.json").is_file()
    assert "messages" in (dest / "chat_template.jinja").read_text(encoding="utf-8")
    assert len(linear_layers(dest)) == LAYERS * 7
    assert [p.name for p in dest.parent.iterdir()] == ["model"]

    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "nothing to do" in again.stderr


def test_a_damaged_gguf_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + bytes(100))
    command = [*COMMAND, str(tmp_path / "bad.gguf"), str(tmp_path / "model")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: cannot convert")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("source", ["none.gguf", "/none/model", "./none", "a/b/c"])
def test_a_source_that_does_not_exist_is_one_line(
    tmp_path: Path, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([source, str(tmp_path / "model")]) == 1
    assert capsys.readouterr().err == f"error: there is no file {source}\n"


def test_a_destination_that_exists_is_left_alone(tmp_path: Path) -> None:
    model = save_llama(tmp_path / "model")
    before = {p: p.stat().st_mtime_ns for p in model.iterdir()}
    assert main(["some/model", str(model)]) == 0
    assert {p: p.stat().st_mtime_ns for p in model.iterdir()} == before
