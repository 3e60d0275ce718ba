// SPDX-License-Identifier: MIT
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tasks/images/image.h"
#include "tasks/images/picture.h"
#include "tasks/images/resize.h"
#include "tests/support/fixture.h"
#include "tests/support/real_data.h"
#include "tests/support/test.h"

static int ramp(int x, int y, int channel) {
    return 3 * x + 2 * y + 30 * channel;
}

// Detail that no block can leave out, so that a cut file loses something.
static int checks(int x, int y, int channel) {
    return (x * 37 + y * 91 + channel * 13) % 256;
}

GB_FIXTURE_TEST(reads_colour_and_grey) {
    gb_fixture_jpeg("colour", 40, 24, 3, ramp); // the name says nothing: the content decides
    struct gb_image image;
    assert_ok(gb_image_read(gb_fixture_path("colour"), 3, &image));
    assert_int_equal(image.w, 40);
    assert_int_equal(image.h, 24);
    assert_int_equal(image.c, 3);
    for (int y = 0; y < 24; y++)
        for (int x = 0; x < 40; x++)
            for (int c = 0; c < 3; c++)
                assert_true(abs(image.pixels[(y * 40 + x) * 3 + c] - ramp(x, y, c)) <= 6);
    gb_image_free(&image);
    assert_ok(gb_image_read(gb_fixture_path("colour"), 1, &image));
    assert_int_equal(image.c, 1);
    double luma = 0.299 * ramp(5, 7, 0) + 0.587 * ramp(5, 7, 1) + 0.114 * ramp(5, 7, 2);
    assert_true(fabs(image.pixels[7 * 40 + 5] - luma) <= 3.0);
    gb_image_free(&image);
    gb_fixture_jpeg("grey", 9, 5, 1, ramp);
    assert_ok(gb_image_read(gb_fixture_path("grey"), 3, &image));
    assert_int_equal(image.pixels[0], image.pixels[2]);
    gb_image_free(&image);
}

static void assert_unreadable(const char *name, const char *reason) {
    struct gb_image image;
    assert_int_equal(gb_image_read(gb_fixture_path(name), 3, &image), GB_BAD_INPUT);
    assert_null(image.pixels);
    assert_message(gb_fixture_path(name), reason);
    assert_null(strchr(gb_error_message(), '\n'));
}

GB_FIXTURE_TEST(reports_what_is_wrong_with_a_file) {
    assert_unreadable("missing.jpg", "No such file");
    gb_fixture_directory("folder.jpg");
    assert_unreadable("folder.jpg", "is a directory");
    gb_fixture_text("empty.jpg", "");
    assert_unreadable("empty.jpg", "empty");
    gb_fixture_text("text.jpg", "not an image at all\n");
    assert_unreadable("text.jpg", "not an image");
    assert_int_equal(mkfifo(gb_fixture_path("pipe.jpg"), 0600), 0);
    assert_unreadable("pipe.jpg", "not a regular file");
    gb_fixture_text("junk.jpg", "\xff\xd8\xff\xe0 and then nothing of sense");
    assert_unreadable("junk.jpg", "JPEG");
}

GB_FIXTURE_TEST(notices_a_cut_anywhere) {
    gb_fixture_jpeg("whole.jpg", 33, 47, 3, checks);
    size_t size = gb_fixture_size("whole.jpg");
    for (size_t cut = size - 1; cut > 3; cut -= cut > 64 ? cut / 9 : 1) {
        gb_fixture_jpeg("cut.jpg", 33, 47, 3, checks);
        gb_fixture_truncate("cut.jpg", cut);
        assert_unreadable("cut.jpg", "truncated");
    }
}

// Finds the frame header of a baseline JPEG and sets the size that it claims.
static void claim_size(const char *name, int w, int h) {
    size_t size;
    unsigned char *bytes = gb_fixture_bytes(name, &size);
    size_t at = 2;
    while (at + 9 < size && bytes[at + 1] != 0xc0)
        at += 2 + (size_t)(bytes[at + 2] << 8 | bytes[at + 3]);
    assert_true(at + 9 < size);
    const unsigned char sides[4] = {(unsigned char)(h >> 8), (unsigned char)h,
                                    (unsigned char)(w >> 8), (unsigned char)w};
    memcpy(bytes + at + 5, sides, sizeof sides);
    gb_fixture_file(name, bytes, size);
    free(bytes);
}

