// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // setenv
#include <math.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tasks/data/depth_maps.h"
#include "tasks/data/scenes_data.h"
#include "tasks/metrics/psnr.h"
#include "tasks/synthetic/depth.h"
#include "tasks/task.h"
#include "tasks/training/commands.h"
#include "tasks/training/data_options.h"
#include "tests/support/fixture.h"
#include "tests/support/real_data.h"
#include "tests/support/test.h"
#include "tests/tasks/loading.h"

// ---- a published directory in small ----

enum { FRAMES = 4, SIZE = 48, WIDE = 64 };

// A wall that is slanted from left to right, 1.5 to 1.8 m away, with a hole in it.
static int wall(int x, int y, int channel) {
    (void)channel;
    if (x >= 300 && x < 310 && y >= 200 && y < 240)
        return y < 220 ? 0 : 65535;
    return (int)rint(1500 / (1 - (x - 320) * 0.0005));
}
static int grey(int x, int y, int channel) {
    return (x + y + channel) % 256;
}

static const char *frame_path(int frame, const char *ending) {
    return gb_fixture_path(gb_fixture_name("redkitchen/seq-01/frame-%06d%s", frame, ending));
}

static void write_depth(int frame, int w, int h, int bits, gb_fixture_value value) {
    gb_fixture_png(gb_fixture_name("redkitchen/seq-01/frame-%06d.depth.png", frame), w, h,
                   PNG_COLOR_TYPE_GRAY, bits, false, value);
}

static const char identity[] = "1 0 0 0\t\r\n0 1 0 0\r\n0 0 1 0\r\n0 0 0 1\r\n";

static void write_pose(int frame, const char *text) {
    gb_fixture_text(gb_fixture_name("redkitchen/seq-01/frame-%06d.pose.txt", frame), text);
}

static char *user_cache; // what XDG_CACHE_HOME was

static int save_cache(void **state) {
    (void)state;
    const char *cache = getenv("XDG_CACHE_HOME");
    user_cache = cache ? strdup(cache) : NULL;
    return 0;
}

GB_TEST_GROUP(save_cache, NULL)

// A cache that starts out empty.
static void set_cache(void) {
    gb_fixture_directory("cache");
    setenv("XDG_CACHE_HOME", gb_fixture_path("cache"), 1);
}

static int teardown(void **state) {
    if (user_cache)
        setenv("XDG_CACHE_HOME", user_cache, 1);
    else
        unsetenv("XDG_CACHE_HOME");
    return gb_fixture_teardown(state);
}

static int setup(void **state) {
    int failed = gb_fixture_setup(state);
    set_cache();
    gb_fixture_text("redkitchen/TestSplit.txt", "sequence1\n");
    gb_fixture_text("redkitchen.zip", "not a folder");
    for (int i = 0; i < FRAMES; i++) {
        write_depth(i, GB_SCENES_W, GB_SCENES_H, 16, wall);
        write_pose(i, identity);
    }
    return failed;
}

#define TEST(name) GB_TEST_WITH(name, setup, teardown)

static char noted[GB_MESSAGE];
static int notes;

static void note(const char *line) {
    snprintf(noted, sizeof noted, "%s", line);
    notes++;
}

static enum gb_status load(const char *lists, int h, int w, struct gb_depth_maps splits[]) {
    const struct gb_source source = {.directory = gb_fixture_path(""),
                                     .split_directory = lists ? gb_fixture_path(lists) : NULL,
                                     .size = h,
                                     .threads = 2,
                                     .note = note};
    return gb_depth_maps_load(&source, h, w, splits);
}

static void free_maps(struct gb_depth_maps splits[]) {
    for (int split = 0; split < GB_SPLITS; split++)
        gb_depth_maps_free(&splits[split]);
}

