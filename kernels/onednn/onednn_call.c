// SPDX-License-Identifier: MIT
#include "kernels/onednn/onednn_call.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

dnnl_engine_t gb_onednn_engine;
static dnnl_status_t engine_status;
static pthread_once_t engine_once = PTHREAD_ONCE_INIT;

static void make_engine(void) {
    engine_status = gb_dnnl.engine_create(&gb_onednn_engine, dnnl_cpu, 0);
}

static enum gb_status status_of(dnnl_status_t status, const char *what, const char *where) {
    if (status == dnnl_success)
        return GB_OK;
    return gb_fail(status == dnnl_out_of_memory ? GB_OUT_OF_MEMORY : GB_UNSUPPORTED, what, where,
                   "oneDNN: %s", gb_dnnl.status2str(status));
}

enum gb_status gb_onednn_planned(dnnl_status_t status, const struct gb_operation *operation,
                                 const void *problem) {
    char what[64], text[GB_PROBLEM_TEXT];
    snprintf(what, sizeof what, "cannot plan %s", operation->what);
    gb_problem_print(operation, problem, text);
    return status_of(status, what, text);
}

// ---- A primitive with its operands ----

dnnl_status_t gb_onednn_attributes_make(dnnl_primitive_attr_t *attributes) {
    DNNL_TRY(gb_dnnl.primitive_attr_create(attributes));
    DNNL_TRY(gb_dnnl.primitive_attr_set_fpmath_mode(*attributes, dnnl_fpmath_mode_strict));
    return gb_dnnl.primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user);
}

// Sets the number of threads that OpenMP would start and returns the former one. oneDNN divides its
// work by that number when it creates a primitive, and for some again when it runs.
static int set_threads(int threads) {
    int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    return before;
}

dnnl_status_t gb_onednn_make(size_t bytes, int threads,
                             dnnl_status_t (*build)(void *library, const void *shape),
                             const void *shape, void **library) {
    *library = NULL;
    pthread_once(&engine_once, make_engine);
    DNNL_TRY(engine_status);
    struct executor *executor = *library = calloc(1, bytes);
    if (!executor)
        return dnnl_out_of_memory;
    executor->threads = threads;
    int before = set_threads(threads);
    dnnl_status_t status = build(executor, shape);
    if (status == dnnl_success)
        status =
            gb_dnnl.stream_create(&executor->stream, gb_onednn_engine, dnnl_stream_default_flags);
    omp_set_num_threads(before);
    if (status != dnnl_success)
        gb_onednn_free(library);
    return status;
}

static void call_free(struct call *call) {
    for (int i = 0; i <= MAX_OPERANDS; i++)
        if (call->arguments[i].memory)
            gb_dnnl.memory_destroy(call->arguments[i].memory);
    if (call->primitive)
        gb_dnnl.primitive_destroy(call->primitive);
}

void gb_onednn_free(void **library) {
    struct executor *executor = *library;
    for (int i = 0; executor && i < MAX_CALLS; i++)
        call_free(&executor->calls[i]);
    if (executor && executor->stream)
        gb_dnnl.stream_destroy(executor->stream);
    free(executor);
    *library = NULL;
}

static dnnl_status_t add_argument(struct call *call, int index, int name, layout_view layout) {
    call->arguments[index].arg = name;
    return gb_dnnl.memory_create(&call->arguments[index].memory, layout, gb_onednn_engine,
                                 DNNL_MEMORY_NONE);
}

dnnl_status_t gb_onednn_call_make(struct call *call, const_dnnl_primitive_desc_t descriptor,
                                  const int *names) {
    DNNL_TRY(gb_dnnl.primitive_create(&call->primitive, descriptor));
    for (; names[call->operands]; call->operands++) {
        int name = names[call->operands];
        DNNL_TRY(add_argument(
            call, call->operands, name,
            gb_dnnl.primitive_desc_query_md(descriptor, dnnl_query_exec_arg_md, name)));
    }
    layout_view scratchpad =
        gb_dnnl.primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0);
    call->scratchpad_bytes = layout_bytes(scratchpad);
    return call->scratchpad_bytes
               ? add_argument(call, call->operands, DNNL_ARG_SCRATCHPAD, scratchpad)
               : dnnl_success;
}

