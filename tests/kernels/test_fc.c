// SPDX-License-Identifier: MIT
// Every backend's fully connected layer against sums in double precision: small integers to the
// bit, normal numbers to the contract's bound; the same bits on any number of threads.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/check.h"

struct fixture {
    const struct gb_backend *backend;
    struct gb_fc_plan plan;
    char text[128];
    enum gb_check_fill fill;
    struct gb_tensor x, dy;
    size_t weights;
    float *out_by_in, *packed, *bias;
};

static void fixture_open(struct fixture *f, const struct gb_backend *backend,
                         const struct gb_fc_problem *p, enum gb_check_fill fill) {
    *f = (struct fixture){
        .backend = backend, .fill = fill, .weights = gb_fc_inputs(p) * (size_t)p->k};
    snprintf(f->text, sizeof f->text, "%d of %dx%dx%d to %d on %s", p->n, p->h, p->w, p->c, p->k,
             backend->name);
    assert_int_equal(backend->fc_plan(p, GB_CHECK_MAX_THREADS, &f->plan), GB_OK);
    f->x = gb_check_view("x", p->n, p->h, p->w, p->c, GB_CHECK_FLUSH);
    f->dy = gb_check_view("dy", p->n, 1, 1, p->k, GB_CHECK_SLICE);
    f->out_by_in = gb_check_floats("out_by_in", f->weights, GB_CHECK_FLUSH);
    f->packed = gb_check_floats("packed", f->plan.weight_floats, GB_CHECK_DENSE);
    f->bias = gb_check_floats("bias", gb_round_up((size_t)p->k, GB_CHANNEL_PAD), GB_CHECK_DENSE);
    gb_check_fill(&f->x, fill, 1);
    gb_check_fill(&f->dy, fill, 2);
    gb_check_fill_floats(f->out_by_in, f->weights, fill, 3);
    memset(f->bias, 0, gb_round_up((size_t)p->k, GB_CHANNEL_PAD) * sizeof *f->bias);
    gb_check_fill_floats(f->bias, (size_t)p->k, fill, 4);
    backend->fc_pack(&f->plan, f->out_by_in, f->packed);
}

static void fixture_close(struct fixture *f) {
    if (!gb_check_guards())
        fail_msg("%s", f->text);
    f->backend->fc_plan_free(&f->plan);
    gb_check_free();
}

static struct gb_exec exec_of(const struct fixture *f, int threads) {
    return gb_check_exec(threads, gb_fc_scratch_bytes(&f->plan, threads));
}

// A sum, the sum of its terms' magnitudes and their number.
struct sum {
    double value, magnitude;
    int terms;
};
static void add(struct sum *s, double a, double b) {
    s->value += a * b;
    s->magnitude += fabs(a * b);
    s->terms++;
}

static void check_sum(const struct fixture *f, const char *what, float got, struct sum s) {
    double bound = f->fill == GB_CHECK_INTEGERS ? 0 : (s.terms + 8) * 0x1p-24 * s.magnitude;
    if (!gb_check_number(what, got, s.value, bound))
        fail_msg("%s", f->text);
}

// Input number i as PyTorch flattens an image: channel, row, column.
static float *input_at(const struct gb_tensor *x, int n, size_t i) {
    size_t w = (size_t)x->w, h = (size_t)x->h;
    return gb_at(x, n, (int)(i / w % h), (int)(i % w)) + i / w / h;
}

