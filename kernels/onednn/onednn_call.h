// SPDX-License-Identifier: MIT
// Shared by the backend's operations: a primitive with its operands, the threads that it runs on,
// and dense copies of views.
#ifndef GB_ONEDNN_CALL_H
#define GB_ONEDNN_CALL_H

#include "base/minmax.h"
#include "kernels/onednn/onednn_compat.h"
#include "kernels/operation.h"
#include "kernels/vendor.h"

// Created by the first gb_onednn_make and never destroyed.
extern dnnl_engine_t gb_onednn_engine;

// GB_OK, or a failure to plan the problem, with oneDNN's name for it in the message.
enum gb_status gb_onednn_planned(dnnl_status_t status, const struct gb_operation *operation,
                                 const void *problem);

static inline size_t aligned(size_t bytes) {
    return gb_round_up(bytes, GB_ALIGNMENT);
}

static inline size_t layout_bytes(layout_view layout) {
    return gb_dnnl.memory_desc_get_size(layout);
}

// ---- A primitive with its operands ----

enum { MAX_OPERANDS = 5, MAX_CALLS = 9 };

struct call {
    dnnl_primitive_t primitive; // NULL: none
    int operands;
    dnnl_exec_arg_t arguments[MAX_OPERANDS + 1]; // the scratchpad last, if any
    size_t scratchpad_bytes;
};

// A plan's primitives and what runs them: the first member of what plan->backend_data points to.
struct executor {
    int threads;
    dnnl_stream_t stream;
    struct call calls[MAX_CALLS];
};

// Makes what a plan keeps, `bytes` that begin with an executor: zeroed, then filled in by `build`.
// On failure *library is NULL.
dnnl_status_t gb_onednn_make(size_t bytes, int threads,
                             dnnl_status_t (*build)(void *library, const void *shape),
                             const void *shape, void **library);
// Frees it, and sets *library to NULL.
void gb_onednn_free(void **library);

// fp32 arithmetic whatever the environment says, and scratchpads provided by the caller.
dnnl_status_t gb_onednn_attributes_make(dnnl_primitive_attr_t *attributes);

// `names`: the operands' DNNL_ARG_ constants, ended by 0.
dnnl_status_t gb_onednn_call_make(struct call *call, const_dnnl_primitive_desc_t descriptor,
                                  const int *names);

// The largest scratchpad of all calls.
size_t gb_onednn_scratchpad_bytes(const struct executor *executor);

// Runs call number `call`. The operands follow in the order of their names.
#define RUN(executor, call, scratchpad, ...)                                                       \
    gb_onednn_run(executor, call, scratchpad, (const void *const[]){__VA_ARGS__})
void gb_onednn_run(const struct executor *executor, int call, void *scratchpad,
                   const void *const *operands);
// For gb_backend_check.
enum gb_status gb_onednn_check(void);

// ---- Reordering, timed separately ----

// The dense data of an input as elements of `type`: the view's own, or a copy in `buffer`, rounded
// or widened where the view has other elements.
const void *gb_onednn_dense_input(const struct gb_exec *exec, const struct gb_tensor *view,
                                  enum gb_type type, void *buffer);
// Where oneDNN writes an output: the view itself if it is dense, otherwise `buffer`, from which
// gb_onednn_copy_out copies.
struct gb_tensor gb_onednn_dense_output(const struct gb_tensor *view, void *buffer);
void gb_onednn_copy_out(const struct gb_exec *exec, const struct gb_tensor *made,
                        const struct gb_tensor *view);

#endif
