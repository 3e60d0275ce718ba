// SPDX-License-Identifier: MIT
#include "bench/peaks_body.h"

#include "kernels/simd/simd.h"

#define GB_TEXT_(x) #x
#define GB_TEXT(x) GB_TEXT_(x)

// Two units of latency 4 to 5 need ten independent chains; with the two operands they fit in the 16
// registers of AVX2.
enum { CHAINS = 12 };

static float fma_rounds(size_t rounds) {
    gb_v chain[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        chain[i] = gb_v_set(2.0f + (float)i);
    // Every chain falls towards 1 and stays a normal number. None starts there: the compiler would
    // see that it stands still.
    const gb_v factor = gb_v_set(0.5f), addend = gb_v_set(0.5f);
    for (size_t round = 0; round < rounds; round++)
        for (int i = 0; i < CHAINS; i++)
            chain[i] = gb_v_fma(chain[i], factor, addend);
    gb_v sum = gb_v_set(0);
    for (int i = 0; i < CHAINS; i++)
        sum += chain[i];
    return gb_v_sum(sum);
}

static float read_array(const float *a, size_t count) {
    enum { SUMS = GB_PEAKS_CHUNK / 16 };
    gb_v sum[SUMS] = {{0}};
    for (size_t i = 0; i < count; i += SUMS * GB_LANES)
        for (int j = 0; j < SUMS; j++)
            sum[j] += gb_v_load(a + i + j * GB_LANES);
    for (int j = 1; j < SUMS; j++)
        sum[0] += sum[j];
    return gb_v_sum(sum[0]);
}

// Keeps the compiler from seeing a whole copy and calling memcpy, which may bypass the caches.
static inline void barrier(void) {
    __asm__ volatile("" ::: "memory");
}

static void copy_array(float *a, const float *b, size_t count) {
    for (size_t i = 0; i < count; i += GB_LANES, barrier())
        gb_v_store(a + i, gb_v_load(b + i));
}

static void triad_array(float *a, const float *b, const float *c, float s, size_t count) {
    const gb_v factor = gb_v_set(s);
    for (size_t i = 0; i < count; i += GB_LANES)
        gb_v_store(a + i, gb_v_fma(factor, gb_v_load(c + i), gb_v_load(b + i)));
}

static void update_array(float *a, float *b, float *c, float s, size_t count) {
    const gb_v factor = gb_v_set(s);
    for (size_t i = 0; i < count; i += GB_LANES) {
        gb_v parameter = gb_v_load(a + i), first = gb_v_load(b + i), second = gb_v_load(c + i);
        gb_v_store(a + i, gb_v_fma(factor, first, parameter));
        gb_v_store(b + i, gb_v_fma(factor, second, first));
        gb_v_store(c + i, gb_v_fma(factor, parameter, second));
    }
}

const struct gb_peaks_body GB_NAME(gb_peaks_body) = {
    .isa = GB_TEXT(GB_ISA),
    .fmas_a_round = CHAINS * GB_LANES,
    .fma = fma_rounds,
    .read = read_array,
    .copy = copy_array,
    .triad = triad_array,
    .update = update_array,
};
