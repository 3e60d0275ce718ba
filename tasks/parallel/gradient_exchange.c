// SPDX-License-Identifier: MIT
#include "tasks/parallel/gradient_exchange.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/minmax.h"

// ---- Who owns what ----

struct gb_range gb_exchange_slices(int rank) {
    return gb_partition(GB_SHARD_SLICES, rank, gb_ranks()->count);
}

struct gb_range gb_exchange_part(const struct gb_params *params, int rank) {
    const struct gb_range slices = gb_exchange_slices(rank);
    return gb_shards_part(params, (int)slices.begin, (int)slices.end);
}

static size_t size_of(struct gb_range part) {
    return part.end - part.begin;
}

static struct gb_range slice_at(const struct gb_gradient_exchange *e, int slice) {
    return gb_shards_part(e->shards->params, slice, slice + 1);
}

static int owner_of(int slice) {
    int rank = 0;
    while (gb_exchange_slices(rank).end <= (size_t)slice)
        rank++;
    return rank;
}

// The nodes of a rank's shards.
static int nodes_of(const struct gb_shards *shards, int rank, struct gb_shard_node *nodes) {
    const int own = shards->count / gb_ranks()->count;
    return gb_shards_nodes(rank * own, own, nodes);
}

// ---- Messages ----

// Starts to receive what other ranks have of the own slices.
static void post_received(struct gb_gradient_exchange *e) {
    const struct gb_range slices = gb_exchange_slices(gb_ranks()->rank);
    struct gb_shard_node nodes[GB_SHARD_NODES];
    float *sum = e->received;
    for (int r = 0; r < gb_ranks()->count; r++) {
        if (r == gb_ranks()->rank)
            continue;
        for (int n = nodes_of(e->shards, r, nodes); n > 0; n--, sum += size_of(e->part))
            for (int i = (int)slices.begin; i < (int)slices.end; i++) {
                const struct gb_range slice = slice_at(e, i);
                const struct gb_message message = {r, false, sum + (slice.begin - e->part.begin),
                                                   size_of(slice) * sizeof *sum, i};
                gb_ranks_post(&message, 1);
            }
    }
    e->posted = true;
}

static int last_shard(const struct gb_gradient_exchange *e) {
    return e->shards->first + e->shards->own - 1;
}

// Adds a slice of the last shard's gradient, and starts to send the sums to its owner.
static void send_slice(struct gb_gradient_exchange *e, int index, int threads, bool failed) {
    const struct gb_range slice = slice_at(e, index);
    const int owner = owner_of(index);
    struct gb_shard_node nodes[GB_SHARD_NODES];
    struct gb_message messages[GB_SHARD_NODES];
    int count = 0;
    e->sent[index] = true;
    if (size_of(slice) == 0)
        return;
    if (failed)
        count = nodes_of(e->shards, gb_ranks()->rank, nodes);
    else
        count = gb_shards_add_part(e->shards, threads, last_shard(e), slice, nodes);
    for (int i = 0; i < count; i++)
        messages[i] = (struct gb_message){
            owner, true, failed ? e->shards->params->gradient + slice.begin : nodes[i].sum,
            size_of(slice) * sizeof(float), index};
    if (owner != gb_ranks()->rank)
        gb_ranks_post(messages, count);
}

static void note_stored(void *argument, int parameter) {
    struct gb_gradient_exchange *e = argument;
    const struct gb_range slices = e->slices_of[parameter];
    for (size_t i = slices.begin; i < slices.end; i++)
        atomic_fetch_sub_explicit(&e->missing[i], 1, memory_order_release);
}

static void *run(void *argument) {
    static const struct timespec pause = {.tv_nsec = 1000000};
    struct gb_gradient_exchange *e = argument;
    for (bool ends = false; !ends; nanosleep(&pause, NULL)) {
        pthread_mutex_lock(&e->lock);
        for (int i = 0; e->running && i < GB_SHARD_SLICES; i++)
            if (!e->sent[i] && atomic_load_explicit(&e->missing[i], memory_order_acquire) == 0)
                send_slice(e, i, 1, false);
        if (e->running)
            gb_ranks_progress();
        ends = e->ends;
        pthread_mutex_unlock(&e->lock);
    }
    return NULL;
}

// ---- Creation ----

static void count_parameters(struct gb_gradient_exchange *e) {
    const struct gb_params *params = e->shards->params;
    for (int p = 0; p < params->count; p++) {
        const struct gb_param *param = &params->list[p];
        struct gb_range *slices = &e->slices_of[p];
        for (int i = 0; i < GB_SHARD_SLICES; i++) {
            const struct gb_range slice = slice_at(e, i);
            if (gb_max_size(slice.begin, param->offset) >=
                gb_min_size(slice.end, param->offset + param->size))
                continue;
            if (slices->end == 0)
                slices->begin = (size_t)i;
            slices->end = (size_t)i + 1;
            e->parameters[i]++;
        }
    }
}

