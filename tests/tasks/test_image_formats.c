// SPDX-License-Identifier: MIT
// Files of every format, written by the format's own library, and what becomes of bad ones.
#define _GNU_SOURCE // memmem
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <tiffio.h>

#include "tasks/images/image.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"

enum { W = 37, H = 29 }; // odd, and several strips

// Values with this many bits and detail everywhere, so that a cut loses something.
static int depth;
static int detail(int x, int y, int channel) {
    return (x * 20011 + y * 40503 + channel * 7919 + x * y * 977) >> 3 & ((1 << depth) - 1);
}

static int as8(int value) {
    return depth == 16 ? (value + 128) / 257 : value * (255 / ((1 << depth) - 1));
}

enum kind { GREY, COLOUR, PALETTE };

static int expected(enum kind kind, int x, int y, int channel) {
    if (kind == PALETTE)
        return gb_fixture_palette(detail(x, y, 0), channel);
    return as8(detail(x, y, kind == GREY ? 0 : channel));
}

static void assert_pixels(const char *name, enum kind kind) {
    struct gb_image image;
    assert_ok(gb_image_read(gb_fixture_path(name), 3, &image));
    assert_true(image.w == W && image.h == H && image.c == 3 && image.bits == 8);
    for (int i = 0; i < W * H * 3; i++) {
        const int want = expected(kind, i / 3 % W, i / 3 / W, i % 3);
        if (image.pixels[i] != want)
            fail_msg("%s: pixel %d channel %d is %d, not %d", name, i / 3, i % 3, image.pixels[i],
                     want);
    }
    struct gb_image grey;
    assert_ok(gb_image_read(gb_fixture_path(name), 1, &grey));
    assert_true(grey.w == W && grey.h == H && grey.c == 1 && grey.bits == 8);
    for (int i = 0; i < W * H; i++) {
        const unsigned char *rgb = image.pixels + 3 * i;
        const double luma = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        const double limit = kind == GREY ? 0 : 0.502; // grey stays as it is
        assert_true(grey.pixels[i] >= luma - limit - 1e-9 && grey.pixels[i] <= luma + limit + 1e-9);
    }
    gb_image_free(&image);
    gb_image_free(&grey);
}

static int ramp(int x, int y, int channel) {
    return 3 * x + 2 * y + 30 * channel;
}

GB_FIXTURE_TEST(reads_jpeg) {
    gb_fixture_jpeg("colour", 40, 24, 3, ramp); // the name says nothing: the content decides
    struct gb_image image;
    assert_ok(gb_image_read(gb_fixture_path("colour"), 3, &image));
    assert_true(image.w == 40 && image.h == 24 && image.c == 3);
    for (int i = 0; i < 40 * 24 * 3; i++)
        assert_true(abs(image.pixels[i] - ramp(i / 3 % 40, i / 3 / 40, i % 3)) <= 6);
    gb_image_free(&image);
    assert_ok(gb_image_read(gb_fixture_path("colour"), 1, &image));
    assert_int_equal(image.c, 1);
    const double luma = 0.299 * ramp(5, 7, 0) + 0.587 * ramp(5, 7, 1) + 0.114 * ramp(5, 7, 2);
    assert_float_equal(image.pixels[7 * 40 + 5], luma, 3);
    gb_image_free(&image);
    gb_fixture_jpeg("grey", 9, 5, 1, ramp);
    assert_ok(gb_image_read(gb_fixture_path("grey"), 3, &image));
    assert_int_equal(image.pixels[0], image.pixels[2]);
    gb_image_free(&image);
}

GB_FIXTURE_TEST(reads_png) {
    static const struct {
        int type;
        enum kind kind;
        int bits[6];
    } kinds[] = {
        {PNG_COLOR_TYPE_GRAY, GREY, {1, 2, 4, 8, 16}},
        {PNG_COLOR_TYPE_RGB, COLOUR, {8, 16}},
        {PNG_COLOR_TYPE_GRAY_ALPHA, GREY, {8, 16}},
        {PNG_COLOR_TYPE_RGB_ALPHA, COLOUR, {8, 16}},
        {PNG_COLOR_TYPE_PALETTE, PALETTE, {1, 2, 4, 8}},
    };
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++)
        for (const int *bits = kinds[kind].bits; *bits; bits++)
            for (int interlaced = 0; interlaced < 2; interlaced++) {
                depth = *bits;
                gb_fixture_png("png", W, H, kinds[kind].type, depth, interlaced, detail);
                assert_pixels("png", kinds[kind].kind);
            }
}

