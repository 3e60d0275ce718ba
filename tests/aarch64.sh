#!/bin/sh
# SPDX-License-Identifier: MIT
# Tests the build for AArch64 on x86-64, where an emulator (qemu-user) runs its programs, two at a time:
#
#     sh tests/aarch64.sh [JOB...]      (default: all jobs, which are the names below)
#
# Compilers, emulator and libraries are the distribution's packages, under build/arm64
# (cmake/aarch64.sh); Clang is the host's. Exits with 77 where the packages cannot be had. Slowest first:
set -eu

cd "$(dirname "$0")/.."
root=$PWD

# Test programs, of `backends` alone; after a colon test cases. The derivatives that gradients are
# compared with, quotients in double, are computed on x86-64.
backends=neon
units="kernels reversible flows:test_threads bf16_weights precision flows:test_forward flows:test_inverse
    flows:test_samples_per_x flows:test_gradients* flows:test_sample_threads flows:test_singular_matrices
    models conv conv_algorithms regression math checkpoint oracle image_formats safetensors bf16 logistic dequantise
    resample start actnorm instance_norm checker parallel inv1x1 adam moments pool profile random cpu
    backend bernoulli categorical pointwise squeeze onednn metrics npz superpixels warp"
# Ten training steps, bitwise identical with 1 and 2 threads and after a resume; the checkpoint is
# scored on x86-64.
tasks="horses lfw denoise depth inpaint sr vessels"
# scalar: ten steps by the scalar backend write the same tensors on both architectures, and x86-64's
# are scored here. check: metrics of a small run against results/check.json, those of the scalar
# backend bitwise. emulated: `info`, and `bench`, which refuses to time. clang: Clang's build.
others="check scalar emulated clang"

arm() {
    "$root/build/arm64/bin/emulator" "$root/build/aarch64/bench/glowbench" "$@" >log 2>&1
}
x86() {
    "$root/build/release/bench/glowbench" "$@" >log 2>&1
}
complain() {
    echo "FAILED: $*"
    cat log
    failures=$((failures + 1))
}
# The tensors of a checkpoint, without its metadata, which names the backend.
tensors() {
    head=$(od -A n -t u8 -N 8 "$1" | tr -d ' ')
    tail -c +$((head + 9)) "$1"
}
same() {
    tensors "$1/checkpoint.safetensors" >one
    tensors "$2/checkpoint.safetensors" >other
    cmp one other >log 2>&1 || complain "$1 and $2 differ"
}

# unit BUILD PROGRAM[:CASE]
unit() {
    case $2 in
    *:*) export GB_TEST_FILTER="${2#*:}" ;;
    esac
    case $2 in
    *gradients*)
        export GB_TEST_DERIVATIVES=$PWD
        (cd "$root" && "build/release/tests/test_${2%%:*}") >log 2>&1 || complain "test_$2 on x86-64"
        ;;
    esac
    {
        (cd "$root" && GB_TEST_BACKENDS=$backends build/arm64/bin/emulator "build/$1/tests/test_${2%%:*}") >log 2>&1 &&
            grep -q '\[ *OK \]' log # a filter may match nothing
    } || complain "test_$2, built by $1"
}

cglow="--size 16 --levels 2 --steps 1 --n-c 8 --n-w 16 --coupling-channels 16"
train() {
    model=$cglow
    case $1 in
    sr) model="--size 16 --steps 1 --condition-channels 8 --coupling-channels 8 --rrdb-blocks 1 --growth 4 --crops 1" ;;
    vessels) model="--steps 1 --condition-channels 8 --coupling-channels 8" ;;
    esac
    task=$1
    set -- train "$task" --batch 2 --samples 1
    # shellcheck disable=SC2086 # options
    {
        arm "$@" $model --iters 10 --threads 1 --out whole || complain "$task, 1 thread"
        arm "$@" $model --iters 5 --threads 2 --out parts || complain "$task, 5 steps"
        arm train "$task" --samples 1 --resume --iters 10 --threads 2 --out parts || complain "$task, resumed"
    }
    same whole parts
    x86 eval "$task" --samples 1 --checkpoint whole/checkpoint.safetensors || complain "Arm's checkpoint on x86"
}

job() {
    case " $tasks " in
    *" $1 "*)
        train "$1"
        return
        ;;
    esac
    case $1 in
    scalar)
        # shellcheck disable=SC2086
        for machine in arm x86; do
            $machine train horses $cglow --batch 2 --samples 1 --iters 10 --backend scalar --out $machine ||
                complain "scalar on $machine"
        done
        same arm x86
        arm eval horses --samples 1 --checkpoint x86/checkpoint.safetensors || complain "x86's checkpoint on Arm"
        ;;
    check)
        arm tables --check --task depth --threads 1 --results "$root/results" || complain "metrics"
        [ "$(grep -c 'identical' log)" -eq 2 ] || complain "not the bits of the scalar backend and of neon"
        ;;
    mpi)
        if ! command -v mpiexec.mpich >/dev/null; then
            echo "== skipped: mpi, MPICH is missing"
            return
        fi
        # shellcheck disable=SC2086
        {
            set -- train horses $cglow --batch 2 --samples 1 --iters 3 --threads 1 --shards 2
            arm "$@" --out alone || complain "one process"
            mpiexec.mpich -np 2 "$root/build/arm64/bin/emulator" "$root/build/aarch64/bench/glowbench" "$@" \
                --out ranks >log 2>&1 || complain "two ranks"
        }
        same alone ranks
        ;;
    emulated)
        arm bench --filter '^conv/' && complain "times under emulation"
        grep -q 'an emulator runs this program.*--allow-emulation' log || complain "another refusal"
        arm info || complain "info"
        grep -q '(emulated)' log || complain "the CPU is not called emulated"
        arm bench --allow-emulation --backend neon --threads 2 --cache warm --reps 1 --check always \
            --filter '^conv/.*/n2h4w4c24k24r3' || complain "--allow-emulation"
        ;;
    clang)
        for program in math bf16; do
            unit aarch64-clang $program
        done
        ;;
    *) unit aarch64 "$1" ;;
    esac
}

if [ "${1:-}" = --job ]; then
    failures=0
    mkdir "$2/$3"
    cd "$2/$3"
    start=$(date +%s)
    job "$3"
    echo "$3: $(($(date +%s) - start)) s"
    exit $failures
fi

code=0
sh cmake/aarch64.sh || code=$?
[ $code -ne 77 ] || echo "== skipped: aarch64"
[ $code -eq 0 ] || exit $code

# build PRESET TARGET...
build() {
    preset=$1
    shift
    { cmake --preset "$preset" && cmake --build --preset "$preset" --parallel "$(nproc)" --target "$@"; } \
        >"build/$preset.log" 2>&1 || {
        cat "build/$preset.log"
        exit 1
    }
}
command -v ninja >/dev/null && export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}"
# shellcheck disable=SC2086 # words
programs=$(printf '%s\n' $units | sed 's/:.*//; s/^/test_/' | sort -u)
# shellcheck disable=SC2086 # targets
build aarch64 glowbench gb_mpi $programs
build release glowbench test_flows
if command -v clang >/dev/null; then
    build aarch64-clang glowbench test_math test_bf16
else
    echo "== skipped: Clang is missing"
    others=${others% clang}
fi

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
export OMP_WAIT_POLICY=passive XDG_CACHE_HOME="$work/cache"
unset GB_BACKEND
# shellcheck disable=SC2086 # words
[ $# -gt 0 ] || set -- $units $tasks $others
printf '%s\n' "$@" | xargs -P 2 -n 1 sh tests/aarch64.sh --job "$work" || exit 1
