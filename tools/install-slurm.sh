#!/usr/bin/env bash
# Slurm for tests/queue, on Debian and Ubuntu. Nothing is started and nothing is configured: the
# tests do that in a folder of their own. See docs/queues.md.
set -euo pipefail

for program in slurmctld slurmd munged sbatch; do
  PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || missing=1
done
[ -n "${missing:-}" ] || exit 0

command -v apt-get >/dev/null || {
  echo "install-slurm: Slurm is missing and there is no apt-get; tests/queue will be skipped" >&2
  exit 0
}
sudo=
if [ "$(id -u)" -ne 0 ]; then sudo=sudo; fi
packages=(slurm-wlm slurmctld slurmd slurm-client munge)
install() { DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null; }
echo "Installing Slurm for the tests (once, some seconds) ..."
install || { $sudo apt-get update -qq && install; }
