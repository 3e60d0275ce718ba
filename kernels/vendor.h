// SPDX-License-Identifier: MIT
// Loads the library of a vendor backend when it is first asked for: a program that does not use it
// neither waits for it nor fails with it. Its functions are called through a struct of pointers,
// one member per function.
#ifndef GB_VENDOR_H
#define GB_VENDOR_H

#include <stddef.h>

#include "base/status.h"

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
};

// GB_UNSUPPORTED, naming the library and the reason, if it or one of its functions is missing, or
// as gb_openmp_check.
enum gb_status gb_vendor_load(const struct gb_vendor_library *library);

// GB_OUT_OF_MEMORY, naming the library, unless this much address space is free (ulimit -v): for
// libraries that do not return where they cannot get it.
enum gb_status gb_vendor_room(const char *title, size_t bytes);

#endif
