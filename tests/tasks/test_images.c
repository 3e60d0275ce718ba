// SPDX-License-Identifier: MIT
#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/images/image.h"
#include "tasks/images/picture.h"
#include "tasks/images/resize.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"

static int checks(int x, int y, int channel) {
    return (x * 37 + y * 91 + channel * 13) % 256;
}

// Reads a PNG with libpng's own reader; the caller frees it.
static struct gb_image read_png(const char *path) {
    png_image png = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&png, path));
    png.format = PNG_FORMAT_RGB;
    struct gb_image image = {.w = (int)png.width, .h = (int)png.height, .c = 3};
    image.pixels = malloc(PNG_IMAGE_SIZE(png));
    assert_non_null(image.pixels);
    assert_true(png_image_finish_read(&png, NULL, image.pixels, 0, NULL));
    return image;
}

GB_FIXTURE_TEST(writes_png) {
    struct gb_image image;
    assert_ok(gb_image_create(&image, 7, 5, 3, 8, "test"));
    for (int i = 0; i < 7 * 5 * 3; i++)
        image.pixels[i] = (unsigned char)(i * 2);
    assert_ok(gb_png_write(gb_fixture_path("out.png"), &image));
    struct gb_image back = read_png(gb_fixture_path("out.png"));
    assert_int_equal(back.w, 7);
    assert_int_equal(back.h, 5);
    assert_memory_equal(back.pixels, image.pixels, 7 * 5 * 3);
    gb_image_free(&back);
    image.c = 1;
    assert_ok(gb_png_write(gb_fixture_path("out.png"), &image));
    back = read_png(gb_fixture_path("out.png"));
    assert_int_equal(back.pixels[3 * 8 + 1], image.pixels[8]);
    gb_image_free(&back);
    assert_int_equal(gb_png_write(gb_fixture_path("no/out.png"), &image), GB_IO_ERROR);
    assert_int_equal(gb_fixture_entries(""), 1);
    gb_image_free(&image);
}

// tests/kernels/test_resample.c has other sizes, axes and channels.
GB_TEST(resizes_as_by_hand) {
    static const struct {
        int w;
        double levels[8];
    } rows[] = {
        // Twice as wide: centres at 0.25, 0.75, ... in source pixels; the border repeats.
        {8, {0, 25, 75, 125, 175, 160, 80, 40}},
        // Half: the triangle around 1 of half-width 2 weighs the centres 0.5, 1.5, 2.5 by 3/4, 3/4,
        // 1/4, those around 3 likewise: 2.5 and 3.5 by 3/4, 1.5 by 1/4.
        {2,
         {(0.75 * 0 + 0.75 * 100 + 0.25 * 200) / 1.75,
          (0.25 * 100 + 0.75 * 200 + 0.75 * 40) / 1.75}},
    };
    struct gb_image image;
    assert_ok(gb_image_create(&image, 4, 1, 1, 8, "test"));
    memcpy(image.pixels, (const unsigned char[]){0, 100, 200, 40}, 4);
    for (int row = 0; row < 2; row++) {
        float out[8];
        assert_ok(gb_resize(&image, GB_BILINEAR, 1, rows[row].w, out));
        for (int x = 0; x < rows[row].w; x++)
            assert_float_equal(out[x] * 255.0, rows[row].levels[x], 1e-4);
    }
    gb_image_free(&image);
}

GB_TEST(resizes_all_depths_alike) {
    struct gb_image image, deep;
    assert_ok(gb_image_create(&image, 19, 13, 3, 8, "test"));
    assert_ok(gb_image_create(&deep, 19, 13, 3, 16, "test"));
    for (int i = 0; i < 19 * 13 * 3; i++) {
        image.pixels[i] = (unsigned char)checks(i % 7, i / 7, 0);
        deep.pixels16[i] = (uint16_t)(image.pixels[i] * 257);
    }
    for (int filter = GB_BILINEAR; filter <= GB_BICUBIC; filter++) {
        float out[25 * 7 * 3], out_deep[25 * 7 * 3];
        assert_ok(gb_resize(&image, filter, 25, 7, out));
        assert_ok(gb_resize(&deep, filter, 25, 7, out_deep));
        for (int i = 0; i < 25 * 7 * 3; i++)
            // Bicubic results of 8 bits were rounded to them, twice.
            assert_true(out[i] >= 0 && out[i] <= 1 &&
                        fabsf(out[i] - out_deep[i]) < (filter == GB_BICUBIC ? 0.006f : 1e-6f));
        float same[13 * 19 * 3];
        assert_ok(gb_resize(&image, filter, 13, 19, same));
        for (int i = 0; i < 13 * 19 * 3; i++)
            assert_true(same[i] == (float)image.pixels[i] / 255.0f);
    }
    assert_int_equal(gb_resize(&image, GB_BILINEAR, 13, 19 * 1025, NULL), GB_BAD_INPUT);
    gb_image_free(&image);
    gb_image_free(&deep);
}

