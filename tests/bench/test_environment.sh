#!/bin/sh
# SPDX-License-Identifier: MIT
# Each command in environments that are short of something, or full of other programs' settings: it
# does its work, or says in one line why not and exits with 2; it never hangs, crashes, or says that
# a check failed.
#
#     sh tests/bench/test_environment.sh GLOWBENCH
set -eu
. "$(dirname "$0")/../support/script.sh"
unset OMP_NUM_THREADS OMP_THREAD_LIMIT OMP_DYNAMIC GB_ISA GB_CONV_ALGORITHM TMPDIR

tiny="--size 16 --levels 1 --steps 1 --coupling-channels 4 --n-c 2 --n-w 4 --batch 2 --samples 1 --threads 1"
problem="--filter squeeze/forward/n1h8w8c4 --threads 1 --reps 2 --cache warm --backend scalar"
# shellcheck disable=SC2086 # options without blanks
"$glowbench" train horses $tiny --iters 2 --out trained >out 2>err || complain "train"
# shellcheck disable=SC2086
"$glowbench" bench $problem --json rows.jsonl >out 2>err || complain "bench"
mkdir -p results/runs
cat >results/runs/tiny.json <<'END'
{"task": "horses", "options": {"iters": 2}, "seeds": [0], "data": null, "splits": null,
 "cells": [{"table": "t", "line": "l", "column": "c", "metric": "mean_iou"}], "notes": []}
END
cat >results/published.json <<'END'
{"tables": [{"id": "t", "title": "T", "note": "", "columns": [{"name": "c", "decimals": 2}],
             "published": [], "measured": [{"line": "l", "unmeasured": "no data"}]}]}
END

commands="version info list train resume eval sample bench launches compare report tables"

# command NAME: runs it, with what it writes in work/.
command() {
    # shellcheck disable=SC2086
    case $1 in
    version) "$glowbench" --version ;;
    info) "$glowbench" info --json work/info.json ;;
    list) "$glowbench" list ;;
    train) "$glowbench" train horses $tiny --iters 2 --out work/run ;;
    resume) "$glowbench" train horses $tiny --iters 3 --out work/trained --resume ;;
    eval) "$glowbench" eval horses --checkpoint trained/checkpoint.safetensors --samples 1 --json work/eval.json ;;
    sample) "$glowbench" sample horses --checkpoint trained/checkpoint.safetensors --samples 1 --png work/sample.png ;;
    bench) "$glowbench" bench $problem --json work/rows.jsonl --gbench-json work/google.json ;;
    launches) "$glowbench" bench $problem --json work/launches.jsonl --launches 2 ;;
    compare) "$glowbench" compare rows.jsonl rows.jsonl ;;
    report) "$glowbench" report rows.jsonl trained --html work/page.html ;;
    tables) "$glowbench" tables --results work/results --html work/tables.html ;;
    esac
}

# What was written, by name: the names alone of files that have times in them.
written() {
    (cd work && find . -type f | sort)
}

# in_environment NAME CODES FUNCTION [COMMAND...]: FUNCTION runs "$@" in the environment; each command
# ends with one of the exit codes in time.
in_environment() {
    name=$1
    codes=$2
    function=$3
    shift 3
    for each in ${*:-$commands}; do
        rm -rf work
        mkdir work
        cp -r trained results work
        code=0
        (
            ulimit -t 60
            $function command "$each"
        ) >out 2>err || code=$?
        expected=$codes
        [ "$each" != compare ] || expected="$codes 2" # too few launches to compare
        case " $expected " in
        *" $code "*) ;;
        *) complain "$name, $each: exit code $code" ;;
        esac
        lines=$(wc -l <err)
        [ "$lines" -le 1 ] && { [ "$lines" -eq 0 ] || grep -q '^glowbench: ' err; } ||
            complain "$name, $each: not one line"
        [ "$code" -ne 0 ] || [ "$each" = version ] || [ "$each" = list ] || [ "$each" = compare ] ||
            [ "$(written | wc -l)" -ge "$(cat "files_$each" 2>/dev/null || echo 0)" ] ||
            complain "$name, $each: exit code 0, but files are missing"
        [ "$name" != usual ] || written | wc -l >"files_$each"
    done
}

usual() { "$@"; }
in_environment usual 0 usual

