// SPDX-License-Identifier: MIT
// What the values of masks are taken for, as different programs write them.
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <tiff.h>

#include "tasks/data/masks.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"

enum { W = 40, H = 3, HALF = 127 };

// Column x of a mask has the value values[x], in turn.
static const int *values;
static int count;
static int column(int x, int y, int channel) {
    (void)y, (void)channel;
    return values[x % count];
}

static char noted[GB_MESSAGE];
static void note(const char *line) {
    snprintf(noted, sizeof noted, "%s", line);
}

static enum gb_status path_of(const void *context, int index, char path[static GB_PATH]) {
    const char *const *names = context;
    return gb_path_format(path, "%s", *names[index] ? gb_fixture_path(names[index]) : "");
}

static enum gb_status survey(const char *const *names, int files, struct gb_mask_rule *rule) {
    const struct gb_source source = {.threads = 2, .note = note};
    const struct gb_mask_files masks = {"masks", files, path_of, names};
    noted[0] = 0;
    return gb_mask_survey(&masks, &source, rule);
}

enum format { GREY, GREY16, PALETTE, GIF, TIFF, COLOUR, JPEG };

static void write_mask(const char *name, enum format format) {
    if (format == GREY || format == GREY16)
        gb_fixture_png(name, W, H, PNG_COLOR_TYPE_GRAY, format == GREY ? 8 : 16, false, column);
    else if (format == PALETTE)
        gb_fixture_png(name, W, H, PNG_COLOR_TYPE_PALETTE, 8, false, column);
    else if (format == GIF)
        gb_fixture_gif(name, W, H, false, column);
    else if (format == TIFF)
        gb_fixture_tiff(name, W, H, PHOTOMETRIC_PALETTE, 1, 8, COMPRESSION_LZW, column);
    else if (format == COLOUR)
        gb_fixture_png(name, W, H, PNG_COLOR_TYPE_RGB, 8, false, column);
    else
        gb_fixture_jpeg(name, W, H, 1, column);
}

// Of two values the larger one is foreground, whatever they are. In the fixtures' palette 0 and 1
// are dark, 20 is bright.
GB_FIXTURE_TEST(takes_the_larger_of_two_values) {
    static const struct {
        enum format format;
        int values[2];
        const char *note; // "" for black and white
    } masks[] = {
        {GREY, {0, 255}, ""},
        {GREY16, {0, 65535}, ""},
        {PALETTE, {0, 20}, ""},
        {GIF, {0, 20}, ""},
        {GREY, {0, 1}, "masks: the masks' values are 0 and 1; 1 is taken as foreground"},
        {GREY, {40, 220}, "40 and 220; 220"},
        {GREY, {0, 254}, "0 and 254; 254"},
        {PALETTE, {24, 20}, "the bright colour comes first"},
        {GREY, {254, 255}, "254 and 255; 255"},
        {GREY16, {0, 1}, "0 and 1; 1"},
        {GREY16, {0, 255}, ""},
        {COLOUR, {0, 60}, "0 and 60; 60"},
        {PALETTE, {0, 1}, "palette indices are 0 and 1; 1"},
        {GIF, {0, 1}, "palette indices are 0 and 1; 1"},
        {TIFF, {0, 1}, "palette indices are 0 and 1; 1"},
    };
    static const char *const names[] = {"mask", ""};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        struct gb_mask_rule rule;
        struct gb_image mask;
        values = masks[i].values;
        count = 2;
        write_mask("mask", masks[i].format);
        assert_ok(survey(names, 2, &rule));
        if (!*masks[i].note != !*noted || !strstr(noted, masks[i].note))
            fail_msg("%zu: \"%s\" instead of \"%s\"", i, noted, masks[i].note);
        assert_ok(gb_mask_read(gb_fixture_path("mask"), &rule, &mask));
        assert_true(mask.w == W && mask.h == H && mask.c == 1 && mask.bits == 8);
        for (int p = 0; p < W * H; p++)
            assert_int_equal(mask.pixels[p], p % W % 2 ? 255 : 0);
        gb_image_free(&mask);
    }
}

// Values mean the same in all masks, those that have one of them alone included.
GB_FIXTURE_TEST(decides_for_all_masks_at_once) {
    static const int both[] = {0, 1}, none[] = {0}, all[] = {1};
    static const char *const names[] = {"both", "none", "all"};
    struct gb_mask_rule rule;
    struct gb_image mask;
    values = both, count = 2;
    write_mask("both", GREY);
    values = none, count = 1;
    write_mask("none", GREY);
    values = all;
    write_mask("all", PALETTE); // its first colours are dark
    assert_ok(survey(names, 3, &rule));
    for (int i = 1; i < 3; i++) {
        assert_ok(gb_mask_read(gb_fixture_path(names[i]), &rule, &mask));
        for (int p = 0; p < W * H; p++)
            assert_int_equal(mask.pixels[p], i == 2 ? 255 : 0);
        gb_image_free(&mask);
    }
}

