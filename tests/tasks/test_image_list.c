// SPDX-License-Identifier: MIT
#include <string.h>
#include <unistd.h>

#include "tasks/data/bsds_data.h"
#include "tasks/data/image_list.h"
#include "tests/support/fixture.h"
#include "tests/support/real_data.h"
#include "tests/support/test.h"
#include "tests/tasks/loading.h"

// ---- patches ----

enum { W = 7, H = 5 };

// An image whose pixels tell where they stand.
static struct gb_image numbered(void) {
    struct gb_image image;
    assert_ok(gb_image_create(&image, W, H, 3, 8, "test"));
    for (int i = 0; i < W * H * 3; i++)
        image.pixels[i] = (unsigned char)(i + 100);
    return image;
}

static int level(float value) {
    const float scaled = value * 255.0f;
    const int nearest = (int)(scaled + 0.5f);
    assert_float_equal(scaled, (float)nearest, 1e-3);
    return nearest;
}

GB_TEST(takes_the_central_patch) {
    struct gb_image image = numbered();
    const struct gb_patch_rule rule = {.crop = 3, .size = 3};
    const struct gb_random_key key = {.seed = 1};
    float patch[3 * 3 * 3];
    assert_ok(gb_patch_take(&image, &rule, &key, patch));
    for (int i = 0; i < 27; i++)
        assert_int_equal(level(patch[i]), image.pixels[(1 + i / 9) * W * 3 + 2 * 3 + i % 9]);
    gb_image_free(&image);
}

// Every place and every way to mirror comes up, each by the key alone.
GB_TEST(takes_random_patches_by_key) {
    struct gb_image image = numbered();
    const struct gb_patch_rule rule = {.crop = 3, .size = 3, .random = true};
    enum { DRAWS = 2000, PLACES = (W - 2) * (H - 2) };
    int seen[PLACES][4] = {{0}};
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        const struct gb_random_key key = {.seed = 1, .step = draw / 50, .sample = draw % 50};
        float patch[27], again[27];
        assert_ok(gb_patch_take(&image, &rule, &key, patch));
        assert_ok(gb_patch_take(&image, &rule, &key, again));
        assert_memory_equal(patch, again, sizeof patch);
        int corners[4], least = 255;
        for (int i = 0; i < 4; i++) {
            corners[i] = level(patch[((i / 2) * 2 * 3 + (i % 2) * 2) * 3]);
            least = corners[i] < least ? corners[i] : least;
        }
        const int x = (least - 100) / 3 % W, y = (least - 100) / 3 / W;
        assert_in_range(x, 0, W - 3);
        assert_in_range(y, 0, H - 3);
        int way = 0;
        while (corners[way] != least)
            way++;
        // The corner opposite the least is the greatest.
        assert_int_equal(corners[3 - way], least + 2 * 3 + 2 * 3 * W);
        seen[y * (W - 2) + x][way]++;
    }
    for (int place = 0; place < PLACES; place++)
        for (int way = 0; way < 4; way++)
            assert_in_range(seen[place][way], 10, 70); // 33 expected
    gb_image_free(&image);
}

GB_TEST(resizes_patches) {
    struct gb_image image;
    assert_ok(gb_image_create(&image, 16, 12, 3, 8, "test"));
    for (int i = 0; i < 16 * 12 * 3; i++)
        image.pixels[i] = (unsigned char)(8 * (i / 3 % 16)); // a ramp to the right
    const struct gb_patch_rule rule = {.crop = 8, .size = 4};
    const struct gb_random_key key = {.seed = 1};
    float patch[4 * 4 * 3];
    assert_ok(gb_patch_take(&image, &rule, &key, patch));
    // Between pixels 4 + 2 x and 5 + 2 x; not at the borders, which are repeated.
    for (int x = 1; x < 3; x++)
        assert_int_equal(level(patch[(4 + x) * 3]), 8 * 4 + 8 * 2 * x + 4);
    gb_image_free(&image);
}

// ---- BSDS500 ----

static int photograph(int x, int y, int channel) {
    return 60 + 2 * x + y + 20 * channel;
}

enum { SIDE = 16 };

// A published directory in small, and a list that is fine.
static int setup(void **state) {
    int failed = gb_fixture_setup(state);
    const char *const names[] = {"train/8.jpg", "train/12.jpg", "test/100.jpg",
                                 "val/9.jpg",   "val/80.jpg",   "val/10.jpg"};
    for (int i = 0; i < 6; i++)
        gb_fixture_jpeg(gb_fixture_name("images/%s", names[i]), i % 2 ? 20 : 16, i % 2 ? 16 : 20, 3,
                        photograph);
    gb_fixture_text("images/val/Thumbs.db", "not one of them");
    gb_fixture_text("lists/bsd68.txt", "9.jpg\r\n\n10.jpg");
    return failed;
}

