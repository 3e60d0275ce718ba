// SPDX-License-Identifier: MIT
// The fully connected layer as SGEMM with n, the batch, as the small side. W is packed as k rows of
// h*w*c, the inputs in the order of memory. Threads divide the outputs, and for dx the inputs.
#include "kernels/bf16/units.h"
#include "kernels/blas/layers.h"
#include "kernels/blas/product.h"

enum {
    // Weights in a product. With a batch of 2, OpenBLAS spends more on packing its operands than on
    // the product; up to 10^6 multiply-adds it does not pack. A gradient of this size also stays in
    // cache for Adam. Measured forward: 3 times as fast from 4096 inputs on.
    PIECE_FLOATS = 1 << 17,
    // Results of a forward product: OpenBLAS packs from 1200 on. Measured: 6 times as fast from 128
    // inputs to 2304 outputs.
    PIECE_RESULTS = 1024,
};

// Outputs in a product of complete rows of W.
static size_t piece_outputs(const struct gb_fc_problem *p) {
    return gb_min_size((size_t)p->k, gb_max_size(PIECE_FLOATS / gb_fc_inputs(p), 1));
}

enum gb_status gb_blas_fc_plan(const struct gb_backend *backend,
                               const struct gb_fc_problem *problem, int threads,
                               struct gb_fc_plan *plan) {
    if (problem->bf16)
        return gb_bf16_fc_plan(backend, problem, threads, plan);
    GB_TRY(gb_blas_load(threads));
    GB_TRY(gb_problem_check(&gb_fc_operation, problem));
    *plan = (struct gb_fc_plan){
        .problem = *problem,
        .weight_floats = (size_t)problem->k * gb_fc_inputs(problem),
        .thread_bytes = gb_round_up(piece_outputs(problem) * gb_fc_inputs(problem) * sizeof(float),
                                    GB_ALIGNMENT),
        .backend_data = (void *)gb_vendor_fallback_of(backend), // only read
    };
    return GB_OK;
}

void gb_blas_fc_plan_free(struct gb_fc_plan *plan) {
    GB_BF16_ROUTE(fc_plan_free, plan);
    (void)plan;
}

// The packed index of weight `index` of PyTorch's array, k rows of c*h*w.
static size_t packed_index(const struct gb_fc_problem *p, size_t index) {
    size_t pixels = (size_t)p->h * (size_t)p->w, c = (size_t)p->c;
    size_t pixel = index % pixels, q = index / pixels % c, o = index / pixels / c;
    return (o * pixels + pixel) * c + q;
}

void gb_blas_fc_pack(const struct gb_fc_plan *plan, const float *out_by_in, float *packed) {
    GB_BF16_ROUTE(fc_pack, plan, out_by_in, packed);
    for (size_t i = 0; i < plan->weight_floats; i++)
        packed[packed_index(&plan->problem, i)] = out_by_in[i];
}

void gb_blas_fc_unpack(const struct gb_fc_plan *plan, const float *packed, float *out_by_in) {
    GB_BF16_ROUTE(fc_unpack, plan, packed, out_by_in);
    for (size_t i = 0; i < plan->weight_floats; i++)
        out_by_in[i] = packed[packed_index(&plan->problem, i)];
}

struct fc_run {
    const struct gb_fc_plan *plan;
    const struct gb_exec *exec;
    const struct gb_tensor *x, *y, *dx; // y: or dy
    float *packed, *d_packed;
    const float *bias;
    const struct gb_adam_target *update;
};

static const struct gb_vendor_fallback *fallback_of(const struct fc_run *run) {
    return run->plan->backend_data;
}

// A view's images as rows, from float `first` of each on.
static struct gb_matrix rows_of(const struct gb_tensor *t, size_t first) {
    ptrdiff_t floats = (ptrdiff_t)t->h * t->w * t->c;
    return (struct gb_matrix){(float *)t->data + first, t->n > 1 ? t->image : floats};
}

static struct gb_matrix weights_from(const struct fc_run *run, float *packed, size_t output,
                                     size_t input) {
    size_t inputs = gb_fc_inputs(&run->plan->problem);
    return (struct gb_matrix){packed + output * inputs + input, (ptrdiff_t)inputs};
}

