// SPDX-License-Identifier: MIT
#include <math.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

// Stored moments, one row for all images, which no problem's text names.
GB_TEST(one_row_serves_all_images) {
    struct gb_operation stored = gb_instance_norm_operation;
    stored.kernels[GB_BACKWARD].call = NULL; // takes the images' own moments alone
    for (const char *const *edge = stored.edges; *edge; edge++)
        assert_true(gb_check_shared_rows(&stored, *edge, gb_check_problem));
}

enum { N = 2, C = 3 };
struct scene {
    enum gb_activation activation;
    struct gb_tensor v, dy;
    float d_log_det[N];
};

// The sum of dy * act(u) + d_log_det * log det, moments included.
static double loss(const struct scene *s) {
    const double pixels = s->v.h * s->v.w;
    double mean[N][C] = {0}, variance[N][C] = {0}, sum = 0;
    GB_EACH_ELEMENT(&s->v, at)
        mean[at[0]][at[3]] += *gb_element(&s->v, at) / pixels;
    GB_EACH_ELEMENT(&s->v, at)
        variance[at[0]][at[3]] += pow(*gb_element(&s->v, at) - mean[at[0]][at[3]], 2) / pixels;
    GB_EACH_ELEMENT(&s->v, at) {
        const double deviation = sqrt(variance[at[0]][at[3]] + (double)GB_NORM_EPSILON);
        const double u = (*gb_element(&s->v, at) - mean[at[0]][at[3]]) / deviation;
        if (s->activation != GB_RELU || u > 0)
            sum += *gb_element(&s->dy, at) * u;
        sum -= s->d_log_det[at[0]] * log(deviation);
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

static void check_gradients(const struct gb_backend *backend, enum gb_activation activation, int h,
                            int w) {
    struct scene s = {.activation = activation,
                      .v = gb_check_view("v", N, h, w, C, GB_CHECK_DENSE),
                      .dy = gb_check_view("dy", N, h, w, C, GB_CHECK_DENSE)};
    const struct gb_tensor dv = gb_check_view("dv", N, h, w, C, GB_CHECK_DENSE);
    gb_check_fill(&s.v, GB_CHECK_NORMAL, 1);
    gb_check_fill(&s.dy, GB_CHECK_NORMAL, 2);
    gb_check_fill_floats(s.d_log_det, N, GB_CHECK_NORMAL, 3);
    float mean[N * C], variance[N * C];
    const struct gb_norm_moments moments = {mean, variance, C};
    const struct gb_exec exec = gb_check_exec(1, gb_instance_norm_scratch_bytes(&s.v));
    backend->moments(&exec, &s.v, mean, variance, C);
    backend->instance_norm_backward(&exec, activation, &s.v, &moments, &s.dy, s.d_log_det, &dv);
    GB_EACH_ELEMENT(&dv, at)
        assert_number("dv", *gb_element(&dv, at), quotient(&s, gb_element(&s.v, at)), 1e-4);
    gb_check_free();
}

// An image of one pixel is its own mean.
GB_TEST(gradients_go_through_the_moments) {
    GB_CHECK_EACH_BACKEND(backend)
        for (int relu = 0; relu < 2; relu++) {
            check_gradients(backend, relu ? GB_RELU : GB_IDENTITY, 4, 5);
            check_gradients(backend, relu ? GB_RELU : GB_IDENTITY, 1, 1);
        }
}

GB_TEST(log_determinant_is_counted_per_pixel) {
    const float variance[] = {4, 0.25f, 1e-3f};
    double want = 0;
    for (int c = 0; c < 3; c++)
        want -= 15 * 0.5 * log(variance[c] + (double)GB_NORM_EPSILON);
    assert_number("log det", gb_instance_norm_log_det(3, 5, 3, variance), want, 1e-12);
}