GB_TEST(resizes_labels_to_labels) {
    static const unsigned char row[4] = {7, 1, 200, 3};
    struct gb_image image, resized;
    assert_ok(gb_image_create(&image, 4, 1, 1, 8, "test"));
    memcpy(image.pixels, row, 4);
    assert_ok(gb_resize_labels(&image, 2, 8, &resized));
    assert_memory_equal(resized.pixels, ((unsigned char[]){7, 7, 1, 1, 200, 200, 3, 3}), 8);
    assert_memory_equal(resized.pixels + 8, resized.pixels, 8);
    gb_image_free(&resized);
    assert_ok(gb_resize_labels(&image, 1, 3, &resized)); // centres 2/3, 2, 10/3
    assert_memory_equal(resized.pixels, ((unsigned char[]){7, 200, 3}), 3);
    gb_image_free(&resized);
    gb_image_free(&image);
    assert_ok(gb_image_create(&image, 2, 2, 3, 16, "test"));
    for (int i = 0; i < 12; i++)
        image.pixels16[i] = (uint16_t)(5000 * i);
    assert_ok(gb_resize_labels(&image, 4, 2, &resized));
    assert_true(resized.c == 3 && resized.bits == 16 && resized.w == 2 && resized.h == 4);
    for (int i = 0; i < 24; i++)
        assert_int_equal(resized.pixels16[i], image.pixels16[i / 12 * 6 + i % 6]);
    gb_image_free(&resized);
    gb_image_free(&image);
}

GB_TEST(crops) {
    for (int bits = 8; bits <= 16; bits += 8) {
        struct gb_image image;
        assert_ok(gb_image_create(&image, 7, 5, 3, bits, "test"));
        for (int i = 0; i < 7 * 5 * 3; i++)
            if (bits == 8)
                image.pixels[i] = (unsigned char)i;
            else
                image.pixels16[i] = (uint16_t)(600 * i);
        gb_image_crop(&image, 2, 1, 4, 3);
        assert_true(image.w == 4 && image.h == 3 && image.c == 3 && image.bits == bits);
        for (int i = 0; i < 4 * 3 * 3; i++) {
            const int from = (i / 12 + 1) * 21 + 6 + i % 12;
            assert_int_equal(bits == 8 ? image.pixels[i] : image.pixels16[i] / 600, from);
        }
        gb_image_free(&image);
    }
}

// One example: red and half-grey cells enlarged from 2 x 2, and text somewhere above them.
GB_FIXTURE_TEST(lays_out_a_contact_sheet) {
    float colour[12] = {1, 0, 0, 1, 0, 0, 1, 0, 0, 2, -1, 0}, grey[4] = {0.5f, 0, 1, NAN};
    const struct gb_picture_column columns[] = {
        {.caption = "input", .images = gb_dense(colour, 1, 2, 2, 3)},
        {.caption = "a caption that does not fit", .images = gb_dense(grey, 1, 2, 2, 1)},
    };
    const char *const rows[] = {"horse001.jpg", NULL};
    const struct gb_picture picture = {.title = "Title",
                                       .columns = columns,
                                       .column_count = 2,
                                       .row_count = 2,
                                       .row_captions = rows};
    assert_ok(gb_picture_write(gb_fixture_path("sheet.png"), &picture));
    struct gb_image sheet = read_png(gb_fixture_path("sheet.png"));
    assert_true(sheet.w >= 2 * 128 && sheet.h >= 2 * 128);
    int pure[3] = {0}, half = 0, magenta = 0, ink = 0;
    for (int i = 0; i < sheet.w * sheet.h; i++) {
        const unsigned char *p = sheet.pixels + 3 * i;
        pure[0] += p[0] == 255 && p[1] == 0 && p[2] == 0;
        half += p[0] == 128 && p[1] == 128 && p[2] == 128;
        magenta += p[0] == 255 && p[1] == 0 && p[2] == 255;
        ink += p[0] == 32 && p[1] == 32 && p[2] == 32;
    }
    assert_int_equal(pure[0], 128 * 128);
    assert_int_equal(half, 64 * 64);
    assert_int_equal(magenta, 64 * 64);
    assert_true(ink > 300);
    gb_image_free(&sheet);
    struct gb_picture endless = picture;
    endless.row_count = 100000;
    endless.row_captions = NULL;
    assert_int_equal(gb_picture_write(gb_fixture_path("endless.png"), &endless), GB_BAD_INPUT);
    assert_int_equal(gb_fixture_entries(""), 1);
}

// As many rows of tall cells as a sheet holds are accepted, and one more is refused.
GB_FIXTURE_TEST(knows_how_many_rows_fit) {
    enum { TALL = 1000, MOST = GB_IMAGE_MAX_SIDE / TALL };
    float *values = calloc(TALL, sizeof *values);
    assert_non_null(values);
    const struct gb_picture_column column = {"tall", gb_dense(values, 1, TALL, 1, 1)};
    const int most = gb_picture_max_rows(&column, 1);
    assert_true(most > MOST / 2 && most <= MOST);
    const char *const captions[MOST + 1] = {0};
    struct gb_picture picture = {.title = "Title",
                                 .columns = &column,
                                 .column_count = 1,
                                 .row_count = most,
                                 .row_captions = captions};
    assert_ok(gb_picture_write(gb_fixture_path("tall.png"), &picture));
    picture.row_count++;
    assert_int_equal(gb_picture_write(gb_fixture_path("taller.png"), &picture), GB_BAD_INPUT);
    free(values);
}
