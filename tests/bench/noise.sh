#!/bin/sh
# SPDX-License-Identifier: MIT
# Whether the verdicts of `glowbench ab` are reliable: compares a build with a copy of itself, which
# must be called different at most twice in 40 times, and with one whose convolutions are 5 % slower,
# which must be found 19 times in 20. Benchmarks use one thread, while another process trains on the
# last CPU. `glowbench compare` on the launches of each comparison, and then two threads on an idle
# machine, are reported without being judged.
#
#     sh tests/bench/noise.sh [ALIKE [SLOW]]     how many comparisons: 40 and 20, more than an hour
#
# Resumes where it stopped, with the builds and results in build/noise; remove that directory to start
# over. Nothing else should run meanwhile.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
alike=${1:-40}
slow=${2:-20}
filter='conv/(forward/n2h16w16(c256k256r1s1|c256k12r3s3)|backward_data/n2h16w16c256k256r1s1)'
build=$root/build/noise

base=$build/0/bench/glowbench
same=$build/same
slowed=$build/5/bench/glowbench
results=$build/results
cd "$root"
sh cmake/dependencies.sh
if [ ! -e "$results" ]; then
    for percent in 0 5; do
        cmake -S . -B "$build/$percent" -D CMAKE_BUILD_TYPE=Release \
            -D GB_TEST_SLOWDOWN=$percent >/dev/null
        cmake --build "$build/$percent" --target glowbench --parallel "$(nproc)" >/dev/null
    done
    cp "$base" "$same"
    echo >>"$same" # ab times nothing for two files of equal bytes
    : >"$results"
fi
native=$("$base" info | sed -n 's/^.* \([a-z0-9][a-z0-9]*\)  *the default;.*/\1/p')
if [ "$(nproc)" -lt 2 ]; then
    echo "glowbench: cannot test verdicts: noise.sh: it takes two CPUs" >&2
    exit 2
fi

load=
rows=$(mktemp -d)
stop() {
    [ -z "$load" ] || kill "$load" 2>/dev/null || true
    rm -rf "$rows"
}
trap stop EXIT
trap 'exit 130' INT TERM

# The other load: endless training, in steps that are short compared with a repetition.
start_load() {
    taskset -c "$(($(nproc) - 1))" "$base" train horses --threads 1 --iters 100000000 --size 32 \
        --levels 2 --steps 2 --n-c 16 --n-w 32 --coupling-channels 64 \
        --out "$rows/load" >/dev/null 2>&1 &
    load=$!
}

stop_load() {
    kill "$load"
    wait "$load" 2>/dev/null || true
    load=
}

# outcome CODE FILE: what a comparison called the new build.
outcome() {
    case $1 in
    0) if grep -q '[0-9]  faster$' "$2"; then echo faster; else echo alike; fi ;;
    1) echo slower ;;
    *) echo undecided ;;
    esac
}

# once KIND NUMBER NEW THREADS: one comparison, as a line of the results, unless it is there.
once() {
    grep -q "^$1 $2 $4 " "$results" && return
    rm -rf "$rows/ab"
    began=$(date +%s)
    code=0
    "$base" ab --base "$base" --new "$3" --filter "$filter" --kind kernels \
        --model cglow-horses-32 --backend "$native" --threads "$4" --cache warm --reps 3 --allow-other-build --out "$rows/ab" \
        >"$rows/ab.txt" 2>&1 || code=$?
    if ! grep -q '^\(no regression\|regression\|inconclusive\): ' "$rows/ab.txt"; then
        cat "$rows/ab.txt" # no verdict: it failed
        exit 2
    fi
    after=0
    "$base" compare "$rows/ab/base.jsonl" "$rows/ab/new.jsonl" --allow-other-build \
        >"$rows/compare.txt" 2>&1 || after=$?
    pairs=$(sed -n 's/^Time ratio .*, \([0-9]*\) pairs, .*/\1/p' "$rows/ab.txt")
    said=$(outcome $code "$rows/ab.txt")
    echo "$1 $2 $4 $said $(outcome $after "$rows/compare.txt") $pairs pairs" \
        "$(($(date +%s) - began)) s" | tee -a "$results"
    case "$1 $said" in
    "alike alike" | "slow slower") ;;
    *) cat "$rows/ab.txt" ;;
    esac
}

# all ALIKE SLOW THREADS
all() {
    i=0
    while [ $i -lt "$1" ] || [ $i -lt "$2" ]; do
        i=$((i + 1))
        [ $i -gt "$1" ] || once alike $i "$same" "$3"
        [ $i -gt "$2" ] || once slow $i "$slowed" "$3"
    done
}

# count KIND THREADS FIELD: how many ab (field 4) or compare (5) called slower; of like builds, or
# faster.
count() {
    awk -v kind="$1" -v threads="$2" -v field="$3" \
        '$1 == kind && $3 == threads && ($field == "slower" || kind == "alike" && $field == "faster") \
            { n++ } END { print n + 0 }' "$results"
}

report() {
    echo "$3 thread(s): of $1 like builds ab called $(count alike "$3" 4) different, compare" \
        "$(count alike "$3" 5); of $2 slow ones ab found $(count slow "$3" 4), compare" \
        "$(count slow "$3" 5)"
}

start_load
all "$alike" "$slow" 1
stop_load
all $((alike / 4)) $((slow / 4)) 2
echo
report "$alike" "$slow" 1
report $((alike / 4)) $((slow / 4)) 2

# 2 of 40 and 19 of 20, or the same shares of other numbers.
if [ "$(count alike 1 4)" -gt $((alike / 20)) ] || [ $(((slow * 19 + 19) / 20)) -gt "$(count slow 1 4)" ]; then
    echo "FAILED: the verdicts of ab with one thread cannot be relied on"
    exit 1
fi
