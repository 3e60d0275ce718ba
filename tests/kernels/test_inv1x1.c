// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"

struct operands {
    struct gb_tensor v, du, u, dv;
    float *matrices, *d_matrices;
};

static void mix(const struct gb_backend *backend, int threads, const struct operands *o) {
    const struct gb_image_problem problem = {o->v.n, o->v.h, o->v.w, o->v.c};
    struct gb_inv1x1_plan plan;
    assert_int_equal(backend->inv1x1_plan(&problem, threads, &plan), GB_OK);
    const struct gb_exec exec = gb_check_exec(threads, plan.scratch_bytes);
    backend->inv1x1_forward(&plan, &exec, &o->v, o->matrices, &o->u);
    backend->inv1x1_backward(&plan, &exec, &o->v, o->matrices, &o->du, &o->dv, o->d_matrices);
    backend->inv1x1_plan_free(&plan);
}

struct scene {
    int n, h, w, c;
    enum gb_check_layout layout;
    struct gb_tensor v, du;
    float *matrices;
    size_t matrix_floats; // of all images
};

static struct gb_tensor view_like(const struct scene *s, const char *name) {
    return gb_check_view(name, s->n, s->h, s->w, s->c, s->layout);
}

static struct scene make_scene(const struct gb_check_shape *shape, enum gb_check_layout layout,
                               enum gb_check_fill fill) {
    struct scene s = {shape->n, shape->h, shape->w, shape->c, layout, .matrices = NULL};
    s.v = view_like(&s, "v");
    s.du = view_like(&s, "du");
    s.matrix_floats = (size_t)s.n * (size_t)s.c * (size_t)s.c;
    s.matrices = gb_check_floats("matrices", s.matrix_floats, GB_CHECK_FLUSH);
    gb_check_fill(&s.v, fill, 1);
    gb_check_fill(&s.du, fill, 2);
    gb_check_fill_floats(s.matrices, s.matrix_floats, fill, 3);
    return s;
}

static struct operands run(const struct scene *s, const struct gb_backend *backend, int threads) {
    const struct operands o = {.v = s->v,
                               .du = s->du,
                               .u = view_like(s, "u"),
                               .dv = view_like(s, "dv"),
                               .matrices = s->matrices,
                               .d_matrices =
                                   gb_check_floats("d matrices", s->matrix_floats, GB_CHECK_FLUSH)};
    mix(backend, threads, &o);
    return o;
}

// Sums of products in double, and of their magnitudes.
struct oracle {
    double *u, *u_size, *dv, *dv_size, *d_matrices, *d_matrices_size;
};

static struct oracle in_double(const struct scene *s) {
    const size_t elements = gb_elements(&s->v), c = (size_t)s->c;
    struct oracle o = {gb_check_doubles("u", elements),
                       gb_check_doubles("u size", elements),
                       gb_check_doubles("dv", elements),
                       gb_check_doubles("dv size", elements),
                       gb_check_doubles("d matrices", s->matrix_floats),
                       gb_check_doubles("d matrices size", s->matrix_floats)};
    for (int n = 0; n < s->n; n++)
        for (int i = 0; i < s->h; i++)
            for (int j = 0; j < s->w; j++) {
                const float *v = gb_at(&s->v, n, i, j), *du = gb_at(&s->du, n, i, j);
                const size_t pixel = (size_t)((n * s->h + i) * s->w + j) * c;
                for (size_t row = 0; row < c; row++)
                    for (size_t k = 0; k < c; k++) {
                        const size_t entry = ((size_t)n * c + row) * c + k;
                        const double w = s->matrices[entry], d_w = (double)du[row] * v[k];
                        o.u[pixel + row] += w * v[k];
                        o.u_size[pixel + row] += fabs(w * v[k]);
                        o.dv[pixel + k] += w * du[row];
                        o.dv_size[pixel + k] += fabs(w * du[row]);
                        o.d_matrices[entry] += d_w;
                        o.d_matrices_size[entry] += fabs(d_w);
                    }
            }
    return o;
}