static void check_forward(const struct fixture *f, bool biased) {
    const struct gb_fc_problem *p = &f->plan.problem;
    size_t inputs = gb_fc_inputs(p);
    struct gb_tensor y[GB_CHECK_MAX_THREADS];
    for (int t = 0; t < GB_CHECK_MAX_THREADS; t++) {
        struct gb_exec exec = exec_of(f, t + 1);
        y[t] = gb_check_view("y", p->n, 1, 1, p->k, GB_CHECK_SLICE);
        f->backend->fc_forward(&f->plan, &exec, &f->x, f->packed, biased ? f->bias : NULL, &y[t]);
        if (f->backend->same_bits)
            assert_true(gb_check_same_bits("forward on several threads", &y[0], &y[t]));
    }
    for (int n = 0; n < p->n; n++)
        for (int o = 0; o < p->k; o++) {
            struct sum s = {0};
            for (size_t i = 0; i < inputs; i++)
                add(&s, *input_at(&f->x, n, i), f->out_by_in[(size_t)o * inputs + i]);
            if (biased)
                add(&s, f->bias[o], 1);
            if (p->activation == GB_RELU && s.value < 0)
                s.value = 0;
            for (int t = 0; t < GB_CHECK_MAX_THREADS; t++)
                check_sum(f, "forward", gb_at(&y[t], n, 0, 0)[o], s);
        }
}

struct gradients {
    struct gb_tensor dx;
    float *d_packed;
};

static struct gradients run_backward(const struct fixture *f, int threads, bool data) {
    const struct gb_fc_problem *p = &f->plan.problem;
    struct gb_exec exec = exec_of(f, threads);
    struct gradients g = {
        gb_check_view("dx", p->n, p->h, p->w, p->c, GB_CHECK_FLUSH),
        gb_check_floats("d_packed", f->plan.weight_floats, GB_CHECK_DENSE),
    };
    f->backend->fc_backward(&f->plan, &exec, &f->x, &f->dy, f->packed, data ? &g.dx : NULL,
                            g.d_packed, NULL);
    return g;
}

static void check_data_gradient(const struct fixture *f, const struct gb_tensor *dx) {
    const struct gb_fc_problem *p = &f->plan.problem;
    size_t inputs = gb_fc_inputs(p);
    for (int n = 0; n < p->n; n++)
        for (size_t i = 0; i < inputs; i++) {
            struct sum s = {0};
            for (int o = 0; o < p->k; o++)
                add(&s, gb_at(&f->dy, n, 0, 0)[o], f->out_by_in[(size_t)o * inputs + i]);
            check_sum(f, "data gradient", *input_at(dx, n, i), s);
        }
}

static void check_weight_gradient(const struct fixture *f, const float *d_packed) {
    const struct gb_fc_problem *p = &f->plan.problem;
    size_t inputs = gb_fc_inputs(p);
    float *d = gb_check_floats("d_out_by_in", f->weights, GB_CHECK_FLUSH);
    float *packed = gb_check_floats("packed again", f->plan.weight_floats, GB_CHECK_DENSE);
    f->backend->fc_unpack(&f->plan, d_packed, d);
    for (int o = 0; o < p->k; o++)
        for (size_t i = 0; i < inputs; i++) {
            struct sum s = {0};
            for (int n = 0; n < p->n; n++)
                add(&s, *input_at(&f->x, n, i), gb_at(&f->dy, n, 0, 0)[o]);
            check_sum(f, "weight gradient", d[(size_t)o * inputs + i], s);
        }
    f->backend->fc_pack(&f->plan, d, packed);
    for (size_t i = 0; i < f->plan.weight_floats; i++)
        if (packed[i] != d_packed[i])
            fail_msg("%s: weight gradient's padding at %zu is not zero", f->text, i);
}

