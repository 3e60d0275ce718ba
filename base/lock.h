// SPDX-License-Identifier: MIT
// A lock on a place that one process at a time may write, such as a run's directory: an open and
// locked file that names its holder. The system releases it when the holder dies, over NFS as well.
#ifndef GB_LOCK_H
#define GB_LOCK_H

#include "base/status.h"

struct gb_lock {
    int descriptor;
    char *path; // NULL: nothing to release
};

// Locks by the file at `path`, which it creates. If another process holds it: GB_BAD_INPUT with the
// message "`what`: `where`: in use by process 123 on HOST". Where the system has no locks, or the
// file cannot be created, there is none and the call succeeds. GB_OUT_OF_MEMORY.
enum gb_status gb_lock_take(struct gb_lock *lock, const char *path, const char *what,
                            const char *where);
// The same, but waits for the other process.
enum gb_status gb_lock_wait(struct gb_lock *lock, const char *path);

// Removes the file. A zeroed lock is left alone.
void gb_lock_release(struct gb_lock *lock);

#endif
