// SPDX-License-Identifier: MIT
// Convolution as im2col + SGEMM. With g[p, (tap, q)] the input under the filter at output pixel p,
//   forward        y = g * W       blocks of output pixels: gather, multiply, epilogue
//   data           g' = dy * W^T   blocks of output pixels: multiply, scatter-add (col2im) into dx
//   weights        W' = g^T * dy   pieces of W's rows, over blocks of output pixels
// and W packed as taps*c rows of k. Where a pixel's gathered row is the pixel itself (1x1, stride
// 1) and the view is a matrix, SGEMM reads or writes the view.
#include <string.h>

#include "kernels/bf16/units.h"
#include "kernels/blas/layers.h"
#include "kernels/blas/product.h"

enum {
    // Output pixels in a block: enough to amortise the library's packing of W, repeated in each
    // product. Complete gathered rows of fewer pixels, with as many floats in all, took 1.2 times
    // as long (256 to 256 channels, 3x3).
    BLOCK_PIXELS = 1024,
    // Floats of gathered rows at a time, as many columns as fit: half of an L2 cache of 2 MiB.
    GATHERED_FLOATS = 1 << 18,
    // Rows of W in a piece of the weight gradient.
    PIECE_ROWS = GATHERED_FLOATS / BLOCK_PIXELS,
};

static const struct gb_exec alone = {.threads = 1}; // for the fallback's kernels inside a team

// Rows of W.
static size_t gathered_row(const struct gb_conv_problem *p) {
    return (size_t)p->kernel_h * (size_t)p->kernel_w * (size_t)p->c;
}

static bool is_pointwise(const struct gb_conv_problem *p) {
    return p->kernel_h == 1 && p->kernel_w == 1 && p->stride_h == 1 && p->stride_w == 1;
}

// A thread's scratch: gathered rows (or their gradient, on its way to col2im), k floats of each
// pixel of a block (the product, or dy where it is not a matrix), and a piece of the weight
// gradient.
struct scratch_plan {
    size_t gathered, outputs, piece;
};

static struct scratch_plan plan_scratch(const struct gb_conv_problem *p) {
    enum { LINE = GB_ALIGNMENT / sizeof(float) };
    size_t pixels = (size_t)p->n * (size_t)gb_conv_out_h(p) * (size_t)gb_conv_out_w(p);
    size_t row = gathered_row(p), k = (size_t)p->k;
    return (struct scratch_plan){
        .gathered = gb_round_up(gb_min_size(GATHERED_FLOATS, pixels * row), LINE),
        .outputs = gb_round_up(gb_min_size(BLOCK_PIXELS, pixels) * k, LINE),
        .piece = gb_round_up(gb_min_size(PIECE_ROWS, row) * k, LINE),
    };
}

enum gb_status gb_blas_conv_plan(const struct gb_backend *backend,
                                 const struct gb_conv_problem *problem, int threads,
                                 struct gb_conv_plan *plan) {
    if (problem->format != GB_FLOATS)
        return gb_bf16_conv_plan(backend, problem, threads, plan);
    GB_TRY(gb_blas_load(threads));
    GB_TRY(gb_problem_check(&gb_conv_operation, problem));
    struct scratch_plan scratch = plan_scratch(problem);
    struct gb_tensor x = gb_dense(NULL, problem->n, problem->h, problem->w, problem->c);
    *plan = (struct gb_conv_plan){
        .problem = *problem,
        .out_h = gb_conv_out_h(problem),
        .out_w = gb_conv_out_w(problem),
        .weight_floats = gathered_row(problem) * (size_t)problem->k,
        .shared_bytes = gb_epilogue_scratch_bytes(&x), // the fallback's, after the data gradient
        .thread_bytes = (scratch.gathered + scratch.outputs + scratch.piece) * sizeof(float),
        .backend_data = (void *)gb_vendor_fallback_of(backend), // only read
    };
    const size_t work = gb_conv_work(problem);
    plan->forward = (struct gb_conv_choice){.name = gb_conv_algorithm_names[GB_CONV_IM2COL],
                                            .shared_bytes = plan->shared_bytes,
                                            .thread_bytes = plan->thread_bytes,
                                            .work = work};
    plan->backward_data = plan->backward_weights = plan->forward;
    plan->backward_data.name = gb_conv_algorithm_names[GB_CONV_COL2IM];
    return GB_OK;
}