static void scale(size_t count, double *values, double factor) {
    for (size_t i = 0; i < count; i++)
        values[i] *= factor;
}

static void check_values(const struct scene *s, const struct oracle *o, const struct operands *r) {
    const struct gb_tensor d_matrices = gb_dense(r->d_matrices, s->n, 1, s->c, s->c);
    assert_true(gb_check_near("u", &r->u, o->u, o->u_size));
    assert_true(gb_check_near("dv", &r->dv, o->dv, o->dv_size));
    assert_true(gb_check_near("d matrices", &d_matrices, o->d_matrices, o->d_matrices_size));
}

static void check_bits(const struct scene *s, const struct operands *want,
                       const struct operands *r) {
    assert_true(gb_check_same_bits("u", &want->u, &r->u));
    assert_true(gb_check_same_bits("dv", &want->dv, &r->dv));
    assert_true(
        gb_check_same_floats("d matrices", s->matrix_floats, want->d_matrices, r->d_matrices));
}

// Within the stated bound for normal numbers; `exact` for integers, whose sums have no rounding.
static void check_scene(const struct scene *s, bool exact) {
    const struct oracle o = in_double(s);
    const double e = exact ? 0 : GB_CHECK_ROUNDING;
    scale(gb_elements(&s->v), o.u_size, e * (s->c + 2));
    scale(gb_elements(&s->v), o.dv_size, e * (s->c + 2));
    scale(s->matrix_floats, o.d_matrices_size, e * (s->h * s->w + 2));
    GB_CHECK_EACH_BACKEND(backend) {
        const struct operands one = run(s, backend, 1);
        check_values(s, &o, &one);
        for (int threads = 2; threads <= GB_CHECK_MAX_THREADS; threads++) {
            const struct operands r = run(s, backend, threads);
            check_values(s, &o, &r);
            if (backend->same_bits)
                check_bits(s, &one, &r);
        }
    }
    assert_true(gb_check_guards());
}

static void is_the_definition_in_double(void **state) {
    (void)state;
    for (int shape = 0; shape < GB_CHECK_SHAPES; shape++) {
        if (gb_check_shapes[shape].c > 100) // a matrix of a million entries only takes time
            continue;
        for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++)
            for (int fill = GB_CHECK_INTEGERS; fill <= GB_CHECK_NORMAL; fill++) {
                const struct scene s = make_scene(&gb_check_shapes[shape], layout, fill);
                check_scene(&s, fill == GB_CHECK_INTEGERS);
                gb_check_free();
            }
    }
}

// One matrix for the whole batch, on slices of wider tensors: what copies of it give, and the sum
// of their gradients.
static void stacked_images_share_a_matrix(void **state) {
    (void)state;
    enum { N = 3, H = 4, W = 5, C = 13, ENTRIES = C * C };
    GB_CHECK_EACH_BACKEND(backend) {
        struct gb_tensor wide[4], t[4], stacked[4];
        static const char *const names[4] = {"v", "du", "u", "dv"};
        for (int i = 0; i < 4; i++) {
            wide[i] = gb_check_view(names[i], N, H, W, 2 * C, GB_CHECK_FLUSH);
            gb_check_fill(&wide[i], GB_CHECK_INTEGERS, (uint32_t)i);
            t[i] = gb_channels(&wide[i], C, C);
            stacked[i] = gb_stack_images(&t[i]);
        }
        float *matrices = gb_check_floats("matrices", N * ENTRIES, GB_CHECK_FLUSH);
        float *d_matrices = gb_check_floats("d matrices", N * ENTRIES, GB_CHECK_FLUSH);
        float *d_shared = gb_check_floats("d shared", ENTRIES, GB_CHECK_FLUSH);
        gb_check_fill_floats(matrices, ENTRIES, GB_CHECK_INTEGERS, 9);
        for (int n = 1; n < N; n++)
            memcpy(matrices + n * ENTRIES, matrices, ENTRIES * sizeof(float));
        struct gb_tensor u = gb_check_view("want u", N, H, W, C, GB_CHECK_SLICE);
        struct gb_tensor dv = gb_check_view("want dv", N, H, W, C, GB_CHECK_SLICE);
        mix(backend, 2, &(struct operands){t[0], t[1], u, dv, matrices, d_matrices});
        mix(backend, 2,
            &(struct operands){stacked[0], stacked[1], stacked[2], stacked[3], matrices, d_shared});
        for (int n = 1; n < N; n++)
            for (int i = 0; i < ENTRIES; i++)
                d_matrices[i] += d_matrices[n * ENTRIES + i];
        assert_true(gb_check_same_bits("u", &u, &t[2]));
        assert_true(gb_check_same_bits("dv", &dv, &t[3]));
        assert_true(gb_check_same_floats("d matrix", ENTRIES, d_matrices, d_shared));
        assert_true(gb_check_guards());
        gb_check_free();
    }
}

