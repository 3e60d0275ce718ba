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

#define OPERANDS                                                                                   \
    {                                                                                              \
        {"out", GB_OUT, GB_ROW, .dims = gb_dims_array}, {                                          \
            0                                                                                      \
        }                                                                                          \
    }
static const struct gb_operand uniform_operands[] = OPERANDS, normal_operands[] = OPERANDS;

static struct gb_random_key key_of(const struct gb_call *call) {
    return (struct gb_random_key){.seed = call->seed, .purpose = GB_RANDOM_TEST};
}

static void call_uniform(const struct gb_call *call) {
    const struct gb_array_problem *p = call->problem;
    const struct gb_random_key key = key_of(call);
    call->backend->random_uniform(call->exec, &key, 0, (size_t)p->count, 0, 1, gb_floats(call, 0));
}

static void call_normal(const struct gb_call *call) {
    const struct gb_array_problem *p = call->problem;
    const struct gb_random_key key = key_of(call);
    call->backend->random_normal(call->exec, &key, 0, (size_t)p->count, 1, gb_floats(call, 0));
}

GB_DEFINITION(uniform) {
    const struct gb_random_key key = key_of(call);
    return gb_within(gb_random_uniform(&key, (uint32_t)at[3]), 0);
}

GB_DEFINITION(normal) {
    const struct gb_random_key key = key_of(call);
    return gb_within(gb_random_normal(&key, (uint32_t)at[3]), 0);
}

#define EDGES                                                                                      \
    GB_TEXTS("e1", "e3", "e4", "e5", "e31", "e32", "e33", "e63", "e64", "e65", "e257", "e40001")

const struct gb_operation gb_random_uniform_operation = {
    .name = "random_uniform",
    .what = "uniform numbers",
    .kernels = {GB_KERNEL(GB_FORWARD, random_uniform, uniform, .costs = {{3, 1}})},
    .edges = EDGES,
    .problem_bytes = sizeof(struct gb_array_problem),
    .sizes = gb_array_problem_sizes,
};

// Costs, of half a pair: two uniform numbers (3 operations), a radius (logarithm, product, root),
// an angle, two products and two by the deviation.
const struct gb_operation gb_random_normal_operation = {
    .name = "random_normal",
    .what = "normal numbers",
    .kernels = {GB_KERNEL(GB_FORWARD, random_normal, normal,
                          .costs = {{(3 + GB_LOG_FLOPS + 2 + GB_SINCOS_FLOPS + 4) / 2.0, 1}})},
    .edges = EDGES,
    .problem_bytes = sizeof(struct gb_array_problem),
    .sizes = gb_array_problem_sizes,
};

GB_TRACED(random_uniform, random_uniform, GB_FORWARD, ((struct gb_array_problem){(int)count}),
          (const struct gb_exec *exec, const struct gb_random_key *key, uint32_t first,
           size_t count, float low, float high, float *out),
          (exec, key, first, count, low, high, out))
GB_TRACED(random_normal, random_normal, GB_FORWARD, ((struct gb_array_problem){(int)count}),
          (const struct gb_exec *exec, const struct gb_random_key *key, uint32_t first,
           size_t count, float deviation, float *out),
          (exec, key, first, count, deviation, out))