GB_FIXTURE_TEST(reads_pnm) {
    for (depth = 8; depth <= 16; depth += 8)
        for (const char *kind = "2356"; *kind; kind++) {
            gb_fixture_pnm("pnm", W, H, *kind, (1 << depth) - 1, detail);
            assert_pixels("pnm", *kind == '3' || *kind == '6' ? COLOUR : GREY);
        }
    // Values are shares of the largest.
    gb_fixture_text("pnm", "P2 3 1 # odd places\n#for comments\n 4\t0 1\r\n4");
    struct gb_image image;
    assert_ok(gb_image_read(gb_fixture_path("pnm"), 1, &image));
    assert_memory_equal(image.pixels, ((unsigned char[]){0, 64, 255}), 3);
    gb_image_free(&image);
    gb_fixture_text("pnm", "P2 2 1 1000 999 1000");
    assert_ok(gb_image_read_grey16(gb_fixture_path("pnm"), &image));
    assert_int_equal(image.pixels16[0], 65469); // 999 / 1000 of 65535, to nearest
    assert_int_equal(image.pixels16[1], 65535);
    gb_image_free(&image);
}

static int negative(int x, int y, int channel) {
    return (1 << depth) - 1 - detail(x, y, channel);
}

GB_FIXTURE_TEST(reads_tiff) {
    static const int compressions[] = {COMPRESSION_NONE, COMPRESSION_LZW,
                                       COMPRESSION_ADOBE_DEFLATE};
    for (depth = 8; depth <= 16; depth += 8)
        for (int i = 0; i < 3; i++)
            for (int alpha = 0; alpha < 2; alpha++) {
                const int compression = compressions[i];
                gb_fixture_tiff("tiff", W, H, PHOTOMETRIC_MINISBLACK, 1 + alpha, depth, compression,
                                detail);
                assert_pixels("tiff", GREY);
                gb_fixture_tiff("tiff", W, H, PHOTOMETRIC_MINISWHITE, 1 + alpha, depth, compression,
                                negative);
                assert_pixels("tiff", GREY);
                gb_fixture_tiff("tiff", W, H, PHOTOMETRIC_RGB, 3 + alpha, depth, compression,
                                detail);
                assert_pixels("tiff", COLOUR);
            }
    depth = 8;
    gb_fixture_tiff("tiff", W, H, PHOTOMETRIC_PALETTE, 1, 8, COMPRESSION_LZW, detail);
    assert_pixels("tiff", PALETTE);
}

GB_FIXTURE_TEST(reads_gif) {
    depth = 8;
    for (int interlaced = 0; interlaced < 2; interlaced++) {
        gb_fixture_gif("gif", W, H, interlaced, detail);
        assert_pixels("gif", PALETTE);
    }
}

static int every_value(int x, int y, int channel) {
    return 256 * y + x + channel;
}

GB_FIXTURE_TEST(keeps_16_bits) {
    for (int format = 0; format < 4; format++) {
        if (format == 0)
            gb_fixture_png("depth", 256, 256, PNG_COLOR_TYPE_GRAY, 16, false, every_value);
        else if (format == 3)
            gb_fixture_tiff("depth", 256, 256, PHOTOMETRIC_MINISBLACK, 1, 16, COMPRESSION_LZW,
                            every_value);
        else
            gb_fixture_pnm("depth", 256, 256, format == 1 ? '2' : '5', 65535, every_value);
        struct gb_image image;
        assert_ok(gb_image_read_grey16(gb_fixture_path("depth"), &image));
        assert_true(image.w == 256 && image.h == 256 && image.c == 1 && image.bits == 16);
        for (int i = 0; i < 65536; i++)
            assert_int_equal(image.pixels16[i], i);
        gb_image_free(&image);
    }
}

