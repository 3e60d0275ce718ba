// SPDX-License-Identifier: MIT
// Products of bf16 operands with float sums (libxsmm_bsmmdispatch_reducebatch_addr): the layers of
// 1.17 would round the sums to bf16. A kernel adds up matrix products A * B, of which the left
// operand comes in pairs along K (VNNI), as packed weights have it (kernels/bf16/packed.h):
//
//   forward          a row of y by a panel of output channels: A weights, B pixels of x, a product
//                    per tap
//   data gradient    a row of dx by a panel of input channels, each remainder of the stride on its
//                    own: A transposed weights, B pixels of dy, a product per tap
//   weight gradient  a tap by a panel of output channels by a block of input channels: A dy with
//                    its pixels in pairs, B x transposed, a product per row of dy
//
// A fully connected layer is a 1x1 convolution of one row, whose pixels are the samples. No order
// of sums depends on the thread count.
#include <stdlib.h>

#include "base/minmax.h"
#include "kernels/backend.h"
#include "kernels/bf16/packed.h"
#include "kernels/libxsmm/libxsmm_layer.h"

enum { C_BLOCK = 64, MAX_TAPS = 256, MAX_PRODUCTS = 256 };

// Loops over all elements, for the compiler to vectorise: no plan runs them without AVX-512.
#define GB_AVX2 __attribute__((target("avx2")))

typedef libxsmm_bsmmfunction_reducebatch_addr product_fn;

// What plan->backend_data points to.
struct bf16_layer {
    const struct gb_vendor_fallback *fallback;
    struct gb_conv_problem problem;
    int out_h, out_w;
    struct gb_bf16_packed weights, transposed;
    // By panel: whole ones, and the last one where it is narrower. The gradient's also by block of
    // input channels.
    product_fn forward[2], data[2], gradient[2][2];
    // Copies in bf16, with zeros around: x by image, dy by image, for the gradients of x. Channels
    // are padded to even numbers.
    struct gb_tensor x, dy;
    int dy_left;      // columns of zeros
    int data_columns; // of dx, at most, with one remainder of the stride
    // For the gradient of weights: columns of a channel of x with one remainder of the stride, and
    // of dy. Both are even: pairs are summed, and libxsmm halves the distance of B's columns.
    int x_columns, dy_columns;
    // Offsets in scratch, in bytes; that of the first operand is 0.
    size_t transposed_at, sums_at, input_at, rest_at; // data gradient
    size_t dy_at, gradient_at;                        // weight gradient
    size_t shared_bytes, thread_bytes;
};

// ---- Plans ----

static product_fn dispatch(size_t m, int n, size_t k, size_t lda, size_t ldb, float beta) {
    const libxsmm_blasint a = (libxsmm_blasint)lda, b = (libxsmm_blasint)ldb;
    const float alpha = 1;
    return gb_libxsmm_product((libxsmm_blasint)m, n, (libxsmm_blasint)k, &a, &b, &a, &alpha, &beta,
                              NULL, NULL);
}

static size_t even(int count) {
    return gb_round_up((size_t)count, 2);
}

// The width of the first panel, or of the last.
static size_t width_of(const struct gb_bf16_packed *b, int last) {
    return gb_bf16_panel_width(b, last ? gb_bf16_panel_count(b) - 1 : 0);
}

static bool make_products(struct bf16_layer *layer) {
    const struct gb_conv_problem *p = &layer->problem;
    const size_t x_channels = (size_t)layer->x.c, y_channels = (size_t)layer->dy.c;
    const int blocks[] = {gb_min_int(p->c, C_BLOCK), p->c % C_BLOCK ? p->c % C_BLOCK : C_BLOCK};
    bool made = true;
    for (int last = 0; last < 2; last++) {
        const size_t y_width = width_of(&layer->weights, last),
                     x_width = width_of(&layer->transposed, last);
        layer->forward[last] = dispatch(y_width, layer->out_w, x_channels, y_width,
                                        (size_t)p->stride_w * x_channels, 0);
        layer->data[last] =
            dispatch(x_width, layer->data_columns, y_channels, x_width, y_channels, 0);
        made = made && layer->forward[last] && layer->data[last];
        for (int block = 0; block < 2; block++) {
            layer->gradient[last][block] =
                dispatch(y_width, blocks[block], (size_t)layer->dy_columns, y_width,
                         (size_t)layer->x_columns, 1);
            made = made && layer->gradient[last][block];
        }
    }
    return made;
}

static size_t bytes_of(const struct gb_tensor *t) {
    return gb_round_up(gb_elements(t) * gb_type_bytes(t->type), GB_ALIGNMENT);
}

