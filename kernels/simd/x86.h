// SPDX-License-Identifier: MIT
// The primitives that AVX2 and AVX-512 have under one name: what avx2.h and avx512.h share. They
// define GB_X86(fmadd_ps), the intrinsic of their width, and the types of their registers.
#ifndef GB_SIMD_X86_H
#define GB_SIMD_X86_H

#include <immintrin.h>

#include "kernels/simd/vector.h"

#define gb_v_fma gb_v_fma
GB_INLINE gb_v gb_v_fma(gb_v a, gb_v b, gb_v c) {
    return (gb_v)GB_X86(fmadd_ps)((gb_x86_floats)a, (gb_x86_floats)b, (gb_x86_floats)c);
}
#define gb_v_max gb_v_max
GB_INLINE gb_v gb_v_max(gb_v a, gb_v b) {
    return (gb_v)GB_X86(max_ps)((gb_x86_floats)a, (gb_x86_floats)b);
}
#define gb_v_min gb_v_min
GB_INLINE gb_v gb_v_min(gb_v a, gb_v b) {
    return (gb_v)GB_X86(min_ps)((gb_x86_floats)a, (gb_x86_floats)b);
}
#define gb_v_sqrt gb_v_sqrt
GB_INLINE gb_v gb_v_sqrt(gb_v a) {
    return (gb_v)GB_X86(sqrt_ps)((gb_x86_floats)a);
}

// One instruction; the compilers make three of the portable product.
#define gb_vu64_multiply_lower(a, b)                                                               \
    ((gb_vu64)GB_X86(mul_epu32)((gb_x86_integers)(a), (gb_x86_integers)(b)))

#define gb_transpose_quads gb_transpose_quads
GB_INLINE void gb_transpose_quads(gb_v q[4]) {
    gb_x86_floats low01 = GB_X86(unpacklo_ps)((gb_x86_floats)q[0], (gb_x86_floats)q[1]);
    gb_x86_floats high01 = GB_X86(unpackhi_ps)((gb_x86_floats)q[0], (gb_x86_floats)q[1]);
    gb_x86_floats low23 = GB_X86(unpacklo_ps)((gb_x86_floats)q[2], (gb_x86_floats)q[3]);
    gb_x86_floats high23 = GB_X86(unpackhi_ps)((gb_x86_floats)q[2], (gb_x86_floats)q[3]);
    q[0] = (gb_v)GB_X86(shuffle_ps)(low01, low23, 0x44);
    q[1] = (gb_v)GB_X86(shuffle_ps)(low01, low23, 0xee);
    q[2] = (gb_v)GB_X86(shuffle_ps)(high01, high23, 0x44);
    q[3] = (gb_v)GB_X86(shuffle_ps)(high01, high23, 0xee);
}

#endif
