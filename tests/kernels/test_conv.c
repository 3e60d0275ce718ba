// SPDX-License-Identifier: MIT
// Every backend's convolution against sums in double precision: small integers to the bit, normal
// numbers to the contract's bound; the same bits on any number of threads; nothing read or written
// outside.
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

// One problem with its operands, on one backend.
struct fixture {
    const struct gb_backend *backend;
    struct gb_conv_plan plan;
    char text[128];
    enum gb_check_fill fill;
    enum gb_check_layout layout;
    struct gb_tensor x, dy;
    float *oihw, *packed, *bias, *scale; // bias and scale serve both sides of the convolution
};

static struct gb_tensor view_like(const struct fixture *f, const struct gb_tensor *t,
                                  const char *name) {
    return gb_check_view(name, t->n, t->h, t->w, t->c, f->layout);
}

static size_t weight_count(const struct gb_conv_problem *p) {
    return (size_t)p->k * (size_t)p->c * (size_t)p->kernel_h * (size_t)p->kernel_w;
}

static void fixture_open(struct fixture *f, const struct gb_backend *backend,
                         const struct gb_conv_problem *p, enum gb_check_fill fill,
                         enum gb_check_layout layout) {
    char problem[96];
    *f = (struct fixture){.backend = backend, .fill = fill, .layout = layout};
    gb_conv_print(p, problem);
    snprintf(f->text, sizeof f->text, "%s on %s", problem, backend->name);
    assert_int_equal(backend->conv_plan(p, GB_CHECK_MAX_THREADS, &f->plan), GB_OK);
    f->x = gb_check_view("x", p->n, p->h, p->w, p->c, layout);
    f->dy = gb_check_view("dy", p->n, f->plan.out_h, f->plan.out_w, p->k, layout);
    gb_check_fill(&f->x, fill, 1);
    gb_check_fill(&f->dy, fill, 2);
    f->oihw = gb_check_floats("oihw", weight_count(p), GB_CHECK_FLUSH);
    f->packed = gb_check_floats("packed", f->plan.weight_floats, GB_CHECK_DENSE);
    gb_check_fill_floats(f->oihw, weight_count(p), fill, 3);
    backend->conv_pack(&f->plan, f->oihw, f->packed);
    size_t used = (size_t)(p->k > p->c ? p->k : p->c), channels = gb_round_up(used, GB_CHANNEL_PAD);
    f->bias = gb_check_floats("bias", channels, GB_CHECK_DENSE);
    f->scale = gb_check_floats("scale", channels, GB_CHECK_DENSE);
    gb_check_fill_floats(f->bias, channels, fill, 4);
    gb_check_fill_floats(f->scale, channels, fill, 5);
    for (size_t i = 0; i < channels; i++) {
        float power = ldexpf(1.0f, (int)(i % 3) - 1);
        f->scale[i] = fill == GB_CHECK_INTEGERS ? power : 0.75f + fabsf(f->scale[i]);
    }
    // Beyond the channels of either side the contract wants zeros.
    memset(f->bias + used, 0, (channels - used) * sizeof *f->bias);
    memset(f->scale + used, 0, (channels - used) * sizeof *f->scale);
}

static void fixture_close(struct fixture *f) {
    if (!gb_check_guards())
        fail_msg("%s", f->text);
    f->backend->conv_plan_free(&f->plan);
    gb_check_free();
}

static struct gb_exec exec_of(const struct fixture *f, int threads) {
    return gb_check_exec(threads, gb_conv_scratch_floats(&f->plan, threads));
}

static float weight_at(const struct fixture *f, int o, int q, int a, int b) {
    const struct gb_conv_problem *p = &f->plan.problem;
    return f->oihw[((o * p->c + q) * p->kernel_h + a) * p->kernel_w + b];
}

