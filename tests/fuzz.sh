#!/bin/sh
# SPDX-License-Identifier: MIT
# Searches with libFuzzer for inputs on which a reader of files crashes, leaks, hangs or allocates more
# than the largest image. Replays seeds and corpus first.
#
#     sh tests/fuzz.sh MINUTES [TARGET...]     MINUTES (may be a fraction) for each target
#
# GB_FUZZ_JOBS targets run at once (default: one per CPU). Exit code: 0 nothing found, 1 something
# found, 2 the search did not run. Findings are in build/fuzz/found/TARGET: fix the reader, minimise the
# input, and commit it in tests/fuzz/corpus/TARGET:
#
#     export GB_FUZZ_TARGET=TARGET
#     build/fuzz/tests/fuzz/fuzz -minimize_crash=1 -runs=20000 -exact_artifact_path=SMALL FILE
#
# Inputs that reach new code are kept in build/fuzz/reached/TARGET, where the next search starts.
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
# shellcheck disable=SC2046 # the names are words
[ $# -gt 0 ] || set -- $(cd "$root/tests/fuzz/corpus" && ls)

# Readers take files: these are written to memory if possible.
memory=/dev/shm
[ -w "$memory" ] || memory=${TMPDIR:-/tmp}
TMPDIR=$(mktemp -d "$memory/glowbench-fuzz.XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT INT TERM

# search TARGET: prints one line.
search() {
    reached=$build/reached/$1
    found=$build/found/$1
    rm -rf "$found"
    mkdir -p "$reached" "$found" "$build/seeds/$1"
    longest=8192
    [ "$1" != checkpoint ] || longest=65536
    # The largest image takes 403 MB (tasks/images/image.h), a row of a TIFF up to 512 MB.
    GB_FUZZ_TARGET=$1 "$program" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 \
        -malloc_limit_mb=600 -max_len=$longest -print_final_stats=1 -artifact_prefix="$found/" \
        "$reached" "$build/seeds/$1" "$root/tests/fuzz/corpus/$1" >"$found.log" 2>&1 || true
    awk -v target="$1" -v found="$(find "$found" -type f | wc -l)" '
        /number_of_executed_units/ { runs = $2 }
        / cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") coverage = $(i + 1) }
        END { printf "%-12s %10d inputs, coverage %5d, found %d\n", target, runs, coverage, found }
    ' "$found.log"
    # Without statistics it did not start.
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
