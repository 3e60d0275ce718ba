// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/random/philox_inline.h"
#include "kernels/random/random_inline.h"

enum { GROUP = GB_PHILOX_GROUP };

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
    gb_philox_lanes(fill->key, block, words);
    gb_v numbers[4];
    for (int k = 0; k < 4; k++)
        numbers[k] = gb_v_fma(gb_random_unit(words[k]), gb_v_set(fill->range), gb_v_set(fill->low));
    gb_philox_interleave(numbers, out);
}

GB_INLINE void normal_group(const struct fill *fill, uint32_t block, float *out) {
    gb_vi words[4];
    gb_philox_lanes(fill->key, block, words);
    gb_v numbers[4];
    gb_random_pair(words[0], words[1], &numbers[0], &numbers[1]);
    gb_random_pair(words[2], words[3], &numbers[2], &numbers[3]);
    for (int k = 0; k < 4; k++)
        numbers[k] *= fill->deviation;
    gb_philox_interleave(numbers, out);
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