// Of dy with its columns in pairs; of x transposed.
static size_t paired_elements(const struct bf16_layer *layer) {
    const struct gb_conv_problem *p = &layer->problem;
    return (size_t)p->n * (size_t)layer->out_h * layer->weights.columns * (size_t)layer->dy_columns;
}
static size_t transposed_elements(const struct bf16_layer *layer) {
    const struct gb_conv_problem *p = &layer->problem;
    return (size_t)p->n * (size_t)(p->h + 2 * p->pad_h) * (size_t)p->stride_w * (size_t)p->c *
           (size_t)layer->x_columns;
}

static void divide_scratch(struct bf16_layer *layer) {
    const struct gb_conv_problem *p = &layer->problem;
    const struct gb_tensor dx = gb_dense(NULL, p->n, p->h, p->w, p->c);
    layer->transposed_at = bytes_of(&layer->dy);
    layer->sums_at =
        layer->transposed_at +
        gb_round_up(gb_bf16_packed_count(&layer->transposed) * sizeof(gb_bf16), GB_ALIGNMENT);
    layer->input_at = layer->sums_at + bytes_of(&dx);
    layer->rest_at = layer->input_at + bytes_of(&dx);
    layer->dy_at = gb_round_up(transposed_elements(layer) * sizeof(gb_bf16), GB_ALIGNMENT);
    layer->gradient_at =
        layer->dy_at + gb_round_up(paired_elements(layer) * sizeof(gb_bf16), GB_ALIGNMENT);
    const size_t ends[] = {bytes_of(&layer->x), layer->rest_at + gb_epilogue_scratch_bytes(&dx),
                           layer->gradient_at +
                               gb_bf16_packed_count(&layer->weights) * sizeof(float)};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        layer->shared_bytes = gb_max_size(layer->shared_bytes, gb_round_up(ends[i], GB_ALIGNMENT));
    const int rows = gb_max_int(gb_max_int(layer->out_w, layer->data_columns), C_BLOCK);
    layer->thread_bytes = (size_t)rows * GB_BF16_NR * sizeof(float);
}

// *made is NULL where libxsmm has no products: without AVX-512, and for more taps than a kernel is
// given.
static enum gb_status make(const struct gb_backend *backend, const struct gb_conv_problem *p,
                           struct bf16_layer **made) {
    *made = NULL;
    GB_TRY(gb_libxsmm_load());
    if (!gb_libxsmm_product || p->kernel_h * p->kernel_w > MAX_TAPS)
        return GB_OK;
    struct bf16_layer *layer = calloc(1, sizeof *layer);
    if (!layer)
        return gb_no_memory("cannot plan", "products in bf16");
    const size_t taps = (size_t)p->kernel_h * (size_t)p->kernel_w;
    const int v = p->stride_w, tap_columns = (p->kernel_w - 1) / v;
    layer->fallback = gb_vendor_fallback_of(backend);
    layer->problem = *p;
    layer->out_h = gb_conv_out_h(p);
    layer->out_w = gb_conv_out_w(p);
    layer->weights = gb_bf16_packed_of(taps, (size_t)p->c, (size_t)p->k);
    layer->transposed = gb_bf16_packed_of(taps, (size_t)p->k, (size_t)p->c);
    layer->dy_left = tap_columns;
    layer->data_columns = (p->w + v - 1) / v;
    const int dy_w = gb_max_int(tap_columns + layer->out_w,
                                tap_columns + (v - 1 + p->pad_w) / v + layer->data_columns);
    layer->x =
        gb_dense_of(GB_BF16, NULL, p->n, p->h + 2 * p->pad_h, p->w + 2 * p->pad_w, (int)even(p->c));
    layer->dy = gb_dense_of(GB_BF16, NULL, p->n, layer->out_h, dy_w, (int)even(p->k));
    layer->dy_columns = (int)even(layer->out_w);
    layer->x_columns = (int)even(tap_columns + layer->dy_columns);
    if (!make_products(layer)) {
        free(layer);
        return GB_OK;
    }
    divide_scratch(layer);
    *made = layer;
    return GB_OK;
}

// ---- Copies ----

struct copy {
    const struct bf16_layer *layer;
    const struct gb_tensor *from;
    const struct gb_tensor *to;
    int top, left; // of zeros
    gb_bf16 *elements;
    const gb_bf16 *weights;
};

GB_AVX2 static void round_values(const struct gb_tensor *t, int n, int i, int j, int count,
                                 gb_bf16 *to) {
    if (t->type == GB_BF16) {
        memcpy(to, gb_bf16_at(t, n, i, j), (size_t)count * sizeof *to);
        return;
    }
    const float *from = gb_at(t, n, i, j);
    for (int c = 0; c < count; c++)
        to[c] = gb_bf16_round(from[c]);
}

