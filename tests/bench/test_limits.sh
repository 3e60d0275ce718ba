#!/bin/sh
# SPDX-License-Identifier: MIT
# Threads that the system does not grant, and little address space: one clear line and exit code 2, or
# the command runs; never OpenMP's own exit, and nothing spins in a library's loader.
. "$(dirname "$0")/../support/script.sh"
export OMP_WAIT_POLICY=passive
unset OMP_NUM_THREADS OMP_THREAD_LIMIT OMP_DYNAMIC OMP_STACKSIZE
train="train horses --size 16 --iters 1 --batch 2 --out"

# with VARIABLE=VALUE... -- CODE PATTERN ARGUMENT...
with() {
    variables=
    while [ "$1" != -- ]; do
        variables="$variables $1"
        shift
    done
    shift
    # shellcheck disable=SC2086 # a list
    (failures=0 && export $variables && gives "$@" && exit $failures) || failures=$((failures + 1))
}

# shellcheck disable=SC2086 # arguments
{
    for number in 0 -1 257 300 100000 99999999999999999999 none 2x 2,none; do
        with OMP_NUM_THREADS=$number -- 2 "OMP_NUM_THREADS: \"$number\" is not in 1 .. 256" $train a
        with OMP_NUM_THREADS=$number -- 2 "OMP_NUM_THREADS: \"$number\" is not" bench --list
        with OMP_NUM_THREADS=$number -- 2 "OMP_NUM_THREADS: \"$number\" is not" info
        with OMP_NUM_THREADS=$number -- 2 "OMP_NUM_THREADS: \"$number\" is not" info --plan conv/forward/n2h16w16c8k8r3s3
        with OMP_NUM_THREADS=$number -- 0 ', 1 thread' $train "out$number" --threads 1
    done
    with OMP_NUM_THREADS=3,2 -- 0 ', 3 threads' $train e
    with OMP_NUM_THREADS=4 OMP_THREAD_LIMIT=2 -- 2 'threads: 4: only 2 granted' $train b
    with OMP_THREAD_LIMIT=2 -- 2 'threads: 3: only 2 granted' $train b --threads 3
    with OMP_THREAD_LIMIT=2 -- 2 'threads: 8: only 2 granted' bench --list --threads 1,8,2
    with OMP_THREAD_LIMIT=1 -- 0 ', 1 thread' $train c
    with OMP_NUM_THREADS=3 OMP_DYNAMIC=true -- 0 ', 3 threads' $train d
    with OMP_DYNAMIC=true -- 0 ', 2 threads' $train f --threads 2
    # A value that GCC's OpenMP ignores is refused, where threads run; LLVM's says nothing of these.
    if ! ldd "$glowbench" | grep -q libomp; then
        for setting in OMP_PROC_BIND=sometimes OMP_PLACES=everywhere OMP_STACKSIZE=2x; do
            with $setting -- 2 "bad value: ${setting%%=*}: \"${setting#*=}\" is refused by OpenMP" $train b
            with $setting -- 0 '^backends:' list
        done
        with OMP_STACKSIZE=1 -- 2 'bad value: OMP_STACKSIZE: refused by OpenMP: Stack size' $train b
        with 'OMP_PLACES={99999}' -- 2 'bad value: GOMP_CPU_AFFINITY or OMP_PLACES: refused' $train b
    fi
    with OMP_PROC_BIND=true OMP_PLACES=cores OMP_SCHEDULE=static -- 0 ', 2 threads' $train bound --threads 2
    # The program's own threads have stacks of their own size; OpenMP's, on which libraries run, not.
    with OMP_STACKSIZE=1000G -- 0 ', 2 threads' $train stack --threads 2
    for backend in onednn blas; do
        # LLVM's OpenMP limits the size itself.
        if "$glowbench" list | grep -q "^  $backend " && ! ldd "$glowbench" | grep -q libomp; then
            with OMP_STACKSIZE=1000G -- 2 'cannot start threads: 2: .*OMP_STACKSIZE' $train b --threads 2 --backend $backend
        fi
    done
    [ ! -e a ] && [ ! -e b ] || complain "a refused run left files"
}

(
    ulimit -v 300000
    gives 0 '^glowbench ' --version
    gives 0 '^backends:' list
    run info
    [ "$code" -eq 0 ] || complain "info exits with $code"
    if grep -q '^  blas ' out || "$glowbench" list | grep -q '^  blas '; then
        # shellcheck disable=SC2086 # arguments
        gives 2 'cannot load library: OpenBLAS: .* address space' $train g --backend blas
    fi
    exit $failures
) || failures=$((failures + 1))

finish