// sum of du * u; linear in every argument, so that quotients over any step are exact.
static double loss(const struct scene *s) {
    double sum = 0;
    for (int n = 0; n < s->n; n++)
        for (int i = 0; i < s->h; i++)
            for (int j = 0; j < s->w; j++)
                for (int row = 0; row < s->c; row++)
                    for (int k = 0; k < s->c; k++)
                        sum += (double)gb_at(&s->du, n, i, j)[row] *
                               s->matrices[(n * s->c + row) * s->c + k] * gb_at(&s->v, n, i, j)[k];
    return sum;
}

static double quotient(const struct scene *s, float *at) {
    const float value = *at;
    *at = value + 1;
    double above = loss(s);
    *at = value - 1;
    double below = loss(s);
    *at = value;
    return (above - below) / 2;
}

static void gradients_are_difference_quotients(void **state) {
    (void)state;
    const struct scene s =
        make_scene(&(struct gb_check_shape){2, 2, 3, 4}, GB_CHECK_DENSE, GB_CHECK_INTEGERS);
    const struct operands r = run(&s, gb_check_reference(), 1);
    for (size_t i = 0; i < s.matrix_floats; i++)
        assert_true(
            gb_check_number("d matrices", r.d_matrices[i], quotient(&s, s.matrices + i), 0));
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            assert_true(gb_check_number("dv", gb_at(&r.dv, n, 1, 1)[c],
                                        quotient(&s, gb_at(&s.v, n, 1, 1) + c), 0));
    gb_check_free();
}

// Random matrices, some far from the identity; scaled rows move the determinant away from 1.
static void inverse_times_matrix_is_the_identity(void **state) {
    (void)state;
    static const int sizes[] = {1, 2, 3, 12, 13, 48, 96};
    enum { COUNT = 3 };
    for (size_t size = 0; size < sizeof sizes / sizeof sizes[0]; size++) {
        const int c = sizes[size];
        const size_t entries = (size_t)c * (size_t)c;
        float *matrices = gb_check_floats("matrices", COUNT * entries, GB_CHECK_FLUSH);
        float *inverses = gb_check_floats("inverses", COUNT * entries, GB_CHECK_FLUSH);
        double *log_abs_det = gb_check_doubles("log det", COUNT);
        double *alone = gb_check_doubles("log det alone", COUNT);
        double *workspace = gb_check_doubles("workspace", gb_inv1x1_invert_workspace(c));
        gb_check_fill_floats(matrices, COUNT * entries, GB_CHECK_NORMAL, (uint32_t)c);
        assert_int_equal(gb_inv1x1_invert(COUNT, c, matrices, log_abs_det, inverses, workspace),
                         GB_OK);
        assert_int_equal(gb_inv1x1_invert(COUNT, c, matrices, alone, NULL, workspace), GB_OK);
        assert_memory_equal(log_abs_det, alone, COUNT * sizeof(double));
        for (int n = 0; n < COUNT; n++)
            for (int i = 0; i < c; i++)
                for (int j = 0; j < c; j++) {
                    double sum = 0, magnitude = 0;
                    for (int k = 0; k < c; k++) {
                        double product = (double)inverses[((size_t)n * c + i) * c + k] *
                                         matrices[((size_t)n * c + k) * c + j];
                        sum += product;
                        magnitude += fabs(product);
                    }
                    assert_true(gb_check_number("inverse * matrix", sum, i == j,
                                                GB_CHECK_ROUNDING * magnitude + 1e-9));
                }
        assert_true(gb_check_guards());
        gb_check_free();
    }
}

