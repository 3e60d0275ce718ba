// SPDX-License-Identifier: MIT
// The vector types of an instruction-set file, which defines GB_LANES and includes this. Arithmetic
// on them is the compiler's vector extension: + - * / < == & | and the like.
#ifndef GB_VECTOR_H
#define GB_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef float gb_v __attribute__((vector_size(4 * GB_LANES), may_alias));
typedef int32_t gb_vi __attribute__((vector_size(4 * GB_LANES), may_alias));
typedef uint16_t gb_vh __attribute__((vector_size(2 * GB_LANES), may_alias)); // bf16

#define GB_INLINE static inline __attribute__((always_inline, unused))

// Before a loop of at most 24 iterations whose arrays are to live in registers.
#if defined(__clang__)
#define GB_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GB_UNROLL _Pragma("GCC unroll 24")
#endif

// Hides how a pointer was computed, so that the compiler keeps it in a register.
#define GB_FORGET(pointer) __asm__("" : "+r"(pointer))

GB_INLINE gb_v gb_v_set(float x) {
    return x - (gb_v){0};
}
GB_INLINE gb_vi gb_vi_set(int32_t x) {
    return x - (gb_vi){0};
}

GB_INLINE gb_v gb_v_load(const float *p) {
    gb_v v;
    memcpy(&v, p, sizeof v);
    return v;
}
GB_INLINE void gb_v_store(float *p, gb_v v) {
    memcpy(p, &v, sizeof v);
}

// Reinterpret the bits; no conversion.
GB_INLINE gb_vi gb_v_bits(gb_v v) {
    return (gb_vi)v;
}
GB_INLINE gb_v gb_vi_float_bits(gb_vi v) {
    return (gb_v)v;
}

// a in lanes where the mask is all ones, b where it is zero.
GB_INLINE gb_v gb_v_select(gb_vi mask, gb_v a, gb_v b) {
    return (gb_v)(((gb_vi)a & mask) | ((gb_vi)b & ~mask));
}

GB_INLINE gb_v gb_vi_to_float(gb_vi v) {
    return __builtin_convertvector(v, gb_v);
}

#endif
