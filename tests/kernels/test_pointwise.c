// SPDX-License-Identifier: MIT
#include <math.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

// Views of different strides.
GB_TEST(adds_across_layouts) {
    enum { N = 2, H = 3, W = 4, C = 17 };
    GB_CHECK_EACH_BACKEND(backend)
        for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++)
            for (int layout_of_x = 0; layout_of_x < GB_CHECK_LAYOUTS; layout_of_x++) {
                const struct gb_exec exec = {.threads = 1};
                struct gb_tensor want[2], x = gb_check_view("x", N, H, W, C, layout_of_x);
                struct gb_tensor sum = gb_check_view("sum", N, H, W, C, layout);
                struct gb_tensor scaled = gb_check_view("scaled sum", N, H, W, C, layout);
                gb_check_fill(&x, GB_CHECK_PATHOLOGICAL, 1);
                gb_check_fill(&sum, GB_CHECK_PATHOLOGICAL, 2);
                for (int i = 0; i < 2; i++)
                    want[i] = gb_check_view("want", N, H, W, C, GB_CHECK_DENSE);
                GB_EACH_ELEMENT(&x, at) {
                    const float a = *gb_element(&x, at), b = *gb_element(&sum, at);
                    *gb_element(&want[0], at) = fmaf(0.2f, b, a);
                    *gb_element(&want[1], at) = b + a;
                }
                backend->add_scaled(&exec, &x, 0.2f, &sum, &scaled);
                backend->add(&exec, &x, &sum);
                assert_true(gb_check_same_bits("add scaled", &want[0], &scaled));
                assert_true(gb_check_same_bits("add", &want[1], &sum));
                assert_true(gb_check_guards());
                gb_check_free();
            }
}

// Two units in the last place, each at most 2^-23 of a normal number.
GB_TEST(exponential_takes_any_factor) {
    enum { COUNT = 33 };
    static const float factors[] = {1.0f, 3.0f, -1.5f, 0.0f};
    float in[COUNT], out[COUNT];
    gb_check_fill_floats(in, COUNT, GB_CHECK_NORMAL, 3);
    GB_CHECK_EACH_BACKEND(backend)
        for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
            backend->exp(&(struct gb_exec){.threads = 1}, COUNT, factors[f], in, out);
            for (int i = 0; i < COUNT; i++) {
                double want = exp((double)(factors[f] * in[i]));
                assert_number("exp", out[i], want, 2 * 0x1p-23 * want);
            }
        }
}

GB_TEST(exponential_of_nothing_touches_nothing) {
    GB_CHECK_EACH_BACKEND(backend) {
        float *floats = gb_check_floats("floats", 1, GB_CHECK_FLUSH);
        backend->exp(&(struct gb_exec){.threads = 1}, 0, 1.0f, floats + 1, floats + 1);
        assert_true(isnan(*floats));
    }
    assert_true(gb_check_guards());
    gb_check_free();
}
