#!/bin/sh
# SPDX-License-Identifier: MIT
# Searches for inputs on which a reader of files crashes, leaks, hangs or takes more memory than the
# largest image may. Replays seeds and corpus first.
#
#     sh tests/fuzz.sh MINUTES [TARGET...]     MINUTES for each target; a fraction will do
#
# $GB_FUZZ_JOBS targets run at once (default: one per CPU). Exits with 1 if anything was found, with
# 2 if it could not search. What was found is in build/fuzz/found/TARGET: mend the reader, make the
# input small, and commit it in tests/fuzz/corpus/TARGET:
#
#     export GB_FUZZ_TARGET=TARGET
#     build/fuzz/tests/fuzz/fuzz -minimize_crash=1 -exact_artifact_path=SMALL -runs=20000 FILE
#
# Inputs that reach new code are kept in build/fuzz/reached/TARGET, where the next search begins.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$root/build/fuzz
program=$build/tests/fuzz/fuzz

if ! awk -v minutes="${1:-}" 'BEGIN { exit !(minutes + 0 > 0) }'; then
    echo "usage: sh tests/fuzz.sh MINUTES [TARGET...]" >&2
    exit 2
fi
seconds=$(awk -v minutes="$1" 'BEGIN { printf "%d", 60 * minutes + 0.5 }')
shift

mkdir -p "$root/build"
for part in fuzz fuzz_seeds; do
    if ! sh "$root/cmake/build.sh" fuzz $part >"$root/build/fuzz.log" 2>&1; then
        cat "$root/build/fuzz.log"
        exit 2
    fi
done
rm -rf "$build/seeds"
mkdir -p "$build/seeds"
"$build/tests/fuzz/fuzz_seeds" "$build/seeds"
[ $# -gt 0 ] || set -- $(cd "$root/tests/fuzz/corpus" && ls)

# The files that readers want are written to memory where that can be done.
memory=/dev/shm
[ -w "$memory" ] || memory=${TMPDIR:-/tmp}
TMPDIR=$(mktemp -d "$memory/glowbench-fuzz.XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT INT TERM

# search TARGET: one line about it.
search() {
    reached=$build/reached/$1
    found=$build/found/$1
    rm -rf "$found"
    mkdir -p "$reached" "$found" "$build/seeds/$1"
    longest=8192
    [ "$1" != checkpoint ] || longest=65536
    # The largest image that is read takes 403 MB (tasks/images/image.h).
    GB_FUZZ_TARGET=$1 "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -malloc_limit_mb=600 -max_len=$longest -print_final_stats=1 -artifact_prefix="$found/" \
        "$reached" "$build/seeds/$1" "$root/tests/fuzz/corpus/$1" >"$found.log" 2>&1 || true
    awk -v target="$1" -v found="$(ls "$found" | wc -l)" '
        /number_of_executed_units/ { runs = $2 }
        / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") coverage = $(i + 1) }
        END { printf "%-12s %10d inputs, coverage %5d, found %d\n", target, runs, coverage, found }
    ' "$found.log"
    # No statistics: it did not begin.
    grep -q number_of_executed_units "$found.log" || touch "$TMPDIR/failed"
}

running=0
for target; do
    if [ ! -d "$root/tests/fuzz/corpus/$target" ]; then
        echo "fuzz: unknown target '$target'" >&2
        exit 2
    fi
    search "$target" &
    running=$((running + 1))
    if [ $running -ge "${GB_FUZZ_JOBS:-$(nproc)}" ]; then
        wait
        running=0
    fi
done
wait

if [ -n "$(find "$build/found" -type f ! -name '*.log')" ]; then
    find "$build/found" -type f ! -name '*.log'
    exit 1
fi
[ ! -e "$TMPDIR/failed" ] || exit 2
