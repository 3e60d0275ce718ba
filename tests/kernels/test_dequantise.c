// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

struct scene {
    enum gb_check_layout layout;
    struct gb_tensor y, u, v, dv; // v: the output, rounded from double
    float *d_log_det;
};

static struct gb_tensor view_like(const struct scene *s, const char *name) {
    return gb_check_view(name, s->u.n, s->u.h, s->u.w, s->u.c, s->layout);
}

static double sign_at(const struct scene *s, int n, int i, int j, int c) {
    return gb_at(&s->y, n, i, j)[c] == 1 ? 1 : -1;
}

static double v_at(const struct scene *s, int n, int i, int j, int c) {
    return 0.5 + sign_at(s, n, i, j, c) * log1p(exp(gb_at(&s->u, n, i, j)[c]));
}

static struct scene make_scene(const struct gb_check_shape *shape, enum gb_check_layout layout) {
    struct scene s = {.layout = layout};
    s.u = gb_check_view("u", shape->n, shape->h, shape->w, shape->c, layout);
    s.y = view_like(&s, "y");
    s.v = view_like(&s, "v");
    s.dv = view_like(&s, "dv");
    gb_check_fill(&s.u, GB_CHECK_NORMAL, 1);
    gb_check_fill(&s.y, GB_CHECK_INTEGERS, 2);
    gb_check_fill(&s.dv, GB_CHECK_NORMAL, 3);
    s.d_log_det = gb_check_floats("d log det", (size_t)shape->n, GB_CHECK_FLUSH);
    gb_check_fill_floats(s.d_log_det, (size_t)shape->n, GB_CHECK_NORMAL, 4);
    for (int n = 0; n < s.u.n; n++)
        for (int i = 0; i < s.u.h; i++)
            for (int j = 0; j < s.u.w; j++)
                for (int c = 0; c < s.u.c; c++) {
                    gb_at(&s.y, n, i, j)[c] = gb_at(&s.y, n, i, j)[c] > 0;
                    gb_at(&s.u, n, i, j)[c] *= 3;
                    gb_at(&s.v, n, i, j)[c] = (float)v_at(&s, n, i, j, c);
                }
    return s;
}

struct result {
    struct gb_tensor v, u, du;
    double *log_det;
};

enum { EARLIER_LOG_DET = 3 }; // the kernel adds to what is there

static struct result run(const struct scene *s, const struct gb_backend *backend, int threads,
                         bool in_place) {
    struct result r = {view_like(s, "v"), view_like(s, "u"), view_like(s, "du"),
                       gb_check_doubles("log det", (size_t)s->u.n)};
    for (int n = 0; n < s->u.n; n++)
        r.log_det[n] = EARLIER_LOG_DET;
    if (in_place) {
        gb_copy_values(&s->u, &r.v);
        gb_copy_values(&s->v, &r.u);
        gb_copy_values(&s->dv, &r.du);
    }
    const struct gb_exec exec = gb_check_exec(threads, gb_dequantise_scratch_bytes(&s->u));
    backend->dequantise_forward(&exec, &s->y, in_place ? &r.v : &s->u, &r.v, r.log_det);
    backend->dequantise_inverse(&exec, &s->y, in_place ? &r.u : &s->v, &r.u);
    backend->dequantise_backward(&exec, &s->y, &s->u, in_place ? &r.du : &s->dv, s->d_log_det,
                                 &r.du);
    return r;
}

