#!/bin/sh
# SPDX-License-Identifier: MIT
# Links the program of a release build N times with its functions and data in another order, and
# prints the names of the executables, with commas between them, as `glowbench ab` takes them:
#
#     sh cmake/layouts.sh N [BUILD]                 BUILD: build/release if not given
#     glowbench ab --base "$(sh cmake/layouts.sh 16 OLD/build/release)" --new "$(sh cmake/layouts.sh 16)"
#
# Executable i is BUILD/layouts/glowbench.i, of the seed i: the same build and i give the same bytes.
# Exit code 2 if the build is missing, or the linker lld.
set -eu

fail() {
    echo "glowbench: cannot link layouts: $1" >&2
    exit 2
}

count=${1:-}
build=${2:-$(dirname "$0")/../build/release}
case $count in
'' | *[!0-9]* | 0*) fail "N: give a number of layouts: sh cmake/layouts.sh N [BUILD]" ;;
esac
[ -x "$build/bench/glowbench" ] || fail "$build: it has no bench/glowbench: build it first"
build=$(cd "$build" && pwd)
case $build in
*[,\']*) fail "$build: its name has a comma or a quote" ;;
esac
command -v ld.lld >/dev/null || fail "ld.lld: it is missing: apt-get install lld"

# The command that links the program, from where CMake's generator keeps it, and where it runs.
if [ -e "$build/build.ninja" ]; then
    command=$(ninja -C "$build" -t commands bench/glowbench | tail -n 1)
    directory=$build
else
    command=$(cat "$build/bench/CMakeFiles/glowbench.dir/link.txt")
    directory=$build/bench
fi
before=${command%% -o *}
after=${command#* -o }
[ "$before" != "$command" ] || fail "$build: its link command has no -o"
after=${after#* } # without the output's name

mkdir -p "$build/layouts"
names=
i=0
while [ $i -lt "$count" ]; do
    i=$((i + 1))
    name=$build/layouts/glowbench.$i
    # Not the tables of constructors, whose order means something.
    shuffle="-fuse-ld=lld"
    for sections in '.text*' '.rodata*' '.data*' '.bss*'; do
        shuffle="$shuffle '-Wl,--shuffle-sections=$sections=$i'"
    done
    (cd "$directory" && eval "$before $shuffle -o '$name.new' $after") >"$build/layouts/log" 2>&1 ||
        fail "$name: see $build/layouts/log"
    mv "$name.new" "$name"
    names=$names${names:+,}$name
done
rm -f "$build/layouts/log"
echo "$names"