static void copy_rows(void *argument, int rank, int size) {
    const struct copy *copy = argument;
    const struct gb_tensor *from = copy->from, *to = copy->to;
    const struct gb_range rows = gb_partition((size_t)to->n * (size_t)to->h, rank, size);
    for (size_t r = rows.begin; r < rows.end; r++) {
        const int n = (int)(r / (size_t)to->h), i = (int)(r % (size_t)to->h), row = i - copy->top;
        memset(gb_bf16_at(to, n, i, 0), 0, (size_t)to->row * sizeof(gb_bf16));
        for (int j = 0; j < from->w && row >= 0 && row < from->h; j++)
            round_values(from, n, row, j, from->c, gb_bf16_at(to, n, i, j + copy->left));
    }
}

// `from` in bf16 with zeros around, as *to: itself, where it is laid out so, or a copy.
static void take(const struct gb_exec *exec, const struct gb_tensor *from, int top, int left,
                 struct gb_tensor *to, void *memory) {
    if (from->type == GB_BF16 && gb_same_shape(from, to) && gb_vendor_is_dense(from)) {
        to->data = from->data;
        return;
    }
    struct copy copy = {.from = from, .to = to, .top = top, .left = left};
    const double start = gb_vendor_reorder_start(exec);
    to->data = memory;
    gb_parallel(gb_threads_for(exec, gb_elements(to)), copy_rows, &copy);
    gb_vendor_reorder_end(exec, start);
}

// Input channels `first` on of an output channel and a tap, to every other element of `to`.
static void transpose_row(const struct bf16_layer *layer, const gb_bf16 *weights, size_t tap,
                          size_t o, size_t first, size_t count, gb_bf16 *to) {
    const struct gb_bf16_packed *b = &layer->weights;
    const size_t pair = 2 * gb_bf16_panel_width(b, o / GB_BF16_NR);
    const gb_bf16 *from = weights + gb_bf16_packed_index(b, tap, first, o); // first is even
    for (size_t q = 0; q < count; q++)
        to[2 * q] = from[q / 2 * pair + q % 2];
}

static void transpose_weights(void *argument, int rank, int size) {
    const struct copy *copy = argument;
    const struct bf16_layer *layer = copy->layer;
    const struct gb_bf16_packed *b = &layer->transposed;
    const size_t c = (size_t)layer->problem.c, k = (size_t)layer->problem.k;
    const struct gb_range panels = gb_partition(gb_bf16_panel_count(b), rank, size);
    for (size_t panel = panels.begin; panel < panels.end; panel++) {
        const size_t width = gb_bf16_panel_width(b, panel), first = panel * GB_BF16_NR,
                     count = gb_min_size(width, c - first);
        if (count < width || k % 2)
            memset(copy->elements + gb_bf16_panel_offset(b, panel), 0,
                   2 * b->pairs * width * sizeof(gb_bf16));
        for (size_t tap = 0; tap < b->taps; tap++)
            for (size_t o = 0; o < k; o++)
                transpose_row(layer, copy->weights, tap, o, first, count,
                              copy->elements + gb_bf16_packed_index(b, tap, o, first));
    }
}

// Row by row of dy: panels of columns in pairs.
static void pair_columns(void *argument, int rank, int size) {
    const struct copy *copy = argument;
    const struct bf16_layer *layer = copy->layer;
    const struct gb_tensor *from = copy->from;
    const struct gb_bf16_packed *b = &layer->weights;
    const size_t columns = (size_t)layer->dy_columns, k = (size_t)from->c;
    const struct gb_range rows = gb_partition((size_t)from->n * (size_t)from->h, rank, size);
    for (size_t r = rows.begin; r < rows.end; r++) {
        gb_bf16 *to = copy->elements + r * columns * b->columns;
        memset(to, 0, columns * b->columns * sizeof *to);
        for (size_t panel = 0; panel < gb_bf16_panel_count(b); panel++) {
            const size_t width = gb_bf16_panel_width(b, panel), first = panel * GB_BF16_NR,
                         count = gb_min_size(width, k - first);
            for (size_t j = 0; j < (size_t)from->w; j++) {
                gb_bf16 *pair = to + first * columns + j / 2 * 2 * width + j % 2;
                for (size_t o = 0; o < count; o++)
                    pair[2 * o] =
                        gb_bf16_round(gb_get(from, (int)(r / (size_t)from->h),
                                             (int)(r % (size_t)from->h), (int)j, (int)(first + o)));
            }
        }
    }
}