void gb_blas_conv_plan_free(struct gb_conv_plan *plan) {
    GB_BF16_ROUTE(conv_plan_free, plan);
    (void)plan;
}

// The packed index of weight `index` of an OIHW array.
static size_t packed_index(const struct gb_conv_problem *p, size_t index) {
    size_t taps = (size_t)p->kernel_h * (size_t)p->kernel_w, c = (size_t)p->c;
    size_t tap = index % taps, q = index / taps % c, o = index / taps / c;
    return (tap * c + q) * (size_t)p->k + o;
}

void gb_blas_conv_pack(const struct gb_conv_plan *plan, const float *oihw, float *packed) {
    GB_BF16_ROUTE(conv_pack, plan, oihw, packed);
    for (size_t i = 0; i < plan->weight_floats; i++)
        packed[packed_index(&plan->problem, i)] = oihw[i];
}

void gb_blas_conv_unpack(const struct gb_conv_plan *plan, const float *packed, float *oihw) {
    GB_BF16_ROUTE(conv_unpack, plan, packed, oihw);
    for (size_t i = 0; i < plan->weight_floats; i++)
        oihw[i] = packed[packed_index(&plan->problem, i)];
}

struct thread_scratch {
    float *gathered, *outputs, *piece;
};

static const struct gb_vendor_fallback *fallback_of(const struct gb_conv_plan *plan) {
    return plan->backend_data;
}

struct conv_run {
    const struct gb_conv_plan *plan;
    const struct gb_exec *exec;
    const struct gb_tensor *x, *y; // or dx and dy
    float *packed;                 // weights, or their gradient
    const struct gb_conv_epilogue *epilogue;
    const struct gb_adam_target *update;
    // What run_blocks does to a share of the output pixels.
    void (*block)(const struct conv_run *run, const struct thread_scratch *scratch,
                  struct gb_range share);
};

static struct thread_scratch scratch_of(const struct conv_run *run, int rank) {
    struct scratch_plan plan = plan_scratch(&run->plan->problem);
    float *at = gb_scratch(run->exec, (size_t)rank * run->plan->thread_bytes);
    return (struct thread_scratch){at, at + plan.gathered, at + plan.gathered + plan.outputs};
}

// The packed weights, from row `row` on.
static struct gb_matrix weight_rows(const struct conv_run *run, size_t row) {
    ptrdiff_t k = run->plan->problem.k;
    return (struct gb_matrix){run->packed + row * (size_t)k, k};
}

// ---- Pixels of a view, numbered through its images ----

// Neighbouring pixels of one image row.
struct stretch {
    int n, i, j;
    size_t pixels;
};

// Those from `pixel` on, as far as `end`.
static struct stretch stretch_at(const struct gb_tensor *t, size_t pixel, size_t end) {
    size_t w = (size_t)t->w, h = (size_t)t->h, j = pixel % w;
    return (struct stretch){(int)(pixel / w / h), (int)(pixel / w % h), (int)j,
                            gb_min_size(w - j, end - pixel)};
}

static size_t pixel_count(const struct gb_tensor *t) {
    return (size_t)t->n * (size_t)t->h * (size_t)t->w;
}

static struct gb_matrix matrix_from(const struct gb_tensor *t, size_t pixel) {
    return (struct gb_matrix){(float *)t->data + (ptrdiff_t)pixel * t->pixel, t->pixel};
}

