// SPDX-License-Identifier: MIT
// Convolution. libxsmm pads in memory: x, dx, y and dy have zeros around them (dy as many as the
// data gradient reads, y and dx only because one layer has one layout for each pair).
#include <stdlib.h>

#include "base/minmax.h"
#include "kernels/backend.h"
#include "kernels/libxsmm/libxsmm_layer.h"

// ---- libxsmm's functions ----

static void *make(const void *shape, int threads, libxsmm_dnn_err_t *status) {
    libxsmm_dnn_conv_desc description = *(const libxsmm_dnn_conv_desc *)shape;
    description.threads = threads;
    return gb_xsmm.create_conv_layer(description, status);
}
static void destroy(void *handle) {
    gb_xsmm.destroy_conv_layer(handle);
}
static libxsmm_dnn_tensor_datalayout *describe(void *handle, libxsmm_dnn_tensor_type type,
                                               libxsmm_dnn_err_t *status) {
    return gb_xsmm.create_tensor_datalayout(handle, type, status);
}
static libxsmm_dnn_err_t bind(void *handle, const libxsmm_dnn_tensor *tensor,
                              libxsmm_dnn_tensor_type type) {
    return gb_xsmm.bind_tensor(handle, tensor, type);
}
static size_t scratch_bytes(void *handle) {
    libxsmm_dnn_err_t status;
    return gb_xsmm.get_scratch_size(handle, LIBXSMM_DNN_COMPUTE_KIND_ALL, &status);
}
static void bind_scratch(void *handle, void *scratch) {
    gb_xsmm.bind_scratch(handle, LIBXSMM_DNN_COMPUTE_KIND_ALL, scratch);
}
static libxsmm_dnn_err_t run(void *handle, libxsmm_dnn_compute_kind what, int rank) {
    return gb_xsmm.execute_st(handle, what, 0, rank);
}
static const struct layer_kind convolution = {make,          destroy,      describe, bind,
                                              scratch_bytes, bind_scratch, run};

// ---- Plans ----

// libxsmm's own choice: all channels below 64, else the largest power of two that divides them; on
// AVX2 half of that.
static int block_of(int channels, int largest) {
    if (channels < largest)
        return channels;
    int block = largest;
    while (channels % block != 0)
        block /= 2;
    return block;
}

static bool is_pointwise(const struct gb_conv_problem *p) {
    return p->kernel_h == 1 && p->kernel_w == 1;
}

// What libxsmm 1.17 computes without an error, by its sources. It was written for networks like
// ResNet, and asks for one size of a pair in many places where it needs both.
static bool is_right(const struct gb_conv_problem *p, int threads) {
    const int out_h = gb_conv_out_h(p), out_w = gb_conv_out_w(p);
    const bool strided = p->stride_h > 1, padded_by_one = p->pad_h == 1 && p->pad_w == 1,
               three_by_three = p->kernel_h == 3 && p->kernel_w == 3;
    if (p->stride_h != p->stride_w || (p->kernel_h == 1) != (p->kernel_w == 1))
        return false;
    // Small images skip the products with the padding, and products of no pixels are NULL.
    if (three_by_three && padded_by_one && (out_w < 2 || out_h < 2))
        return false;
    // With one image per thread it skips them with strides too, where they are not all zero.
    if (three_by_three && padded_by_one && strided && out_h <= 7 && p->n == threads)
        return false;
    // Scratch for every other pixel of an odd number of rows.
    if (is_pointwise(p) && strided && p->k > 512)
        return false;
    // Halves of a row's pixels from several rows at a time, and for the weights pairs of rows.
    return !(is_pointwise(p) && out_w == 56 && (out_h <= 14 || out_h % 2 != 0));
}

// libxsmm's layers keep the addresses of a sum's products in arrays of this size.
enum { MOST_PRODUCTS = 1024 };

static bool products_fit(const struct gb_conv_problem *p, int threads, int x_block, int y_block) {
    const int taps = p->kernel_h * p->kernel_w, out_h = gb_conv_out_h(p);
    const int rows = p->n == threads ? p->n : 1;
    return is_pointwise(p) ? p->c / x_block <= MOST_PRODUCTS && p->k / y_block <= MOST_PRODUCTS &&
                                 out_h <= MOST_PRODUCTS / rows
                           : taps <= MOST_PRODUCTS / 2 && out_h <= MOST_PRODUCTS / rows;
}

static bool takes(const struct gb_conv_problem *p, int threads, int x_block, int y_block) {
    enum { SMALLEST_BLOCK = 8 }; // of several
    return (x_block == p->c || x_block >= SMALLEST_BLOCK) &&
           (y_block == p->k || y_block >= SMALLEST_BLOCK) && is_right(p, threads) &&
           is_right(p, 1) && products_fit(p, threads, x_block, y_block) &&
           products_fit(p, 1, x_block, y_block);
}

