// SPDX-License-Identifier: MIT
// The gradient of a step as the sum over shards of its minibatch. Shards are leaves of one binary
// tree, which their number alone determines: node i of a level is the sum of nodes 2i and 2i + 1 of
// the level below. Nodes without a partner are added last, from right to left. Each process
// computes a range of the shards and adds up the subtrees that lie in it; the process that holds
// all subtrees of a part of the parameters finishes the tree there. So a sum has the same bits
// wherever it is computed.
//
// Parts are made of slices: the parameters in GB_SHARD_SLICES parts of almost equal size. The norm
// of the gradient is defined by the sums of its squares over each of them.
#ifndef GB_SHARDS_H
#define GB_SHARDS_H

#include "flows/params.h"

// Nodes: the subtrees that any range of at most GB_MAX_SHARDS leaves consists of, and one more.
enum { GB_MAX_SHARDS = 64, GB_SHARD_NODES = 12, GB_SHARD_SLICES = 128 };

// The sum over shards index << level to ((index + 1) << level) - 1.
struct gb_shard_node {
    int level, index;
    float *sum;
};

struct gb_shards {
    struct gb_params *params;
    int count;                                  // of a minibatch
    int first, own;                             // the range that this process computes
    struct gb_shard_node nodes[GB_SHARD_NODES]; // of the shards added in this step
    int node_count;
    int blocks; // next to the gradient, of the parameters' layout
    float *spare[GB_SHARD_NODES];
    int spares;
    float *statistics; // running statistics at the beginning of the step
};

// `params` must outlive it and have a gradient block. Allocates the blocks that sums need next to
// it: about log2(own), none for one shard. GB_OUT_OF_MEMORY.
enum gb_status gb_shards_create(struct gb_shards *shards, struct gb_params *params, int count,
                                int first, int own);
void gb_shards_free(struct gb_shards *shards); // a zeroed one is allowed

// The subtrees of a range of shards, without sums; returns their number.
int gb_shards_nodes(int first, int own, struct gb_shard_node nodes[static GB_SHARD_NODES]);

// Begins a step.
void gb_shards_begin(struct gb_shards *shards);
// Adds the next shard's gradient: params->gradient, or where params->sum is reserved the sum of
// both. The block that held it then is another one of undefined values. Running statistics, which
// the pass moved, return to what they were at the beginning, and their new values join the sum,
// divided by `count`.
void gb_shards_add(struct gb_shards *shards, int threads, int shard);

// The same in parts, whose bounds are multiples of GB_CHANNEL_PAD: in any order, on any thread,
// each as soon as its gradient is complete; with statistics after gb_shards_take_statistics.
// Returns the number of the nodes that are then in `nodes`, with the sums of that part.
int gb_shards_add_part(const struct gb_shards *shards, int threads, int shard, struct gb_range part,
                       struct gb_shard_node nodes[static GB_SHARD_NODES]);
void gb_shards_take_statistics(const struct gb_shards *shards);
// After all parts.
void gb_shards_end_parts(struct gb_shards *shards, int shard);

// ---- Parts of the parameters ----
// Elements of every block.

// Slices [begin, end) of a block of params.
struct gb_range gb_shards_part(const struct gb_params *params, int begin, int end);

// Finishes the tree over a part of `size` elements; `nodes`, of all shards in order, have the sums
// of that part, and lose them. Returns the sum, which is in one of them.
float *gb_shards_join(const struct gb_params *params, int threads, size_t size,
                      struct gb_shard_node nodes[], int count);

// Gives the statistics in a part their new values, and clears those in its gradient. `gradient`
// here and below begins at the part.
void gb_shards_move_statistics(struct gb_params *params, struct gb_range part, float *gradient);

// The sum of squares of slices begin .. end - 1, into squares[begin .. end - 1].
void gb_shards_squares(const struct gb_params *params, int threads, int begin, int end,
                       const float *gradient, double squares[static GB_SHARD_SLICES]);
// The norm of a gradient of these squares.
double gb_shards_norm(const double squares[static GB_SHARD_SLICES]);

#endif