static struct gb_matrix rows_from(struct gb_matrix m, size_t row) {
    return (struct gb_matrix){m.data + (ptrdiff_t)row * m.pitch, m.pitch};
}

static void copy_rows(struct gb_matrix to, struct gb_matrix from, size_t rows, int floats) {
    for (; rows > 0; rows--, to.data += to.pitch, from.data += from.pitch)
        memcpy(to.data, from.data, (size_t)floats * sizeof *to.data);
}

// A share of a view's pixels as a matrix: the view itself, or a copy in `copy`.
static struct gb_matrix read_pixels(const struct gb_tensor *t, struct gb_range share, float *copy) {
    if (gb_is_matrix(t))
        return matrix_from(t, share.begin);
    struct gb_matrix copies = {copy, t->c};
    struct stretch s;
    for (size_t at = share.begin; at < share.end; at += s.pixels) {
        s = stretch_at(t, at, share.end);
        struct gb_matrix from = {gb_at(t, s.n, s.i, s.j), t->pixel};
        copy_rows(rows_from(copies, at - share.begin), from, s.pixels, t->c);
    }
    return copies;
}

// ---- im2col ----

// Columns [columns.begin, columns.end) of one output pixel's gathered row, all of taps in filter
// row `a`, to `g`.
static void gather_taps(const struct conv_run *run, struct stretch out, int a,
                        struct gb_range columns, float *g) {
    const struct gb_conv_problem *p = &run->plan->problem;
    const struct gb_tensor *x = run->x;
    size_t c = (size_t)p->c, taps = (size_t)p->kernel_w;
    int row = out.i * p->stride_h + a - p->pad_h, left = out.j * p->stride_w - p->pad_w;
    size_t origin = (size_t)a * taps * c; // the filter row's own column 0
    size_t begin = columns.begin - origin, end = columns.end - origin;
    size_t from = end, to = end; // the part inside the image
    if (row >= 0 && row < p->h) {
        from = gb_min_size(gb_max_size(begin, left < 0 ? (size_t)-left * c : 0), end);
        to = gb_max_size(gb_min_size(end, (size_t)(p->w - left) * c), from);
    }
    memset(g, 0, (from - begin) * sizeof *g);
    memset(g + (to - begin), 0, (end - to) * sizeof *g);
    // Taps are neighbours in memory where pixels are.
    for (size_t at = from, next; at < to; at = next) {
        next = x->pixel == x->c ? to : gb_min_size(to, (at / c + 1) * c);
        const float *source = gb_at(x, out.n, row, left + (int)(at / c)) + at % c;
        memcpy(g + (at - begin), source, (next - at) * sizeof *g);
    }
}

// A share of the output pixels' gathered rows, of which `columns` are wanted: the view itself, or
// made in `block`.
static struct gb_matrix gather(const struct conv_run *run, struct gb_range share,
                               struct gb_range columns, float *block) {
    const struct gb_conv_problem *p = &run->plan->problem;
    if (is_pointwise(p) && gb_is_matrix(run->x)) {
        struct gb_matrix view = matrix_from(run->x, share.begin);
        return (struct gb_matrix){view.data + columns.begin, view.pitch};
    }
    size_t filter_row = (size_t)p->kernel_w * (size_t)p->c;
    struct gb_matrix g = {block, (ptrdiff_t)(columns.end - columns.begin)};
    for (size_t at = share.begin; at < share.end; at++, block += g.pitch) {
        struct stretch out = stretch_at(run->y, at, share.end);
        for (size_t column = columns.begin, end; column < columns.end; column = end) {
            size_t a = column / filter_row;
            end = gb_min_size(columns.end, (a + 1) * filter_row);
            gather_taps(run, out, (int)a, (struct gb_range){column, end},
                        block + (column - columns.begin));
        }
    }
    return g;
}

// ---- Forward ----

