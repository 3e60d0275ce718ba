// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

// To the bit: signed zeros, subnormal numbers and the bits of a NaN.
GB_TEST(upsampling_copies_bits) {
    enum { CHANNELS = 6, FACTOR = 2 };
    static float x[CHANNELS] = {0.0f, -0.0f, 0x1p-149f, -0x1p-130f, 1e18f, NAN};
    const struct gb_upsample_problem problem = {1, 1, 1, CHANNELS, FACTOR};
    const struct gb_tensor in = gb_dense(x, 1, 1, 1, CHANNELS);
    GB_CHECK_EACH_BACKEND(backend) {
        float y[FACTOR * FACTOR * CHANNELS];
        const struct gb_tensor out = gb_dense(y, 1, FACTOR, FACTOR, CHANNELS);
        struct gb_upsample_plan plan;
        assert_int_equal(backend->upsample_plan(&problem, 1, &plan), GB_OK);
        const struct gb_exec exec = gb_check_exec(1, plan.scratch_bytes);
        backend->upsample_forward(&plan, &exec, &in, &out);
        backend->upsample_plan_free(&plan);
        for (int i = 0; i < FACTOR * FACTOR; i++)
            assert_memory_equal(y + i * CHANNELS, x, sizeof x);
        gb_check_free();
    }
}

static double cubic(double x) {
    x = fabs(x);
    if (x <= 1)
        return 1.5 * x * x * x - 2.5 * x * x + 1;
    return x < 2 ? -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2 : 0;
}

static double triangle(double x) {
    return fmax(1 - fabs(x), 0);
}

// Input i's weight in output o; with bicubic, a border pixel's includes all positions beyond it.
static double axis_weight(enum gb_resample_filter filter, const struct gb_resample_axis *axis,
                          double scale, int o, int i) {
    const double shrink = fmin(scale, 1), centre = (o + 0.5) / scale - 0.5;
    const int beyond = filter == GB_BICUBIC ? (int)(4 / shrink) + 4 : 0;
    double weight = 0, sum = 0;
    for (int place = -beyond; place < axis->in + beyond; place++) {
        const double distance = shrink * (centre - place);
        const double w = filter == GB_BICUBIC ? cubic(distance) : triangle(distance);
        sum += w;
        weight += (int)fmin(fmax(place, 0), axis->in - 1) == i ? w : 0;
    }
    return weight / sum;
}

static void check_resampling(enum gb_resample_filter filter, const struct gb_resample_plan *plan,
                             double scale_h, double scale_w, int n, int c,
                             enum gb_check_layout layout) {
    const struct gb_resample_axis *rows = &plan->rows, *columns = &plan->columns;
    struct gb_tensor x = gb_check_view("x", n, rows->in, columns->in, c, layout);
    struct gb_tensor want = gb_check_view("y", n, rows->out, columns->out, c, layout);
    const size_t elements = gb_elements(&want);
    double *value = gb_check_doubles("value", elements), *bound = gb_check_doubles("b", elements);
    gb_check_fill(&x, GB_CHECK_NORMAL, 1);
    size_t index = 0;
    for (int image = 0; image < n; image++)
        for (int i = 0; i < rows->out; i++)
            for (int j = 0; j < columns->out; j++, index += (size_t)c)
                for (int a = 0; a < rows->in; a++)
                    for (int b = 0; b < columns->in; b++) {
                        const double weight = axis_weight(filter, rows, scale_h, i, a) *
                                              axis_weight(filter, columns, scale_w, j, b);
                        for (int channel = 0; channel < c && weight != 0; channel++) {
                            const double product = weight * gb_at(&x, image, a, b)[channel];
                            value[index + (size_t)channel] += product;
                            bound[index + (size_t)channel] += fabs(product);
                        }
                    }
    // Weights at a border may cancel, hence + 1.
    for (size_t i = 0; i < elements; i++)
        bound[i] = (rows->taps + columns->taps + 8) * GB_CHECK_ROUNDING * (bound[i] + 1);
    gb_check_reference()->resample(&(struct gb_exec){.threads = 1}, plan, &x, &want);
    assert_true(gb_check_near("resampled", &want, value, bound));
    GB_CHECK_EACH_BACKEND(backend)
        for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++) {
            const struct gb_exec exec =
                gb_check_exec(threads, gb_resample_scratch_bytes(&x, threads));
            struct gb_tensor y = gb_check_view("y", n, rows->out, columns->out, c, layout);
            backend->resample(&exec, plan, &x, &y);
            assert_true(gb_check_same_bits("resampled", &want, &y));
        }
    assert_true(gb_check_guards());
    gb_check_free();
}

static void check_scale(enum gb_resample_filter filter, int h, int w, double scale, int c,
                        enum gb_check_layout layout) {
    struct gb_resample_plan plan;
    assert_int_equal(gb_resample_plan_scale(filter, h, w, scale, &plan), GB_OK);
    assert_int_equal(plan.rows.out, (int)ceil(h * scale));
    check_resampling(filter, &plan, scale, scale, 2, c, layout);
    gb_resample_plan_free(&plan);
}

