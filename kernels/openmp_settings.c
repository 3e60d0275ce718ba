// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // memfd_create
#include "kernels/openmp_settings.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if !defined(GB_PTHREADS)
#include <omp.h>
#endif

static char complaint[256]; // the first; "": none

// GCC's runtime and LLVM's; the latter warns of other things as well, and adds lines of hints.
static const char *complaint_in(const char *line) {
    static const char gcc[] = "libgomp: ", llvm[] = "OMP: Warning ";
    if (strncmp(line, gcc, strlen(gcc)) == 0)
        return line + strlen(gcc);
    return strncmp(line, llvm, strlen(llvm)) == 0 && (strstr(line, "OMP_") || strstr(line, "KMP_"))
               ? line + strlen("OMP: ")
               : NULL;
}
static bool is_hint(const char *line) {
    return strncmp(line, "OMP: Info ", strlen("OMP: Info ")) == 0 ||
           strncmp(line, "OMP: Hint ", strlen("OMP: Hint ")) == 0;
}

void gb_openmp_note(char *lines) {
    char *rest = lines, *line;
    while ((line = strsep(&rest, "\n"))) {
        const char *found = complaint_in(line);
        if (found && !*complaint && !strstr(found, "OMP_NUM_THREADS"))
            snprintf(complaint, sizeof complaint, "%s", found);
        else if (!found && *line && !is_hint(line))
            fprintf(stderr, "%s\n", line);
    }
}

void gb_openmp_start(void) {
#if !defined(GB_PTHREADS)
    static bool started;
    if (started)
        return;
    started = true;
    char lines[8192] = "";
    // One more descriptor while the runtime starts: LLVM's aborts where it finds none left.
    const int kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int memory = kept < 0 ? -1 : memfd_create("stderr", MFD_CLOEXEC);
    fflush(stderr);
    if (memory >= 0) {
        dup2(memory, STDERR_FILENO);
        close(memory);
    }
    omp_get_max_threads();
    if (memory >= 0) {
        const ssize_t bytes = pread(STDERR_FILENO, lines, sizeof lines - 1, 0);
        lines[bytes > 0 ? bytes : 0] = '\0';
        dup2(kept, STDERR_FILENO);
    }
    if (kept >= 0)
        close(kept);
    gb_openmp_note(lines);
#endif
}

enum gb_status gb_openmp_settings(void) {
    gb_openmp_start();
    if (!*complaint)
        return GB_OK;
    char name[64];
    const char *found = strstr(complaint, "OMP_"), *found_llvm = strstr(complaint, "KMP_");
    if (found && found > complaint && found[-1] == 'G')
        found--;
    found = found ? found : found_llvm;
    if (!found) { // "Stack size less than minimum of 16k", "Logical CPU number 99 out of range"
        const bool is_stack = strncmp(complaint, "Stack size", strlen("Stack size")) == 0;
        return gb_fail(GB_BAD_INPUT, "bad value",
                       !is_stack                 ? "GOMP_CPU_AFFINITY or OMP_PLACES"
                       : getenv("OMP_STACKSIZE") ? "OMP_STACKSIZE"
                                                 : "GOMP_STACKSIZE",
                       "refused by OpenMP: %s", complaint);
    }
    snprintf(name, sizeof name, "%.*s", (int)strspn(found, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), found);
    const char *value = getenv(name);
    return gb_fail(GB_BAD_INPUT, "bad value", name, "\"%s\" is refused by OpenMP: %s",
                   value ? value : "", complaint);
}
