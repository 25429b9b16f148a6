#!/bin/sh
# Install LiteLLM's proxy, for comparison, in a virtual environment of its own: its pins and ours
# need not agree. bench/overhead.py measures against it when it is there.
#
#     bench/litellm.sh [PYTHON]
set -eu
venv="$(dirname "$0")/.litellm-venv"
"${1:-python3}" -m venv "$venv"
"$venv/bin/pip" install --quiet "litellm[proxy]==1.106.0"
