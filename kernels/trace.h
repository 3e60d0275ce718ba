// SPDX-License-Identifier: MIT
// Traces: which kernels a model runs, how often and, where they compute, for how long. A trace
// hands out a backend. Without an inner backend its kernels compute nothing: a pass of a model then
// records what the pass is made of in a fraction of a second. With one they call it and add up the
// time: the profile of a real training step.
//
// Each open trace has a slot with its own set of wrappers, at most GB_TRACES at once: a wrapper
// finds its trace by its slot. A thread-local pointer would not reach the worker threads of a
// parallel region. Backends that nobody traces are not touched and pay nothing.
#ifndef GB_TRACE_H
#define GB_TRACE_H

#include "kernels/backend.h"

// The problem of any operation. Their structs hold ints only, and fit.
struct gb_any_problem {
    int numbers[16];
};

struct gb_traced {
    const struct gb_operation *operation;
    enum gb_direction direction;
    // Backward, a convolution's or fully connected layer's own activation takes no part: the word
    // is "", except for backward_data of a convolution, where it is the activation of the fused
    // input epilogue ("": no epilogue).
    struct gb_any_problem problem;
    long calls;
    // Time in all calls, and that time multiplied by each call's threads: a kernel that runs on one
    // thread inside a parallel region counts once in both. 0 without an inner backend.
    double seconds, thread_seconds;
    struct gb_cost cost; // of one call
};

struct gb_trace;

// Opens a trace over `inner`, or over no backend: NULL. GB_OUT_OF_MEMORY; GB_UNSUPPORTED if
// GB_TRACES are open.
enum { GB_TRACES = 2 };
enum gb_status gb_trace_open(const struct gb_backend *inner, struct gb_trace **trace);
// NULL is allowed. The trace's backend and everything that holds it are then invalid.
void gb_trace_close(struct gb_trace *trace);

// The backend whose kernels are traced. With an inner backend it is `inner` in all else, plans
// included. Without one, packed weights have no floats, scratch is not needed, and outputs stay as
// they were, except those of fully connected layers, which become random so that matrices made of
// them are regular.
const struct gb_backend *gb_trace_backend(struct gb_trace *trace);

// Forgets all calls so far, e.g. after warm-up steps. No kernel of the trace may be running.
void gb_trace_clear(struct gb_trace *trace);

// The distinct problems by operation and direction, in the order of their first calls; *list is the
// trace's until it is cleared or closed. GB_OUT_OF_MEMORY if memory ran out at any call. No kernel
// of the trace may be running.
enum gb_status gb_trace_list(struct gb_trace *trace, const struct gb_traced **list, int *count);

// FLOPs of all calls of operations that sum products (convolutions, fully connected layers,
// inv1x1), those of a fused Adam left out. Same conditions as gb_trace_list.
double gb_trace_product_flops(const struct gb_trace *trace);

// FLOPs as gb_trace_product_flops counts them, of all traced kernels that this thread has called,
// on any trace: differences are the FLOPs of the calls in between.
double gb_trace_thread_flops(void);

// ---- For kernels/<operation>/<operation>.c ----

// GB_TRACED(entry, operation, direction, problem, (parameters), (arguments)) defines the traced
// functions of an entry. `problem` is an expression of the operation's problem struct (in
// parentheses if it has commas); `exec` must be among the parameters.
#define GB_TRACED(entry, operation, direction, problem, parameters, arguments)                     \
    GB_TRACED_OR(entry, operation, direction, problem, parameters, arguments, (void)0)
// The same, with an expression to evaluate where there is no inner backend.
#define GB_TRACED_OR(entry, operation, direction, problem, parameters, arguments, dry)             \
    GB_TRACED_AS(0, entry, operation, direction, problem, parameters, arguments, dry)              \
    GB_TRACED_AS(1, entry, operation, direction, problem, parameters, arguments, dry)
#define GB_TRACED_AS(slot, entry, operation, direction, problem, parameters, arguments, dry)       \
    void gb_##entry##__traced##slot parameters {                                                   \
        __typeof__(problem) traced_problem = problem;                                              \
        struct gb_trace_span span = gb_trace_begin(slot);                                          \
        if (span.inner)                                                                            \
            span.inner->entry arguments;                                                           \
        else                                                                                       \
            dry;                                                                                   \
        gb_trace_end(&span, &gb_##operation##_operation, direction, &traced_problem,               \
                     exec->threads);                                                               \
    }

// An entry that is not noted, because no operation describes it: recordings of models lack it, and
// profiles of kernels count its time as "other".
#define GB_UNTRACED(entry, parameters, arguments)                                                  \
    GB_UNTRACED_AS(0, entry, parameters, arguments)                                                \
    GB_UNTRACED_AS(1, entry, parameters, arguments)
#define GB_UNTRACED_AS(slot, entry, parameters, arguments)                                         \
    void gb_##entry##__traced##slot parameters {                                                   \
        const struct gb_backend *inner = gb_trace_begin(slot).inner;                               \
        if (inner)                                                                                 \
            inner->entry arguments;                                                                \
    }

struct gb_trace_span {
    int slot;
    const struct gb_backend *inner;
    double start;
};
struct gb_trace_span gb_trace_begin(int slot);
void gb_trace_end(const struct gb_trace_span *span, const struct gb_operation *operation,
                  enum gb_direction direction, const void *problem, int threads);

#endif
