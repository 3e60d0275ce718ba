// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

struct operands {
    struct gb_tensor v, du, u, dv;
    float *matrices, *d_matrices;
};

static void mix(const struct gb_backend *backend, int threads, const struct operands *o) {
    const struct gb_image_problem problem = {o->v.n, o->v.h, o->v.w, o->v.c};
    struct gb_inv1x1_plan plan;
    assert_ok(backend->inv1x1_plan(&problem, threads, &plan));
    const struct gb_exec exec = gb_check_exec(threads, plan.scratch_bytes);
    backend->inv1x1_forward(&plan, &exec, &o->v, o->matrices, &o->u);
    backend->inv1x1_backward(&plan, &exec, &o->v, o->matrices, &o->du, &o->dv, o->d_matrices);
    backend->inv1x1_plan_free(&plan);
}

// One matrix for the whole batch, on slices of wider tensors: what copies of it give, and the sum
// of their gradients.
GB_TEST(stacked_images_share_a_matrix) {
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

// Random matrices, some far from the identity; scaled rows move the determinant away from 1.
GB_TEST(inverse_times_matrix_is_the_identity) {
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
        assert_ok(gb_inv1x1_invert(COUNT, c, matrices, log_abs_det, inverses, workspace));
        assert_ok(gb_inv1x1_invert(COUNT, c, matrices, alone, NULL, workspace));
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
                    assert_number("inverse * matrix", sum, i == j,
                                  GB_CHECK_ROUNDING * magnitude + 1e-9);
                }
        assert_true(gb_check_guards());
        gb_check_free();
    }
}

GB_TEST(log_determinants_are_right) {
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
        assert_ok(gb_inv1x1_invert(1, known[i].c, known[i].matrix, &log_abs_det, NULL, workspace));
        assert_number("log det", log_abs_det, log(known[i].determinant), 1e-6);
    }
    // Where the matrix is one number, its logarithm to the last places.
    for (int i = 1; i < 10000; i++) {
        const float x = (float)i * 0.0137f;
        assert_ok(gb_inv1x1_invert(1, 1, &x, &log_abs_det, NULL, workspace));
        assert_number("log", log_abs_det, log(x), 0x1p-51 * fabs(log(x)) + 1e-18);
    }
}

GB_TEST(refuses_what_has_no_inverse) {
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
        assert_error(gb_inv1x1_invert(2, 3, matrices, log_abs_det, inverses, workspace),
                     GB_CHECK_FAILED, "matrix 1");
    }
}
