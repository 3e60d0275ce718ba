// SPDX-License-Identifier: MIT
#include "tasks/data/lists.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"

GB_FIXTURE_TEST(reads_a_name_a_line) {
    gb_fixture_text("list.txt",
                    "b.jpg\r\n\n  \r\n\ta name  4 \nc.jpg\nd\ne"); // no newline at the end
    struct gb_list list;
    assert_ok(gb_list_read(gb_fixture_path("list.txt"), &list));
    const char *const names[] = {"b.jpg", "a name  4", "c.jpg", "d", "e"};
    const int lines[] = {1, 4, 5, 6, 7};
    assert_int_equal(list.count, 5);
    for (int i = 0; i < list.count; i++) {
        assert_string_equal(list.names[i], names[i]);
        assert_int_equal(list.lines[i], lines[i]);
    }
    gb_list_free(&list);
}

GB_FIXTURE_TEST(reads_text_of_other_systems) {
    struct gb_list list;
    gb_fixture_text("list.txt", "\xef\xbb\xbf"
                                "a\r\nb\r\n");
    assert_ok(gb_list_read(gb_fixture_path("list.txt"), &list));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.names[0], "a");
    gb_list_free(&list);
    gb_fixture_file("list.txt",
                    "\xff\xfe"
                    "a\0\n\0",
                    6);
    assert_error(gb_list_read(gb_fixture_path("list.txt"), &list), GB_BAD_INPUT,
                 "list.txt: is UTF-16");
    gb_fixture_file("list.txt", "a\0\n\0", 4);
    assert_error(gb_list_read(gb_fixture_path("list.txt"), &list), GB_BAD_INPUT, "is UTF-16");
    gb_fixture_text("list.txt", "a"); // shorter than a mark
    assert_ok(gb_list_read(gb_fixture_path("list.txt"), &list));
    assert_string_equal(list.names[0], "a");
    gb_list_free(&list);
}

GB_FIXTURE_TEST(refuses_empty_lists) {
    struct gb_list list;
    gb_fixture_text("blank.txt", "\n \r\n");
    assert_error(gb_list_read(gb_fixture_path("blank.txt"), &list), GB_BAD_INPUT,
                 "blank.txt: is empty");
    gb_fixture_directory("folder");
    assert_error(gb_list_read(gb_fixture_path("folder"), &list), GB_BAD_INPUT,
                 "folder: Is a directory");
    assert_null(list.names);
}

GB_FIXTURE_TEST(lists_a_directory_in_byte_order) {
    const char *const files[] = {"folder/b.jpg", "folder/a.JPG", "folder/B.jpg",   "folder/.c.jpg",
                                 "folder/jpg",   "folder/d.png", "folder/._a.jpg", "folder/a.jpg~"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        gb_fixture_text(files[i], "");
    struct gb_list list;
    assert_ok(gb_list_directory(gb_fixture_path("folder"), ".jpg", &list));
    assert_int_equal(list.count, 3);
    assert_string_equal(list.names[0], "B.jpg");
    assert_string_equal(list.names[1], "a.JPG");
    assert_string_equal(list.names[2], "b.jpg");
    assert_null(list.lines);
    assert_int_equal(gb_list_find(&list, "a.JPG"), 1);
    assert_int_equal(gb_list_find(&list, "a.jpg"), -1);
    gb_list_free(&list);
    assert_error(gb_list_directory(gb_fixture_path("folder"), ".ppm", &list), GB_BAD_INPUT,
                 "folder: holds no .ppm file");
    assert_error(gb_list_directory(gb_fixture_path("nowhere"), ".ppm", &list), GB_BAD_INPUT,
                 "nowhere: No such file");
}

static enum gb_status split_by(const char *train, const char *test, struct gb_list_split *split) {
    static const char *const lists[GB_SPLITS] = {"train.txt", "test.txt"};
    char *held[] = {"a", "b", "c", "d"};
    const struct gb_list sorted = {.count = 4, .names = held};
    gb_fixture_text("lists/train.txt", train);
    if (test)
        gb_fixture_text("lists/test.txt", test);
    return gb_list_split_read(gb_fixture_path("lists"), lists, &sorted, "images", split);
}

// What holds of the lists of every data set.
GB_FIXTURE_TEST(finds_each_name_once) {
    static const struct {
        const char *train, *test, *message;
    } wrong[] = {
        {"a", NULL, "test.txt: No such file"},
        {"a", "\n\r\n", "test.txt: is empty"},
        {"a", "d\n\nc\nd\n", "test.txt: line 4: d is named twice"},
        {"d\r\nb", "c\nd\ne\n", "test.txt: line 2: d is named twice"},
        {"a", "b\n\te\n", "test.txt: line 2: images has no e"},
        {"../images/a", "b", "train.txt: line 1: images has no ../images/a"},
        {"a\na\na\na\na\na\na\na", "b", "train.txt: line 2: a is named twice"},
    };
    struct gb_list_split split;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_error(split_by(wrong[i].train, wrong[i].test, &split), GB_BAD_INPUT,
                     wrong[i].message);
        gb_list_split_free(&split);
    }
    assert_ok(split_by("d\r\n\nb", "c", &split));
    assert_int_equal(split.count[GB_SPLIT_TRAIN], 2);
    assert_int_equal(split.indices[GB_SPLIT_TRAIN][0], 3);
    assert_int_equal(split.indices[GB_SPLIT_TRAIN][1], 1);
    assert_int_equal(split.count[GB_SPLIT_TEST], 1);
    assert_int_equal(split.indices[GB_SPLIT_TEST][0], 2);
    gb_list_split_free(&split);
}