TEST(fuses_and_renders_the_frames) {
    struct gb_depth_maps splits[GB_SPLITS];
    assert_ok(load(NULL, SIZE, WIDE, splits));
    const struct gb_depth_maps *train = &splits[GB_SPLIT_TRAIN], *test = &splits[GB_SPLIT_TEST];
    assert_int_equal(train->count, 2);
    assert_int_equal(test->count, 2);
    assert_string_equal(train->names[1], "redkitchen/seq-01/frame-000001");
    assert_string_equal(test->names[0], "redkitchen/seq-01/frame-000002");
    assert_int_equal(train->h, GB_SCENES_H);
    assert_int_equal(test->w, WIDE);
    int compared = 0;
    for (int y = 0; y < GB_SCENES_H; y++)
        for (int x = 0; x < GB_SCENES_W; x++) {
            const int i = y * GB_SCENES_W + x, level = wall(x, y, 0);
            assert_int_equal(train->raw[i], level == 65535 ? 0 : level);
            if (!train->raw[i] || !train->clean[i])
                continue;
            assert_true(abs(train->clean[i] - level * 8) < 8 * 3); // 3 mm
            compared++;
        }
    assert_true(compared > GB_SCENES_W * GB_SCENES_H * 95 / 100);
    assert_int_equal(gb_fixture_entries("redkitchen/seq-01"), 2 * FRAMES);
    free_maps(splits);
}

TEST(keeps_what_it_made) {
    struct gb_depth_maps splits[GB_SPLITS], again[GB_SPLITS];
    assert_ok(load(NULL, SIZE, WIDE, splits));
    assert_int_equal(gb_fixture_entries("cache/glowbench"), 1);
    const uint64_t train = gb_depth_maps_hash(&splits[0]), test = gb_depth_maps_hash(&splits[1]);
    // The second start takes the file: without poses nothing could be made.
    struct gb_list cached;
    assert_ok(gb_list_directory(gb_fixture_path("cache/glowbench"), ".maps", &cached));
    const char *name = gb_fixture_name("cache/glowbench/%s", cached.names[0]);
    gb_list_free(&cached);
    assert_ok(load(NULL, SIZE, WIDE, again));
    assert_true(gb_depth_maps_hash(&again[0]) == train && gb_depth_maps_hash(&again[1]) == test);
    free_maps(again);
    // A truncated file is regenerated.
    const size_t whole = gb_fixture_size(name);
    gb_fixture_truncate(name, whole / 2);
    assert_ok(load(NULL, SIZE, WIDE, again));
    assert_true(gb_depth_maps_hash(&again[0]) == train && gb_depth_maps_hash(&again[1]) == test);
    assert_int_equal(gb_fixture_size(name), whole);
    free_maps(again);
    // Another size, and other frames, are other data.
    assert_ok(load(NULL, SIZE / 2, WIDE / 2, again));
    free_maps(again);
    assert_int_equal(gb_fixture_entries("cache/glowbench"), 2);
    write_pose(3, "1 0 0 0.25\n0 1 0 0\n0 0 1 0\n0 0 0 1\n");
    assert_ok(load(NULL, SIZE, WIDE, again));
    assert_int_equal(gb_fixture_entries("cache/glowbench"), 3);
    free_maps(again);
    free_maps(splits);
}

TEST(takes_intrinsics_from_a_file) {
    struct gb_scenes scenes;
    assert_ok(gb_scenes_open(gb_fixture_path(""), &scenes));
    assert_true(scenes.camera.fx == 585 && scenes.camera.fy == 585);
    assert_true(scenes.camera.cx == 320 && scenes.camera.cy == 240);
    assert_int_equal(scenes.frames.count, FRAMES);
    gb_scenes_free(&scenes);
    gb_fixture_text("camera-intrinsics.txt", "5.7e2 0 321.5\n0 575 239\n0 0 1\n");
    assert_ok(gb_scenes_open(gb_fixture_path(""), &scenes));
    assert_true(scenes.camera.fx == 570 && scenes.camera.cx == 321.5);
    assert_true(scenes.camera.fy == 575 && scenes.camera.cy == 239);
    gb_scenes_free(&scenes);
}