// Interruptions are for the main thread.
static bool start_thread(struct gb_gradient_exchange *e) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const bool started = pthread_create(&e->thread, NULL, run, e) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

enum gb_status gb_gradient_exchange_create(struct gb_gradient_exchange *e,
                                           struct gb_shards *shards) {
    static const char what[] = "cannot share a step";
    const int ranks = gb_ranks()->count;
    struct gb_shard_node nodes[GB_SHARD_NODES];
    *e = (struct gb_gradient_exchange){.shards = shards,
                                       .part = gb_exchange_part(shards->params, gb_ranks()->rank)};
    for (int r = 0; r < ranks; r++)
        e->node_count += nodes_of(shards, r, nodes);
    e->remote_count = e->node_count - nodes_of(shards, gb_ranks()->rank, nodes);
    // gb_shards_nodes writes up to GB_SHARD_NODES.
    e->nodes = calloc((size_t)e->node_count + GB_SHARD_NODES, sizeof *e->nodes);
    e->slices_of = calloc((size_t)shards->params->count, sizeof *e->slices_of);
    enum gb_status status = e->nodes && e->slices_of ? GB_OK : gb_no_memory(what, "ranks");
    if (status == GB_OK && e->remote_count > 0)
        status = gb_block_reserve((size_t)e->remote_count * size_of(e->part), "sums of other ranks",
                                  &e->received);
    if (status != GB_OK) {
        gb_gradient_exchange_free(e);
        return status;
    }
    count_parameters(e);
    if (ranks > 1 && gb_ranks()->overlaps) {
        pthread_mutex_init(&e->lock, NULL);
        e->threaded = start_thread(e);
        if (!e->threaded)
            pthread_mutex_destroy(&e->lock);
    }
    return GB_OK;
}

static void set_running(struct gb_gradient_exchange *e, bool running, bool ends) {
    if (!e->threaded)
        return;
    pthread_mutex_lock(&e->lock);
    e->running = running;
    e->ends = ends;
    pthread_mutex_unlock(&e->lock);
}

void gb_gradient_exchange_free(struct gb_gradient_exchange *e) {
    if (e->threaded) {
        set_running(e, false, true);
        pthread_join(e->thread, NULL);
        pthread_mutex_destroy(&e->lock);
    }
    free(e->nodes);
    free(e->slices_of);
    free(e->received);
    *e = (struct gb_gradient_exchange){0};
}

// ---- A step's exchange ----

void gb_gradient_exchange_begin(struct gb_gradient_exchange *e) {
    struct gb_params *params = e->shards->params;
    if (gb_ranks()->count > 1)
        post_received(e);
    if (!e->threaded)
        return;
    for (int i = 0; i < GB_SHARD_SLICES; i++)
        atomic_store_explicit(&e->missing[i], e->parameters[i], memory_order_relaxed);
    params->stored = note_stored;
    params->stored_argument = e;
    set_running(e, true, false);
}

// What is left of the last shard.
static void send_rest(struct gb_gradient_exchange *e, int threads, bool failed) {
    if (!e->posted)
        post_received(e);
    if (!failed)
        gb_shards_take_statistics(e->shards);
    for (int i = 0; i < GB_SHARD_SLICES; i++)
        if (!e->sent[i])
            send_slice(e, i, threads, failed);
    gb_ranks_finish();
    if (!failed)
        gb_shards_end_parts(e->shards, last_shard(e));
    for (int i = 0; i < GB_SHARD_SLICES; i++)
        e->sent[i] = false;
    e->posted = false;
}

void gb_gradient_exchange_end(struct gb_gradient_exchange *e, int threads, bool failed) {
    set_running(e, false, false);
    e->shards->params->stored = NULL;
    if (gb_ranks()->count > 1)
        send_rest(e, threads, failed);
    else if (!failed)
        gb_shards_add(e->shards, threads, last_shard(e));
    if (failed)
        return;
    struct gb_shard_node *node = e->nodes;
    float *sum = e->received;
    for (int r = 0; r < gb_ranks()->count; r++) {
        const int count = nodes_of(e->shards, r, node);
        for (int i = 0; i < count; i++, node++) {
            if (r == gb_ranks()->rank) {
                node->sum = e->shards->nodes[i].sum + e->part.begin;
                continue;
            }
            node->sum = sum;
            sum += size_of(e->part);
        }
    }
}

size_t gb_gradient_exchange_bytes(const struct gb_gradient_exchange *e) {
    return (size_t)e->remote_count * size_of(e->part) * sizeof(float);
}