// Row by row of x with its padding: for each remainder of the stride the channels, each with its
// columns.
static void transpose_pixels(void *argument, int rank, int size) {
    const struct copy *copy = argument;
    const struct bf16_layer *layer = copy->layer;
    const struct gb_conv_problem *p = &layer->problem;
    const struct gb_tensor *from = copy->from;
    const size_t columns = (size_t)layer->x_columns, v = (size_t)p->stride_w, c = (size_t)p->c,
                 height = (size_t)(p->h + 2 * p->pad_h);
    const struct gb_range rows = gb_partition((size_t)p->n * height, rank, size);
    for (size_t r = rows.begin; r < rows.end; r++) {
        gb_bf16 *to = copy->elements + r * v * c * columns;
        const int n = (int)(r / height), row = (int)(r % height) - p->pad_h;
        memset(to, 0, v * c * columns * sizeof *to);
        for (int j = 0; j < p->w && row >= 0 && row < p->h; j++) {
            const size_t column = (size_t)(j + p->pad_w);
            if (column / v >= columns)
                break; // no tap reads it
            gb_bf16 *at = to + column % v * c * columns + column / v;
            for (size_t q = 0; q < c; q++)
                at[q * columns] = gb_bf16_round(gb_get(from, n, row, j, (int)q));
        }
    }
}

// ---- Runs ----

struct run {
    const struct bf16_layer *layer;
    const struct gb_exec *exec;
    struct gb_tensor from; // in bf16
    const gb_bf16 *weights, *paired;
    const struct gb_conv_epilogue *epilogue;
    const struct gb_tensor *to;
    float *gradient;
};

static float *sums_of(const struct run *run, int rank) {
    return gb_scratch(run->exec,
                      run->layer->shared_bytes + (size_t)rank * run->layer->thread_bytes);
}

// Sums with a row per pixel to every `step`-th pixel of a row.
GB_AVX2 static void store(const float *sums, size_t width, int pixels, int channels,
                          const struct gb_tensor *to, int n, int row, int column, int step,
                          int channel) {
    for (int j = 0; j < pixels; j++) {
        const float *from = sums + (size_t)j * width;
        if (to->type == GB_BF16) {
            gb_bf16 *at = gb_bf16_at(to, n, row, column + j * step) + channel;
            for (int c = 0; c < channels; c++)
                at[c] = gb_bf16_round(from[c]);
        } else {
            memcpy(gb_at(to, n, row, column + j * step) + channel, from,
                   (size_t)channels * sizeof *from);
        }
    }
}

static void forward_rows(void *argument, int rank, int size) {
    const struct run *run = argument;
    const struct bf16_layer *layer = run->layer;
    const struct gb_conv_problem *p = &layer->problem;
    const struct gb_bf16_packed *b = &layer->weights;
    const size_t panels = gb_bf16_panel_count(b), rows = (size_t)p->n * (size_t)layer->out_h;
    const struct gb_range mine = gb_partition(rows * panels, rank, size);
    const unsigned long long taps = b->taps;
    float *sums = sums_of(run, rank);
    for (size_t at = mine.begin; at < mine.end; at++) {
        const size_t panel = at / rows, width = gb_bf16_panel_width(b, panel);
        const int n = (int)(at % rows) / layer->out_h, i = (int)(at % rows) % layer->out_h,
                  channel = (int)panel * GB_BF16_NR,
                  channels = gb_min_int((int)width, p->k - channel);
        const gb_bf16 *left[MAX_TAPS], *right[MAX_TAPS];
        for (int tap = 0; tap < (int)taps; tap++) {
            left[tap] = run->weights + gb_bf16_panel_offset(b, panel) +
                        (size_t)tap * 2 * b->tap_pairs * width;
            right[tap] =
                gb_bf16_at(&run->from, n, i * p->stride_h + tap / p->kernel_w, tap % p->kernel_w);
        }
        layer->forward[panel + 1 == panels](left, right, sums, &taps);
        const struct gb_conv_epilogue *all = run->epilogue;
        const struct gb_conv_epilogue epilogue = {all->bias ? all->bias + channel : NULL,
                                                  all->scale ? all->scale + channel : NULL};
        const bool floats = run->to->type == GB_F32;
        const struct gb_matrix made = {sums, (ptrdiff_t)width};
        layer->fallback->epilogue(
            (size_t)layer->out_w, channels, made, &epilogue, p->activation,
            floats ? (struct gb_matrix){gb_at(run->to, n, i, 0) + channel, run->to->pixel} : made);
        if (!floats)
            store(sums, width, layer->out_w, channels, run->to, n, i, 0, 1, channel);
    }
}

