// SPDX-License-Identifier: MIT
#include "kernels/libxsmm/libxsmm_layer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/minmax.h"
#include "kernels/backend.h"
#include "kernels/libxsmm/libxsmm.h"

// ---- Layers ----

static const libxsmm_dnn_tensor_type types[OPERANDS] = {
    [X_OPERAND] = LIBXSMM_DNN_REGULAR_INPUT,
    [DX_OPERAND] = LIBXSMM_DNN_GRADIENT_INPUT,
    [Y_OPERAND] = LIBXSMM_DNN_REGULAR_OUTPUT,
    [DY_OPERAND] = LIBXSMM_DNN_GRADIENT_OUTPUT,
    [WEIGHTS_OPERAND] = LIBXSMM_DNN_REGULAR_FILTER,
    [GRADIENT_OPERAND] = LIBXSMM_DNN_GRADIENT_FILTER};

static enum gb_status status_of(libxsmm_dnn_err_t status, const char *what, const char *where) {
    if (status == LIBXSMM_DNN_SUCCESS)
        return GB_OK;
    const bool memory =
        status == LIBXSMM_DNN_ERR_CREATE_HANDLE || status == LIBXSMM_DNN_ERR_CREATE_TENSOR;
    return gb_fail(memory ? GB_OUT_OF_MEMORY : GB_UNSUPPORTED, what, where, "%s",
                   gb_xsmm.get_error(status));
}

// One descriptor for both layers, whose layouts are the same.
static libxsmm_dnn_err_t make_operand(struct layer *layer, int operand) {
    libxsmm_dnn_err_t status;
    libxsmm_dnn_tensor_datalayout *layout =
        layer->kind->describe(layer->parallel, types[operand], &status);
    if (!layout)
        return status ? status : LIBXSMM_DNN_ERR_CREATE_LAYOUT;
    // Data that is never read: each run brings its own.
    layer->operands[operand] = gb_xsmm.link_tensor(layout, layer, &status);
    gb_xsmm.destroy_tensor_datalayout(layout);
    if (status == LIBXSMM_DNN_SUCCESS)
        status = layer->kind->bind(layer->parallel, layer->operands[operand], types[operand]);
    if (status == LIBXSMM_DNN_SUCCESS && layer->serial != layer->parallel)
        status = layer->kind->bind(layer->serial, layer->operands[operand], types[operand]);
    return status;
}

static libxsmm_dnn_err_t make(struct layer *layer, const void *shape) {
    libxsmm_dnn_err_t status;
    layer->parallel = layer->kind->make(shape, layer->threads, &status);
    if (!layer->parallel)
        return status;
    layer->serial = layer->threads == 1 ? layer->parallel : layer->kind->make(shape, 1, &status);
    if (!layer->serial)
        return status;
    status = LIBXSMM_DNN_SUCCESS; // what is left are warnings
    for (int i = 0; i < OPERANDS && status == LIBXSMM_DNN_SUCCESS; i++)
        status = make_operand(layer, i);
    layer->scratch_bytes = gb_round_up(gb_max_size(layer->kind->scratch_bytes(layer->parallel),
                                                   layer->kind->scratch_bytes(layer->serial)),
                                       GB_ALIGNMENT);
    return status;
}

enum gb_status gb_libxsmm_layer_make(const struct layer_kind *kind, const void *shape, int threads,
                                     const struct gb_operation *operation, const void *problem,
                                     struct layer *layer) {
    *layer = (struct layer){.kind = kind, .threads = threads};
    const libxsmm_dnn_err_t status = make(layer, shape);
    if (status == LIBXSMM_DNN_SUCCESS)
        return GB_OK;
    gb_libxsmm_layer_free(layer);
    char what[64], text[GB_PROBLEM_TEXT];
    snprintf(what, sizeof what, "cannot plan %s", operation->what);
    gb_problem_print(operation, problem, text);
    return status_of(status, what, text);
}

void gb_libxsmm_layer_free(struct layer *layer) {
    for (int i = 0; i < OPERANDS; i++)
        if (layer->operands[i])
            gb_xsmm.destroy_tensor(layer->operands[i]);
    if (layer->serial && layer->serial != layer->parallel)
        layer->kind->free(layer->serial);
    if (layer->parallel)
        layer->kind->free(layer->parallel);
    *layer = (struct layer){0};
}