GB_FIXTURE_TEST(refuses_absurd_sizes) {
    gb_fixture_jpeg("side.jpg", 16, 16, 3, ramp);
    claim_size("side.jpg", 16, 60000);
    assert_unreadable("side.jpg", "beyond the limits");
    gb_fixture_jpeg("area.jpg", 16, 16, 3, ramp);
    claim_size("area.jpg", 16000, 16000);
    assert_unreadable("area.jpg", "beyond the limits");
    gb_fixture_jpeg("claim.jpg", 16, 16, 3, ramp);
    claim_size("claim.jpg", 3000, 3000); // allowed, but the data ends long before
    assert_unreadable("claim.jpg", "truncated");
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

static void assert_row(const unsigned char *source, int source_w, int w, const double *expected) {
    struct gb_image image;
    assert_ok(gb_image_create(&image, source_w, 1, 1, 8, "test"));
    memcpy(image.pixels, source, (size_t)source_w);
    float out[16];
    assert_ok(gb_resize(&image, GB_BILINEAR, 1, w, out));
    for (int x = 0; x < w; x++)
        if (fabs(out[x] * 255.0 - expected[x]) > 1e-4)
            fail_msg("%d of %d: %g, expected %g", x, w, out[x] * 255.0, expected[x]);
    gb_image_free(&image);
}

GB_TEST(resizes_as_by_hand) {
    const unsigned char row[4] = {0, 100, 200, 40};
    assert_row(row, 4, 4, (double[]){0, 100, 200, 40});
    // Twice as wide: centres at 0.25, 0.75, ... in source pixels; the border repeats.
    assert_row(row, 4, 8, (double[]){0, 25, 75, 125, 175, 160, 80, 40});
    // Half: the triangle around 1 of half-width 2 weighs the centres 0.5, 1.5, 2.5 by 3/4, 3/4,
    // 1/4, those around 3 likewise: 2.5 and 3.5 by 3/4, 1.5 by 1/4.
    assert_row(row, 4, 2,
               (double[]){(0.75 * 0 + 0.75 * 100 + 0.25 * 200) / 1.75,
                          (0.25 * 100 + 0.75 * 200 + 0.75 * 40) / 1.75});
    // To one: half-width 4 around 2, weights 5/8, 7/8, 7/8, 5/8.
    assert_row(row, 4, 1, (double[]){(5 * 0 + 7 * 100 + 7 * 200 + 5 * 40) / 24.0});
    // 3 to 2: s = 1.5, centres 0.75 and 2.25.
    assert_row(row, 3, 2,
               (double[]){(1.25 / 1.5 * 0 + 0.75 / 1.5 * 100) / (2.0 / 1.5),
                          (0.75 / 1.5 * 100 + 1.25 / 1.5 * 200) / (2.0 / 1.5)});
}

GB_TEST(resizes_axes_and_channels_alone) {
    enum { W = 23, H = 17 };
    struct gb_image image, turned;
    assert_ok(gb_image_create(&image, W, H, 3, 8, "test"));
    assert_ok(gb_image_create(&turned, H, W, 1, 8, "test"));
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            image.pixels[(y * W + x) * 3 + 0] = 255;
            image.pixels[(y * W + x) * 3 + 1] = (unsigned char)checks(x, y, 1);
            turned.pixels[x * H + y] = (unsigned char)checks(x, y, 1);
        }
    float out[8 * 10 * 3], out_turned[10 * 8];
    assert_ok(gb_resize(&image, GB_BILINEAR, 8, 10, out));
    assert_ok(gb_resize(&turned, GB_BILINEAR, 10, 8, out_turned));
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 10; x++) {
            const float *pixel = out + (y * 10 + x) * 3;
            assert_true(pixel[0] > 1.0f - 1e-6f && pixel[0] <= 1.0f);
            assert_true(fabsf(pixel[1] - out_turned[x * 8 + y]) < 1e-6f);
            assert_true(pixel[2] == 0.0f);
        }
    gb_image_free(&image);
    gb_image_free(&turned);
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

// Halves an image and compares it with what MATLAB's imresize made of it: the largest difference in
// grey levels.
static double distance_from_matlab(const char *path, const char *half_path) {
    struct gb_image image, half;
    if (gb_image_read(path, 3, &image) != GB_OK || gb_image_read(half_path, 3, &half) != GB_OK)
        fail_msg("%s", gb_error_message());
    gb_image_crop(&image, 0, 0, image.w / 2 * 2, image.h / 2 * 2);
    assert_true(half.w == image.w / 2 && half.h == image.h / 2);
    const size_t count = (size_t)half.w * (size_t)half.h * 3;
    float *out = malloc(count * sizeof *out);
    assert_non_null(out);
    assert_ok(gb_resize(&image, GB_BICUBIC, half.h, half.w, out));
    double distance = 0;
    for (size_t i = 0; i < count; i++)
        distance = fmax(distance, fabs(out[i] * 255.0 - half.pixels[i]));
    free(out);
    gb_image_free(&image);
    gb_image_free(&half);
    return distance;
}

// Low-resolution images are numbered in the order of the names of those they were made from.
GB_TEST(halves_as_matlab) {
    const char *directory = gb_real_data("sr_sets", (const char *const[]){"sr_sets.tar", NULL});
    if (!directory)
        skip();
    static const struct {
        const char *name;
        const char *images[15];
    } sets[] = {{"Set5", {"baby", "bird", "butterfly", "head", "woman"}},
                {"Set14",
                 {"baboon", "barbara", "bridge", "coastguard", "comic", "face", "flowers",
                  "foreman", "lenna", "man", "monarch", "pepper", "ppt3", "zebra"}}};
    for (int set = 0; set < 2; set++)
        for (int i = 0; sets[set].images[i]; i++) {
            char path[4096], half_path[4096];
            snprintf(path, sizeof path, "%s/%s/%s.png", directory, sets[set].name,
                     sets[set].images[i]);
            snprintf(half_path, sizeof half_path, "%s/%s_LR/image_SRF_2/img_%03d_SRF_2_LR.png",
                     directory, sets[set].name, i + 1);
            const double distance = distance_from_matlab(path, half_path);
            if (distance > 1e-4)
                fail_msg("%s: %g grey levels from %s", path, distance, half_path);
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
