// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"

static const struct window {
    int kernel, stride;
} windows[] = {{2, 2}, {1, 1}, {3, 1}, {3, 2}, {2, 3}, {5, 4}};
enum { WINDOWS = sizeof windows / sizeof *windows };

struct scene {
    struct gb_pool_problem problem;
    enum gb_check_layout layout;
    struct gb_tensor x, dy;
};

static struct scene make_scene(struct window window, const struct gb_check_shape *shape,
                               enum gb_check_layout layout, enum gb_check_fill fill,
                               enum gb_check_fill d_fill) {
    // Room for a window, and for rows behind the last.
    const int h = shape->h + window.kernel, w = shape->w + window.kernel;
    struct scene s = {.problem = {shape->n, h, w, shape->c, window.kernel, window.stride},
                      .layout = layout};
    s.x = gb_check_view("x", shape->n, h, w, shape->c, layout);
    s.dy = gb_check_view("dy", shape->n, gb_pool_out(h, &s.problem), gb_pool_out(w, &s.problem),
                         shape->c, layout);
    gb_check_fill(&s.x, fill, 1);
    gb_check_fill(&s.dy, d_fill, 2);
    return s;
}

static struct gb_tensor view_like(const struct scene *s, const struct gb_tensor *t,
                                  const char *name) {
    return gb_check_view(name, t->n, t->h, t->w, t->c, s->layout);
}

struct result {
    struct gb_tensor y, dx;
};

static struct result run(const struct scene *s, const struct gb_backend *backend, int threads) {
    struct result r = {view_like(s, &s->dy, "y"), view_like(s, &s->x, "dx")};
    struct gb_pool_plan plan;
    assert_int_equal(backend->max_pool_plan(&s->problem, GB_CHECK_MAX_THREADS, &plan), GB_OK);
    const struct gb_exec exec = gb_check_exec(threads, plan.scratch_bytes);
    backend->max_pool_forward(&plan, &exec, &s->x, &r.y);
    backend->max_pool_backward(&plan, &exec, &s->x, &s->dy, &r.dx);
    backend->max_pool_plan_free(&plan);
    return r;
}

// No element of the window is larger, the output is one of them, and none before it is equal: the
// gradient's sum over an element's windows, in the outputs' order.
static void check_definition(const struct scene *s, const struct result *r) {
    struct gb_tensor want = gb_check_view("want", s->x.n, s->x.h, s->x.w, s->x.c, GB_CHECK_DENSE);
    memset(want.data, 0, gb_elements(&want) * sizeof(float));
    for (int n = 0; n < r->y.n; n++)
        for (int i = 0; i < r->y.h; i++)
            for (int j = 0; j < r->y.w; j++)
                for (int c = 0; c < r->y.c; c++) {
                    const float y = gb_at(&r->y, n, i, j)[c];
                    int found = -1;
                    for (int p = s->problem.kernel * s->problem.kernel - 1; p >= 0; p--) {
                        const float x =
                            gb_at(&s->x, n, i * s->problem.stride + p / s->problem.kernel,
                                  j * s->problem.stride + p % s->problem.kernel)[c];
                        assert_true(x <= y);
                        if (x == y)
                            found = p;
                    }
                    assert_true(found >= 0);
                    gb_at(&want, n, i * s->problem.stride + found / s->problem.kernel,
                          j * s->problem.stride + found % s->problem.kernel)[c] +=
                        gb_at(&s->dy, n, i, j)[c];
                }
    assert_true(gb_check_same_bits("dx", &want, &r->dx));
}

static void check_scene(const struct scene *s, bool exact_sums) {
    const struct result want = run(s, gb_check_reference(), 1);
    check_definition(s, &want);
    GB_CHECK_EACH_BACKEND(backend)
        for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++) {
            const struct result r = run(s, backend, threads);
            assert_true(gb_check_same_bits("y", &want.y, &r.y));
            if (exact_sums || backend->same_bits)
                assert_true(gb_check_same_bits("dx", &want.dx, &r.dx));
        }
    assert_true(gb_check_guards());
    gb_check_free();
}

// Small integers, so that many windows have several equal maxima, and every kind of number. Sums of
// small integers are the same in any order, which a foreign library may choose.
static void is_the_definition_everywhere(void **state) {
    (void)state;
    static const enum gb_check_fill fills[] = {GB_CHECK_INTEGERS, GB_CHECK_PATHOLOGICAL};
    static const enum gb_check_fill d_fills[] = {GB_CHECK_INTEGERS, GB_CHECK_NORMAL};
    for (int window = 0; window < WINDOWS; window++)
        for (int shape = 0; shape < GB_CHECK_SHAPES; shape++)
            for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++)
                for (int fill = 0; fill < 4; fill++) {
                    const struct scene s = make_scene(windows[window], &gb_check_shapes[shape],
                                                      layout, fills[fill % 2], d_fills[fill / 2]);
                    check_scene(&s, d_fills[fill / 2] == GB_CHECK_INTEGERS);
                }
}

// A NaN is not hidden by what stands beside it, and takes the gradient: natively, the contract
// says.
static void passes_nan_on(void **state) {
    (void)state;
    const struct gb_pool_problem problem = {1, 2, 2, 1, 2, 2};
    GB_CHECK_EACH_BACKEND(backend)
        for (int at = 0; at < 4 && !backend->fallback; at++) {
            struct gb_pool_plan plan;
            assert_int_equal(backend->max_pool_plan(&problem, 1, &plan), GB_OK);
            float x[4] = {3, -1, 2, 3}, dx[4], y, dy = 5;
            x[at] = NAN;
            const struct gb_exec exec = {.threads = 1};
            struct gb_tensor in = gb_dense(x, 1, 2, 2, 1), d_in = gb_dense(dx, 1, 2, 2, 1);
            struct gb_tensor out = gb_dense(&y, 1, 1, 1, 1), d_out = gb_dense(&dy, 1, 1, 1, 1);
            backend->max_pool_forward(&plan, &exec, &in, &out);
            backend->max_pool_backward(&plan, &exec, &in, &d_out, &d_in);
            backend->max_pool_plan_free(&plan);
            assert_true(isnan(y));
            for (int i = 0; i < 4; i++)
                assert_true(dx[i] == (i == at ? 5 : 0));
        }
}

static void refuses_bad_problems(void **state) {
    (void)state;
    static const struct gb_pool_problem problems[] = {
        {1, 4, 4, 0, 2, 2}, {1, 4, 4, 1, 2, 0}, {1, 4, 2, 1, 3, 1}, {1 << 20, 64, 64, 1, 2, 2}};
    GB_CHECK_EACH_BACKEND(backend)
        for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
            struct gb_pool_plan plan;
            assert_int_equal(backend->max_pool_plan(&problems[i], 1, &plan), GB_BAD_INPUT);
        }
}

int main(void) {
    gb_flush_denormals();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_definition_everywhere),
        cmocka_unit_test(passes_nan_on),
        cmocka_unit_test(refuses_bad_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
