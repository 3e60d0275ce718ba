// SPDX-License-Identifier: MIT
#include "tasks/parallel/sharded_update.h"

#include <math.h>
#include <stdlib.h>

static size_t size_of(struct gb_range part) {
    return part.end - part.begin;
}

static enum gb_status reserve(struct gb_sharded_update *u, const struct gb_params *params) {
    const size_t ranks = (size_t)gb_ranks()->count;
    u->parts = calloc(ranks, sizeof *u->parts);
    u->messages = calloc(2 * ranks, sizeof *u->messages);
    u->offsets = calloc(ranks + 1, sizeof *u->offsets);
    if (!u->parts || !u->messages || !u->offsets)
        return gb_no_memory("cannot share a step", "ranks");
    for (int r = 0; r < gb_ranks()->count; r++)
        u->parts[r] = gb_exchange_part(params, r);
    const struct gb_range all = {0, params->size};
    if (ranks > 1 && gb_params_pack(params, all, GB_PARAMS_REST, NULL) > 0 &&
        !(u->packed = malloc(gb_params_pack(params, all, GB_PARAMS_USED, NULL))))
        return gb_no_memory("cannot share a step", "ranks");
    return GB_OK;
}

enum gb_status gb_sharded_create(struct gb_sharded_update *u, struct gb_params *params, int count) {
    *u = (struct gb_sharded_update){0};
    enum gb_status status = gb_shards_create(&u->shards, params, count, gb_first_shard(count),
                                             count / gb_ranks()->count);
    if (status == GB_OK)
        status = reserve(u, params);
    if (status == GB_OK)
        status = gb_gradient_exchange_create(&u->exchange, &u->shards);
    if (status != GB_OK)
        gb_sharded_free(u);
    return status;
}

void gb_sharded_free(struct gb_sharded_update *u) {
    gb_gradient_exchange_free(&u->exchange);
    gb_shards_free(&u->shards);
    free(u->parts);
    free(u->messages);
    free(u->offsets);
    free(u->packed);
    *u = (struct gb_sharded_update){0};
}

// ---- The update ----

// The norm of the whole gradient, of which the own part is here.
static double norm_of(struct gb_sharded_update *u, int threads, const float *gradient) {
    const struct gb_ranks *ranks = gb_ranks();
    const struct gb_range own = gb_exchange_slices(ranks->rank);
    double squares[GB_SHARD_SLICES];
    gb_shards_squares(u->shards.params, threads, (int)own.begin, (int)own.end, gradient, squares);
    for (int r = 0; r < ranks->count; r++)
        u->offsets[r + 1] = gb_exchange_slices(r).end * sizeof *squares;
    gb_ranks_all_gather(squares, u->offsets);
    return gb_shards_norm(squares);
}

// Floats are gathered where they are.
static void gather_values(struct gb_sharded_update *u, enum gb_params_half half) {
    struct gb_params *params = u->shards.params;
    const struct gb_ranks *ranks = gb_ranks();
    for (int r = 0; r < ranks->count; r++)
        u->offsets[r + 1] = u->packed
                                ? u->offsets[r] + gb_params_pack(params, u->parts[r], half, NULL)
                                : u->parts[r].end * sizeof(float);
    if (u->packed)
        gb_params_pack(params, u->parts[ranks->rank], half, u->packed + u->offsets[ranks->rank]);
    gb_ranks_all_gather(u->packed ? (void *)u->packed : params->value, u->offsets);
    for (int r = 0; u->packed && r < ranks->count; r++)
        if (r != ranks->rank)
            gb_params_unpack(params, u->parts[r], half, u->packed + u->offsets[r]);
}

void gb_sharded_apply(struct gb_sharded_update *u, int threads, const struct gb_adam *adam,
                      float max_norm, double *norm) {
    struct gb_params *params = u->shards.params;
    struct gb_gradient_exchange *e = &u->exchange;
    const struct gb_range own = e->part;
    float *gradient = gb_shards_join(params, threads, size_of(own), e->nodes, e->node_count);
    gb_shards_move_statistics(params, own, gradient);
    *norm = norm_of(u, threads, gradient);
    if (!isfinite(*norm))
        return;
    if (max_norm > 0)
        gb_params_scale_to_norm(params, threads, max_norm, *norm, size_of(own), gradient);
    gb_params_apply_part(params, threads, adam, own, gradient);
    gather_values(u, GB_PARAMS_USED);
}

// ---- What only owners have ----

void gb_sharded_gather_weights(struct gb_sharded_update *u) {
    if (u->packed)
        gather_values(u, GB_PARAMS_REST);
}

void gb_sharded_gather_moments(struct gb_sharded_update *u) {
    const struct gb_params *params = u->shards.params;
    if (gb_ranks()->count == 1)
        return;
    const size_t bytes = gb_type_bytes(params->moments);
    float *const blocks[] = {params->moment1, params->moment2};
    int messages = 0;
    for (int r = 1; r < gb_ranks()->count; r++)
        for (int b = 0; b < 2; b++)
            if (gb_ranks_lead() || r == gb_ranks()->rank)
                u->messages[messages++] = (struct gb_message){
                    gb_ranks_lead() ? r : 0, !gb_ranks_lead(),
                    (char *)blocks[b] + u->parts[r].begin * bytes, size_of(u->parts[r]) * bytes, 0};
    gb_ranks_post(u->messages, messages);
    gb_ranks_finish();
}

size_t gb_sharded_moment_bytes(const struct gb_sharded_update *u) {
    return u->parts
               ? 2 * size_of(u->parts[gb_ranks()->rank]) * gb_type_bytes(u->shards.params->moments)
               : 0;
}

size_t gb_sharded_sum_bytes(const struct gb_sharded_update *u) {
    if (!u->parts)
        return 0;
    return (size_t)u->shards.blocks * u->shards.params->size * sizeof(float) +
           gb_gradient_exchange_bytes(&u->exchange);
}

void gb_sharded_drop_moments(struct gb_sharded_update *u) {
    const struct gb_params *params = u->shards.params;
    if (gb_ranks()->count == 1)
        return;
    const size_t bytes = gb_type_bytes(params->moments);
    for (int r = 0; r < gb_ranks()->count; r++) {
        if (r == gb_ranks()->rank)
            continue;
        gb_block_drop((char *)params->moment1 + u->parts[r].begin * bytes,
                      size_of(u->parts[r]) * bytes);
        gb_block_drop((char *)params->moment2 + u->parts[r].begin * bytes,
                      size_of(u->parts[r]) * bytes);
    }
}
