// SPDX-License-Identifier: MIT
// Every primitive and constant that kernels need beyond the vector extension, in portable C for any
// number of lanes. An instruction-set file replaces the ones that its instructions do better: it
// defines its own, and a macro of the same name so that the form here is left out.
#ifndef GB_PORTABLE_H
#define GB_PORTABLE_H

#include <math.h>

#include "kernels/bf16/bf16.h"
#include "kernels/simd/vector.h"

// ---- Arithmetic ----

// a * b + c with one rounding.
#ifndef gb_v_fma
GB_INLINE gb_v gb_v_fma(gb_v a, gb_v b, gb_v c) {
    for (int i = 0; i < GB_LANES; i++)
        c[i] = fmaf(a[i], b[i], c[i]);
    return c;
}
#endif

// b where either is NaN, as the x86 instructions have it.
#ifndef gb_v_max
GB_INLINE gb_v gb_v_max(gb_v a, gb_v b) {
    for (int i = 0; i < GB_LANES; i++)
        a[i] = a[i] > b[i] ? a[i] : b[i];
    return a;
}
#endif
#ifndef gb_v_min
GB_INLINE gb_v gb_v_min(gb_v a, gb_v b) {
    for (int i = 0; i < GB_LANES; i++)
        a[i] = a[i] < b[i] ? a[i] : b[i];
    return a;
}
#endif

#ifndef gb_v_sqrt
GB_INLINE gb_v gb_v_sqrt(gb_v a) {
    for (int i = 0; i < GB_LANES; i++)
        a[i] = sqrtf(a[i]);
    return a;
}
#endif

// To the nearest integer, ties to even.
#ifndef gb_v_round
GB_INLINE gb_v gb_v_round(gb_v a) {
    for (int i = 0; i < GB_LANES; i++)
        a[i] = nearbyintf(a[i]);
    return a;
}
#endif

// As gb_v_round, converted. Undefined in lanes that int32 cannot hold.
GB_INLINE gb_vi gb_v_to_int(gb_v v) {
    return __builtin_convertvector(gb_v_round(v), gb_vi);
}

