#!/usr/bin/env bash
# Lints and tests the Python of scripts/ and tests/onnx.
#
#   scripts/checks/python.sh             linter and unit tests: seconds once all is installed
#   scripts/checks/python.sh --search    whole searches over Ray besides: some minutes
#
# Packages come from PyPI, in the versions of requirements.txt, into an environment below target/.
# PyTorch is Debian's, whose build for CPUs is a tenth of PyPI's; it is installed if it is missing
# and this runs as root. PYTHON names another interpreter that has it.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-/usr/bin/python3}
environment=$PWD/target/python
pinned=$PWD/scripts/checks/requirements.txt
checks=0

check() {
  printf '\n-- %s\n' "$*"
  "$environment/bin/python" -m "$@"
  checks=$((checks + 1))
}

install_torch() {
  local packages=(python3-torch python3-venv)
  if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "$python has no PyTorch: apt-get install ${packages[*]}, or set PYTHON" >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${packages[@]}" \
    > /dev/null
}

# An environment of other versions is thrown away.
install() {
  "$python" -c 'import torch, venv' 2> /dev/null || install_torch
  if ! cmp -s "$1" "$environment/installed.txt"; then
    "$python" -m venv --clear --system-site-packages "$environment"
    "$environment/bin/pip" install --quiet --disable-pip-version-check -r "$1"
    cp "$1" "$environment/installed.txt"
  fi
}

case "${1:-}" in
  "") ;;
  --search)
    environment=$PWD/target/python-search
    pinned=$PWD/scripts/checks/requirements-search.txt
    ;;
  *) echo "usage: $0 [--search]" >&2; exit 2 ;;
esac

install "$pinned"
cd scripts
check ruff format --config ruff.toml --check . ../tests/onnx
check ruff check --config ruff.toml . ../tests/onnx
check pytest --quiet --ignore planner/tests/test_search.py
if [ "${1:-}" = --search ]; then
  check pytest --quiet planner/tests/test_search.py
fi
printf '\nPython: %d checks ran\n' "$checks"