static void forward(const struct bf16_layer *layer, const struct gb_exec *exec, size_t work,
                    const struct gb_tensor *x, const void *packed,
                    const struct gb_conv_epilogue *epilogue, const struct gb_tensor *y) {
    struct run run = {.layer = layer,
                      .exec = exec,
                      .from = layer->x,
                      .weights = packed,
                      .epilogue = epilogue,
                      .to = y};
    take(exec, x, layer->problem.pad_h, layer->problem.pad_w, &run.from, exec->scratch);
    gb_parallel(gb_threads_for(exec, work), forward_rows, &run);
}

// The products of a row of dx at columns first, first + stride, ...
static unsigned long long data_products(const struct run *run, size_t panel, int n, int row,
                                        int first, const gb_bf16 *left[static MAX_TAPS],
                                        const gb_bf16 *right[static MAX_TAPS]) {
    const struct bf16_layer *layer = run->layer;
    const struct gb_conv_problem *p = &layer->problem;
    const struct gb_bf16_packed *b = &layer->transposed;
    const size_t width = gb_bf16_panel_width(b, panel);
    unsigned long long count = 0;
    for (int tap = 0; tap < p->kernel_h * p->kernel_w; tap++) {
        const int i = row + p->pad_h - tap / p->kernel_w, j = first + p->pad_w - tap % p->kernel_w;
        if (i % p->stride_h || i < 0 || i / p->stride_h >= layer->out_h || j % p->stride_w)
            continue;
        left[count] =
            run->weights + gb_bf16_panel_offset(b, panel) + (size_t)tap * 2 * b->tap_pairs * width;
        right[count++] =
            gb_bf16_at(&run->from, n, i / p->stride_h, j / p->stride_w + layer->dy_left);
    }
    return count;
}

static void data_rows(void *argument, int rank, int size) {
    const struct run *run = argument;
    const struct bf16_layer *layer = run->layer;
    const struct gb_conv_problem *p = &layer->problem;
    const struct gb_bf16_packed *b = &layer->transposed;
    const size_t panels = gb_bf16_panel_count(b), rows = (size_t)p->n * (size_t)p->h;
    const struct gb_range mine = gb_partition(rows * panels, rank, size);
    float *sums = sums_of(run, rank);
    for (size_t at = mine.begin; at < mine.end; at++) {
        const size_t panel = at / rows, width = gb_bf16_panel_width(b, panel);
        const int n = (int)(at % rows) / p->h, row = (int)(at % rows) % p->h,
                  channel = (int)panel * GB_BF16_NR;
        for (int first = 0; first < gb_min_int(p->stride_w, p->w); first++) {
            const gb_bf16 *left[MAX_TAPS], *right[MAX_TAPS];
            const unsigned long long count = data_products(run, panel, n, row, first, left, right);
            if (count > 0)
                layer->data[panel + 1 == panels](left, right, sums, &count);
            else
                memset(sums, 0, (size_t)layer->data_columns * width * sizeof *sums);
            store(sums, width, (p->w - first + p->stride_w - 1) / p->stride_w,
                  gb_min_int((int)width, p->c - channel), run->to, n, row, first, p->stride_w,
                  channel);
        }
    }
}

static void backward_data(const struct bf16_layer *layer, const struct gb_exec *exec, size_t work,
                          const struct gb_tensor *dy, const void *packed,
                          const struct gb_tensor *dx) {
    gb_bf16 *transposed = gb_scratch(exec, layer->transposed_at);
    struct run run = {
        .layer = layer, .exec = exec, .from = layer->dy, .weights = transposed, .to = dx};
    struct copy copy = {.layer = layer, .elements = transposed, .weights = packed};
    take(exec, dy, 0, layer->dy_left, &run.from, exec->scratch);
    const double start = gb_vendor_reorder_start(exec);
    gb_parallel(gb_threads_for(exec, gb_bf16_packed_count(&layer->transposed)), transpose_weights,
                &copy);
    gb_vendor_reorder_end(exec, start);
    gb_parallel(gb_threads_for(exec, work), data_rows, &run);
}

// A tap's gradient of a panel and a block of input channels, in the order of packed weights.
static void put_gradient(const struct run *run, size_t tap, size_t panel, size_t q, size_t count,
                         const float *sums) {
    const struct gb_bf16_packed *b = &run->layer->weights;
    const size_t width = gb_bf16_panel_width(b, panel), c = (size_t)run->layer->problem.c;
    for (size_t row = 0; row < count; row++) {
        float *to = run->gradient + gb_bf16_packed_index(b, tap, q + row, panel * GB_BF16_NR);
        for (size_t column = 0; column < width; column++) {
            to[2 * column] = sums[row * width + column];
            if (q + row + 1 == c && c % 2)
                to[2 * column + 1] = 0;
        }
    }
}