// The definition in double.
static void check_values(const struct scene *s, const struct gb_backend *backend) {
    const struct result r = run(s, backend, 1, false);
    const double e = GB_CHECK_ROUNDING;
    for (int n = 0; n < s->u.n; n++) {
        double log_det = EARLIER_LOG_DET;
        for (int i = 0; i < s->u.h; i++)
            for (int j = 0; j < s->u.w; j++)
                for (int c = 0; c < s->u.c; c++) {
                    const double u = gb_at(&s->u, n, i, j)[c], v = v_at(s, n, i, j, c);
                    const double slope = 1 / (1 + exp(-u)), sign = sign_at(s, n, i, j, c);
                    assert_true(
                        gb_check_number("v", gb_at(&r.v, n, i, j)[c], v, 6 * e * (1 + fabs(v))));
                    assert_int_equal(gb_at(&r.v, n, i, j)[c] > 0.5f, sign > 0);
                    // A rounding of v is one of u over the slope.
                    assert_true(gb_check_number("u", gb_at(&r.u, n, i, j)[c], u,
                                                4 * e * ((1 + fabs(v)) / slope + fabs(u))));
                    const double d_v = sign * gb_at(&s->dv, n, i, j)[c] * slope;
                    const double d_log = s->d_log_det[n] * (1 - slope);
                    assert_true(gb_check_number("du", gb_at(&r.du, n, i, j)[c], d_v + d_log,
                                                10 * e * (fabs(d_v) + fabs(d_log))));
                    log_det += log(slope);
                }
        assert_true(gb_check_number("log det", r.log_det[n], log_det,
                                    e * (4 + s->u.w * s->u.c) * (EARLIER_LOG_DET - log_det)));
    }
}

// With any number of threads and in place: the reference's bits in all tensors; log-determinants
// agree in bits within a backend.
static void check_bits(const struct scene *s, const struct gb_backend *backend) {
    const struct result want = run(s, gb_check_reference(), 1, false);
    const struct result one = run(s, backend, 1, false);
    for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++)
        for (int in_place = 0; in_place < 2; in_place++) {
            const struct result r = run(s, backend, threads, in_place);
            assert_true(gb_check_same_bits("v", &want.v, &r.v));
            assert_true(gb_check_same_bits("u", &want.u, &r.u));
            assert_true(gb_check_same_bits("du", &want.du, &r.du));
            assert_memory_equal(one.log_det, r.log_det, (size_t)s->u.n * sizeof(double));
        }
}

static void for_every_scene(void (*check)(const struct scene *, const struct gb_backend *)) {
    for (int shape = 0; shape < GB_CHECK_SHAPES; shape++)
        for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++) {
            const struct scene scene = make_scene(&gb_check_shapes[shape], layout);
            GB_CHECK_EACH_BACKEND(backend)
                check(&scene, backend);
            assert_true(gb_check_guards());
            gb_check_free();
        }
}

GB_TEST(is_the_definition_in_double) {
    for_every_scene(check_values);
}

GB_TEST(gives_the_same_bits_everywhere) {
    for_every_scene(check_bits);
}

// sum of dv * v + d_log_det * log det, for the difference quotients.
static double loss(const struct scene *s) {
    double sum = 0;
    for (int n = 0; n < s->u.n; n++)
        for (int i = 0; i < s->u.h; i++)
            for (int j = 0; j < s->u.w; j++)
                for (int c = 0; c < s->u.c; c++)
                    sum += gb_at(&s->dv, n, i, j)[c] * v_at(s, n, i, j, c) -
                           s->d_log_det[n] * log1p(exp(-gb_at(&s->u, n, i, j)[c]));
    return sum;
}

GB_TEST(gradients_are_difference_quotients) {
    const struct scene s = make_scene(&(struct gb_check_shape){2, 3, 4, 2}, GB_CHECK_DENSE);
    const struct result r = run(&s, gb_check_reference(), 1, false);
    for (int n = 0; n < s.u.n; n++)
        for (int i = 0; i < s.u.h; i++)
            for (int j = 0; j < s.u.w; j++)
                for (int c = 0; c < s.u.c; c++) {
                    float *at = gb_at(&s.u, n, i, j) + c;
                    const float value = *at, high = value + 0x1p-9f, low = value - 0x1p-9f;
                    *at = high;
                    double above = loss(&s);
                    *at = low;
                    double below = loss(&s);
                    *at = value;
                    assert_true(gb_check_number("du", gb_at(&r.du, n, i, j)[c],
                                                (above - below) / ((double)high - low), 1e-5));
                }
    gb_check_free();
}
