#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds and runs the tests: under AddressSanitizer and UndefinedBehaviorSanitizer, those that are
# about threads under ThreadSanitizer, all of them as Clang builds them where it is installed, those
# that run on every backend with oneDNN 3 where PyPI can be reached, and last, so that its verdict
# closes the output, the release build. Installs what is missing first.
#
#     sh tests/run.sh [CTEST ARGUMENT...]     GB_TESTS_QUICK=1: the release build alone
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
failed=0

# Tests run side by side, and some on more threads than there are processors: threads that spin while
# they wait would starve those they wait for (a factor of ten, measured).
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"

# run PRESET [CTEST ARGUMENT...]: the tests of a preset, built.
run() {
    preset=$1
    shift
    echo "== $preset"
    # Builds are long and of interest where they fail.
    mkdir -p "$root/build"
    log=$root/build/$preset.log
    if ! sh "$root/cmake/build.sh" "$preset" all >"$log" 2>&1; then
        cat "$log"
        failed=1
        return
    fi
    (cd "$root/build/$preset" && $wrapper ctest --output-on-failure --parallel "$(nproc)" "$@") ||
        failed=1
}

# supported COMPILER FLAG: true if a program built so runs here.
supported() {
    probe=$(mktemp -d)
    echo 'int main(void) { return 0; }' >"$probe/probe.c"
    works=0
    { "$1" "$2" "$probe/probe.c" -o "$probe/probe" && $wrapper "$probe/probe"; } >/dev/null 2>&1 ||
        works=1
    rm -r "$probe"
    [ $works -eq 0 ] || echo "== skipped: $1 $2 does not work here"
    return $works
}

sh "$root/cmake/dependencies.sh" --tests
wrapper=
if [ "${GB_TESTS_QUICK:-0}" != 1 ]; then
    if supported "${CC:-cc}" -fsanitize=address,undefined; then
        run asan "$@"
    fi
    # Older ThreadSanitizers cannot run where the kernel scatters memory widely.
    if setarch "$(uname -m)" -R true 2>/dev/null; then
        wrapper="setarch $(uname -m) -R"
    fi
    if supported "${CC:-cc}" -fsanitize=thread; then
        run tsan --label-regex threads "$@"
    fi
    wrapper=
    if supported clang -fopenmp; then
        run clang "$@"
    fi
    # The release build below has the system's oneDNN.
    if GB_ONEDNN3=$(sh "$root/cmake/onednn3.sh"); then
        export GB_ONEDNN3
        run onednn3 --label-regex backends "$@"
    else
        echo "== skipped: oneDNN 3 could not be fetched"
    fi
fi
run release "$@"
exit $failed
