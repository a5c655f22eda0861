#!/usr/bin/env bash
# Installs GPAW into a virtual environment: system packages, site configuration, build.
#     tools/install-gpaw.sh [PYTHON]          PYTHON: that of the environment, .venv/bin/python
#     GPAW_SERIAL=1 tools/install-gpaw.sh     without MPI
# On Debian and Ubuntu it installs the packages as root or with sudo, or says which are missing.
# Elsewhere libxc, FFTW and BLAS (and, for MPI, mpicc and ScaLAPACK) must be there already.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${1:-.venv/bin/python}
serial=${GPAW_SERIAL:-}
packages=(gcc libc6-dev pkg-config libxc-dev libopenblas-dev libfftw3-dev)
[[ -n $serial ]] || packages+=(libopenmpi-dev openmpi-bin libscalapack-openmpi-dev)
header=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include") + "/Python.h")')
[[ -e $header ]] || packages+=(python3-dev)

say() { echo "gpaw: $*" >&2; }

install_packages() {
  local missing=() package sudo=()
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    if ! sudo -n true 2>/dev/null; then
      say "system packages are missing; run this and try again:"
      say "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}"
      exit 1
    fi
    sudo=(sudo)
  fi
  say "installing the system packages ${missing[*]}"
  "${sudo[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Whether a program can be linked with the libraries that are named.
links() {
  local compiler=$1
  shift
  echo 'int main(void) { return 0; }' | "$compiler" -x c - -o /dev/null "${@/#/-l}" 2>/dev/null
}

write_site_configuration() {
  local compiler=gcc libraries=(xc fftw3 openblas) scalapack
  if ! links gcc "${libraries[@]}"; then
    say "a C program cannot be linked with ${libraries[*]}: install libxc, FFTW 3 and OpenBLAS"
    exit 1
  fi
  if [[ -z $serial ]] && command -v mpicc >/dev/null; then
    compiler=mpicc
    echo "mpi = True"
    for scalapack in scalapack-openmpi scalapack; do
      if links mpicc "$scalapack"; then
        libraries=("$scalapack" "${libraries[@]}")
        echo "scalapack = True"
        break
      fi
    done
  else
    say "building without MPI"
    echo "mpi = False"
  fi
  echo "fftw = True"
  echo "compiler = '$compiler'"
  echo "libraries = [$(printf "'%s', " "${libraries[@]}")]"
}

if command -v apt-get >/dev/null; then
  install_packages
fi
configuration=$(mktemp --suffix .py)
trap 'rm -f "$configuration"' EXIT
write_site_configuration >"$configuration"
say "building, which takes some minutes"
# A GPAW that pip built for other libraries, or without MPI, must not be taken from its cache.
GPAW_CONFIG=$configuration "$python" -m pip --disable-pip-version-check install -qq --no-cache-dir \
  -c constraints.txt -e '.[gpaw]'
if ! "$python" -c 'import gpaw.mpi, gpaw_data; print(f"gpaw: {gpaw.__version__} is ready", flush=True)' >&2; then
  say "the build does not load; see the lines above"
  exit 1
fi