static bool inside(int position, int size) {
    return position >= 0 && position < size;
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
static double bound_of(const struct fixture *f, struct sum s) {
    return f->fill == GB_CHECK_INTEGERS ? 0 : (s.terms + 8) * 0x1p-24 * s.magnitude;
}

static struct sum forward_sum(const struct fixture *f, int n, int i, int j, int o) {
    const struct gb_conv_problem *p = &f->plan.problem;
    struct sum s = {0};
    for (int a = 0; a < p->kernel_h; a++)
        for (int b = 0; b < p->kernel_w; b++) {
            int row = i * p->stride_h + a - p->pad_h, column = j * p->stride_w + b - p->pad_w;
            for (int q = 0; inside(row, p->h) && inside(column, p->w) && q < p->c; q++)
                add(&s, gb_at(&f->x, n, row, column)[q], weight_at(f, o, q, a, b));
        }
    return s;
}

static struct sum data_sum(const struct fixture *f, int n, int row, int column, int q) {
    const struct gb_conv_problem *p = &f->plan.problem;
    struct sum s = {0};
    for (int i = 0; i < f->plan.out_h; i++)
        for (int j = 0; j < f->plan.out_w; j++) {
            int a = row + p->pad_h - i * p->stride_h, b = column + p->pad_w - j * p->stride_w;
            for (int o = 0; inside(a, p->kernel_h) && inside(b, p->kernel_w) && o < p->k; o++)
                add(&s, gb_at(&f->dy, n, i, j)[o], weight_at(f, o, q, a, b));
        }
    return s;
}

static struct sum weight_sum(const struct fixture *f, int o, int q, int a, int b) {
    const struct gb_conv_problem *p = &f->plan.problem;
    struct sum s = {0};
    for (int n = 0; n < p->n; n++)
        for (int i = 0; i < f->plan.out_h; i++)
            for (int j = 0; j < f->plan.out_w; j++) {
                int row = i * p->stride_h + a - p->pad_h, column = j * p->stride_w + b - p->pad_w;
                if (inside(row, p->h) && inside(column, p->w))
                    add(&s, gb_at(&f->x, n, row, column)[q], gb_at(&f->dy, n, i, j)[o]);
            }
    return s;
}

// Wanted values and their bounds, filled in dense order.
struct wanted {
    double *values, *bounds;
    size_t count;
};
static struct wanted wanted_new(size_t count) {
    return (struct wanted){malloc(count * sizeof(double)), malloc(count * sizeof(double)), 0};
}
static void want(struct wanted *w, double value, double bound) {
    w->values[w->count] = value;
    w->bounds[w->count++] = bound;
}
static void wanted_free(struct wanted *w) {
    free(w->values);
    free(w->bounds);
}
static void wanted_check(const struct wanted *w, const struct fixture *f, const char *what,
                         const struct gb_tensor *got) {
    if (!gb_check_near(what, got, w->values, w->bounds))
        fail_msg("%s", f->text);
}

// What 1, 2 and 3 threads made: each within bounds and, where the backend promises it, the same.
static void wanted_check_threads(const struct wanted *w, const struct fixture *f, const char *what,
                                 const struct gb_tensor got[GB_CHECK_MAX_THREADS]) {
    for (int t = 0; t < GB_CHECK_MAX_THREADS; t++) {
        wanted_check(w, f, what, &got[t]);
        if (f->backend->same_bits && !gb_check_same_bits(what, &got[0], &got[t]))
            fail_msg("%s on %d threads", f->text, t + 1);
    }
}

static double activate(enum gb_activation activation, double u) {
    switch (activation) {
    case GB_RELU:
        return u > 0 ? u : 0;
    case GB_LEAKY_RELU:
        return u > 0 ? u : (float)(u * (double)gb_leaky_slope);
    case GB_TANH:
        return tanh(u);
    case GB_IDENTITY:
        break;
    }
    return u;
}

static void check_forward(const struct fixture *f, bool affine) {
    const struct gb_conv_problem *p = &f->plan.problem;
    struct gb_conv_epilogue epilogue = {affine ? f->bias : NULL, affine ? f->scale : NULL};
    struct gb_tensor y[GB_CHECK_MAX_THREADS];
    for (int t = 0; t < GB_CHECK_MAX_THREADS; t++) {
        struct gb_exec exec = exec_of(f, t + 1);
        y[t] = view_like(f, &f->dy, "y");
        f->backend->conv_forward(&f->plan, &exec, &f->x, f->packed, &epilogue, &y[t]);
    }
    struct wanted w = wanted_new(gb_elements(&y[0]));
    for (int n = 0; n < p->n; n++)
        for (int i = 0; i < f->plan.out_h; i++)
            for (int j = 0; j < f->plan.out_w; j++)
                for (int o = 0; o < p->k; o++) {
                    struct sum s = forward_sum(f, n, i, j, o);
                    double scale = affine ? f->scale[o] : 1;
                    if (affine)
                        add(&s, f->bias[o], 1);
                    want(&w, activate(p->activation, scale * s.value),
                         bound_of(f, s) * scale + (p->activation == GB_TANH ? 0x1p-21 : 0));
                }
    wanted_check_threads(&w, f, "forward", y);
    wanted_free(&w);
}

static void check_backward_data(const struct fixture *f) {
    const struct gb_conv_problem *p = &f->plan.problem;
    struct gb_tensor dx[GB_CHECK_MAX_THREADS];
    for (int t = 0; t < GB_CHECK_MAX_THREADS; t++) {
        struct gb_exec exec = exec_of(f, t + 1);
        dx[t] = view_like(f, &f->x, "dx");
        f->backend->conv_backward_data(&f->plan, &exec, &f->dy, f->packed, NULL, &dx[t]);
    }
    struct wanted w = wanted_new(gb_elements(&dx[0]));
    for (int n = 0; n < p->n; n++)
        for (int i = 0; i < p->h; i++)
            for (int j = 0; j < p->w; j++)
                for (int q = 0; q < p->c; q++) {
                    struct sum s = data_sum(f, n, i, j, q);
                    want(&w, s.value, bound_of(f, s));
                }
    wanted_check_threads(&w, f, "data gradient", dx);
    wanted_free(&w);
}

static double slope(enum gb_activation activation, double y) {
    switch (activation) {
    case GB_RELU:
        return y > 0;
    case GB_LEAKY_RELU:
        return y > 0 ? 1 : gb_leaky_slope;
    case GB_TANH:
        return 1 - y * y;
    case GB_IDENTITY:
        break;
    }
    return 1;
}

// What an epilogue's gradient made of `g`.
struct gradients {
    struct gb_tensor du;
    float *d_bias, *d_log_scale; // d_log_scale NULL where the activation has none
};

static struct gradients gradients_new(const struct fixture *f, enum gb_activation activation) {
    size_t channels = gb_round_up((size_t)f->x.c, GB_CHANNEL_PAD);
    bool invertible = activation == GB_IDENTITY || activation == GB_RELU;
    return (struct gradients){
        view_like(f, &f->x, "du"), gb_check_floats("d_bias", channels, GB_CHECK_FLUSH),
        invertible ? gb_check_floats("d_log_scale", channels, GB_CHECK_FLUSH) : NULL};
}

static void check_same_gradients(const struct fixture *f, const struct gradients *one,
                                 const struct gradients *many) {
    size_t channels = gb_round_up((size_t)f->x.c, GB_CHANNEL_PAD);
    if (!gb_check_same_bits("epilogue", &one->du, &many->du) ||
        !gb_check_same_floats("d_bias", channels, one->d_bias, many->d_bias) ||
        (one->d_log_scale &&
         !gb_check_same_floats("d_log_scale", channels, one->d_log_scale, many->d_log_scale)))
        fail_msg("%s on several threads", f->text);
}

// The sums are held to sums of what was stored.
static void check_sums(const struct fixture *f, enum gb_activation activation,
                       const struct gb_tensor *x, const struct gradients *got) {
    for (int q = 0; q < x->c; q++) {
        struct sum bias = {0}, log_scale = {0};
        for (int n = 0; n < x->n; n++)
            for (int i = 0; i < x->h; i++)
                for (int j = 0; j < x->w; j++) {
                    double stored = gb_at(&got->du, n, i, j)[q];
                    add(&bias, stored, 1);
                    add(&log_scale, stored / (double)f->scale[q], gb_at(x, n, i, j)[q]);
                }
        // Leaky slopes are no integers.
        double rounding = activation == GB_LEAKY_RELU ? (bias.terms + 8) * 0x1p-24 : 0;
        log_scale.terms += 8; // roundings of the factors themselves
        if (!gb_check_number("d_bias", got->d_bias[q], bias.value,
                             bound_of(f, bias) + rounding * bias.magnitude))
            fail_msg("channel %d of %s", q, f->text);
        if (got->d_log_scale && !gb_check_number("d_log_scale", got->d_log_scale[q],
                                                 log_scale.value, bound_of(f, log_scale)))
            fail_msg("channel %d of %s", q, f->text);
    }
    for (size_t q = (size_t)x->c; q < gb_round_up((size_t)x->c, GB_CHANNEL_PAD); q++)
        if (got->d_bias[q] != 0 || (got->d_log_scale && got->d_log_scale[q] != 0))
            fail_msg("%s: padding of the sums is not zero", f->text);
}

static void check_products(const struct fixture *f, enum gb_activation activation,
                           const struct gb_tensor *g, const struct gb_tensor *x,
                           const struct gb_tensor *du) {
    struct wanted w = wanted_new(gb_elements(x));
    for (int n = 0; n < x->n; n++)
        for (int i = 0; i < x->h; i++)
            for (int j = 0; j < x->w; j++)
                for (int q = 0; q < x->c; q++) {
                    double y = gb_at(x, n, i, j)[q];
                    double scaled = gb_at(g, n, i, j)[q] * (double)f->scale[q];
                    want(&w, scaled * slope(activation, y), fabs(scaled) * (1 + y * y) * 0x1p-22);
                }
    wanted_check(&w, f, "epilogue", du);
    wanted_free(&w);
}

// The gradient through an epilogue, fused with the data gradient and on its own.
static void check_epilogues(const struct fixture *f, enum gb_activation activation) {
    struct gb_tensor g = view_like(f, &f->x, "g"), x = view_like(f, &f->x, "activated x");
    gb_check_fill(&x, f->fill, 6);
    for (int fused = 0; fused < 2; fused++) {
        struct gradients got[GB_CHECK_MAX_THREADS];
        for (int t = 0; t < GB_CHECK_MAX_THREADS; t++) {
            got[t] = gradients_new(f, activation);
            struct gb_exec exec = exec_of(f, t + 1);
            f->backend->conv_backward_data(&f->plan, &exec, &f->dy, f->packed, NULL, &g);
            if (fused) {
                struct gb_conv_input_epilogue epilogue = {activation, &x, f->scale, got[t].d_bias,
                                                          got[t].d_log_scale};
                f->backend->conv_backward_data(&f->plan, &exec, &f->dy, f->packed, &epilogue,
                                               &got[t].du);
            } else {
                exec = gb_check_exec(t + 1, gb_epilogue_scratch_floats(&x));
                f->backend->epilogue_backward(&exec, activation, &g, &x, f->scale, &got[t].du,
                                              got[t].d_bias, got[t].d_log_scale);
            }
            check_products(f, activation, &g, &x, &got[t].du);
            check_sums(f, activation, &x, &got[t]);
            if (f->backend->same_bits)
                check_same_gradients(f, &got[0], &got[t]);
        }
    }
}

// Weights and both moments, as fused and separate Adam leave them.
struct adam_state {
    float *arrays[3];
};

static struct adam_state adam_state_new(size_t floats) {
    struct adam_state s;
    for (int i = 0; i < 3; i++) {
        s.arrays[i] = gb_check_floats("Adam's state", floats, GB_CHECK_DENSE);
        gb_check_fill_floats(s.arrays[i], floats, GB_CHECK_NORMAL, 7 + (uint32_t)i);
    }
    for (size_t i = 0; i < floats; i++)
        s.arrays[2][i] = fabsf(s.arrays[2][i]);
    return s;
}

// Against the gradient that was stored by as many threads.
static void check_fused_adam(const struct fixture *f, float *const gradients[]) {
    const struct gb_adam parameters = {
        .learning_rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = 1.5f};
    struct gb_adam adam = gb_adam_at_step(parameters, 3);
    size_t floats = f->plan.weight_floats;
    for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++) {
        struct adam_state separate = adam_state_new(floats), fused = adam_state_new(floats);
        struct gb_exec exec = exec_of(f, threads);
        struct gb_adam_target target = {&adam, fused.arrays[0], fused.arrays[1], fused.arrays[2]};
        f->backend->adam(&exec, &adam, floats, gradients[threads - 1], separate.arrays[0],
                         separate.arrays[1], separate.arrays[2]);
        f->backend->conv_backward_weights(&f->plan, &exec, &f->x, &f->dy, NULL, &target);
        for (int i = 0; i < 3; i++)
            if (!gb_check_same_floats("fused Adam", floats, separate.arrays[i], fused.arrays[i]))
                fail_msg("%s, %d threads", f->text, threads);
    }
}

