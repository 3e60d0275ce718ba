// SPDX-License-Identifier: MIT
#include "flows/shards.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/minmax.h"

// ---- The tree ----

static struct gb_tensor view(float *elements, size_t size) {
    return gb_dense(elements, 1, 1, (int)(size / GB_CHANNEL_PAD), GB_CHANNEL_PAD);
}

static bool are_partners(const struct gb_shard_node *left, const struct gb_shard_node *right) {
    return left->level == right->level && left->index % 2 == 0 && right->index == left->index + 1;
}

// left += right. Nodes without sums are only counted.
static void add(const struct gb_params *params, int threads, size_t size,
                const struct gb_shard_node *left, const struct gb_shard_node *right) {
    const struct gb_exec exec = {.threads = threads};
    if (!left->sum || size == 0)
        return;
    const struct gb_tensor from = view(right->sum, size), to = view(left->sum, size);
    params->backend->add(&exec, &from, &to);
}

// Appends a node and adds up the partners at the end; returns the number of nodes.
static int append(const struct gb_params *params, int threads, size_t size,
                  struct gb_shard_node nodes[], int count, struct gb_shard_node node) {
    for (; count > 0 && are_partners(&nodes[count - 1], &node); count--) {
        const struct gb_shard_node *left = &nodes[count - 1];
        add(params, threads, size, left, &node);
        node = (struct gb_shard_node){left->level + 1, left->index / 2, left->sum};
    }
    nodes[count] = node;
    return count + 1;
}

int gb_shards_nodes(int first, int own, struct gb_shard_node nodes[static GB_SHARD_NODES]) {
    int count = 0;
    for (int shard = first; shard < first + own; shard++)
        count = append(NULL, 1, 0, nodes, count, (struct gb_shard_node){.index = shard});
    return count;
}

float *gb_shards_join(const struct gb_params *params, int threads, size_t size,
                      struct gb_shard_node nodes[], int count) {
    int joined = 0;
    for (int i = 0; i < count; i++)
        joined = append(params, threads, size, nodes, joined, nodes[i]);
    for (; joined > 1; joined--)
        add(params, threads, size, &nodes[joined - 2], &nodes[joined - 1]);
    return nodes[0].sum;
}

// ---- The shards of this process ----

// The largest number of nodes that wait while another shard is computed.
static int max_waiting(int first, int own) {
    struct gb_shard_node nodes[GB_SHARD_NODES];
    int max = 0;
    for (int done = 1; done < own; done++)
        max = gb_max_int(max, gb_shards_nodes(first, done, nodes));
    return max;
}

static size_t statistic_floats(const struct gb_params *params) {
    size_t floats = 0;
    for (int i = 0; i < params->count; i++)
        floats += params->list[i].statistic ? params->list[i].size : 0;
    return floats;
}

enum gb_status gb_shards_create(struct gb_shards *shards, struct gb_params *params, int count,
                                int first, int own) {
    assert(params->gradient && count <= GB_MAX_SHARDS && own >= 1 && first + own <= count);
    *shards = (struct gb_shards){.params = params, .count = count, .first = first, .own = own};
    shards->blocks = max_waiting(first, own);
    enum gb_status status = GB_OK;
    for (; status == GB_OK && shards->spares < shards->blocks; shards->spares++)
        status =
            gb_block_reserve(params->size, "sums of gradients", &shards->spare[shards->spares]);
    const size_t floats = statistic_floats(params);
    if (status == GB_OK && floats > 0)
        status = gb_block_reserve(floats, "running statistics", &shards->statistics);
    if (status != GB_OK)
        gb_shards_free(shards);
    return status;
}

static float **block_of(const struct gb_shards *shards) {
    return shards->params->sum ? &shards->params->sum : &shards->params->gradient;
}

void gb_shards_free(struct gb_shards *shards) {
    if (shards->params)
        gb_shards_begin(shards);
    for (int i = 0; i < shards->spares; i++)
        free(shards->spare[i]);
    free(shards->statistics);
    *shards = (struct gb_shards){0};
}

void gb_shards_begin(struct gb_shards *shards) {
    const struct gb_params *params = shards->params;
    float *kept = shards->statistics;
    for (int i = 0; i < shards->node_count; i++)
        if (shards->nodes[i].sum != *block_of(shards))
            shards->spare[shards->spares++] = shards->nodes[i].sum;
    shards->node_count = 0;
    for (int p = 0; kept && p < params->count; p++)
        for (size_t i = 0; params->list[p].statistic && i < params->list[p].size; i++)
            *kept++ = params->value[params->list[p].offset + i];
}

