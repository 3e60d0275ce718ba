// SPDX-License-Identifier: MIT
// Adam's step on part of the arrays, for gb_adam itself and for the weight-gradient kernels that
// apply it while their tile is in cache. Every operation is elementwise and exact or correctly
// rounded, so a fused step, a separate step and the scalar reference are bitwise identical on every
// instruction set.
#ifndef GB_ADAM_INLINE_H
#define GB_ADAM_INLINE_H

#include "kernels/adam/adam.h"
#include "kernels/random/philox_inline.h"
#include "kernels/simd/simd.h"

// The order of operations is part of the contract:
//   g = max(-clip, min(clip, g))                          NaN stays NaN
//   m = fma(1 - beta1, g, beta1 * m)
//   v = fma((1 - beta2) * g, g, beta2 * v)
//   w = w - learning_rate * (m * correction1) / (sqrt(v * correction2) + epsilon)
GB_INLINE void gb_adam_vector(const struct gb_adam *adam, gb_v g, gb_v *w, gb_v *m, gb_v *v) {
    g = gb_v_max(gb_v_set(-adam->clip), gb_v_min(gb_v_set(adam->clip), g));
    *m = gb_v_fma(gb_v_set(1 - adam->beta1), g, adam->beta1 * *m);
    *v = gb_v_fma((1 - adam->beta2) * g, g, adam->beta2 * *v);
    gb_v deviation = gb_v_sqrt(*v * adam->correction2) + adam->epsilon;
    *w = *w - adam->learning_rate * (*m * adam->correction1) / deviation;
}

// One step on `count` floats of each array, as gb_adam_fn. g may be scratch that nobody reads
// again.
GB_INLINE void gb_adam_slice(const struct gb_adam *adam, size_t count, const float *g, float *w,
                             float *m, float *v) {
    // Three memory streams wait behind a long division: without prefetches a training step of 17
    // million parameters takes 6 % longer. Into the second-level cache: into the first, lines in
    // flight take its fill buffers from loads (64 instead of 68 ms at 64x64 in bf16, Sapphire
    // Rapids).
    enum { FLOATS_AHEAD = 512 };
    const struct gb_adam own = *adam; // in registers: for all GCC knows, stores change *adam
    size_t i = 0;
    for (; i + GB_LANES <= count; i += GB_LANES) {
        __builtin_prefetch(w + i + FLOATS_AHEAD, 0, 2);
        __builtin_prefetch(m + i + FLOATS_AHEAD, 0, 2);
        __builtin_prefetch(v + i + FLOATS_AHEAD, 0, 2);
        gb_v wi = gb_v_load(w + i), mi = gb_v_load(m + i), vi = gb_v_load(v + i);
        gb_adam_vector(&own, gb_v_load(g + i), &wi, &mi, &vi);
        gb_v_store(w + i, wi);
        gb_v_store(m + i, mi);
        gb_v_store(v + i, vi);
    }
    int rest = (int)(count - i);
    if (rest) {
        gb_v wi = gb_v_load_part(w + i, rest), mi = gb_v_load_part(m + i, rest);
        gb_v vi = gb_v_load_part(v + i, rest);
        gb_adam_vector(&own, gb_v_load_part(g + i, rest), &wi, &mi, &vi);
        gb_v_store_part(w + i, wi, rest);
        gb_v_store_part(m + i, mi, rest);
        gb_v_store_part(v + i, vi, rest);
    }
}

// GB_LANES split weights (kernels/bf16/bf16.h), joined and split again in registers.
#if GB_LANES == 1 // GCC 12 converts vectors of one lane wrongly
GB_INLINE gb_v gb_adam_join(const gb_bf16 *high, const uint16_t *low) {
    return gb_v_set(gb_bf16_join(*high, *low));
}
GB_INLINE void gb_adam_split(gb_v weights, gb_bf16 *high, uint16_t *low) {
    gb_bf16_split(weights[0], high, low);
}
#else
GB_INLINE gb_v gb_adam_join(const gb_bf16 *high, const uint16_t *low) {
    gb_vh h, l;
    memcpy(&h, high, sizeof h);
    memcpy(&l, low, sizeof l);
    const gb_vi sign_extended = __builtin_convertvector(l, gb_vi) << 16 >> 16;
    return (gb_v)((__builtin_convertvector(h, gb_vi) << 16) + sign_extended);
}
GB_INLINE void gb_adam_split(gb_v weights, gb_bf16 *high, uint16_t *low) {
    const gb_vi bits = (gb_vi)weights;
    const gb_vh h = __builtin_convertvector((bits + 0x8000) >> 16, gb_vh);
    const gb_vh l = __builtin_convertvector(bits, gb_vh);
    memcpy(high, &h, sizeof h);
    memcpy(low, &l, sizeof l);
}
#endif

