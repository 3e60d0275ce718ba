// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"

enum { FORMS = GB_COUPLING_ADDITIVE + 1 };

struct scene {
    enum gb_coupling_form form;
    int n, h, w, c, raw_c;
    enum gb_check_layout layout;
    struct gb_tensor v, raw, du;
    struct gb_tensor u; // the output, rounded from double
    float *d_log_det;
};

static struct gb_tensor view_like(const struct scene *s, const char *name) {
    return gb_check_view(name, s->n, s->h, s->w, s->c, s->layout);
}

// One element in double: the map, and the slopes of shift and log(scale) in the raw values.
struct element {
    double v, shift, scale, u, shift_slope, log_scale_slope;
};

static struct element element_at(const struct scene *s, int n, int i, int j, int c) {
    const float *raw = gb_at(&s->raw, n, i, j);
    struct element e = {.v = gb_at(&s->v, n, i, j)[c], .shift = raw[c], .scale = 1};
    e.shift_slope = 1;
    if (s->form == GB_COUPLING_SIGMOID) {
        const double tanh_s = tanh(raw[s->c + c]);
        e.shift = tanh(raw[c]);
        e.shift_slope = 1 - e.shift * e.shift;
        e.scale = 1 / (1 + exp(-(tanh_s + 2)));
        e.log_scale_slope = (1 - e.scale) * (1 - tanh_s * tanh_s);
        e.u = (e.v + e.shift) * e.scale;
        return e;
    }
    if (s->form == GB_COUPLING_SOFTPLUS) {
        const double raw_s = raw[s->c + c];
        e.scale = log1p(exp(raw_s));
        e.log_scale_slope = 1 / (1 + exp(-raw_s)) / e.scale;
    }
    e.u = e.v * e.scale + e.shift;
    return e;
}

static struct scene make_scene(enum gb_coupling_form form, const struct gb_check_shape *shape,
                               enum gb_check_layout layout) {
    struct scene s = {form, shape->n, shape->h, shape->w, shape->c, .layout = layout};
    s.raw_c = gb_coupling_raw_channels(form, s.c);
    s.v = view_like(&s, "v");
    s.raw = gb_check_view("raw", s.n, s.h, s.w, s.raw_c, layout);
    s.du = view_like(&s, "du");
    s.d_log_det = gb_check_floats("d log det", (size_t)s.n, GB_CHECK_FLUSH);
    gb_check_fill(&s.v, GB_CHECK_NORMAL, 1);
    gb_check_fill(&s.raw, GB_CHECK_NORMAL, 2);
    gb_check_fill(&s.du, GB_CHECK_NORMAL, 3);
    gb_check_fill_floats(s.d_log_det, (size_t)s.n, GB_CHECK_NORMAL, 4);
    s.u = view_like(&s, "u");
    for (int n = 0; n < s.n; n++)
        for (int i = 0; i < s.h; i++)
            for (int j = 0; j < s.w; j++)
                for (int c = 0; c < s.c; c++)
                    gb_at(&s.u, n, i, j)[c] = (float)element_at(&s, n, i, j, c).u;
    return s;
}

struct result {
    struct gb_tensor u, v, dv, d_raw;
    double *log_det;
};

enum { EARLIER_LOG_DET = 3 }; // the kernel adds to what is there

static struct result run(const struct scene *s, const struct gb_backend *backend, int threads,
                         bool in_place) {
    struct result r = {view_like(s, "u"), view_like(s, "v again"), view_like(s, "dv"),
                       gb_check_view("d raw", s->n, s->h, s->w, s->raw_c, s->layout),
                       gb_check_doubles("log det", (size_t)s->n)};
    for (int n = 0; n < s->n; n++)
        r.log_det[n] = EARLIER_LOG_DET;
    if (in_place) {
        gb_check_fill(&r.u, GB_CHECK_NORMAL, 1);
        gb_check_fill(&r.v, GB_CHECK_NORMAL, 1);
        gb_check_fill(&r.dv, GB_CHECK_NORMAL, 3);
    }
    const struct gb_exec exec = gb_check_exec(threads, gb_coupling_scratch_floats(&s->v));
    backend->coupling_forward(&exec, s->form, in_place ? &r.u : &s->v, &s->raw, &r.u, r.log_det);
    backend->coupling_inverse(&exec, s->form, in_place ? &r.v : &s->v, &s->raw, &r.v);
    backend->coupling_backward(&exec, s->form, &s->u, &s->raw, in_place ? &r.dv : &s->du,
                               s->d_log_det, &r.dv, &r.d_raw);
    return r;
}

