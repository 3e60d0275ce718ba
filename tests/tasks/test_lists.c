// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "tasks/data/lists.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"
#include "tests/tasks/loading.h"

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

GB_FIXTURE_TEST(refuses_empty_lists) {
    struct gb_list list;
    assert_int_equal(gb_list_read(gb_fixture_path("nowhere.txt"), &list), GB_BAD_INPUT);
    assert_message("nowhere.txt", "No such file");
    gb_fixture_text("blank.txt", "\n \r\n");
    assert_int_equal(gb_list_read(gb_fixture_path("blank.txt"), &list), GB_BAD_INPUT);
    assert_message("blank.txt", "is empty");
    gb_fixture_directory("folder");
    assert_int_equal(gb_list_read(gb_fixture_path("folder"), &list), GB_BAD_INPUT);
    assert_message("folder", "Is a directory");
    assert_null(list.names);
}

GB_FIXTURE_TEST(lists_a_directory_in_byte_order) {
    const char *const files[] = {"folder/b.jpg",  "folder/a.JPG", "folder/B.jpg",
                                 "folder/.c.jpg", "folder/jpg",   "folder/d.png"};
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
    assert_int_equal(gb_list_directory(gb_fixture_path("folder"), ".ppm", &list), GB_BAD_INPUT);
    assert_message("folder", "holds no .ppm file");
    assert_int_equal(gb_list_directory(gb_fixture_path("nowhere"), ".ppm", &list), GB_BAD_INPUT);
    assert_message("nowhere", "No such file");
}

GB_TEST(finds_each_name_once) {
    char *held[] = {"a", "b", "c", "d"}, *train[] = {"d", "b"}, *test[] = {"c", "d", "e"};
    int lines[] = {2, 3, 5}, places[3];
    const struct gb_list sorted = {.count = 4, .names = held};
    const struct gb_list first = {.count = 2, .names = train, .lines = lines};
    const struct gb_list second = {.count = 3, .names = test, .lines = lines};
    bool taken[4] = {0};
    assert_ok(gb_list_indices(&first, "train.txt", &sorted, "images", taken, places));
    assert_int_equal(places[0], 3);
    assert_int_equal(places[1], 1);
    assert_int_equal(gb_list_indices(&second, "test.txt", &sorted, "images", taken, places),
                     GB_BAD_INPUT);
    assert_message("test.txt", "line 3: d is named twice");
    memset(taken, 0, sizeof taken);
    assert_int_equal(gb_list_indices(&second, "test.txt", &sorted, "images", taken, places),
                     GB_BAD_INPUT);
    assert_message("test.txt", "line 5: images has no e");
}
