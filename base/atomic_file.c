// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // asprintf
#include "base/atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void forget(struct gb_atomic_file *file) {
    free(file->path);
    free(file->temporary);
    *file = (struct gb_atomic_file){0};
}

// Locks a new file for as long as it is open, which tells a sweep that it is in use; false where a
// sweep came in between. A file system without locks is never swept.
static bool claim(int descriptor) {
    struct stat status;
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return false;
    return fstat(descriptor, &status) == 0 && status.st_nlink > 0;
}

// Opens a name that nobody else has, by the system's word. The mode is left to the umask, which
// mkstemp would not do.
static int open_temporary(struct gb_atomic_file *file) {
    enum { ATTEMPTS = 100 };
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        free(file->temporary);
        file->temporary = NULL;
        if (asprintf(&file->temporary, "%s.%ld-%d.tmp", file->path, (long)getpid(), attempt) < 0) {
            file->temporary = NULL;
            errno = ENOMEM;
            return -1;
        }
        int descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor < 0 && errno != EEXIST)
            return -1;
        if (descriptor >= 0 && claim(descriptor))
            return descriptor;
        if (descriptor >= 0)
            close(descriptor);
    }
    return -1;
}

static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
}

// True for "NAME.PID-ATTEMPT.tmp".
static bool is_temporary(const char *entry, const char *name) {
    size_t length = strlen(name);
    long process;
    int attempt, end = 0;
    return strncmp(entry, name, length) == 0 &&
           sscanf(entry + length, ".%ld-%d.tmp%n", &process, &attempt, &end) == 2 && end > 0 &&
           !entry[length + (size_t)end];
}

// A file's lock ends with the process that held it, on whatever host that was; process numbers mean
// nothing in a directory that hosts share.
static void remove_unlocked(int directory, const char *name) {
    int descriptor = openat(directory, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor < 0)
        return;
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0)
        unlinkat(directory, name, 0);
    close(descriptor);
}

// Removes the temporary files beside `path` that killed processes left.
static void sweep(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *directory = folder_of(path);
    DIR *entries = directory ? opendir(directory) : NULL;
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if (is_temporary(entry->d_name, name))
            remove_unlocked(dirfd(entries), entry->d_name);
    if (entries)
        closedir(entries);
    free(directory);
}

enum gb_status gb_atomic_open(struct gb_atomic_file *file, const char *path) {
    *file = (struct gb_atomic_file){0};
    // A rename would replace a device or a pipe by a file.
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return gb_fail(GB_BAD_INPUT, "cannot write", path,
                       S_ISDIR(status.st_mode) ? "is a directory" : "is not a regular file");
    if (!*path)
        return gb_fail(GB_BAD_INPUT, "cannot write", path, "the file name is empty");
    file->path = strdup(path);
    if (!file->path)
        return gb_no_memory("cannot write", path);
    sweep(path);
    int descriptor = open_temporary(file);
    if (descriptor < 0) {
        int reason = errno;
        forget(file);
        return gb_fail(GB_IO_ERROR, "cannot write", path, "%s", strerror(reason));
    }
    file->stream = fdopen(descriptor, "wb");
    if (!file->stream) {
        close(descriptor);
        unlink(file->temporary);
        forget(file);
        return gb_no_memory("cannot write", path);
    }
    return GB_OK;
}

// Makes a rename survive a crash of the system. The file is whole either way: no failure.
static void sync_folder(const char *path) {
    char *directory = folder_of(path);
    int descriptor = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (descriptor >= 0) {
        fsync(descriptor);
        close(descriptor);
    }
    free(directory);
}

enum gb_status gb_atomic_commit(struct gb_atomic_file *file) {
    errno = 0;
    bool failed = ferror(file->stream) != 0;
    failed = fflush(file->stream) != 0 || failed;
    failed = failed || fsync(fileno(file->stream)) != 0;
    int reason = errno;
    // The lock is held until the rename: a sweep may not come in between.
    int lock = fcntl(fileno(file->stream), F_DUPFD_CLOEXEC, 0);
    // A network file system may report a full disk as late as here.
    if (fclose(file->stream) != 0 && !failed) {
        failed = true;
        reason = errno;
    }
    file->stream = NULL;
    if (!failed && rename(file->temporary, file->path) != 0) {
        failed = true;
        reason = errno;
    }
    if (lock >= 0)
        close(lock);
    enum gb_status status = GB_OK;
    if (failed) {
        unlink(file->temporary);
        status = gb_fail(GB_IO_ERROR, "cannot write", file->path, "%s",
                         reason ? strerror(reason) : "a write failed; is the disk full?");
    } else {
        sync_folder(file->path);
    }
    forget(file);
    return status;
}

void gb_atomic_abort(struct gb_atomic_file *file) {
    if (!file->stream)
        return;
    fclose(file->stream);
    unlink(file->temporary);
    forget(file);
}

enum gb_status gb_atomic_probe(const char *path) {
    struct gb_atomic_file file;
    GB_TRY(gb_atomic_open(&file, path));
    gb_atomic_abort(&file);
    return GB_OK;
}