static void gradient_blocks(void *argument, int rank, int size) {
    const struct run *run = argument;
    const struct bf16_layer *layer = run->layer;
    const struct gb_conv_problem *p = &layer->problem;
    const struct gb_bf16_packed *b = &layer->weights;
    const size_t panels = gb_bf16_panel_count(b), c = (size_t)p->c, v = (size_t)p->stride_w,
                 blocks = gb_ceil_div(c, C_BLOCK), rows = (size_t)p->n * (size_t)layer->out_h,
                 height = (size_t)(p->h + 2 * p->pad_h), columns = (size_t)layer->x_columns;
    const struct gb_range mine = gb_partition(b->taps * panels * blocks, rank, size);
    const gb_bf16 *x = run->from.data;
    float *sums = sums_of(run, rank);
    for (size_t at = mine.begin; at < mine.end; at++) {
        const size_t block = at % blocks, panel = at / blocks % panels, tap = at / blocks / panels;
        const size_t q = block * C_BLOCK, count = gb_min_size(c - q, C_BLOCK),
                     width = gb_bf16_panel_width(b, panel), row = tap / (size_t)p->kernel_w,
                     column = tap % (size_t)p->kernel_w;
        memset(sums, 0, count * width * sizeof *sums);
        for (size_t first = 0; first < rows; first += MAX_PRODUCTS) {
            const gb_bf16 *left[MAX_PRODUCTS], *right[MAX_PRODUCTS];
            const unsigned long long products = gb_min_size(rows - first, MAX_PRODUCTS);
            for (size_t r = 0; r < products; r++) {
                const size_t n = (first + r) / (size_t)layer->out_h,
                             i = (first + r) % (size_t)layer->out_h * (size_t)p->stride_h + row;
                left[r] = run->paired + ((first + r) * b->columns + panel * GB_BF16_NR) *
                                            (size_t)layer->dy_columns;
                right[r] = x + (((n * height + i) * v + column % v) * c + q) * columns + column / v;
            }
            layer->gradient[panel + 1 == panels][block + 1 == blocks](left, right, sums, &products);
        }
        put_gradient(run, tap, panel, q, count, sums);
    }
}

static void backward_weights(const struct bf16_layer *layer, const struct gb_exec *exec,
                             size_t work, const struct gb_tensor *x, const struct gb_tensor *dy,
                             float *d_packed, const struct gb_adam_target *update) {
    gb_bf16 *paired = gb_scratch(exec, layer->dy_at);
    float *gradient = update ? gb_scratch(exec, layer->gradient_at) : d_packed;
    struct copy pixels = {.layer = layer, .from = x, .elements = exec->scratch},
                pairs = {.layer = layer, .from = dy, .elements = paired};
    struct run run = {.layer = layer,
                      .exec = exec,
                      .from = {.data = exec->scratch},
                      .paired = paired,
                      .gradient = gradient};
    const double start = gb_vendor_reorder_start(exec);
    gb_parallel(gb_threads_for(exec, transposed_elements(layer)), transpose_pixels, &pixels);
    gb_parallel(gb_threads_for(exec, paired_elements(layer)), pair_columns, &pairs);
    gb_vendor_reorder_end(exec, start);
    gb_parallel(gb_threads_for(exec, work), gradient_blocks, &run);
    if (update)
        layer->fallback->backend->adam(exec, update, 0, gb_bf16_packed_count(&layer->weights),
                                       gradient);
}

// ---- Convolution ----

enum gb_status gb_libxsmm_bf16_conv_plan(const struct gb_backend *backend,
                                         const struct gb_conv_problem *p, int threads,
                                         struct gb_conv_plan *plan) {
    struct bf16_layer *layer;
    GB_TRY(gb_problem_check(&gb_conv_operation, p));
    GB_TRY(make(backend, p, &layer));
    if (!layer)
        return gb_bf16_conv_plan(backend, p, threads, plan);
    *plan = (struct gb_conv_plan){.problem = *p,
                                  .out_h = layer->out_h,
                                  .out_w = layer->out_w,
                                  .weight_floats = gb_bf16_packed_count(&layer->weights),
                                  .unit = &gb_libxsmm_bf16,
                                  .shared_bytes = layer->shared_bytes,
                                  .thread_bytes = layer->thread_bytes,
                                  .backend_data = layer};
    plan->forward = (struct gb_conv_choice){.name = gb_libxsmm_bf16.name,
                                            .shared_bytes = layer->shared_bytes,
                                            .thread_bytes = layer->thread_bytes,
                                            .work = gb_conv_work(p)};
    plan->backward_data = plan->backward_weights = plan->forward;
    return GB_OK;
}

