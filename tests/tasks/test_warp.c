// SPDX-License-Identifier: MIT
#include <math.h>

#include "tasks/images/warp.h"
#include "tests/support/test.h"

static const struct gb_augmentation paper = {.rotate = true, .scale = 0.2, .shear_degrees = 10};

static struct gb_random_key key_of(uint32_t sample) {
    return (struct gb_random_key){.seed = 3, .sample = sample};
}

static struct gb_image make_image(int w, int h, int c, int (*value)(int x, int y, int c)) {
    struct gb_image image;
    assert_ok(gb_image_create(&image, w, h, c, 8, "test"));
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int i = 0; i < c; i++)
                image.pixels[(y * w + x) * c + i] = (unsigned char)value(x, y, i);
    return image;
}

static int plane(int x, int y, int c) {
    return 3 * x + 2 * y + 40 * c;
}
static int disc(int x, int y, int c) {
    (void)c;
    return (x - 32) * (x - 32) + (y - 32) * (y - 32) < 20 * 20 ? 255 : 0;
}

// Whole pixels: a copy, with nothing beyond the image.
GB_TEST(copies_windows) {
    struct gb_image image = make_image(20, 15, 3, plane);
    static float values[12 * 10 * 3];
    struct gb_tensor out = gb_dense(values, 1, 12, 10, 3);
    const struct gb_affine_map identity = {.xx = 1, .yy = 1};
    struct gb_affine_map map = gb_affine_anchor(identity, 0, 0, 14, 6);
    gb_warp(&image, &map, &out);
    GB_EACH_ELEMENT(&out, at) {
        const int x = at[2] + 14, y = at[1] + 6;
        const float expected = x < 20 && y < 15 ? (float)(plane(x, y, at[3]) / 255.0) : 0;
        assert_true(*gb_element(&out, at) == expected);
    }
    gb_image_free(&image);
}

// Bilinear interpolation of a plane is that plane, whatever the map.
GB_TEST(follows_the_map) {
    struct gb_image image = make_image(24, 24, 1, plane);
    static float values[6 * 6];
    struct gb_tensor out = gb_dense(values, 1, 6, 6, 1);
    for (uint32_t i = 0; i < 20; i++) {
        const struct gb_random_key key = key_of(i);
        struct gb_affine_map map = gb_augmentation_draw(&paper, &key);
        map = gb_affine_anchor(map, 3, 3, 11.25, 12.5);
        gb_warp(&image, &map, &out);
        for (int v = 0; v < 6; v++)
            for (int u = 0; u < 6; u++) {
                double x = map.xx * (u + 0.5) + map.xy * (v + 0.5) + map.x - 0.5;
                double y = map.yx * (u + 0.5) + map.yy * (v + 0.5) + map.y - 0.5;
                assert_float_equal(*gb_at(&out, 0, v, u), (3 * x + 2 * y) / 255, 1e-5);
            }
    }
    gb_image_free(&image);
}

// An image and its mask stay together: a disc keeps its place, and its area except for the scale.
GB_TEST(keeps_masks_on_their_image) {
    enum { S = 64 };
    struct gb_image image = make_image(S, S, 1, disc);
    static float value[S * S], one[S * S];
    struct gb_tensor warped = gb_dense(value, 1, S, S, 1), mask = gb_dense(one, 1, S, S, 1);
    for (uint32_t i = 0; i < 20; i++) {
        const struct gb_random_key key = key_of(i);
        struct gb_affine_map map = gb_augmentation_draw(&paper, &key);
        map = gb_affine_anchor(map, S / 2, S / 2, S / 2, S / 2);
        gb_warp(&image, &map, &warped);
        gb_warp_mask(&image, &map, &mask);
        double area = 0;
        for (int p = 0; p < S * S; p++) {
            assert_true(one[p] == (value[p] >= 0.5f));
            area += (double)one[p];
        }
        double shrink = fabs(map.xx * map.yy - map.xy * map.yx);
        double expected = 3.14159 * 20 * 20 / shrink;
        assert_float_equal(area / expected, 1, 0.03);
    }
    gb_image_free(&image);
}

GB_TEST(draws_what_the_paper_says) {
    enum { DRAWS = 4000 };
    int quarter[4] = {0};
    double log_area = 0, shears = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        const struct gb_random_key key = key_of(i);
        struct gb_affine_map map = gb_augmentation_draw(&paper, &key);
        double zoom = 1 / sqrt(map.xx * map.xx + map.yx * map.yx);
        double cosine = map.xx * zoom, sine = map.yx * zoom;
        assert_in_range(1000 * zoom, 799, 1201);
        quarter[2 * (cosine > 0) + (sine > 0)]++;
        // Shear: how far the second axis leans towards the first.
        double lean = atan((cosine * map.xy + sine * map.yy) * zoom) * 57.29578;
        assert_true(fabs(lean) < 30.01);
        shears += lean * lean;
        log_area += zoom;
    }
    for (int q = 0; q < 4; q++)
        assert_in_range(quarter[q], DRAWS / 4 - 100, DRAWS / 4 + 100);
    assert_float_equal(sqrt(shears / DRAWS), 10, 0.4);
    assert_float_equal(log_area / DRAWS, 1, 0.01);
}

GB_TEST(depends_on_the_key_alone) {
    const struct gb_random_key key = key_of(5), other = key_of(6);
    struct gb_affine_map a = gb_augmentation_draw(&paper, &key);
    struct gb_affine_map b = gb_augmentation_draw(&paper, &key);
    struct gb_affine_map c = gb_augmentation_draw(&paper, &other);
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_not_equal(&a, &c, sizeof a);
    const struct gb_augmentation none = {0};
    struct gb_affine_map identity = gb_augmentation_draw(&none, &key);
    assert_true(identity.xx == 1 && identity.yy == 1 && identity.xy == 0 && identity.yx == 0);
}