// ---- splits ----

static void write_frames(const char *scene, int count) {
    for (int i = 0; i < count; i++)
        gb_fixture_text(gb_fixture_name("%s/seq-02/frame-%06d.depth.png", scene, i), "");
}

static enum gb_status split_as(const struct gb_scene_choice *choice, struct gb_scenes *scenes,
                               struct gb_list_split *split) {
    const struct gb_source source = {.choice = *choice};
    assert_ok(gb_scenes_open(gb_fixture_path(""), scenes));
    return gb_scenes_split(scenes, &source, split);
}

// Frames of each split, as "chess 3, fire 1"; they ascend.
static void assert_frames(const struct gb_scenes *scenes, const struct gb_list_split *split,
                          enum gb_split side, const char *expected) {
    char found[256] = "";
    for (int i = 0, count = 0; i < split->count[side]; i++) {
        const int frame = split->indices[side][i];
        assert_true(i == 0 || frame > split->indices[side][i - 1]);
        const char *name = scenes->frames.names[frame];
        const int end = gb_scenes_scene_end(scenes, frame);
        count++;
        if (i + 1 < split->count[side] && split->indices[side][i + 1] < end)
            continue;
        const size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%s%.*s %d", used ? ", " : "",
                 (int)strcspn(name, "/"), name, count);
        count = 0;
    }
    assert_string_equal(found, expected);
}

static void assert_split(const struct gb_scene_choice *choice, const char *train,
                         const char *test) {
    struct gb_scenes scenes;
    struct gb_list_split split;
    assert_ok(split_as(choice, &scenes, &split));
    assert_frames(&scenes, &split, GB_SPLIT_TRAIN, train);
    assert_frames(&scenes, &split, GB_SPLIT_TEST, test);
    gb_list_split_free(&split);
    gb_scenes_free(&scenes);
}

static const struct gb_scene_choice no_choice;

TEST(splits_the_full_set_by_scenes) {
    static const char *const others[] = {"fire", "heads", "office", "pumpkin", "stairs"};
    write_frames("chess", 250);
    for (int i = 0; i < 5; i++)
        write_frames(others[i], 3);
    assert_split(&no_choice, "chess 200",
                 "fire 3, heads 3, office 3, pumpkin 3, redkitchen 4, stairs 3");
}

TEST(splits_what_is_there_of_the_set) {
    write_frames("chess", 5);
    assert_split(&no_choice, "chess 5", "redkitchen 4");
    // Chess by itself is a row.
    rename(gb_fixture_path("redkitchen"), gb_fixture_path(".redkitchen"));
    assert_split(&no_choice, "chess 3", "chess 2");
}

TEST(splits_a_sequence_with_a_gap) {
    write_frames("redkitchen2", GB_SCENES_ROW - FRAMES);
    assert_split(&no_choice, "redkitchen 4, redkitchen2 196", "redkitchen2 83");
    struct gb_scenes scenes;
    struct gb_list_split split;
    const struct gb_scene_choice few = {.frames = {10, 2}};
    assert_ok(split_as(&few, &scenes, &split));
    assert_int_equal(split.count[GB_SPLIT_TRAIN], 10);
    assert_int_equal(split.indices[GB_SPLIT_TRAIN][9], 180);
    assert_int_equal(split.count[GB_SPLIT_TEST], 2);
    assert_int_equal(split.indices[GB_SPLIT_TEST][0], 220);
    assert_int_equal(split.indices[GB_SPLIT_TEST][1], 220 + 41);
    gb_list_split_free(&split);
    gb_scenes_free(&scenes);
}

static void write_four_scenes(void) {
    write_frames("chess", 6);
    write_frames("fire", 3);
    write_frames("heads", 3);
}

