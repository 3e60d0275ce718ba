// SPDX-License-Identifier: MIT
#include <math.h>

#include "tests/kernels/check.h"
#include "tests/kernels/kernel_check.h"
#include "tests/support/test.h"

// Stored moments, one row for all images, which no problem's text names.
GB_TEST(one_row_serves_all_images) {
    struct gb_operation stored = gb_instance_norm_operation;
    stored.kernels[GB_BACKWARD].call = NULL; // takes the images' own moments alone
    for (const char *const *edge = stored.edges; *edge; edge++)
        assert_true(gb_check_shared_rows(&stored, *edge, gb_check_problem));
}

enum { N = 2, H = 4, W = 5, C = 3 };
struct scene {
    enum gb_activation activation;
    struct gb_tensor v, dy;
    float d_log_det[N];
};

// The sum of dy * act(u) + d_log_det * log det, moments included.
static double loss(const struct scene *s) {
    double sum = 0;
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c++) {
            double mean = 0, variance = 0;
            for (int p = 0; p < H * W; p++)
                mean += gb_at(&s->v, n, p / W, p % W)[c] / (double)(H * W);
            for (int p = 0; p < H * W; p++)
                variance += pow(gb_at(&s->v, n, p / W, p % W)[c] - mean, 2) / (H * W);
            const double deviation = sqrt(variance + (double)GB_NORM_EPSILON);
            for (int p = 0; p < H * W; p++) {
                const double u = (gb_at(&s->v, n, p / W, p % W)[c] - mean) / deviation;
                if (s->activation != GB_RELU || u > 0)
                    sum += gb_at(&s->dy, n, p / W, p % W)[c] * u;
            }
            sum -= s->d_log_det[n] * (double)(H * W) * log(deviation);
        }
    return sum;
}

static double quotient(const struct scene *s, float *at) {
    const float value = *at, high = value + 0x1p-10f, low = value - 0x1p-10f;
    *at = high;
    double above = loss(s);
    *at = low;
    double below = loss(s);
    *at = value;
    return (above - below) / ((double)high - low);
}

static void check_gradients(const struct gb_backend *backend, enum gb_activation activation) {
    struct scene s = {.activation = activation,
                      .v = gb_check_view("v", N, H, W, C, GB_CHECK_DENSE),
                      .dy = gb_check_view("dy", N, H, W, C, GB_CHECK_DENSE)};
    const struct gb_tensor dv = gb_check_view("dv", N, H, W, C, GB_CHECK_DENSE);
    gb_check_fill(&s.v, GB_CHECK_NORMAL, 1);
    gb_check_fill(&s.dy, GB_CHECK_NORMAL, 2);
    gb_check_fill_floats(s.d_log_det, N, GB_CHECK_NORMAL, 3);
    float mean[N * C], variance[N * C];
    const struct gb_norm_moments moments = {mean, variance, C};
    const struct gb_exec exec = gb_check_exec(1, gb_instance_norm_scratch_bytes(&s.v));
    backend->moments(&exec, &s.v, mean, variance, C);
    backend->instance_norm_backward(&exec, activation, &s.v, &moments, &s.dy, s.d_log_det, &dv);
    for (int n = 0; n < N; n++)
        for (int p = 0; p < H * W; p++)
            for (int c = 0; c < C; c++)
                assert_true(gb_check_number("dv", gb_at(&dv, n, p / W, p % W)[c],
                                            quotient(&s, gb_at(&s.v, n, p / W, p % W) + c), 1e-4));
    gb_check_free();
}

GB_TEST(gradients_go_through_the_moments) {
    GB_CHECK_EACH_BACKEND(backend) {
        check_gradients(backend, GB_IDENTITY);
        check_gradients(backend, GB_RELU);
    }
}

GB_TEST(log_determinant_is_counted_per_pixel) {
    const float variance[] = {4, 0.25f, 1e-3f};
    double want = 0;
    for (int c = 0; c < 3; c++)
        want -= 15 * 0.5 * log(variance[c] + (double)GB_NORM_EPSILON);
    assert_true(
        gb_check_number("log det", gb_instance_norm_log_det(3, 5, 3, variance), want, 1e-12));
}
