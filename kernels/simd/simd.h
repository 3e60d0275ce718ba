// SPDX-License-Identifier: MIT
// The vectors that kernel bodies are written on. A body is compiled once per instruction set, with
// GB_ISA defined to its name (cmake/isa.cmake); GB_NAME(x) carries that name as a suffix.
//
// kernels/simd/GB_ISA.h is all there is to know of an instruction set: the number of lanes, the
// tile sizes, the level of the CPU that it needs, and the primitives that its instructions do
// better than portable.h. Multiply-adds are fused only by gb_v_fma (the build forbids contraction),
// so a body's bits depend on the instruction set alone.
#ifndef GB_SIMD_H
#define GB_SIMD_H

#define GB_PASTE_(a, b) a##b
#define GB_PASTE(a, b) GB_PASTE_(a, b)
#define GB_TEXT_(x) #x
#define GB_TEXT(x) GB_TEXT_(x)
#define GB_NAME(stem) GB_PASTE(stem##__, GB_ISA)

#define GB_ISA_FILE GB_TEXT(GB_ISA.h) // "avx2.h", next to this file
#include GB_ISA_FILE

#include "kernels/simd/portable.h"

#endif