static void forward_block(const struct conv_run *run, const struct thread_scratch *scratch,
                          struct gb_range share) {
    const struct gb_conv_problem *p = &run->plan->problem;
    const struct gb_tensor *y = run->y;
    size_t pixels = share.end - share.begin, row = gathered_row(p);
    struct gb_matrix u = {scratch->outputs, p->k};
    if (gb_is_matrix(y))
        u = matrix_from(y, share.begin);
    for (size_t first = 0, end; first < row; first = end) {
        end = gb_min_size(row, first + GATHERED_FLOATS / pixels);
        struct gb_matrix g = gather(run, share, (struct gb_range){first, end}, scratch->gathered);
        gb_blas_multiply((int)pixels, p->k, (int)(end - first), g, false, weight_rows(run, first),
                         false, first > 0, u);
    }
    struct stretch s;
    for (size_t at = share.begin; at < share.end; at += s.pixels) {
        s = stretch_at(y, at, share.end);
        fallback_of(run->plan)->epilogue(s.pixels, p->k, rows_from(u, at - share.begin),
                                         run->epilogue, p->activation,
                                         (struct gb_matrix){gb_at(y, s.n, s.i, s.j), y->pixel});
    }
}

// Runs run->block on the blocks of output pixels that fall to this rank.
static void run_blocks(void *argument, int rank, int size) {
    const struct conv_run *run = argument;
    struct thread_scratch scratch = scratch_of(run, rank);
    size_t pixels = pixel_count(run->y);
    size_t blocks = gb_blas_pieces(pixels, BLOCK_PIXELS, size);
    struct gb_range mine = gb_partition(blocks, rank, size);
    for (size_t block = mine.begin; block < mine.end; block++) {
        struct gb_range share = gb_partition(pixels, (int)block, (int)blocks);
        if (share.begin < share.end)
            run->block(run, &scratch, share);
    }
}

void gb_blas_conv_forward(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                          const struct gb_tensor *x, const void *packed,
                          const struct gb_conv_epilogue *epilogue, const struct gb_tensor *y) {
    GB_BF16_ROUTE(conv_forward, plan, exec, x, packed, epilogue, y);
    assert(gb_conv_operands_fit(plan, exec, x, y) && epilogue);
    struct conv_run run = {.plan = plan, .exec = exec, .x = x, .y = y, .epilogue = epilogue};
    run.packed = (float *)packed; // only read
    run.block = forward_block;
    gb_blas_parallel(gb_threads_for(exec, plan->forward.work), run_blocks, &run);
}

// ---- Data gradient ----

// Where a pixel's gathered row is the pixel itself.
static void data_block(const struct conv_run *run, const struct thread_scratch *scratch,
                       struct gb_range share) {
    const struct gb_conv_problem *p = &run->plan->problem;
    gb_blas_multiply((int)(share.end - share.begin), p->c, p->k,
                     read_pixels(run->y, share, scratch->outputs), false, weight_rows(run, 0), true,
                     false, matrix_from(run->x, share.begin));
}

// Rows [first, end) of one image of dx, which a thread owns.
struct owned_rows {
    int n, first, end;
};

// Adds `channels` columns of g', the gathered rows' gradient, to the pixels of dx that tap `b` of a
// filter row read, from channel `q` on.
static void scatter_tap(const struct conv_run *run, struct stretch out, struct gb_matrix g, int row,
                        int b, int q, int channels) {
    const struct gb_conv_problem *p = &run->plan->problem;
    const struct gb_tensor *dx = run->x;
    int left = b - p->pad_w, v = p->stride_w; // output pixel j read column j * v + left
    int begin = left < 0 ? (v - 1 - left) / v : 0,
        end = left < p->w ? (p->w - 1 - left) / v + 1 : 0;
    begin = begin > out.j ? begin : out.j;
    end = end < out.j + (int)out.pixels ? end : out.j + (int)out.pixels;
    if (begin >= end)
        return;
    struct gb_tensor from = gb_dense(NULL, 1, 1, end - begin, channels), to = from;
    from.data = rows_from(g, (size_t)(begin - out.j)).data;
    from.pixel = g.pitch;
    to.data = gb_at(dx, out.n, row, begin * v + left) + q;
    to.pixel = v * dx->pixel;
    fallback_of(run->plan)->backend->add(&alone, &from, &to);
}

