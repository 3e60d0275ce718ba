// SPDX-License-Identifier: MIT
// Every operation's problems as text and back, and their costs against counts of tiny shapes.
#include <stdio.h>
#include <string.h>

#include "kernels/backend.h"
#include "tests/support/test.h"

enum { PROBLEM_BYTES = 64 }; // at least any problem's struct

static void round_trip(const struct gb_operation *operation, const char *text) {
    _Alignas(max_align_t) char problem[PROBLEM_BYTES];
    char printed[GB_PROBLEM_TEXT];
    assert_true(operation->problem_bytes <= sizeof problem);
    assert_ok(gb_problem_parse(operation, text, problem));
    gb_problem_print(operation, problem, printed);
    assert_string_equal(printed, text);
}

// The edges have each word that may end a text.
GB_TEST(test_round_trip) {
    for (const struct gb_operation *const *o = gb_operations(); *o; o++)
        for (const char *const *edge = (*o)->edges; *edge; edge++)
            round_trip(*o, *edge);
    round_trip(&gb_conv_operation, "n2h16w17c12k256r3s5u1v2p0q4leaky");
    round_trip(&gb_fc_operation, "n2h4w3c64k1048576");
    round_trip(&gb_adam_operation, "e2147483647");
    round_trip(&gb_add_operation, "n1048576h1w1c2047");
}

