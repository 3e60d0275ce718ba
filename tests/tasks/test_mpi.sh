#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs that the ranks of an MPI job share: their results are bitwise those of one process, and a
# failure of one rank ends all.
#
#     GB_MPIEXEC=mpirun [GB_MPI_MODULE=FILE] sh tests/tasks/test_mpi.sh GLOWBENCH
#
# GB_MPI_MODULE: instead of the module next to the program
set -eu

. "$(dirname "$0")/../support/script.sh"

if [ -z "${GB_MPIEXEC-}" ]; then
    echo "skipped: this build has no MPI"
    exit 77
fi
if [ -n "${GB_MPI_MODULE-}" ]; then
    cp "$glowbench" "$GB_MPI_MODULE" .
    glowbench=$directory/glowbench
fi
# More ranks than CPUs, as root, in containers that do not allow one process to read another's memory.
flags=
if "$GB_MPIEXEC" --version 2>&1 | grep -q 'Open MPI\|OpenRTE'; then
    flags='--oversubscribe'
    [ "$(id -u)" -ne 0 ] || flags="$flags --allow-run-as-root"
    export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_rmaps_base_oversubscribe=1
fi
export OMP_WAIT_POLICY=passive

# ranks N COMMAND...: leaves the exit code in $code, the output in out, the program's lines in err.
ranks() {
    count=$1
    shift
    code=0
    # shellcheck disable=SC2086 # flags are words
    timeout 120 "$GB_MPIEXEC" $flags -n "$count" "$@" >out 2>all || code=$?
    grep '^glowbench: ' all >err || true
}

# works N ARGUMENT...: glowbench on N ranks.
works() {
    count=$1
    shift
    ranks "$count" "$glowbench" "$@"
    [ $code -eq 0 ] && [ ! -s err ] || complain "exit code $code on $count ranks: $*: $(cat all)"
}

# refuses N PATTERN COMMAND...: exit code 2 and one line.
refuses() {
    count=$1
    pattern=$2
    shift 2
    ranks "$count" "$@"
    [ $code -eq 2 ] || complain "exit code $code, not 2, on $count ranks: $*"
    [ "$(wc -l <err)" -eq 1 ] && grep -q "$pattern" err ||
        complain "not one line with '$pattern': $(cat all)"
}

# same A B: two runs' checkpoints, logs and scores.
same() {
    cmp "$1/checkpoint.safetensors" "$2/checkpoint.safetensors" || complain "$2: checkpoint"
    for run in "$1" "$2"; do
        sed 's/, "s[a-z]*_seconds.*//' "$run/log.jsonl" >"$run.log"
        sed -n '/"metrics"/,/}/p' "$run/run.json" | grep -v -e seconds -e per_second >"$run.metrics"
    done
    cmp "$1.log" "$2.log" || complain "$2: log"
    cmp "$1.metrics" "$2.metrics" || complain "$2: metrics"
}

# await FILE: until it exists, or $launcher ends.
await() {
    while kill -0 $launcher 2>/dev/null && [ ! -e "$1" ]; do
        sleep 0.02
    done
}

# processes RUN: the ranks that train in this directory.
processes() {
    pgrep -f "^$glowbench.*--out $1\$"
}

horses='train horses --size 16 --levels 2 --steps 1 --n-c 8 --n-w 16 --coupling-channels 16 --samples 2
    --batch 4 --shards 4'
sr='train sr --size 16 --levels 1 --steps 2 --condition-channels 16 --rrdb-blocks 1 --growth 8 --coupling-channels 16
    --crops 4 --batch 8 --shards 4'
vessels='train vessels --size 32 --levels 2 --steps 1 --condition-channels 16 --coupling-channels 16
    --batch 4 --shards 4 --samples 1'

# ---- Any number of ranks ----

# shellcheck disable=SC2086 # options are words
for case in "horses $horses --iters 12 --ema 0.9 --clip-norm 20 --score-every 5 --score-images 3" \
    "bf16 $horses --iters 8 --precision bf16 --moments bf16 --accumulate 2" \
    "sr $sr --iters 3 --score-every 2 --score-images 3" \
    "vessels $vessels --iters 3 --score-every 2 --score-images 3"; do
    set -- $case
    name=$1
    shift
    "$glowbench" "$@" --out "$name-0" >out 2>err || complain "$name in one process"
    for count in 1 2 4; do
        works $count "$@" --out "$name-$count"
        same "$name-0" "$name-$count"
    done
done
has out "ms/step"
[ "$(grep -c 'ms/step' out)" -eq 1 ] || complain "not one rank prints"
grep -q '"overlap": false' horses-2/run.json || complain "gradients are sent early unasked"
export GB_MPI_OVERLAP=1
# shellcheck disable=SC2086
works 2 $horses --iters 12 --ema 0.9 --clip-norm 20 --score-every 5 --score-images 3 --out overlap
same horses-0 overlap
export GB_MPI_OVERLAP=yes
refuses 2 'GB_MPI_OVERLAP: "yes" is neither 0 nor 1' "$glowbench" info
unset GB_MPI_OVERLAP
grep -q '"ranks": 4' horses-4/run.json || complain "the ranks are not recorded"
[ "$(grep -o '"moments_bytes": [0-9]*' horses-2/run.json)" != \
    "$(grep -o '"moments_bytes": [0-9]*' horses-4/run.json)" ] || complain "moments are not divided"
grep -q '"hosts": \[' horses-4/run.json || complain "the hosts are not recorded"

# ---- Evaluation ----

# scores NAME: the metrics in NAME.json, and those of each image, without times.
scores() {
    sed -n '/"metrics"/,$p' "$1.json" | grep -v -e seconds -e per_second >"$1"
}