TEST(splits_by_chosen_scenes) {
    write_four_scenes();
    const struct gb_scene_choice both = {.scenes = {"fire,chess", "redkitchen"}, .frames = {3, 7}};
    assert_split(&both, "chess 2, fire 1", "redkitchen 4"); // places 0, 3 and 6 of 9
    // All others test.
    const struct gb_scene_choice train = {.scenes = {"heads", NULL}};
    assert_split(&train, "heads 3", "chess 6, fire 3, redkitchen 4");
    // Chess trains; Heads is on neither side.
    const struct gb_scene_choice test = {.scenes = {NULL, "redkitchen,fire"}, .frames = {2, 0}};
    assert_split(&test, "chess 2", "fire 3, redkitchen 4");
}

TEST(refuses_scenes_that_cannot_be_split) {
    static const struct {
        struct gb_scene_choice choice;
        const char *reason;
    } wrong[] = {
        {{.scenes = {"stairs", NULL}}, "it has no scene \"stairs\""},
        {{.scenes = {"chess", "fire,"}}, "it has no scene \"\""},
        {{.scenes = {"chess", "fir"}}, "it has no scene \"fir\""},
        {{.scenes = {"chess,fire", "heads,fire"}}, "heads,fire: \"fire\" is named twice"},
        {{.scenes = {"heads,heads", NULL}}, "\"heads\" is named twice"},
        {{.scenes = {NULL, "chess"}}, "\"chess\" is named twice"},
        {{.scenes = {"chess,fire,heads,redkitchen", NULL}}, "no scene is left to test"},
    };
    write_four_scenes();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct gb_scenes scenes;
        struct gb_list_split split;
        assert_error(split_as(&wrong[i].choice, &scenes, &split), GB_BAD_INPUT, wrong[i].reason);
        assert_null(split.indices[GB_SPLIT_TRAIN]);
        gb_scenes_free(&scenes);
    }
}

GB_TEST(takes_scenes_as_options) {
    struct gb_source source = {.directory = "data"};
    struct gb_option options[GB_DATA_OPTIONS + 1] = {0};
    const char *line[] = {"eval",  "--train-scenes", "chess,fire", "--test-scenes",
                          "heads", "--train-frames", "20",         "--test-frames",
                          "300"};
    const struct gb_task *depth, *horses;
    bool helped;
    assert_ok(gb_task_find("depth", &depth));
    assert_ok(gb_task_find("horses", &horses));
    assert_ok(gb_data_options_check(horses, &source));
    gb_data_options(&source, options);
    assert_ok(gb_options_parse(&gb_eval_command, options, 9, line, &helped));
    assert_string_equal(source.choice.scenes[GB_SPLIT_TRAIN], "chess,fire");
    assert_string_equal(source.choice.scenes[GB_SPLIT_TEST], "heads");
    assert_int_equal(source.choice.frames[GB_SPLIT_TRAIN], 20);
    assert_int_equal(source.choice.frames[GB_SPLIT_TEST], 300);
    assert_ok(gb_data_options_check(depth, &source));
    assert_error(gb_data_options_check(horses, &source), GB_BAD_INPUT, "--train-scenes");
    source.split_directory = "lists";
    assert_error(gb_data_options_check(depth, &source), GB_BAD_INPUT, "--split-dir");
    source = (struct gb_source){.choice.frames = {0, 5}};
    assert_int_equal(gb_data_options_check(depth, &source), GB_BAD_INPUT);
    assert_string_equal(gb_error_message(), "missing option: --data: required by --test-frames");
}