// In PyTorch's order.
static struct wanted wanted_weights(const struct fixture *f) {
    const struct gb_conv_problem *p = &f->plan.problem;
    struct wanted w = wanted_new(weight_count(p));
    for (int o = 0; o < p->k; o++)
        for (int q = 0; q < p->c; q++)
            for (int a = 0; a < p->kernel_h; a++)
                for (int b = 0; b < p->kernel_w; b++) {
                    struct sum s = weight_sum(f, o, q, a, b);
                    want(&w, s.value, bound_of(f, s));
                }
    return w;
}

static void check_backward_weights(const struct fixture *f) {
    size_t floats = f->plan.weight_floats;
    int weights = (int)weight_count(&f->plan.problem);
    float *d[GB_CHECK_MAX_THREADS];
    struct gb_tensor oihw[GB_CHECK_MAX_THREADS];
    for (int t = 0; t < GB_CHECK_MAX_THREADS; t++) {
        struct gb_exec exec = exec_of(f, t + 1);
        d[t] = gb_check_floats("d_packed", floats, GB_CHECK_DENSE);
        oihw[t] = gb_check_view("d_oihw", 1, 1, 1, weights, GB_CHECK_FLUSH);
        f->backend->conv_backward_weights(&f->plan, &exec, &f->x, &f->dy, d[t], NULL);
        f->backend->conv_unpack(&f->plan, d[t], oihw[t].data);
        // The padding's gradient is zero: packing the unpacked gradient gives it back.
        float *packed = gb_check_floats("packed gradient", floats, GB_CHECK_DENSE);
        f->backend->conv_pack(&f->plan, oihw[t].data, packed);
        for (size_t i = 0; i < floats; i++)
            if (packed[i] != d[t][i])
                fail_msg("%s: weight gradient's padding at %zu is not zero", f->text, i);
    }
    struct wanted w = wanted_weights(f);
    wanted_check_threads(&w, f, "weight gradient", oihw);
    wanted_free(&w);
    check_fused_adam(f, d);
}