// gb_adam_slice on split weights.
GB_INLINE void gb_adam_split_slice(const struct gb_adam *adam, size_t count, const float *g,
                                   gb_bf16 *high, uint16_t *low, float *m, float *v) {
    enum { FLOATS_AHEAD = 512 };
    const struct gb_adam own = *adam;
    size_t i = 0;
    for (; i + GB_LANES <= count; i += GB_LANES) {
        __builtin_prefetch(high + i + FLOATS_AHEAD, 0, 2);
        __builtin_prefetch(low + i + FLOATS_AHEAD, 0, 2);
        __builtin_prefetch(m + i + FLOATS_AHEAD, 0, 2);
        __builtin_prefetch(v + i + FLOATS_AHEAD, 0, 2);
        gb_v wi = gb_adam_join(high + i, low + i), mi = gb_v_load(m + i), vi = gb_v_load(v + i);
        gb_adam_vector(&own, gb_v_load(g + i), &wi, &mi, &vi);
        gb_adam_split(wi, high + i, low + i);
        gb_v_store(m + i, mi);
        gb_v_store(v + i, vi);
    }
    const int rest = (int)(count - i);
    if (rest) {
        gb_bf16 h[GB_LANES] = {0};
        uint16_t l[GB_LANES] = {0};
        memcpy(h, high + i, (size_t)rest * sizeof *h);
        memcpy(l, low + i, (size_t)rest * sizeof *l);
        gb_v wi = gb_adam_join(h, l), mi = gb_v_load_part(m + i, rest);
        gb_v vi = gb_v_load_part(v + i, rest);
        gb_adam_vector(&own, gb_v_load_part(g + i, rest), &wi, &mi, &vi);
        gb_adam_split(wi, h, l);
        memcpy(high + i, h, (size_t)rest * sizeof *h);
        memcpy(low + i, l, (size_t)rest * sizeof *l);
        gb_v_store_part(m + i, mi, rest);
        gb_v_store_part(v + i, vi, rest);
    }
}

// gb_adam_slice on the target's weights from `first` on, which may be split.
GB_INLINE void gb_adam_weights(const struct gb_adam_target *target, size_t first, size_t count,
                               const float *g, float *m, float *v) {
    gb_bf16 *high = (gb_bf16 *)target->weights + first;
    if (target->split)
        gb_adam_split_slice(target->adam, count, g, high, high + target->split, m, v);
    else
        gb_adam_slice(target->adam, count, g, target->weights + first, m, v);
}

enum { GB_ADAM_BLOCK = 256 }; // floats that stay in the first-level cache

// Rounds up where the bits that are cut off, plus `random`, carry.
GB_INLINE gb_bf16 gb_adam_round(float moment, uint32_t random) {
    uint32_t bits;
    memcpy(&bits, &moment, sizeof bits);
    const uint32_t magnitude = bits & 0x7fffffffu, sign = bits & 0x80000000u;
    uint32_t rounded = bits + random;
    rounded = magnitude < 0x00800000u ? sign : rounded;
    rounded = magnitude >= 0x7f800000u ? bits : rounded;
    rounded = magnitude > 0x7f800000u ? bits | 0x400000u : rounded;
    return (gb_bf16)(rounded >> 16);
}

// A block of bf16 moments as floats, and back.
GB_INLINE void gb_adam_widen(const gb_bf16 *from, size_t count, float *to) {
    for (size_t i = 0; i < count; i++)
        to[i] = gb_bf16_value(from[i]);
}
GB_INLINE void gb_adam_narrow(const struct gb_adam_target *target, size_t first, size_t count,
                              const float *m, const float *v) {
    const struct gb_random_key key = {
        .seed = target->adam->seed, .purpose = GB_RANDOM_ROUNDING, .step = target->adam->step};
    gb_bf16 *moment1 = (gb_bf16 *)target->moment1 + first;
    gb_bf16 *moment2 = (gb_bf16 *)target->moment2 + first;
    const uint32_t element = (uint32_t)(target->element + first);
    uint32_t words[4 + GB_ADAM_BLOCK + GB_PHILOX_GROUP];
    for (uint32_t at = 0; at < element % 4 + count; at += GB_PHILOX_GROUP)
        gb_philox_words(&key, element / 4 + at / 4, words + at);
    const uint32_t *random = words + element % 4;
    for (size_t i = 0; i < count; i++)
        moment1[i] = gb_adam_round(m[i], random[i] & 0xffff);
    for (size_t i = 0; i < count; i++)
        moment2[i] = gb_adam_round(v[i], random[i] >> 16);
}

// gb_adam_update where weights are split or moments are bf16. Not inlined: it would make callers
// spill registers around their slices.
static __attribute__((noinline, unused)) void
gb_adam_update_bf16(const struct gb_adam_target *target, size_t first, size_t count,
                    const float *g) {
    if (!target->bf16_moments) {
        gb_adam_weights(target, first, count, g, target->moment1 + first, target->moment2 + first);
        return;
    }
    float m[GB_ADAM_BLOCK], v[GB_ADAM_BLOCK];
    for (size_t at = first, block; at < first + count; at += block, g += block) {
        block = first + count - at < GB_ADAM_BLOCK ? first + count - at : GB_ADAM_BLOCK;
        gb_adam_widen((const gb_bf16 *)target->moment1 + at, block, m);
        gb_adam_widen((const gb_bf16 *)target->moment2 + at, block, v);
        gb_adam_weights(target, at, block, g, m, v);
        gb_adam_narrow(target, at, block, m, v);
    }
}

// One step on `count` of the target's elements from `first` on.
GB_INLINE void gb_adam_update(const struct gb_adam_target *target, size_t first, size_t count,
                              const float *g) {
    if (target->split || target->bf16_moments)
        gb_adam_update_bf16(target, first, count, g);
    else
        gb_adam_slice(target->adam, count, g, target->weights + first, target->moment1 + first,
                      target->moment2 + first);
}

#endif