static void forward_piece(const struct fc_run *run, size_t first, size_t end) {
    const struct gb_fc_problem *p = &run->plan->problem;
    int count = (int)(end - first);
    struct gb_matrix y = rows_of(run->y, first);
    gb_blas_multiply(p->n, count, (int)gb_fc_inputs(p), rows_of(run->x, 0), false,
                     weights_from(run, run->packed, first, 0), true, false, y);
    struct gb_conv_epilogue epilogue = {.bias = run->bias ? run->bias + first : NULL};
    fallback_of(run)->epilogue((size_t)p->n, count, y, &epilogue, p->activation, y);
}

static void forward_outputs(void *argument, int rank, int size) {
    const struct fc_run *run = argument;
    const struct gb_fc_problem *p = &run->plan->problem;
    struct gb_range outputs = gb_partition((size_t)p->k, rank, size);
    size_t piece = gb_min_size(piece_outputs(p), gb_max_size(PIECE_RESULTS / (size_t)p->n, 1));
    for (size_t first = outputs.begin, end; first < outputs.end; first = end) {
        end = gb_min_size(outputs.end, first + piece);
        forward_piece(run, first, end);
    }
}

// A weight read from cache takes as long as a float of gb_threads_for.
static int threads_for(const struct gb_fc_plan *plan, const struct gb_exec *exec) {
    return gb_threads_for(exec, plan->weight_floats);
}

void gb_blas_fc_forward(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                        const struct gb_tensor *x, const void *packed, const float *bias,
                        const struct gb_tensor *y) {
    GB_BF16_ROUTE(fc_forward, plan, exec, x, packed, bias, y);
    assert(gb_fc_operands_fit(plan, exec, x, y));
    struct fc_run run = {.plan = plan, .exec = exec, .x = x, .y = y, .bias = bias};
    run.packed = (float *)packed; // only read
    gb_blas_parallel(threads_for(plan, exec), forward_outputs, &run);
}

static void data_gradient(const struct fc_run *run, struct gb_range inputs) {
    const struct gb_fc_problem *p = &run->plan->problem;
    size_t piece = gb_max_size(PIECE_FLOATS / (size_t)p->k, 1);
    for (size_t first = inputs.begin, end; first < inputs.end; first = end) {
        end = gb_min_size(inputs.end, first + piece);
        gb_blas_multiply(p->n, (int)(end - first), p->k, rows_of(run->y, 0), false,
                         weights_from(run, run->packed, 0, first), false, false,
                         rows_of(run->dx, first));
    }
}

static void weight_gradient(const struct fc_run *run, struct gb_range outputs, float *scratch) {
    const struct gb_fc_problem *p = &run->plan->problem;
    size_t inputs = gb_fc_inputs(p), piece = piece_outputs(p);
    for (size_t first = outputs.begin, end; first < outputs.end; first = end) {
        end = gb_min_size(outputs.end, first + piece);
        struct gb_matrix d = run->update ? (struct gb_matrix){scratch, (ptrdiff_t)inputs}
                                         : weights_from(run, run->d_packed, first, 0);
        gb_blas_multiply((int)(end - first), (int)inputs, p->n, rows_of(run->y, first), true,
                         rows_of(run->x, 0), false, false, d);
        if (run->update)
            gb_blas_update(fallback_of(run), run->update, first * inputs, (end - first) * inputs,
                           d.data);
    }
}

static void backward(void *argument, int rank, int size) {
    const struct fc_run *run = argument;
    const struct gb_fc_problem *p = &run->plan->problem;
    if (run->dx)
        data_gradient(run, gb_partition(gb_fc_inputs(p), rank, size));
    gb_barrier(size); // dx reads all weights before any is updated
    weight_gradient(run, gb_partition((size_t)p->k, rank, size),
                    gb_scratch(run->exec, (size_t)rank * run->plan->thread_bytes));
}

void gb_blas_fc_backward(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                         const struct gb_tensor *x, const struct gb_tensor *dy, void *packed,
                         const struct gb_tensor *dx, float *d_packed,
                         const struct gb_adam_target *update) {
    GB_BF16_ROUTE(fc_backward, plan, exec, x, dy, packed, dx, d_packed, update);
    assert(gb_fc_operands_fit(plan, exec, x, dy) &&
           (!dx || gb_fc_operands_fit(plan, exec, dx, dy)));
    assert(gb_fc_one_target(packed, d_packed, update));
    struct fc_run run = {.plan = plan, .exec = exec, .x = x, .y = dy, .dx = dx};
    run.packed = packed;
    run.d_packed = d_packed;
    run.update = update;
    gb_blas_parallel(threads_for(plan, exec), backward, &run);
}