TEST(splits_by_lists) {
    gb_fixture_text("lists/depth_train.txt",
                    "redkitchen/seq-01/frame-000002\r\n\r\nredkitchen/seq-01/frame-000000\r\n");
    gb_fixture_text("lists/depth_test.txt", "redkitchen/seq-01/frame-000003");
    struct gb_depth_maps splits[GB_SPLITS];
    assert_ok(load("lists", SIZE, WIDE, splits));
    assert_int_equal(splits[GB_SPLIT_TRAIN].count, 2);
    assert_string_equal(splits[GB_SPLIT_TRAIN].names[0], "redkitchen/seq-01/frame-000002");
    assert_int_equal(splits[GB_SPLIT_TEST].count, 1);
    free_maps(splits);
}

// ---- bad input ----

static void assert_bad(const char *lists, const char *where, const char *reason) {
    struct gb_depth_maps splits[GB_SPLITS];
    assert_int_equal(load(lists, SIZE, WIDE, splits), GB_BAD_INPUT);
    for (int split = 0; split < GB_SPLITS; split++)
        assert_null(splits[split].raw);
    assert_message(where, reason);
    assert_int_equal(gb_fixture_entries("cache/glowbench"), 0);
}

TEST(reports_what_is_wrong_with_a_depth_map) {
    write_depth(2, GB_SCENES_W, GB_SCENES_H, 8, grey);
    assert_bad(NULL, "frame-000002.depth.png", "16");
    write_depth(2, 320, 240, 16, wall);
    assert_bad(NULL, "frame-000002.depth.png", "320 x 240");
    write_depth(2, GB_SCENES_W, GB_SCENES_H, 16, wall);
    gb_fixture_truncate("redkitchen/seq-01/frame-000002.depth.png", 900);
    assert_bad(NULL, "frame-000002.depth.png", "truncated");
}

