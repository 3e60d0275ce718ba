// SPDX-License-Identifier: MIT
// The weight gradient of convolutions and the fully connected layer in each unit of this CPU:
// bitwise identical to the reference in the unit's order, with any number of threads.
#include <stdlib.h>
#include <string.h>

#include "kernels/bf16/units.h"
#include "tests/kernels/check.h"
#include "tests/support/test.h"

// Of a type, with values that rounding changes.
static struct gb_tensor numbers(const char *name, enum gb_type type, int n, int h, int w, int c,
                                uint32_t stream) {
    struct gb_tensor floats = gb_check_view(name, n, h, w, c, GB_CHECK_DENSE);
    gb_check_fill(&floats, GB_CHECK_NORMAL, stream);
    if (type == GB_F32)
        return floats;
    struct gb_tensor t =
        gb_dense_of(type, gb_check_floats(name, (gb_elements(&floats) + 1) / 2, 0), n, h, w, c);
    GB_EACH_ELEMENT(&t, at) {
        gb_put(&t, at[0], at[1], at[2], at[3], gb_get(&floats, at[0], at[1], at[2], at[3]));
    }
    return t;
}

static struct gb_adam adam_of(void) {
    const struct gb_adam adam = {
        .learning_rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = 1};
    return gb_adam_at_step(adam, 3);
}

// ---- Convolution ----

// PyTorch's order of the gradient that a unit computes, and of the weights after an update.
static void conv_results(const struct gb_bf16_unit *unit, const struct gb_conv_problem *problem,
                         int threads, const struct gb_tensor *x, const struct gb_tensor *dy,
                         const float *weights, float *gradient, float *updated) {
    struct gb_conv_plan plan;
    const struct gb_adam adam = adam_of();
    assert_ok(unit->conv_plan(gb_check_reference(), problem, threads, &plan));
    const struct gb_exec exec = gb_check_exec(threads, gb_conv_scratch_bytes(&plan, threads));
    float *packed[4];
    for (int i = 0; i < 4; i++)
        packed[i] = gb_check_floats("packed", plan.weight_floats, GB_CHECK_DENSE);
    unit->conv_backward_weights(&plan, &exec, x, dy, packed[0], NULL);
    unit->conv_unpack(&plan, packed[0], gradient);

    unit->conv_pack(&plan, weights, packed[0]);
    gb_bf16_split_array(plan.weight_floats, packed[0], packed[1]);
    memset(packed[2], 0, plan.weight_floats * sizeof *packed[2]);
    memset(packed[3], 0, plan.weight_floats * sizeof *packed[3]);
    const struct gb_adam_target target = {.adam = &adam,
                                          .weights = packed[1],
                                          .moment1 = packed[2],
                                          .moment2 = packed[3],
                                          .split = plan.weight_floats};
    unit->conv_backward_weights(&plan, &exec, x, dy, NULL, &target);
    gb_bf16_join_array(plan.weight_floats, packed[1], packed[0]);
    unit->conv_unpack(&plan, packed[0], updated);
    unit->conv_plan_free(&plan);
}

static void check_conv(const char *text) {
    struct gb_conv_problem p;
    assert_ok(gb_problem_parse(&gb_conv_operation, text, &p));
    const struct gb_tensor x = numbers("x", gb_x_type(p.format), p.n, p.h, p.w, p.c, 1);
    const struct gb_tensor dy =
        numbers("dy", GB_BF16, p.n, gb_conv_out_h(&p), gb_conv_out_w(&p), p.k, 2);
    const size_t count = (size_t)p.k * (size_t)p.c * (size_t)p.kernel_h * (size_t)p.kernel_w;
    float *weights = gb_check_floats("weights", count, GB_CHECK_DENSE);
    gb_check_fill_floats(weights, count, GB_CHECK_NORMAL, 3);
    bool right = true;
    float *results[4];
    for (int i = 0; i < 4; i++)
        results[i] = gb_check_floats("results", count, GB_CHECK_DENSE);
    for (const struct gb_bf16_unit *const *unit = gb_bf16_units(); *unit; unit++) {
        if (strcmp((*unit)->name, "widened") == 0)
            continue;
        conv_results((*unit)->reference, &p, 2, &x, &dy, weights, results[0], results[1]);
        for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++) {
            conv_results(*unit, &p, threads, &x, &dy, weights, results[2], results[3]);
            if (!gb_check_same_floats(text, count, results[0], results[2]) ||
                !gb_check_same_floats(text, count, results[1], results[3]))
                right = false,
                print_message("%s on %s, %d threads\n", text, (*unit)->name, threads);
        }
    }
    assert_true(gb_check_guards());
    gb_check_free();
    assert_true(right);
}

