// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/rows.h"

struct moments {
    const struct gb_tensor *v;
    float *rows; // of each image row: c means, then c sums of squares about them
    float *mean, *variance;
    ptrdiff_t stride;
};

static void sum_row(const struct moments *k, int n, int y) {
    const int w = k->v->w;
    float *row = k->rows + (size_t)(n * k->v->h + y) * 2 * (size_t)k->v->c;
    for (int c = 0, left = k->v->c; left > 0; c += GB_LANES, left -= GB_LANES) {
        const float *v = gb_at(k->v, n, y, 0) + c;
        gb_v sum = {0}, squares = {0};
        for (int x = 0; x < w; x++)
            sum += gb_load_left(v + x * k->v->pixel, left);
        gb_v mean = sum / (float)w;
        for (int x = 0; x < w; x++) {
            gb_v from_mean = gb_load_left(v + x * k->v->pixel, left) - mean;
            squares = gb_v_fma(from_mean, from_mean, squares);
        }
        gb_store_left(row + c, mean, left);
        gb_store_left(row + k->v->c + c, squares, left);
    }
}

// Merges one channel of `count` image rows of equal width: the running mean and the sum of squares
// about it are corrected by the difference of each row's mean (Chan et al. 1979).
static void merge_rows(const struct moments *k, const float *rows, int count, float *mean_out,
                       float *variance_out) {
    const size_t row = 2 * (size_t)k->v->c;
    const double w = k->v->w;
    double mean = 0, squares = 0;
    for (int i = 0; i < count; i++) {
        double difference = rows[i * row] - mean;
        mean += difference / (i + 1);
        squares += rows[i * row + (size_t)k->v->c] + difference * difference * (w * i / (i + 1));
    }
    *mean_out = (float)mean;
    *variance_out = (float)(squares / (w * count));
}

static void moments_share(void *argument, int rank, int size) {
    const struct moments *k = argument;
    const size_t h = (size_t)k->v->h, c = (size_t)k->v->c;
    struct gb_range share = gb_partition((size_t)k->v->n * h, rank, size);
    for (size_t row = share.begin; row < share.end; row++)
        sum_row(k, (int)(row / h), (int)(row % h));
    gb_barrier(size);

    const int groups = k->stride ? k->v->n : 1;
    const int count = k->v->n / groups * k->v->h;
    share = gb_partition((size_t)groups * c, rank, size);
    for (size_t i = share.begin; i < share.end; i++) {
        const size_t group = i / c, channel = i % c;
        const ptrdiff_t at = (ptrdiff_t)group * k->stride + (ptrdiff_t)channel;
        merge_rows(k, k->rows + group * h * 2 * c + channel, count, &k->mean[at], &k->variance[at]);
    }
}

void GB_NAME(gb_moments)(const struct gb_exec *exec, const struct gb_tensor *v, float *mean,
                         float *variance, ptrdiff_t stride) {
    assert(exec->scratch_bytes >= gb_moments_scratch_bytes(v));
    assert(stride == 0 || stride >= v->c);
    struct moments moments = {v, exec->scratch, mean, variance, stride};
    gb_parallel(gb_threads_for(exec, 2 * gb_elements(v)), moments_share, &moments);
}
