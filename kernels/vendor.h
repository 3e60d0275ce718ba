// SPDX-License-Identifier: MIT
// Loads the library of a vendor backend when it is first asked for: a program that does not use it
// neither waits for it nor fails with it. Its functions are called through a struct of pointers,
// one member per function.
#ifndef GB_VENDOR_H
#define GB_VENDOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "kernels/epilogue/rows.h"

struct gb_vendor_function {
    const char *name;
    void **address; // of the member
};

struct gb_vendor_library {
    const char *title; // for messages: "oneDNN"
    const char *file;  // looked for as the dynamic linker does, in LD_LIBRARY_PATH first
    const char *path;  // where the build found it, for programs that have no search path for it
    const struct gb_vendor_function *functions;
    int count;
    bool on_callers_threads; // otherwise it runs on OpenMP's, as gb_parallel does from then on
};

// GB_UNSUPPORTED, naming the library and the reason, if it or one of its functions is missing, or
// as gb_openmp_check.
enum gb_status gb_vendor_load(const struct gb_vendor_library *library);

// What loading a library came to; static, initialised by GB_VENDOR_ONCE.
struct gb_vendor_once {
    pthread_mutex_t lock;
    bool done;
    enum gb_status status;
    char message[GB_MESSAGE];
};
#define GB_VENDOR_ONCE                                                                             \
    { .lock = PTHREAD_MUTEX_INITIALIZER }

// Calls `load`, once; later calls fail as it did, with its message.
enum gb_status gb_vendor_load_once(struct gb_vendor_once *once, enum gb_status (*load)(void));

// GB_OUT_OF_MEMORY, naming the library, unless this much address space is free (ulimit -v): for
// libraries that do not return where they cannot get it.
enum gb_status gb_vendor_check_space(const char *title, size_t bytes);

// ---- What vendor backends share ----

struct gb_backend;

// The native table whose add, adam and epilogue_backward a vendor backend calls, and the forward
// epilogue of its instruction set.
struct gb_vendor_fallback {
    const struct gb_backend *backend;
    gb_epilogue_rows_fn *epilogue;
};
const struct gb_vendor_fallback *gb_vendor_fallback_of(const struct gb_backend *backend);

// True if a view's elements are contiguous. Strides over a single row, column or image are
// irrelevant.
static inline bool gb_vendor_is_dense(const struct gb_tensor *t) {
    const ptrdiff_t row = (ptrdiff_t)t->w * t->c;
    return (t->w == 1 || t->pixel == t->c) && (t->h == 1 || t->row == row) &&
           (t->n == 1 || t->image == t->h * row);
}

// Around what only reorders operands: adds its seconds to exec->reorder_seconds, if that is wanted.
double gb_vendor_reorder_start(const struct gb_exec *exec);
void gb_vendor_reorder_end(const struct gb_exec *exec, double start);

#endif
