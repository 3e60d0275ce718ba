// SPDX-License-Identifier: MIT
#include "kernels/trace.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/grow.h"
#include "kernels/natives.h"

struct gb_trace {
    struct gb_backend table;
    const struct gb_backend *inner;
    pthread_mutex_t lock; // of what follows
    struct gb_traced *list;
    int count, capacity;
    bool incomplete; // memory ran out
};

static _Thread_local double thread_flops;

// The traced functions of slot i serve open[i].
static struct gb_trace *open[GB_TRACES];
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

// Without an inner backend: the reference's plans, with no memory for weights and scratch.
static enum gb_status conv_plan(const struct gb_backend *backend,
                                const struct gb_conv_problem *problem, int threads,
                                struct gb_conv_plan *plan) {
    GB_TRY(gb_backend__scalar.conv_plan(backend, problem, threads, plan));
    plan->weight_floats = plan->thread_bytes = 0;
    return GB_OK;
}

static enum gb_status fc_plan(const struct gb_backend *backend, const struct gb_fc_problem *problem,
                              int threads, struct gb_fc_plan *plan) {
    GB_TRY(gb_backend__scalar.fc_plan(backend, problem, threads, plan));
    plan->weight_floats = plan->thread_bytes = 0;
    return GB_OK;
}

#define DECLARE(entry, isa) __typeof__(*(gb_##entry##_fn)0) gb_##entry##__##isa;
#define SET(entry, isa) table->entry = gb_##entry##__##isa;
GB_RUNS(DECLARE, traced0)
GB_RUNS(DECLARE, traced1)

static void fill_table(struct gb_trace *trace, int slot) {
    struct gb_backend *table = &trace->table;
    *table = trace->inner ? *trace->inner : gb_backend__scalar;
    if (!trace->inner) {
        table->name = "trace";
        table->conv_plan = conv_plan;
        table->fc_plan = fc_plan;
    }
    if (slot == 0) {
        GB_RUNS(SET, traced0)
    } else {
        GB_RUNS(SET, traced1)
    }
}

static int take_slot(struct gb_trace *trace) {
    int slot = 0;
    pthread_mutex_lock(&open_lock);
    while (slot < GB_TRACES && open[slot])
        slot++;
    if (slot < GB_TRACES)
        open[slot] = trace;
    pthread_mutex_unlock(&open_lock);
    return slot;
}

enum gb_status gb_trace_open(const struct gb_backend *inner, struct gb_trace **result) {
    struct gb_trace *trace = *result = calloc(1, sizeof *trace);
    if (!trace)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot trace", "kernels", "out of memory");
    trace->inner = inner;
    pthread_mutex_init(&trace->lock, NULL);
    int slot = take_slot(trace);
    if (slot == GB_TRACES) {
        pthread_mutex_destroy(&trace->lock);
        free(trace);
        *result = NULL;
        return gb_fail(GB_UNSUPPORTED, "cannot trace", "kernels", "%d traces are open already",
                       GB_TRACES);
    }
    fill_table(trace, slot);
    return GB_OK;
}

void gb_trace_close(struct gb_trace *trace) {
    if (!trace)
        return;
    pthread_mutex_lock(&open_lock);
    for (int slot = 0; slot < GB_TRACES; slot++)
        if (open[slot] == trace)
            open[slot] = NULL;
    pthread_mutex_unlock(&open_lock);
    pthread_mutex_destroy(&trace->lock);
    free(trace->list);
    free(trace);
}

const struct gb_backend *gb_trace_backend(struct gb_trace *trace) {
    return &trace->table;
}

void gb_trace_clear(struct gb_trace *trace) {
    trace->count = 0;
    trace->incomplete = false;
}

enum gb_status gb_trace_list(struct gb_trace *trace, const struct gb_traced **list, int *count) {
    *list = trace->list;
    *count = trace->count;
    return trace->incomplete ? gb_fail(GB_OUT_OF_MEMORY, "cannot trace", "kernels",
                                       "no memory for the list of kernels")
                             : GB_OK;
}

// Of one call; 0 where the operation does not sum products.
static double product_flops(const struct gb_traced *t) {
    enum gb_direction stored = gb_stored_direction(t->operation, t->direction);
    return t->operation->product ? gb_problem_cost(t->operation, &t->problem, stored).flops : 0;
}

double gb_trace_product_flops(const struct gb_trace *trace) {
    double flops = 0;
    for (int i = 0; i < trace->count; i++)
        flops += (double)trace->list[i].calls * product_flops(&trace->list[i]);
    return flops;
}

double gb_trace_thread_flops(void) {
    return thread_flops;
}

struct gb_trace_span gb_trace_begin(int slot) {
    const struct gb_trace *trace = open[slot];
    assert(trace);
    return (struct gb_trace_span){slot, trace->inner, trace->inner ? gb_seconds() : 0};
}

// The row of this problem; NULL if memory ran out.
static struct gb_traced *find(struct gb_trace *trace, const struct gb_operation *operation,
                              enum gb_direction direction, const struct gb_any_problem *problem) {
    for (int i = 0; i < trace->count; i++) {
        struct gb_traced *t = &trace->list[i];
        if (t->operation == operation && t->direction == direction &&
            memcmp(&t->problem, problem, sizeof *problem) == 0)
            return t;
    }
    if (trace->count == trace->capacity) { // not after gb_trace_clear: no allocation in later steps
        struct gb_traced *grown = gb_grow(trace->list, (size_t)trace->count, sizeof *grown);
        if (!grown)
            return NULL;
        trace->list = grown;
        trace->capacity = trace->count ? 2 * trace->count : 1;
    }
    struct gb_traced *list = trace->list;
    list[trace->count] = (struct gb_traced){.operation = operation,
                                            .direction = direction,
                                            .problem = *problem,
                                            .cost = gb_problem_cost(operation, problem, direction)};
    return &list[trace->count++];
}

void gb_trace_end(const struct gb_trace_span *span, const struct gb_operation *operation,
                  enum gb_direction direction, const void *problem, int threads) {
    struct gb_trace *trace = open[span->slot];
    double seconds = span->inner ? gb_seconds() - span->start : 0;
    struct gb_any_problem any = {0};
    assert(operation->problem_bytes <= sizeof any);
    memcpy(&any, problem, operation->problem_bytes);
    pthread_mutex_lock(&trace->lock);
    struct gb_traced *traced = find(trace, operation, direction, &any);
    if (traced) {
        traced->calls++;
        traced->seconds += seconds;
        traced->thread_seconds += seconds * threads;
        thread_flops += product_flops(traced);
    } else {
        trace->incomplete = true;
    }
    pthread_mutex_unlock(&trace->lock);
}