static void conv_plan_free(struct gb_conv_plan *plan) {
    free(plan->backend_data);
    plan->backend_data = NULL;
}

static void conv_pack(const struct gb_conv_plan *plan, const float *oihw, float *packed) {
    const struct bf16_layer *layer = plan->backend_data;
    const size_t taps = layer->weights.taps, c = (size_t)plan->problem.c,
                 count = (size_t)plan->problem.k * c * taps;
    memset(packed, 0, plan->weight_floats * sizeof *packed);
    for (size_t i = 0; i < count; i++)
        packed[gb_bf16_packed_index(&layer->weights, i % taps, i / taps % c, i / taps / c)] =
            oihw[i];
}

static void conv_unpack(const struct gb_conv_plan *plan, const float *packed, float *oihw) {
    const struct bf16_layer *layer = plan->backend_data;
    const size_t taps = layer->weights.taps, c = (size_t)plan->problem.c,
                 count = (size_t)plan->problem.k * c * taps;
    for (size_t i = 0; i < count; i++)
        oihw[i] =
            packed[gb_bf16_packed_index(&layer->weights, i % taps, i / taps % c, i / taps / c)];
}

static void conv_forward(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                         const struct gb_tensor *x, const void *packed,
                         const struct gb_conv_epilogue *epilogue, const struct gb_tensor *y) {
    assert(gb_conv_operands_fit(plan, exec, x, y) && epilogue);
    forward(plan->backend_data, exec, plan->forward.work, x, packed, epilogue, y);
}

GB_AVX2 static void widen_rows(void *argument, int rank, int size) {
    const struct copy *copy = argument;
    const struct gb_tensor *from = copy->from, *to = copy->to;
    const struct gb_range rows = gb_partition((size_t)to->n * (size_t)to->h, rank, size);
    for (size_t r = rows.begin; r < rows.end; r++)
        for (int j = 0; j < to->w; j++) {
            const int n = (int)(r / (size_t)to->h), i = (int)(r % (size_t)to->h);
            for (int c = 0; c < to->c; c++)
                gb_at(to, n, i, j)[c] = gb_bf16_value(gb_bf16_at(from, n, i, j)[c]);
        }
}

// With an epilogue, which rounds, dx is floats at first.
static void conv_backward_data(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                               const struct gb_tensor *dy, const void *packed,
                               const struct gb_conv_input_epilogue *epilogue,
                               const struct gb_tensor *dx) {
    assert(gb_conv_operands_fit(plan, exec, dx, dy) && dy->type == GB_BF16);
    assert(gb_conv_input_epilogue_fits(epilogue, dx));
    const struct bf16_layer *layer = plan->backend_data;
    const size_t work = plan->backward_data.work;
    if (!epilogue) {
        backward_data(layer, exec, work, dy, packed, dx);
        return;
    }
    const struct gb_tensor sums =
        gb_dense(gb_scratch(exec, layer->sums_at), dx->n, dx->h, dx->w, dx->c);
    struct gb_tensor x = gb_dense(gb_scratch(exec, layer->input_at), dx->n, dx->h, dx->w, dx->c);
    struct copy copy = {.from = epilogue->x, .to = &x};
    backward_data(layer, exec, work, dy, packed, &sums);
    if (epilogue->x->type == GB_BF16) {
        const double start = gb_vendor_reorder_start(exec);
        gb_parallel(gb_threads_for(exec, gb_elements(&x)), widen_rows, &copy);
        gb_vendor_reorder_end(exec, start);
    } else {
        x = *epilogue->x;
    }
    struct gb_exec rest = *exec;
    rest.scratch = gb_scratch(exec, layer->rest_at);
    rest.scratch_bytes -= layer->rest_at;
    layer->fallback->backend->epilogue_backward(&rest, epilogue->activation, &sums, &x,
                                                epilogue->scale, dx, epilogue->d_bias,
                                                epilogue->d_log_scale);
}

static void conv_backward_weights(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                  const struct gb_tensor *x, const struct gb_tensor *dy,
                                  float *d_packed, const struct gb_adam_target *update) {
    assert(gb_conv_operands_fit(plan, exec, x, dy) && dy->type == GB_BF16);
    assert(gb_conv_one_target(d_packed, update));
    backward_weights(plan->backend_data, exec, plan->backward_weights.work, x, dy, d_packed,
                     update);
}

// ---- The fully connected layer ----

