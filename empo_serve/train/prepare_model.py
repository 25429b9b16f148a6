"""Make a Hugging Face directory of a GGUF file or a hub id, once.

    python -m empo_serve.train.prepare_model SOURCE DEST --dtype bfloat16

Run as a process of its own: it needs torch and several times the model's size in memory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from empo_serve.db.durable import publish_directory, temporary_beside
from empo_serve.errors import EmpoError, StartupError

DTYPES = ("auto", "bfloat16", "float16", "float32")

# What a served model needs; original checkpoints in other formats can be as large again.
_HUB_FILES = ("*.json", "*.safetensors", "*.jinja", "*.txt", "*.model")


def prepare_model(source: str, dest: Path, dtype: str) -> None:
    """Write the model `source` to `dest`, complete or not at all. Raises StartupError.

    A `dest` that exists is complete, and left alone. `dtype` is that of the dequantised weights
    of a GGUF file ("auto": bfloat16); a model from the hub is taken as it is.
    """
    if dest.exists():
        _say(f"{dest} exists; nothing to do")
        return
    started = time.monotonic()
    temporary = temporary_beside(dest)
    shutil.rmtree(temporary, ignore_errors=True)
    dest.parent.mkdir(parents=True, exist_ok=True)
    if Path(source).is_file():
        _say(f"converting {source}: takes a while, and only once")
        _convert_gguf(Path(source), temporary, "bfloat16" if dtype == "auto" else dtype)
    elif source.endswith(".gguf") or source.startswith(("/", ".", "~")) or source.count("/") > 1:
        raise StartupError(f"there is no file {source}")
    else:
        _say(f"downloading {source}")
        _download(source, temporary)
    publish_directory(temporary, dest)
    _say(f"{dest} is ready after {time.monotonic() - started:.1f} s")


def _convert_gguf(file: Path, dest: Path, dtype: str) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    if not sys.stderr.isatty():
        os.environ["TQDM_DISABLE"] = "1"  # a bar of progress in a log file is noise
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging

    logging.disable_progress_bar()
    where: dict[str, Any] = {"gguf_file": file.name, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **where)
        model = AutoModelForCausalLM.from_pretrained(
            file.parent,
            dtype=getattr(torch, dtype),
            quantization_config=GgufConfig(dequantize=True),
            **where,
        )
    except Exception as e:  # a damaged file shows itself as an error of any type
        raise StartupError(f"cannot convert {file}: {_first_line(e)}") from e
    # The weights are plain now; an engine that read this would look for quantised ones.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(dest)
    tokenizer.save_pretrained(dest)


def _download(hub_id: str, dest: Path) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        snapshot_download(hub_id, local_dir=dest, allow_patterns=list(_HUB_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as e:
        raise StartupError(f"cannot download {hub_id}: {_first_line(e)}") from e
    shutil.rmtree(dest / ".cache", ignore_errors=True)
    if not (dest / "config.json").is_file():
        raise StartupError(f"{hub_id} holds no config.json: it is not a transformers model")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m empo_serve.train.prepare_model")
    parser.add_argument("source", help="a GGUF file, or a hub id")
    parser.add_argument("dest", type=Path, help="the directory to write")
    parser.add_argument("--dtype", choices=DTYPES, default="auto")
    arguments = parser.parse_args(argv)
    try:
        prepare_model(arguments.source, arguments.dest, arguments.dtype)
    except EmpoError as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
