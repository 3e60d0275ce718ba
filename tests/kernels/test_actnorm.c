// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"

// One shape and layout, with parameters per sample or shared.
struct scene {
    int n, h, w, c;
    enum gb_check_layout layout;
    bool shared;
    struct gb_tensor v, dy;
    struct gb_actnorm_parameters parameters;
    size_t parameter_floats; // of each gradient, too
};

enum { PARAMETER_GAP = 3 };

static struct scene make_scene(const struct gb_check_shape *s, enum gb_check_layout layout,
                               bool shared, enum gb_check_fill fill) {
    struct scene scene = {s->n, s->h, s->w, s->c, layout, shared, .parameters = {0}};
    const int stride = shared ? 0 : s->c + PARAMETER_GAP;
    const size_t floats = (size_t)((s->n - 1) * stride + s->c);
    float *log_scale = gb_check_floats("log scale", floats, GB_CHECK_FLUSH);
    float *bias = gb_check_floats("bias", floats, GB_CHECK_FLUSH);
    gb_check_fill_floats(log_scale, floats, GB_CHECK_NORMAL, 1);
    gb_check_fill_floats(bias, floats, GB_CHECK_NORMAL, 2);
    scene.parameters = (struct gb_actnorm_parameters){log_scale, bias, stride};
    scene.parameter_floats = floats;
    scene.v = gb_check_view("v", s->n, s->h, s->w, s->c, layout);
    scene.dy = gb_check_view("dy", s->n, s->h, s->w, s->c, layout);
    gb_check_fill(&scene.v, fill, 3);
    gb_check_fill(&scene.dy, fill, 4);
    return scene;
}

static struct gb_tensor view_like(const struct scene *s, const char *name) {
    return gb_check_view(name, s->n, s->h, s->w, s->c, s->layout);
}

struct gradients {
    struct gb_tensor dv;
    float *log_scale, *bias;
};

static struct gradients run_backward(const struct scene *s, const struct gb_backend *backend,
                                     int threads, bool in_place) {
    struct gradients g = {view_like(s, "dv"),
                          gb_check_floats("d log scale", s->parameter_floats, GB_CHECK_FLUSH),
                          gb_check_floats("d bias", s->parameter_floats, GB_CHECK_FLUSH)};
    const struct gb_exec exec = {.threads = threads};
    if (in_place)
        gb_check_fill(&g.dv, GB_CHECK_NORMAL, 4);
    backend->actnorm_backward(&exec, &s->v, &s->parameters, in_place ? &g.dv : &s->dy, &g.dv,
                              g.log_scale, g.bias, s->parameters.stride);
    return g;
}

// The definition in double.
static void check_values(const struct scene *s, const struct gb_backend *backend) {
    const size_t elements = gb_elements(&s->v);
    double *y = gb_check_doubles("y", elements), *y_bound = gb_check_doubles("y bound", elements);
    double *v = gb_check_doubles("v", elements), *v_bound = gb_check_doubles("v bound", elements);
    double *dv = gb_check_doubles("dv", elements), *dv_bound = gb_check_doubles("bound", elements);
    double *d_log_scale = gb_check_doubles("d log scale", s->parameter_floats);
    double *log_scale_size = gb_check_doubles("log scale size", s->parameter_floats);
    double *d_bias = gb_check_doubles("d bias", s->parameter_floats);
    double *bias_size = gb_check_doubles("bias size", s->parameter_floats);
    const double e = GB_CHECK_ROUNDING;
    size_t i = 0;
    for (int n = 0; n < s->n; n++)
        for (int row = 0; row < s->h; row++)
            for (int x = 0; x < s->w; x++)
                for (int c = 0; c < s->c; c++, i++) {
                    const ptrdiff_t p = n * s->parameters.stride + c;
                    const double scale = exp(s->parameters.log_scale[p]);
                    const double bias = s->parameters.bias[p];
                    const double in = gb_at(&s->v, n, row, x)[c], dy = gb_at(&s->dy, n, row, x)[c];
                    y[i] = (in + bias) * scale;
                    y_bound[i] = 6 * e * fabs(y[i]);
                    v[i] = in / scale - bias;
                    v_bound[i] = 6 * e * (fabs(in / scale) + fabs(bias));
                    dv[i] = dy * scale;
                    dv_bound[i] = 6 * e * fabs(dv[i]);
                    d_log_scale[p] += dy * y[i];
                    log_scale_size[p] += fabs(dy * y[i]);
                    d_bias[p] += dv[i];
                    bias_size[p] += fabs(dv[i]);
                }
    const struct gb_exec exec = {.threads = 1};
    struct gb_tensor out = view_like(s, "out");
    backend->actnorm_forward(&exec, &s->v, &s->parameters, &out);
    assert_true(gb_check_near("forward", &out, y, y_bound));
    backend->actnorm_inverse(&exec, &s->v, &s->parameters, &out);
    assert_true(gb_check_near("inverse", &out, v, v_bound));
    const struct gradients g = run_backward(s, backend, 1, false);
    assert_true(gb_check_near("dv", &g.dv, dv, dv_bound));
    const double sum_error = e * (s->w + s->n * s->h + 10);
    for (int n = 0; n < (s->shared ? 1 : s->n); n++)
        for (int c = 0; c < s->c; c++) {
            const ptrdiff_t p = n * s->parameters.stride + c;
            assert_true(gb_check_number("d log scale", g.log_scale[p], d_log_scale[p],
                                        sum_error * log_scale_size[p]));
            assert_true(gb_check_number("d bias", g.bias[p], d_bias[p], sum_error * bias_size[p]));
        }
}