// The definition in double.
static void check_values(const struct scene *s, const struct gb_backend *backend) {
    const size_t elements = gb_elements(&s->v);
    double *u = gb_check_doubles("u", elements), *u_bound = gb_check_doubles("u bound", elements);
    double *v = gb_check_doubles("v", elements), *v_bound = gb_check_doubles("v bound", elements);
    double *dv = gb_check_doubles("dv", elements);
    double *dv_bound = gb_check_doubles("dv bound", elements);
    const size_t raw_elements = gb_elements(&s->raw);
    double *d_raw = gb_check_doubles("d raw", raw_elements);
    double *d_raw_bound = gb_check_doubles("d raw bound", raw_elements);
    double *log_det = gb_check_doubles("log det", (size_t)s->n);
    double *log_det_size = gb_check_doubles("log det size", (size_t)s->n);
    const double e = GB_CHECK_ROUNDING;
    size_t index = 0;
    for (int n = 0; n < s->n; n++)
        for (int i = 0; i < s->h; i++)
            for (int j = 0; j < s->w; j++)
                for (int c = 0; c < s->c; c++, index++) {
                    const struct element x = element_at(s, n, i, j, c);
                    const double du = gb_at(&s->du, n, i, j)[c];
                    const double value = fabs(x.v), shift = fabs(x.shift);
                    u[index] = x.u;
                    dv[index] = du * x.scale;
                    dv_bound[index] = 12 * e * fabs(dv[index]);
                    // The raw tensor's dense order: shifts, then scales, pixel by pixel.
                    const size_t t = index / (size_t)s->c * (size_t)s->raw_c + (size_t)c;
                    d_raw_bound[t] = 24 * e * fabs(dv[index]);
                    if (s->form == GB_COUPLING_SIGMOID) {
                        u_bound[index] = 16 * e * (value + shift) * x.scale;
                        v[index] = x.v / x.scale - x.shift;
                        v_bound[index] = 16 * e * (value / x.scale + shift);
                        d_raw[t] = dv[index] * x.shift_slope;
                    } else {
                        u_bound[index] = 16 * e * (value * x.scale + shift);
                        v[index] = (x.v - x.shift) / x.scale;
                        v_bound[index] = 16 * e * (value + shift) / x.scale;
                        d_raw[t] = du;
                    }
                    if (s->form == GB_COUPLING_ADDITIVE)
                        continue;
                    log_det[n] += log(x.scale);
                    log_det_size[n] += fabs(log(x.scale));
                    const double d_log_det = s->d_log_det[n];
                    const double moved =
                        s->form == GB_COUPLING_SIGMOID ? x.u : x.u - x.shift; // d log u
                    d_raw[t + (size_t)s->c] = (du * moved + d_log_det) * x.log_scale_slope;
                    d_raw_bound[t + (size_t)s->c] =
                        32 * e * (fabs(du) * (value + 2 * shift) * (1 + x.scale) + fabs(d_log_det));
                }
    const struct result r = run(s, backend, 1, false);
    assert_true(gb_check_near("forward", &r.u, u, u_bound));
    assert_true(gb_check_near("inverse", &r.v, v, v_bound));
    assert_true(gb_check_near("dv", &r.dv, dv, dv_bound));
    assert_true(gb_check_near("d raw", &r.d_raw, d_raw, d_raw_bound));
    // Each logarithm within 10 roundings of 1 and its own, each row's float sum one rounding a
    // term.
    for (int n = 0; n < s->n; n++)
        assert_true(
            gb_check_number("log det", r.log_det[n], EARLIER_LOG_DET + log_det[n],
                            e * (10.0 + s->w * s->c) * (log_det_size[n] + s->h * s->w * s->c)));
}

