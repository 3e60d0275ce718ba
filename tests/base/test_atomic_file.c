// SPDX-License-Identifier: MIT
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/atomic_file.h"
#include "base/cache.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"

static void assert_text(const char *name, const char *expected) {
    size_t size;
    char *text = gb_fixture_bytes(name, &size);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(text, expected, size);
    free(text);
}

GB_FIXTURE_TEST(appears_complete_at_the_commit) {
    gb_fixture_text("file", "old");
    struct gb_atomic_file file;
    assert_ok(gb_atomic_open(&file, gb_fixture_path("file")));
    fputs("new content", file.stream);
    fflush(file.stream);
    assert_text("file", "old");
    assert_ok(gb_atomic_commit(&file));
    assert_text("file", "new content");
    assert_int_equal(gb_fixture_entries(""), 1);
}

GB_FIXTURE_TEST(leaves_no_file_after_an_abort) {
    struct gb_atomic_file file;
    assert_ok(gb_atomic_open(&file, gb_fixture_path("file")));
    fputs("half", file.stream);
    gb_atomic_abort(&file);
    gb_atomic_abort(&file); // ended: nothing
    assert_int_equal(gb_fixture_entries(""), 0);
}

GB_FIXTURE_TEST(two_writers_do_not_mix) {
    struct gb_atomic_file one, two;
    assert_ok(gb_atomic_open(&one, gb_fixture_path("file")));
    assert_ok(gb_atomic_open(&two, gb_fixture_path("file")));
    fputs("one", one.stream);
    fputs("two", two.stream);
    assert_ok(gb_atomic_commit(&one));
    assert_ok(gb_atomic_commit(&two));
    assert_text("file", "two");
    assert_int_equal(gb_fixture_entries(""), 1);
}

static void assert_refused(const char *path, enum gb_status expected, const char *reason) {
    struct gb_atomic_file file;
    assert_int_equal(gb_atomic_open(&file, path), expected);
    assert_message(path, reason);
}

GB_FIXTURE_TEST(refuses_what_is_not_a_file) {
    assert_refused(gb_fixture_path("none/file"), GB_IO_ERROR, "No such file");
    assert_refused(gb_fixture_path(""), GB_BAD_INPUT, "is a directory");
    assert_refused("/dev/null", GB_BAD_INPUT, "not a regular file");
    assert_refused("", GB_BAD_INPUT, "empty");
    gb_fixture_text("plain", "");
    assert_refused(gb_fixture_path("plain/file"), GB_IO_ERROR, "Not a directory");
}

// A limit on the size of files stands in for a full disk.
GB_FIXTURE_TEST(a_full_disk_leaves_the_old_file) {
    gb_fixture_text("file", "old");
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 4096, .rlim_max = before.rlim_max});
    struct gb_atomic_file file;
    enum gb_status status = gb_atomic_open(&file, gb_fixture_path("file"));
    for (int i = 0; status == GB_OK && i < 100000; i++)
        fputc('x', file.stream);
    if (status == GB_OK)
        status = gb_atomic_commit(&file);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    assert_error(status, GB_IO_ERROR, gb_fixture_path("file"));
    assert_text("file", "old");
    assert_int_equal(gb_fixture_entries(""), 1);
}

GB_FIXTURE_TEST(a_probe_leaves_no_file) {
    assert_ok(gb_atomic_probe(gb_fixture_path("file")));
    assert_int_equal(gb_fixture_entries(""), 0);
    assert_int_equal(gb_atomic_probe(gb_fixture_path("none/file")), GB_IO_ERROR);
}

// Removes only those temporary files next to a name that no process has open.
GB_FIXTURE_TEST(opening_removes_what_killed_processes_left) {
    struct gb_atomic_file file;
    static const char *const others[] = {"file", "file.tmp", "file.999999999-0.tmp.old",
                                         "file.notes-0.tmp", "other.999999999-0.tmp"};
    enum { OTHERS = sizeof others / sizeof *others };
    for (int i = 0; i < OTHERS; i++)
        gb_fixture_text(others[i], "kept");
    assert_ok(gb_atomic_open(&file, gb_fixture_path("file")));
    gb_fixture_text("file.999999999-0.tmp", "half");
    // A process number that is in use here says nothing: the directory may be another host's too.
    gb_fixture_text("file.1-0.tmp", "half");
    assert_int_equal(gb_fixture_entries(""), OTHERS + 3);
    assert_ok(gb_atomic_probe(gb_fixture_path("file")));
    assert_int_equal(gb_fixture_entries(""), OTHERS + 1);
    for (int i = 0; i < OTHERS; i++)
        assert_text(others[i], "kept");
    fputs("whole", file.stream);
    assert_ok(gb_atomic_commit(&file));
    assert_text("file", "whole");
}

GB_FIXTURE_TEST(the_cache_is_made_where_it_is_not) {
    char path[GB_PATH], expected[GB_PATH];
    gb_fixture_text("plain", "");
    setenv("XDG_CACHE_HOME", gb_fixture_path("new/cache"), 1);
    assert_ok(gb_cache_path("file", path));
    snprintf(expected, sizeof expected, "%s", gb_fixture_path("new/cache/glowbench/file"));
    assert_string_equal(path, expected);
    assert_int_equal(gb_fixture_entries("new/cache/glowbench"), 0);
    setenv("XDG_CACHE_HOME", gb_fixture_path("plain"), 1);
    assert_error(gb_cache_path("file", path), GB_IO_ERROR, "XDG_CACHE_HOME");
}
