// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

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
    assert_refused("", GB_BAD_INPUT, "empty");
    gb_fixture_text("plain", "");
    assert_refused(gb_fixture_path("plain/file"), GB_IO_ERROR, "Not a directory");
}

static void write_file(const char *path, const char *text) {
    struct gb_atomic_file file;
    assert_ok(gb_atomic_open(&file, path));
    fputs(text, file.stream);
    assert_ok(gb_atomic_commit(&file));
}

// The link stays, and what it points to is replaced, wherever that is.
GB_FIXTURE_TEST(follows_links) {
    static const struct {
        const char *link, *to, *file; // "": the fixture's path of `file`
    } links[] = {{"near", "file", "file"},
                 {"far", "there/file", "there/file"},
                 {"there/up", "../file", "file"},
                 {"absolute", "", "there/file"},
                 {"chain", "near", "file"},
                 {"there/chain", "../far", "there/file"},
                 {"missing", "there/new", "there/new"},
                 {"directory/other", "far", "there/far"}};
    gb_fixture_text("file", "old");
    gb_fixture_text("there/file", "old");
    assert_int_equal(symlink("there", gb_fixture_path("directory")), 0);
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        const char *link = gb_fixture_path(links[i].link);
        assert_int_equal(symlink(*links[i].to ? links[i].to : gb_fixture_path(links[i].file), link),
                         0);
        struct stat status;
        const char *text = gb_fixture_name("text %zu", i);
        assert_ok(gb_atomic_probe(link));
        write_file(link, text);
        assert_int_equal(lstat(link, &status), 0);
        assert_true(S_ISLNK(status.st_mode));
        assert_text(links[i].link, text);
        assert_text(links[i].file, text);
    }
    assert_int_equal(symlink("circle", gb_fixture_path("circle")), 0);
    assert_refused(gb_fixture_path("circle"), GB_IO_ERROR, "Too many levels");
    assert_int_equal(symlink("there", gb_fixture_path("to_directory")), 0);
    assert_refused(gb_fixture_path("to_directory"), GB_BAD_INPUT, "is a directory");
    assert_int_equal(symlink("nowhere/file", gb_fixture_path("dangling")), 0);
    assert_refused(gb_fixture_path("dangling"), GB_IO_ERROR, "No such file");
}

GB_FIXTURE_TEST(keeps_permissions) {
    static const mode_t modes[] = {0600, 0640, 0666, 0755};
    struct stat status;
    const mode_t mask = umask(022);
    write_file(gb_fixture_path("file"), "new");
    assert_int_equal(stat(gb_fixture_path("file"), &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(chmod(gb_fixture_path("file"), modes[i]), 0);
        write_file(gb_fixture_path("file"), "newer");
        assert_int_equal(stat(gb_fixture_path("file"), &status), 0);
        assert_int_equal(status.st_mode & 07777, modes[i]);
    }
    umask(mask);
    if (geteuid() != 0) {
        assert_int_equal(chmod(gb_fixture_path("file"), 0444), 0);
        assert_refused(gb_fixture_path("file"), GB_IO_ERROR, "Permission denied");
    } else { // who may give files to others
        assert_int_equal(chown(gb_fixture_path("file"), 12, 34), 0);
        write_file(gb_fixture_path("file"), "newest");
        assert_int_equal(stat(gb_fixture_path("file"), &status), 0);
        assert_true(status.st_uid == 12 && status.st_gid == 34);
    }
}

GB_FIXTURE_TEST(writes_what_is_not_a_regular_file_as_it_is) {
    struct gb_atomic_file file;
    struct stat status;
    char text[16] = "";
    write_file("/dev/null", "text");
    assert_int_equal(stat("/dev/null", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
    assert_ok(gb_atomic_open(&file, "/dev/full"));
    fputs("text", file.stream);
    assert_error(gb_atomic_commit(&file), GB_IO_ERROR, "No space left");
    const char *pipe = gb_fixture_path("pipe");
    assert_int_equal(mkfifo(pipe, 0666), 0);
    assert_ok(gb_atomic_probe(pipe)); // without waiting for a reader
    const int reader = open(pipe, O_RDWR);
    assert_true(reader >= 0);
    write_file(pipe, "through");
    assert_int_equal(read(reader, text, sizeof text), 7);
    assert_string_equal(text, "through");
    assert_ok(gb_atomic_open(&file, pipe));
    fputs("half", file.stream);
    gb_atomic_abort(&file);
    close(reader);
    assert_int_equal(gb_fixture_entries(""), 1);
}

// As /dev/stdout is where standard output is a file: after what was written before.
GB_FIXTURE_TEST(writes_an_open_file_at_its_end) {
    const int descriptor = open(gb_fixture_path("file"), O_WRONLY | O_CREAT, 0666);
    assert_int_equal(write(descriptor, "before ", 7), 7);
    char *name = strdup(gb_fixture_name("/dev/fd/%d", descriptor));
    assert_non_null(name);
    assert_ok(gb_atomic_probe(name));
    write_file(name, "inside");
    assert_int_equal(write(descriptor, " after", 6), 6);
    close(descriptor);
    assert_text("file", "before inside after");
    assert_int_equal(gb_fixture_entries(""), 1);
    assert_refused(name, GB_IO_ERROR, "No such file");
    free(name);
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