size_t gb_onednn_scratchpad_bytes(const struct executor *executor) {
    size_t bytes = 0;
    for (int i = 0; i < MAX_CALLS; i++)
        bytes = gb_max_size(bytes, executor->calls[i].scratchpad_bytes);
    return bytes;
}

// The first failure of a primitive that ran.
static _Atomic dnnl_status_t failure = dnnl_success;

static void note_failure(dnnl_status_t status) {
    dnnl_status_t none = dnnl_success;
    if (status != dnnl_success)
        atomic_compare_exchange_strong(&failure, &none, status);
}

enum gb_status gb_onednn_check(void) {
    return status_of(failure, "cannot run", "a primitive");
}

void gb_onednn_run(const struct executor *executor, int index, void *scratchpad,
                   const void *const *operands) {
    const struct call *call = &executor->calls[index];
    int before = set_threads(executor->threads);
    int count = call->operands + (call->scratchpad_bytes != 0);
    for (int i = 0; i < count; i++) {
        // oneDNN's interface lacks const; it writes outputs only.
        const void *data = i < call->operands ? operands[i] : scratchpad;
        gb_dnnl.memory_set_data_handle(call->arguments[i].memory, (void *)(uintptr_t)data);
    }
    gb_flush_denormals();
    note_failure(
        gb_dnnl.primitive_execute(call->primitive, executor->stream, count, call->arguments));
    note_failure(gb_dnnl.stream_wait(executor->stream));
    omp_set_num_threads(before);
}

// ---- Reordering ----

static void *pixel(const struct gb_tensor *t, int n, int i, int j) {
    return gb_advance(t, n * t->image + i * t->row + j * t->pixel);
}

struct copy {
    const struct gb_tensor *from, *to;
};

// Values of a pixel's channels, to elements of the other type.
static void round_values(const float *from, int count, gb_bf16 *to) {
    for (int c = 0; c < count; c++)
        to[c] = gb_bf16_round(from[c]);
}
static void widen_values(const gb_bf16 *from, int count, float *to) {
    for (int c = 0; c < count; c++)
        to[c] = gb_bf16_value(from[c]);
}

static void copy_rows(void *argument, int rank, int size) {
    const struct copy *copy = argument;
    const struct gb_tensor *t = copy->from, *to = copy->to;
    const size_t bytes = (size_t)t->c * gb_type_bytes(t->type);
    struct gb_range rows = gb_partition((size_t)t->n * (size_t)t->h, rank, size);
    for (size_t row = rows.begin; row < rows.end; row++) {
        int n = (int)(row / (size_t)t->h), i = (int)(row % (size_t)t->h);
        for (int j = 0; j < t->w; j++)
            if (t->type == to->type)
                memcpy(pixel(to, n, i, j), pixel(t, n, i, j), bytes);
            else if (t->type == GB_F32)
                round_values(gb_at(t, n, i, j), t->c, gb_bf16_at(to, n, i, j));
            else
                widen_values(gb_bf16_at(t, n, i, j), t->c, gb_at(to, n, i, j));
    }
}

static void copy_view(const struct gb_exec *exec, const struct gb_tensor *from,
                      const struct gb_tensor *to) {
    struct copy copy = {from, to};
    double start = gb_vendor_reorder_start(exec);
    gb_parallel(gb_threads_for(exec, gb_elements(from)), copy_rows, &copy);
    gb_vendor_reorder_end(exec, start);
}

const void *gb_onednn_dense_input(const struct gb_exec *exec, const struct gb_tensor *view,
                                  enum gb_type type, void *buffer) {
    if (gb_vendor_is_dense(view) && view->type == type)
        return view->data;
    struct gb_tensor dense = gb_dense_of(type, buffer, view->n, view->h, view->w, view->c);
    copy_view(exec, view, &dense);
    return buffer;
}

struct gb_tensor gb_onednn_dense_output(const struct gb_tensor *view, void *buffer) {
    return gb_dense_of(view->type, gb_vendor_is_dense(view) ? view->data : buffer, view->n, view->h,
                       view->w, view->c);
}

void gb_onednn_copy_out(const struct gb_exec *exec, const struct gb_tensor *made,
                        const struct gb_tensor *view) {
    if (made->data != view->data)
        copy_view(exec, made, view);
}
