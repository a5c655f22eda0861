#!/usr/bin/env bash
# Grid Engine for tests/queue, on Debian and Ubuntu. Nothing is started and nothing is configured:
# the tests do that in a folder of their own. Debian's packages bring a mail server along (exim4).
set -euo pipefail

[ -x /usr/lib/gridengine/sge_qmaster ] && [ -x /usr/lib/gridengine/sge_execd ] && exit 0
command -v apt-get >/dev/null || {
  echo "install-gridengine: Grid Engine is missing and there is no apt-get; its tests will be skipped" >&2
  exit 0
}
sudo=
if [ "$(id -u)" -ne 0 ]; then sudo=sudo; fi
# No service is started, and no cluster made, by the packages themselves.
echo "gridengine-master shared/gridengineconfig boolean false" | $sudo debconf-set-selections || true
install() {
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends \
    gridengine-master gridengine-exec gridengine-client >/dev/null
}
echo "Installing Grid Engine for the tests (once, some seconds) ..."
install || { $sudo apt-get update -qq && install; } ||
  echo "install-gridengine: not to be had here; its tests will be skipped" >&2
