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
    // Of bitmaps 1 is black.
    static const unsigned char raw[] = "P4\n10 2\n\xa0\x7f\x01\xc0";
    gb_fixture_file("pnm", raw, sizeof raw - 1);
    assert_ok(gb_image_read(gb_fixture_path("pnm"), 1, &image));
    for (int i = 0; i < 20; i++)
        assert_int_equal(image.pixels[i], "01011111101111111000"[i] == '1' ? 255 : 0);
    gb_image_free(&image);
    gb_fixture_text("pnm", "P1 3 2 # digits alone\n101 0 #\n10");
    assert_ok(gb_image_read(gb_fixture_path("pnm"), 1, &image));
    assert_memory_equal(image.pixels, ((unsigned char[]){0, 255, 0, 255, 0, 255}), 6);
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
    for (depth = 8; depth <= 16; depth += 8)
        for (int stored = 1; stored < 4; stored++)
            for (int samples = 1; samples <= 3; samples += 2) {
                gb_fixture_tiff_stored("tiff", W, H, samples, depth, stored & 1, stored & 2,
                                       detail);
                assert_pixels("tiff", samples == 3 ? COLOUR : GREY);
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
        {"P7 8 1 a", "not an image of a known format"},
        {"P4 9 2 abc", "the file ends early"},
        {"P1 2 2 10 1", "the file ends early"},
        {"P1 2 2 10 2 1", "a value above the largest"},
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
enum { SAMPLES = 12 };
static const char *const sample_names[SAMPLES] = {
    "grey.png",  "adam7.png", "palette.png", "jpeg",       "plain.pgm", "raw.ppm",
    "raw16.pgm", "lzw.tiff",  "tiles.tiff",  "whole.tiff", "gif",       "interlaced.gif"};

static void write_samples(void) {
    depth = 8;
    gb_fixture_png("adam7.png", W, H, PNG_COLOR_TYPE_RGB, 8, true, detail);
    gb_fixture_png("palette.png", W, H, PNG_COLOR_TYPE_PALETTE, 8, false, detail);
    gb_fixture_jpeg("jpeg", W, H, 3, detail);
    gb_fixture_pnm("plain.pgm", W, H, '2', 255, detail);
    gb_fixture_pnm("raw.ppm", W, H, '6', 255, detail);
    gb_fixture_tiff("lzw.tiff", W, H, PHOTOMETRIC_RGB, 3, 8, COMPRESSION_LZW, detail);
    gb_fixture_tiff_stored("tiles.tiff", W, H, 3, 8, true, true, detail);
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
        // The last byte of a plain file is a space, and the one before it a digit; a GIF's trailer,
        // a JPEG's end marker and a PNG's last chunk are not needed.
        const size_t spare = strcmp(sample_names[i], "plain.pgm") == 0 ? 2
                             : strcmp(sample_names[i], "jpeg") == 0    ? 2
                             : strstr(sample_names[i], "png")          ? 12
                             : strstr(sample_names[i], "gif")          ? 1
                                                                       : 0;
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
    // A GIF's frame: a comma, its place, its sides.
    const size_t frame = find_bytes("gif", ",\0\0\0\0\x25\0\x1d\0", 9);
    patch("gif", frame + 5, "\xff\xff\xff\xff", 4);
    assert_unreadable("gif", "65535 x 65535 pixels are beyond the limits");
    patch("gif", 6, "\0\0\1\0", 4);
    patch("gif", frame + 5, "\0\0\1\0", 4);
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

// Inserts `size` bytes at `place`, which counts from the end if it is negative.
static void insert(const char *name, long place, const void *bytes, size_t size) {
    size_t whole;
    unsigned char *old = gb_fixture_bytes(name, &whole), *all = malloc(whole + size);
    assert_non_null(all);
    const size_t at = (size_t)(place < 0 ? (long)whole + place : place);
    memcpy(all, old, at);
    memcpy(all + at, bytes, size);
    memcpy(all + at + size, old + at, whole - at);
    gb_fixture_file(name, all, whole + size);
    free(old);
    free(all);
}

// ---- What real files have ----

static struct gb_image read_colour(const char *name) {
    struct gb_image image;
    assert_ok(gb_image_read(gb_fixture_path(name), 3, &image));
    return image;
}

static void assert_same_image(const char *name, const struct gb_image *expected) {
    struct gb_image image = read_colour(name);
    assert_true(image.w == expected->w && image.h == expected->h);
    assert_memory_equal(image.pixels, expected->pixels, (size_t)(3 * image.w * image.h));
    gb_image_free(&image);
}

// What cameras and editors write, and libjpeg only warns of.
GB_FIXTURE_TEST(reads_jpeg_with_harmless_oddities) {
    depth = 8;
    gb_fixture_jpeg("jpeg", W, H, 3, detail);
    struct gb_image image = read_colour("jpeg");
    const size_t scan = find_bytes("jpeg", "\xff\xda", 2), end_of_spectrum = scan + 5 + 2 * 3 + 1;
    const unsigned char stray[40] = {0};
    patch("jpeg", end_of_spectrum, "\0", 1); // Samsung's
    assert_same_image("jpeg", &image);
    patch("jpeg", find_bytes("jpeg", "JFIF", 4) + 5, "\2\1", 2); // version 2.01
    assert_same_image("jpeg", &image);
    insert("jpeg", -2, stray, sizeof stray);
    assert_same_image("jpeg", &image);
    insert("jpeg", (long)gb_fixture_size("jpeg"), stray, sizeof stray);
    assert_same_image("jpeg", &image);
    gb_image_free(&image);
    // Without its end marker.
    gb_fixture_jpeg("jpeg", W, H, 3, detail);
    image = read_colour("jpeg");
    gb_fixture_truncate("jpeg", gb_fixture_size("jpeg") - 2);
    assert_same_image("jpeg", &image);
    gb_image_free(&image);
    // Of several scans the last ones may be missing.
    gb_fixture_progressive_jpeg("scans", W, H, 20, detail);
    gb_fixture_truncate("scans", gb_fixture_size("scans") - 2);
    assert_unreadable("scans", "truncated or damaged JPEG");
}

static int inks(int x, int y, int channel) {
    return channel == 3 ? 255 - 2 * x : 255 - (3 * x + 5 * y + 40 * channel) % 256;
}

// Inverted, as Adobe's programs and libjpeg write it: an ink of 255 is none.
GB_FIXTURE_TEST(reads_cmyk) {
    gb_fixture_jpeg("cmyk", W, H, 4, inks);
    struct gb_image image = read_colour("cmyk");
    int worst = 0;
    for (int i = 0; i < 3 * W * H; i++) {
        const int x = i / 3 % W, y = i / 3 / W;
        const int light = (inks(x, y, i % 3) * inks(x, y, 3) + 127) / 255;
        if (x % 8 && y % 8 && abs(inks(x, y, i % 3) - inks(x - 1, y, i % 3)) < 8)
            worst = abs(image.pixels[i] - light) > worst ? abs(image.pixels[i] - light) : worst;
    }
    assert_in_range(worst, 0, 40);
    gb_image_free(&image);
    struct gb_image grey;
    assert_ok(gb_image_read(gb_fixture_path("cmyk"), 1, &grey));
    gb_image_free(&grey);
}

// CRC-32 of a PNG chunk.
static uint32_t crc_of(const unsigned char *bytes, size_t size) {
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

static void put_big(uint32_t value, unsigned char bytes[static 4]) {
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(value >> (24 - 8 * i));
}

// EXIF of either byte order with an orientation.
enum { EXIF = 26 };
static void make_exif(int orientation, bool big, unsigned char exif[static EXIF]) {
    static const char *const blocks[] = {"II*\0\x8\0\0\0\1\0\x12\1\3\0\1\0\0\0\0\0\0\0\0\0\0",
                                         "MM\0*\0\0\0\x8\0\1\1\x12\0\3\0\0\0\1\0\0\0\0\0\0\0"};
    memcpy(exif, blocks[big], EXIF);
    exif[18 + big] = (unsigned char)orientation;
}

static void set_jpeg_orientation(const char *name, int orientation, bool big) {
    unsigned char marker[10 + EXIF] = "\xff\xe1\0\x22"
                                      "Exif\0"; // with its length
    make_exif(orientation, big, marker + 10);
    insert(name, 2, marker, sizeof marker);
}

// In a chunk before the pixels or after them.
static void set_png_orientation(const char *name, int orientation, bool after) {
    unsigned char chunk[12 + EXIF] = "\0\0\0\x1a"
                                     "eXIf";
    make_exif(orientation, false, chunk + 8);
    put_big(crc_of(chunk + 4, 4 + EXIF), chunk + 8 + EXIF);
    insert(name, after ? -12 : (long)find_bytes(name, "IDAT", 4) - 4, chunk, sizeof chunk);
}

static void set_tiff_tag(const char *name, uint32_t tag, int value) {
    TIFF *tiff = TIFFOpen(gb_fixture_path(name), "r+");
    assert_non_null(tiff);
    TIFFSetField(tiff, tag, value);
    assert_int_equal(TIFFRewriteDirectory(tiff), 1);
    TIFFClose(tiff);
}

// Where pixel (x, y) of an upright image is stored.
static void stored_at(int orientation, int w, int h, int x, int y, int *column, int *row) {
    const int places[8][2] = {{x, y}, {w - 1 - x, y}, {w - 1 - x, h - 1 - y}, {x, h - 1 - y},
                              {y, x}, {y, h - 1 - x}, {w - 1 - y, h - 1 - x}, {w - 1 - y, x}};
    *column = places[orientation - 1][0];
    *row = places[orientation - 1][1];
}

enum stored { JPEG, JPEG_BIG, PNG, PNG_AFTER, TIFF_TAG, STORED };

static void write_stored(enum stored format, int orientation) {
    if (format == TIFF_TAG)
        gb_fixture_tiff("image", W, H, PHOTOMETRIC_RGB, 3, 8, COMPRESSION_LZW, detail);
    else if (format == PNG || format == PNG_AFTER)
        gb_fixture_png("image", W, H, PNG_COLOR_TYPE_RGB, 8, false, detail);
    else
        gb_fixture_jpeg("image", W, H, 3, detail);
    if (orientation < 0)
        return;
    if (format == TIFF_TAG)
        set_tiff_tag("image", TIFFTAG_ORIENTATION, orientation);
    else if (format == PNG || format == PNG_AFTER)
        set_png_orientation("image", orientation, format == PNG_AFTER);
    else
        set_jpeg_orientation("image", orientation, format == JPEG_BIG);
}

GB_FIXTURE_TEST(turns_images_upright) {
    depth = 8;
    for (int format = 0; format < STORED; format++)
        for (int orientation = 0; orientation <= 9; orientation++) {
            const bool known = orientation >= 1 && orientation <= 8;
            if (format == TIFF_TAG && !known) // libtiff writes no others
                continue;
            write_stored((enum stored)format, -1);
            struct gb_image stored = read_colour("image"), upright;
            write_stored((enum stored)format, orientation);
            upright = read_colour("image");
            int w, h, column, row;
            if (format != PNG_AFTER) { // what follows the pixels is not looked for
                assert_ok(gb_image_probe(gb_fixture_path("image"), &w, &h));
                assert_true(w == upright.w && h == upright.h);
            }
            assert_int_equal(upright.w, known && orientation >= 5 ? H : W);
            for (int i = 0; i < W * H; i++) {
                stored_at(known ? orientation : 1, W, H, i % upright.w, i / upright.w, &column,
                          &row);
                assert_memory_equal(upright.pixels + 3 * i, stored.pixels + 3 * (row * W + column),
                                    3);
            }
            gb_image_free(&stored);
            gb_image_free(&upright);
        }
}

// Some programs write 8-bit palettes as they are, not as the upper half of 16 bits.
GB_FIXTURE_TEST(reads_tiff_as_other_programs_write_it) {
    depth = 8;
    gb_fixture_tiff("tiff", W, H, PHOTOMETRIC_PALETTE, 1, 8, COMPRESSION_NONE, detail);
    uint16_t palette[3][256];
    for (int i = 0; i < 3 * 256; i++)
        palette[i / 256][i % 256] = (uint16_t)gb_fixture_palette(i % 256, i / 256);
    TIFF *tiff = TIFFOpen(gb_fixture_path("tiff"), "r+");
    assert_non_null(tiff);
    TIFFSetField(tiff, TIFFTAG_COLORMAP, palette[0], palette[1], palette[2]);
    assert_int_equal(TIFFRewriteDirectory(tiff), 1);
    TIFFClose(tiff);
    assert_pixels("tiff", PALETTE);

    // 1, 2 and 4 bits.
    for (depth = 1; depth <= 4; depth *= 2)
        for (int white = 0; white < 2; white++) {
            TIFF *small = TIFFOpen(gb_fixture_path("small"), "w");
            assert_non_null(small);
            TIFFSetField(small, TIFFTAG_IMAGEWIDTH, W);
            TIFFSetField(small, TIFFTAG_IMAGELENGTH, H);
            TIFFSetField(small, TIFFTAG_BITSPERSAMPLE, depth);
            TIFFSetField(small, TIFFTAG_PHOTOMETRIC,
                         white ? PHOTOMETRIC_MINISWHITE : PHOTOMETRIC_MINISBLACK);
            for (int y = 0; y < H; y++) {
                unsigned char row[W] = {0};
                for (int x = 0; x < W; x++) {
                    const int value = white ? negative(x, y, 0) : detail(x, y, 0);
                    row[x * depth / 8] |= (unsigned char)(value << (8 - depth - x * depth % 8));
                }
                assert_int_equal(TIFFWriteScanline(small, row, (uint32_t)y, 0), 1);
            }
            TIFFClose(small);
            assert_pixels("small", GREY);
        }
    depth = 8;
    TIFF *big = TIFFOpen(gb_fixture_path("big"), "w8");
    assert_non_null(big);
    TIFFSetField(big, TIFFTAG_IMAGEWIDTH, W);
    TIFFSetField(big, TIFFTAG_IMAGELENGTH, H);
    TIFFSetField(big, TIFFTAG_BITSPERSAMPLE, 8);
    TIFFSetField(big, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    for (int y = 0; y < H; y++) {
        unsigned char row[W];
        for (int x = 0; x < W; x++)
            row[x] = (unsigned char)detail(x, y, 0);
        assert_int_equal(TIFFWriteScanline(big, row, (uint32_t)y, 0), 1);
    }
    TIFFClose(big);
    assert_pixels("big", GREY);
}

// Y, and no colour.
static int luma_only(int x, int y, int channel) {
    return channel == 0 ? detail(x, y, 0) : 128;
}

GB_FIXTURE_TEST(reads_tiff_of_inks_and_of_luma) {
    depth = 8;
    gb_fixture_tiff("luma", W, H, PHOTOMETRIC_YCBCR, 3, 8, COMPRESSION_LZW, luma_only);
    assert_pixels("luma", GREY);
    gb_fixture_tiff("inks", W, H, PHOTOMETRIC_SEPARATED, 4, 8, COMPRESSION_LZW, detail);
    struct gb_image image;
    assert_ok(gb_image_read(gb_fixture_path("inks"), 3, &image));
    assert_true(image.w == W && image.h == H && image.c == 3);
    for (int i = 0; i < W * H * 3; i++) {
        const int x = i / 3 % W, y = i / 3 / W;
        const int light = (255 - detail(x, y, i % 3)) * (255 - detail(x, y, 3)) / 255;
        assert_true(abs(image.pixels[i] - light) <= 1);
    }
    gb_image_free(&image);
    set_tiff_tag("inks", TIFFTAG_ORIENTATION, ORIENTATION_LEFTBOT);
    assert_ok(gb_image_read(gb_fixture_path("inks"), 3, &image));
    assert_true(image.w == H && image.h == W);
    gb_image_free(&image);
}

// Header lines with two bytes at their ends, and comments after the largest value.
GB_FIXTURE_TEST(reads_pnm_as_other_programs_write_it) {
    static const struct {
        const char *header;
        unsigned char first; // of the values
    } files[] = {
        {"P5\r\n3 1\r\n255\r\n", 7},
        {"P5\r3 1\r255\r", 7},
        {"P5 3 1 255\r", '\n'},
        {"P5 3 1 255# a comment\n", 7},
        {"P5 3 1 255\n", '#'},
        {"P5 3 1 255\r\n", '\n'},
        {"P5\n# a comment\r\n3 1\r\n255\r\n", '#'},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        unsigned char bytes[64];
        const size_t length = strlen(files[i].header);
        const unsigned char pixels[3] = {files[i].first, 8, 9};
        struct gb_image image;
        memcpy(bytes, files[i].header, length);
        memcpy(bytes + length, pixels, 3);
        gb_fixture_file("pnm", bytes, length + 3);
        assert_ok(gb_image_read(gb_fixture_path("pnm"), 1, &image));
        assert_memory_equal(image.pixels, pixels, 3);
        gb_image_free(&image);
    }
}

// A file's data may need a larger window than its header says, and decoders are to be lenient.
GB_FIXTURE_TEST(reads_png_of_a_small_window) {
    static const unsigned char header[2] = {0x08, 0x1d}; // 256 bytes
    depth = 8;
    gb_fixture_png("png", 300, 200, PNG_COLOR_TYPE_GRAY, 8, false, ramp);
    struct gb_image image = read_colour("png");
    const size_t data = find_bytes("png", "IDAT", 4) + 4;
    size_t size;
    unsigned char *bytes = gb_fixture_bytes("png", &size);
    memcpy(bytes + data, header, sizeof header);
    const size_t length = (size_t)bytes[data - 8] << 24 | (size_t)bytes[data - 7] << 16 |
                          (size_t)bytes[data - 6] << 8 | bytes[data - 5];
    put_big(crc_of(bytes + data - 4, length + 4), bytes + data + length);
    gb_fixture_file("png", bytes, size);
    free(bytes);
    assert_same_image("png", &image);
    gb_image_free(&image);
}

// Its last chunk is for the end alone, and may be cut or missing; pixels may not.
GB_FIXTURE_TEST(reads_png_without_its_end) {
    depth = 8;
    gb_fixture_png("png", W, H, PNG_COLOR_TYPE_RGB, 8, false, detail);
    const size_t size = gb_fixture_size("png");
    for (size_t cut = 0; cut <= 12; cut++) {
        gb_fixture_truncate("png", size - cut);
        assert_pixels("png", COLOUR);
    }
    gb_fixture_truncate("png", size - 13);
    assert_unreadable("png", "truncated or damaged PNG: the file ends early");
    // Another chunk that is cut may have held the orientation.
    gb_fixture_png("png", W, H, PNG_COLOR_TYPE_RGB, 8, false, detail);
    patch("png", size - 12,
          "\0\0\0\x1a"
          "eXIf",
          8);
    assert_unreadable("png", "truncated or damaged PNG: the file ends early");
    gb_fixture_png("png", W, H, PNG_COLOR_TYPE_RGB, 8, false, detail);
    insert("png", 8, "\0\0\0\4CgBI\x50\0\x20\2\x2b\xd5\xb3\x7f", 16);
    assert_unreadable("png", "unusable PNG: CgBI: unhandled critical chunk");
}

GB_FIXTURE_TEST(reads_gif_with_a_bad_end) {
    depth = 8;
    gb_fixture_gif("gif", W, H, false, detail);
    insert("gif", -1, "\0", 1);
    assert_pixels("gif", PALETTE);
    gb_fixture_truncate("gif", gb_fixture_size("gif") - 2);
    assert_pixels("gif", PALETTE);
}

// The first frame is the image, whatever the header says of a smaller screen.
GB_FIXTURE_TEST(reads_the_first_frame_of_gif) {
    depth = 8;
    gb_fixture_gif("gif", W, H, false, detail);
    size_t size;
    char *bytes = gb_fixture_bytes("gif", &size);
    const size_t frame = find_bytes("gif", ",\0\0\0\0\x25\0\x1d\0", 9);
    insert("gif", -1, bytes + frame, size - 1 - frame); // a second one
    free(bytes);
    assert_pixels("gif", PALETTE);
    patch("gif", 6, "\0\0\0\0", 4);
    assert_pixels("gif", PALETTE);
    patch("gif", 6, "\x10\0\x10\0", 4);
    assert_pixels("gif", PALETTE);
}

// Headers, sizes and ends are checked without decoding.
GB_FIXTURE_TEST(probes_files) {
    write_samples();
    int w, h;
    for (int i = 0; i < SAMPLES; i++) {
        assert_ok(gb_image_probe(gb_fixture_path(sample_names[i]), &w, &h));
        assert_true(w == W && h == H);
        gb_fixture_truncate(sample_names[i], gb_fixture_size(sample_names[i]) - 13);
        assert_error(gb_image_probe(gb_fixture_path(sample_names[i]), &w, &h), GB_BAD_INPUT,
                     "truncated or damaged");
    }
}

// What is refused is called by its name.
GB_FIXTURE_TEST(names_other_formats) {
    static const struct {
        const char *bytes;
        size_t size;
        const char *name;
    } files[] = {
        {"RIFF\1\2\3\4WEBPVP8 ", 16, "WebP: not an image of a known format"},
        {"\0\0\0\x18"
         "ftypheic\0\0\0\0",
         16, "HEIF"},
        {"BM\x36\x10\0\0", 6, "BMP"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, "a pointer of Git LFS"},
        {"<!DOCTYPE html>", 15, "HTML"},
        {"\0\5\x16\7\0\2", 6, "AppleDouble"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        gb_fixture_file("file", files[i].bytes, files[i].size);
        assert_unreadable("file", files[i].name);
    }
}

GB_FIXTURE_TEST(refuses_what_is_not_read) {
    depth = 8;
    gb_fixture_progressive_jpeg("scans.jpg", W, H, 100, detail);
    struct gb_image image;
    assert_ok(gb_image_read(gb_fixture_path("scans.jpg"), 1, &image));
    gb_image_free(&image);
    gb_fixture_progressive_jpeg("scans.jpg", W, H, 101, detail);
    assert_unreadable("scans.jpg", "more than 100 scans");
    gb_fixture_tiff("five.tiff", W, H, PHOTOMETRIC_RGB, 5, 8, COMPRESSION_LZW, detail);
    assert_unreadable("five.tiff", "unusable TIFF: it has a wrong number of channels");
    gb_fixture_tiff("lab.tiff", W, H, PHOTOMETRIC_CIELAB, 3, 8, COMPRESSION_LZW, detail);
    assert_unreadable("lab.tiff", "neither grey nor RGB, CMYK, YCbCr or a palette's");
    gb_fixture_tiff("twelve.tiff", W, H, PHOTOMETRIC_MINISBLACK, 1, 12, COMPRESSION_NONE, detail);
    assert_unreadable("twelve.tiff", "not integers of 1, 2, 4, 8 or 16 bits");
    gb_fixture_gif("part.gif", W, H, false, detail);
    patch("part.gif", 6, "\x26", 1); // a screen one pixel wider
    assert_unreadable("part.gif", "its frame of 37 x 29 pixels at 0, 0 does not fill 38 x 29");
    gb_fixture_gif("part.gif", W, H, false, detail);
    patch("part.gif", find_bytes("part.gif", ",\0\0\0\0\x25\0\x1d\0", 9) + 1, "\1", 1);
    assert_unreadable("part.gif", "its frame of 37 x 29 pixels at 1, 0 does not fill 37 x 29");
}
