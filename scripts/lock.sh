#!/usr/bin/env bash
# Writes constraints.txt: the exact versions of everything that our extras bring in.
# pip resolves in a throw-away environment and installs nothing. `make lock`
set -euo pipefail
cd "$(dirname "$0")/.."

source scripts/find_python.sh
source scripts/pip_config.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
find_torch "$work/venv/bin/pip" "$(sed -n 's/^torch==//p' constraints.txt)"

# Give constraint files as arguments to hold versions back: scripts/lock.sh -c old.txt
if ! "$work/venv/bin/pip" install --dry-run --no-input --quiet --report "$work/report.json" \
  "${PIP_EXTRA[@]}" "$@" '.[cpu,train,semantics,demo,dev]' >"$work/log" 2>&1; then
  grep -v 'is ignored: it is neither a file nor a directory' "$work/log" | tail -n 20 >&2
  exit 1
fi

"$PYTHON" scripts/write_constraints.py "$work/report.json" >"$work/constraints.txt"
mv "$work/constraints.txt" constraints.txt
echo "lock: wrote $(grep -c == constraints.txt) versions to constraints.txt"
