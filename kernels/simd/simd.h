// SPDX-License-Identifier: MIT
// The vector type that every kernel body is written on. A body is compiled once per instruction set
// with GB_ISA defined to scalar, avx2 or avx512; GB_NAME(x) then carries the suffix, and GB_LANES
// floats make a vector. Arithmetic uses the compiler's vector extension (+ - * / < == & |); what
// that lacks is below. Multiply-add is fused only where gb_v_fma says so (the build forbids
// contraction), so a body's bits depend on the instruction set alone.
#ifndef GB_SIMD_H
#define GB_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GB_ISA_ID_scalar 1 // an unknown name is 0 to the preprocessor
#define GB_ISA_ID_avx2 2
#define GB_ISA_ID_avx512 3
#define GB_PASTE_(a, b) a##b
#define GB_PASTE(a, b) GB_PASTE_(a, b)
#define GB_ISA_ID GB_PASTE(GB_ISA_ID_, GB_ISA)
#define GB_NAME(stem) GB_PASTE(stem##__, GB_ISA)

#if GB_ISA_ID == GB_ISA_ID_scalar
#include <math.h>
#define GB_LANES 1
#elif GB_ISA_ID == GB_ISA_ID_avx2
#include <immintrin.h>
#define GB_LANES 8
#elif GB_ISA_ID == GB_ISA_ID_avx512
#include <immintrin.h>
#define GB_LANES 16
#else
#error "unknown instruction set"
#endif

typedef float gb_v __attribute__((vector_size(4 * GB_LANES), may_alias));
typedef int32_t gb_vi __attribute__((vector_size(4 * GB_LANES), may_alias));

#define GB_INLINE static inline __attribute__((always_inline, unused))

// Before a loop of at most 24 turns whose arrays are to live in registers.
#if defined(__clang__)
#define GB_UNROLL _Pragma("clang loop unroll(full)")
#else
#define GB_UNROLL _Pragma("GCC unroll 24")
#endif

// Makes the compiler forget how a pointer was computed, so that it keeps it in a register.
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

// The bits of a vector seen as the other type; no conversion.
GB_INLINE gb_vi gb_v_bits(gb_v v) {
    return (gb_vi)v;
}
GB_INLINE gb_v gb_vi_float_bits(gb_vi v) {
    return (gb_v)v;
}

// mask lanes all-ones: a, all-zeros: b.
GB_INLINE gb_v gb_v_select(gb_vi mask, gb_v a, gb_v b) {
    return (gb_v)(((gb_vi)a & mask) | ((gb_vi)b & ~mask));
}

GB_INLINE gb_v gb_vi_to_float(gb_vi v) {
    return __builtin_convertvector(v, gb_v);
}

#if GB_ISA_ID == GB_ISA_ID_scalar
GB_INLINE gb_v gb_v_fma(gb_v a, gb_v b, gb_v c) {
    return (gb_v){fmaf(a[0], b[0], c[0])};
}
GB_INLINE gb_v gb_v_max(gb_v a, gb_v b) {
    return (gb_v){a[0] > b[0] ? a[0] : b[0]};
}
GB_INLINE gb_v gb_v_min(gb_v a, gb_v b) {
    return (gb_v){a[0] < b[0] ? a[0] : b[0]};
}
GB_INLINE gb_v gb_v_sqrt(gb_v a) {
    return (gb_v){sqrtf(a[0])};
}
GB_INLINE gb_v gb_v_round(gb_v a) {
    return (gb_v){nearbyintf(a[0])};
} // to nearest even
// Loads or stores the first `count` lanes (0 <= count <= GB_LANES); other lanes read as zero, and
// no byte of theirs is touched.
GB_INLINE gb_v gb_v_load_part(const float *p, int count) {
    return (gb_v){count ? *p : 0.0f};
}
GB_INLINE void gb_v_store_part(float *p, gb_v v, int count) {
    if (count)
        *p = v[0];
}
// The first `count` lanes, zero in the others.
GB_INLINE gb_v gb_v_keep(gb_v v, int count) {
    return (gb_v){count ? v[0] : 0.0f};
}
#elif GB_ISA_ID == GB_ISA_ID_avx2
GB_INLINE gb_v gb_v_fma(gb_v a, gb_v b, gb_v c) {
    return (gb_v)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}
// As the instruction does it: the second operand where either is NaN.
GB_INLINE gb_v gb_v_max(gb_v a, gb_v b) {
    return (gb_v)_mm256_max_ps((__m256)a, (__m256)b);
}
GB_INLINE gb_v gb_v_min(gb_v a, gb_v b) {
    return (gb_v)_mm256_min_ps((__m256)a, (__m256)b);
}
GB_INLINE gb_v gb_v_sqrt(gb_v a) {
    return (gb_v)_mm256_sqrt_ps((__m256)a);
}
GB_INLINE gb_v gb_v_round(gb_v a) {
    return (gb_v)_mm256_round_ps((__m256)a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
GB_INLINE __m256i gb_part_mask(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
GB_INLINE gb_v gb_v_load_part(const float *p, int count) {
    return (gb_v)_mm256_maskload_ps(p, gb_part_mask(count));
}
GB_INLINE void gb_v_store_part(float *p, gb_v v, int count) {
    _mm256_maskstore_ps(p, gb_part_mask(count), (__m256)v);
}
GB_INLINE gb_v gb_v_keep(gb_v v, int count) {
    return (gb_v)((gb_vi)v & (gb_vi)gb_part_mask(count));
}
#elif GB_ISA_ID == GB_ISA_ID_avx512
GB_INLINE gb_v gb_v_fma(gb_v a, gb_v b, gb_v c) {
    return (gb_v)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
GB_INLINE gb_v gb_v_max(gb_v a, gb_v b) {
    return (gb_v)_mm512_max_ps((__m512)a, (__m512)b);
}
GB_INLINE gb_v gb_v_min(gb_v a, gb_v b) {
    return (gb_v)_mm512_min_ps((__m512)a, (__m512)b);
}
GB_INLINE gb_v gb_v_sqrt(gb_v a) {
    return (gb_v)_mm512_sqrt_ps((__m512)a);
}
GB_INLINE gb_v gb_v_round(gb_v a) {
    return (gb_v)_mm512_roundscale_ps((__m512)a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
GB_INLINE __mmask16 gb_part_mask(int count) {
    return (__mmask16)((1u << count) - 1u);
}
GB_INLINE gb_v gb_v_load_part(const float *p, int count) {
    return (gb_v)_mm512_maskz_loadu_ps(gb_part_mask(count), p);
}
GB_INLINE void gb_v_store_part(float *p, gb_v v, int count) {
    _mm512_mask_storeu_ps(p, gb_part_mask(count), (__m512)v);
}
GB_INLINE gb_v gb_v_keep(gb_v v, int count) {
    return (gb_v)_mm512_maskz_mov_ps(gb_part_mask(count), (__m512)v);
}
#endif

// To nearest even, as int32. Lanes out of range are undefined.
GB_INLINE gb_vi gb_v_to_int(gb_v v) {
    return __builtin_convertvector(gb_v_round(v), gb_vi);
}

// The sum of the lanes by halves: lane i + lane i + GB_LANES/2, and so on. One shape per
// instruction set.
GB_INLINE float gb_v_sum(gb_v v) {
    float lanes[GB_LANES];
    gb_v_store(lanes, v);
    for (int half = GB_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++)
            lanes[i] += lanes[i + half];
    return lanes[0];
}

#endif