enum gb_status gb_libxsmm_bf16_fc_plan(const struct gb_backend *backend,
                                       const struct gb_fc_problem *p, int threads,
                                       struct gb_fc_plan *plan) {
    struct bf16_layer *layer;
    GB_TRY(gb_problem_check(&gb_fc_operation, p));
    const struct gb_conv_problem samples = {.n = 1,
                                            .h = 1,
                                            .w = p->n,
                                            .c = (int)gb_fc_inputs(p),
                                            .k = p->k,
                                            .kernel_h = 1,
                                            .kernel_w = 1,
                                            .stride_h = 1,
                                            .stride_w = 1,
                                            .activation = p->activation,
                                            .format = GB_BF16_XY32};
    GB_TRY(make(backend, &samples, &layer));
    if (!layer)
        return gb_bf16_fc_plan(backend, p, threads, plan);
    *plan = (struct gb_fc_plan){.problem = *p,
                                .weight_floats = gb_bf16_packed_count(&layer->weights),
                                .unit = &gb_libxsmm_bf16,
                                .shared_bytes = layer->shared_bytes,
                                .thread_bytes = layer->thread_bytes,
                                .backend_data = layer};
    return GB_OK;
}

static void fc_plan_free(struct gb_fc_plan *plan) {
    free(plan->backend_data);
    plan->backend_data = NULL;
}

// Weight `index` of PyTorch's array: inputs are in the order of memory here.
static size_t fc_index(const struct gb_fc_plan *plan, size_t index) {
    const struct gb_fc_problem *p = &plan->problem;
    const struct bf16_layer *layer = plan->backend_data;
    const size_t pixels = (size_t)p->h * (size_t)p->w, c = (size_t)p->c;
    const size_t pixel = index % pixels, q = index / pixels % c, o = index / pixels / c;
    return gb_bf16_packed_index(&layer->weights, 0, pixel * c + q, o);
}

static void fc_pack(const struct gb_fc_plan *plan, const float *out_by_in, float *packed) {
    const size_t count = (size_t)plan->problem.k * gb_fc_inputs(&plan->problem);
    memset(packed, 0, plan->weight_floats * sizeof *packed);
    for (size_t i = 0; i < count; i++)
        packed[fc_index(plan, i)] = out_by_in[i];
}

static void fc_unpack(const struct gb_fc_plan *plan, const float *packed, float *out_by_in) {
    const size_t count = (size_t)plan->problem.k * gb_fc_inputs(&plan->problem);
    for (size_t i = 0; i < count; i++)
        out_by_in[i] = packed[fc_index(plan, i)];
}

static void fc_forward(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                       const struct gb_tensor *x, const void *packed, const float *bias,
                       const struct gb_tensor *y) {
    assert(gb_fc_operands_fit(plan, exec, x, y));
    const struct gb_tensor in = gb_libxsmm_samples(x), out = gb_libxsmm_samples(y);
    forward(plan->backend_data, exec, plan->weight_floats, &in, packed,
            &(struct gb_conv_epilogue){.bias = bias}, &out);
}

static void fc_backward(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                        const struct gb_tensor *x, const struct gb_tensor *dy, void *packed,
                        const struct gb_tensor *dx, float *d_packed,
                        const struct gb_adam_target *update) {
    assert(gb_fc_operands_fit(plan, exec, x, dy) &&
           (!dx || gb_fc_operands_fit(plan, exec, dx, dy)));
    assert(gb_fc_one_target(packed, d_packed, update));
    const struct gb_tensor in = gb_libxsmm_samples(x), out = gb_libxsmm_samples(dy);
    if (dx) {
        const struct gb_tensor made = gb_libxsmm_samples(dx);
        backward_data(plan->backend_data, exec, plan->weight_floats, &out, packed, &made);
    }
    backward_weights(plan->backend_data, exec, plan->weight_floats, &in, &out, d_packed, update);
}

const struct gb_bf16_unit gb_libxsmm_bf16 = {.name = "libxsmm",
                                             .fc_name = "libxsmm",
                                             .reference = &gb_bf16_widened_pairs,
                                             .conv_plan = gb_libxsmm_bf16_conv_plan,
                                             .conv_plan_free = conv_plan_free,
                                             .conv_pack = conv_pack,
                                             .conv_unpack = conv_unpack,
                                             .conv_forward = conv_forward,
                                             .conv_backward_data = conv_backward_data,
                                             .conv_backward_weights = conv_backward_weights,
                                             .fc_plan = gb_libxsmm_bf16_fc_plan,
                                             .fc_plan_free = fc_plan_free,
                                             .fc_pack = fc_pack,
                                             .fc_unpack = fc_unpack,
                                             .fc_forward = fc_forward,
                                             .fc_backward = fc_backward};