// col2im: adds what output pixels side by side give to the owned rows. g: `columns` of their rows.
static void scatter(const struct conv_run *run, const struct owned_rows *owned, struct stretch out,
                    struct gb_range columns, struct gb_matrix g) {
    const struct gb_conv_problem *p = &run->plan->problem;
    size_t c = (size_t)p->c;
    for (size_t column = columns.begin, end; column < columns.end; column = end) {
        size_t tap = column / c;
        end = gb_min_size(columns.end, (tap + 1) * c);
        int a = (int)tap / p->kernel_w, row = out.i * p->stride_h + a - p->pad_h;
        struct gb_matrix part = {g.data + (column - columns.begin), g.pitch};
        if (row >= owned->first && row < owned->end)
            scatter_tap(run, out, part, row, (int)tap % p->kernel_w, (int)(column % c),
                        (int)(end - column));
    }
}

static void clear_rows(const struct gb_tensor *t, const struct owned_rows *owned) {
    for (int i = owned->first; i < owned->end; i++)
        for (int j = 0; j < t->w; j++)
            memset(gb_at(t, owned->n, i, j), 0, (size_t)t->c * sizeof(float));
}

// The output pixels whose taps read the owned rows. Threads that own neighbouring rows both compute
// the pixels between: each adds what falls to its own.
static struct gb_range readers_of(const struct conv_run *run, const struct owned_rows *owned) {
    const struct gb_conv_problem *p = &run->plan->problem;
    int u = p->stride_h, h = run->plan->out_h, above = owned->first + p->pad_h - p->kernel_h;
    int begin = above < 0 ? 0 : above / u + 1, end = (owned->end - 1 + p->pad_h) / u + 1;
    end = end < h ? end : h;
    size_t w = (size_t)run->plan->out_w, image = (size_t)owned->n * (size_t)h;
    return (struct gb_range){(image + (size_t)begin) * w, (image + (size_t)end) * w};
}

// A share of the output pixels, seen from the owned rows.
static void data_readers(const struct conv_run *run, const struct thread_scratch *scratch,
                         const struct owned_rows *owned, struct gb_range share) {
    size_t pixels = share.end - share.begin, row = gathered_row(&run->plan->problem);
    struct gb_matrix dy = read_pixels(run->y, share, scratch->outputs);
    for (size_t first = 0, end; first < row; first = end) {
        end = gb_min_size(row, first + GATHERED_FLOATS / pixels);
        struct gb_matrix g = {scratch->gathered, (ptrdiff_t)(end - first)};
        gb_blas_multiply((int)pixels, (int)(end - first), run->y->c, dy, false,
                         weight_rows(run, first), true, false, g);
        struct stretch s;
        for (size_t at = share.begin; at < share.end; at += s.pixels) {
            s = stretch_at(run->y, at, share.end);
            scatter(run, owned, s, (struct gb_range){first, end}, rows_from(g, at - share.begin));
        }
    }
}

static void data_rows(const struct conv_run *run, const struct thread_scratch *scratch,
                      const struct owned_rows *owned) {
    struct gb_range readers = readers_of(run, owned);
    clear_rows(run->x, owned);
    for (size_t first = readers.begin, end; first < readers.end; first = end) {
        end = gb_min_size(readers.end, first + BLOCK_PIXELS);
        data_readers(run, scratch, owned, (struct gb_range){first, end});
    }
}

