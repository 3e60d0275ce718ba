// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // asprintf, O_PATH
#include "base/atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/files.h"

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

static char *directory_of(const char *path) {
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
    char *directory = directory_of(path);
    DIR *entries = directory ? opendir(directory) : NULL;
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if (is_temporary(entry->d_name, name))
            remove_unlocked(dirfd(entries), entry->d_name);
    if (entries)
        closedir(entries);
    free(directory);
}

// ---- Where to write ----

// A link of the proc file system, such as /dev/stdout leads to, stands for an open file, which need
// not have a name. Of this process it is the descriptor with that number, else -1.
struct open_file {
    bool found;
    int descriptor;
};

static struct open_file open_file_of(const char *link) {
    struct open_file file = {.descriptor = -1};
    struct statfs system;
    const int descriptor = open(link, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    file.found =
        descriptor >= 0 && fstatfs(descriptor, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
    if (descriptor >= 0)
        close(descriptor);
    char *directory = file.found ? directory_of(link) : NULL, parent[PATH_MAX], own[64], *end;
    snprintf(own, sizeof own, "/proc/%ld/fd", (long)getpid());
    if (directory && realpath(directory, parent) && strcmp(parent, own) == 0) {
        const char *name = strrchr(link, '/') + 1;
        const long number = strtol(name, &end, 10);
        if (end != name && !*end && number <= INT_MAX)
            file.descriptor = (int)number;
    }
    free(directory);
    return file;
}

// What a link points to, relative to the link's directory; NULL with errno.
static char *next_path(const char *link) {
    char target[PATH_MAX], *path = NULL;
    const ssize_t length = readlink(link, target, sizeof target - 1);
    if (length < 0)
        return NULL;
    target[length] = '\0';
    char *directory = *target == '/' ? strdup("") : directory_of(link);
    if (!directory ||
        asprintf(&path, "%s%s%s", directory, *directory == '.' ? "/" : "", target) < 0)
        path = NULL;
    free(directory);
    return path;
}

// Follows links from file->path to what is to be written, which may be missing. `descriptor`: an
// open file of this process that stands for it, or -1; *through: it is not to be renamed. Returns
// an error number.
static int resolve(struct gb_atomic_file *file, int *descriptor, bool *through) {
    enum { MAX_LINKS = 40 };
    struct stat status;
    *descriptor = -1;
    *through = false;
    for (int links = 0; lstat(file->path, &status) == 0; links++) {
        if (!S_ISLNK(status.st_mode)) {
            *through = !S_ISREG(status.st_mode);
            return 0;
        }
        const struct open_file opened = open_file_of(file->path);
        if (opened.found) {
            *descriptor = opened.descriptor;
            *through = true;
            return 0;
        }
        char *next = links < MAX_LINKS ? next_path(file->path) : NULL;
        if (!next)
            return links < MAX_LINKS ? errno : ELOOP;
        free(file->path);
        file->path = next;
    }
    return 0;
}

static int open_through(const char *path, int descriptor) {
    fflush(NULL); // what was printed before, to the same file or terminal
    return descriptor >= 0 ? fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                           : open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
}

// Whoever may not write the file may not replace it either.
static int open_next_to(struct gb_atomic_file *file) {
    struct stat old;
    const bool exists = stat(file->path, &old) == 0;
    if (exists && access(file->path, W_OK) != 0)
        return -1;
    sweep(file->path);
    const int descriptor = open_temporary(file);
    if (descriptor >= 0 && exists) {
        if (fchown(descriptor, old.st_uid, old.st_gid) != 0 &&
            fchown(descriptor, (uid_t)-1, old.st_gid) != 0)
            old.st_mode &= 0777; // the owner that runs it would be another
        fchmod(descriptor, old.st_mode & 07777);
    }
    return descriptor;
}

// With `probe` nothing is opened that is written as it is.
static enum gb_status begin(struct gb_atomic_file *file, const char *path, bool probe) {
    static const char what[] = "cannot write";
    *file = (struct gb_atomic_file){0};
    struct stat status;
    if (!*path)
        return gb_fail(GB_BAD_INPUT, what, path, "the file name is empty");
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return gb_fail(GB_BAD_INPUT, what, path, "is a directory");
    file->path = strdup(path);
    if (!file->path)
        return gb_no_memory(what, path);
    bool through;
    int standing, reason = resolve(file, &standing, &through), descriptor = -1;
    if (reason == 0 && through && probe) {
        reason = standing < 0 && access(file->path, W_OK) != 0 ? errno : 0;
    } else if (reason == 0) {
        descriptor = through ? open_through(file->path, standing) : open_next_to(file);
        reason = descriptor < 0 ? errno : 0;
    }
    if (descriptor >= 0) {
        file->stream = fdopen(descriptor, "wb");
        reason = file->stream ? 0 : ENOMEM;
    }
    if (reason == 0)
        return GB_OK;
    if (descriptor >= 0)
        close(descriptor);
    if (descriptor >= 0 && file->temporary)
        unlink(file->temporary);
    forget(file);
    return gb_fail(GB_IO_ERROR, what, path, "%s", strerror(reason));
}

enum gb_status gb_atomic_open(struct gb_atomic_file *file, const char *path) {
    return begin(file, path, false);
}

void gb_atomic_sweep(const char *path) {
    struct gb_atomic_file file = {.path = strdup(path)};
    bool through;
    int standing;
    if (file.path && resolve(&file, &standing, &through) == 0 && !through)
        sweep(file.path);
    forget(&file);
}

enum gb_status gb_stream_open(const char *path, FILE **stream) {
    struct gb_atomic_file file = {.path = strdup(path)};
    bool through = false;
    int standing;
    *stream = NULL;
    const bool resolved = file.path && resolve(&file, &standing, &through) == 0;
    forget(&file);
    if (!resolved || !through || gb_is_directory(path))
        return GB_OK; // what is wrong with it shows when it is opened
    GB_TRY(gb_atomic_open(&file, path));
    *stream = file.stream;
    forget(&file);
    return GB_OK;
}

enum gb_status gb_atomic_probe(const char *path) {
    struct gb_atomic_file file;
    GB_TRY(begin(&file, path, true));
    gb_atomic_abort(&file);
    return GB_OK;
}

// Makes a rename survive a crash of the system. The file is whole either way: no failure.
static void sync_directory(const char *path) {
    char *directory = directory_of(path);
    int descriptor = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (descriptor >= 0) {
        fsync(descriptor);
        close(descriptor);
    }
    free(directory);
}

enum gb_status gb_atomic_commit(struct gb_atomic_file *file) {
    const bool renamed = file->temporary != NULL;
    errno = 0;
    bool failed = ferror(file->stream) != 0;
    failed = fflush(file->stream) != 0 || failed;
    failed = failed || (fsync(fileno(file->stream)) != 0 && renamed); // pipes have no sync
    int reason = errno;
    // The lock is held until the rename: a sweep may not come in between.
    int lock = fcntl(fileno(file->stream), F_DUPFD_CLOEXEC, 0);
    // A network file system may report a full disk as late as here.
    if (fclose(file->stream) != 0 && !failed) {
        failed = true;
        reason = errno;
    }
    file->stream = NULL;
    if (!failed && renamed && rename(file->temporary, file->path) != 0) {
        failed = true;
        reason = errno;
    }
    if (lock >= 0)
        close(lock);
    enum gb_status status = GB_OK;
    if (failed)
        status = gb_fail(GB_IO_ERROR, "cannot write", file->path, "%s",
                         reason ? strerror(reason) : "a write failed; is the disk full?");
    if (failed && renamed)
        unlink(file->temporary);
    else if (renamed)
        sync_directory(file->path);
    forget(file);
    return status;
}

void gb_atomic_abort(struct gb_atomic_file *file) {
    if (file->stream) {
        __fpurge(file->stream); // of a pipe
        fclose(file->stream);
        if (file->temporary)
            unlink(file->temporary);
    }
    forget(file);
}
