// SPDX-License-Identifier: MIT
// The exchange of a step's gradients among the ranks of a job, which goes on while the last
// backward pass computes them. The buckets are the slices of flows/shards.h, each owned by a rank.
// A bucket is complete when the gradients of all parameters in it are stored; a thread of this
// exchange then adds it to the sums of the rank's other shards, sends the result to the owner, and
// keeps messages moving. It tests every millisecond and sleeps between, since it shares CPUs with
// the pass (a step of c-Glow at 32 x 32 on two ranks and 10 Gbit/s takes 213 ms so, 221 ms with
// tests every 400 us and 249 ms every 100 us, one thread a rank). Without GB_MPI_OVERLAP=1, and
// where MPI allows calls of one thread only, all buckets are sent after the pass.
#ifndef GB_GRADIENT_EXCHANGE_H
#define GB_GRADIENT_EXCHANGE_H

#include <pthread.h>
#include <stdatomic.h>

#include "flows/shards.h"
#include "tasks/parallel/ranks.h"

struct gb_gradient_exchange {
    struct gb_shards *shards;
    struct gb_range part; // that this rank owns
    // The nodes of all ranks in order: after an exchange with their sums of the own part.
    struct gb_shard_node *nodes;
    int node_count, remote_count; // the second: of other ranks
    float *received;              // their sums of the own part
    // Private.
    struct gb_range *slices_of;          // that each parameter has elements in
    int parameters[GB_SHARD_SLICES];     // that have elements in a slice
    atomic_int missing[GB_SHARD_SLICES]; // of these, whose gradient is not stored
    bool sent[GB_SHARD_SLICES], posted;  // `posted`: what is to be received
    bool threaded, running, ends;        // `running`: the thread looks for complete buckets
    pthread_t thread;
    pthread_mutex_t lock; // of all but `missing`
};

// Slices [begin, end) of a rank.
struct gb_range gb_exchange_slices(int rank);
// And its part of the parameters.
struct gb_range gb_exchange_part(const struct gb_params *params, int rank);

// `shards` must not move. GB_OUT_OF_MEMORY.
enum gb_status gb_gradient_exchange_create(struct gb_gradient_exchange *exchange,
                                           struct gb_shards *shards);
void gb_gradient_exchange_free(struct gb_gradient_exchange *exchange); // a zeroed one is allowed

// Before this rank's last pass of a step, which completes the last of its shards.
void gb_gradient_exchange_begin(struct gb_gradient_exchange *exchange);
// After it, and also after a failure before it, of which the other ranks hear only later: what a
// failed rank sends has no meaning. Adds the last shard, and returns when all sums are here.
void gb_gradient_exchange_end(struct gb_gradient_exchange *exchange, int threads, bool failed);

// Bytes of what other ranks send here.
size_t gb_gradient_exchange_bytes(const struct gb_gradient_exchange *exchange);

#endif
