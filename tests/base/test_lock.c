// SPDX-License-Identifier: MIT
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"

static enum gb_status take(struct gb_lock *lock) {
    return gb_lock_take(lock, gb_fixture_path("lock"), "cannot start", "DIR");
}

GB_FIXTURE_TEST(one_holds_it_and_the_other_names_it) {
    struct gb_lock first, second;
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    assert_ok(take(&first));
    assert_error(
        take(&second), GB_BAD_INPUT,
        gb_fixture_name("cannot start: DIR: in use by process %d on %s", (int)getpid(), host));
    gb_lock_release(&second);
    assert_int_equal(gb_fixture_entries(""), 1);
    gb_lock_release(&first);
    gb_lock_release(&first); // released: nothing
    assert_int_equal(gb_fixture_entries(""), 0);
    assert_ok(take(&second));
    gb_lock_release(&second);
}

// Holds the lock until it is killed.
static pid_t hold(void) {
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        struct gb_lock lock;
        if (take(&lock) == GB_OK && write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

GB_FIXTURE_TEST(ends_with_the_process_that_holds_it) {
    struct gb_lock lock;
    const pid_t child = hold();
    assert_error(take(&lock), GB_BAD_INPUT, gb_fixture_name("process %d on ", (int)child));
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(gb_fixture_entries(""), 1);
    assert_ok(take(&lock));
    gb_lock_release(&lock);
    assert_int_equal(gb_fixture_entries(""), 0);
}

// The waiting process takes it after the holder has removed the file.
GB_FIXTURE_TEST(waits_for_the_other) {
    struct gb_lock lock;
    int taken[2];
    char byte = 0;
    assert_int_equal(pipe(taken), 0);
    assert_ok(take(&lock));
    const pid_t child = fork();
    if (child == 0) {
        struct gb_lock other;
        const bool waited = gb_lock_wait(&other, gb_fixture_path("lock")) == GB_OK && other.path;
        const char *word = waited && access(gb_fixture_path("lock"), F_OK) == 0 ? "y" : "n";
        gb_lock_release(&other);
        _exit(write(taken[1], word, 1) != 1);
    }
    usleep(20000);
    gb_lock_release(&lock);
    assert_int_equal(read(taken[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(gb_fixture_entries(""), 0);
}

GB_FIXTURE_TEST(does_without_where_it_cannot_be) {
    struct gb_lock lock;
    assert_ok(gb_lock_take(&lock, gb_fixture_path("none/lock"), "cannot start", "DIR"));
    assert_null(lock.path);
    gb_lock_release(&lock);
}