static void check_problem(const struct gb_conv_problem *p) {
    static const enum gb_check_layout layouts[] = {GB_CHECK_FLUSH, GB_CHECK_SLICE};
    GB_CHECK_EACH_BACKEND(backend) {
        for (int i = 0; i < 2; i++) {
            struct fixture f;
            fixture_open(&f, backend, p, i ? GB_CHECK_NORMAL : GB_CHECK_INTEGERS, layouts[i]);
            check_forward(&f, true);
            check_forward(&f, false);
            check_backward_data(&f);
            check_epilogues(&f, p->activation);
            check_backward_weights(&f);
            fixture_close(&f);
        }
    }
}

static void check_texts(const char *const *texts) {
    for (; *texts; texts++) {
        struct gb_conv_problem p;
        if (gb_conv_parse(*texts, &p) != GB_OK)
            fail_msg("%s", gb_error_message());
        check_problem(&p);
    }
}

// The shapes of the models, shrunk where the oracle's loops would take long.
static void test_model_shapes(void **state) {
    (void)state;
    check_texts((const char *const[]){
        "n2h8w8c12k256r3s3u1v1p1q1relu", "n2h4w4c256k256r1s1u1v1p0q0relu",
        "n2h4w4c256k48r3s3u1v1p1q1", "n2h8w8c256k12r3s3u1v1p1q1", "n1h4w4c24k256r3s3u1v1p1q1relu",
        "n1h32w32c3k64r2s2u2v2p0q0relu", "n1h16w16c64k64r2s2u2v2p0q0relu",
        "n1h16w16c3k16r3s3u1v1p1q1relu", "n1h32w32c16k6r4s4u4v4p0q0relu",
        "n1h32w32c16k24r8s8u8v8p0q0relu", "n2h8w8c6k6r3s3u1v1p1q1", "n2h8w8c24k24r3s3u1v1p1q1tanh",
        "n1h8w8c128k128r3s3u1v1p1q1leaky", "n1h8w8c160k32r3s3u1v1p1q1leaky", NULL});
}

