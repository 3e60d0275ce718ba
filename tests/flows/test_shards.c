// SPDX-License-Identifier: MIT
// Sums over shards: the same bits from any number of processes, which are played in turn.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "flows/shards.h"
#include "tests/support/test.h"

enum { WEIGHTS = 4100, STATISTICS = 40, SIZE = 4128 + 64 }; // padded to 32

static struct gb_params params_of(bool summed) {
    struct gb_params params = {0};
    int index;
    assert_ok(gb_backend_find(NULL, &params.backend));
    const struct gb_param weights = {.name = "weights", .dims = 1, .shape = {WEIGHTS}};
    const struct gb_param statistics = {
        .name = "mean", .dims = 1, .shape = {STATISTICS}, .statistic = true};
    assert_ok(gb_params_add(&params, &weights, &index));
    assert_ok(gb_params_add(&params, &statistics, &index));
    assert_ok(gb_params_reserve(&params, true, true));
    assert_int_equal(params.size, SIZE);
    if (summed)
        assert_ok(gb_params_reserve_sum(&params));
    return params;
}

// Numbers whose sums depend on their order.
static float leaf(int shard, int i) {
    return (float)((unsigned)(shard * 7919 + i * 104729 + shard * i) % 9973) / 7;
}

static const int statistic = 4128; // the first

// What a rank's pass of a shard leaves: a gradient, half of it in the sum where there is one, and a
// moved statistic.
static void run_pass(struct gb_params *params, int shard) {
    for (int i = 0; i < WEIGHTS; i++) {
        params->gradient[i] = params->sum ? leaf(shard, i) / 2 : leaf(shard, i);
        if (params->sum)
            params->sum[i] = leaf(shard, i) / 2;
    }
    assert_true(params->value[statistic] == 3);
    params->value[statistic] += (float)shard;
}

// From the last slice to the first.
static void add_in_parts(struct gb_shards *shards, int shard) {
    struct gb_shard_node nodes[GB_SHARD_NODES];
    int count = 0;
    gb_shards_take_statistics(shards);
    for (int i = GB_SHARD_SLICES - 1; i >= 0; i--) {
        const struct gb_range slice = gb_shards_part(shards->params, i, i + 1);
        count = gb_shards_add_part(shards, 1 + i % 2, shard, slice, nodes);
    }
    gb_shards_end_parts(shards, shard);
    assert_int_equal(count, shards->node_count);
    assert_ptr_equal(nodes[0].sum, shards->nodes[0].sum); // the first slice's, at the beginning
}

// The sum of `shards` by `ranks` processes.
static void sum_up(int shards, int ranks, bool summed, float sum[static SIZE]) {
    const int own = shards / ranks;
    struct gb_shard_node nodes[GB_MAX_SHARDS];
    float *sums[GB_MAX_SHARDS];
    struct gb_params params = params_of(summed);
    int count = 0;
    params.value[statistic] = 3;
    for (int rank = 0; rank < ranks; rank++) {
        struct gb_shards part;
        struct gb_shard_node planned[GB_SHARD_NODES];
        assert_ok(gb_shards_create(&part, &params, shards, rank * own, own));
        for (int step = 0; step < 2; step++) { // the second on the first one's blocks
            gb_shards_begin(&part);
            for (int shard = rank * own; shard < (rank + 1) * own; shard++) {
                run_pass(&params, shard);
                if (shard % 3 == 1)
                    add_in_parts(&part, shard);
                else
                    gb_shards_add(&part, 1 + shard % 2, shard);
            }
        }
        assert_int_equal(gb_shards_nodes(rank * own, own, planned), part.node_count);
        for (int i = 0; i < part.node_count; i++, count++) {
            assert_int_equal(planned[i].level, part.nodes[i].level);
            assert_int_equal(planned[i].index, part.nodes[i].index);
            nodes[count] = part.nodes[i];
            nodes[count].sum = sums[count] = aligned_alloc(GB_ALIGNMENT, SIZE * sizeof(float));
            assert_non_null(sums[count]);
            memcpy(sums[count], part.nodes[i].sum, SIZE * sizeof(float));
        }
        gb_shards_free(&part);
    }
    memcpy(sum, gb_shards_join(&params, 1, SIZE, nodes, count), SIZE * sizeof(float));
    const struct gb_range all = {0, SIZE};
    gb_shards_move_statistics(&params, all, sum);
    // The mean of 3 + shard; what belongs to no gradient is cleared.
    assert_true(fabsf(params.value[statistic] - (3 + (float)(shards - 1) / 2)) <= 1e-5f);
    assert_true(sum[statistic] == 0);
    for (int i = 0; i < count; i++)
        free(sums[i]);
    gb_params_free(&params);
}

GB_TEST(test_ranks_change_no_bit_of_sums) {
    for (int shards = 1; shards <= GB_MAX_SHARDS; shards += shards < 12 ? 1 : 13) {
        float expected[SIZE], sum[SIZE];
        int differs = 0;
        sum_up(shards, 1, false, expected);
        for (int i = 0; i < WEIGHTS; i++) {
            double exact = 0;
            float chain = 0;
            for (int shard = 0; shard < shards; shard++) {
                exact += (double)leaf(shard, i);
                chain += leaf(shard, i);
            }
            assert_true(fabs((double)expected[i] - exact) <= 1e-6 * exact);
            differs += expected[i] < chain || expected[i] > chain;
        }
        if (shards == GB_MAX_SHARDS)
            assert_true(differs > 0); // these numbers show an order
        for (int ranks = 1; ranks <= shards; ranks++)
            for (int summed = 0; shards % ranks == 0 && summed < 2; summed++) {
                sum_up(shards, ranks, summed, sum);
                assert_memory_equal(sum, expected, sizeof sum);
            }
    }
}

GB_TEST(test_slices_cover_the_parameters) {
    struct gb_params params = params_of(false);
    double squares[GB_SHARD_SLICES], parts[GB_SHARD_SLICES], sum = 0;
    size_t end = 0;
    for (int i = 0; i < GB_SHARD_SLICES; i++) {
        const struct gb_range slice = gb_shards_part(&params, i, i + 1);
        assert_int_equal(slice.begin, end);
        assert_int_equal(slice.begin % GB_CHANNEL_PAD, 0);
        end = slice.end;
    }
    assert_int_equal(end, SIZE);
    for (int i = 0; i < WEIGHTS; i++) {
        params.gradient[i] = leaf(3, i);
        sum += (double)leaf(3, i) * (double)leaf(3, i);
    }
    gb_shards_squares(&params, 2, 0, GB_SHARD_SLICES, params.gradient, squares);
    for (int begin = 0; begin < GB_SHARD_SLICES; begin += 32)
        gb_shards_squares(&params, 1, begin, begin + 32,
                          params.gradient + gb_shards_part(&params, begin, begin).begin, parts);
    assert_memory_equal(parts, squares, sizeof parts);
    assert_true(fabs(gb_shards_norm(squares) - sqrt(sum)) <= 1e-12 * sqrt(sum));
    gb_params_free(&params);
}