GB_FIXTURE_TEST(lists_directories_of_a_directory) {
    gb_fixture_text("folder/b/file", "");
    gb_fixture_text("folder/file", "");
    gb_fixture_directory("folder/a");
    gb_fixture_directory("folder/.hidden");
    gb_fixture_directory("folder/__MACOSX");
    gb_fixture_directory("folder/@eaDir");
    struct gb_list list;
    assert_ok(gb_list_subdirectories(gb_fixture_path("folder"), &list));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.names[0], "a");
    assert_string_equal(list.names[1], "b");
    gb_list_free(&list);
    assert_ok(gb_list_entries(gb_fixture_path("folder/a"), "", &list));
    assert_int_equal(list.count, 0);
    gb_list_free(&list);
}

GB_TEST(names_tell_what_trains_and_tests) {
    static const struct {
        const char *name;
        enum gb_subset subset;
    } names[] = {
        {"train", GB_SUBSET_TRAIN},         {"Training", GB_SUBSET_TRAIN},
        {"train2017", GB_SUBSET_TRAIN},     {"DIV2K_train_HR", GB_SUBSET_TRAIN},
        {"TrainImages", GB_SUBSET_TRAIN},   {"TRAIN", GB_SUBSET_TRAIN},
        {"test", GB_SUBSET_TEST},           {"test-set", GB_SUBSET_TEST},
        {"val", GB_SUBSET_VALIDATION},      {"valid_HR", GB_SUBSET_VALIDATION},
        {"2_dev", GB_SUBSET_VALIDATION},    {"validation.old", GB_SUBSET_VALIDATION},
        {"trainer", GB_SUBSET_OTHER},       {"contest", GB_SUBSET_OTHER},
        {"Valeria_Lopez", GB_SUBSET_OTHER}, {"", GB_SUBSET_OTHER},
    };
    enum { COUNT = sizeof names / sizeof *names };
    char *list[COUNT];
    for (int i = 0; i < COUNT; i++)
        list[i] = (char *)names[i].name;
    struct gb_list directories = {.count = COUNT, .names = list};
    struct gb_subsets subsets = gb_list_subsets(&directories);
    assert_true(subsets.split && !subsets.validation_tests);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(gb_subset_of(&subsets, names[i].name), names[i].subset);
    directories.count = 6; // no more than training images
    subsets = gb_list_subsets(&directories);
    assert_false(subsets.split);
    assert_int_equal(gb_subset_of(&subsets, "train"), GB_SUBSET_OTHER);
    subsets = (struct gb_subsets){.split = true, .validation_tests = true};
    assert_int_equal(gb_subset_of(&subsets, "val"), GB_SUBSET_TEST);
}
