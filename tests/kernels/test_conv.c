// SPDX-License-Identifier: MIT
// Convolution: many sizes around the edges of tiles, by the kernels' description, and its problems
// as text and FLOPs. The other problems are in kernels/conv/conv.c.
#include <string.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

static uint32_t random_below(uint64_t *state, uint32_t limit) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % limit;
}

// Sizes on both sides of every tile boundary, odd kernels, strides and padding.
GB_TEST(test_tile_edges) {
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
        char text[GB_PROBLEM_TEXT];
        gb_problem_print(&gb_conv_operation, &p, text);
        assert_true(gb_check_problem(&gb_conv_operation, text));
    }
}

// As many as a count one by one gives.
GB_TEST(test_flops) {
    for (int i = 0; i < 4 * 5 * 3 * 9; i++) {
        struct gb_conv_problem p = {.n = 3, .w = 1, .c = 5, .k = 2, .kernel_w = 1, .stride_w = 1};
        p.kernel_h = 1 + i % 4;
        p.pad_h = i / 4 % 5 % p.kernel_h;
        p.stride_h = 1 + i / 20 % 3;
        p.h = 1 + i / 60;
        if (gb_problem_check(&gb_conv_operation, &p) != GB_OK)
            continue;
        double products = 0;
        for (int row = 0; row < gb_conv_out_h(&p); row++)
            for (int a = 0; a < p.kernel_h; a++) {
                int at = row * p.stride_h + a - p.pad_h;
                products += at >= 0 && at < p.h;
            }
        assert_true(gb_conv_flops(&p) == 2 * 3 * 5 * 2 * products);
    }
    // The largest kernel and image that there are.
    struct gb_conv_problem p;
    assert_ok(gb_problem_parse(&gb_conv_operation, "n1h1048576w1c1k1r1048575s1u1v1p1048574q0", &p));
    assert_true(gb_conv_flops(&p) == 2.0 * 1048576 * 1048575);
}

GB_TEST(test_bad_text) {
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
        "n1048576h1048576w1048576c1048576k1048576r1048576s1048576u1v1p1048575q1048575"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct gb_conv_problem p;
        assert_int_equal(gb_problem_parse(&gb_conv_operation, texts[i], &p), GB_BAD_INPUT);
        assert_true(strlen(gb_error_message()) > 0);
    }
}
