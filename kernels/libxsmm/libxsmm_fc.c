// SPDX-License-Identifier: MIT
// The fully connected layer. libxsmm blocks x and y by channels with the samples of a block
// together: that is one image whose pixels are the samples, as its convolutions block it.
#include <stdlib.h>

#include "base/minmax.h"
#include "kernels/backend.h"
#include "kernels/libxsmm/libxsmm_layer.h"

// ---- libxsmm's functions ----

static void *make(const void *shape, int threads, libxsmm_dnn_err_t *status) {
    libxsmm_dnn_fullyconnected_desc description = *(const libxsmm_dnn_fullyconnected_desc *)shape;
    description.threads = threads;
    return gb_xsmm.create_fullyconnected(description, status);
}
static void destroy(void *handle) {
    gb_xsmm.destroy_fullyconnected(handle);
}
static libxsmm_dnn_tensor_datalayout *describe(void *handle, libxsmm_dnn_tensor_type type,
                                               libxsmm_dnn_err_t *status) {
    return gb_xsmm.fullyconnected_create_tensor_datalayout(handle, type, status);
}
static libxsmm_dnn_err_t bind(void *handle, const libxsmm_dnn_tensor *tensor,
                              libxsmm_dnn_tensor_type type) {
    return gb_xsmm.fullyconnected_bind_tensor(handle, tensor, type);
}
static size_t scratch_bytes(void *handle) {
    libxsmm_dnn_err_t status;
    return gb_xsmm.fullyconnected_get_scratch_size(handle, &status);
}
static void bind_scratch(void *handle, void *scratch) {
    gb_xsmm.fullyconnected_bind_scratch(handle, scratch);
}
static libxsmm_dnn_err_t run(void *handle, libxsmm_dnn_compute_kind what, int rank) {
    return gb_xsmm.fullyconnected_execute_st(handle, what, 0, rank);
}
static const struct layer_kind fully_connected = {make,          destroy,      describe, bind,
                                                  scratch_bytes, bind_scratch, run};

// ---- Plans ----

GB_LIBXSMM_NATIVE_PLANS(fc)

struct gb_tensor gb_libxsmm_samples(const struct gb_tensor *t) {
    const int floats = t->h * t->w * t->c;
    const ptrdiff_t pixel = t->n > 1 ? t->image : floats;
    return (struct gb_tensor){t->data,      t->type,      1,    1, t->n, floats,
                              t->n * pixel, t->n * pixel, pixel};
}

// The channels of a block: the largest divisor of `channels` up to 64. 0 if that is below 8, unless
// one block is all of them.
static int block_of(size_t channels) {
    enum { LARGEST = 64, SMALLEST = 8 };
    size_t block = LARGEST;
    while (channels % block != 0)
        block--;
    return block >= SMALLEST || block == channels ? (int)block : 0;
}

enum gb_status gb_libxsmm_fc_plan(const struct gb_backend *backend, const struct gb_fc_problem *p,
                                  int threads, struct gb_fc_plan *plan) {
    enum { MOST_SAMPLES = 64 }; // in a block
    if (p->bf16)
        return gb_libxsmm_bf16_fc_plan(backend, p, threads, plan);
    GB_TRY(gb_libxsmm_load());
    GB_TRY(gb_problem_check(&gb_fc_operation, p));
    const size_t inputs = gb_fc_inputs(p), weights = (size_t)p->k * inputs;
    const int x_block = block_of(inputs), y_block = block_of((size_t)p->k);
    if (x_block == 0 || y_block == 0 || p->n > MOST_SAMPLES)
        return plan_native(backend, p, threads, plan);
    struct libxsmm_plan *own;
    GB_TRY(gb_libxsmm_plan_make(backend, &gb_fc_operation, &own));
    const libxsmm_dnn_fullyconnected_desc description = {
        .N = p->n,
        .C = (int)inputs,
        .K = p->k,
        .bn = p->n,
        .bk = y_block,
        .bc = x_block,
        .datatype_in = LIBXSMM_DNN_DATATYPE_F32,
        .datatype_out = LIBXSMM_DNN_DATATYPE_F32,
        .buffer_format = LIBXSMM_DNN_TENSOR_FORMAT_NCPACKED,
        .filter_format = LIBXSMM_DNN_TENSOR_FORMAT_CKPACKED,
        .fuse_ops = LIBXSMM_DNN_FULLYCONNECTED_FUSE_NONE};
    const enum gb_status status = gb_libxsmm_layer_make(&fully_connected, &description, threads,
                                                        &gb_fc_operation, p, &own->layer);
    if (status != GB_OK) {
        free(own);
        return status;
    }
    own->x = (struct blocks){.channels = x_block};
    own->y = (struct blocks){.channels = y_block};
    const struct gb_tensor x = gb_dense(NULL, 1, 1, p->n, (int)inputs),
                           y = gb_dense(NULL, 1, 1, p->n, p->k);
    gb_libxsmm_divide_scratch(own, &x, &y, weights);
    *plan = (struct gb_fc_plan){
        .problem = *p, .weight_floats = weights, .shared_bytes = own->end, .backend_data = own};
    return GB_OK;
}

// ---- Weights ----