// More tiles than a block has and sums of several parts, with weights that one thread transposes
// and that all share; windows that touch each input once, and such that leave some out.
static void test_blocks(void **state) {
    (void)state;
    check_texts((const char *const[]){
        "n1h16w16c33k40r3s3u1v1p1q1relu", "n1h15w17c520k20r1s1u1v1p0q0", "n3h9w9c40k96r3s3u1v1p1q1",
        "n2h16w16c32k8r4s4u4v4p0q0relu", "n2h20w12c16k24r2s2u2v2p0q0leaky",
        "n1h9w9c16k8r2s2u2v2p0q0relu", "n1h8w12c16k5r2s3u2v3p0q0", NULL});
}

// 3x3 convolutions that native kernels take by tiles of 2x2 outputs: odd sizes, every padding,
// lines of several pieces, more outputs than tiles, and packed weights of the scattered form.
static void test_winograd(void **state) {
    (void)state;
    check_texts(
        (const char *const[]){"n2h13w17c33k37r3s3u1v1p1q1relu", "n1h18w14c60k50r3s3u1v1p0q0",
                              "n1h9w30c48k36r3s3u1v1p2q2leaky", "n1h6w52c32k54r3s3u1v1p1q1tanh",
                              "n1h32w32c40k13r3s3u1v1p1q1", "n1h20w20c100k14r3s3u1v1p1q1relu",
                              "n1h12w12c12k320r3s3u1v1p0q2relu", NULL});
}

