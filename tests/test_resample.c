// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/check.h"

struct scene {
    int factor;
    enum gb_check_layout layout;
    struct gb_tensor x, dy;
};

struct result {
    struct gb_tensor y, dx;
};

static struct gb_tensor view_like(const struct scene *s, const struct gb_tensor *t,
                                  const char *name) {
    return gb_check_view(name, t->n, t->h, t->w, t->c, s->layout);
}

static struct result run(const struct scene *s, const struct gb_backend *backend, int threads) {
    struct result r = {view_like(s, &s->dy, "y"), view_like(s, &s->x, "dx")};
    const struct gb_upsample_problem problem = {s->x.n, s->x.h, s->x.w, s->x.c, s->factor};
    struct gb_upsample_plan plan;
    assert_int_equal(backend->upsample_plan(&problem, GB_CHECK_MAX_THREADS, &plan), GB_OK);
    const struct gb_exec exec = gb_check_exec(threads, plan.scratch_floats);
    backend->upsample_forward(&plan, &exec, &s->x, &r.y);
    backend->upsample_backward(&plan, &exec, &s->dy, &r.dx);
    backend->upsample_plan_free(&plan);
    return r;
}

static void check_definition(const struct scene *s, const struct result *r, bool sums) {
    struct gb_tensor y = view_like(s, &s->dy, "want y"), dx = view_like(s, &s->x, "want dx");
    for (int n = 0; n < dx.n; n++)
        for (int i = 0; i < dx.h; i++)
            for (int j = 0; j < dx.w; j++)
                for (int c = 0; c < dx.c; c++)
                    gb_at(&dx, n, i, j)[c] = 0;
    for (int n = 0; n < y.n; n++)
        for (int i = 0; i < y.h; i++)
            for (int j = 0; j < y.w; j++)
                for (int c = 0; c < y.c; c++) {
                    gb_at(&y, n, i, j)[c] = gb_at(&s->x, n, i / s->factor, j / s->factor)[c];
                    gb_at(&dx, n, i / s->factor, j / s->factor)[c] += gb_at(&s->dy, n, i, j)[c];
                }
    assert_true(gb_check_same_bits("y", &y, &r->y));
    if (sums)
        assert_true(gb_check_same_bits("dx", &dx, &r->dx));
}

static void check_upsampling(int factor, const struct gb_check_shape *shape,
                             enum gb_check_layout layout, enum gb_check_fill d_fill) {
    struct scene s = {factor, layout,
                      .x = gb_check_view("x", shape->n, shape->h, shape->w, shape->c, layout),
                      .dy = gb_check_view("dy", shape->n, shape->h * factor, shape->w * factor,
                                          shape->c, layout)};
    gb_check_fill(&s.x, GB_CHECK_PATHOLOGICAL, 1);
    gb_check_fill(&s.dy, d_fill, 2);
    GB_CHECK_EACH_BACKEND(backend)
    for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++) {
        const struct result r = run(&s, backend, threads);
        check_definition(&s, &r, d_fill == GB_CHECK_INTEGERS || backend->same_bits);
    }
    assert_true(gb_check_guards());
    gb_check_free();
}

// Sums of small integers are the same in any order, which a foreign library may choose.
static void upsampling_is_the_definition_everywhere(void **state) {
    (void)state;
    for (int factor = 1; factor <= 4; factor++)
        for (int shape = 0; shape < GB_CHECK_SHAPES; shape++)
            for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++) {
                check_upsampling(factor, &gb_check_shapes[shape], layout, GB_CHECK_INTEGERS);
                check_upsampling(factor, &gb_check_shapes[shape], layout, GB_CHECK_NORMAL);
            }
}

static void refuses_bad_problems(void **state) {
    (void)state;
    static const struct gb_upsample_problem problems[] = {
        {0, 4, 4, 1, 2}, {1, 4, 4, 1, -1}, {1, 1 << 10, 1 << 10, 1, 1 << 6}};
    GB_CHECK_EACH_BACKEND(backend)
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        struct gb_upsample_plan plan;
        assert_int_equal(backend->upsample_plan(&problems[i], 1, &plan), GB_BAD_INPUT);
    }
}

int main(void) {
    gb_flush_denormals();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upsampling_is_the_definition_everywhere),
        cmocka_unit_test(refuses_bad_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