// The reference's bits with any number of threads, and in place.
static void check_bits(const struct scene *s, const struct gb_backend *backend) {
    const struct gb_backend *reference = gb_check_reference();
    const struct gb_exec one = {.threads = 1};
    struct gb_tensor y = view_like(s, "y"), v = view_like(s, "v again");
    reference->actnorm_forward(&one, &s->v, &s->parameters, &y);
    reference->actnorm_inverse(&one, &s->v, &s->parameters, &v);
    const struct gradients want = run_backward(s, reference, 1, false);
    for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++) {
        const struct gb_exec exec = {.threads = threads};
        struct gb_tensor out = view_like(s, "out");
        backend->actnorm_forward(&exec, &s->v, &s->parameters, &out);
        assert_true(gb_check_same_bits("forward", &y, &out));
        backend->actnorm_inverse(&exec, &s->v, &s->parameters, &out);
        assert_true(gb_check_same_bits("inverse", &v, &out));
        gb_check_fill(&out, GB_CHECK_NORMAL, 3);
        backend->actnorm_forward(&exec, &out, &s->parameters, &out);
        assert_true(gb_check_same_bits("forward in place", &y, &out));
        gb_check_fill(&out, GB_CHECK_NORMAL, 3);
        backend->actnorm_inverse(&exec, &out, &s->parameters, &out);
        assert_true(gb_check_same_bits("inverse in place", &v, &out));
        for (int in_place = 0; in_place < 2; in_place++) {
            const struct gradients g = run_backward(s, backend, threads, in_place);
            assert_true(gb_check_same_bits("dv", &want.dv, &g.dv));
            for (int n = 0; n < (s->shared ? 1 : s->n); n++) {
                const ptrdiff_t p = n * s->parameters.stride;
                assert_true(gb_check_same_floats("d log scale", (size_t)s->c, want.log_scale + p,
                                                 g.log_scale + p));
                assert_true(
                    gb_check_same_floats("d bias", (size_t)s->c, want.bias + p, g.bias + p));
            }
        }
    }
}

static void for_every_scene(void (*check)(const struct scene *, const struct gb_backend *)) {
    for (int shape = 0; shape < GB_CHECK_SHAPES; shape++)
        for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++)
            for (int shared = 0; shared < 2; shared++) {
                const struct scene scene =
                    make_scene(&gb_check_shapes[shape], layout, shared, GB_CHECK_NORMAL);
                GB_CHECK_EACH_BACKEND(backend)
                    check(&scene, backend);
                assert_true(gb_check_guards());
                gb_check_free();
            }
}

static void is_the_definition_in_double(void **state) {
    (void)state;
    for_every_scene(check_values);
}

static void gives_the_same_bits_everywhere(void **state) {
    (void)state;
    for_every_scene(check_bits);
}