GB_TEST(test_conv_gradient) {
    // Blocks: several of part of an image, of several images, of all; rows that end a tile early.
    static const char *const blocks[] = {
        "n1h40w40c3k5r3s3u1v1p1q1_bf16",       "n3h21w22c5k9r3s3u1v1p1q1_bf16x32",
        "n5h14w18c4k40r3s3u1v1p1q1_bf16",      "n40h5w5c3k4r3s3u1v1p1q1_bf16xy32",
        "n6h24w30c7k20r1s1u1v1p0q0_bf16",      "n1h2w1200c2k3r1s1u1v1p0q0_bf16",
        "n3h30w30c9k17r5s5u3v3p2q2_bf16",      "n1h24w24c260k24r3s3u1v1p1q1_bf16",
        "n2h12w14c35k70r3s2u1v2p2q0_bf16xy32", "n1h3w3c1k1r3s3u1v1p0q0_bf16"};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        check_conv(blocks[i]);
    for (const char *const *edge = gb_conv_operation.edges; *edge; edge++)
        if (strstr(*edge, "_bf16"))
            check_conv(*edge);
}

// ---- The fully connected layer ----

struct fc_operands {
    struct gb_tensor x, dy;
    float *weights, *bias;
};
struct fc_results {
    struct gb_tensor y, dx;
    float *gradient, *updated;
};

static void fc_results(const struct gb_bf16_unit *unit, const struct gb_fc_problem *problem,
                       int threads, const struct fc_operands *in, const struct fc_results *out) {
    struct gb_fc_plan plan;
    const struct gb_adam adam = adam_of();
    assert_ok(unit->fc_plan(gb_check_reference(), problem, threads, &plan));
    const struct gb_exec exec = gb_check_exec(threads, gb_fc_scratch_bytes(&plan, threads));
    float *packed[4];
    for (int i = 0; i < 4; i++)
        packed[i] = gb_check_floats("packed", plan.weight_floats, GB_CHECK_DENSE);
    unit->fc_pack(&plan, in->weights, packed[0]);
    gb_bf16_split_array(plan.weight_floats, packed[0], packed[1]);
    unit->fc_forward(&plan, &exec, &in->x, packed[1], in->bias, &out->y);
    unit->fc_backward(&plan, &exec, &in->x, &in->dy, packed[1], NULL, packed[0], NULL);
    unit->fc_unpack(&plan, packed[0], out->gradient);
    memset(packed[2], 0, plan.weight_floats * sizeof *packed[2]);
    memset(packed[3], 0, plan.weight_floats * sizeof *packed[3]);
    const struct gb_adam_target target = {.adam = &adam,
                                          .weights = packed[1],
                                          .moment1 = packed[2],
                                          .moment2 = packed[3],
                                          .split = plan.weight_floats};
    unit->fc_backward(&plan, &exec, &in->x, &in->dy, packed[1], &out->dx, NULL, &target);
    gb_bf16_join_array(plan.weight_floats, packed[1], packed[0]);
    unit->fc_unpack(&plan, packed[0], out->updated);
    unit->fc_plan_free(&plan);
}

static void check_fc(const char *text) {
    struct gb_fc_problem p;
    assert_ok(gb_problem_parse(&gb_fc_operation, text, &p));
    const size_t count = gb_fc_inputs(&p) * (size_t)p.k;
    const size_t bias = gb_round_up((size_t)p.k, GB_CHANNEL_PAD);
    struct fc_operands in = {numbers("x", GB_F32, p.n, p.h, p.w, p.c, 1),
                             numbers("dy", GB_F32, p.n, 1, 1, p.k, 2),
                             gb_check_floats("weights", count, GB_CHECK_DENSE),
                             gb_check_floats("bias", bias, GB_CHECK_DENSE)};
    gb_check_fill_floats(in.weights, count, GB_CHECK_NORMAL, 3);
    gb_check_fill_floats(in.bias, bias, GB_CHECK_NORMAL, 4);
    struct fc_results results[2];
    for (int i = 0; i < 2; i++)
        results[i] = (struct fc_results){gb_check_view("y", p.n, 1, 1, p.k, GB_CHECK_DENSE),
                                         gb_check_view("dx", p.n, p.h, p.w, p.c, GB_CHECK_DENSE),
                                         gb_check_floats("gradient", count, GB_CHECK_DENSE),
                                         gb_check_floats("updated", count, GB_CHECK_DENSE)};
    for (const struct gb_bf16_unit *const *unit = gb_bf16_units(); *unit; unit++) {
        if (strcmp((*unit)->name, "widened") == 0)
            continue;
        fc_results((*unit)->reference, &p, 2, &in, &results[0]);
        for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++) {
            fc_results(*unit, &p, threads, &in, &results[1]);
            assert_true(gb_check_same_bits(text, &results[0].y, &results[1].y));
            assert_true(gb_check_same_bits(text, &results[0].dx, &results[1].dx));
            assert_true(
                gb_check_same_floats(text, count, results[0].gradient, results[1].gradient));
            assert_true(gb_check_same_floats(text, count, results[0].updated, results[1].updated));
        }
    }
    assert_true(gb_check_guards());
    gb_check_free();
}

GB_TEST(test_fc) {
    // Blocks of samples and of inputs, and what is left of them.
    check_fc("n5h1w1c1025k150_bf16");
    check_fc("n17h3w3c20k33tanh_bf16");
    for (const char *const *edge = gb_fc_operation.edges; *edge; edge++)
        if (strstr(*edge, "_bf16"))
            check_fc(*edge);
}
