// SPDX-License-Identifier: MIT
#define GB_ISA scalar
#include "kernels/random/random.h"

#include "kernels/random/random_inline.h"
#include "kernels/trace.h"

void gb_philox(const struct gb_random_key *key, uint32_t block, uint32_t words[4]) {
    uint32_t c0 = block, c1 = key->sample, c2 = key->step, c3 = key->purpose;
    uint32_t k0 = (uint32_t)key->seed, k1 = (uint32_t)(key->seed >> 32);
    for (int round = 0; round < GB_PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)GB_PHILOX_M0 * c0, p1 = (uint64_t)GB_PHILOX_M1 * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += GB_PHILOX_W0;
        k1 += GB_PHILOX_W1;
    }
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
}

float gb_random_uniform(const struct gb_random_key *key, uint32_t element) {
    uint32_t words[4];
    gb_philox(key, element / 4, words);
    return gb_random_unit(gb_vi_set((int32_t)words[element % 4]))[0];
}

float gb_random_normal(const struct gb_random_key *key, uint32_t element) {
    uint32_t words[4];
    gb_philox(key, element / 4, words);
    const uint32_t *pair = &words[element % 4 / 2 * 2];
    gb_v even, odd;
    gb_random_pair(gb_vi_set((int32_t)pair[0]), gb_vi_set((int32_t)pair[1]), &even, &odd);
    return element % 2 ? odd[0] : even[0];
}

static struct gb_cost random_uniform_cost(const void *problem, enum gb_direction direction) {
    (void)direction;
    double count = ((const struct gb_array_problem *)problem)->count;
    return (struct gb_cost){3 * count, sizeof(float) * count};
}

const struct gb_operation gb_random_uniform_operation = {
    .name = "random_uniform",
    .what = "uniform numbers",
    .kernels = {[GB_FORWARD] = {.entry = "random_uniform"}},
    .problem_bytes = sizeof(struct gb_array_problem),
    .sizes = gb_array_problem_sizes,
    .cost = random_uniform_cost,
};

// Half of a pair: two uniform numbers (3 operations), a radius (logarithm, product, root), an
// angle, two products and as many by the deviation.
static struct gb_cost random_normal_cost(const void *problem, enum gb_direction direction) {
    (void)direction;
    double count = ((const struct gb_array_problem *)problem)->count;
    return (struct gb_cost){(3 + GB_LOG_FLOPS + 2 + GB_SINCOS_FLOPS + 4) / 2.0 * count,
                            sizeof(float) * count};
}

const struct gb_operation gb_random_normal_operation = {
    .name = "random_normal",
    .what = "normal numbers",
    .kernels = {[GB_FORWARD] = {.entry = "random_normal"}},
    .problem_bytes = sizeof(struct gb_array_problem),
    .sizes = gb_array_problem_sizes,
    .cost = random_normal_cost,
};

GB_TRACED(random_uniform, random_uniform, GB_FORWARD, ((struct gb_array_problem){(int)count}),
          (const struct gb_exec *exec, const struct gb_random_key *key, uint32_t first,
           size_t count, float low, float high, float *out),
          (exec, key, first, count, low, high, out))
GB_TRACED(random_normal, random_normal, GB_FORWARD, ((struct gb_array_problem){(int)count}),
          (const struct gb_exec *exec, const struct gb_random_key *key, uint32_t first,
           size_t count, float deviation, float *out),
          (exec, key, first, count, deviation, out))
