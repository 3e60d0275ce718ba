// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // gethostname
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

// "PROCESS on HOST", as the holder writes it.
enum { HOLDER = 128 };

static void write_holder(int descriptor) {
    char host[64] = "", text[HOLDER];
    gethostname(host, sizeof host - 1);
    const int length = snprintf(text, sizeof text, "%ld on %s\n", (long)getpid(), host);
    // Without its name the lock is as good.
    if (ftruncate(descriptor, 0) == 0 && pwrite(descriptor, text, (size_t)length, 0) < length)
        ftruncate(descriptor, 0);
}

static enum gb_status held(int descriptor, const char *what, const char *where) {
    char holder[HOLDER];
    const ssize_t length = pread(descriptor, holder, sizeof holder - 1, 0);
    holder[length > 0 ? length : 0] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
    return *holder ? gb_fail(GB_BAD_INPUT, what, where, "in use by process %s", holder)
                   : gb_fail(GB_BAD_INPUT, what, where, "in use by another process");
}

// An open file at `path` that this process has locked, or an error number: EWOULDBLOCK with the
// file open where another process has, any other without.
static int lock_file(const char *path, int operation, int *descriptor) {
    for (;;) {
        struct stat status;
        *descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (*descriptor < 0)
            return errno;
        const int error = flock(*descriptor, operation) == 0 ? 0 : errno;
        if (error == EWOULDBLOCK)
            return error;
        // The holder before removed the file between the two calls.
        const bool removed = fstat(*descriptor, &status) == 0 && status.st_nlink == 0;
        if (error == 0 && !removed)
            return 0;
        close(*descriptor);
        if (error == 0 || error == EINTR)
            continue;
        unlink(path); // there are no locks
        return error;
    }
}

static enum gb_status take(struct gb_lock *lock, const char *path, int operation, const char *what,
                           const char *where) {
    *lock = (struct gb_lock){.path = strdup(path)};
    if (!lock->path)
        return gb_no_memory(what, where);
    const int error = lock_file(path, operation, &lock->descriptor);
    if (error == 0) {
        write_holder(lock->descriptor);
        return GB_OK;
    }
    enum gb_status status = GB_OK;
    if (error == EWOULDBLOCK) {
        status = held(lock->descriptor, what, where);
        close(lock->descriptor);
    }
    free(lock->path);
    *lock = (struct gb_lock){0};
    return status;
}

enum gb_status gb_lock_take(struct gb_lock *lock, const char *path, const char *what,
                            const char *where) {
    return take(lock, path, LOCK_EX | LOCK_NB, what, where);
}

enum gb_status gb_lock_wait(struct gb_lock *lock, const char *path) {
    return take(lock, path, LOCK_EX, "cannot lock", path);
}

void gb_lock_release(struct gb_lock *lock) {
    if (lock->path) {
        unlink(lock->path);               // while it is locked
        flock(lock->descriptor, LOCK_UN); // a forked process may have the descriptor as well
        close(lock->descriptor);
        free(lock->path);
    }
    *lock = (struct gb_lock){0};
}
