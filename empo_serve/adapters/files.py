"""The files of an adapter: what is accepted, and how a version is published on disk.

vLLM checks neither tensors for NaN nor every shape, accepts pickled .bin files, and treats a
relative path as a model hub id. So nothing reaches it that has not passed `check_adapter`, and it
is only ever given absolute paths of our own version directories.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from empo_serve.db.durable import publish_directory, temporary_beside
from empo_serve.errors import AdapterError

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
MANIFEST = "manifest.json"

_MAX_NORM = 1e4  # of one tensor; a trained LoRA matrix has a norm around 1 to 100
_FLOATS = {"F32", "F16", "BF16"}


@dataclass(frozen=True, slots=True)
class AdapterFacts:
    """What a checked adapter is: its rank and the shape of every tensor."""

    rank: int
    shapes: dict[str, tuple[int, ...]]


def check_adapter(directory: Path, expected: AdapterFacts | None = None) -> AdapterFacts:
    """Check that a directory holds a LoRA adapter that is safe to serve. Raises AdapterError; for
    weights that are not acceptable its message begins with the name of the check.

    `expected` is the zero adapter of the base model: the same modules, the same outer dimensions.
    """
    for name in (CONFIG, WEIGHTS):
        path = directory / name
        if not path.exists() or not stat.S_ISREG(path.lstat().st_mode):
            raise AdapterError(f"the adapter has no regular file {name}")
    rank = _check_config(directory / CONFIG)
    shapes: dict[str, tuple[int, ...]] = {}
    try:
        with safe_open(directory / WEIGHTS, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a dict
                part = tensors.get_slice(name)
                if part.get_dtype() not in _FLOATS:
                    raise AdapterError(f"tensor {name} has type {part.get_dtype()}, not a float")
                shapes[name] = tuple(part.get_shape())
                _check_values(name, np.asarray(tensors.get_tensor(name)))
    except (SafetensorError, OSError, ValueError) as e:
        raise AdapterError(f"{WEIGHTS} cannot be read: {e}") from e
    if not shapes:
        raise AdapterError(f"{WEIGHTS} is empty")
    for name, shape in shapes.items():
        if not name.endswith(("lora_A.weight", "lora_B.weight")) or len(shape) != 2:
            raise AdapterError(f"tensor {name} is not a LoRA matrix")
        inner = shape[0] if name.endswith("lora_A.weight") else shape[1]
        if inner != rank:
            raise AdapterError(f"tensor {name} has rank {inner}, the configuration says {rank}")
    facts = AdapterFacts(rank, shapes)
    if expected is not None:
        _check_modules(facts, expected)
    return facts


def publish(source: Path, destination: Path, facts: dict[str, Any]) -> None:
    """Copy a checked adapter to its version directory, with a manifest, all or nothing.

    Written aside, synced, renamed: a reader sees a complete version or none. `facts` stand in
    the manifest beside the digests.
    """
    temporary = temporary_beside(destination)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o755)
    digests = {}
    for name in (CONFIG, WEIGHTS):
        shutil.copyfile(source / name, temporary / name)
        with open(temporary / name, "rb") as f:
            digests[name] = hashlib.file_digest(f, "sha256").hexdigest()
    manifest = json.dumps({"files": digests, **facts}, indent=1)
    (temporary / MANIFEST).write_text(manifest + "\n", encoding="utf-8")
    publish_directory(temporary, destination)


def check_manifest(directory: Path) -> None:
    """Check that a published version is complete and unchanged. Raises AdapterError."""
    try:
        files = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))["files"]
        for name in (CONFIG, WEIGHTS):
            with open(directory / name, "rb") as f:
                if hashlib.file_digest(f, "sha256").hexdigest() != files[name]:
                    raise AdapterError(f"{directory / name} was changed after it was published")
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise AdapterError(f"the adapter version {directory} is incomplete: {e}") from e


def digest(directory: Path) -> str:
    """Eight hex digits that tell one published adapter from another."""
    with open(directory / WEIGHTS, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()[:8]


def largest_change(candidate: Path, parent: Path) -> float:
    """How far two checked adapters are from doing the same: 0.0 only if they do exactly that.

    Matrices are compared as they are. A layer whose B is zero does nothing, whatever its A is.
    """
    new, old = _layers(candidate), _layers(parent)
    change = 0.0
    for name in new.keys() | old.keys():
        ours, theirs = new.get(name), old.get(name)
        if ours is None or theirs is None:
            change = max(change, *(_largest(b) for b in (ours or theirs or ())[1:]))
        elif all(not b.any() for _, b in (ours, theirs)):
            continue
        elif any(a.shape != b.shape for a, b in zip(ours, theirs, strict=True)):
            change = max(change, *(_largest(b) for _, b in (ours, theirs)))
        else:
            pairs = zip(ours, theirs, strict=True)
            change = max(change, *(_largest(a - b) for a, b in pairs))
    return change


def _layers(directory: Path) -> dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """A and scaled B of each layer."""
    config = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
    scale = np.float32(config.get("lora_alpha", config["r"]) / config["r"])
    with safe_open(directory / WEIGHTS, framework="numpy") as tensors:
        values = {
            name: np.asarray(tensors.get_tensor(name)).astype(np.float32)
            for name in tensors.keys()  # noqa: SIM118 - not a dict
        }
    suffix = ".lora_A.weight"
    layers = {}
    for name in values:
        if name.endswith(suffix) and (b := name.removesuffix(suffix) + ".lora_B.weight") in values:
            layers[name.removesuffix(suffix)] = (values[name], scale * values[b])
    return layers


def _largest(values: np.ndarray[Any, Any]) -> float:
    return float(np.abs(values).max(initial=0.0))


def _check_config(path: Path) -> int:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise AdapterError(f"{CONFIG} cannot be read: {e}") from e
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise AdapterError(f"{CONFIG} does not describe a LoRA adapter (peft_type LORA)")
    rank = config.get("r")
    if not isinstance(rank, int) or isinstance(rank, bool) or not 1 <= rank <= 512:
        raise AdapterError(f"{CONFIG}: r must be a whole number from 1 to 512, got {rank!r}")
    for key, plain in (("use_dora", False), ("bias", "none"), ("modules_to_save", None)):
        if config.get(key, plain) not in (plain, None):
            raise AdapterError(f"{CONFIG}: {key} = {config[key]!r} cannot be served")
    return rank


def _check_values(name: str, values: np.ndarray[Any, Any]) -> None:
    wide = values.astype(np.float32)
    if not np.isfinite(wide).all():
        raise AdapterError(f"weights_finite: tensor {name} holds NaN or infinity")
    if float(np.linalg.norm(wide)) > _MAX_NORM:
        raise AdapterError(f"weights_norm: tensor {name} has a norm above {_MAX_NORM:g}")


def _check_modules(facts: AdapterFacts, expected: AdapterFacts) -> None:
    for name, shape in facts.shapes.items():
        reference = expected.shapes.get(name)
        if reference is None:
            raise AdapterError(f"shapes_fit: tensor {name} fits no linear layer of the base model")
        outer = 1 if name.endswith("lora_A.weight") else 0
        if shape[outer] != reference[outer]:
            raise AdapterError(
                f"shapes_fit: tensor {name} has shape {list(shape)}, which does not fit the base "
                "model"
            )


# safetensors looks bfloat16 up by name in numpy's registry, where ml_dtypes puts it.
assert np.dtype("bfloat16") == np.dtype(ml_dtypes.bfloat16)
