// SPDX-License-Identifier: MIT
#include <math.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

// To the bit: signed zeros, subnormal numbers and the bits of a NaN.
GB_TEST(upsampling_copies_bits) {
    enum { CHANNELS = 6, FACTOR = 2 };
    static float x[CHANNELS] = {0.0f, -0.0f, 0x1p-149f, -0x1p-130f, 1e18f, NAN};
    const struct gb_upsample_problem problem = {1, 1, 1, CHANNELS, FACTOR, GB_FLOATS};
    const struct gb_tensor in = gb_dense(x, 1, 1, 1, CHANNELS);
    GB_CHECK_EACH_BACKEND(backend) {
        float y[FACTOR * FACTOR * CHANNELS];
        const struct gb_tensor out = gb_dense(y, 1, FACTOR, FACTOR, CHANNELS);
        struct gb_upsample_plan plan;
        assert_ok(backend->upsample_plan(&problem, 1, &plan));
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

static double *axis_weights(enum gb_resample_filter filter, const struct gb_resample_axis *axis,
                            double scale) {
    double *weights = gb_check_doubles("weights", (size_t)axis->out * (size_t)axis->in);
    for (int o = 0; o < axis->out; o++)
        for (int i = 0; i < axis->in; i++)
            weights[o * axis->in + i] = axis_weight(filter, axis, scale, o, i);
    return weights;
}

static void check_resampling(enum gb_resample_filter filter, int h, int w, int out_h, int out_w,
                             int n, int c, enum gb_check_layout layout) {
    const double scale_h = (double)out_h / h, scale_w = (double)out_w / w;
    struct gb_resample_plan made, *plan = &made;
    assert_ok(gb_resample_plan_size(filter, h, w, out_h, out_w, plan));
    const struct gb_resample_axis *rows = &plan->rows, *columns = &plan->columns;
    struct gb_tensor x = gb_check_view("x", n, rows->in, columns->in, c, layout);
    struct gb_tensor want = gb_check_view("y", n, rows->out, columns->out, c, layout);
    const size_t elements = gb_elements(&want);
    double *value = gb_check_doubles("value", elements), *bound = gb_check_doubles("b", elements);
    double *row_weight = axis_weights(filter, rows, scale_h);
    double *column_weight = axis_weights(filter, columns, scale_w);
    gb_check_fill(&x, GB_CHECK_NORMAL, 1);
    size_t index = 0;
    for (int image = 0; image < n; image++)
        for (int i = 0; i < rows->out; i++)
            for (int j = 0; j < columns->out; j++, index += (size_t)c)
                for (int a = 0; a < rows->in; a++)
                    for (int b = 0; b < columns->in; b++) {
                        const double weight =
                            row_weight[i * rows->in + a] * column_weight[j * columns->in + b];
                        for (int channel = 0; channel < c && weight != 0; channel++) {
                            const double product = weight * gb_at(&x, image, a, b)[channel];
                            value[index + (size_t)channel] += product;
                            bound[index + (size_t)channel] += fabs(product);
                        }
                    }
    // Weights at a border may cancel, hence + 1.
    for (size_t i = 0; i < elements; i++)
        bound[i] = (rows->taps + columns->taps + 8) * GB_CHECK_ROUNDING * (bound[i] + 1);
    const struct gb_exec one = gb_check_exec(1, gb_resample_scratch_bytes(&x, 1));
    gb_check_reference()->resample(&one, plan, &x, &want);
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
    gb_resample_plan_free(plan);
}

GB_TEST(resampling_is_the_definition_everywhere) {
    static const double scales[] = {2, 0.5, 1, 3, 1.0 / 3, 0.25, 0.7, 1.37, 4};
    static const int sizes[][2] = {{12, 10}, {1, 7}, {5, 3}};
    static const int channels[] = {1, 3, 19};
    for (int filter = GB_BILINEAR; filter <= GB_BICUBIC; filter++) {
        for (size_t scale = 0; scale < sizeof scales / sizeof *scales; scale++)
            for (int size = 0; size < 3; size++)
                for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++)
                    check_resampling(filter, sizes[size][0], sizes[size][1],
                                     (int)ceil(sizes[size][0] * scales[scale]),
                                     (int)ceil(sizes[size][1] * scales[scale]), 2, channels[size],
                                     layout);
        check_resampling(filter, 9, 14, 21, 5, 1, 3, GB_CHECK_SLICE);
        // Enough rows to be shared among threads.
        check_resampling(filter, 60, 100, 30, 50, 1, 3, GB_CHECK_FLUSH);
    }
}

// The weights that MATLAB has for halving (antialiased) and doubling, all exact in float.
GB_TEST(bicubic_weights_are_matlabs) {
    static const float halving[] = {-3, -9, 29, 111, 111, 29, -9, -3}; // 256ths
    static const float doubling[] = {-3, 29, 111, -9};                 // 128ths, to the right
    struct gb_resample_plan half, twice;
    assert_ok(gb_resample_plan_size(GB_BICUBIC, 20, 20, 10, 10, &half));
    assert_ok(gb_resample_plan_size(GB_BICUBIC, 20, 20, 40, 40, &twice));
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

GB_TEST(resampling_rejects_invalid_sizes) {
    static const int bad[][4] = {{8, 8, 8, 0},    {8, 8, -8, 8},   {0, 8, 8, 8},
                                 {1, 8, 1025, 8}, {8, 1025, 8, 1}, {1 << 20, 8, 1 << 21, 8}};
    struct gb_resample_plan plan;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const int *size = bad[i];
        assert_error(gb_resample_plan_size(GB_BICUBIC, size[0], size[1], size[2], size[3], &plan),
                     GB_BAD_INPUT, "resampling");
    }
}
