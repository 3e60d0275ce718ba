// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

enum { GAP = 3 }; // between the rows of the moments

struct scene {
    enum gb_activation activation;
    enum gb_check_layout layout;
    struct gb_tensor v, dy;
    struct gb_norm_moments moments; // the images' own
    float *d_log_det;
};

static struct gb_tensor view_like(const struct scene *s, const char *name) {
    return gb_check_view(name, s->v.n, s->v.h, s->v.w, s->v.c, s->layout);
}

static void set_moments(const struct scene *s) {
    const struct gb_exec exec = gb_check_exec(1, gb_moments_scratch_bytes(&s->v));
    gb_check_reference()->moments(&exec, &s->v, (float *)(uintptr_t)s->moments.mean,
                                  (float *)(uintptr_t)s->moments.variance, s->moments.stride);
}

static struct scene make_scene(enum gb_activation activation, const struct gb_check_shape *shape,
                               enum gb_check_layout layout) {
    struct scene s = {activation, layout, .v = {0}};
    const int stride = shape->c + GAP;
    const size_t floats = (size_t)((shape->n - 1) * stride + shape->c);
    s.v = gb_check_view("v", shape->n, shape->h, shape->w, shape->c, layout);
    s.dy = view_like(&s, "dy");
    gb_check_fill(&s.v, GB_CHECK_NORMAL, 1);
    gb_check_fill(&s.dy, GB_CHECK_NORMAL, 2);
    s.moments =
        (struct gb_norm_moments){gb_check_floats("mean", floats, GB_CHECK_FLUSH),
                                 gb_check_floats("variance", floats, GB_CHECK_FLUSH), stride};
    set_moments(&s);
    s.d_log_det = gb_check_floats("d log det", (size_t)shape->n, GB_CHECK_FLUSH);
    gb_check_fill_floats(s.d_log_det, (size_t)shape->n, GB_CHECK_NORMAL, 3);
    return s;
}

struct result {
    struct gb_tensor y, v, dv;
};

static struct result run(const struct scene *s, const struct gb_backend *backend, int threads,
                         bool in_place) {
    struct result r = {view_like(s, "y"), view_like(s, "v again"), view_like(s, "dv")};
    if (in_place) {
        gb_check_fill(&r.y, GB_CHECK_NORMAL, 1);
        gb_check_fill(&r.v, GB_CHECK_NORMAL, 1);
        gb_check_fill(&r.dv, GB_CHECK_NORMAL, 2);
    }
    const struct gb_exec exec = gb_check_exec(threads, gb_instance_norm_scratch_bytes(&s->v));
    backend->instance_norm_forward(&exec, s->activation, in_place ? &r.y : &s->v, &s->moments,
                                   &r.y);
    backend->instance_norm_inverse(&exec, in_place ? &r.v : &s->v, &s->moments, &r.v);
    backend->instance_norm_backward(&exec, s->activation, &s->v, &s->moments,
                                    in_place ? &r.dv : &s->dy, s->d_log_det, &r.dv);
    return r;
}

// One channel of an image in double.
struct channel {
    double mean, deviation, mean_d, mean_du, size_d, size_du; // sizes: means of magnitudes
};

static double u_at(const struct scene *s, const struct channel *k, int n, int i, int j, int c) {
    return (gb_at(&s->v, n, i, j)[c] - k->mean) / k->deviation;
}

static double d_at(const struct scene *s, const struct channel *k, int n, int i, int j, int c) {
    if (s->activation == GB_RELU && u_at(s, k, n, i, j, c) <= 0)
        return 0;
    return gb_at(&s->dy, n, i, j)[c];
}

static struct channel channel_of(const struct scene *s, int n, int c) {
    const ptrdiff_t at = n * s->moments.stride + c;
    struct channel k = {.mean = s->moments.mean[at],
                        .deviation = sqrt(s->moments.variance[at] + (double)GB_NORM_EPSILON)};
    const double pixels = (double)s->v.h * s->v.w;
    for (int i = 0; i < s->v.h; i++)
        for (int j = 0; j < s->v.w; j++) {
            const double u = u_at(s, &k, n, i, j, c), d = d_at(s, &k, n, i, j, c);
            k.mean_d += d / pixels;
            k.mean_du += d * u / pixels;
            k.size_d += fabs(d) / pixels;
            k.size_du += fabs(d * u) / pixels;
        }
    return k;
}