GB_TEST(resampling_is_the_definition_everywhere) {
    static const double scales[] = {2, 0.5, 1, 3, 1.0 / 3, 0.25, 0.7, 1.37, 4};
    static const int sizes[][2] = {{12, 10}, {1, 7}, {5, 3}};
    static const int channels[] = {1, 3, 19};
    for (int filter = GB_BILINEAR; filter <= GB_BICUBIC; filter++)
        for (size_t scale = 0; scale < sizeof scales / sizeof *scales; scale++)
            for (int size = 0; size < 3; size++)
                for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++)
                    check_scale(filter, sizes[size][0], sizes[size][1], scales[scale],
                                channels[size], layout);
}

GB_TEST(resampling_reaches_a_size) {
    struct gb_resample_plan plan;
    for (int filter = GB_BILINEAR; filter <= GB_BICUBIC; filter++) {
        assert_int_equal(gb_resample_plan_size(filter, 9, 14, 21, 5, &plan), GB_OK);
        assert_int_equal(plan.rows.out, 21);
        assert_int_equal(plan.columns.out, 5);
        check_resampling(filter, &plan, 21.0 / 9, 5.0 / 14, 1, 3, GB_CHECK_SLICE);
        gb_resample_plan_free(&plan);
    }
}

// Enough rows to be shared among threads.
GB_TEST(resampling_gives_the_same_bits_on_large_images) {
    struct gb_resample_plan plan;
    assert_int_equal(gb_resample_plan_scale(GB_BICUBIC, 60, 100, 0.5, &plan), GB_OK);
    struct gb_tensor x = gb_check_view("x", 1, 60, 100, 3, GB_CHECK_FLUSH);
    struct gb_tensor want = gb_check_view("want", 1, 30, 50, 3, GB_CHECK_FLUSH);
    gb_check_fill(&x, GB_CHECK_NORMAL, 1);
    gb_check_reference()->resample(&(struct gb_exec){.threads = 1}, &plan, &x, &want);
    GB_CHECK_EACH_BACKEND(backend)
        for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++) {
            const struct gb_exec exec =
                gb_check_exec(threads, gb_resample_scratch_bytes(&x, threads));
            struct gb_tensor y = gb_check_view("y", 1, 30, 50, 3, GB_CHECK_FLUSH);
            backend->resample(&exec, &plan, &x, &y);
            assert_true(gb_check_same_bits("resampled", &want, &y));
        }
    assert_true(gb_check_guards());
    gb_resample_plan_free(&plan);
    gb_check_free();
}

// The weights that MATLAB has for halving (antialiased) and doubling, all exact in float.
GB_TEST(bicubic_weights_are_matlabs) {
    static const float halving[] = {-3, -9, 29, 111, 111, 29, -9, -3}; // 256ths
    static const float doubling[] = {-3, 29, 111, -9};                 // 128ths, to the right
    struct gb_resample_plan half, twice;
    assert_int_equal(gb_resample_plan_scale(GB_BICUBIC, 20, 20, 0.5, &half), GB_OK);
    assert_int_equal(gb_resample_plan_scale(GB_BICUBIC, 20, 20, 2, &twice), GB_OK);
    assert_int_equal(half.rows.taps, 8);
    assert_int_equal(twice.rows.taps, 4);
    for (int t = 0; t < 8; t++) {
        assert_true(half.rows.weight[5 * 8 + t] == halving[t] / 256);
        assert_int_equal(half.rows.index[5 * 8 + t], 10 - 3 + t);
    }
    for (int t = 0; t < 4; t++) {
        assert_true(twice.rows.weight[10 * 4 + t] == doubling[t] / 128);
        assert_int_equal(twice.rows.index[10 * 4 + t], 3 + t);
    }
    gb_resample_plan_free(&half);
    gb_resample_plan_free(&twice);
}

GB_TEST(resampling_rejects_invalid_scales) {
    static const double bad[] = {0, -1, NAN, INFINITY, 2000, 1e-4};
    struct gb_resample_plan plan;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(gb_resample_plan_scale(GB_BICUBIC, 8, 8, bad[i], &plan), GB_BAD_INPUT);
        assert_non_null(strstr(gb_error_message(), "resampling"));
    }
    assert_int_equal(gb_resample_plan_scale(GB_BICUBIC, 0, 8, 1, &plan), GB_BAD_INPUT);
    assert_int_equal(gb_resample_plan_scale(GB_BICUBIC, 1 << 20, 8, 2, &plan), GB_BAD_INPUT);
    assert_int_equal(gb_resample_plan_size(GB_BICUBIC, 8, 8, 8, 0, &plan), GB_BAD_INPUT);
}