static libxsmm_dnn_conv_desc description_of(const struct gb_conv_problem *p) {
    // The data gradient is a convolution of dy padded by kernel - 1 - pad. libxsmm pads it by pad:
    // unless these are equal, it must not be padded at all, and other loops run.
    const bool same = p->kernel_h == 2 * p->pad_h + 1 && p->kernel_w == 2 * p->pad_w + 1;
    return (libxsmm_dnn_conv_desc){.N = p->n,
                                   .C = p->c,
                                   .H = p->h,
                                   .W = p->w,
                                   .K = p->k,
                                   .R = p->kernel_h,
                                   .S = p->kernel_w,
                                   .u = p->stride_h,
                                   .v = p->stride_w,
                                   .pad_h = p->pad_h,
                                   .pad_w = p->pad_w,
                                   .pad_h_in = p->pad_h,
                                   .pad_w_in = p->pad_w,
                                   .pad_h_out = same ? p->pad_h : 0,
                                   .pad_w_out = same ? p->pad_w : 0,
                                   .datatype_in = LIBXSMM_DNN_DATATYPE_F32,
                                   .datatype_out = LIBXSMM_DNN_DATATYPE_F32,
                                   .buffer_format = LIBXSMM_DNN_TENSOR_FORMAT_LIBXSMM,
                                   .filter_format = LIBXSMM_DNN_TENSOR_FORMAT_LIBXSMM,
                                   .algo = LIBXSMM_DNN_CONV_ALGO_DIRECT,
                                   .options = LIBXSMM_DNN_CONV_OPTION_OVERWRITE};
}

GB_LIBXSMM_NATIVE_PLANS(conv)

enum gb_status gb_libxsmm_conv_plan(const struct gb_backend *backend,
                                    const struct gb_conv_problem *p, int threads,
                                    struct gb_conv_plan *plan) {
    if (p->format != GB_FLOATS)
        return gb_libxsmm_bf16_conv_plan(backend, p, threads, plan);
    GB_TRY(gb_libxsmm_load());
    GB_TRY(gb_problem_check(&gb_conv_operation, p));
    const int largest = gb_libxsmm_conv_block;
    const int x_block = block_of(p->c, largest), y_block = block_of(p->k, largest);
    if (!takes(p, threads, x_block, y_block))
        return plan_native(backend, p, threads, plan);
    struct libxsmm_plan *own;
    GB_TRY(gb_libxsmm_plan_make(backend, &gb_conv_operation, &own));
    const libxsmm_dnn_conv_desc description = description_of(p);
    const enum gb_status status = gb_libxsmm_layer_make(&convolution, &description, threads,
                                                        &gb_conv_operation, p, &own->layer);
    if (status != GB_OK) {
        free(own);
        return status;
    }
    own->x = (struct blocks){x_block, description.pad_h_in, description.pad_w_in};
    own->y = (struct blocks){y_block, description.pad_h_out, description.pad_w_out};
    const size_t weights = (size_t)p->k * (size_t)p->c * (size_t)p->kernel_h * (size_t)p->kernel_w;
    const struct gb_tensor x = gb_dense(NULL, p->n, p->h, p->w, p->c),
                           y = gb_dense(NULL, p->n, gb_conv_out_h(p), gb_conv_out_w(p), p->k);
    gb_libxsmm_divide_scratch(own, &x, &y, weights);
    *plan = (struct gb_conv_plan){.problem = *p,
                                  .out_h = gb_conv_out_h(p),
                                  .out_w = gb_conv_out_w(p),
                                  .weight_floats = weights,
                                  .shared_bytes = own->end + gb_epilogue_scratch_bytes(&x),
                                  .backend_data = own};
    plan->forward = (struct gb_conv_choice){
        .name = "libxsmm", .shared_bytes = plan->shared_bytes, .work = gb_conv_work(p)};
    plan->backward_data = plan->backward_weights = plan->forward;
    return GB_OK;
}

// ---- Weights ----

// The packed index of weight `index` of an OIHW array: blocks of k by blocks of c, each with taps
// of c rows of k.
static size_t packed_index(const struct gb_conv_plan *plan, size_t index) {
    const struct gb_conv_problem *p = &plan->problem;
    const struct libxsmm_plan *own = plan->backend_data;
    const size_t taps = (size_t)p->kernel_h * (size_t)p->kernel_w, c = (size_t)p->c,
                 x_block = (size_t)own->x.channels, y_block = (size_t)own->y.channels;
    const size_t tap = index % taps, q = index / taps % c, o = index / taps / c;
    const size_t block = o / y_block * (c / x_block) + q / x_block;
    return ((block * taps + tap) * x_block + q % x_block) * y_block + o % y_block;
}

void gb_libxsmm_conv_pack(const struct gb_conv_plan *plan, const float *oihw, float *packed) {
    GB_BF16_ROUTE(conv_pack, plan, oihw, packed);
    GB_LIBXSMM_ROUTE(conv, pack, oihw, packed);
    for (size_t i = 0; i < plan->weight_floats; i++)
        packed[packed_index(plan, i)] = oihw[i];
}