static void assert_not_read(enum gb_status status, const struct gb_image *image, const char *name,
                            const char *reason) {
    assert_int_equal(status, GB_BAD_INPUT);
    assert_null(image->pixels);
    assert_message(gb_fixture_path(name), reason);
    assert_null(strchr(gb_error_message(), '\n'));
}

static void assert_unreadable(const char *name, const char *reason) {
    struct gb_image image;
    assert_not_read(gb_image_read(gb_fixture_path(name), 3, &image), &image, name, reason);
}

static void assert_no_depth(const char *name, const char *reason) {
    struct gb_image image;
    assert_not_read(gb_image_read_grey16(gb_fixture_path(name), &image), &image, name, reason);
}

GB_FIXTURE_TEST(reports_what_is_wrong_with_a_file) {
    assert_unreadable("missing.jpg", "No such file");
    gb_fixture_directory("folder.jpg");
    assert_unreadable("folder.jpg", "is a directory");
    assert_int_equal(mkfifo(gb_fixture_path("pipe.jpg"), 0600), 0);
    assert_unreadable("pipe.jpg", "not a regular file");
    static const char *const texts[][2] = {
        {"", "empty"},
        {"not an image at all\n", "not an image"},
        {"P4 8 1 a", "not an image of a known format"}, // black and white alone
        {"\xff\xd8\xff\xe0 and then nothing of sense", "JPEG"},
        {"P2 2 1 255 1 x", "no number where one belongs"},
        {"P2 2 1 255 1 256", "a value above the largest"},
        {"P2 2 1 65536 1 2", "not between 1 and 65535"},
        {"P2 2 1 0 0 0", "not between 1 and 65535"},
        {"P5 -2 1 255 ab", "no number where one belongs"},
        {"P5 60000 60000 255\n", "60000 x 60000 pixels are beyond the limits"},
        {"P5 1 999999999999999999999999 255\n", "pixels are beyond the limits"},
        {"P5 0 4 255\n", "0 x 4 pixels are beyond the limits"},
        {"P5 16000 4000 255\nshort", "truncated"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        gb_fixture_text("text", texts[i][0]);
        assert_unreadable("text", texts[i][1]);
    }
}

GB_FIXTURE_TEST(refuses_what_is_not_a_depth_map) {
    depth = 8;
    const char *const grey = "8-bit grey where 16-bit grey is needed";
    gb_fixture_png("grey8", W, H, PNG_COLOR_TYPE_GRAY, 8, false, detail);
    assert_no_depth("grey8", grey);
    gb_fixture_jpeg("jpeg", W, H, 1, detail);
    assert_no_depth("jpeg", grey);
    gb_fixture_pnm("pgm", W, H, '5', 255, detail);
    assert_no_depth("pgm", grey);
    gb_fixture_gif("gif", W, H, false, detail);
    assert_no_depth("gif", "8-bit colour where 16-bit grey is needed");
    gb_fixture_tiff("tiff", W, H, PHOTOMETRIC_RGB, 3, 16, COMPRESSION_LZW, detail);
    assert_no_depth("tiff", "16-bit colour where 16-bit grey is needed");
}

// One file of each format, and two ways to store its pixels where they matter.
enum { SAMPLES = 11 };
static const char *const sample_names[SAMPLES] = {
    "grey.png",  "adam7.png", "palette.png", "jpeg", "plain.pgm",     "raw.ppm",
    "raw16.pgm", "lzw.tiff",  "whole.tiff",  "gif",  "interlaced.gif"};

static void write_samples(void) {
    depth = 8;
    gb_fixture_png("adam7.png", W, H, PNG_COLOR_TYPE_RGB, 8, true, detail);
    gb_fixture_png("palette.png", W, H, PNG_COLOR_TYPE_PALETTE, 8, false, detail);
    gb_fixture_jpeg("jpeg", W, H, 3, detail);
    gb_fixture_pnm("plain.pgm", W, H, '2', 255, detail);
    gb_fixture_pnm("raw.ppm", W, H, '6', 255, detail);
    gb_fixture_tiff("lzw.tiff", W, H, PHOTOMETRIC_RGB, 3, 8, COMPRESSION_LZW, detail);
    gb_fixture_tiff("whole.tiff", W, H, PHOTOMETRIC_PALETTE, 1, 8, COMPRESSION_NONE, detail);
    gb_fixture_gif("gif", W, H, false, detail);
    gb_fixture_gif("interlaced.gif", W, H, true, detail);
    depth = 16;
    gb_fixture_png("grey.png", W, H, PNG_COLOR_TYPE_GRAY, 16, false, detail);
    gb_fixture_pnm("raw16.pgm", W, H, '5', 65535, detail);
}

GB_FIXTURE_TEST(notices_a_cut_anywhere) {
    write_samples();
    for (int i = 0; i < SAMPLES; i++) {
        size_t size;
        unsigned char *bytes = gb_fixture_bytes(sample_names[i], &size);
        // The last byte of a plain file is a space, and the one before it a digit.
        const size_t spare = strcmp(sample_names[i], "plain.pgm") == 0 ? 2 : 0;
        for (size_t cut = size - 1 - spare; cut >= 8; cut -= cut > 200 ? cut / 23 : 1) {
            gb_fixture_file("cut", bytes, cut);
            struct gb_image image;
            if (gb_image_read(gb_fixture_path("cut"), 3, &image) == GB_OK)
                fail_msg("%s is read where %zu of %zu bytes are there", sample_names[i], cut, size);
            assert_unreadable("cut", "truncated or damaged");
        }
        gb_fixture_file("cut", bytes, 1);
        assert_unreadable("cut", "not an image");
        free(bytes);
    }
}

// Damage may go unnoticed in a format without checksums; it must do no harm (run this under a
// sanitizer).
GB_FIXTURE_TEST(survives_damage) {
    write_samples();
    uint32_t random = 1;
    for (int i = 0; i < SAMPLES; i++) {
        size_t size;
        unsigned char *bytes = gb_fixture_bytes(sample_names[i], &size);
        for (int trial = 0; trial < 200; trial++) {
            random = random * 1664525 + 1013904223;
            // Mostly in the header, where it does most.
            const size_t place = trial % 2 ? (random >> 8) % size : (random >> 8) % 64;
            const unsigned char before = bytes[place];
            bytes[place] = (unsigned char)(random >> 4);
            gb_fixture_file("damaged", bytes, size);
            bytes[place] = before;
            struct gb_image image;
            if (gb_image_read(gb_fixture_path("damaged"), 3, &image) == GB_OK)
                assert_true(image.c == 3 && image.w > 0 && image.h > 0);
            else
                assert_null(image.pixels);
            gb_image_free(&image);
        }
        free(bytes);
    }
}

// Replaces `size` bytes at `place`.
static void patch(const char *name, size_t place, const void *with, size_t size) {
    size_t whole;
    unsigned char *bytes = gb_fixture_bytes(name, &whole);
    assert_true(place + size <= whole);
    memcpy(bytes + place, with, size);
    gb_fixture_file(name, bytes, whole);
    free(bytes);
}

// Where a file first has these bytes.
static size_t find_bytes(const char *name, const void *bytes, size_t size) {
    size_t whole;
    unsigned char *file = gb_fixture_bytes(name, &whole), *found = memmem(file, whole, bytes, size);
    assert_non_null(found);
    const size_t place = (size_t)(found - file);
    free(file);
    return place;
}

// Where the value of a tag stands in a little-endian TIFF.
static size_t find_tag(const char *name, int tag) {
    size_t size, found = 0;
    unsigned char *bytes = gb_fixture_bytes(name, &size);
    size_t at = (size_t)bytes[4] | (size_t)bytes[5] << 8 | (size_t)bytes[6] << 16;
    const int entries = bytes[at] | bytes[at + 1] << 8;
    at += 2;
    for (int i = 0; i < entries; i++, at += 12)
        if ((bytes[at] | bytes[at + 1] << 8) == tag)
            found = at + 8;
    free(bytes);
    assert_true(found > 0);
    return found;
}

// Allows 4 GiB of address space, and returns the limit before; none under the sanitisers, which
// reserve terabytes.
static struct rlimit limit_memory(void) {
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    limit = before;
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
    limit.rlim_cur = (rlim_t)4 << 30;
#endif
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    return before;
}

GB_FIXTURE_TEST(refuses_absurd_sizes) {
    write_samples();
    // The sum over the chunk goes with its sizes.
    patch("grey.png", 16, "\0\0\xff\xff\0\0\xff\xff\x10\0\0\0\0\xc3\xfe\x5a\xcf", 17);
    assert_unreadable("grey.png", "65535 x 65535 pixels are beyond the limits");
    // A row of 17 GB, for which libpng must not be let ask: 2^31 - 1 pixels of RGBA, 16 bits.
    patch("grey.png", 16, "\x7f\xff\xff\xff\0\0\0\1\x10\6\0\0\0\xf0\xa6\xef\x9e", 17);
    const struct rlimit before = limit_memory();
    assert_unreadable("grey.png", "2147483647 x 1 pixels are beyond the limits");
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    patch("gif", 6, "\xff\xff\xff\xff", 4);
    assert_unreadable("gif", "65535 x 65535 pixels are beyond the limits");
    patch("gif", 6, "\0\0\1\0", 4);
    assert_unreadable("gif", "0 x 1 pixels are beyond the limits");
    const size_t width = find_tag("whole.tiff", TIFFTAG_IMAGEWIDTH);
    patch("whole.tiff", width, "\xff\xff", 2);
    assert_unreadable("whole.tiff", "65535 x 29 pixels are beyond the limits");
    // A JPEG's frame header has the height, then the width.
    const size_t sides = find_bytes("jpeg", "\xff\xc0", 2) + 5;
    patch("jpeg", sides, "\xea\x60\0\x10", 4);
    assert_unreadable("jpeg", "16 x 60000 pixels are beyond the limits");
    patch("jpeg", sides, "\x3e\x80\x3e\x80", 4);
    assert_unreadable("jpeg", "16000 x 16000 pixels are beyond the limits");
    patch("jpeg", sides, "\x0b\xb8\x0b\xb8", 4); // allowed, but the data end long before
    assert_unreadable("jpeg", "truncated");
}

GB_FIXTURE_TEST(refuses_what_is_not_read) {
    depth = 8;
    gb_fixture_progressive_jpeg("scans.jpg", W, H, 100, detail);
    struct gb_image image;
    assert_ok(gb_image_read(gb_fixture_path("scans.jpg"), 1, &image));
    gb_image_free(&image);
    gb_fixture_progressive_jpeg("scans.jpg", W, H, 101, detail);
    assert_unreadable("scans.jpg", "more than 100 scans");
    gb_fixture_jpeg("cmyk.jpg", W, H, 4, detail);
    assert_unreadable("cmyk.jpg", "unusable JPEG");
    gb_fixture_tiff("five.tiff", W, H, PHOTOMETRIC_RGB, 5, 8, COMPRESSION_LZW, detail);
    assert_unreadable("five.tiff", "unusable TIFF: it has a wrong number of channels");
    gb_fixture_tiff("lab.tiff", W, H, PHOTOMETRIC_CIELAB, 3, 8, COMPRESSION_LZW, detail);
    assert_unreadable("lab.tiff", "neither grey nor RGB nor a palette's");
    gb_fixture_tiff("half.tiff", W, H, PHOTOMETRIC_MINISBLACK, 1, 4, COMPRESSION_NONE, detail);
    assert_unreadable("half.tiff", "not whole numbers of 8 or 16 bits");
    gb_fixture_gif("part.gif", W, H, false, detail);
    patch("part.gif", 6, "\x26", 1); // a screen one pixel wider
    assert_unreadable("part.gif", "does not fill its screen");
}
