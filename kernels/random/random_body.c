// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/random/random_inline.h"
#include "kernels/simd/simd.h"

// Numbers of one step: GB_LANES blocks of four.
enum { GROUP = 4 * GB_LANES };

// The upper and the lower word of each lane's product.
GB_INLINE void multiply(gb_vi a, uint32_t b, gb_vi *upper, gb_vi *lower) {
    const gb_vu64 factor = b - (gb_vu64){0}, upper_word = 0xffffffff00000000u - (gb_vu64){0};
    gb_vu64 even = gb_vu64_multiply_lower((gb_vu64)a, factor);
    gb_vu64 odd = gb_vu64_multiply_lower((gb_vu64)a >> 32, factor);
    *upper = (gb_vi)((even >> 32) | (odd & upper_word));
    *lower = (gb_vi)((even & ~upper_word) | (odd << 32));
}

// Which block of a group each lane computes: blocks whose numbers `interleave` makes neighbours.
GB_INLINE gb_vi lane_blocks(void) {
    gb_vi blocks;
    for (int lane = 0; lane < GB_LANES; lane++)
        blocks[lane] = lane % 4 * (GB_LANES / 4) + lane / 4;
    return blocks;
}

// gb_philox for the GB_LANES blocks from `block` on; they wrap where the elements do.
GB_INLINE void philox(const struct gb_random_key *key, uint32_t block, gb_vi words[4]) {
    const int32_t last_block = UINT32_MAX / 4;
    gb_vi c0 = (gb_vi_set((int32_t)block) + lane_blocks()) & last_block;
    gb_vi c1 = gb_vi_set((int32_t)key->sample);
    gb_vi c2 = gb_vi_set((int32_t)key->step), c3 = gb_vi_set((int32_t)key->purpose);
    uint32_t k0 = (uint32_t)key->seed, k1 = (uint32_t)(key->seed >> 32);
    for (int round = 0; round < GB_PHILOX_ROUNDS; round++) {
        gb_vi upper0, lower0, upper1, lower1;
        multiply(c0, GB_PHILOX_M0, &upper0, &lower0);
        multiply(c2, GB_PHILOX_M1, &upper1, &lower1);
        c0 = upper1 ^ c1 ^ (int32_t)k0;
        c1 = lower1;
        c2 = upper0 ^ c3 ^ (int32_t)k1;
        c3 = lower0;
        k0 += GB_PHILOX_W0;
        k1 += GB_PHILOX_W1;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

// Stores number k of every lane's block at its index in the group. Within each 128 bits this is a
// 4 x 4 transpose; the order of lane_blocks saves a permutation across them.
GB_INLINE void interleave(gb_v numbers[4], float *out) {
    gb_transpose_quads(numbers);
    for (int q = 0; q < 4; q++)
        gb_v_store(out + q * GB_LANES, numbers[q]);
}

struct fill {
    const struct gb_random_key *key;
    uint32_t first;
    size_t count;
    float low, range; // uniform
    float deviation;  // normal
    float *out;
};

GB_INLINE void uniform_group(const struct fill *fill, uint32_t block, float *out) {
    gb_vi words[4];
    philox(fill->key, block, words);
    gb_v numbers[4];
    for (int k = 0; k < 4; k++)
        numbers[k] = gb_v_fma(gb_random_unit(words[k]), gb_v_set(fill->range), gb_v_set(fill->low));
    interleave(numbers, out);
}

GB_INLINE void normal_group(const struct fill *fill, uint32_t block, float *out) {
    gb_vi words[4];
    philox(fill->key, block, words);
    gb_v numbers[4];
    gb_random_pair(words[0], words[1], &numbers[0], &numbers[1]);
    gb_random_pair(words[2], words[3], &numbers[2], &numbers[3]);
    for (int k = 0; k < 4; k++)
        numbers[k] *= fill->deviation;
    interleave(numbers, out);
}

// Groups start at block boundaries; `first` may be inside a block, so the first and the last group
// may be needed only in part.
static size_t groups_of(const struct fill *fill) {
    return (fill->first % 4 + fill->count + GROUP - 1) / GROUP;
}

GB_INLINE void fill_share(const struct fill *fill, int rank, int size,
                          void (*group)(const struct fill *, uint32_t, float *)) {
    const size_t before = fill->first % 4;
    struct gb_range share = gb_partition(groups_of(fill), rank, size);
    for (size_t g = share.begin; g < share.end; g++) {
        const uint32_t block = fill->first / 4 + (uint32_t)g * GB_LANES;
        // The group is [begin, end) of a stream that starts `before` elements ahead of out.
        size_t begin = g * GROUP, end = begin + GROUP;
        if (begin >= before && end <= before + fill->count) {
            group(fill, block, fill->out + (begin - before));
            continue;
        }
        float numbers[GROUP];
        group(fill, block, numbers);
        size_t from = begin < before ? before : begin;
        size_t to = end > before + fill->count ? before + fill->count : end;
        memcpy(fill->out + (from - before), numbers + (from - begin), (to - from) * sizeof(float));
    }
}

static void uniform_share(void *argument, int rank, int size) {
    fill_share(argument, rank, size, uniform_group);
}

static void normal_share(void *argument, int rank, int size) {
    fill_share(argument, rank, size, normal_group);
}

void GB_NAME(gb_random_uniform)(const struct gb_exec *exec, const struct gb_random_key *key,
                                uint32_t first, size_t count, float low, float high, float *out) {
    assert(low <= high);
    struct fill fill = {
        .key = key, .first = first, .count = count, .low = low, .range = high - low, .out = out};
    gb_parallel(gb_threads_for(exec, 3 * count), uniform_share, &fill);
}

void GB_NAME(gb_random_normal)(const struct gb_exec *exec, const struct gb_random_key *key,
                               uint32_t first, size_t count, float deviation, float *out) {
    struct fill fill = {
        .key = key, .first = first, .count = count, .deviation = deviation, .out = out};
    gb_parallel(gb_threads_for(exec, 5 * count), normal_share, &fill);
}
