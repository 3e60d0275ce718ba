// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/rows.h"

// A tile is MR pixels (or rows of the matrix gradient) by up to NR vectors, all in registers:
// enough chains to cover the latency of a multiply-add, and a divisor of the usual pixel counts.
enum { MR = GB_INV1X1_MR, NR = 2 };

// Multiply-adds per float of a streaming loop.
enum { PER_FLOAT = 4 };

struct inv1x1 {
    const struct gb_tensor *in, *out; // out = matrix * in, or matrix^T * in
    const float *matrices;
    bool transposed;
    float *packed; // of each image: [input channel][output channel], rows padded with zeros
    size_t packed_row;
    // The matrix gradient: sum of d_output input^T. NULL in the forward.
    const struct gb_tensor *input;
    float *d_matrices;
};

// One row of an image's packed matrix.
static void pack_row(const struct inv1x1 *m, size_t n, size_t k) {
    const size_t c = (size_t)m->in->c;
    const float *matrix = m->matrices + n * c * c;
    float *row = m->packed + (n * c + k) * m->packed_row;
    for (size_t o = 0; o < c; o++)
        row[o] = m->transposed ? matrix[k * c + o] : matrix[o * c + k];
    for (size_t o = c; o < m->packed_row; o++)
        row[o] = 0;
}

GB_INLINE float *pixel_at(const struct gb_tensor *t, int n, int pixel) {
    return gb_at(t, n, pixel / t->w, pixel % t->w);
}

// `vectors` output vectors from channel o on, of MR pixels.
GB_INLINE void multiply_tile(const struct inv1x1 *m, const float *const in[MR],
                             float *const out[MR], const float *packed, int o, int vectors) {
    gb_v sum[MR][NR] = {{{0}}};
    for (int k = 0; k < m->in->c; k++, packed += m->packed_row)
        for (int p = 0; p < MR; p++)
            for (int v = 0; v < vectors; v++)
                sum[p][v] =
                    gb_v_fma(gb_v_set(in[p][k]), gb_v_load(packed + o + v * GB_LANES), sum[p][v]);
    for (int p = 0; p < MR; p++)
        for (int v = 0; v < vectors; v++)
            gb_store_left(out[p] + o + v * GB_LANES, sum[p][v], m->in->c - o - v * GB_LANES);
}

// MR pixels of image n from `first` on. Past the last pixel the tile repeats that one.
static void multiply_pixels(const struct inv1x1 *m, int n, int first) {
    const float *in[MR];
    float *out[MR];
    for (int p = 0; p < MR; p++) {
        int pixel = gb_min_int(first + p, m->in->h * m->in->w - 1);
        in[p] = pixel_at(m->in, n, pixel);
        out[p] = pixel_at(m->out, n, pixel);
    }
    const float *packed = m->packed + (size_t)n * (size_t)m->in->c * m->packed_row;
    int o = 0;
    for (; m->in->c - o > GB_LANES; o += NR * GB_LANES)
        multiply_tile(m, in, out, packed, o, NR);
    if (o < m->in->c)
        multiply_tile(m, in, out, packed, o, 1);
}

// `vectors` vectors from column k on, of MR rows of d_matrices[n]; the last may be partial.
GB_INLINE void gradient_tile(const struct inv1x1 *m, int n, const int rows[MR], int k,
                             int vectors) {
    const int c = m->in->c, left = c - k - (vectors - 1) * GB_LANES;
    gb_v sum[MR][NR] = {{{0}}};
    for (int y = 0; y < m->in->h; y++) {
        const float *d_output = gb_at(m->in, n, y, 0), *input = gb_at(m->input, n, y, 0) + k;
        for (int x = 0; x < m->in->w; x++, d_output += m->in->pixel, input += m->input->pixel) {
            gb_v column[NR];
            for (int v = 0; v < vectors - 1; v++)
                column[v] = gb_v_load(input + v * GB_LANES);
            column[vectors - 1] = gb_load_left(input + (vectors - 1) * GB_LANES, left);
            for (int r = 0; r < MR; r++)
                for (int v = 0; v < vectors; v++)
                    sum[r][v] = gb_v_fma(gb_v_set(d_output[rows[r]]), column[v], sum[r][v]);
        }
    }
    for (int r = 0; r < MR; r++) {
        float *row = m->d_matrices + ((size_t)n * (size_t)c + (size_t)rows[r]) * (size_t)c + k;
        for (int v = 0; v < vectors - 1; v++)
            gb_v_store(row + v * GB_LANES, sum[r][v]);
        gb_store_left(row + (vectors - 1) * GB_LANES, sum[r][vectors - 1], left);
    }
}