// The sum of the lanes by halves: lane i + lane i + GB_LANES/2, and so on.
GB_INLINE float gb_v_sum(gb_v v) {
    float lanes[GB_LANES];
    gb_v_store(lanes, v);
    for (int half = GB_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

// ---- Partial vectors: the first `count` lanes, 0 <= count <= GB_LANES ----

// Other lanes are zero, and their memory is not read.
#ifndef gb_v_load_part
GB_INLINE gb_v gb_v_load_part(const float *p, int count) {
    gb_v v = {0};
    for (int i = 0; i < GB_LANES; i++)
        if (i < count)
            v[i] = p[i];
    return v;
}
#endif
// The memory of other lanes is not written.
#ifndef gb_v_store_part
GB_INLINE void gb_v_store_part(float *p, gb_v v, int count) {
    for (int i = 0; i < GB_LANES; i++)
        if (i < count)
            p[i] = v[i];
}
#endif
// Zero in other lanes.
#ifndef gb_v_keep
GB_INLINE gb_v gb_v_keep(gb_v v, int count) {
    for (int i = 0; i < GB_LANES; i++)
        v[i] = i < count ? v[i] : 0.0f;
    return v;
}
#endif

// ---- bf16 (kernels/bf16/bf16.h) ----

// The first `count` lanes; others are zero, and their memory is not read.
#ifndef gb_v_load_bf16
GB_INLINE gb_v gb_v_load_bf16(const uint16_t *p, int count) {
#if GB_LANES == 1 // GCC 12 converts vectors of one lane wrongly
    return gb_v_set(count ? gb_bf16_value(*p) : 0.0f);
#else
    gb_vh halves = {0};
    if (count == GB_LANES)
        memcpy(&halves, p, sizeof halves);
    else
        memcpy(&halves, p, (size_t)count * sizeof *p);
    return (gb_v)(__builtin_convertvector(halves, gb_vi) << 16);
#endif
}
#endif

// As gb_bf16_round. The memory of other lanes is not written.
#ifndef gb_v_store_bf16
GB_INLINE void gb_v_store_bf16(uint16_t *p, gb_v v, int count) {
#if GB_LANES == 1
    if (count)
        *p = gb_bf16_round(v[0]);
#else
    const gb_vi bits = (gb_vi)v, magnitude = bits & 0x7fffffff;
    gb_vi rounded = bits + 0x7fff + (bits >> 16 & 1);
    rounded = (gb_vi)gb_v_select(magnitude > 0x7f800000, (gb_v)(bits | 0x400000), (gb_v)rounded);
    rounded = (gb_vi)gb_v_select(magnitude < 0x00800000, (gb_v)(bits & INT32_MIN), (gb_v)rounded);
    const gb_vh halves = __builtin_convertvector(rounded >> 16, gb_vh);
    if (count == GB_LANES)
        memcpy(p, &halves, sizeof halves);
    else
        memcpy(p, &halves, (size_t)count * sizeof *p);
#endif
}
#endif

#if GB_LANES >= 4
// ---- Wide products ----

typedef uint64_t gb_vu64 __attribute__((vector_size(4 * GB_LANES), may_alias));

// a * b of the lower 32 bits of each 64-bit lane.
#ifndef gb_vu64_multiply_lower
GB_INLINE gb_vu64 gb_vu64_multiply_lower(gb_vu64 a, gb_vu64 b) {
    return (a & 0xffffffffu) * (b & 0xffffffffu);
}
#endif

// ---- Transposes ----

// Four floats from every fourth row, next to each other: p[0..3], p[4*row .. 4*row+3], ...
#ifndef gb_load_quads
GB_INLINE gb_v gb_load_quads(const float *p, size_t row) {
    float quads[GB_LANES];
    for (size_t i = 0; i < GB_LANES; i += 4)
        memcpy(quads + i, p + i * row, 4 * sizeof *quads);
    return gb_v_load(quads);
}
#endif

// Transposes the 4 x 4 floats that four vectors have in each 128 bits.
#ifndef gb_transpose_quads
GB_INLINE void gb_transpose_quads(gb_v q[4]) {
    float rows[4][GB_LANES], columns[4][GB_LANES];
    memcpy(rows, q, sizeof rows);
    for (int i = 0; i < GB_LANES; i++)
        for (int r = 0; r < 4; r++)
            columns[i % 4][i / 4 * 4 + r] = rows[r][i];
    memcpy(q, columns, sizeof columns);
}
#endif

// Transposes GB_LANES by GB_LANES floats between two row strides. Loads bring quads of four columns
// from every fourth row next to each other, so that only 4 x 4 squares remain to shuffle: half the
// shuffles of a transpose in registers alone.
GB_INLINE void gb_transpose(const float *from, size_t from_row, float *to, size_t to_row) {
    GB_UNROLL
    for (size_t quad = 0; quad < GB_LANES; quad += 4) {
        gb_v q[4];
        GB_UNROLL
        for (size_t r = 0; r < 4; r++)
            q[r] = gb_load_quads(from + quad + r * from_row, from_row);
        gb_transpose_quads(q);
        GB_UNROLL
        for (size_t r = 0; r < 4; r++)
            gb_v_store(to + (quad + r) * to_row, q[r]);
    }
}
#endif

// ---- Blocking of the matrix products, where an instruction set has no reason to differ ----

#ifndef GB_KC
#define GB_KC 256 // rows of a packed panel at a time, at most
#endif
#ifndef GB_MC
#define GB_MC 192 // rows of a block of micro-kernels that share a panel
#endif
#ifndef GB_LINE_FLOATS
#define GB_LINE_FLOATS 16 // from one prefetch to the next: at most a cache line
#endif
// Floats of the panel (KC x NR) that stays in the first-level cache, and of what the second-level
// cache holds next to other operands.
#ifndef GB_L1_FLOATS
#define GB_L1_FLOATS 8192
#endif
#ifndef GB_L2_FLOATS
#define GB_L2_FLOATS (1 << 18)
#endif

#endif