// The definition in double.
static void check_values(const struct scene *s, const struct gb_backend *backend) {
    const struct result r = run(s, backend, 1, false);
    const double e = GB_CHECK_ROUNDING;
    for (int n = 0; n < s->v.n; n++)
        for (int c = 0; c < s->v.c; c++) {
            const struct channel k = channel_of(s, n, c);
            for (int i = 0; i < s->v.h; i++)
                for (int j = 0; j < s->v.w; j++) {
                    const double v = gb_at(&s->v, n, i, j)[c], u = u_at(s, &k, n, i, j, c);
                    const double y = s->activation == GB_RELU ? fmax(u, 0) : u;
                    assert_true(gb_check_number("y", gb_at(&r.y, n, i, j)[c], y, 8 * e * fabs(u)));
                    assert_true(gb_check_number("v", gb_at(&r.v, n, i, j)[c],
                                                v * k.deviation + k.mean,
                                                8 * e * (fabs(v * k.deviation) + fabs(k.mean))));
                    const double d = d_at(s, &k, n, i, j, c), d_log_det = s->d_log_det[n];
                    assert_true(
                        gb_check_number("dv", gb_at(&r.dv, n, i, j)[c],
                                        (d - k.mean_d - u * (k.mean_du + d_log_det)) / k.deviation,
                                        ((8 + s->v.w) * e * (k.size_d + fabs(u) * k.size_du) +
                                         16 * e * (fabs(d) + fabs(u * d_log_det))) /
                                            k.deviation));
                }
        }
}

// With any number of threads and in place: the reference's bits where the definition has no sum,
// the backend's own where it has.
static void check_bits(const struct scene *s, const struct gb_backend *backend) {
    const struct result want = run(s, gb_check_reference(), 1, false);
    const struct result one = run(s, backend, 1, false);
    for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++)
        for (int in_place = 0; in_place < 2; in_place++) {
            const struct result r = run(s, backend, threads, in_place);
            assert_true(gb_check_same_bits("y", &want.y, &r.y));
            assert_true(gb_check_same_bits("v", &want.v, &r.v));
            assert_true(gb_check_same_bits("dv", &one.dv, &r.dv));
        }
}

static void for_every_scene(void (*check)(const struct scene *, const struct gb_backend *)) {
    for (int activation = GB_IDENTITY; activation <= GB_RELU; activation++)
        for (int shape = 0; shape < GB_CHECK_SHAPES; shape++)
            for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++) {
                const struct scene scene = make_scene(activation, &gb_check_shapes[shape], layout);
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

// Stored moments, one row for all images: forward and inverse undo each other.
GB_TEST(stored_moments_are_invertible) {
    GB_CHECK_EACH_BACKEND(backend) {
        struct scene s =
            make_scene(GB_IDENTITY, &(struct gb_check_shape){3, 4, 5, 19}, GB_CHECK_SLICE);
        s.moments.stride = 0;
        const struct gb_exec exec = {.threads = 1};
        struct gb_tensor y = view_like(&s, "y");
        backend->instance_norm_forward(&exec, GB_IDENTITY, &s.v, &s.moments, &y);
        backend->instance_norm_inverse(&exec, &y, &s.moments, &y);
        for (int n = 0; n < s.v.n; n++)
            for (int i = 0; i < s.v.h; i++)
                for (int j = 0; j < s.v.w; j++)
                    for (int c = 0; c < s.v.c; c++) {
                        const double v = gb_at(&s.v, n, i, j)[c];
                        assert_true(gb_check_number("v", gb_at(&y, n, i, j)[c], v,
                                                    8 * GB_CHECK_ROUNDING *
                                                        (fabs(v) + fabs(s.moments.mean[c]))));
                    }
        gb_check_free();
    }
}

// sum of dy * act(u) + d_log_det * log det, moments included, for the difference quotients.
static double loss(const struct scene *s) {
    double sum = 0;
    for (int n = 0; n < s->v.n; n++)
        for (int c = 0; c < s->v.c; c++) {
            struct channel k = {0};
            const double pixels = (double)s->v.h * s->v.w;
            double variance = 0;
            for (int p = 0; p < s->v.h * s->v.w; p++)
                k.mean += gb_at(&s->v, n, p / s->v.w, p % s->v.w)[c] / pixels;
            for (int p = 0; p < s->v.h * s->v.w; p++)
                variance += pow(gb_at(&s->v, n, p / s->v.w, p % s->v.w)[c] - k.mean, 2) / pixels;
            k.deviation = sqrt(variance + (double)GB_NORM_EPSILON);
            for (int i = 0; i < s->v.h; i++)
                for (int j = 0; j < s->v.w; j++)
                    sum += d_at(s, &k, n, i, j, c) * u_at(s, &k, n, i, j, c);
            sum -= s->d_log_det[n] * pixels * log(k.deviation);
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

GB_TEST(gradients_are_difference_quotients) {
    for (int activation = GB_IDENTITY; activation <= GB_RELU; activation++)
        GB_CHECK_EACH_BACKEND(backend) {
            const struct scene s =
                make_scene(activation, &(struct gb_check_shape){2, 4, 5, 3}, GB_CHECK_DENSE);
            const struct result r = run(&s, backend, 1, false);
            for (int n = 0; n < s.v.n; n++)
                for (int i = 0; i < s.v.h; i++)
                    for (int j = 0; j < s.v.w; j++)
                        for (int c = 0; c < s.v.c; c++)
                            assert_true(gb_check_number("dv", gb_at(&r.dv, n, i, j)[c],
                                                        quotient(&s, gb_at(&s.v, n, i, j) + c),
                                                        1e-4));
            gb_check_free();
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