TEST(reports_what_is_wrong_with_a_pose) {
    static const char *const wrong[][2] = {
        {"1 0 0 0\n0 1 0 0\n0 0 1 0\n", "16 finite numbers"},
        {"1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n7\n", "16 finite numbers"},
        {"1 0 0 nan\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "16 finite numbers"},
        {"one 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "16 finite numbers"},
        {"", "16 finite numbers"},
        {"2 0 0 0\n0 2 0 0\n0 0 2 0\n0 0 0 1\n", "rigid"},
        {"1 0 0 0\n0 1 0 0\n0 0 -1 0\n0 0 0 1\n", "rigid"},
        {"1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 1 1\n", "rigid"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_pose(1, wrong[i][0]);
        assert_bad(NULL, "frame-000001.pose.txt", wrong[i][1]);
    }
    write_pose(1, "1 0 0 1e6\n0 1 0 0\n0 0 1 0\n0 0 0 1\n");
    assert_bad(NULL, "redkitchen", "apart");
    unlink(frame_path(1, ".pose.txt"));
    assert_bad(NULL, "frame-000001.pose.txt", "No such file");
    write_pose(1, identity);
    unlink(frame_path(2, ".depth.png"));
    assert_bad(NULL, "frame-000002.pose.txt", "has no frame-000002.depth.png");
}

TEST(reports_what_is_wrong_with_intrinsics) {
    static const char *const wrong[][2] = {
        {"585 0 320\n0 585 240\n0 0\n", "9 finite numbers"},
        {"-585 0 320\n0 585 240\n0 0 1\n", "not the intrinsics"},
        {"585 0 2320\n0 585 240\n0 0 1\n", "not the intrinsics"},
        // A line of sight that no number holds, a step between lines that no int does.
        {"1e-300 0 320\n0 585 240\n0 0 1\n", "not the intrinsics"},
        {"585 0 320\n0 1e300 240\n0 0 1\n", "not the intrinsics"},
    };
    gb_fixture_directory("cache/glowbench");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        gb_fixture_text("camera-intrinsics.txt", wrong[i][0]);
        assert_bad(NULL, "camera-intrinsics.txt", wrong[i][1]);
    }
}

// Others as tests/tasks/test_lists.c.
TEST(reports_what_is_wrong_with_a_list) {
    gb_fixture_directory("cache/glowbench");
    gb_fixture_text("lists/depth_train.txt", "redkitchen/seq-01/frame-000002\n");
    assert_bad("lists", "depth_test.txt", "No such file");
    gb_fixture_text("lists/depth_test.txt", "redkitchen/seq-01/frame-000002\n");
    assert_bad("lists", "frame-000002", "twice");
}

TEST(reports_what_is_wrong_with_the_directory) {
    struct gb_depth_maps splits[GB_SPLITS];
    gb_fixture_directory("cache/glowbench");
    for (int i = 1; i < FRAMES; i++) {
        unlink(frame_path(i, ".depth.png"));
        unlink(frame_path(i, ".pose.txt"));
    }
    assert_bad(NULL, gb_fixture_path(""), "too few");
    rename(gb_fixture_path("redkitchen/seq-01"), gb_fixture_path("redkitchen/other"));
    assert_bad(NULL, gb_fixture_path(""), "holds no SCENE/seq-NN");
    assert_int_equal(load(NULL, 500, 640, splits), GB_BAD_INPUT);
    const struct gb_source source = {.directory = "/dev/null/none", .size = SIZE, .threads = 1};
    assert_int_equal(gb_depth_maps_load(&source, SIZE, WIDE, splits), GB_BAD_INPUT);
}

TEST(does_without_a_cache) {
    struct gb_depth_maps splits[GB_SPLITS], again[GB_SPLITS];
    assert_ok(load(NULL, SIZE, WIDE, splits));
    assert_int_equal(notes, 0);
    setenv("XDG_CACHE_HOME", gb_fixture_path("redkitchen.zip"), 1);
    assert_ok(load(NULL, SIZE, WIDE, again));
    for (int split = 0; split < GB_SPLITS; split++)
        assert_true(gb_depth_maps_hash(&again[split]) == gb_depth_maps_hash(&splits[split]));
    assert_int_equal(notes, 1);
    assert_non_null(strstr(noted, "XDG_CACHE_HOME"));
    free_maps(again);
    free_maps(splits);
}

// ---- the task ----

static void load_task(const char *directory, int size, struct gb_dataset splits[],
                      const struct gb_task **task) {
    const struct gb_source source = {.directory = directory, .size = size, .threads = 2};
    assert_ok(gb_task_find("depth", task));
    assert_ok((*task)->load(&source, splits));
}

TEST(masks_what_is_not_measured) {
    const struct gb_task *task;
    struct gb_dataset splits[GB_SPLITS];
    struct gb_examples examples;
    load_task(gb_fixture_path(""), 480, splits, &task);
    assert_int_equal(splits[0].shape.x_w, 640);
    assert_true(splits[0].shape.masked);
    assert_ok(gb_dataset_gather(&splits[1], NULL, 1, 5, 1, &examples));
    for (int y = 0; y < 480; y++)
        for (int x = 0; x < 640; x++) {
            const int level = wall(x, y, 0);
            const float *input = gb_at(&examples.x, 0, y, x);
            const float mask = *gb_at(&examples.mask, 0, y, x);
            const float error = *gb_at(&examples.y, 0, y, x);
            const bool measured = level != 0 && level != 65535;
            assert_true(input[1] == (measured ? 1 : 0));
            assert_float_equal(input[0], measured ? level / 4000.0 : 0, 1e-6);
            assert_true(measured ? fabsf(input[2]) < 0.5f : input[2] == 0); // of 11 mm
            assert_true(measured || mask == 0);
            assert_true(mask == 0 || fabsf(error) < 0.3f); // 3 mm of 11
            assert_true(fabsf(error) < 5);
        }
    gb_examples_free(&examples);
    free_splits(splits);
}

GB_TEST(crops_by_key_while_training) {
    const struct gb_task *task;
    struct gb_dataset splits[GB_SPLITS];
    load_task(NULL, 24, splits, &task);
    assert_int_equal(splits[0].shape.x_h, 24);
    assert_int_equal(splits[0].shape.x_w, 32);
    struct gb_examples drawn[] = {
        take_example(&splits[0], 0, 1, 0), take_example(&splits[0], 0, 2, 0),
        take_example(&splits[0], 0, 1, 0), take_example(&splits[1], 0, 1, 0),
        take_example(&splits[1], 0, 2, 0)};
    assert_false(same_values(&drawn[0].x, &drawn[1].x));
    assert_true(same_values(&drawn[0].x, &drawn[2].x));
    assert_true(same_values(&drawn[3].x, &drawn[4].x));
    for (size_t i = 0; i < sizeof drawn / sizeof *drawn; i++)
        gb_examples_free(&drawn[i]);
    free_splits(splits);
}

// Predicting no error scores as the mean around the input does, the right error as nothing else.
GB_TEST(scores_valid_pixels) {
    const struct gb_task *task;
    struct gb_dataset splits[GB_SPLITS];
    struct gb_examples examples;
    load_task(NULL, 48, splits, &task);
    const int count = splits[1].count;
    assert_ok(gb_dataset_gather(&splits[1], NULL, count, 1, 2, &examples));
    struct gb_tensor predicted = gb_dense(NULL, count, 48, 64, 1), answers = predicted;
    predicted.data = calloc(gb_elements(&predicted), sizeof(float));
    answers.data = calloc(gb_elements(&answers), sizeof(float));
    const struct gb_predictions given = {.train = &splits[0],
                                         .test = &splits[1],
                                         .examples = &examples,
                                         .predicted = &answers,
                                         .threads = 1};
    for (int right = 0; right < 2; right++) {
        const struct scores scores = new_scores(count);
        if (right)
            task->target(&examples.x, &examples.y, &predicted);
        task->to_image(&examples.x, &predicted, &answers);
        task->postprocess(&examples.x, &answers, &answers);
        assert_ok(task->score(&given, scores.metrics, scores.per_image));
        const double psnr = metric(scores.metrics, "psnr"),
                     raw = metric(scores.metrics, "raw_psnr"),
                     smoothed = metric(scores.metrics, "smoothed_psnr");
        assert_true(raw > 45 && raw < 55);
        assert_true(smoothed > raw);
        assert_true(metric(scores.metrics, "trivial_psnr") == smoothed);
        if (right)
            assert_true(psnr > 99);
        else
            assert_float_equal(psnr, smoothed, 1e-6);
        assert_non_null(json_object_get(json_array_get(scores.per_image, 3), "raw_psnr"));
        free_scores(&scores);
    }
    free(predicted.data);
    free(answers.data);
    gb_examples_free(&examples);
    free_splits(splits);
}

// ---- synthetic rooms ----

// A checkpoint's scores mean something only on the data that it was trained for.
GB_TEST(generates_the_same_bits_everywhere) {
    struct gb_depth_maps one, two;
    assert_ok(gb_synthetic_depth_maps(1, 5, 3, 24, 32, 1, &one));
    assert_ok(gb_synthetic_depth_maps(1, 6, 2, 24, 32, 2, &two));
    assert_int_equal(gb_depth_maps_hash(&one), UINT64_C(0x7ec8f9563fb93a38));
    assert_memory_equal(one.raw + 24 * 32, two.raw, 24 * 32 * sizeof *one.raw);
    assert_memory_equal(one.clean + 24 * 32, two.clean, 24 * 32 * sizeof *one.clean);
    assert_string_equal(two.names[0], "depth0000006");
    gb_depth_maps_free(&one);
    gb_depth_maps_free(&two);
}

// Everything has a clean depth; some of it is not measured, mostly along edges; errors grow with
// depth, and so does their mean.
GB_TEST(generates_what_a_sensor_sees) {
    enum { ROOMS = 40, H = 96, W = 128 };
    struct gb_depth_maps maps;
    assert_ok(gb_synthetic_depth_maps(1, 0, ROOMS, H, W, 2, &maps));
    double errors[5] = {0}, offsets[5] = {0};
    int pixels[5] = {0}, holes = 0, edge_pixels = 0, edge_holes = 0;
    for (int i = 1; i < ROOMS * H * W - 1; i++) {
        const double raw = maps.raw[i] / 1000.0, clean = maps.clean[i] / 8000.0;
        assert_true(clean > 0.2 && clean < 7);
        assert_true(raw < 5);
        const bool edge = abs(maps.clean[i + 1] - maps.clean[i - 1]) > 800 && i % W > 0;
        holes += raw == 0;
        edge_pixels += edge;
        edge_holes += edge && raw == 0;
        if (raw == 0 || fabs(raw - clean) > 0.1 || edge)
            continue;
        errors[(int)clean] += (raw - clean) * (raw - clean);
        offsets[(int)clean] += (raw - clean) / (clean * clean);
        pixels[(int)clean]++;
    }
    const double holes_share = (double)holes / (ROOMS * H * W);
    assert_true(holes_share > 0.02 && holes_share < 0.25);
    assert_true((double)edge_holes / edge_pixels > 2 * holes_share);
    for (int metre = 1; metre < 4; metre++)
        assert_true(errors[metre] / pixels[metre] > 1.2 * errors[metre - 1] / pixels[metre - 1] ||
                    pixels[metre - 1] < 1000);
    // A tenth of a pixel of disparity, at a focal length of 585 pixels and a baseline of 75 mm.
    for (int metre = 1; metre < 4; metre++)
        assert_float_equal(offsets[metre] / pixels[metre], -0.1 / (585 * 0.075), 4e-4);
    gb_depth_maps_free(&maps);
}

// ---- real data ----

// Every `step`-th frame from `first` on.
static void write_list(const char *path, const struct gb_scenes *scenes, int first, int step) {
    char text[4096] = "";
    for (int i = first; i < scenes->frames.count; i += step) {
        strcat(text, scenes->frames.names[i]);
        strcat(text, "\n");
    }
    gb_fixture_text(path, text);
}

static void write_lists(const char *directory) {
    struct gb_scenes scenes;
    assert_ok(gb_scenes_open(directory, &scenes));
    write_list("lists/depth_train.txt", &scenes, 0, 200);
    write_list("lists/depth_test.txt", &scenes, 10, 50);
    gb_scenes_free(&scenes);
}

// What the sensor measures is 44 to 50 dB from what all frames agree on, at 4 m for the peak.
GB_TEST_WITH(renders_the_published_data, gb_fixture_setup, teardown) {
    const char *directory =
        gb_real_data("seven_scenes", (const char *[]){"seven_scenes.tar", NULL});
    if (!directory)
        skip();
    set_cache();
    write_lists(directory);
    const struct gb_source source = {.directory = directory,
                                     .split_directory = gb_fixture_path("lists"),
                                     .size = 96,
                                     .threads = 2};
    struct gb_depth_maps maps[GB_SPLITS];
    assert_ok(gb_depth_maps_load(&source, 96, 128, maps));
    const int pixels = GB_SCENES_H * GB_SCENES_W;
    int measured = 0, both = 0, near = 0;
    double squares = 0;
    for (int i = 0; i < pixels; i++) {
        const double raw = maps[0].raw[i] / 1000.0, clean = maps[0].clean[i] / 8000.0;
        measured += raw > 0;
        both += raw > 0 && clean > 0;
        if (raw > 0 && clean > 0 && fabs(raw - clean) <= 0.1) {
            near++;
            squares += (raw - clean) * (raw - clean);
        }
    }
    assert_true(both > measured * 9 / 10);
    assert_true(near > both * 9 / 10);
    const double psnr = 10 * log10(16 / (squares / near));
    assert_true(psnr > 44 && psnr < 50);
    free_maps(maps);
}