static uint32_t random_below(uint64_t *state, uint32_t limit) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % limit;
}

// Sizes on both sides of every tile boundary, odd kernels, strides and padding.
static void test_tile_edges(void **state) {
    (void)state;
    static const int pixels[] = {1, 5, 6, 7, 11, 12, 13, 29};
    static const int channels[] = {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 41, 77};
    static const struct gb_conv_problem kernels[] = {
        {.kernel_h = 1, .kernel_w = 1, .stride_h = 1, .stride_w = 1},
        {.kernel_h = 3, .kernel_w = 3, .stride_h = 1, .stride_w = 1, .pad_h = 1, .pad_w = 1},
        {.kernel_h = 2, .kernel_w = 2, .stride_h = 2, .stride_w = 2},
        {.kernel_h = 3, .kernel_w = 2, .stride_h = 2, .stride_w = 1, .pad_h = 2, .pad_w = 0},
        {.kernel_h = 1, .kernel_w = 3, .stride_h = 3, .stride_w = 2, .pad_h = 0, .pad_w = 1},
        {.kernel_h = 5, .kernel_w = 5, .stride_h = 1, .stride_w = 1, .pad_h = 2, .pad_w = 2},
    };
    enum { PIXELS = sizeof pixels / sizeof *pixels, CHANNELS = sizeof channels / sizeof *channels };
    uint64_t random = gb_check_seed();
    for (int i = 0; i < 48; i++) {
        struct gb_conv_problem p = kernels[i % 6];
        p.n = 1 + i % 3;
        p.h = p.kernel_h + i / 6 % 4;
        p.w = p.kernel_w - 1 + pixels[(i + i / 6) % PIXELS];
        p.c = channels[random_below(&random, CHANNELS)];
        p.k = channels[random_below(&random, CHANNELS)];
        p.activation = (enum gb_activation)(i / 6 % 4);
        check_problem(&p);
    }
}

