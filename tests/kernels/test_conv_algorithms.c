// SPDX-License-Identifier: MIT
// Every algorithm that GB_CONV_ALGORITHM can force, against the scalar reference on small integers,
// which are exact in any order of sums; and what is refused.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

static const char *const problems[] = {
    "n2h5w7c3k5r3s3u1v1p1q1relu", "n1h9w6c17k33r3s3u1v1p0q2",  "n2h8w8c64k12r3s3u1v1p1q1leaky",
    "n1h6w6c20k70r3s3u1v1p1q1",   "n2h7w5c6k9r1s1u1v1p0q0",    "n1h9w8c5k18r3s2u2v1p1q0relu",
    "n2h8w6c32k16r2s2u2v2p0q0",   "n1h16w16c3k16r5s5u1v1p2q2",
};
enum { PROBLEMS = sizeof problems / sizeof *problems };

// What the three run functions compute, weights in PyTorch's order.
struct results {
    struct gb_tensor y, dx, dw;
};

static struct results run(const struct gb_backend *backend, const struct gb_conv_plan *plan,
                          int threads) {
    const struct gb_conv_problem *p = &plan->problem;
    const int weights = p->k * p->c * p->kernel_h * p->kernel_w;
    struct gb_tensor x = gb_check_view("x", p->n, p->h, p->w, p->c, GB_CHECK_SLICE);
    struct gb_tensor dy = gb_check_view("dy", p->n, plan->out_h, plan->out_w, p->k, GB_CHECK_SLICE);
    float *oihw = gb_check_floats("weights", (size_t)weights, GB_CHECK_FLUSH);
    float *packed = gb_check_floats("packed", plan->weight_floats, GB_CHECK_DENSE);
    float *d_packed = gb_check_floats("d_packed", plan->weight_floats, GB_CHECK_DENSE);
    gb_check_fill(&x, GB_CHECK_INTEGERS, 1);
    gb_check_fill(&dy, GB_CHECK_INTEGERS, 2);
    gb_check_fill_floats(oihw, (size_t)weights, GB_CHECK_INTEGERS, 3);
    backend->conv_pack(plan, oihw, packed);
    struct results r = {
        gb_check_view("y", p->n, plan->out_h, plan->out_w, p->k, GB_CHECK_FLUSH),
        gb_check_view("dx", p->n, p->h, p->w, p->c, GB_CHECK_FLUSH),
        gb_check_view("dw", 1, 1, 1, weights, GB_CHECK_FLUSH),
    };
    const struct gb_exec exec = gb_check_exec(threads, gb_conv_scratch_bytes(plan, threads));
    const struct gb_conv_epilogue none = {0};
    backend->conv_forward(plan, &exec, &x, packed, &none, &r.y);
    backend->conv_backward_data(plan, &exec, &dy, packed, NULL, &r.dx);
    backend->conv_backward_weights(plan, &exec, &x, &dy, d_packed, NULL);
    backend->conv_unpack(plan, d_packed, r.dw.data);
    return r;
}

static void check_forced(const struct gb_backend *backend, const struct gb_conv_plan *plan) {
    const struct gb_backend *scalar;
    struct gb_conv_plan reference;
    assert_int_equal(gb_backend_find("scalar", &scalar), GB_OK);
    assert_int_equal(scalar->conv_plan(&plan->problem, 1, &reference), GB_OK);
    const struct results want = run(scalar, &reference, 1);
    for (int threads = 1; threads <= 3; threads++) {
        const struct results got = run(backend, plan, threads);
        assert_true(gb_check_same_bits("forward", &want.y, &got.y));
        assert_true(gb_check_same_bits("data gradient", &want.dx, &got.dx));
        assert_true(gb_check_same_bits("weight gradient", &want.dw, &got.dw));
    }
    assert_true(gb_check_guards());
    gb_check_free();
}

static bool chooses(const struct gb_backend *backend) {
    return !backend->fallback && backend->lanes > 1 && gb_backend_supported(backend);
}

