// SPDX-License-Identifier: MIT

#include "tasks/synthetic/natural.h"
#include "tests/support/test.h"

static void draw(uint64_t seed, uint32_t index, int w, int h, struct gb_image *image) {
    assert_ok(gb_natural_draw(seed, index, w, h, image));
    assert_int_equal(image->w, w);
    assert_int_equal(image->h, h);
    assert_int_equal(image->c, 3);
    assert_int_equal(image->bits, 8);
}

static double green(const struct gb_image *image, int x, int y) {
    return image->pixels[(y * image->w + x) * 3 + 1];
}

// A checkpoint's scores mean something only on the data that it was trained for, so a change of
// these bits is a change of the data set.
GB_TEST(generates_the_same_bits_everywhere) {
    const struct {
        int w, h;
        uint64_t hash;
    } pictures[] = {{64, 64, UINT64_C(0x2d7e1b3ee373d8be)},
                    {50, 31, UINT64_C(0xb6c46d52d8f302e0)},
                    {1, 7, UINT64_C(0xfc584c075e2e95f0)}};
    for (int i = 0; i < 3; i++) {
        struct gb_image_list list;
        assert_ok(gb_natural_images(1, 20, 4, pictures[i].w, pictures[i].h, 2, &list));
        assert_int_equal(gb_image_list_hash(&list), pictures[i].hash);
        assert_string_equal(list.names[3], "natural0000023");
        gb_image_list_free(&list);
    }
}

GB_TEST(generates_by_seed_and_index_alone) {
    struct gb_image_list list;
    struct gb_image same, other_index, other_seed;
    assert_ok(gb_natural_images(7, 100, 3, 24, 40, 1, &list));
    draw(7, 102, 24, 40, &same);
    draw(7, 103, 24, 40, &other_index);
    draw(8, 102, 24, 40, &other_seed);
    const size_t bytes = 24 * 40 * 3;
    assert_memory_equal(list.images[2].pixels, same.pixels, bytes);
    assert_memory_not_equal(other_index.pixels, same.pixels, bytes);
    assert_memory_not_equal(other_seed.pixels, same.pixels, bytes);
    gb_image_list_free(&list);
    gb_image_free(&same);
    gb_image_free(&other_index);
    gb_image_free(&other_seed);
    assert_int_equal(gb_natural_draw(1, 1, 0, 8, &same), GB_BAD_INPUT);
    assert_int_equal(gb_natural_images(1, 1, 3, 8, GB_IMAGE_MAX_SIDE + 1, 2, &list), GB_BAD_INPUT);
    assert_null(list.images);
}

// The mean over blocks of 4 x 4 pixels of the larger picture is the smaller one except for detail.
GB_TEST(generates_the_same_image_at_every_size) {
    double error = 0.0, deviation = 0.0;
    for (uint32_t index = 0; index < 8; index++) {
        struct gb_image fine, coarse;
        draw(1, index, 128, 160, &fine);
        draw(1, index, 32, 40, &coarse);
        double mean = 0.0;
        for (int i = 0; i < 32 * 40; i++)
            mean += green(&coarse, i % 32, i / 32) / (32 * 40);
        for (int y = 0; y < 40; y++)
            for (int x = 0; x < 32; x++) {
                double block = 0.0;
                for (int i = 0; i < 16; i++)
                    block += green(&fine, 4 * x + i % 4, 4 * y + i / 4) / 16;
                error += (block - green(&coarse, x, y)) * (block - green(&coarse, x, y));
                deviation += (mean - green(&coarse, x, y)) * (mean - green(&coarse, x, y));
            }
        gb_image_free(&fine);
        gb_image_free(&coarse);
    }
    assert_true(error < 0.25 * deviation);
}

// Differences between neighbours, after the mean over blocks of side 1, 2, 4 and 8: in images
// they hardly depend on scale (BSDS500's training images: each 1.15 to 1.3 times as large in square
// as the one before), where white noise falls to a quarter and a smooth picture grows fourfold.
// Most are small and a few, at edges, large: the kurtosis of a normal variable is 3, BSDS500's 16.
GB_TEST(has_the_statistics_of_photographs) {
    enum { SIDE = 128, LEVELS = 4, PICTURES = 12 };
    double square[LEVELS] = {0}, fourth = 0.0;
    for (uint32_t index = 0; index < PICTURES; index++) {
        struct gb_image image;
        static double blocks[SIDE][SIDE];
        draw(1, index, SIDE, SIDE, &image);
        for (int i = 0; i < SIDE * SIDE; i++)
            blocks[i / SIDE][i % SIDE] = green(&image, i % SIDE, i / SIDE);
        for (int level = 0, side = SIDE; level < LEVELS; level++, side /= 2) {
            for (int y = 0; y < side; y++)
                for (int x = 1; x < side; x++) {
                    const double difference = blocks[y][x] - blocks[y][x - 1];
                    const double squared = difference * difference;
                    square[level] += squared / (side * (side - 1) * PICTURES);
                    if (level == 0)
                        fourth += squared * squared / (side * (side - 1) * PICTURES);
                }
            for (int y = 0; y < side / 2; y++)
                for (int x = 0; x < side / 2; x++)
                    blocks[y][x] = (blocks[2 * y][2 * x] + blocks[2 * y][2 * x + 1] +
                                    blocks[2 * y + 1][2 * x] + blocks[2 * y + 1][2 * x + 1]) /
                                   4;
        }
        gb_image_free(&image);
    }
    for (int level = 1; level < LEVELS; level++) {
        const double growth = square[level] / square[level - 1];
        if (!(growth > 0.9 && growth < 1.7))
            fail_msg("level %d: %g times level %d", level, growth, level - 1);
    }
    const double kurtosis = fourth / (square[0] * square[0]);
    if (!(kurtosis > 8.0 && kurtosis < 40.0))
        fail_msg("kurtosis %g", kurtosis);
}