GB_FIXTURE_TEST(refuses_what_is_ambiguous) {
    static const struct {
        enum format format;
        int count, values[6];
        const char *reason;
    } masks[] = {
        {GREY, 3, {0, 1, 2}, "masks: the masks have 3 values, 0, 1, 2, and which"},
        {GREY, 3, {0, 1, 255}, "3 values, 0, 1, 255"},
        {GREY, 3, {0, 128, 255}, "3 values, 0, 128, 255"},
        {PALETTE, 3, {0, 1, 15}, "3 palette indices, 0, 1, 15"},
        {GIF, 4, {0, 1, 15, 255}, "4 palette indices, 0, 1, 15, 255"},
        {GREY16, 3, {0, 1, 1000}, "3 values, 0, 1, 1000"},
        {JPEG, 4, {0, 40, 80, 20}, "which of them are foreground is unknown"},
    };
    static const char *const names[] = {"mask"};
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        struct gb_mask_rule rule;
        values = masks[i].values;
        count = masks[i].count;
        write_mask("mask", masks[i].format);
        assert_error(survey(names, 1, &rule), GB_BAD_INPUT, masks[i].reason);
    }
    gb_fixture_text("mask", "no image");
    struct gb_mask_rule rule;
    assert_error(survey(names, 1, &rule), GB_BAD_INPUT, "mask: not an image");
}

// A JPEG's values and those of resized masks, on both sides of half of white; not many classes.
GB_FIXTURE_TEST(takes_blurred_edges_as_grey) {
    static const char *const names[] = {"mask"};
    static int levels[W];
    struct gb_mask_rule rule;
    struct gb_image mask;
    values = levels;
    count = W;
    for (int format = 0; format < 2; format++) {
        for (int i = 0; i < W; i++)
            levels[i] = format ? i * 255 / (W - 1) : i < 18 ? 0 : i < 21 ? 120 : 250;
        write_mask("mask", format ? GREY : JPEG);
        assert_ok(survey(names, 1, &rule));
        assert_true(rule.grey);
        assert_string_equal(noted, "");
        assert_ok(gb_mask_read(gb_fixture_path("mask"), &rule, &mask));
        assert_true(mask.pixels[0] < 30 && mask.pixels[W - 1] > 220);
        assert_in_range(mask.pixels[W / 2 - 1], 60, 190);
        gb_image_free(&mask);
    }
    static const char *const mixed[] = {"mask", "ones"};
    static const int ones[] = {0, 1};
    values = ones, count = 2;
    write_mask("ones", GREY);
    assert_error(survey(mixed, 2, &rule), GB_BAD_INPUT, "ones: two values, both on one side");
    static const int deep[][2] = {{0, 65535}, {10000, 60000}, {0, 255}, {40000, 60000}};
    for (int i = 0; i < 4; i++) {
        values = deep[i];
        write_mask("ones", GREY16);
        if (i >= 2) {
            assert_error(survey(mixed, 2, &rule), GB_BAD_INPUT, "ones: two values, both on");
            continue;
        }
        assert_ok(survey(mixed, 2, &rule));
        assert_true(rule.grey);
        assert_ok(gb_mask_read(gb_fixture_path("ones"), &rule, &mask));
        assert_true(mask.bits == 8 && mask.pixels[0] < HALF && mask.pixels[1] > HALF);
        gb_image_free(&mask);
    }
    values = levels, count = W;
    for (int i = 0; i < W; i++)
        levels[i] = i == W - 1 ? 255 : i; // classes, and a void
    write_mask("mask", GREY);
    assert_error(survey(names, 1, &rule), GB_BAD_INPUT, "40 values, 0, 1, 2, 3");
}

GB_TEST(checks_for_uniform_masks) {
    struct gb_source source = {0};
    assert_ok(gb_mask_check("masks", GB_SPLIT_TEST, &source, 1, 10));
    assert_error(gb_mask_check("masks", GB_SPLIT_TEST, &source, 0, 10), GB_BAD_INPUT,
                 "masks: the masks of the test split are all background");
    assert_error(gb_mask_check("masks", GB_SPLIT_TRAIN, &source, 10, 10), GB_BAD_INPUT,
                 "train split are all foreground");
    source.uniform_masks = true;
    assert_ok(gb_mask_check("masks", GB_SPLIT_TEST, &source, 0, 10));
}