// Against the gradients that were stored by as many threads.
static void check_fused_adam(const struct fixture *f, int threads, const struct gradients *stored) {
    const struct gb_fc_problem *p = &f->plan.problem;
    const struct gb_adam parameters = {
        .learning_rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = 1.5f};
    struct gb_adam adam = gb_adam_at_step(parameters, 3);
    size_t floats = f->plan.weight_floats;
    float *state[2][3];
    for (int fused = 0; fused < 2; fused++) {
        for (int i = 0; i < 3; i++) {
            state[fused][i] = gb_check_floats("Adam's state", floats, GB_CHECK_DENSE);
            memset(state[fused][i], 0, floats * sizeof(float));
        }
        memcpy(state[fused][0], f->packed, floats * sizeof(float));
    }
    struct gb_exec exec = exec_of(f, threads);
    struct gb_adam_target target = {&adam, state[1][0], state[1][1], state[1][2]};
    struct gb_tensor dx = gb_check_view("dx", p->n, p->h, p->w, p->c, GB_CHECK_FLUSH);
    f->backend->fc_backward(&f->plan, &exec, &f->x, &f->dy, state[1][0], &dx, NULL, &target);
    assert_true(gb_check_same_bits("dx with Adam", &stored->dx, &dx));
    f->backend->adam(&exec, &adam, floats, stored->d_packed, state[0][0], state[0][1], state[0][2]);
    for (int i = 0; i < 3; i++)
        if (!gb_check_same_floats("fused Adam", floats, state[0][i], state[1][i]))
            fail_msg("%s, %d threads", f->text, threads);
}

static void check_backward(const struct fixture *f) {
    struct gradients one = run_backward(f, 1, true);
    for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++) {
        struct gradients both = run_backward(f, threads, true);
        struct gradients weights = run_backward(f, threads, false);
        check_data_gradient(f, &both.dx);
        check_weight_gradient(f, both.d_packed);
        check_fused_adam(f, threads, &both);
        assert_true(gb_check_same_floats("weight gradient alone", f->plan.weight_floats,
                                         both.d_packed, weights.d_packed));
        if (!f->backend->same_bits)
            continue;
        assert_true(gb_check_same_bits("dx on several threads", &one.dx, &both.dx));
        assert_true(gb_check_same_floats("weight gradient on several threads",
                                         f->plan.weight_floats, one.d_packed, both.d_packed));
    }
}

static void check_problem(const struct gb_fc_problem *p) {
    GB_CHECK_EACH_BACKEND(backend) {
        for (int i = 0; i < 2; i++) {
            struct fixture f;
            fixture_open(&f, backend, p, i ? GB_CHECK_NORMAL : GB_CHECK_INTEGERS);
            check_forward(&f, true);
            check_forward(&f, false);
            check_backward(&f);
            fixture_close(&f);
        }
    }
}

static void test_model_shapes(void **state) {
    (void)state;
    static const struct gb_fc_problem problems[] = {
        {2, 4, 4, 64, 128, GB_RELU},      {2, 1, 1, 128, 128, GB_RELU},
        {2, 1, 1, 128, 576, GB_IDENTITY}, {5, 4, 4, 64, 200, GB_RELU}, // strips of inputs
        {3, 1, 1, 257, 17, GB_RELU},
    };
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
        check_problem(&problems[i]);
}

static void test_edges(void **state) {
    (void)state;
    static const int outputs[] = {1, 7, 8, 9, 16, 17, 33, 64, 79, 1100};
    for (int i = 0; i < 10; i++)
        check_problem(&(struct gb_fc_problem){1 + i * 2 % 7, 1 + i % 3, 1 + i % 2, 1 + 5 * i,
                                              outputs[i], i % 2 ? GB_RELU : GB_IDENTITY});
}

static void test_bad_problem(void **state) {
    (void)state;
    static const struct gb_fc_problem problems[] = {
        {0, 1, 1, 8, 8, GB_IDENTITY},
        {1, 1, 1, 8, -8, GB_IDENTITY},
        {1, 1, 1, (1 << 20) + 1, 8, GB_IDENTITY},
        {1, 1 << 10, 1 << 10, 1 << 10, 2, GB_IDENTITY},   // weights
        {1 << 11, 1 << 10, 1 << 10, 1, 1, GB_IDENTITY},   // input
        {1 << 20, 1, 1, 1, 1 << 11, GB_IDENTITY},         // output
        {1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 0}, // all
    };
    GB_CHECK_EACH_BACKEND(backend) {
        for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
            struct gb_fc_plan plan;
            assert_int_equal(backend->fc_plan(&problems[i], 1, &plan), GB_BAD_INPUT);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_shapes),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_bad_problem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
