// SPDX-License-Identifier: MIT
// What this program was built from and how; fixed by the build (cmake/build_info.cmake).
#ifndef GB_BUILD_H
#define GB_BUILD_H

struct gb_build {
    const char *version;
    const char *commit;      // of the sources, with "+changes" after it where files that git knows
                             // differed; "unknown" outside a git checkout
    const char *commit_date; // when it was committed, UTC, "2024-05-01T12:00:00Z"; "" if unknown
    const char *type;        // CMAKE_BUILD_TYPE
    const char *compiler;    // name and version
    const char *flags;       // of every source file
    const char *isa_flags;   // added for the kernels of each instruction set, "avx2: ...; ..."
    const char *popt_version, *hwloc_version; // libraries that cannot be asked at run time
};

extern const struct gb_build gb_build;

#endif