// With any number of threads and in place: the reference's bits in all tensors; log-determinants
// agree in bits within a backend.
static void check_bits(const struct scene *s, const struct gb_backend *backend) {
    const struct result want = run(s, gb_check_reference(), 1, false);
    const struct result one = run(s, backend, 1, false);
    for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++)
        for (int in_place = 0; in_place < 2; in_place++) {
            const struct result r = run(s, backend, threads, in_place);
            assert_true(gb_check_same_bits("forward", &want.u, &r.u));
            assert_true(gb_check_same_bits("inverse", &want.v, &r.v));
            assert_true(gb_check_same_bits("dv", &want.dv, &r.dv));
            assert_true(gb_check_same_bits("d raw", &want.d_raw, &r.d_raw));
            assert_memory_equal(one.log_det, r.log_det, (size_t)s->n * sizeof(double));
        }
}

static void for_every_scene(void (*check)(const struct scene *, const struct gb_backend *)) {
    for (int form = 0; form < FORMS; form++)
        for (int shape = 0; shape < GB_CHECK_SHAPES; shape++)
            for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++) {
                const struct scene scene = make_scene(form, &gb_check_shapes[shape], layout);
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

// v and u are halves of wider tensors, in place, as a flow uses them; the other half stays as it
// was.
static void leaves_the_other_half_alone(void **state) {
    (void)state;
    GB_CHECK_EACH_BACKEND(backend) {
        struct gb_tensor whole = gb_check_view("whole", 2, 3, 5, 12, GB_CHECK_FLUSH);
        struct gb_tensor copy = gb_check_view("copy", 2, 3, 5, 12, GB_CHECK_DENSE);
        struct gb_tensor raw = gb_check_view("raw", 2, 3, 5, 12, GB_CHECK_FLUSH);
        gb_check_fill(&whole, GB_CHECK_NORMAL, 1);
        gb_check_fill(&copy, GB_CHECK_NORMAL, 1);
        gb_check_fill(&raw, GB_CHECK_NORMAL, 2);
        struct gb_tensor half = gb_channels(&whole, 0, 6);
        struct gb_tensor other = gb_channels(&whole, 6, 6), other_copy = gb_channels(&copy, 6, 6);
        const struct gb_exec exec = gb_check_exec(1, gb_coupling_scratch_floats(&half));
        double log_det[2] = {0, 0};
        backend->coupling_forward(&exec, GB_COUPLING_SIGMOID, &half, &raw, &half, log_det);
        assert_true(gb_check_same_bits("the other half", &other_copy, &other));
        gb_check_free();
    }
}

// sum of du * u + d_log_det * log det, for the difference quotients.
static double loss(const struct scene *s) {
    double sum = 0;
    for (int n = 0; n < s->n; n++)
        for (int i = 0; i < s->h; i++)
            for (int j = 0; j < s->w; j++)
                for (int c = 0; c < s->c; c++) {
                    const struct element x = element_at(s, n, i, j, c);
                    sum += gb_at(&s->du, n, i, j)[c] * x.u + s->d_log_det[n] * log(x.scale);
                }
    return sum;
}

static double quotient(const struct scene *s, float *at) {
    const float value = *at, high = value + 0x1p-9f, low = value - 0x1p-9f;
    *at = high;
    double above = loss(s);
    *at = low;
    double below = loss(s);
    *at = value;
    return (above - below) / ((double)high - low);
}

static void gradients_are_difference_quotients(void **state) {
    (void)state;
    for (int form = 0; form < FORMS; form++) {
        const struct scene s =
            make_scene(form, &(struct gb_check_shape){2, 2, 3, 3}, GB_CHECK_DENSE);
        const struct result r = run(&s, gb_check_reference(), 1, false);
        for (int n = 0; n < s.n; n++)
            for (int i = 0; i < s.h; i++)
                for (int j = 0; j < s.w; j++) {
                    for (int c = 0; c < s.c; c++)
                        assert_true(gb_check_number("dv", gb_at(&r.dv, n, i, j)[c],
                                                    quotient(&s, gb_at(&s.v, n, i, j) + c), 1e-5));
                    for (int c = 0; c < s.raw_c; c++)
                        assert_true(gb_check_number("d raw", gb_at(&r.d_raw, n, i, j)[c],
                                                    quotient(&s, gb_at(&s.raw, n, i, j) + c),
                                                    1e-4));
                }
        gb_check_free();
    }
}

int main(void) {
    gb_flush_denormals();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_definition_in_double),
        cmocka_unit_test(gives_the_same_bits_everywhere),
        cmocka_unit_test(leaves_the_other_half_alone),
        cmocka_unit_test(gradients_are_difference_quotients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