void gb_shards_take_statistics(const struct gb_shards *shards) {
    const struct gb_params *params = shards->params;
    const float *kept = shards->statistics;
    float *block = *block_of(shards);
    for (int p = 0; kept && p < params->count; p++) {
        const struct gb_param *param = &params->list[p];
        for (size_t i = param->offset; param->statistic && i < param->offset + param->size; i++) {
            params->gradient[i] = 0; // which a sum adds to the block
            block[i] = params->value[i] / (float)shards->count;
            params->value[i] = *kept++;
        }
    }
}

static bool is_kept(const struct gb_shards *shards, const float *block) {
    for (int i = 0; i < shards->node_count; i++)
        if (shards->nodes[i].sum == block)
            return true;
    return false;
}

int gb_shards_add_part(const struct gb_shards *shards, int threads, int shard, struct gb_range part,
                       struct gb_shard_node nodes[static GB_SHARD_NODES]) {
    const struct gb_params *params = shards->params;
    if (params->sum)
        gb_params_accumulate_part(params, threads, part);
    for (int i = 0; i < shards->node_count; i++) {
        nodes[i] = shards->nodes[i];
        nodes[i].sum += part.begin;
    }
    return append(params, threads, part.end - part.begin, nodes, shards->node_count,
                  (struct gb_shard_node){.index = shard, .sum = *block_of(shards) + part.begin});
}

void gb_shards_end_parts(struct gb_shards *shards, int shard) {
    struct gb_shard_node before[GB_SHARD_NODES];
    const int count = shards->node_count;
    float **block = block_of(shards);
    assert(shard == shards->first || count > 0);
    for (int i = 0; i < count; i++)
        before[i] = shards->nodes[i];
    shards->node_count = append(shards->params, 1, 0, shards->nodes, count,
                                (struct gb_shard_node){.index = shard, .sum = *block});
    // Blocks whose sums went into others are free, and the next shard needs one.
    for (int i = 0; i < count; i++)
        if (!is_kept(shards, before[i].sum))
            shards->spare[shards->spares++] = before[i].sum;
    if (is_kept(shards, *block) && shards->spares > 0)
        *block = shards->spare[--shards->spares];
}

void gb_shards_add(struct gb_shards *shards, int threads, int shard) {
    struct gb_shard_node nodes[GB_SHARD_NODES];
    const struct gb_range all = {0, shards->params->size};
    gb_shards_take_statistics(shards);
    gb_shards_add_part(shards, threads, shard, all, nodes);
    gb_shards_end_parts(shards, shard);
}

// ---- Parts of the parameters ----

struct gb_range gb_shards_part(const struct gb_params *params, int begin, int end) {
    const size_t rows = params->size / GB_CHANNEL_PAD, slices = GB_SHARD_SLICES;
    return (struct gb_range){rows * (size_t)begin / slices * GB_CHANNEL_PAD,
                             rows * (size_t)end / slices * GB_CHANNEL_PAD};
}

void gb_shards_move_statistics(struct gb_params *params, struct gb_range part, float *gradient) {
    for (int p = 0; p < params->count; p++) {
        const struct gb_param *param = &params->list[p];
        const size_t begin = gb_max_size(part.begin, param->offset);
        const size_t end = gb_min_size(part.end, param->offset + param->size);
        for (size_t i = begin; param->statistic && i < end; i++) {
            params->value[i] = gradient[i - part.begin];
            gradient[i - part.begin] = 0;
        }
    }
}

void gb_shards_squares(const struct gb_params *params, int threads, int begin, int end,
                       const float *gradient, double squares[static GB_SHARD_SLICES]) {
    const struct gb_exec exec = {.threads = threads};
    const size_t first = gb_shards_part(params, begin, end).begin;
    for (int i = begin; i < end; i++) {
        const struct gb_range slice = gb_shards_part(params, i, i + 1);
        params->backend->sum_squares(&exec, slice.end - slice.begin,
                                     gradient + (slice.begin - first), &squares[i]);
    }
}

double gb_shards_norm(const double squares[static GB_SHARD_SLICES]) {
    double sum = 0;
    for (int i = 0; i < GB_SHARD_SLICES; i++)
        sum += squares[i];
    return sqrt(sum);
}
