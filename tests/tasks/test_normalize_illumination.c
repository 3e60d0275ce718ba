// SPDX-License-Identifier: MIT
#include "tasks/images/normalize_illumination.h"
#include "tests/support/test.h"

enum { S = 24, RADIUS = 3, LINE = 9 };

// Light that grows to the right, and a dark line down column LINE; dark beyond the field's last
// column.
static void make(struct gb_image *image, struct gb_image *field, int light) {
    assert_ok(gb_image_create(image, S, S, 3, 8, "test"));
    assert_ok(gb_image_create(field, S, S, 1, 8, "test"));
    for (int i = 0; i < S * S; i++) {
        int x = i % S;
        field->pixels[i] = x < S - 4 ? 255 : 0;
        for (int c = 0; c < 3; c++) {
            int value = light + 2 * x + 10 * c - (x == LINE ? 30 : 0);
            image->pixels[3 * i + c] = (unsigned char)(field->pixels[i] ? value : 0);
        }
    }
}

static int at(const struct gb_image *image, int x, int y, int c) {
    return image->pixels[3 * (y * S + x) + c];
}

GB_TEST(levels_light) {
    struct gb_image image, field;
    make(&image, &field, 60);
    assert_ok(gb_normalize_illumination(&image, &field, RADIUS));
    for (int y = 0; y < S; y++)
        for (int c = 0; c < 3; c++) {
            // Seven columns, one of them 30 darker.
            assert_int_equal(at(&image, LINE, y, c), GB_LEVEL_NEUTRAL + 30 - 30 / 7);
            assert_int_equal(at(&image, LINE + 1, y, c), GB_LEVEL_NEUTRAL - 30 / 7);
            assert_int_equal(at(&image, 15, y, c), GB_LEVEL_NEUTRAL);
            // The mean is of the field alone: of four columns at its end.
            assert_int_equal(at(&image, S - 5, y, c), GB_LEVEL_NEUTRAL - 3);
            assert_int_equal(at(&image, S - 2, y, c), GB_LEVEL_NEUTRAL);
        }
    gb_image_free(&image);
    gb_image_free(&field);
}

GB_TEST(forgets_how_light_it_was) {
    struct gb_image dark, bright, field;
    make(&dark, &field, 40);
    gb_image_free(&field);
    make(&bright, &field, 150);
    assert_ok(gb_normalize_illumination(&dark, &field, RADIUS));
    assert_ok(gb_normalize_illumination(&bright, &field, RADIUS));
    assert_memory_equal(dark.pixels, bright.pixels, 3 * S * S);
    gb_image_free(&dark);
    gb_image_free(&bright);
    gb_image_free(&field);
}