void gb_libxsmm_conv_unpack(const struct gb_conv_plan *plan, const float *packed, float *oihw) {
    GB_BF16_ROUTE(conv_unpack, plan, packed, oihw);
    GB_LIBXSMM_ROUTE(conv, unpack, packed, oihw);
    for (size_t i = 0; i < plan->weight_floats; i++)
        oihw[i] = packed[packed_index(plan, i)];
}

// ---- Runs ----

static int threads_for(const struct gb_conv_plan *plan, const struct gb_exec *exec) {
    return gb_threads_for(exec, plan->forward.work);
}

void gb_libxsmm_conv_forward(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                             const struct gb_tensor *x, const void *packed,
                             const struct gb_conv_epilogue *epilogue, const struct gb_tensor *y) {
    GB_BF16_ROUTE(conv_forward, plan, exec, x, packed, epilogue, y);
    GB_LIBXSMM_ROUTE(conv, forward, exec, x, packed, epilogue, y);
    assert(gb_conv_operands_fit(plan, exec, x, y) && epilogue);
    const struct libxsmm_plan *own = plan->backend_data;
    void *output = gb_libxsmm_output(y, &own->y, gb_scratch(exec, own->y_at));
    gb_libxsmm_set(&own->layer, X_OPERAND, gb_libxsmm_input(exec, x, &own->x, exec->scratch));
    gb_libxsmm_set(&own->layer, WEIGHTS_OPERAND, packed);
    gb_libxsmm_set(&own->layer, Y_OPERAND, output);
    gb_libxsmm_run(&own->layer, threads_for(plan, exec), LIBXSMM_DNN_COMPUTE_KIND_FWD,
                   gb_scratch(exec, own->layer_at));
    gb_libxsmm_finish(exec, own->fallback, output, &own->y, epilogue, plan->problem.activation, y);
}

void gb_libxsmm_conv_backward_data(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                   const struct gb_tensor *dy, const void *packed,
                                   const struct gb_conv_input_epilogue *epilogue,
                                   const struct gb_tensor *dx) {
    GB_BF16_ROUTE(conv_backward_data, plan, exec, dy, packed, epilogue, dx);
    GB_LIBXSMM_ROUTE(conv, backward_data, exec, dy, packed, epilogue, dx);
    assert(gb_conv_operands_fit(plan, exec, dx, dy));
    assert(gb_conv_input_epilogue_fits(epilogue, dx));
    const struct libxsmm_plan *own = plan->backend_data;
    void *output = gb_libxsmm_output(dx, &own->x, exec->scratch);
    gb_libxsmm_set(&own->layer, DY_OPERAND,
                   gb_libxsmm_input(exec, dy, &own->y, gb_scratch(exec, own->y_at)));
    gb_libxsmm_set(&own->layer, WEIGHTS_OPERAND, packed);
    gb_libxsmm_set(&own->layer, DX_OPERAND, output);
    gb_libxsmm_run(&own->layer, threads_for(plan, exec), LIBXSMM_DNN_COMPUTE_KIND_BWD,
                   gb_scratch(exec, own->layer_at));
    gb_libxsmm_finish(exec, own->fallback, output, &own->x, NULL, GB_IDENTITY, dx);
    if (epilogue)
        own->fallback->backend->epilogue_backward(exec, epilogue->activation, dx, epilogue->x,
                                                  epilogue->scale, dx, epilogue->d_bias,
                                                  epilogue->d_log_scale);
}

void gb_libxsmm_conv_backward_weights(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                      const struct gb_tensor *x, const struct gb_tensor *dy,
                                      float *d_packed, const struct gb_adam_target *update) {
    GB_BF16_ROUTE(conv_backward_weights, plan, exec, x, dy, d_packed, update);
    GB_LIBXSMM_ROUTE(conv, backward_weights, exec, x, dy, d_packed, update);
    assert(gb_conv_operands_fit(plan, exec, x, dy));
    assert(gb_conv_one_target(d_packed, update));
    const struct libxsmm_plan *own = plan->backend_data;
    float *gradient = update ? gb_scratch(exec, own->gradient_at) : d_packed;
    // Wide rows of fewer images than threads: libxsmm adds up scratch that nothing was written to.
    const bool serial = plan->out_w >= 56 && plan->problem.n < own->layer.threads;
    gb_libxsmm_set(&own->layer, X_OPERAND, gb_libxsmm_input(exec, x, &own->x, exec->scratch));
    gb_libxsmm_set(&own->layer, DY_OPERAND,
                   gb_libxsmm_input(exec, dy, &own->y, gb_scratch(exec, own->y_at)));
    gb_libxsmm_set(&own->layer, GRADIENT_OPERAND, gradient);
    gb_libxsmm_run(&own->layer, serial ? 1 : threads_for(plan, exec), LIBXSMM_DNN_COMPUTE_KIND_UPD,
                   gb_scratch(exec, own->layer_at));
    if (update)
        own->fallback->backend->adam(exec, update, 0, plan->weight_floats, gradient);
}
