// SPDX-License-Identifier: MIT
// Shared by the backend's operations: a primitive with its operands, the threads that it runs on, and
// dense copies of views.
#ifndef GB_ONEDNN_CALL_H
#define GB_ONEDNN_CALL_H

#include "base/minmax.h"
#include "kernels/onednn/onednn_compat.h"
#include "kernels/parallel.h"
#include "kernels/tensor.h"

// Created by gb_onednn_ready and never destroyed.
extern dnnl_engine_t gb_onednn_engine;
dnnl_status_t gb_onednn_ready(void);

// GB_OK, or a failure with oneDNN's name for it in the message.
enum gb_status gb_onednn_status(dnnl_status_t status, const char *what, const char *where);

static inline size_t aligned(size_t bytes) {
    return gb_round_up(bytes, GB_ALIGNMENT);
}

static inline size_t layout_bytes(layout_view layout) {
    return dnnl_memory_desc_get_size(layout);
}

// ---- A primitive with its operands ----

enum { MAX_OPERANDS = 5 };

struct call {
    dnnl_primitive_t primitive; // NULL: none
    int operands;
    dnnl_exec_arg_t arguments[MAX_OPERANDS + 1]; // the scratchpad last, if any
    size_t scratchpad_bytes;
};

// What runs the primitives of a plan.
struct executor {
    int threads;
    dnnl_stream_t stream;
};

// fp32 arithmetic whatever the environment says, and scratchpads provided by the caller.
dnnl_status_t gb_onednn_attributes_make(dnnl_primitive_attr_t *attributes);

// Sets the number of threads that OpenMP would start and returns the former one. oneDNN divides its
// work by that number when it creates a primitive, and for some again when it runs.
int gb_onednn_set_threads(int threads);

// `names`: the operands' DNNL_ARG_ constants, ended by 0. A zeroed call may be freed; one that failed
// must be.
dnnl_status_t gb_onednn_call_make(struct call *call, const_dnnl_primitive_desc_t descriptor,
                                  const int *names);
void gb_onednn_call_free(struct call *call);

// `scratchpad`: call->scratchpad_bytes. The operands follow in the order of their names.
#define RUN(call, executor, scratchpad, ...)                                                       \
    gb_onednn_call_run(call, executor, scratchpad, (const void *const[]){__VA_ARGS__})
void gb_onednn_call_run(const struct call *call, const struct executor *executor, void *scratchpad,
                        const void *const *operands);
// For gb_backend_check.
enum gb_status gb_onednn_check(void);

// ---- Reordering, timed separately ----

double gb_onednn_reorder_start(const struct gb_exec *exec);
void gb_onednn_reorder_end(const struct gb_exec *exec, double start);

// The dense data of an input: the view's own, or a copy in `room`.
const float *gb_onednn_dense_input(const struct gb_exec *exec, const struct gb_tensor *view,
                                   void *room);
// Where oneDNN writes an output: the view itself if it is dense, otherwise `room`, from which
// gb_onednn_copy_out copies.
struct gb_tensor gb_onednn_dense_output(const struct gb_tensor *view, void *room);
void gb_onednn_copy_out(const struct gb_exec *exec, const struct gb_tensor *made,
                        const struct gb_tensor *view);

#endif