// sum of dy * y, for the difference quotients.
static double loss(const struct scene *s) {
    double sum = 0;
    for (int n = 0; n < s->n; n++)
        for (int i = 0; i < s->h; i++)
            for (int j = 0; j < s->w; j++)
                for (int c = 0; c < s->c; c++) {
                    const ptrdiff_t p = n * s->parameters.stride + c;
                    sum += gb_at(&s->dy, n, i, j)[c] *
                           ((double)gb_at(&s->v, n, i, j)[c] + s->parameters.bias[p]) *
                           exp(s->parameters.log_scale[p]);
                }
    return sum;
}

static double quotient(const struct scene *s, float *at) {
    const float value = *at, high = value + 0x1p-8f, low = value - 0x1p-8f;
    *at = high;
    double above = loss(s);
    *at = low;
    double below = loss(s);
    *at = value;
    return (above - below) / ((double)high - low);
}

static void gradients_are_difference_quotients(void **state) {
    (void)state;
    for (int shared = 0; shared < 2; shared++) {
        const struct scene s = make_scene(&(struct gb_check_shape){2, 2, 3, 5}, GB_CHECK_DENSE,
                                          shared, GB_CHECK_NORMAL);
        const struct gradients g = run_backward(&s, gb_check_reference(), 1, false);
        for (int n = 0; n < s.n; n++)
            for (int c = 0; c < s.c; c++) {
                const ptrdiff_t p = n * s.parameters.stride + c;
                float *log_scale = (float *)(uintptr_t)s.parameters.log_scale + p;
                float *bias = (float *)(uintptr_t)s.parameters.bias + p;
                assert_true(
                    gb_check_number("d log scale", g.log_scale[p], quotient(&s, log_scale), 1e-3));
                assert_true(gb_check_number("d bias", g.bias[p], quotient(&s, bias), 1e-4));
                assert_true(gb_check_number("dv", gb_at(&g.dv, n, 1, 2)[c],
                                            quotient(&s, gb_at(&s.v, n, 1, 2) + c), 1e-4));
            }
        gb_check_free();
    }
}

static void log_determinant_is_the_scaled_sum(void **state) {
    (void)state;
    assert_true(gb_check_number(
        "log det", gb_actnorm_log_det(3, 5, 3, (const float[]){0.5f, -2, 0.25f}), 15 * -1.25, 0));
}

// What the moments of some data say takes that data to mean 0 and variance 1.
static void starts_from_data(void **state) {
    (void)state;
    GB_CHECK_EACH_BACKEND(backend) {
        const struct gb_exec exec = gb_check_exec(1, 4096);
        struct gb_tensor v = gb_check_view("v", 3, 8, 9, 7, GB_CHECK_SLICE);
        float mean[7], variance[7], log_scale[7], bias[7];
        gb_check_fill(&v, GB_CHECK_NORMAL, 1);
        for (int n = 0; n < v.n; n++)
            for (int pixel = 0; pixel < v.h * v.w; pixel++)
                for (int c = 0; c < v.c; c++) {
                    float *at = gb_at(&v, n, pixel / v.w, pixel % v.w) + c;
                    *at = *at * 0.03f * (float)(c + 1) + 5 - (float)c;
                }
        backend->moments(&exec, &v, mean, variance, 0);
        gb_actnorm_start(v.c, mean, variance, log_scale, bias);
        const struct gb_actnorm_parameters parameters = {log_scale, bias, 0};
        backend->actnorm_forward(&exec, &v, &parameters, &v);
        backend->moments(&exec, &v, mean, variance, 0);
        for (int c = 0; c < v.c; c++) {
            assert_true(gb_check_number("mean", mean[c], 0, 1e-4));
            assert_true(gb_check_number("variance", variance[c], 1, 1e-3));
        }
        gb_check_free();
    }
}

static void a_constant_channel_starts_finite(void **state) {
    (void)state;
    float log_scale, bias;
    gb_actnorm_start(1, (const float[]){3}, (const float[]){0}, &log_scale, &bias);
    assert_true(gb_check_number("log scale", log_scale, log(1e6), 1e-5));
    assert_true(bias == -3);
}

int main(void) {
    gb_flush_denormals();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_definition_in_double),
        cmocka_unit_test(gives_the_same_bits_everywhere),
        cmocka_unit_test(gradients_are_difference_quotients),
        cmocka_unit_test(log_determinant_is_the_scaled_sum),
        cmocka_unit_test(starts_from_data),
        cmocka_unit_test(a_constant_channel_starts_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