static bool is_entry(const char *name) {
#define IS(entry, isa)                                                                             \
    if (strcmp(name, #entry) == 0)                                                                 \
        return true;
    GB_KERNELS(IS, )
#undef IS
    return false;
}

// Every operation names kernels of the registry.
GB_TEST(test_operations) {
    for (const struct gb_operation *const *o = gb_operations(); *o; o++) {
        bool runs = false;
        for (int direction = 0; direction < GB_DIRECTIONS; direction++) {
            const char *entry = (*o)->kernels[direction].entry;
            assert_non_null(gb_direction_name((enum gb_direction)direction));
            if (entry && !is_entry(entry))
                fail_msg("%s: no kernel %s", (*o)->name, entry);
            runs |= entry != NULL;
        }
        if (!runs)
            fail_msg("%s", (*o)->name);
    }
}

GB_TEST(test_malformed) {
    static const struct {
        const struct gb_operation *operation;
        const char *text, *message;
    } cases[] = {
        {&gb_inv1x1_operation, "", "cannot read problem: : expected 'n' at character 1"},
        {&gb_inv1x1_operation, "n2h4", "cannot read problem: n2h4: expected 'w' at character 5"},
        {&gb_inv1x1_operation, "n2h4wc3", "cannot read problem: n2h4wc3: no number after 'w'"},
        {&gb_inv1x1_operation, "n2h-4w4c3", "cannot read problem: n2h-4w4c3: no number after 'h'"},
        {&gb_inv1x1_operation, "n2h4w4c3relu",
         "cannot read problem: n2h4w4c3relu: invertible 1x1 convolution does not end in 'relu'"},
        {&gb_inv1x1_operation, "n2h4w4c1048577",
         "cannot read problem: n2h4w4c1048577: the number after 'c' exceeds 1048576"},
        {&gb_inv1x1_operation, "n2h4w4c99999999999999999999",
         "cannot read problem: n2h4w4c99999999999999999999: the number after 'c' exceeds 1048576"},
        {&gb_inv1x1_operation, "n2h4w0c3",
         "invalid problem size: invertible 1x1 convolution: 'w' is 0, not between 1 and 1048576"},
        {&gb_inv1x1_operation, "n2048h1024w1024c1",
         "invalid problem size: image: it has 2147483648 floats, not below 2^31"},
        {&gb_squeeze_operation, "n2h4w3c3",
         "invalid problem size: squeeze: 4x3 pixels do not divide into blocks of 2x2"},
        {&gb_gaussian_operation, "n2h4w4c3priors",
         "cannot read problem: n2h4w4c3priors: Gaussian does not end in 'priors'"},
        {&gb_fc_operation, "n1h1024w1024c1024k2",
         "invalid problem size: fully connected layer: weights has 2147483648 floats, not below "
         "2^31"},
        {&gb_adam_operation, "e2147483648",
         "cannot read problem: e2147483648: the number after 'e' exceeds 2147483647"},
        {&gb_exp_operation, "e0",
         "invalid problem size: exponential: 'e' is 0, not between 1 and "
         "2147483647"},
        {&gb_conv_operation, "n2h16w16c12k256r3s3u1v1p3q1",
         "invalid problem size: convolution: padding of 3 and 1 is not smaller than the 3x3 "
         "kernel"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        _Alignas(max_align_t) char problem[PROBLEM_BYTES];
        assert_int_equal(gb_problem_parse(cases[i].operation, cases[i].text, problem),
                         GB_BAD_INPUT);
        assert_string_equal(gb_error_message(), cases[i].message);
    }
}

static void check_cost(const struct gb_operation *operation, const char *text,
                       enum gb_direction direction, double flops, double floats) {
    _Alignas(max_align_t) char problem[PROBLEM_BYTES];
    assert_ok(gb_problem_parse(operation, text, problem));
    const struct gb_cost cost = gb_problem_cost(operation, problem, direction);
    if (cost.flops != flops || cost.bytes != 4 * floats)
        fail_msg("%s/%s/%s: %.0f and %.0f", operation->name, gb_direction_name(direction), text,
                 cost.flops, cost.bytes);
}

// The multiply-adds of products, one by one.
GB_TEST(test_products) {
    double taps = 0; // of a 3x3 kernel on 2 images of 5x4 pixels, padded by 1, 3 channels to 7
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 4; j++)
            for (int a = -1; a <= 1; a++)
                for (int b = -1; b <= 1; b++)
                    taps += i + a >= 0 && i + a < 5 && j + b >= 0 && j + b < 4;
    static const char conv[] = "n2h5w4c3k7r3s3u1v1p1q1relu", fc[] = "n2h5w4c3k7",
                      inv1x1[] = "n2h5w4c3";
    const double conv_flops = 2 * 2 * taps * 3 * 7, fc_flops = 2 * 2 * 60 * 7;
    const double inv1x1_flops = 2 * 2 * 20 * 3 * 3;
    const struct {
        const struct gb_operation *operation;
        const char *text;
        enum gb_direction direction;
        double flops, floats;
    } cases[] = {
        {&gb_conv_operation, conv, GB_FORWARD, conv_flops, 120 + 189 + 280},
        {&gb_conv_operation, conv, GB_BACKWARD_DATA, conv_flops, 280 + 189 + 120},
        {&gb_conv_operation, conv, GB_BACKWARD_WEIGHTS, conv_flops, 120 + 280 + 189},
        // Adam: 14 operations a weight, and weights and two moments read and written.
        {&gb_conv_operation, conv, GB_BACKWARD_UPDATE, conv_flops + 14 * 189, 120 + 280 + 6 * 189},
        {&gb_fc_operation, fc, GB_FORWARD, fc_flops, 120 + 420 + 14},
        {&gb_fc_operation, fc, GB_BACKWARD, 2 * fc_flops, 120 + 14 + 420 + 120 + 420},
        {&gb_fc_operation, fc, GB_BACKWARD_UPDATE, 2 * fc_flops + 14 * 420,
         120 + 14 + 120 + 6 * 420},
        {&gb_inv1x1_operation, inv1x1, GB_FORWARD, inv1x1_flops, 120 + 18 + 120},
        {&gb_inv1x1_operation, inv1x1, GB_BACKWARD, 2 * inv1x1_flops, 120 + 120 + 18 + 120 + 18},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_cost(cases[i].operation, cases[i].text, cases[i].direction, cases[i].flops,
                   cases[i].floats);
}

// What the others do with one element.
GB_TEST(test_elements) {
    static const struct {
        const struct gb_operation *operation;
        const char *word;
        enum gb_direction direction;
        double flops, floats;
    } cases[] = {
        {&gb_epilogue_operation, "", GB_BACKWARD, 4, 3},
        {&gb_epilogue_operation, "leaky", GB_BACKWARD, 3, 3},
        {&gb_epilogue_operation, "tanh", GB_BACKWARD, 5, 3},
        {&gb_coupling_operation, "", GB_FORWARD, 2 * 35 + 1 + 21 + 2 + 25 + 1, 4},
        {&gb_coupling_operation, "", GB_INVERSE, 2 * 35 + 1 + 21 + 2, 4},
        {&gb_coupling_operation, "", GB_BACKWARD, 2 * 35 + 1 + 21 + 11, 7},
        {&gb_coupling_operation, "softplus", GB_FORWARD, 46 + 2 + 25 + 1, 4},
        {&gb_coupling_operation, "softplus", GB_INVERSE, 46 + 2, 4},
        {&gb_coupling_operation, "softplus", GB_BACKWARD, 46 + 21 + 6, 7},
        {&gb_coupling_operation, "additive", GB_FORWARD, 1, 3},
        {&gb_coupling_operation, "additive", GB_BACKWARD, 0, 3},
        {&gb_squeeze_operation, "", GB_FORWARD, 0, 2},
        {&gb_squeeze_operation, "", GB_INVERSE, 0, 2},
        {&gb_gaussian_operation, "", GB_FORWARD, 3, 1},
        {&gb_gaussian_operation, "prior", GB_FORWARD, 19 + 6, 3},
        {&gb_gaussian_operation, "", GB_SAMPLE, 1, 2},
        {&gb_gaussian_operation, "prior", GB_SAMPLE, 19 + 3, 4},
        {&gb_gaussian_operation, "", GB_BACKWARD, 1, 2},
        {&gb_gaussian_operation, "prior", GB_BACKWARD, 19 + 7, 6},
        {&gb_gaussian_operation, "softplus", GB_FORWARD, 46 + 25 + 7, 3},
        {&gb_gaussian_operation, "softplus", GB_SAMPLE, 46 + 3, 4},
        {&gb_gaussian_operation, "softplus", GB_BACKWARD, 46 + 21 + 10, 6},
        {&gb_max_pool_operation, "r1u1", GB_FORWARD, 0, 2},
        {&gb_max_pool_operation, "r1u1", GB_BACKWARD, 0, 3},
        {&gb_max_pool_operation, "r1u1_bf16", GB_BACKWARD, 0, 1.5},
        {&gb_upsample_operation, "f2", GB_FORWARD, 0, 5},
        {&gb_upsample_operation, "f2", GB_BACKWARD, 3, 5},
        {&gb_upsample_operation, "f2_bf16", GB_BACKWARD, 3, 2.5},
        {&gb_moments_operation, "joint", GB_FORWARD, 4, 1},
        {&gb_instance_norm_operation, "relu", GB_FORWARD, 2, 2},
        {&gb_instance_norm_operation, "", GB_BACKWARD, 9, 3},
        {&gb_dequantise_operation, "", GB_FORWARD, 2 * 46 + 2, 3},
        {&gb_dequantise_operation, "", GB_BACKWARD, 2 * 21 + 3, 4},
        {&gb_logistic_operation, "l256", GB_FORWARD, 19 + 7 + 2 * 46 + 44 + 3, 3},
        {&gb_logistic_operation, "l256", GB_SAMPLE, 2 * 25 + 19 + 10, 4},
        {&gb_bernoulli_operation, "", GB_FORWARD, 46 + 2, 2},
        {&gb_bernoulli_operation, "normalised", GB_BACKWARD, 2 * 46 + 3 + 3 * 21 + 5, 3},
        {&gb_bernoulli_operation, "", GB_MEAN, 21, 2},
        {&gb_categorical_operation, "", GB_BACKWARD, 19 + 7, 3},
        {&gb_categorical_operation, "", GB_MEAN, 19 + 3, 2},
        {&gb_add_scaled_operation, "", GB_FORWARD, 2, 3},
        {&gb_add_scaled_operation, "alone", GB_FORWARD, 1, 2},
        {&gb_add_scaled_operation, "_bf16", GB_FORWARD, 2, 1.5},
        {&gb_epilogue_operation, "relu_bf16", GB_BACKWARD, 4, 1.5},
        {&gb_add_operation, "", GB_FORWARD, 1, 3},
        {&gb_adam_operation, NULL, GB_FORWARD, 14, 7},
        {&gb_exp_operation, NULL, GB_FORWARD, 20, 2},
        {&gb_random_uniform_operation, NULL, GB_FORWARD, 3, 1},
        {&gb_random_normal_operation, NULL, GB_FORWARD, 27.5, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[GB_PROBLEM_TEXT] = "e48";
        if (cases[i].word)
            snprintf(text, sizeof text, "n2h2w4c3%s", cases[i].word);
        check_cost(cases[i].operation, text, cases[i].direction, 48 * cases[i].flops,
                   48 * cases[i].floats);
    }
    // Actnorm: two parameters a channel and sample, and an exponential for one of them.
    check_cost(&gb_actnorm_operation, "n2h2w4c3", GB_FORWARD, 2 * 48 + 6 * 19, 2 * 48 + 2 * 6);
    check_cost(&gb_actnorm_operation, "n2h2w4c3", GB_BACKWARD, 5 * 48 + 6 * 19, 3 * 48 + 4 * 6);
}
