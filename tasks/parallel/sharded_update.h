// SPDX-License-Identifier: MIT
// The update of a step whose shards the ranks of a job divide. Each rank owns a part of the
// parameters (slices, flows/shards.h): it receives all ranks' sums of that part while the last
// backward pass goes on, finishes the tree, applies Adam, for which it alone keeps the part's
// moments, and sends the new values to all. Nodes of the tree do not depend on who computes them,
// so the ranks' number changes no bit.
//
// A rank sends and receives about the parameters' size twice a step: (ranks - 1) / ranks of it as
// sums, and as values, of which split weights are sent as bf16: low halves stay with the owner
// until they are collected.
#ifndef GB_SHARDED_UPDATE_H
#define GB_SHARDED_UPDATE_H

#include "tasks/parallel/gradient_exchange.h"

struct gb_sharded_update {
    struct gb_shards shards;
    struct gb_gradient_exchange exchange;
    struct gb_range *parts;      // of each rank: elements
    struct gb_message *messages; // of moments
    size_t *offsets;             // of what is gathered
    char *packed; // values that are gathered; NULL: no weights are split, and values need none
};

// The shards of `count` that a rank computes. `count` is a multiple of the ranks.
static inline int gb_first_shard(int count) {
    return count / gb_ranks()->count * gb_ranks()->rank;
}

// As gb_shards_create, for the ranks of this job. `update` must not move.
enum gb_status gb_sharded_create(struct gb_sharded_update *update, struct gb_params *params,
                                 int count);
void gb_sharded_free(struct gb_sharded_update *update); // a zeroed one is allowed

// After the step's exchange: finishes the sum, clips it as gb_params_clip_norm does (max_norm 0:
// not) and applies it. *norm is that before clipping; if it is not finite, nothing is
// applied. For all ranks at the same time, as are the next two.
void gb_sharded_apply(struct gb_sharded_update *update, int threads, const struct gb_adam *adam,
                      float max_norm, double *norm);

// Collects what only owners have. On all ranks the low halves of split weights, which averages,
// predictors and checkpoints need; in the moments of rank 0 those of all ranks.
void gb_sharded_gather_weights(struct gb_sharded_update *update);
void gb_sharded_gather_moments(struct gb_sharded_update *update);

// Bytes of the moments that this rank keeps, and of the sums that it adds up or receives next to
// the gradient; 0 of a zeroed update.
size_t gb_sharded_moment_bytes(const struct gb_sharded_update *update);
size_t gb_sharded_sum_bytes(const struct gb_sharded_update *update);

// Frees the memory of the moments of other ranks' parts, which a checkpoint filled or took.
void gb_sharded_drop_moments(struct gb_sharded_update *update);

#endif
