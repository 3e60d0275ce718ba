#!/bin/sh
# SPDX-License-Identifier: MIT
# Faults: a training, its resumption, an evaluation, a sweep, the tables and a report, in each of
# which one call of the system fails (disk full, I/O error, no descriptor left), or which are killed at
# that call. Expected: exit code 2 and one line, or 0 and the complete result; a file of before is as
# it was or replaced as a whole; nothing temporary is left by a failure; and run again (resumed where
# the command resumes) the command gives the result of an undisturbed run, bitwise where that is.
#
#     sh tests/faults.sh GLOWBENCH [STEP [COMMAND...]]
#
# STEP: only every STEPth call (default 1: all, half an hour). Needs strace, which injects the faults.
# With GB_FAIL_MALLOC_LIBRARY (tests/support/fail_malloc.c, built) also allocations fail: then a library
# may end the process in its own way, but never with exit code 0 and something missing.
set -eu
. "$(dirname "$0")/support/script.sh"
step=${2:-1}
[ $# -lt 2 ] || shift
[ $# -lt 1 ] || shift
chosen=${*:-train resume eval bench tables report}
if ! strace -o trace true 2>/dev/null; then
    echo "skipped: strace is missing, or this system allows no tracing"
    exit 77
fi
# Without stopping at the calls that are not injected.
tracer="strace --seccomp-bpf"
$tracer -f -o trace true 2>/dev/null || tracer=strace
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive

tiny="--size 16 --levels 1 --steps 1 --coupling-channels 4 --n-c 2 --n-w 4 --batch 2 --samples 1 --threads 1"
problem="--filter squeeze/forward/n1h8w8c4 --threads 1 --reps 1 --cache warm --backend scalar"
row='"task": "horses", "model": "cglow", "iterations": 50000, "command": "glowbench train"'

# start COMMAND: what the command finds in the working directory.
start() {
    case $1 in
    resume)
        # shellcheck disable=SC2086 # options without blanks
        "$glowbench" train horses $tiny --iters 2 --checkpoint-every 1 --out run
        ;;
    eval)
        # shellcheck disable=SC2086
        "$glowbench" train horses $tiny --iters 1 --out run
        echo old >eval.json
        ;;
    tables)
        mkdir -p results/runs
        cat >results/published.json <<'END'
{"tables": [{"id": "t", "title": "T", "note": "", "columns": [{"name": "c", "decimals": 2}],
             "published": [], "measured": [{"line": "l", "unmeasured": ""}]}]}
END
        cat >results/runs/tiny.json <<'END'
{"task": "horses", "options": {"iters": 2}, "seeds": [0], "data": null, "splits": null,
 "cells": [{"table": "t", "line": "l", "column": "c", "metric": "mean_iou"}], "notes": []}
END
        echo "{\"run\": \"tiny\", \"seed\": 0, \"steps\": 2, $row, \"metrics\": {\"mean_iou\": 0.5}}" >results/rows.jsonl
        echo old >results/README.md
        echo old >tables.html
        ;;
    report)
        # shellcheck disable=SC2086
        "$glowbench" bench $problem --json rows.jsonl
        echo old >page.html
        ;;
    esac
}

# words COMMAND: its arguments; words_again COMMAND: after a fault.
words() {
    case $1 in
    train) echo "train horses $tiny --iters 3 --checkpoint-every 1 --out run" ;;
    resume) echo "train horses $tiny --iters 3 --checkpoint-every 1 --out run --resume" ;;
    eval) echo "eval horses --checkpoint run/checkpoint.safetensors --samples 1 --json eval.json" ;;
    bench) echo "bench $problem --json rows.jsonl" ;;
    tables) echo "tables --results results --html tables.html" ;;
    report) echo "report rows.jsonl --html page.html" ;;
    esac
}
words_again() {
    case $1 in
    train) [ ! -e run/checkpoint.safetensors ] || resumed=--resume ;;
    bench) [ ! -s rows.jsonl ] || resumed=--resume ;;
    esac
    echo "$(words "$1") ${resumed-}"
}

# result COMMAND: a line for each file that the command writes, equal for equal content but for times.
result() {
    case $1 in
    train | resume)
        cksum run/checkpoint.safetensors 2>/dev/null || true
        grep -c '"same_bits"' run/run.json 2>/dev/null || true # backends
        grep -c step run/log.jsonl 2>/dev/null || true
        ;;
    eval) grep -v 'second\|bytes\|average\|MHz' eval.json 2>/dev/null | cksum ;;
    bench) sed 's/.*"problem":"\([^"]*\)".*"cache":"\([a-z]*\)".*}$/\1 \2/' rows.jsonl 2>/dev/null | sort || true ;;
    tables) cksum results/README.md tables.html 2>/dev/null || true ;;
    report) cksum page* 2>/dev/null || true ;;
    esac
}