static void data_images(void *argument, int rank, int size) {
    const struct conv_run *run = argument;
    struct thread_scratch scratch = scratch_of(run, rank);
    size_t h = (size_t)run->x->h;
    struct gb_range mine = gb_partition((size_t)run->x->n * h, rank, size);
    for (size_t at = mine.begin, next; at < mine.end; at = next) {
        next = gb_min_size(mine.end, (at / h + 1) * h);
        int first = (int)(at % h);
        struct owned_rows owned = {(int)(at / h), first, first + (int)(next - at)};
        data_rows(run, &scratch, &owned);
    }
}

void gb_blas_conv_backward_data(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                const struct gb_tensor *dy, const void *packed,
                                const struct gb_conv_input_epilogue *epilogue,
                                const struct gb_tensor *dx) {
    GB_BF16_ROUTE(conv_backward_data, plan, exec, dy, packed, epilogue, dx);
    assert(gb_conv_operands_fit(plan, exec, dx, dy));
    assert(gb_conv_input_epilogue_fits(epilogue, dx));
    struct conv_run run = {.plan = plan, .exec = exec, .x = dx, .y = dy};
    run.packed = (float *)packed; // only read
    run.block = data_block;
    bool direct = is_pointwise(&plan->problem) && gb_is_matrix(dx);
    gb_blas_parallel(gb_threads_for(exec, plan->forward.work), direct ? run_blocks : data_images,
                     &run);
    if (epilogue)
        fallback_of(plan)->backend->epilogue_backward(exec, epilogue->activation, dx, epilogue->x,
                                                      epilogue->scale, dx, epilogue->d_bias,
                                                      epilogue->d_log_scale);
}

// ---- Weight gradient ----

// Rows [rows.begin, rows.end) of the gradient, summed over all output pixels.
static void weight_piece(const struct conv_run *run, const struct thread_scratch *scratch,
                         struct gb_range rows) {
    size_t k = (size_t)run->plan->problem.k, count = rows.end - rows.begin;
    size_t pixels = pixel_count(run->y);
    struct gb_matrix d = {scratch->piece, (ptrdiff_t)k};
    if (!run->update)
        d = weight_rows(run, rows.begin);
    for (size_t first = 0; first < pixels; first += BLOCK_PIXELS) {
        struct gb_range share = {first, gb_min_size(pixels, first + BLOCK_PIXELS)};
        struct gb_matrix g = gather(run, share, rows, scratch->gathered);
        struct gb_matrix dy = read_pixels(run->y, share, scratch->outputs);
        gb_blas_multiply((int)count, (int)k, (int)(share.end - share.begin), g, true, dy, false,
                         first > 0, d);
    }
    if (run->update)
        gb_blas_update(fallback_of(run->plan), run->update, rows.begin * k, count * k, d.data);
}

static void weight_pieces(void *argument, int rank, int size) {
    const struct conv_run *run = argument;
    struct thread_scratch scratch = scratch_of(run, rank);
    size_t rows = gathered_row(&run->plan->problem);
    size_t pieces = gb_blas_pieces(rows, PIECE_ROWS, size);
    struct gb_range mine = gb_partition(pieces, rank, size);
    for (size_t piece = mine.begin; piece < mine.end; piece++) {
        struct gb_range share = gb_partition(rows, (int)piece, (int)pieces);
        if (share.begin < share.end)
            weight_piece(run, &scratch, share);
    }
}

void gb_blas_conv_backward_weights(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                   const struct gb_tensor *x, const struct gb_tensor *dy,
                                   float *d_packed, const struct gb_adam_target *update) {
    GB_BF16_ROUTE(conv_backward_weights, plan, exec, x, dy, d_packed, update);
    assert(gb_conv_operands_fit(plan, exec, x, dy));
    assert(gb_conv_one_target(d_packed, update));
    struct conv_run run = {.plan = plan, .exec = exec, .x = x, .y = dy, .packed = d_packed};
    run.update = update;
    gb_blas_parallel(gb_threads_for(exec, plan->forward.work), weight_pieces, &run);
}
