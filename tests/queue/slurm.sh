#!/usr/bin/env bash
# A Slurm of one node on loopback, for tests: munged, slurmctld and slurmd without systemd or
# cgroups, as root, in about a second.   usage: slurm.sh start|stop|kill-node|start-node DIR
# DIR must be absolute: with relative paths slurmd registers, but every launch fails after 60 s.
set -euo pipefail
verb=$1
dir=$2
case $dir in /*) ;; *) echo "slurm.sh: $dir: give an absolute path" >&2; exit 2 ;; esac
for program in munged slurmctld slurmd; do
  command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ] || {
    echo "slurm.sh: $program is missing; run: apt-get install --no-install-recommends slurm-wlm munge" >&2
    exit 3
  }
done
PATH=$PATH:/usr/sbin
export SLURM_CONF=$dir/slurm.conf

stop_one() { # the daemon whose number is in this file
  [ -s "$1" ] && kill "${2:--TERM}" "$(cat "$1")" 2>/dev/null || true
}

# A job that reaches a daemon which still clears up after its predecessor is purged with the rest.
start_node() {
  local before
  before=$(starts)
  slurmd -c -f "$SLURM_CONF" </dev/null
  for _ in $(seq 300); do
    [ "$(starts)" -gt "$before" ] && return
    sleep 0.1
  done
  echo "slurm.sh: slurmd does not start; see $dir/log" >&2
  exit 1
}

starts() { # how often slurmd has come up
  cat "$dir/log/slurmd.log" 2>/dev/null | grep -c 'slurmd started on' || true
}

start() {
  local cpus=${SLURM_TEST_CPUS:-4} host port
  host=$(hostname -s)
  port=${SLURM_TEST_PORT:-16817}
  mkdir -p "$dir"/{state,spool,log,run,munge}
  # munge refuses a socket below a directory that others may write to.
  chmod 755 "$dir" "$dir/munge"
  [ -s "$dir/munge/key" ] || { dd if=/dev/urandom of="$dir/munge/key" bs=1 count=1024 status=none; chmod 400 "$dir/munge/key"; }
  munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" \
    --pid-file="$dir/munge/pid" --log-file="$dir/munge/log" --seed-file="$dir/munge/seed"
  cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge/socket
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
ReturnToService=2
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd.pid
SlurmdSpoolDir=$dir/spool
StateSaveLocation=$dir/state
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=5,bf_interval=5,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=200
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SlurmctldTimeout=10
SlurmdTimeout=10
KillWait=2
MinJobAge=3600
JobRequeue=0
OverTimeLimit=0
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus Sockets=1 CoresPerSocket=$cpus ThreadsPerCore=1 RealMemory=64000 State=UNKNOWN
PartitionName=debug Nodes=$host Default=YES MaxTime=60 State=UP OverSubscribe=NO
CONF
  slurmctld -c -f "$SLURM_CONF" </dev/null
  start_node
  for _ in $(seq 100); do
    sinfo -h -o %t 2>/dev/null | grep -q '^idle' && return
    sleep 0.1
  done
  echo "slurm.sh: the node does not become idle; see $dir/log" >&2
  exit 1
}

stop() {
  scancel --user root 2>/dev/null || true
  sleep 0.3
  stop_one "$dir/run/slurmd.pid"
  stop_one "$dir/run/slurmctld.pid"
  stop_one "$dir/munge/pid"
}

case $verb in
  start) start ;;
  stop) stop ;;
  kill-node) stop_one "$dir/run/slurmd.pid" -KILL ;;
  start-node) start_node ;;
  *) echo "slurm.sh: unknown verb $verb" >&2; exit 2 ;;
esac
