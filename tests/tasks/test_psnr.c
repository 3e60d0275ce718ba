// SPDX-License-Identifier: MIT
#include <math.h>

#include "tasks/metrics/psnr.h"
#include "tests/support/test.h"

// Figures were computed with numpy in double precision from the formulas as printed, SSIM with the
// whole two-dimensional window at every place:
//   y, x = numpy.mgrid[0:19, 0:23]
//   truth = floor(((37 x + 101 y + 7 x y) % 251 + 8 x + 4 y) / 2)
//   answer = clip(floor(0.8 truth + (13 x + 29 y) % 31), 0, 255)
enum { H = 19, W = 23 };
static float truth[H * W], answer[H * W], mask[H * W];

static struct gb_tensor view(float *data) {
    return gb_dense(data, 1, H, W, 1);
}

static int fill(void **state) {
    (void)state;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            const int level = ((37 * x + 101 * y + 7 * x * y) % 251 + 8 * x + 4 * y) / 2;
            truth[y * W + x] = (float)level;
            answer[y * W + x] = (float)fmin(floor(0.8 * level + (13 * x + 29 * y) % 31), 255.0);
            mask[y * W + x] = (x + y) % 3 == 0;
        }
    return 0;
}

static void assert_close(double value, double expected, double bound) {
    if (!(fabs(value - expected) <= bound))
        fail_msg("%.15g, expected %.15g", value, expected);
}

GB_TEST_WITH(psnr_is_numpys, fill, NULL) {
    const struct gb_tensor t = view(truth), a = view(answer), m = view(mask);
    assert_close(gb_psnr(&t, &a, NULL, 255.0), 23.7125764825178, 1e-9);
    assert_close(gb_psnr(&t, &a, &m, 255.0), 23.6108375572962, 1e-9);
}

GB_TEST(psnr_by_hand) {
    float one[4] = {0.0f, 0.5f, 1.0f, 0.25f}, other[4] = {0.5f, 0.5f, 1.0f, 0.25f};
    float seen[2] = {0.0f, 1.0f}, unknown[2] = {0.0f, 0.0f};
    const struct gb_tensor t = gb_dense(one, 2, 1, 1, 2), a = gb_dense(other, 2, 1, 1, 2);
    const struct gb_tensor m = gb_dense(seen, 2, 1, 1, 1), none = gb_dense(unknown, 2, 1, 1, 1);
    assert_close(gb_psnr(&t, &a, NULL, 1.0), 10.0 * log10(16.0), 1e-12);
    assert_close(gb_psnr(&t, &a, NULL, 2.0), 10.0 * log10(64.0), 1e-12);
    assert_close(gb_psnr(&t, &t, NULL, 1.0), GB_PSNR_MAX, 0.0);
    assert_close(gb_psnr(&t, &a, &m, 1.0), GB_PSNR_MAX, 0.0); // the error is hidden
    assert_true(isnan(gb_psnr(&t, &a, &none, 1.0)));
    other[3] = NAN;
    assert_true(isnan(gb_psnr(&t, &a, NULL, 1.0)));
}

GB_TEST_WITH(ssim_is_numpys, fill, NULL) {
    const struct gb_tensor t = view(truth), a = view(answer);
    double ssim;
    assert_ok(gb_ssim(&t, &a, 255.0, &ssim));
    assert_close(ssim, 0.938734956704014, 1e-9);
    assert_ok(gb_ssim(&a, &t, 255.0, &ssim));
    assert_close(ssim, 0.938734956704014, 1e-9);
    assert_ok(gb_ssim(&t, &t, 255.0, &ssim));
    assert_close(ssim, 1.0, 1e-12);
}

// A constant against another: the contrast is perfect, the luminance is not.
GB_TEST(ssim_of_constants_by_hand) {
    for (int i = 0; i < H * W; i++) {
        truth[i] = 0.25f;
        answer[i] = 0.75f;
    }
    const struct gb_tensor t = view(truth), a = view(answer);
    double ssim;
    assert_ok(gb_ssim(&t, &a, 1.0, &ssim));
    assert_close(ssim, (2 * 0.1875 + 1e-4) / (0.0625 + 0.5625 + 1e-4), 1e-12);
}

// From BT.601's own constants: (16 + 219 (Kr R + (1 - Kr - Kb) G + Kb B)) / 255 with Kr = 0.299 and
// Kb = 0.114.
GB_TEST(luma_is_that_of_bt601) {
    float rgb[] = {0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0.2f, 0.5f, 0.7f}, luma[6];
    const double expected[] = {0.06274509803921569, 0.9215686274509806,  0.31953333333333334,
                               0.5668745098039216,  0.16065098039215686, 0.434701568627451};
    const struct gb_tensor colours = gb_dense(rgb, 1, 2, 3, 3), lumas = gb_dense(luma, 1, 2, 3, 1);
    gb_luma(&colours, &lumas);
    for (int i = 0; i < 6; i++)
        assert_close(luma[i], expected[i], 1e-7);
}

GB_TEST(clips_to_what_can_be_shown) {
    float values[] = {-0.5f, 0.0f, 0.25f, 1.0f, 1.5f, NAN};
    const float expected[] = {0.0f, 0.0f, 0.25f, 1.0f, 1.0f, 0.0f};
    const struct gb_tensor images = gb_dense(values, 1, 1, 2, 3);
    gb_clip(&images, &images);
    assert_memory_equal(values, expected, sizeof expected);
}
