#!/usr/bin/env bash
# A Grid Engine of one host for tests: sge_qmaster and sge_execd without an installation of their
# own, as root, in some seconds.   usage: sge.sh start|stop DIR
set -euo pipefail
verb=$1
dir=$2
case $dir in /*) ;; *) echo "sge.sh: $dir: give an absolute path" >&2; exit 2 ;; esac
lib=/usr/lib/gridengine
[ -x $lib/sge_qmaster ] && [ -x $lib/sge_execd ] && [ -x $lib/qsub ] || {
  echo "sge.sh: Grid Engine is missing; run: apt-get install --no-install-recommends gridengine-master gridengine-exec gridengine-client" >&2
  exit 3
}
port=${SGE_TEST_PORT:-16444}
export SGE_ROOT=$dir/root SGE_CELL=default SGE_QMASTER_PORT=$port SGE_EXECD_PORT=$((port + 1))
common=$SGE_ROOT/$SGE_CELL/common
arch=$(/usr/share/gridengine/util/arch)

configure() {
  local host=$1
  mkdir -p "$common" "$SGE_ROOT"/{bin,lib,utilbin} "$dir"/{qmaster/job_scripts,execd,log}
  for part in bin lib utilbin; do ln -sfn $lib "$SGE_ROOT/$part/$arch"; done
  ln -sfn /usr/share/gridengine/util "$SGE_ROOT/util"
  cat >"$common/bootstrap" <<CONF
admin_user              root
default_domain          none
ignore_fqdn             true
spooling_method         classic
spooling_lib            libspoolc
spooling_params         $common;$dir/qmaster
binary_path             $lib
qmaster_spool_dir       $dir/qmaster
security_mode           none
listener_threads        2
worker_threads          2
scheduler_threads       1
CONF
  echo "$host" >"$common/act_qmaster"
  # Loopback has one name for Grid Engine, whatever the machine is called.
  echo "$host $(hostname -s)" >"$common/host_aliases"
  sed -e "s|^execd_spool_dir .*|execd_spool_dir $dir/execd|" \
    -e 's|^min_uid .*|min_uid 0|' -e 's|^min_gid .*|min_gid 0|' -e 's|^gid_range .*|gid_range 20000-20100|' \
    /usr/share/gridengine/default-configuration >"$dir/configuration"
  $lib/spoolinit classic libspoolc "$common;$dir/qmaster" init >"$dir/log/spool" 2>&1
  $lib/spooldefaults configuration "$dir/configuration" >>"$dir/log/spool" 2>&1
  $lib/spooldefaults complexes /usr/share/gridengine/util/resources/centry >>"$dir/log/spool" 2>&1
  $lib/spooldefaults usersets /usr/share/gridengine/util/resources/usersets >>"$dir/log/spool" 2>&1
  $lib/spooldefaults managers root >>"$dir/log/spool" 2>&1
}

start() {
  local host=localhost
  configure $host
  $lib/sge_qmaster >"$dir/log/qmaster" 2>&1
  for _ in $(seq 100); do $lib/qconf -as $host >/dev/null 2>&1 && break; sleep 0.2; done
  {
    printf '%s\n' 'pe_name mpi' 'slots 99' 'user_lists NONE' 'xuser_lists NONE' \
      'start_proc_args NONE' 'stop_proc_args NONE' 'allocation_rule $fill_up' \
      'control_slaves TRUE' 'job_is_first_task FALSE' 'urgency_slots min' \
      'accounting_summary FALSE' 'qsort_args NONE' >"$dir/pe"
    $lib/qconf -Ap "$dir/pe"
    $lib/sge_execd
    $lib/qconf -sq | sed -e 's/^qname .*/qname long/' -e "s/^hostlist .*/hostlist $host/" \
      -e 's/^slots .*/slots 8/' -e 's/^pe_list .*/pe_list mpi/' -e 's/^shell_start_mode .*/shell_start_mode unix_behavior/' \
      -e 's/^load_thresholds .*/load_thresholds NONE/' >"$dir/queue"
    $lib/qconf -Aq "$dir/queue"
    $lib/qconf -ssconf | sed -e 's/^schedule_interval .*/schedule_interval 0:0:1/' \
      -e 's/^flush_submit_sec .*/flush_submit_sec 1/' -e 's/^flush_finish_sec .*/flush_finish_sec 1/' >"$dir/schedule"
    $lib/qconf -Msconf "$dir/schedule"
    printf '%s\n' 'name m1' 'oticket 0' 'fshare 0' 'acl NONE' 'xacl NONE' >"$dir/project"
    $lib/qconf -Aprj "$dir/project"
  } >"$dir/log/setup" 2>&1
}

stop() {
  $lib/qconf -ke all >/dev/null 2>&1 || true
  $lib/qconf -km >/dev/null 2>&1 || true
}

case $verb in
  start) start ;;
  stop) stop ;;
  *) echo "sge.sh: unknown verb $verb" >&2; exit 2 ;;
esac
