// SPDX-License-Identifier: MIT
// A backend is a table of kernels. A model holds the table that it was built with, so several
// backends can live in one process. Native ones are of one instruction set each: scalar (the
// reference), avx2, avx512. A vendor backend is a copy of a native table, its
// fallback, with the entries that the library implements replaced (onednn/onednn.h, blas/blas.h).
#ifndef GB_BACKEND_H
#define GB_BACKEND_H

#include "kernels/registry.h"

struct gb_backend {
    const char *name;
    const char *isa;        // CPU features required, for messages
    size_t cpu_level;       // the same for gb_cpu_has
    const char *library;    // a vendor library's name and version, "" until it is loaded; "" native
    const char *built_with; // the version of the library's header; NULL native
    enum gb_status (*load)(void); // for gb_backend_load; NULL native
    int lanes;                    // floats per vector
    unsigned precisions;          // of packed operands: 1 << enum gb_type for each that it offers
    bool same_bits;               // for any number of threads
    const struct gb_backend *fallback; // of the entries that a vendor library lacks; NULL native
    enum gb_status (*check)(void);     // for gb_backend_check; NULL where no kernel can fail

#define GB_FIELD(entry, isa) gb_##entry##_fn entry;
    GB_KERNELS(GB_FIELD, )
#undef GB_FIELD
};

// The backend called `name`. A vendor library's name alone takes the default native backend as its
// fallback; "onednn+avx2" names it. NULL or "" means $GB_BACKEND if set, else the default: the best
// native backend that this CPU supports, at or below $GB_ISA where that names one. GB_UNSUPPORTED
// with a message where a name is unknown, not in this build, or not for this CPU; there is no
// silent substitute.
enum gb_status gb_backend_find(const char *name, const struct gb_backend **backend);

// All backends of this build, the native ones first, best first, ended by NULL, whether or not this
// CPU runs them. Vendor libraries are here once, over the default native backend.
const struct gb_backend *const *gb_backends(void);

// Vendor libraries over each native backend by name, "onednn+avx2", ended by NULL.
const struct gb_backend *const *gb_backend_pairs(void);

// True if this CPU and operating system run it.
bool gb_backend_supported(const struct gb_backend *backend);

// Loads the backend's vendor library, once. gb_backend_find does, and so do plans. GB_UNSUPPORTED
// or GB_OUT_OF_MEMORY with a message that names the library.
enum gb_status gb_backend_load(const struct gb_backend *backend);

// The best native backend of this CPU that shares no kernel with this one, to compare it with: of
// another instruction set; scalar where there is no other.
const struct gb_backend *gb_backend_other(const struct gb_backend *backend);

// Kernels return nothing: all that a caller may get wrong was refused by their plans. A vendor
// library may still fail while it runs. GB_OUT_OF_MEMORY or GB_UNSUPPORTED from then on if one did,
// on any thread: what its kernels wrote is not a result.
enum gb_status gb_backend_check(const struct gb_backend *backend);

// True if the backend's kernel of the registry's name, "conv_forward", is its fallback's.
bool gb_backend_falls_back(const struct gb_backend *backend, const char *entry);

#endif