// The packed index of weight `index` of PyTorch's array, k rows of c*h*w: blocks of k by blocks of
// inputs in the order of memory, each with rows of k.
static size_t packed_index(const struct gb_fc_plan *plan, size_t index) {
    const struct gb_fc_problem *p = &plan->problem;
    const struct libxsmm_plan *own = plan->backend_data;
    const size_t pixels = (size_t)p->h * (size_t)p->w, c = (size_t)p->c,
                 x_block = (size_t)own->x.channels, y_block = (size_t)own->y.channels;
    const size_t pixel = index % pixels, q = index / pixels % c, o = index / pixels / c;
    const size_t input = pixel * c + q;
    const size_t block = o / y_block * (pixels * c / x_block) + input / x_block;
    return (block * x_block + input % x_block) * y_block + o % y_block;
}

void gb_libxsmm_fc_pack(const struct gb_fc_plan *plan, const float *out_by_in, float *packed) {
    GB_BF16_ROUTE(fc_pack, plan, out_by_in, packed);
    GB_LIBXSMM_ROUTE(fc, pack, out_by_in, packed);
    for (size_t i = 0; i < plan->weight_floats; i++)
        packed[packed_index(plan, i)] = out_by_in[i];
}

void gb_libxsmm_fc_unpack(const struct gb_fc_plan *plan, const float *packed, float *out_by_in) {
    GB_BF16_ROUTE(fc_unpack, plan, packed, out_by_in);
    GB_LIBXSMM_ROUTE(fc, unpack, packed, out_by_in);
    for (size_t i = 0; i < plan->weight_floats; i++)
        out_by_in[i] = packed[packed_index(plan, i)];
}

// ---- Runs ----

// A weight read from cache takes as long as a float of gb_threads_for.
static int threads_for(const struct gb_fc_plan *plan, const struct gb_exec *exec) {
    return gb_threads_for(exec, plan->weight_floats);
}

void gb_libxsmm_fc_forward(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                           const struct gb_tensor *x, const void *packed, const float *bias,
                           const struct gb_tensor *y) {
    GB_BF16_ROUTE(fc_forward, plan, exec, x, packed, bias, y);
    GB_LIBXSMM_ROUTE(fc, forward, exec, x, packed, bias, y);
    assert(gb_fc_operands_fit(plan, exec, x, y));
    const struct libxsmm_plan *own = plan->backend_data;
    const struct gb_tensor in = gb_libxsmm_samples(x), out = gb_libxsmm_samples(y);
    void *output = gb_libxsmm_output(&out, &own->y, gb_scratch(exec, own->y_at));
    gb_libxsmm_set(&own->layer, X_OPERAND, gb_libxsmm_input(exec, &in, &own->x, exec->scratch));
    gb_libxsmm_set(&own->layer, WEIGHTS_OPERAND, packed);
    gb_libxsmm_set(&own->layer, Y_OPERAND, output);
    gb_libxsmm_run(&own->layer, threads_for(plan, exec), LIBXSMM_DNN_COMPUTE_KIND_FWD,
                   gb_scratch(exec, own->layer_at));
    gb_libxsmm_finish(exec, own->fallback, output, &own->y,
                      &(struct gb_conv_epilogue){.bias = bias}, plan->problem.activation, &out);
}

void gb_libxsmm_fc_backward(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                            const struct gb_tensor *x, const struct gb_tensor *dy, void *packed,
                            const struct gb_tensor *dx, float *d_packed,
                            const struct gb_adam_target *update) {
    GB_BF16_ROUTE(fc_backward, plan, exec, x, dy, packed, dx, d_packed, update);
    GB_LIBXSMM_ROUTE(fc, backward, exec, x, dy, packed, dx, d_packed, update);
    assert(gb_fc_operands_fit(plan, exec, x, dy) &&
           (!dx || gb_fc_operands_fit(plan, exec, dx, dy)));
    assert(gb_fc_one_target(packed, d_packed, update));
    const struct libxsmm_plan *own = plan->backend_data;
    const int threads = threads_for(plan, exec);
    void *scratch = gb_scratch(exec, own->layer_at);
    float *gradient = update ? gb_scratch(exec, own->gradient_at) : d_packed;
    const struct gb_tensor in = gb_libxsmm_samples(x), out = gb_libxsmm_samples(dy);
    gb_libxsmm_set(&own->layer, DY_OPERAND,
                   gb_libxsmm_input(exec, &out, &own->y, gb_scratch(exec, own->y_at)));
    if (dx) {
        const struct gb_tensor made = gb_libxsmm_samples(dx);
        void *output = gb_libxsmm_output(&made, &own->x, exec->scratch);
        gb_libxsmm_set(&own->layer, WEIGHTS_OPERAND, packed);
        gb_libxsmm_set(&own->layer, DX_OPERAND, output);
        gb_libxsmm_run(&own->layer, threads, LIBXSMM_DNN_COMPUTE_KIND_BWD, scratch);
        gb_libxsmm_finish(exec, own->fallback, output, &own->x, NULL, GB_IDENTITY, &made);
    }
    gb_libxsmm_set(&own->layer, X_OPERAND, gb_libxsmm_input(exec, &in, &own->x, exec->scratch));
    gb_libxsmm_set(&own->layer, GRADIENT_OPERAND, gradient);
    gb_libxsmm_run(&own->layer, threads, LIBXSMM_DNN_COMPUTE_KIND_UPD, scratch);
    if (update)
        own->fallback->backend->adam(exec, update, 0, plan->weight_floats, gradient);
}