void gb_libxsmm_set(const struct layer *layer, int operand, const void *data) {
    gb_xsmm.set_tensor_data_ptr(layer->operands[operand], data);
}

// The first failure of a layer that ran.
static _Atomic libxsmm_dnn_err_t failure = LIBXSMM_DNN_SUCCESS;

enum gb_status gb_libxsmm_check(void) {
    return status_of(failure, "cannot run", "a layer of libxsmm");
}

struct layer_run {
    const struct layer *layer;
    libxsmm_dnn_compute_kind what;
};

// The threads of `parallel` wait for each other: with fewer it would not end.
static void run_rank(void *argument, int rank, int size) {
    const struct layer_run *run = argument;
    const struct layer *layer = run->layer;
    if (size != layer->threads && rank > 0)
        return;
    void *handle = size == layer->threads ? layer->parallel : layer->serial;
    libxsmm_dnn_err_t none = LIBXSMM_DNN_SUCCESS,
                      status = layer->kind->run(handle, run->what, rank);
    if (status != LIBXSMM_DNN_SUCCESS)
        atomic_compare_exchange_strong(&failure, &none, status);
}

void gb_libxsmm_run(const struct layer *layer, int threads, libxsmm_dnn_compute_kind what,
                    void *scratch) {
    struct layer_run run = {layer, what};
    layer->kind->bind_scratch(layer->parallel, scratch);
    layer->kind->bind_scratch(layer->serial, scratch);
    gb_parallel(threads == 1 ? 1 : layer->threads, run_rank, &run);
}

// ---- Blocked tensors ----

size_t gb_libxsmm_blocks_bytes(const struct gb_tensor *view, const struct blocks *blocks) {
    const size_t rows = (size_t)view->h + 2 * (size_t)blocks->pad_h,
                 columns = (size_t)view->w + 2 * (size_t)blocks->pad_w;
    return gb_round_up((size_t)view->n * rows * columns * (size_t)view->c * sizeof(float),
                       GB_ALIGNMENT);
}

// True if the blocked tensor is the view's own memory: one block, or one pixel per image.
static bool is_own(const struct gb_tensor *view, const struct blocks *blocks) {
    return blocks->pad_h == 0 && blocks->pad_w == 0 &&
           (blocks->channels == view->c || view->h * view->w == 1) && gb_vendor_is_dense(view);
}

struct copy {
    const struct gb_tensor *view;
    struct blocks blocks;
    float *data; // in blocks
    const struct gb_vendor_fallback *fallback;
    const struct gb_conv_epilogue *epilogue;
    enum gb_activation activation;
};

// Row `row` of the view, from channel `channel` on, with its padding.
static void copy_row_in(const struct copy *copy, int n, int channel, int row, float *to) {
    const struct gb_tensor *t = copy->view;
    const size_t floats = (size_t)copy->blocks.channels, pad = (size_t)copy->blocks.pad_w * floats,
                 width = (size_t)t->w * floats;
    if (row < 0 || row >= t->h) {
        memset(to, 0, (2 * pad + width) * sizeof *to);
        return;
    }
    memset(to, 0, pad * sizeof *to);
    to += pad;
    const float *from = gb_at(t, n, row, 0) + channel;
    if (t->pixel == copy->blocks.channels)
        memcpy(to, from, width * sizeof *to);
    else
        for (int j = 0; j < t->w; j++)
            memcpy(to + (size_t)j * floats, from + j * t->pixel, floats * sizeof *to);
    memset(to + width, 0, pad * sizeof *to);
}

static void finish_row(const struct copy *copy, int n, int channel, int row, float *from) {
    const struct gb_tensor *t = copy->view;
    const int channels = copy->blocks.channels;
    const struct gb_conv_epilogue *all = copy->epilogue;
    const struct gb_conv_epilogue epilogue = {all && all->bias ? all->bias + channel : NULL,
                                              all && all->scale ? all->scale + channel : NULL};
    copy->fallback->epilogue(
        (size_t)t->w, channels, (struct gb_matrix){from + copy->blocks.pad_w * channels, channels},
        &epilogue, copy->activation, (struct gb_matrix){gb_at(t, n, row, 0) + channel, t->pixel});
}