static void log_determinants_are_right(void **state) {
    (void)state;
    double workspace[21], log_abs_det;
    // Swapped rows, a negative determinant, and pivots far from 1.
    static const struct {
        int c;
        float matrix[9];
        double determinant;
    } known[] = {
        {1, {-3}, 3},
        {2, {0, 2, 5, 1}, 10},
        {2, {1e-20f, 1, 1, 1}, 1},
        {3, {2, 0, 0, 0, 1e30f, 0, 0, 0, 1e-20f}, 2e10},
        {3, {1, 2, 3, 4, 5, 6, 7, 8, 10}, 3},
        {3, {0, 0, 1, 1, 0, 0, 0, 1, 0}, 1},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_int_equal(
            gb_inv1x1_invert(1, known[i].c, known[i].matrix, &log_abs_det, NULL, workspace), GB_OK);
        assert_true(gb_check_number("log det", log_abs_det, log(known[i].determinant), 1e-6));
    }
    // Where the matrix is one number, its logarithm to the last places.
    for (int i = 1; i < 10000; i++) {
        const float x = (float)i * 0.0137f;
        assert_int_equal(gb_inv1x1_invert(1, 1, &x, &log_abs_det, NULL, workspace), GB_OK);
        assert_true(gb_check_number("log", log_abs_det, log(x), 0x1p-51 * fabs(log(x)) + 1e-18));
    }
}

static void refuses_what_has_no_inverse(void **state) {
    (void)state;
    static const float bad[][9] = {
        {0, 0, 0, 0, 0, 0, 0, 0, 0},
        {1, 2, 3, 4, 5, 6, 7, 8, 9},
        {1, 0, 0, 0, NAN, 0, 0, 0, 1},
        {1, NAN, 0, 0, 1, 0, 0, 0, 1},
        {1, 0, INFINITY, 0, 1, 0, 0, 0, 1},
        {INFINITY, 0, 0, 0, 1, 0, 0, 0, 1},
        {0.1f, 0.2f, 0, 0.3f, 0.6f, 0, 0, 0, 0},
    };
    float matrices[18] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, inverses[18];
    double workspace[21], log_abs_det[2];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memcpy(matrices + 9, bad[i], sizeof bad[i]);
        assert_int_equal(gb_inv1x1_invert(2, 3, matrices, log_abs_det, inverses, workspace),
                         GB_CHECK_FAILED);
        assert_non_null(strstr(gb_error_message(), "matrix 1"));
    }
}

static void refuses_bad_problems(void **state) {
    (void)state;
    static const struct gb_image_problem problems[] = {
        {0, 4, 4, 3}, {1, 4, 4, (1 << 20) + 1}, {1 << 20, 64, 64, 1}, {1, 1, 1, 1 << 16}};
    GB_CHECK_EACH_BACKEND(backend)
        for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
            struct gb_inv1x1_plan plan;
            assert_int_equal(backend->inv1x1_plan(&problems[i], 1, &plan), GB_BAD_INPUT);
        }
}

int main(void) {
    gb_flush_denormals();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_definition_in_double),
        cmocka_unit_test(stacked_images_share_a_matrix),
        cmocka_unit_test(gradients_are_difference_quotients),
        cmocka_unit_test(inverse_times_matrix_is_the_identity),
        cmocka_unit_test(log_determinants_are_right),
        cmocka_unit_test(refuses_what_has_no_inverse),
        cmocka_unit_test(refuses_bad_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
