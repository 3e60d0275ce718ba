// SPDX-License-Identifier: MIT
// inv1x1 as SGEMM: one product per sample where its pixels are evenly spaced, otherwise one per
// image row. Threads divide the pixels, and for the matrices' gradient the rows of all matrices.
#include "kernels/blas/layers.h"
#include "kernels/blas/product.h"

enum gb_status gb_blas_inv1x1_plan(const struct gb_image_problem *problem, int threads,
                                   struct gb_inv1x1_plan *plan) {
    GB_TRY(gb_blas_load(threads));
    GB_TRY(gb_problem_check(&gb_inv1x1_operation, problem));
    *plan = (struct gb_inv1x1_plan){.problem = *problem};
    return GB_OK;
}

void gb_blas_inv1x1_plan_free(struct gb_inv1x1_plan *plan) {
    (void)plan;
}

struct inv1x1_run {
    const struct gb_tensor *in, *out; // out = matrix * in, or matrix^T * in
    float *matrices;
    bool transposed;
    // The matrices' gradient: sum of d_output input^T, with d_output above as `in`. NULL forward.
    const struct gb_tensor *input;
    float *d_matrices;
};

// The row stride of a single row is irrelevant.
static bool image_is_run(const struct gb_tensor *t) {
    return t->h == 1 || t->row == t->w * t->pixel;
}

// Pixels that one product takes of each of two views.
static size_t run_pixels(const struct gb_tensor *a, const struct gb_tensor *b) {
    return (size_t)a->w * (image_is_run(a) && image_is_run(b) ? (size_t)a->h : 1);
}

// The rows of a view from `pixel` of image n on.
static struct gb_matrix pixels_from(const struct gb_tensor *t, size_t n, size_t pixel) {
    size_t w = (size_t)t->w;
    return (struct gb_matrix){gb_at(t, (int)n, (int)(pixel / w), (int)(pixel % w)), t->pixel};
}

// Row `row` of all matrices.
static struct gb_matrix matrix_from(float *matrices, size_t row, size_t c) {
    return (struct gb_matrix){matrices + row * c, (ptrdiff_t)c};
}

// Pixels numbered through the images.
static void multiply_pixels(const struct inv1x1_run *run, struct gb_range share) {
    const struct gb_tensor *in = run->in;
    size_t pixels = (size_t)in->h * (size_t)in->w, c = (size_t)in->c;
    size_t run_length = run_pixels(in, run->out);
    for (size_t at = share.begin, next; at < share.end; at = next) {
        size_t n = at / pixels, pixel = at % pixels;
        next = gb_min_size(share.end, (at / run_length + 1) * run_length);
        gb_blas_multiply((int)(next - at), in->c, in->c, pixels_from(in, n, pixel), false,
                         matrix_from(run->matrices, n * c, c), !run->transposed, false,
                         pixels_from(run->out, n, pixel));
    }
}

// Rows [first, first + count) of image n's gradient.
static void gradient_rows(const struct inv1x1_run *run, size_t n, size_t first, size_t count) {
    const struct gb_tensor *in = run->in;
    size_t pixels = (size_t)in->h * (size_t)in->w, c = (size_t)in->c;
    size_t run_length = run_pixels(in, run->input);
    for (size_t pixel = 0; pixel < pixels; pixel += run_length) {
        struct gb_matrix d_output = pixels_from(in, n, pixel);
        d_output.data += first;
        gb_blas_multiply((int)count, in->c, (int)run_length, d_output, true,
                         pixels_from(run->input, n, pixel), false, pixel > 0,
                         matrix_from(run->d_matrices, n * c + first, c));
    }
}

static void inv1x1_share(void *argument, int rank, int size) {
    const struct inv1x1_run *run = argument;
    const struct gb_tensor *in = run->in;
    size_t images = (size_t)in->n, c = (size_t)in->c;
    multiply_pixels(run, gb_partition(images * (size_t)in->h * (size_t)in->w, rank, size));
    if (!run->d_matrices)
        return;
    struct gb_range rows = gb_partition(images * c, rank, size);
    for (size_t row = rows.begin, next; row < rows.end; row = next) {
        next = gb_min_size(rows.end, (row / c + 1) * c);
        gradient_rows(run, row / c, row % c, next - row);
    }
}

static void run_inv1x1(const struct gb_exec *exec, struct inv1x1_run *run) {
    enum { PER_FLOAT = 4 }; // multiply-adds in the time of a float of gb_threads_for
    size_t multiply_adds = gb_elements(run->in) * (size_t)run->in->c * (run->d_matrices ? 2 : 1);
    gb_blas_parallel(gb_threads_for(exec, multiply_adds / PER_FLOAT), inv1x1_share, run);
}

void gb_blas_inv1x1_forward(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec,
                            const struct gb_tensor *v, const float *matrices,
                            const struct gb_tensor *u) {
    assert(gb_inv1x1_operands_fit(plan, exec, v, u));
    (void)plan;
    struct inv1x1_run run = {.in = v, .out = u};
    run.matrices = (float *)matrices; // only read
    run_inv1x1(exec, &run);
}

void gb_blas_inv1x1_backward(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec,
                             const struct gb_tensor *v, const float *matrices,
                             const struct gb_tensor *du, const struct gb_tensor *dv,
                             float *d_matrices) {
    assert(gb_inv1x1_operands_fit(plan, exec, v, du) && gb_inv1x1_operands_fit(plan, exec, dv, du));
    (void)plan;
    struct inv1x1_run run = {
        .in = du, .out = dv, .transposed = true, .input = v, .d_matrices = d_matrices};
    run.matrices = (float *)matrices; // only read
    run_inv1x1(exec, &run);
}