others_settings() {
    export BENCHMARK_OUT=google BENCHMARK_PERF_COUNTERS=CYCLES BENCHMARK_LIST_TESTS=true \
        BENCHMARK_FILTER=none BENCHMARK_FORMAT=none BENCHMARK_MIN_TIME=none BENCHMARK_REPETITIONS=0 \
        BENCHMARK_REPORT_AGGREGATES_ONLY=true BENCHMARK_CONTEXT=a=b BENCHMARK_TIME_UNIT=none \
        GNUTERM=dumb GNUPLOT_LIB=/none GNUPLOT_FONTPATH=/none GNUPLOT_DEFAULT_GDFONT=none GDFONTPATH=/none \
        FIT_LOG=/none LC_ALL=none LANG=tr_TR.UTF-8 TERM=dumb COLUMNS=3 TZ=none POSIXLY_CORRECT=1
    "$@"
}
in_environment "other programs' settings" 0 others_settings
[ ! -e google ] || complain "a file of Google Benchmark's"
nowhere() {
    unset HOME TERM
    export TMPDIR=/dev/null/none XDG_CACHE_HOME=/dev/null/none # where root cannot make it either
    "$@"
}
in_environment "no home, no TMPDIR" 0 nowhere
nothing() { env -i "$glowbench" --version && "$@"; }
in_environment "nothing" 0 nothing version

full_output() { "$@" >/dev/full; }
in_environment "full output" 2 full_output $(echo "$commands" | sed 's/sample//')
no_output() { "$@" >&-; }
in_environment "closed output" "0 2" no_output
no_input() { "$@" <&-; }
in_environment "closed input" 0 no_input
no_errors() { "$@" 2>&-; }
in_environment "closed errors" 0 no_errors
no_streams() { "$@" <&- >&- 2>&-; }
in_environment "closed streams" "0 2" no_streams

# LLVM's OpenMP has a file in /dev/shm, and ends the process where that may not grow.
if ldd "$glowbench" | grep -q libomp; then
    no_openmp="version list compare report tables"
fi
small_files() {
    ulimit -f 1
    "$@"
}
# shellcheck disable=SC2086 # a list
in_environment "files of at most 512 bytes" "0 2" small_files ${no_openmp-}
# With too few, Google Benchmark ends the process itself, or no library is loaded.
for files in 6 12; do
    few_files() {
        exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- # of the test's own parents
        ulimit -n $files
        "$@"
    }
    in_environment "$files files" "0 2" few_files \
        $(echo "$commands" | if [ $files -lt 10 ]; then sed 's/bench launches//'; else cat; fi)
done

# Root may start any number of threads, and write anywhere.
user=
[ "$(id -u)" -ne 0 ] || user="setpriv --reuid=65534 --regid=65534 --clear-groups"
# shellcheck disable=SC2086 # a list
if $user prlimit --nproc=1 test -x "$glowbench" 2>/dev/null; then
    chmod -R a+rwX "$directory"
    no_threads() {
        chmod a+rwx work
        # LeakSanitizer looks for leaks from a thread of its own.
        export ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0"
        $user prlimit --nproc=1 "$glowbench" train horses $tiny --threads 2 --iters 2 --out work/run
    }
    in_environment "no threads" 2 no_threads train
    read_only() {
        chmod a-w work
        $user "$glowbench" eval horses --checkpoint trained/checkpoint.safetensors --samples 1 --json work/eval.json
    }
    in_environment "read-only directory" 2 read_only eval
else
    echo "skipped: ulimit -u and a read-only directory, which need setpriv for root"
fi

# A disk of 64 KB, in a mount namespace.
if unshare -rm true 2>/dev/null; then
    full_disk() {
        # shellcheck disable=SC2016 # for the inner shell
        unshare -rm sh -c 'mount -t tmpfs -o size=64k none work && head -c 60000 /dev/zero >work/filler && exec "$@"' \
            sh "$glowbench" train horses $tiny --iters 2 --out work/run
    }
    in_environment "full disk" 2 full_disk train
else
    echo "skipped: no mount namespace for a full disk"
fi
for setting in OMP_NUM_THREADS=0 OMP_NUM_THREADS=-1 OMP_NUM_THREADS=none \
    OMP_NUM_THREADS=99999999999999999999 OMP_THREAD_LIMIT=1 OMP_THREAD_LIMIT=0 OMP_DYNAMIC=true \
    OMP_NUM_THREADS=2,none OMP_STACKSIZE=none OMP_PROC_BIND=none OMP_SCHEDULE=none GB_BACKEND=none GB_ISA=none; do
    set_variable() {
        export "${setting?}"
        "$@"
    }
    in_environment "$setting" "0 2" set_variable version info train bench tables
done
finish
