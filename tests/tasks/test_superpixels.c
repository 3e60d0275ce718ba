// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/hash.h"
#include "tasks/metrics/superpixels.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/tasks/loading.h"

static void assert_bad(const char *text, const char *reason) {
    struct gb_superpixels superpixels;
    gb_fixture_text("some.dat", text);
    assert_int_equal(gb_superpixels_read(gb_fixture_path("some.dat"), 3, 2, &superpixels),
                     GB_BAD_INPUT);
    assert_null(superpixels.labels);
    assert_message("some.dat", reason);
}

GB_FIXTURE_TEST(reads_published_superpixels) {
    struct gb_superpixels superpixels;
    gb_fixture_text("some.dat", "0 0 2 \r\n1\t2  2\r\n\n"); // 1-wide blanks and others
    assert_ok(gb_superpixels_read(gb_fixture_path("some.dat"), 3, 2, &superpixels));
    const int expected[] = {0, 0, 2, 1, 2, 2};
    assert_memory_equal(superpixels.labels, expected, sizeof expected);
    assert_int_equal(superpixels.count, 3);
    gb_superpixels_free(&superpixels);
}

GB_FIXTURE_TEST(reports_what_is_wrong_with_a_file) {
    assert_bad("", "fewer than 2 lines");
    assert_bad("0 1 2\n", "fewer than 2 lines");
    assert_bad("0 1 2\n0 1\n", "line 2: number 3 of 3 is missing");
    assert_bad("0 1 2\n0 one 2\n", "line 2: number 2 of 3 is missing or not a number");
    assert_bad("0 1 2 3\n0 1 2\n", "line 1: has more than 3");
    assert_bad("0 1 2\n0 1 -2\n", "line 2: -2 is not from 0 to 5");
    assert_bad("0 6 2\n0 1 2\n", "line 1: 6 is not");
    assert_bad("0 99999999999999999999 2\n0 1 2\n", "line 1");
    assert_bad("0 1 2\n0 1 2\n0 1 2\n", "more than 2 lines");
    assert_bad("0 1 2\n0 1 2\n0 1 2", "more than 2 lines"); // at the end of the file
    struct gb_superpixels superpixels;
    assert_int_equal(gb_superpixels_read(gb_fixture_path("none.dat"), 3, 2, &superpixels),
                     GB_BAD_INPUT);
}

enum { SIDE = 100 };

// A disc on ground of another hue but the same brightness, both a little uneven.
static int is_disc(int x, int y) {
    return (x - 45) * (x - 45) + (y - 55) * (y - 55) < 30 * 30;
}
static float picture[SIDE * SIDE * 3];
static struct gb_tensor draw_disc(void) {
    for (int i = 0; i < SIDE * SIDE; i++) {
        const int x = i % SIDE, y = i / SIDE, uneven = (x * 7 + y * 13) % 5;
        picture[3 * i] = (float)((is_disc(x, y) ? 150 : 90) + uneven) / 255.0f;
        picture[3 * i + 1] = (float)((is_disc(x, y) ? 100 : 130) + uneven) / 255.0f;
        picture[3 * i + 2] = (float)(110 + uneven) / 255.0f;
    }
    return gb_dense(picture, 1, SIDE, SIDE, 3);
}

static uint64_t hash(const int *values, size_t count) {
    uint64_t hash = GB_HASH_BASIS;
    for (size_t i = 0; i < count; i++)
        hash = gb_hash_word(hash, (uint64_t)values[i]);
    return hash;
}

static int spread(const struct gb_superpixels *s, int place, int label, char *seen) {
    if (seen[place] || s->labels[place] != label)
        return 0;
    seen[place] = 1;
    const int x = place % s->w, y = place / s->w;
    return 1 + (x > 0 ? spread(s, place - 1, label, seen) : 0) +
           (x + 1 < s->w ? spread(s, place + 1, label, seen) : 0) +
           (y > 0 ? spread(s, place - s->w, label, seen) : 0) +
           (y + 1 < s->h ? spread(s, place + s->w, label, seen) : 0);
}

GB_TEST(clusters_follow_colour_and_hold_together) {
    struct gb_tensor image = draw_disc();
    struct gb_superpixels superpixels;
    assert_ok(gb_slic(&image, 64, GB_SLIC_COMPACTNESS, &superpixels));
    assert_in_range(superpixels.count, 48, 80);
    int inside[SIDE * SIDE] = {0}, all[SIDE * SIDE] = {0};
    for (int i = 0; i < SIDE * SIDE; i++) {
        assert_in_range(superpixels.labels[i], 0, superpixels.count - 1);
        all[superpixels.labels[i]]++;
        inside[superpixels.labels[i]] += is_disc(i % SIDE, i / SIDE);
    }
    int strays = 0;
    static char seen[SIDE * SIDE];
    memset(seen, 0, sizeof seen);
    for (int label = 0; label < superpixels.count; label++) {
        assert_true(all[label] >= SIDE * SIDE / 64 / 4);
        strays +=
            inside[label] < all[label] - inside[label] ? inside[label] : all[label] - inside[label];
        int first = 0;
        while (superpixels.labels[first] != label)
            first++;
        assert_int_equal(spread(&superpixels, first, label, seen), all[label]);
    }
    assert_true(strays < 20); // of 188 pixels along the boundary
    // Scores are to compare with others', so the labels must not change.
    assert_int_equal(hash(superpixels.labels, SIDE * SIDE), UINT64_C(0x23b04bd185fa8135));
    gb_superpixels_free(&superpixels);
}

GB_TEST(one_superpixel_and_one_for_each_pixel) {
    struct gb_tensor image = draw_disc();
    struct gb_superpixels superpixels;
    assert_ok(gb_slic(&image, 1, GB_SLIC_COMPACTNESS, &superpixels));
    assert_int_equal(superpixels.count, 1);
    gb_superpixels_free(&superpixels);
    image.h = 3;
    image.w = 4;
    assert_ok(gb_slic(&image, 12, 1000.0, &superpixels));
    assert_int_equal(superpixels.count, 12);
    gb_superpixels_free(&superpixels);
}

GB_TEST(scores_the_most_frequent_class) {
    int labels[] = {0, 0, 0, 1, 0, 0, 1, 1, 3, 3, 1, 1, 3, 3, 3, 1}; // 2 does not occur
    const struct gb_superpixels superpixels = {.w = 4, .h = 4, .count = 4, .labels = labels};
    float truth[] = {2, 2, 2, 1, 2, 0, 1, 1, 0, 0, 2, 1, 0, 0, 0, 1};
    float small[] = {2, 1, 1, 1}; // each pixel stands for 2 x 2: 3 gets 4 votes for 1, one for 1
    const struct gb_tensor is = gb_dense(truth, 1, 4, 4, 1), said = gb_dense(small, 1, 2, 2, 1);
    struct gb_superpixel_counts counts = {.right = 10, .all = 20};
    assert_ok(gb_superpixels_score(&superpixels, &is, &said, 3, &counts));
    assert_int_equal(counts.right, 12);
    assert_int_equal(counts.all, 23);
    assert_ok(gb_superpixels_score(&superpixels, &is, &is, 3, &counts));
    assert_int_equal(counts.right, 15);
}
