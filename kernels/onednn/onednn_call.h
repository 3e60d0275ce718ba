// SPDX-License-Identifier: MIT
// A primitive with its operands, run on a number of threads, and views as oneDNN reads and writes
// them: what the backend's operations share.
#ifndef GB_ONEDNN_CALL_H
#define GB_ONEDNN_CALL_H

#include "base/minmax.h"
#include "kernels/onednn/onednn_compat.h"
#include "kernels/parallel.h"
#include "kernels/tensor.h"

// Lives as long as the program, from gb_onednn_ready on.
extern dnnl_engine_t gb_onednn_engine;
dnnl_status_t gb_onednn_ready(void);

// GB_OK, or a failure whose message ends in oneDNN's name of it.
enum gb_status gb_onednn_told(dnnl_status_t status, const char *what, const char *where);

static inline size_t aligned(size_t bytes) {
    return gb_round_up(bytes, GB_ALIGNMENT);
}

static inline size_t layout_bytes(layout_view layout) {
    return dnnl_memory_desc_get_size(layout);
}

// ---- A primitive with its operands ----

enum { MOST_OPERANDS = 5 };

struct call {
    dnnl_primitive_t primitive; // NULL: nothing to do
    int operands;
    dnnl_exec_arg_t arguments[MOST_OPERANDS + 1]; // the scratchpad is the last, where there is one
    size_t scratchpad_bytes;
};

// Who runs the primitives of a plan.
struct team {
    int threads;
    dnnl_stream_t stream;
};

// Single precision whatever the environment asks for, and scratchpads that the caller brings.
dnnl_status_t gb_onednn_attributes_make(dnnl_primitive_attr_t *attributes);

// oneDNN divides the work among as many threads as OpenMP would start: when a primitive is made,
// and for some again when it runs. Returns how many those were.
int gb_onednn_set_threads(int threads);

// `names`: the operands as oneDNN calls them (DNNL_ARG_), ended by 0. A zeroed call may be freed,
// and one that failed must be.
dnnl_status_t gb_onednn_call_make(struct call *call, const_dnnl_primitive_desc_t descriptor,
                                  const int *names);
void gb_onednn_call_free(struct call *call);

// `scratchpad`: call->scratchpad_bytes. The operands follow in the order of their names.
#define RUN(call, team, scratchpad, ...)                                                           \
    gb_onednn_call_run(call, team, scratchpad, (const void *const[]){__VA_ARGS__})
void gb_onednn_call_run(const struct call *call, const struct team *team, void *scratchpad,
                        const void *const *operands);
// What gb_backend_check says.
enum gb_status gb_onednn_check(void);

// ---- Reordering, which is timed apart ----

double gb_onednn_reorder_start(const struct gb_exec *exec);
void gb_onednn_reorder_end(const struct gb_exec *exec, double start);

// An input as oneDNN reads it: in place, or copied to `room`.
const float *gb_onednn_dense_input(const struct gb_exec *exec, const struct gb_tensor *view,
                                   void *room);
// Where oneDNN writes an output: in place, or in `room`, from which it is delivered to the view.
struct gb_tensor gb_onednn_dense_output(const struct gb_tensor *view, void *room);
void gb_onednn_deliver(const struct gb_exec *exec, const struct gb_tensor *made,
                       const struct gb_tensor *view);

#endif
