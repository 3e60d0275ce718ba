#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds and runs all tests, after installing what is missing:
#
#     sh tests/run.sh [CTEST ARGUMENT...]     GB_TESTS_QUICK=1: only the release build
#
# Checks of the sources (formatting, clang-tidy), then one build after the other: AddressSanitizer and
# UndefinedBehaviorSanitizer; ThreadSanitizer, on the tests that share work among threads; Clang; the
# fuzz targets, GB_FUZZ_SECONDS (default: 20) each, and AArch64 under an emulator, unless there are
# arguments; the tests of backends with oneDNN 3; and last the release build, so that its verdict ends
# the output. Warnings are errors in all of them. A stage whose tool does not work here is skipped with
# a message.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
failed= # stages
wrapper=

# run PRESET [CTEST ARGUMENT...]: builds a preset and runs its tests.
run() {
    preset=$1
    shift
    echo "== $preset"
    mkdir -p build
    log=build/$preset.log # shown only if the build fails
    if ! sh cmake/build.sh "$preset" all -D GB_WERROR=ON -D GB_REQUIRE_TESTS=ON >"$log" 2>&1; then
        cat "$log"
        failed="$failed $preset"
        return
    fi
    $wrapper ctest --preset "$preset" --parallel "$(nproc)" "$@" ||
        failed="$failed $preset"
}

# works COMPILER FLAG: true if a program built with the flag runs here.
works() {
    probe=$(mktemp -d)
    echo 'int main(void) { return 0; }' >"$probe/probe.c"
    status=0
    { "$1" "$2" "$probe/probe.c" -o "$probe/probe" && $wrapper "$probe/probe"; } >/dev/null 2>&1 ||
        status=1
    rm -r "$probe"
    [ $status -eq 0 ] || echo "== skipped: $1 $2 does not work here"
    return $status
}

sh cmake/dependencies.sh --tests
if [ "${GB_TESTS_QUICK:-0}" != 1 ]; then
    sh cmake/dependencies.sh --peers
    sh tests/lint.sh || failed="$failed lint"
    if works "${CC:-cc}" -fsanitize=address,undefined; then
        run asan "$@"
    fi
    # Older ThreadSanitizers cannot run under address space randomisation with many bits.
    if setarch "$(uname -m)" -R true 2>/dev/null; then
        wrapper="setarch $(uname -m) -R"
    fi
    if works "${CC:-cc}" -fsanitize=thread; then
        run tsan "$@"
    fi
    wrapper=
    if works clang -fopenmp; then
        run clang "$@"
    fi
    if [ $# -eq 0 ] && works clang -fsanitize=fuzzer-no-link,address; then
        echo "== fuzz"
        sh tests/fuzz.sh "$(awk "BEGIN { print ${GB_FUZZ_SECONDS:-20} / 60 }")" || failed="$failed fuzz"
    fi
    if [ $# -eq 0 ]; then
        echo "== aarch64"
        code=0
        sh tests/aarch64.sh || code=$?
        [ $code -eq 0 ] || [ $code -eq 77 ] || failed="$failed aarch64"
    fi
    if GB_ONEDNN3=$(sh cmake/onednn3.sh); then
        export GB_ONEDNN3
        run onednn3 "$@"
    else
        echo "== skipped: oneDNN 3 could not be downloaded"
    fi
fi
[ -z "$failed" ] || echo "== failed:$failed"
run release "$@"
[ -z "$failed" ]