#define TEST(name) GB_TEST_WITH(name, setup, gb_fixture_teardown)

static enum gb_status read_splits(bool listed, int min_side, struct gb_image_list splits[]) {
    const struct gb_source source = {
        .directory = gb_fixture_path(""),
        .split_directory = listed ? gb_fixture_path("lists") : NULL,
        .threads = 2,
    };
    return gb_bsds_read(&source, &gb_bsd68, min_side, splits);
}

static void assert_names(const struct gb_image_list *list, int count, const char *const names[]) {
    assert_int_equal(list->count, count);
    for (int i = 0; i < count; i++) {
        assert_string_equal(list->names[i], names[i]);
        assert_int_equal(list->images[i].c, 3);
        assert_int_equal(list->images[i].bits, 8);
    }
}

TEST(trains_on_train_and_test_alone) {
    for (int listed = 0; listed < 2; listed++) {
        struct gb_image_list splits[GB_SPLITS];
        assert_ok(read_splits(listed, SIDE, splits));
        assert_names(&splits[GB_SPLIT_TRAIN], 3,
                     (const char *[]){"train/12.jpg", "train/8.jpg", "test/100.jpg"});
        if (listed)
            assert_names(&splits[GB_SPLIT_TEST], 2, (const char *[]){"val/9.jpg", "val/10.jpg"});
        else
            assert_names(&splits[GB_SPLIT_TEST], 3,
                         (const char *[]){"val/10.jpg", "val/80.jpg", "val/9.jpg"});
        for (int split = 0; split < GB_SPLITS; split++)
            gb_image_list_free(&splits[split]);
    }
}

TEST(hash_distinguishes_images) {
    struct gb_image_list splits[GB_SPLITS];
    assert_ok(read_splits(true, SIDE, splits));
    struct gb_image_list *train = &splits[GB_SPLIT_TRAIN];
    const uint64_t hash = gb_image_list_hash(train);
    assert_int_equal(gb_image_list_hash(train), hash);
    train->images[1].pixels[5] ^= 1;
    assert_int_not_equal(gb_image_list_hash(train), hash);
    train->images[1].pixels[5] ^= 1;
    const int w = train->images[0].w;
    train->images[0].w = train->images[0].h;
    train->images[0].h = w;
    assert_int_not_equal(gb_image_list_hash(train), hash);
    for (int split = 0; split < GB_SPLITS; split++)
        gb_image_list_free(&splits[split]);
}

static void assert_bad(bool listed, int min_side, const char *where, const char *reason) {
    struct gb_image_list splits[GB_SPLITS];
    assert_int_equal(read_splits(listed, min_side, splits), GB_BAD_INPUT);
    for (int split = 0; split < GB_SPLITS; split++)
        assert_null(splits[split].images);
    assert_message(where, reason);
}

TEST(reports_what_is_wrong) {
    gb_fixture_text("lists/bsd68.txt", "9.jpg\n12.jpg\n"); // in train
    assert_bad(true, SIDE, "bsd68.txt", "line 2");
    unlink(gb_fixture_path("lists/bsd68.txt"));
    assert_bad(true, SIDE, "bsd68.txt", "No such file");
    assert_bad(false, SIDE + 1, "images/train/12.jpg", "17 at least");
    gb_fixture_truncate("images/test/100.jpg", 300);
    assert_bad(false, SIDE, "images/test/100.jpg", "truncated");
    unlink(gb_fixture_path("images/test/100.jpg"));
    assert_bad(false, SIDE, "images/test", "holds no .png .jpg ");
    rmdir(gb_fixture_path("images/test"));
    assert_bad(false, SIDE, "images/test", "No such file");
}

GB_TEST(reads_the_published_data) {
    const char *directory = gb_real_data("bsds500", (const char *[]){"bsds500.tar", NULL});
    const char *lists = gb_shared_data("splits");
    if (!directory || !lists)
        skip();
    const struct gb_source source = {
        .directory = directory, .split_directory = lists, .threads = 2};
    struct gb_image_list splits[GB_SPLITS];
    assert_ok(gb_bsds_read(&source, &gb_bsd68, 256, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 400);
    assert_int_equal(splits[GB_SPLIT_TEST].count, gb_bsd68.most);
    for (int split = 0; split < GB_SPLITS; split++) {
        for (int i = 0; i < splits[split].count; i++) {
            const struct gb_image *image = &splits[split].images[i];
            assert_int_equal(image->w + image->h, 481 + 321);
            const bool val = strncmp(splits[split].names[i], "val/", 4) == 0;
            assert_int_equal(val, split == GB_SPLIT_TEST);
        }
        gb_image_list_free(&splits[split]);
    }
}