for task in horses sr vessels; do
    set -- eval $task --checkpoint $task-0/checkpoint.safetensors --json
    "$glowbench" "$@" $task-one.json --samples 3 >out 2>err || complain "eval $task in one process"
    works 3 "$@" $task-shared.json --samples 3
    scores $task-one
    scores $task-shared
    [ "$(wc -l <$task-one)" -gt 20 ] || complain "$task: hardly any scores"
    cmp $task-one $task-shared || complain "scores of three ranks: $task"
done

# ---- Killed and resumed ----

# Kills a rank after some steps; the job ends by itself.
# shellcheck disable=SC2086
set -- $horses --iters 200 --checkpoint-every 5
"$glowbench" "$@" --out whole >out 2>err || complain "a run"
for count in 1 4; do
    # shellcheck disable=SC2086
    timeout 120 "$GB_MPIEXEC" $flags -n 2 "$glowbench" "$@" --out killed-$count >out 2>err &
    launcher=$!
    await killed-$count/checkpoint.safetensors
    rank=$(processes killed-$count | tail -1)
    start=$(date +%s)
    kill -KILL "$rank" || complain "no rank to kill"
    code=0
    wait $launcher || code=$?
    [ $code -ne 0 ] || complain "exit code 0 although a rank died"
    [ $(($(date +%s) - start)) -le 10 ] || complain "the job ended late after a rank's death"
    works $count "$@" --out killed-$count --resume
    same whole killed-$count
done

# ---- Failures ----

# shellcheck disable=SC2086
set -- $horses --iters 3
refuses 3 '3 ranks cannot share 4 shards' "$glowbench" "$@" --out refused
refuses 2 '2 ranks cannot share 1 shard' "$glowbench" train horses --out refused
refuses 2 'list: it is for one process, not 2' "$glowbench" list
refuses 2 'unknown task' "$glowbench" train hores
refuses 2 '3 does not divide the batch of 4' "$glowbench" "$@" --shards 3 --out refused
[ ! -e refused ] || complain "a refused run has a directory"
export glowbench
# shellcheck disable=SC2016 # the ranks' shells expand it
refuses 2 'rank 1 on .*missing' sh -c '
    rank=${OMPI_COMM_WORLD_RANK-}${PMI_RANK-}
    [ "$rank" = 0 ] || set -- "$@" --data missing
    exec "$glowbench" "$@"' sh "$@" --out unread

# ---- A disk that is full for rank 0 ----

# shellcheck disable=SC2086
if command -v prlimit >/dev/null; then
    timeout 120 "$GB_MPIEXEC" $flags -n 2 "$glowbench" $horses --iters 4000 --checkpoint-every 5 --out full \
        >out 2>all &
    launcher=$!
    await full/checkpoint.safetensors
    for process in $(processes full); do
        tr '\0' '\n' <"/proc/$process/environ" | grep -q '^\(OMPI_COMM_WORLD\|PMI\)_RANK=0$' || continue
        prlimit --fsize=4096 --pid "$process"
    done
    code=0
    wait $launcher || code=$?
    [ $code -eq 2 ] || complain "exit code $code, not 2, of a full disk"
    grep '^glowbench: ' all >err || true
    [ "$(wc -l <err)" -eq 1 ] && grep -q '^glowbench: rank 0 on .*: File too large' err ||
        complain "a full disk: $(cat all)"
    works 1 eval horses --checkpoint full/checkpoint.safetensors
fi

# ---- Two hosts ----

# Two network namespaces, between which Open MPI's own ssh is replaced by a script; with a delay of
# 1 ms there and back where the kernel has one.
a=gb-$$-a
b=gb-$$-b
if [ "${flags#*root}" != "$flags" ] && ip netns add $a 2>/dev/null; then
    ip netns add $b
    ip link add gb0 netns $a type veth peer name gb0 netns $b
    for host in "$a 1" "$b 2"; do
        name=${host% *}
        ip -n "$name" addr add "10.77.0.${host#* }/24" dev gb0
        ip -n "$name" link set lo up
        ip -n "$name" link set gb0 up
        ip netns exec "$name" tc qdisc add dev gb0 root netem delay 500us 2>/dev/null ||
            echo "two hosts: no delay, which this kernel does not have"
    done
    printf '#!/bin/sh\nshift\nexec ip netns exec %s sh -c "$*"\n' $b >agent
    chmod +x agent
    code=0
    # shellcheck disable=SC2086
    timeout 120 ip netns exec $a "$GB_MPIEXEC" $flags -H 10.77.0.1:1,10.77.0.2:1 \
        --mca plm_rsh_agent "$directory/agent" --mca pml ob1 --mca btl tcp,self \
        --mca btl_tcp_if_include gb0 --mca oob_tcp_if_include gb0 \
        "$glowbench" $horses --iters 12 --ema 0.9 --clip-norm 20 --score-every 5 --score-images 3 \
        --out "$directory/hosts" >out 2>err || code=$?
    [ $code -eq 0 ] || complain "exit code $code on two hosts"
    [ "$(ip netns exec $a awk '$1 == "gb0:" { print ($2 > 100000) }' /proc/net/dev)" = 1 ] ||
        complain "the hosts exchanged nothing"
    same horses-0 hosts
    ip netns del $a
    ip netns del $b
else
    echo "two hosts: skipped, which need root, network namespaces and Open MPI"
fi

# ---- info ----

works 2 info
grep -q '^MPI .*2 ranks on .*:0,1$' out || complain "info does not list the ranks"

finish
