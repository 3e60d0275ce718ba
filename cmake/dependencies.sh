#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs with apt what the build needs and is missing. If nothing is missing it does nothing and
# needs no network.
#
#     sh cmake/dependencies.sh [--tests] [--pip] [--peers]
#
# --tests: also what the tests need, and Clang's tools, without which some stages are skipped;
# --pip: also what a download from PyPI needs; --peers: also PyTorch (600 MB), for bench/peers
set -eu

missing=
useful= # optional

# need PACKAGE COMMAND...: the package is missing unless the command succeeds.
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

# includes HEADER: true if the compiler finds it.
includes() {
    echo "#include <$1>" | "${CC:-cc}" -E -x c -
}

# builds_with COMPILER FLAG: true if it builds programs with the flag.
builds_with() {
    echo "int main(void) { return 0; }" | "$1" "$2" -x c -o /dev/null - >/dev/null 2>&1
}

need cmake command -v cmake
need pkg-config command -v pkg-config
command -v make >/dev/null || need ninja-build command -v ninja
if ! command -v "${CC:-cc}" >/dev/null; then
    missing="$missing gcc libc6-dev"
fi
need g++ command -v "${CXX:-c++}"
need libbenchmark-dev pkg-config --exists benchmark
need libjpeg-dev pkg-config --exists libjpeg
need libpng-dev pkg-config --exists libpng
need libtiff-dev pkg-config --exists libtiff-4
need libgif-dev includes gif_lib.h
need libzip-dev pkg-config --exists libzip
need libjansson-dev pkg-config --exists jansson
need libpopt-dev pkg-config --exists popt
need libhwloc-dev pkg-config --exists hwloc
need libdnnl-dev includes oneapi/dnnl/dnnl.h
need gnuplot-nox command -v gnuplot
[ "$(uname -m)" != x86_64 ] || need libxsmm-dev includes libxsmm_dnn_convolution.h
need libopenblas-openmp-dev sh -c 'ls /usr/lib/*/openblas-openmp/libopenblas.so'
for part; do
    case $part in
    --tests)
        need libcmocka-dev pkg-config --exists cmocka
        builds_with clang -fopenmp || useful="clang libomp-dev"
        builds_with clang -fsanitize=fuzzer-no-link,address || useful="$useful libclang-rt-dev"
        # Two implementations of MPI; where both are installed, mpicc is Open MPI's.
        command -v mpirun.openmpi >/dev/null || useful="$useful openmpi-bin libopenmpi-dev"
        command -v mpiexec.mpich >/dev/null || useful="$useful mpich libmpich-dev"
        command -v strace >/dev/null || useful="$useful strace"
        command -v clang-tidy >/dev/null || useful="$useful clang-tidy"
        command -v clang-format >/dev/null || useful="$useful clang-format"
        ;;
    --pip) need python3-pip python3 -m pip --version ;;
    --peers)
        python3 -c 'import torch' 2>/dev/null || /usr/bin/python3 -c 'import torch' 2>/dev/null ||
            useful="$useful python3-torch"
        ;;
    esac
done
[ -n "$missing$useful" ] || exit 0

as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo
able=yes
command -v apt-get >/dev/null || able=
[ -z "$as_root" ] || command -v sudo >/dev/null || able=
if [ -z "$able" ] && [ -n "$missing" ]; then
    echo "glowbench: cannot install:$missing: needs root and apt: apt-get install$missing" >&2
    exit 2
fi
[ -n "$able" ] || exit 0

# install PACKAGE...
install() {
    echo "installing${as_root:+ with $as_root}: $*" >&2
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >&2
}
$as_root apt-get update -q >&2 || [ -z "$missing" ]
# shellcheck disable=SC2086 # the packages are words
[ -z "$missing" ] || install $missing
# shellcheck disable=SC2086
[ -z "$useful" ] || install $useful || echo "glowbench: continuing without: $useful" >&2