// MR rows of d_matrices[n] from `first` on. Past the last row the tile repeats that one.
static void gradient_rows(const struct inv1x1 *m, int n, int first) {
    int rows[MR];
    for (int r = 0; r < MR; r++)
        rows[r] = gb_min_int(first + r, m->in->c - 1);
    int k = 0;
    for (; m->in->c - k > GB_LANES; k += NR * GB_LANES)
        gradient_tile(m, n, rows, k, NR);
    if (k < m->in->c)
        gradient_tile(m, n, rows, k, 1);
}

static void inv1x1_share(void *argument, int rank, int size) {
    const struct inv1x1 *m = argument;
    const size_t images = (size_t)m->in->n, c = (size_t)m->in->c;
    struct gb_range share = gb_partition(images * c, rank, size);
    for (size_t row = share.begin; row < share.end; row++)
        pack_row(m, row / c, row % c);
    gb_barrier(size);

    const size_t pixel_tiles = ((size_t)m->in->h * (size_t)m->in->w + MR - 1) / MR;
    share = gb_partition(images * pixel_tiles, rank, size);
    for (size_t tile = share.begin; tile < share.end; tile++)
        multiply_pixels(m, (int)(tile / pixel_tiles), (int)(tile % pixel_tiles) * MR);

    if (!m->d_matrices)
        return;
    const size_t row_tiles = (c + MR - 1) / MR;
    share = gb_partition(images * row_tiles, rank, size);
    for (size_t tile = share.begin; tile < share.end; tile++)
        gradient_rows(m, (int)(tile / row_tiles), (int)(tile % row_tiles) * MR);
}

static size_t packed_row(const struct gb_image_problem *p) {
    return gb_round_up((size_t)p->c, GB_CHANNEL_PAD);
}

enum gb_status GB_NAME(gb_inv1x1_plan)(const struct gb_image_problem *problem, int threads,
                                       struct gb_inv1x1_plan *plan) {
    (void)threads;
    GB_TRY(gb_problem_check(&gb_inv1x1_operation, problem));
    *plan = (struct gb_inv1x1_plan){
        .problem = *problem,
        .scratch_bytes =
            (size_t)problem->n * (size_t)problem->c * packed_row(problem) * sizeof(float),
    };
    return GB_OK;
}

void GB_NAME(gb_inv1x1_plan_free)(struct gb_inv1x1_plan *plan) {
    (void)plan;
}

static void run(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec, struct inv1x1 *m) {
    m->packed = exec->scratch;
    m->packed_row = packed_row(&plan->problem);
    size_t multiply_adds = gb_elements(m->in) * (size_t)m->in->c * (m->d_matrices ? 2 : 1);
    gb_parallel(gb_threads_for(exec, multiply_adds / PER_FLOAT), inv1x1_share, m);
}

void GB_NAME(gb_inv1x1_forward)(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec,
                                const struct gb_tensor *v, const float *matrices,
                                const struct gb_tensor *u) {
    assert(gb_inv1x1_operands_fit(plan, exec, v, u));
    struct inv1x1 inv1x1 = {.in = v, .out = u, .matrices = matrices};
    run(plan, exec, &inv1x1);
}

void GB_NAME(gb_inv1x1_backward)(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec,
                                 const struct gb_tensor *v, const float *matrices,
                                 const struct gb_tensor *du, const struct gb_tensor *dv,
                                 float *d_matrices) {
    assert(gb_inv1x1_operands_fit(plan, exec, v, du) && gb_inv1x1_operands_fit(plan, exec, dv, du));
    struct inv1x1 inv1x1 = {.in = du,
                            .out = dv,
                            .matrices = matrices,
                            .transposed = true,
                            .input = v,
                            .d_matrices = d_matrices};
    run(plan, exec, &inv1x1);
}