// Many pixels: more than one block of the weight gradient's sum. Together with many channels: more
// than a foreign library's im2col holds of a block of pixels.
static void test_many_pixels(void **state) {
    (void)state;
    check_texts((const char *const[]){"n3h23w31c5k19r3s3u1v1p1q1", "n1h5w301c17k9r3s3u1v1p1q1relu",
                                      "n2h40w40c3k2r3s3u2v2p1q1leaky", "n1h32w32c40k5r3s3u1v1p1q1",
                                      NULL});
}

static void test_roundtrip(void **state) {
    (void)state;
    struct gb_conv_problem p = {2, 16, 17, 12, 256, 3, 5, 1, 2, 0, 4, GB_LEAKY_RELU}, back;
    char text[96];
    gb_conv_print(&p, text);
    assert_string_equal(text, "n2h16w17c12k256r3s5u1v2p0q4leaky");
    assert_int_equal(gb_conv_parse(text, &back), GB_OK);
    assert_memory_equal(&p, &back, sizeof p);
    assert_true(gb_conv_flops(&(struct gb_conv_problem){2, 16, 16, 12, 256, 3, 3, 1, 1, 1, 1, 0}) ==
                2.0 * 2 * 46 * 46 * 12 * 256);
}

// As many as a count one by one gives.
static void test_flops(void **state) {
    (void)state;
    for (int i = 0; i < 4 * 5 * 3 * 9; i++) {
        struct gb_conv_problem p = {.n = 3, .w = 1, .c = 5, .k = 2, .kernel_w = 1, .stride_w = 1};
        p.kernel_h = 1 + i % 4;
        p.pad_h = i / 4 % 5 % p.kernel_h;
        p.stride_h = 1 + i / 20 % 3;
        p.h = 1 + i / 60;
        if (gb_conv_check(&p) != GB_OK)
            continue;
        double products = 0;
        for (int row = 0; row < gb_conv_out_h(&p); row++)
            for (int a = 0; a < p.kernel_h; a++)
                products += inside(row * p.stride_h + a - p.pad_h, p.h);
        assert_true(gb_conv_flops(&p) == 2 * 3 * 5 * 2 * products);
    }
    // The largest kernel and image that there are.
    struct gb_conv_problem p;
    assert_int_equal(gb_conv_parse("n1h1048576w1c1k1r1048575s1u1v1p1048574q0", &p), GB_OK);
    assert_true(gb_conv_flops(&p) == 2.0 * 1048576 * 1048575);
}

static void test_bad_text(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "n2",
        "h2w16",
        "n2h16w16c12k256r3s3u1v1p1q1gelu",
        "n2h16w16c12k256r3s3u1v1p1",
        "n2h16w16c12k256r3s3u1v1p1q",
        "n2h16w16c12k256r3s3u1v1p1q-1",
        "n0h16w16c12k256r3s3u1v1p1q1",
        "n2h16w16c12k256r3s3u0v1p1q1",
        "n2h2w2c12k256r7s7u1v1p1q1",
        "n2h16w16c12k256r3s3u1v1p3q1",
        "n99999999999999999999h16w16c12k256r3s3u1v1p1q1",
        "n1048577h16w16c12k256r3s3u1v1p1q1",
        "n2048h1024w1024c1k1r3s3u2v2p1q1",
        "n1h1024w1024c1k2048r1s1u1v1p0q0",
        "n1h1w1c1k1r65536s65536u1v1p65535q65535",
        "n1h1w1c1048576k2048r1s1u1v1p0q0",
        "n1048576h1048576w1048576c1048576k1048576r1048576s1048576u1v1p1048575q1048575",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct gb_conv_problem p;
        assert_int_equal(gb_conv_parse(texts[i], &p), GB_BAD_INPUT);
        assert_true(strlen(gb_error_message()) > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roundtrip),  cmocka_unit_test(test_flops),
        cmocka_unit_test(test_bad_text),   cmocka_unit_test(test_model_shapes),
        cmocka_unit_test(test_blocks),     cmocka_unit_test(test_winograd),
        cmocka_unit_test(test_tile_edges), cmocka_unit_test(test_many_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
