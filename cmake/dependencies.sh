#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs with apt what the build needs and is not there; does nothing, and needs no network, where
# nothing is missing.
#
#     sh cmake/dependencies.sh [--tests] [--pip]
#
# --tests: what the tests need as well; --pip: what fetching from PyPI does
set -eu

missing=

# The package in $1 is needed unless the command after it succeeds.
need() {
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}

# True if the compiler finds the header.
includes() {
    echo "#include <$1>" | "${CC:-cc}" -E -x c -
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
need libopenblas-openmp-dev sh -c 'ls /usr/lib/*/openblas-openmp/libopenblas.so'
for part; do
    case $part in
    --tests) need libcmocka-dev pkg-config --exists cmocka ;;
    --pip) need python3-pip python3 -m pip --version ;;
    esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "glowbench: cannot install:$missing: no apt-get here; install them by hand" >&2
    exit 2
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "glowbench: cannot install:$missing: run as root: apt-get install$missing" >&2
        exit 2
    fi
    as_root=sudo
fi
echo "installing${as_root:+ with $as_root}:$missing" >&2
# shellcheck disable=SC2086 # the packages are words
{
    $as_root apt-get update -q
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $missing
} >&2
