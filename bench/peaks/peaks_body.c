// SPDX-License-Identifier: MIT
#include <assert.h>

#include "bench/peaks/peaks_body.h"

#include "kernels/cpu.h"
#include "kernels/simd/simd.h"

// Two FMA units with a latency of 4 to 5 cycles need ten independent chains; with the two operands
// they fit in 16 registers.
enum { CHAINS = 12 };

static float fma_rounds(size_t rounds) {
    gb_v chain[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        chain[i] = gb_v_set(2.0f + (float)i);
    // Every chain falls towards 1 and stays a normal number. None starts at 1, where the compiler
    // could prove it constant.
    const gb_v factor = gb_v_set(0.5f), addend = gb_v_set(0.5f);
    for (size_t round = 0; round < rounds; round++)
        for (int i = 0; i < CHAINS; i++)
            chain[i] = gb_v_fma(chain[i], factor, addend);
    gb_v sum = gb_v_set(0);
    for (int i = 0; i < CHAINS; i++)
        sum += chain[i];
    return gb_v_sum(sum);
}

const struct gb_fma_body GB_NAME(gb_fma_body) = {
    .isa = GB_TEXT(GB_ISA),
    .precision = "fp32",
    .cpu_level = offsetof(struct gb_cpu, GB_ISA_LEVEL),
    .flops_a_round = 2 * CHAINS * GB_LANES,
    .run = fma_rounds,
};

// Keeps the compiler from merging rounds, and from turning a copy into memcpy, which may bypass the
// caches.
static inline void barrier(void) {
    __asm__ volatile("" ::: "memory");
}

// Vectors per iteration, so that loop control does not limit L1 bandwidth.
enum { UNROLL = 8, STEP = UNROLL * GB_LANES };
static_assert(GB_STREAM_CHUNK % STEP == 0, "chunks are a multiple of an iteration");

static float read_array(float *const arrays[], size_t count, size_t rounds) {
    const float *a = arrays[0];
    gb_v sum[UNROLL] = {{0}};
    for (size_t round = 0; round < rounds; round++, barrier())
        for (size_t i = 0; i < count; i += STEP) {
            GB_UNROLL
            for (int j = 0; j < UNROLL; j++)
                sum[j] += gb_v_load(a + i + j * GB_LANES);
        }
    for (int j = 1; j < UNROLL; j++)
        sum[0] += sum[j];
    return gb_v_sum(sum[0]);
}

static float copy_array(float *const arrays[], size_t count, size_t rounds) {
    float *a = arrays[0];
    const float *b = arrays[1];
    for (size_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < count; i += STEP) {
            GB_UNROLL
            for (size_t j = i; j < i + STEP; j += GB_LANES, barrier())
                gb_v_store(a + j, gb_v_load(b + j));
        }
    return a[0];
}

// The values stay normal numbers, however often they are updated.
static const float tiny = 1e-9f;

static float triad_arrays(float *const arrays[], size_t count, size_t rounds) {
    float *restrict a = arrays[0];
    const float *restrict b = arrays[1], *restrict c = arrays[2];
    const gb_v factor = gb_v_set(tiny);
    for (size_t round = 0; round < rounds; round++, barrier())
        for (size_t i = 0; i < count; i += STEP) {
            GB_UNROLL
            for (size_t j = i; j < i + STEP; j += GB_LANES)
                gb_v_store(a + j, gb_v_fma(factor, gb_v_load(c + j), gb_v_load(b + j)));
        }
    return a[0];
}

static float update_arrays(float *const arrays[], size_t count, size_t rounds) {
    float *restrict a = arrays[0], *restrict b = arrays[1], *restrict c = arrays[2];
    const gb_v factor = gb_v_set(tiny);
    for (size_t round = 0; round < rounds; round++, barrier())
        for (size_t i = 0; i < count; i += GB_LANES) {
            gb_v parameter = gb_v_load(a + i), first = gb_v_load(b + i), second = gb_v_load(c + i);
            gb_v_store(a + i, gb_v_fma(factor, first, parameter));
            gb_v_store(b + i, gb_v_fma(factor, second, first));
            gb_v_store(c + i, gb_v_fma(factor, parameter, second));
        }
    return a[0];
}

const gb_stream_fn GB_NAME(gb_streams)[GB_STREAMS] = {
    [GB_STREAM_READ] = read_array,
    [GB_STREAM_COPY] = copy_array,
    [GB_STREAM_TRIAD] = triad_arrays,
    [GB_STREAM_UPDATE] = update_arrays,
};
