# Sourced by setup.sh and lock.sh: sets PYTHON to a Python 3.11 or newer that can make
# virtual environments. Set PYTHON yourself to choose another one.

is_usable_python() {
  "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

if [ -z "${PYTHON:-}" ]; then
  for PYTHON in python3.11 python3 python3.12 python3.13 ""; do
    if [ -n "$PYTHON" ] && is_usable_python "$PYTHON"; then break; fi
  done
fi
if [ -z "$PYTHON" ] || ! is_usable_python "$PYTHON"; then
  echo "setup: needs Python 3.11 or newer with venv (Debian: apt-get install python3 python3-venv)" >&2
  exit 1
fi
