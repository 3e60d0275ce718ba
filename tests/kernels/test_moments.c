// SPDX-License-Identifier: MIT
#include <math.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

enum { GAP = 3 }; // between the rows of the results

struct scene {
    struct gb_tensor v;
    int groups; // rows of results: one for each image, or one for all
    ptrdiff_t stride;
};

struct result {
    float *mean, *variance;
};

static struct scene make_scene(const struct gb_check_shape *shape, enum gb_check_layout layout,
                               bool together, float offset) {
    struct scene s = {.groups = together ? 1 : shape->n, .stride = together ? 0 : shape->c + GAP};
    s.v = gb_check_view("v", shape->n, shape->h, shape->w, shape->c, layout);
    gb_check_fill(&s.v, GB_CHECK_NORMAL, 1);
    for (int n = 0; n < s.v.n; n++)
        for (int i = 0; i < s.v.h; i++)
            for (int j = 0; j < s.v.w; j++)
                for (int c = 0; c < s.v.c; c++)
                    gb_at(&s.v, n, i, j)[c] += offset;
    return s;
}

static struct result run(const struct scene *s, const struct gb_backend *backend, int threads) {
    const size_t floats = (size_t)((s->groups - 1) * s->stride + s->v.c);
    struct result r = {gb_check_floats("mean", floats, GB_CHECK_FLUSH),
                       gb_check_floats("variance", floats, GB_CHECK_FLUSH)};
    const struct gb_exec exec = gb_check_exec(threads, gb_moments_scratch_bytes(&s->v));
    backend->moments(&exec, &s->v, r.mean, r.variance, s->stride);
    return r;
}

// One channel of a group of images in double, two passes.
static void check_channel(const struct scene *s, const struct result *r, int group, int c) {
    const int first = s->groups == 1 ? 0 : group, end = s->groups == 1 ? s->v.n : group + 1;
    const double count = (double)(end - first) * s->v.h * s->v.w;
    double mean = 0, size = 0, variance = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int n = first; n < end; n++)
            for (int i = 0; i < s->v.h; i++)
                for (int j = 0; j < s->v.w; j++) {
                    const double v = gb_at(&s->v, n, i, j)[c];
                    if (pass == 0) {
                        mean += v / count;
                        size += fabs(v) / count;
                    } else {
                        variance += (v - mean) * (v - mean) / count;
                    }
                }
    const double e = (s->v.w + 8) * GB_CHECK_ROUNDING;
    assert_true(gb_check_number("mean", r->mean[group * s->stride + c], mean, e * size));
    assert_true(gb_check_number("variance", r->variance[group * s->stride + c], variance,
                                e * (variance + 2 * sqrt(variance) * size + e * size * size)));
}

static void check_scene(const struct scene *s) {
    GB_CHECK_EACH_BACKEND(backend) {
        const struct result one = run(s, backend, 1);
        for (int group = 0; group < s->groups; group++)
            for (int c = 0; c < s->v.c; c++)
                check_channel(s, &one, group, c);
        for (int threads = 2; threads <= GB_CHECK_MAX_THREADS; threads++) {
            const struct result r = run(s, backend, threads);
            for (int group = 0; group < s->groups; group++) {
                const ptrdiff_t at = group * s->stride;
                assert_true(
                    gb_check_same_floats("mean", (size_t)s->v.c, one.mean + at, r.mean + at));
                assert_true(gb_check_same_floats("variance", (size_t)s->v.c, one.variance + at,
                                                 r.variance + at));
            }
        }
    }
    assert_true(gb_check_guards());
    gb_check_free();
}

// Also far from zero, where the square of the mean would drown the variance.
GB_TEST(are_the_definition_in_double) {
    static const float offsets[] = {0, 1000};
    for (int shape = 0; shape < GB_CHECK_SHAPES; shape++)
        for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++)
            for (int together = 0; together < 2; together++)
                for (int offset = 0; offset < 2; offset++) {
                    const struct scene s =
                        make_scene(&gb_check_shapes[shape], layout, together, offsets[offset]);
                    check_scene(&s);
                }
}

GB_TEST(constant_channels_have_no_variance) {
    GB_CHECK_EACH_BACKEND(backend) {
        struct scene s = make_scene(&(struct gb_check_shape){2, 3, 4, 5}, GB_CHECK_SLICE, true, 0);
        for (int pixel = 0; pixel < 2 * 3 * 4; pixel++)
            for (int c = 0; c < 5; c++)
                gb_at(&s.v, pixel / 12, pixel / 4 % 3, pixel % 4)[c] = (float)c - 2;
        const struct result r = run(&s, backend, 1);
        for (int c = 0; c < 5; c++) {
            assert_true(r.mean[c] == (float)c - 2);
            assert_true(r.variance[c] == 0);
        }
        gb_check_free();
    }
}
