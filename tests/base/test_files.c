// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"

static const char what[] = "cannot read";

// One test after the last value is enough.
GB_TEST(incomplete_collections_are_released) {
    json_t *array = json_array(), *object = json_object();
    gb_json_append(&array, json_integer(1));
    gb_json_put(&object, "a", json_integer(1));
    assert_int_equal(json_array_size(array), 1);
    assert_int_equal(gb_json_integer(object, "a"), 1);
    json_t *kept = json_incref(array);
    gb_json_append(&array, NULL);
    gb_json_put(&object, "b", NULL);
    assert_true(!array && !object);
    assert_int_equal(kept->refcount, 1);
    gb_json_append(&array, json_incref(kept)); // NULL stays NULL, the value is released
    gb_json_put(&object, "b", json_incref(kept));
    assert_true(!array && !object);
    assert_int_equal(kept->refcount, 1);
    json_decref(kept);
}

GB_FIXTURE_TEST(reads_whole_files) {
    static const size_t sizes[] = {0, 1, 65534, 65535, 65536, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *written = malloc(sizes[i] + 1), *bytes;
        size_t size;
        assert_non_null(written);
        for (size_t j = 0; j < sizes[i]; j++)
            written[j] = (char)(j * 7);
        gb_fixture_file("file", written, sizes[i]);
        assert_ok(gb_file_read(what, gb_fixture_path("file"), &bytes, &size));
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(bytes, written, size);
        assert_int_equal(bytes[size], 0);
        free(bytes);
        free(written);
    }
}

// Of every reader: the end of a file is not a failed read. The memory of a process at address 0 is
// a file that opens and does not read.
GB_FIXTURE_TEST(tells_a_failed_read_from_the_end) {
    static const struct {
        const char *path;
        enum gb_status status;
        const char *reason;
    } files[] = {{"/proc/self/mem", GB_IO_ERROR, "Input/output error"},
                 {"/", GB_BAD_INPUT, "Is a directory"},
                 {"/proc/none", GB_BAD_INPUT, "No such file"}};
    json_t *values = json_array(), *json;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *bytes;
        size_t size;
        assert_error(gb_file_read(what, files[i].path, &bytes, &size), files[i].status,
                     files[i].reason);
        assert_error(gb_json_read(what, files[i].path, &json), files[i].status, files[i].reason);
        assert_null(json);
        assert_error(gb_json_lines_read(what, files[i].path, values), files[i].status,
                     files[i].reason);
    }
    assert_error(gb_json_read_if_there(what, "/proc/self/mem", &json), GB_IO_ERROR, "error");
    assert_ok(gb_json_read_if_there(what, "/proc/none", &json));
    assert_null(json);
    assert_int_equal(json_array_size(values), 0);
    json_decref(values);
}

GB_FIXTURE_TEST(reads_json_by_lines) {
    json_t *values = json_array();
    gb_fixture_text("rows", "[1]\n[2]\n{\"three\": 3}"); // no newline at the end
    assert_ok(gb_json_lines_read(what, gb_fixture_path("rows"), values));
    assert_int_equal(json_array_size(values), 3);
    gb_fixture_text("rows", "[1]\n[2]\n{\"three\": \n");
    assert_error(gb_json_lines_read(what, gb_fixture_path("rows"), values), GB_BAD_INPUT,
                 "rows: line 3: ");
    json_array_clear(values);
    gb_fixture_text("rows", "[1]\n\n[2]\r\n \r\n\n"); // as editors leave it
    assert_ok(gb_json_lines_read(what, gb_fixture_path("rows"), values));
    assert_int_equal(json_array_size(values), 2);
    gb_fixture_text("rows", "[1]\n\n[2\n");
    assert_error(gb_json_lines_read(what, gb_fixture_path("rows"), values), GB_BAD_INPUT,
                 "rows: line 3: ");
    gb_fixture_text("rows", "");
    json_array_clear(values);
    assert_ok(gb_json_lines_read(what, gb_fixture_path("rows"), values));
    assert_int_equal(json_array_size(values), 0);
    json_decref(values);
}

// Whatever the length of a path, the message ends with the reason.
GB_TEST(messages_keep_the_reason_after_a_long_path) {
    char path[GB_PATH];
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    char *bytes;
    size_t size;
    assert_int_not_equal(gb_file_read(what, path, &bytes, &size), GB_OK);
    gb_fail_within(GB_BAD_INPUT, "cannot start", path);
    assert_non_null(strstr(gb_error_message(), ": File name too long"));
}