// Rows of all blocks of all images, padding included.
static void copy_rows(void *argument, int rank, int size) {
    const struct copy *copy = argument;
    const struct gb_tensor *t = copy->view;
    const size_t channels = (size_t)copy->blocks.channels, blocks = (size_t)t->c / channels,
                 rows = (size_t)t->h + 2 * (size_t)copy->blocks.pad_h,
                 width = ((size_t)t->w + 2 * (size_t)copy->blocks.pad_w) * channels;
    const struct gb_range mine = gb_partition((size_t)t->n * blocks * rows, rank, size);
    for (size_t at = mine.begin; at < mine.end; at++) {
        const int n = (int)(at / rows / blocks), row = (int)(at % rows) - copy->blocks.pad_h,
                  channel = (int)(at / rows % blocks * channels);
        float *data = copy->data + at * width;
        if (!copy->fallback)
            copy_row_in(copy, n, channel, row, data);
        else if (row >= 0 && row < t->h)
            finish_row(copy, n, channel, row, data);
    }
}

const void *gb_libxsmm_input(const struct gb_exec *exec, const struct gb_tensor *view,
                             const struct blocks *blocks, void *buffer) {
    if (is_own(view, blocks))
        return view->data;
    struct copy copy = {.view = view, .blocks = *blocks, .data = buffer};
    const double start = gb_vendor_reorder_start(exec);
    gb_parallel(gb_threads_for(exec, gb_elements(view)), copy_rows, &copy);
    gb_vendor_reorder_end(exec, start);
    return buffer;
}

void *gb_libxsmm_output(const struct gb_tensor *view, const struct blocks *blocks, void *buffer) {
    return is_own(view, blocks) ? view->data : buffer;
}

void gb_libxsmm_finish(const struct gb_exec *exec, const struct gb_vendor_fallback *fallback,
                       const void *output, const struct blocks *blocks,
                       const struct gb_conv_epilogue *epilogue, enum gb_activation activation,
                       const struct gb_tensor *view) {
    const bool in_place = output == view->data;
    if (in_place && activation == GB_IDENTITY && !(epilogue && (epilogue->bias || epilogue->scale)))
        return;
    struct copy copy = {view, *blocks, (float *)output, fallback, epilogue, activation};
    const double start = gb_vendor_reorder_start(exec);
    gb_parallel(gb_threads_for(exec, gb_elements(view)), copy_rows, &copy);
    if (!in_place)
        gb_vendor_reorder_end(exec, start);
}

// ---- Plans ----

enum gb_status gb_libxsmm_plan_make(const struct gb_backend *backend,
                                    const struct gb_operation *operation,
                                    struct libxsmm_plan **plan) {
    *plan = calloc(1, sizeof **plan);
    if (!*plan)
        return gb_no_memory("cannot plan", operation->what);
    (*plan)->fallback = gb_vendor_fallback_of(backend);
    return GB_OK;
}

void gb_libxsmm_divide_scratch(struct libxsmm_plan *plan, const struct gb_tensor *x,
                               const struct gb_tensor *y, size_t weight_floats) {
    plan->y_at = gb_libxsmm_blocks_bytes(x, &plan->x);
    plan->gradient_at = plan->y_at + gb_libxsmm_blocks_bytes(y, &plan->y);
    plan->layer_at = plan->gradient_at + gb_round_up(weight_floats * sizeof(float), GB_ALIGNMENT);
    plan->end = plan->layer_at + plan->layer.scratch_bytes;
}

// ---- The table ----

void gb_libxsmm_overlay(struct gb_backend *table) {
    table->name = "libxsmm";
    table->isa = "AVX2";
    table->library = gb_libxsmm_name;
    table->built_with = gb_libxsmm_header;
    table->load = gb_libxsmm_load;
    table->check = gb_libxsmm_check;
    table->precisions = 1u << GB_F32;
    if (gb_cpu_has(offsetof(struct gb_cpu, avx512)))
        table->precisions |= 1u << GB_BF16;
#define LAY(entry) table->entry = gb_libxsmm_##entry;
    GB_LIBXSMM_ENTRIES(LAY)
#undef LAY
}
