// SPDX-License-Identifier: MIT
// Every algorithm that GB_CONV_ALGORITHM can force, checked as any kernel is; and what is refused.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/conv/native.h"
#include "tests/kernels/check.h"
#include "tests/support/test.h"

static const char *const problems[] = {
    "n2h5w7c3k5r3s3u1v1p1q1relu", "n1h9w6c17k33r3s3u1v1p0q2",  "n2h8w8c64k12r3s3u1v1p1q1leaky",
    "n1h6w6c20k70r3s3u1v1p1q1",   "n2h7w5c6k9r1s1u1v1p0q0",    "n1h9w8c5k18r3s2u2v1p1q0relu",
    "n2h8w6c32k16r2s2u2v2p0q0",   "n1h16w16c3k16r5s5u1v1p2q2",
};
enum { PROBLEMS = sizeof problems / sizeof *problems };

static bool chooses(const struct gb_backend *backend) {
    return !backend->fallback && backend->lanes > 1 && gb_check_runs(backend);
}

// The name of the algorithm that a plan takes with this request; NULL where it is refused.
static const char *algorithm_of(const struct gb_backend *backend, const char *text,
                                const char *request, enum gb_direction direction) {
    struct gb_conv_problem problem;
    struct gb_conv_plan plan;
    assert_ok(gb_problem_parse(&gb_conv_operation, text, &problem));
    setenv("GB_CONV_ALGORITHM", request, 1);
    if (backend->conv_plan(backend, &problem, GB_CHECK_MAX_THREADS, &plan) != GB_OK) {
        assert_non_null(strstr(gb_error_message(), "takes one of: "));
        return NULL;
    }
    const char *name = gb_conv_algorithm(&plan, direction);
    backend->conv_plan_free(&plan);
    return name;
}

// All kernels of the problem, by the algorithm requested last.
static void check_kernels(const struct gb_backend *backend, const char *text) {
    for (int d = 0; d < GB_DIRECTIONS; d++)
        if (gb_conv_operation.kernels[d].call)
            assert_true(gb_check_kernel(backend, &gb_conv_operation, (enum gb_direction)d, text));
}

static int forget_request(void **state) {
    (void)state;
    return unsetenv("GB_CONV_ALGORITHM");
}

// Each algorithm in each direction that takes it. All of them must occur, except im2col, which
// follows the layout of packed weights.
GB_TEST_WITH(test_forced_algorithms, NULL, forget_request) {
    static const enum gb_direction directions[] = {GB_FORWARD, GB_BACKWARD_DATA,
                                                   GB_BACKWARD_WEIGHTS};
    for (const struct gb_backend *const *b = gb_backends(); *b; b++)
        for (int a = GB_CONV_DIRECT + 1; chooses(*b) && a < GB_CONV_ALGORITHMS; a++) {
            const char *name = gb_conv_algorithm_names[a];
            int forced = 0;
            for (int i = 0; i < 3 * PROBLEMS; i++) {
                const enum gb_direction direction = directions[i % 3];
                char request[64];
                snprintf(request, sizeof request, "%s=%s", gb_direction_name(direction), name);
                const char *taken = algorithm_of(*b, problems[i / 3], request, direction);
                if (!taken)
                    continue;
                assert_string_equal(taken, name);
                check_kernels(*b, problems[i / 3]);
                forced++;
            }
            if (!forced && a != GB_CONV_IM2COL)
                fail_msg("%s never ran by %s", (*b)->name, name);
        }
}

// A name alone goes for every direction that takes it, and must for one; im2col for the weights of
// col2im.
GB_TEST_WITH(test_name_for_all, NULL, forget_request) {
    for (const struct gb_backend *const *b = gb_backends(); *b; b++) {
        if (!chooses(*b))
            continue;
        const char *text = problems[0];
        assert_string_equal(algorithm_of(*b, text, "winograd", GB_BACKWARD_UPDATE), "winograd");
        assert_null(algorithm_of(*b, text, "depth_to_space", GB_FORWARD));
        assert_string_equal(
            algorithm_of(*b, text, "forward=col2im,backward_weights=im2col", GB_BACKWARD_WEIGHTS),
            "im2col");
        check_kernels(*b, text);
    }
}

GB_TEST_WITH(test_bad_requests, NULL, forget_request) {
    static const char *const requests[] = {
        "winogard",
        "direct",
        "forward",
        "forward=",
        "=winograd",
        "backward=winograd",
        "winograd,",
        "forward=winograd, backward_data=col2im",
        "a_name_that_is_much_longer_than_any_algorithm_or_direction_could_ever_be"};
    struct gb_conv_request request;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        setenv("GB_CONV_ALGORITHM", requests[i], 1);
        assert_error(gb_conv_request_read(&request), GB_BAD_INPUT, "winograd");
    }
    setenv("GB_CONV_ALGORITHM", "", 1); // as if unset
    assert_ok(gb_conv_request_read(&request));
    assert_null(request.text);
}
