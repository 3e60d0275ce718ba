#!/bin/sh
# SPDX-License-Identifier: MIT
# Tests the build for AArch64 on x86-64, where an emulator (qemu-user) runs its programs:
#
#     sh tests/aarch64.sh
#
# Compiler, emulator and libraries are the distribution's packages, under build/arm64
# (cmake/aarch64.sh). Tested: elementary functions, random numbers, the authors' tensors, every image
# format; convolutions against their definition; ten training steps of each task, bitwise identical
# with 1 and 2 threads and after a resume; the same steps by the scalar backend on x86-64, which must
# write the same tensors; checkpoints of each architecture scored on the other; and the refusal to time
# under emulation. Exits with 77 where the packages cannot be had.
set -eu

cd "$(dirname "$0")/.."
root=$PWD
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
tests="cpu backend random math oracle image_formats"
# shellcheck disable=SC2046 # targets
build aarch64 glowbench $(printf 'test_%s ' $tests)
build release glowbench

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
export OMP_WAIT_POLICY=passive XDG_CACHE_HOME="$work/cache"
unset GB_BACKEND
failures=0
complain() {
    echo "FAILED: $*"
    cat "$work/log"
    failures=$((failures + 1))
}
arm() {
    "$root/build/arm64/bin/emulator" "$root/build/aarch64/bench/glowbench" "$@" >"$work/log" 2>&1
}
x86() {
    "$root/build/release/bench/glowbench" "$@" >"$work/log" 2>&1
}

for test in $tests; do
    build/arm64/bin/emulator "build/aarch64/tests/test_$test" >"$work/log" 2>&1 || complain "test_$test"
done

arm bench --filter '^conv/' && complain "times under emulation"
grep -q 'an emulator runs this program.*--allow-emulation' "$work/log" || complain "another refusal"
arm info || complain "info"
grep -q '(emulated)' "$work/log" || complain "the CPU is not called emulated"
# Every kernel is checked before it is timed. Here a 1x1 and a 3x3, in all directions.
arm bench --allow-emulation --backend neon --threads 2 --cache warm --reps 1 --check always \
    --filter '^conv/.*/n2h4w4c(24k24r3|256k256r1)' || complain "kernels"

# The tensors of a checkpoint, without its metadata, which names the backend.
tensors() {
    head=$(od -A n -t u8 -N 8 "$1" | tr -d ' ')
    tail -c +$((head + 9)) "$1"
}
same() {
    tensors "$1/checkpoint.safetensors" >"$work/one"
    tensors "$2/checkpoint.safetensors" >"$work/other"
    cmp "$work/one" "$work/other" >"$work/log" 2>&1 || complain "$1 and $2 differ"
}
cd "$work"
cglow="--size 16 --levels 2 --steps 1 --n-c 8 --n-w 16 --coupling-channels 16"
for task in horses lfw denoise depth inpaint sr vessels; do
    model=$cglow
    case $task in
    sr) model="--size 16 --steps 1 --condition-channels 8 --coupling-channels 8 --rrdb-blocks 1 --growth 4 --crops 1" ;;
    vessels) model="--steps 1 --condition-channels 8 --coupling-channels 8" ;;
    esac
    set -- train $task --batch 2 --samples 1
    # shellcheck disable=SC2086 # options
    {
        arm "$@" $model --iters 10 --threads 1 --out $task.1 || complain "$task, 1 thread"
        arm "$@" $model --iters 5 --threads 2 --out $task.2 || complain "$task, 5 steps"
        arm train $task --samples 1 --resume --iters 10 --threads 2 --out $task.2 || complain "$task, resumed"
        same $task.1 $task.2
    }
done
# shellcheck disable=SC2086
for machine in arm x86; do
    $machine train horses $cglow --batch 2 --samples 1 --iters 10 --backend scalar --out scalar.$machine ||
        complain "scalar on $machine"
done
same scalar.arm scalar.x86
x86 eval horses --samples 1 --checkpoint horses.1/checkpoint.safetensors || complain "Arm's checkpoint on x86"
arm eval horses --samples 1 --checkpoint scalar.x86/checkpoint.safetensors || complain "x86's checkpoint on Arm"

[ $failures -eq 0 ] || echo "$failures failures"
exit $((failures > 0))
