#!/usr/bin/env bash
# Makes .venv complete: every extra that the demo and the tests need, at the versions of
# constraints.txt. Called by `make setup` with the stamp file to touch at the end.
# Safe to run again: what is installed already stays. A log is kept in .venv/setup.log.
set -euo pipefail
cd "$(dirname "$0")/.."
stamp=$1
log=.venv/setup.log

source scripts/find_python.sh
source scripts/pip_config.sh

# A moved checkout leaves an environment whose scripts point nowhere: make it anew.
if ! is_usable_python .venv/bin/python || ! .venv/bin/pip --version >/dev/null 2>&1 \
  || [ "$(.venv/bin/python -c 'import sys; print(sys.prefix)')" != "$PWD/.venv" ]; then
  echo "setup: creating .venv with $("$PYTHON" --version)"
  "$PYTHON" -m venv --clear .venv
fi

echo "setup: installing into .venv (about 4 GB; 2 to 10 minutes the first time)"
torch=$(sed -n 's/^torch==//p' constraints.txt)
find_torch .venv/bin/pip "$torch"

# Reads pip's output, keeps all but the noise in the log, and shows that something happens.
show_progress() {
  local found=0 line separators
  while IFS= read -r line; do
    case $line in
      # One line for every wheel that a local mirror lists and this pip does not want.
      *"is ignored: it is neither a file nor a directory"*) continue ;;
      "Collecting "*)
        found=$((found + 1))
        if [ $((found % 50)) -eq 0 ]; then echo "  $found packages found (${SECONDS} s)"; fi
        ;;
      "Installing collected packages:"*)
        separators=${line//[^,]/}
        echo "  unpacking $((${#separators} + 1)) packages (${SECONDS} s)"
        ;;
      ERROR:*) echo "  $line" >&2 ;;
    esac
    printf '%s\n' "$line" >&3
  done
}

if ! .venv/bin/pip install --no-input --progress-bar off --disable-pip-version-check \
  "${PIP_EXTRA[@]}" -c constraints.txt -e '.[cpu,train,semantics,demo,dev]' 2>&1 \
  | show_progress 3>"$log"; then
  echo "setup: pip failed; its last lines (all of them are in $log):" >&2
  tail -n 15 "$log" >&2
  exit 1
fi

.venv/bin/python scripts/remove_broken.py

if [ "$(uname -s)" = Linux ] \
  && ! .venv/bin/python -c 'import ctypes; ctypes.CDLL("libnuma.so.1")' 2>/dev/null; then
  echo "setup: vLLM's CPU build needs libnuma.so.1 (Debian: apt-get install libnuma1)" >&2
  exit 1
fi

touch "$stamp"
echo "setup: done in ${SECONDS} s"