// Each algorithm in each direction that takes it. All of them must occur.
GB_TEST(test_forced_algorithms) {
    static const enum gb_direction directions[] = {GB_FORWARD, GB_BACKWARD_DATA,
                                                   GB_BACKWARD_WEIGHTS};
    for (const struct gb_backend *const *b = gb_backends(); *b; b++) {
        int forced[GB_CONV_ALGORITHMS] = {0};
        for (int i = 0; chooses(*b) && i < 3 * PROBLEMS * GB_CONV_ALGORITHMS; i++) {
            const enum gb_direction direction = directions[i % 3];
            const int algorithm = i / 3 % GB_CONV_ALGORITHMS;
            const char *name = gb_conv_algorithm_names[algorithm];
            char request[64];
            struct gb_conv_problem p;
            struct gb_conv_plan plan;
            if (algorithm == GB_CONV_DIRECT)
                continue;
            assert_int_equal(gb_conv_parse(problems[i / 3 / GB_CONV_ALGORITHMS], &p), GB_OK);
            snprintf(request, sizeof request, "%s=%s", gb_direction_name(direction), name);
            setenv("GB_CONV_ALGORITHM", request, 1);
            enum gb_status status = (*b)->conv_plan(&p, 3, &plan);
            unsetenv("GB_CONV_ALGORITHM");
            if (status == GB_OK) {
                assert_string_equal(gb_conv_algorithm(&plan, direction), name);
                check_forced(*b, &plan);
                forced[algorithm]++;
            } else {
                assert_int_equal(status, GB_BAD_INPUT);
                assert_non_null(strstr(gb_error_message(), "takes one of: "));
            }
        }
        for (int a = GB_CONV_DIRECT + 1; chooses(*b) && a < GB_CONV_ALGORITHMS; a++)
            if (!forced[a] && a != GB_CONV_IM2COL) // which follows the layout of packed weights
                fail_msg("%s never ran by %s", (*b)->name, gb_conv_algorithm_names[a]);
    }
}

// A name alone goes for every direction that takes it; im2col for the weights of col2im.
GB_TEST(test_name_for_all) {
    for (const struct gb_backend *const *b = gb_backends(); *b; b++) {
        struct gb_conv_problem p;
        struct gb_conv_plan plan;
        if (!chooses(*b))
            continue;
        assert_int_equal(gb_conv_parse(problems[0], &p), GB_OK);
        setenv("GB_CONV_ALGORITHM", "winograd", 1);
        assert_int_equal((*b)->conv_plan(&p, 1, &plan), GB_OK);
        assert_string_equal(gb_conv_algorithm(&plan, GB_BACKWARD_UPDATE), "winograd");
        setenv("GB_CONV_ALGORITHM", "forward=col2im,backward_weights=im2col", 1);
        assert_int_equal((*b)->conv_plan(&p, 1, &plan), GB_OK);
        assert_string_equal(gb_conv_algorithm(&plan, GB_BACKWARD_WEIGHTS), "im2col");
        check_forced(*b, &plan);
        setenv("GB_CONV_ALGORITHM", "depth_to_space", 1); // for no direction of this shape
        assert_int_equal((*b)->conv_plan(&p, 1, &plan), GB_BAD_INPUT);
        unsetenv("GB_CONV_ALGORITHM");
    }
}

GB_TEST(test_bad_requests) {
    static const char *const requests[] = {
        "winogard",
        "direct",
        "forward",
        "forward=",
        "=winograd",
        "backward=winograd",
        "winograd,",
        "forward=winograd, backward_data=col2im",
        "a_name_that_is_much_longer_than_any_algorithm_or_direction_could_ever_be",
    };
    struct gb_conv_request request;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        setenv("GB_CONV_ALGORITHM", requests[i], 1);
        assert_int_equal(gb_conv_request_read(&request), GB_BAD_INPUT);
        assert_non_null(strstr(gb_error_message(), "winograd"));
    }
    setenv("GB_CONV_ALGORITHM", "", 1); // as if unset
    assert_int_equal(gb_conv_request_read(&request), GB_OK);
    assert_null(request.text);
    unsetenv("GB_CONV_ALGORITHM");
}
