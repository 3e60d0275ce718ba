// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

static void check_add(const struct gb_check_shape *s, enum gb_check_layout layout,
                      enum gb_check_layout layout_of_x) {
    struct gb_tensor x = gb_check_view("x", s->n, s->h, s->w, s->c, layout_of_x);
    struct gb_tensor want = gb_check_view("want", s->n, s->h, s->w, s->c, GB_CHECK_DENSE);
    gb_check_fill(&x, GB_CHECK_PATHOLOGICAL, 1);
    gb_check_fill(&want, GB_CHECK_PATHOLOGICAL, 2);
    for (int n = 0; n < s->n; n++)
        for (int i = 0; i < s->h; i++)
            for (int j = 0; j < s->w; j++)
                for (int c = 0; c < s->c; c++)
                    gb_at(&want, n, i, j)[c] += gb_at(&x, n, i, j)[c];
    GB_CHECK_EACH_BACKEND(backend)
        for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++) {
            const struct gb_exec exec = {.threads = threads};
            struct gb_tensor y = gb_check_view("y", s->n, s->h, s->w, s->c, layout);
            gb_check_fill(&y, GB_CHECK_PATHOLOGICAL, 2);
            backend->add(&exec, &x, &y);
            assert_true(gb_check_same_bits("add", &want, &y));
        }
    assert_true(gb_check_guards());
    gb_check_free();
}

GB_TEST(adds_every_element_exactly) {
    for (int s = 0; s < GB_CHECK_SHAPES; s++)
        for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++)
            for (int layout_of_x = 0; layout_of_x < GB_CHECK_LAYOUTS; layout_of_x++)
                check_add(&gb_check_shapes[s], layout, layout_of_x);
}

static struct gb_tensor filled(const char *name, const struct gb_check_shape *s,
                               enum gb_check_layout layout, uint32_t stream) {
    struct gb_tensor t = gb_check_view(name, s->n, s->h, s->w, s->c, layout);
    gb_check_fill(&t, GB_CHECK_PATHOLOGICAL, stream);
    return t;
}

static void check_add_scaled(const struct gb_check_shape *s, enum gb_check_layout layout,
                             enum gb_check_layout layout_of_x, bool with_x) {
    static const float factor = 0.2f;
    struct gb_tensor want = filled("want", s, GB_CHECK_DENSE, 1);
    struct gb_tensor added = filled("x", s, layout_of_x, 1), r = filled("r", s, layout, 2);
    for (int n = 0; n < s->n; n++)
        for (int i = 0; i < s->h; i++)
            for (int j = 0; j < s->w; j++)
                for (int c = 0; c < s->c; c++) {
                    float *w = gb_at(&want, n, i, j) + c, scaled = gb_at(&r, n, i, j)[c];
                    *w = with_x ? fmaf(factor, scaled, *w) : factor * scaled;
                }
    const struct gb_tensor *x = with_x ? &added : NULL;
    GB_CHECK_EACH_BACKEND(backend)
        for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++) {
            const struct gb_exec exec = {.threads = threads};
            struct gb_tensor y = gb_check_view("y", s->n, s->h, s->w, s->c, layout);
            backend->add_scaled(&exec, x, factor, &r, &y);
            assert_true(gb_check_same_bits("add scaled", &want, &y));
            struct gb_tensor over_r = filled("over r", s, layout, 2);
            backend->add_scaled(&exec, x, factor, &over_r, &over_r);
            assert_true(gb_check_same_bits("over r", &want, &over_r));
            struct gb_tensor over_x = filled("over x", s, layout, 1);
            backend->add_scaled(&exec, with_x ? &over_x : NULL, factor, &r, &over_x);
            assert_true(gb_check_same_bits("over x", &want, &over_x));
        }
    assert_true(gb_check_guards());
    gb_check_free();
}

GB_TEST(adds_every_scaled_element_exactly) {
    for (int s = 0; s < GB_CHECK_SHAPES; s++)
        for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++)
            for (int layout_of_x = 0; layout_of_x < GB_CHECK_LAYOUTS; layout_of_x++)
                for (int with_x = 0; with_x < 2; with_x++)
                    check_add_scaled(&gb_check_shapes[s], layout, layout_of_x, with_x);
}

// Two units in the last place: each at most 2^-23 of a normal number.
static void check_exp(size_t count, float factor) {
    float *in = gb_check_floats("in", count, GB_CHECK_FLUSH);
    double *want = gb_check_doubles("want", count), *bound = gb_check_doubles("bound", count);
    gb_check_fill_floats(in, count, GB_CHECK_NORMAL, 3);
    for (size_t i = 0; i < count; i++) {
        want[i] = exp((double)(factor * in[i]));
        bound[i] = 2 * 0x1p-23 * want[i];
    }
    struct gb_tensor one =
        gb_dense(gb_check_floats("one", count, GB_CHECK_FLUSH), 1, 1, 1, (int)count);
    gb_check_reference()->exp(&(struct gb_exec){.threads = 1}, count, factor, in, one.data);
    assert_true(gb_check_near("exp", &one, want, bound));
    GB_CHECK_EACH_BACKEND(backend)
        for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++) {
            const struct gb_exec exec = {.threads = threads};
            float *out = gb_check_floats("out", count, GB_CHECK_FLUSH);
            backend->exp(&exec, count, factor, in, out);
            assert_true(gb_check_same_floats("exp", count, one.data, out));
            memcpy(out, in, count * sizeof *out);
            backend->exp(&exec, count, factor, out, out);
            assert_true(gb_check_same_floats("exp in place", count, one.data, out));
        }
    assert_true(gb_check_guards());
    gb_check_free();
}

GB_TEST(exponential_is_within_two_units_in_the_last_place) {
    static const size_t counts[] = {1, 7, 8, 9, 15, 16, 17, 33, 1100, 40000};
    static const float factors[] = {1.0f, 3.0f, -1.5f, 0.0f};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (size_t f = 0; f < sizeof factors / sizeof *factors; f++)
            check_exp(counts[i], factors[f]);
}

GB_TEST(exponential_of_nothing_touches_nothing) {
    GB_CHECK_EACH_BACKEND(backend) {
        float *floats = gb_check_floats("floats", 1, GB_CHECK_FLUSH);
        backend->exp(&(struct gb_exec){.threads = 1}, 0, 1.0f, floats + 1, floats + 1);
        assert_true(isnan(*floats));
    }
    assert_true(gb_check_guards());
    gb_check_free();
}
