// SPDX-License-Identifier: MIT
// Advanced SIMD, which every AArch64 CPU has. Arithmetic is the same as with other instruction
// sets of IEEE floats, except at the border of what is flushed: a result that rounds up to 2^-126
// is zero here, since it is tiny before rounding, and 2^-126 on x86.
#ifndef GB_SIMD_NEON_H
#define GB_SIMD_NEON_H

#define GB_LANES 4
#define GB_ISA_NEEDS "Advanced SIMD"
#define GB_ISA_LEVEL neon // the member of struct gb_cpu

// Thirty-two vector registers. Convolution: micro-kernels of MR rows by NR vectors; MR is
// GB_ACCUMULATORS / NR. The 24 sums of 6 by 4, 4 vectors of B and up to 4 elements of A fill the
// registers, and cores with two loads per four multiply-adds (Neoverse V1, V2) are not limited by
// the 10 loads of a step. The sums are as many as latency times throughput there: 4 * 4, and spare.
#define GB_NR 4
#define GB_ACCUMULATORS 24
// Fully connected layer: samples by vectors of outputs.
#define GB_FC_MR 2
#define GB_FC_NR 8
// Invertible 1x1 convolution: pixels, or rows of the matrix gradient, by one or two vectors.
#define GB_INV1X1_MR 8

#include <arm_neon.h>

#include "kernels/simd/vector.h"

#define gb_v_fma gb_v_fma
GB_INLINE gb_v gb_v_fma(gb_v a, gb_v b, gb_v c) {
    return (gb_v)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
// FMAX and FMIN would give NaN where either is, and order zeros: selected, as x86 does.
#define gb_v_max gb_v_max
GB_INLINE gb_v gb_v_max(gb_v a, gb_v b) {
    return (gb_v)vbslq_f32(vcgtq_f32((float32x4_t)a, (float32x4_t)b), (float32x4_t)a,
                           (float32x4_t)b);
}
#define gb_v_min gb_v_min
GB_INLINE gb_v gb_v_min(gb_v a, gb_v b) {
    return (gb_v)vbslq_f32(vcltq_f32((float32x4_t)a, (float32x4_t)b), (float32x4_t)a,
                           (float32x4_t)b);
}
#define gb_v_sqrt gb_v_sqrt
GB_INLINE gb_v gb_v_sqrt(gb_v a) {
    return (gb_v)vsqrtq_f32((float32x4_t)a);
}
#define gb_v_round gb_v_round
GB_INLINE gb_v gb_v_round(gb_v a) {
    return (gb_v)vrndnq_f32((float32x4_t)a);
}

// There are no masked loads and stores.
#define gb_v_load_part gb_v_load_part
GB_INLINE gb_v gb_v_load_part(const float *p, int count) {
    if (count == GB_LANES)
        return gb_v_load(p);
    float32x4_t v = vdupq_n_f32(0);
    if (count & 2)
        v = vcombine_f32(vld1_f32(p), vdup_n_f32(0));
    if (count == 3)
        v = vld1q_lane_f32(p + 2, v, 2);
    if (count == 1)
        v = vld1q_lane_f32(p, v, 0);
    return (gb_v)v;
}
#define gb_v_store_part gb_v_store_part
GB_INLINE void gb_v_store_part(float *p, gb_v v, int count) {
    if (count == GB_LANES)
        gb_v_store(p, v);
    if (count == 2 || count == 3)
        vst1_f32(p, vget_low_f32((float32x4_t)v));
    if (count == 3)
        vst1q_lane_f32(p + 2, (float32x4_t)v, 2);
    if (count == 1)
        vst1q_lane_f32(p, (float32x4_t)v, 0);
}
#define gb_v_keep gb_v_keep
GB_INLINE gb_v gb_v_keep(gb_v v, int count) {
    const gb_vi lane = {0, 1, 2, 3};
    return (gb_v)((gb_vi)v & (gb_vi)(lane < gb_vi_set(count)));
}

#define gb_vu64_multiply_lower(a, b)                                                               \
    ((gb_vu64)vmull_u32(vmovn_u64((uint64x2_t)(a)), vmovn_u64((uint64x2_t)(b))))

#define gb_load_quads gb_load_quads
GB_INLINE gb_v gb_load_quads(const float *p, size_t row) {
    (void)row; // of the second quad, in wider vectors
    return gb_v_load(p);
}

#define gb_transpose_quads gb_transpose_quads
GB_INLINE void gb_transpose_quads(gb_v q[4]) {
    const float32x4_t even01 = vtrn1q_f32((float32x4_t)q[0], (float32x4_t)q[1]);
    const float32x4_t odd01 = vtrn2q_f32((float32x4_t)q[0], (float32x4_t)q[1]);
    const float32x4_t even23 = vtrn1q_f32((float32x4_t)q[2], (float32x4_t)q[3]);
    const float32x4_t odd23 = vtrn2q_f32((float32x4_t)q[2], (float32x4_t)q[3]);
    q[0] = (gb_v)vtrn1q_f64((float64x2_t)even01, (float64x2_t)even23);
    q[1] = (gb_v)vtrn1q_f64((float64x2_t)odd01, (float64x2_t)odd23);
    q[2] = (gb_v)vtrn2q_f64((float64x2_t)even01, (float64x2_t)even23);
    q[3] = (gb_v)vtrn2q_f64((float64x2_t)odd01, (float64x2_t)odd23);
}

#endif
