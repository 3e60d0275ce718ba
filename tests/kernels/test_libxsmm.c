// SPDX-License-Identifier: MIT
// What is libxsmm's own: shapes at which its layers switch between loops, and those that they
// compute wrongly, which the fallback must take. The other problems are checked with those of all
// backends.
#include <string.h>

#include "kernels/backend.h"
#include "kernels/libxsmm/libxsmm_layer.h"
#include "tests/kernels/check.h"
#include "tests/support/test.h"

static const struct gb_backend *libxsmm(void) {
    const struct gb_backend *backend;
    assert_ok(gb_backend_find("libxsmm", &backend));
    return backend;
}

static bool has_own(const char *text, int threads) {
    const struct gb_backend *backend = libxsmm();
    struct gb_conv_problem problem;
    struct gb_conv_plan plan;
    assert_ok(gb_problem_parse(&gb_conv_operation, text, &problem));
    assert_ok(backend->conv_plan(backend, &problem, threads, &plan));
    const bool own = strcmp(plan.forward.name, "libxsmm") == 0;
    backend->conv_plan_free(&plan);
    return own;
}

static bool is_right(const struct gb_operation *operation, const char *text) {
    static const enum gb_direction directions[] = {GB_FORWARD, GB_BACKWARD_DATA,
                                                   GB_BACKWARD_WEIGHTS, GB_BACKWARD_UPDATE};
    bool right = true;
    for (size_t i = 0; i < sizeof directions / sizeof *directions; i++)
        right = gb_check_kernel(libxsmm(), operation, directions[i], text) && right;
    return right;
}

// By its own code: a small image with its margin left out, one image per thread and others; several
// blocks; rows of 7, 14, 28 and 56 pixels and more; strides; kernels whose padding is not half of
// them.
GB_TEST(own_convolutions_are_right) {
    static const char *const texts[] = {
        "n2h5w5c16k16r3s3u1v1p1q1relu",   "n3h7w7c72k80r3s3u1v1p1q1",
        "n2h8w8c24k12r3s3u1v1p1q1tanh",   "n1h14w14c8k12r3s3u1v1p1q1",
        "n2h2w9c12k12r3s3u1v1p1q1",       "n2h28w28c8k4r1s1u1v1p0q0",
        "n1h16w56c4k8r1s1u1v1p0q0",       "n1h5w60c4k8r3s3u1v1p1q1",
        "n1h3w64c16k8r1s1u1v1p0q0",       "n2h17w7c12k8r3s3u2v2p1q1",
        "n2h8w8c16k8r4s4u4v4p0q0",        "n2h7w9c12k8r5s5u1v1p1q1leaky",
        "n3h6w6c8k12r5s5u1v1p2q2",        "n2h9w9c8k8r2s2u2v2p0q0",
        "n2h5w6c72k80r2s2u1v1p0q0",       "n2h7w7c16k32r1s1u2v2p0q0",
        "n4h4w4c128k128r1s1u1v1p0q0relu", "n2h1w1c96k192r1s1u1v1p0q0"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++)
            assert_true(has_own(texts[i], threads));
        assert_true(is_right(&gb_conv_operation, texts[i]));
    }
}

GB_TEST(what_its_layers_compute_wrongly_falls_back) {
    static const char *const texts[] = {
        "n2h1w1c8k8r3s3u1v1p1q1",    "n2h9w1c8k8r3s3u1v1p1q1",     "n2h14w14c8k8r3s3u2v2p1q1",
        "n2h9w9c8k8r3s3u2v1p1q1",    "n2h9w9c8k8r1s3u1v1p0q1",     "n2h17w56c8k8r1s1u1v1p0q0",
        "n2h6w56c8k8r1s1u1v1p0q0",   "n2h4w4c67k8r3s3u1v1p1q1",    "n2h4w4c8k132r3s3u1v1p1q1",
        "n1h1500w2c8k8r3s3u1v1p1q1", "n1h40w40c1k1r33s33u1v1p0q0", "n2h9w9c8k1024r1s1u2v2p0q0"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_false(has_own(texts[i], 2));
    assert_true(is_right(&gb_conv_operation, "n2h8w8c8k8r3s3u2v2p1q1relu"));
    assert_true(is_right(&gb_conv_operation, "n2h3w3c67k8r1s1u1v1p0q0"));
}

GB_TEST(fully_connected_layers_are_right) {
    static const enum gb_direction directions[] = {GB_FORWARD, GB_BACKWARD, GB_BACKWARD_UPDATE};
    static const char *const texts[] = {"n2h4w4c24k48relu", "n1h1w1c7k3",  "n3h2w2c64k200",
                                        "n64h1w1c128k100",  "n65h1w1c8k8", "n2h1w1c67k8"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (size_t d = 0; d < sizeof directions / sizeof *directions; d++)
            assert_true(gb_check_kernel(libxsmm(), &gb_fc_operation, directions[d], texts[i]));
}

// Odd channels, panels and blocks of 64, rows of one pixel, strides that leave taps or pixels out,
// more rows than a kernel is given at a time, and floats next to bf16.
GB_TEST(products_in_bf16_are_right) {
    static const char *const texts[] = {
        "n2h5w5c16k16r3s3u1v1p1q1relu_bf16", "n1h4w7c3k5r3s3u1v1p1q1leaky_bf16x32",
        "n2h3w6c70k130r1s1u1v1p0q0_bf16",    "n2h9w8c12k24r4s4u4v4p0q0tanh_bf16y32",
        "n1h9w9c9k64r2s3u3v2p1q1_bf16xy32",  "n1h1w1c5k7r1s1u1v1p0q0_bf16",
        "n1h7w5c64k65r5s3u2v1p2q0relu_bf16", "n1h6w8c6k4r1s1u2v3p0q0_bf16",
        "n2h140w3c2k3r3s3u1v1p1q1_bf16",     "n1h12w11c4k6r9s7u3v4p3q1_bf16"};
    static const char *const layers[] = {"n2h4w4c24k48relu_bf16", "n1h1w1c7k3_bf16",
                                         "n3h2w2c67k200_bf16", "n65h1w1c8k8_bf16"};
    static const enum gb_direction directions[] = {GB_FORWARD, GB_BACKWARD, GB_BACKWARD_UPDATE};
    const bool own = gb_cpu_has(offsetof(struct gb_cpu, avx512));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(has_own(texts[i], 2), own);
        assert_true(is_right(&gb_conv_operation, texts[i]));
    }
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        for (size_t d = 0; d < sizeof directions / sizeof *directions; d++)
            assert_true(gb_check_kernel(libxsmm(), &gb_fc_operation, directions[d], layers[i]));
    assert_false(has_own("n1h20w20c4k4r17s17u1v1p0q0_bf16", 1));
}

static libxsmm_dnn_err_t refuse(void *handle, libxsmm_dnn_compute_kind what, int rank) {
    (void)handle, (void)what, (void)rank;
    return LIBXSMM_DNN_ERR_INVALID_KIND;
}
static void ignore(void *handle, void *scratch) {
    (void)handle, (void)scratch;
}

GB_TEST(a_failure_is_kept) {
    static const struct layer_kind failing = {.run = refuse, .bind_scratch = ignore};
    const struct gb_backend *backend = libxsmm();
    assert_ok(gb_backend_check(backend));
    gb_libxsmm_run(&(struct layer){.kind = &failing, .threads = 1}, 1, LIBXSMM_DNN_COMPUTE_KIND_FWD,
                   NULL);
    for (int i = 0; i < 2; i++)
        assert_error(gb_backend_check(backend), GB_UNSUPPORTED, "cannot run: a layer of libxsmm: ");
}
