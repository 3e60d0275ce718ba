#!/bin/sh
# SPDX-License-Identifier: MIT
# Only the files of the instruction sets, and kernels/cpu.c, may ask what they are compiled for.
cd "$(dirname "$0")/../.." || exit 1
asking=$(grep -rlE '__(AVX|SSE|FMA|ARM|aarch64|x86_64|i386)|intrin\.h|arm_(neon|sve)\.h' \
    base kernels flows tasks bench tests --include='*.c' --include='*.h' --include='*.cc' |
    grep -vxE 'kernels/(cpu\.c|simd/[a-z0-9_]+\.h)|bench/peaks/peaks_(avx512|amx|neon)_bf16\.c')
[ -z "$asking" ] && exit 0
echo "these ask for an instruction set outside of kernels/simd:" "$asking"
exit 1
