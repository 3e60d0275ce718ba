// SPDX-License-Identifier: MIT
// bfloat16: the upper 16 bits of a float. Operands of convolutions and fully connected layers are
// bf16 where a problem says so; sums, biases, gradients of weights and moments are floats.
#ifndef GB_BF16_H
#define GB_BF16_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t gb_bf16;

static inline float gb_bf16_value(gb_bf16 b) {
    const uint32_t bits = (uint32_t)b << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// To nearest, ties to even; subnormal numbers become zeros and NaN quiet, as in VCVTNEPS2BF16.
static inline gb_bf16 gb_bf16_round(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude < 0x00800000u)
        return (gb_bf16)(bits >> 16 & 0x8000u);
    if (magnitude > 0x7f800000u)
        return (gb_bf16)(bits >> 16 | 0x40u);
    return (gb_bf16)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

// ---- Split weights ----

// A float weight as two halves in two arrays: `high` is the bf16 nearest to it (ties away from
// zero), which kernels multiply by, and `low` the bits that join with it to the float again,
// without loss: bits = (high << 16) + (signed) low. An array of `count` weights takes the same
// memory as floats: all high halves, then all low ones.
static inline void gb_bf16_split(float weight, gb_bf16 *high, uint16_t *low) {
    uint32_t bits;
    memcpy(&bits, &weight, sizeof bits);
    *high = (gb_bf16)((bits + 0x8000u) >> 16);
    *low = (uint16_t)bits;
}

static inline float gb_bf16_join(gb_bf16 high, uint16_t low) {
    const uint32_t bits = ((uint32_t)high << 16) + (uint32_t)(int32_t)(int16_t)low;
    float weight;
    memcpy(&weight, &bits, sizeof weight);
    return weight;
}

// `count` floats to halves, and back. The arrays do not overlap.
static inline void gb_bf16_split_array(size_t count, const float *weights, void *halves) {
    gb_bf16 *high = halves;
    for (size_t i = 0; i < count; i++)
        gb_bf16_split(weights[i], &high[i], &high[count + i]);
}
static inline void gb_bf16_join_array(size_t count, const void *halves, float *weights) {
    const gb_bf16 *high = halves;
    for (size_t i = 0; i < count; i++)
        weights[i] = gb_bf16_join(high[i], high[count + i]);
}

#endif