# calls COMMAND CALL: which of the main thread's calls, from 1, concern files of this test.
calls() {
    awk -v call="$2" -v directory="$directory" '
        NR == 1 { main = $1 }
        $1 != main || index($2, call "(") != 1 { next }
        { number++ }
        call == "openat" && !/openat\(AT_FDCWD[^"]*"[^\/]/ && index($0, "\"" directory) == 0 { next }
        index($0, directory) || call ~ /^(mkdir|rename)$/ { print number }' "$directory/trace_$1"
}

# check COMMAND FAULT: what it left after exit code $code.
check() {
    rm -f ../left
    result "$1" >../now
    killed=false
    case $2 in signal=*) killed=true ;; esac
    if ! $killed; then
        [ "$code" -eq 0 ] || [ "$code" -eq 2 ] || complain "$1, $2: exit code $code"
        lines=$(wc -l <"$directory/err")
        [ "$code" -eq 0 ] || { [ "$lines" -eq 1 ] && grep -q '^glowbench: ' "$directory/err"; } ||
            complain "$1, $2: not one line"
        [ "$code" -ne 0 ] || cmp -s ../now ../after || complain "$1, $2: exit code 0, but the result is not complete"
        [ -z "$(find . -name '*.tmp*' -o -name '.*.??????')" ] || complain "$1, $2: a temporary file is left"
    fi
    case $1 in
    train | resume) ;;
    bench) ! grep -v '}$' rows.jsonl >../left 2>/dev/null || $killed || complain "$1, $2: an incomplete row" ;;
    *)
        while read -r line; do
            grep -qxF "$line" ../before ../after || complain "$1, $2: neither the old file nor the new one: $line"
        done <../now
        ;;
    esac
    code=0
    # shellcheck disable=SC2046
    "$glowbench" $(words_again "$1") >"$directory/out" 2>"$directory/err" || code=$?
    result "$1" >../now
    [ "$code" -eq 0 ] && cmp -s ../now ../after || complain "$1, $2: run again: exit code $code or another result"
    [ -z "$(find . -name '*.tmp*' -o -name '.*.??????')" ] || complain "$1, $2: a temporary file stays"
}

# inject COMMAND CALL FAULT NUMBER
inject() {
    rm -rf work
    cp -r "start_$1" work
    cd work
    code=0
    # shellcheck disable=SC2046
    $tracer -f -o "$directory/trace" -e "trace=$2" -e "inject=$2:$3:when=$4" "$glowbench" $(words "$1") \
        >"$directory/out" 2>"$directory/err" || code=$?
    tried=$((tried + 1))
    check "$1" "$3 at $2 $4"
    cd ..
}

# allocations COMMAND: about 400 of them, in steps of STEP.
allocations() {
    rm -rf work
    cp -r "start_$1" work
    # shellcheck disable=SC2046
    (cd work && GB_COUNT_MALLOC="$directory/allocations" LD_PRELOAD=$GB_FAIL_MALLOC_LIBRARY "$glowbench" $(words "$1")) >out 2>err
    awk -v step="$step" '{ stride = int($1 / 400) + 1; for (n = 1; n <= $1; n += stride * step) print n }' allocations
}

# fail_allocation COMMAND NUMBER
fail_allocation() {
    rm -rf work
    cp -r "start_$1" work
    cd work
    code=0
    # shellcheck disable=SC2046
    GB_FAIL_MALLOC=$2 LD_PRELOAD=$GB_FAIL_MALLOC_LIBRARY "$glowbench" $(words "$1") \
        >"$directory/out" 2>"$directory/err" || code=$?
    tried=$((tried + 1))
    case $code in
    0 | 2) check "$1" "allocation $2" ;;
    *)
        died=$((died + 1))
        check "$1" "signal=allocation $2"
        ;;
    esac
    cd ..
}

tried=0
died=0
for command in $chosen; do
    mkdir "start_$command"
    (cd "start_$command" && start "$command") >out 2>err || complain "$command: cannot be prepared"
    rm -rf work
    cp -r "start_$command" work
    cd work
    result "$command" >../before
    # shellcheck disable=SC2046
    strace -f -y -o "$directory/trace_$command" -e trace=write,read,fsync,rename,openat,mkdir,close "$glowbench" \
        $(words "$command") >"$directory/out" 2>"$directory/err" || complain "$command: fails undisturbed"
    result "$command" >../after
    cd ..
    for fault in write:error=ENOSPC write:signal=SIGKILL fsync:error=EIO fsync:signal=SIGKILL rename:error=EIO \
        rename:signal=SIGKILL openat:error=EMFILE openat:signal=SIGKILL mkdir:error=ENOSPC mkdir:signal=SIGKILL \
        close:error=EIO close:signal=SIGKILL read:error=EIO; do
        call=${fault%%:*}
        for number in $(calls "$command" "$call" | awk -v step="$step" '(NR - 1) % step == 0'); do
            inject "$command" "$call" "${fault#*:}" "$number"
        done
    done
    if [ -n "${GB_FAIL_MALLOC_LIBRARY-}" ]; then
        for number in $(allocations "$command"); do
            fail_allocation "$command" "$number"
        done
    fi
    echo "$command: $tried faults so far; libraries ended $died"
done
finish
