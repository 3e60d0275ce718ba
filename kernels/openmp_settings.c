// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // pipe2
#include "kernels/openmp_settings.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if !defined(GB_PTHREADS)
#include <omp.h>
#endif

static char complaint[256]; // the first; "": none

// GCC's runtime and LLVM's; the latter warns of other things as well.
static const char *complaint_in(const char *line) {
    static const char gcc[] = "libgomp: ", llvm[] = "OMP: Warning ";
    if (strncmp(line, gcc, strlen(gcc)) == 0)
        return line + strlen(gcc);
    return strncmp(line, llvm, strlen(llvm)) == 0 &&
                   (strstr(line, "invalid") || strstr(line, "ignored"))
               ? line + strlen("OMP: ")
               : NULL;
}

void gb_openmp_note(char *lines) {
    char *rest = lines, *line;
    while ((line = strsep(&rest, "\n"))) {
        const char *found = complaint_in(line);
        if (found && !*complaint && !strstr(found, "OMP_NUM_THREADS"))
            snprintf(complaint, sizeof complaint, "%s", found);
        else if (!found && *line)
            fprintf(stderr, "%s\n", line);
    }
}

#if !defined(GB_PTHREADS)
static void read_all(int descriptor, char *text, size_t size) {
    size_t used = 0;
    ssize_t bytes;
    while (used < size - 1 && (bytes = read(descriptor, text + used, size - 1 - used)) > 0)
        used += (size_t)bytes;
    text[used] = '\0';
}
#endif

void gb_openmp_start(void) {
#if !defined(GB_PTHREADS)
    static bool started;
    if (started)
        return;
    started = true;
    char lines[8192] = "";
    int ends[2];
    fflush(stderr);
    const int standard_error = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    // A full pipe drops lines.
    const bool piped = standard_error >= 0 && pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0;
    if (piped)
        dup2(ends[1], STDERR_FILENO);
    omp_get_max_threads();
    if (piped) {
        dup2(standard_error, STDERR_FILENO);
        read_all(ends[0], lines, sizeof lines);
        close(ends[0]);
        close(ends[1]);
    }
    if (standard_error >= 0)
        close(standard_error);
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
    if (!found) // "Logical CPU number 99 out of range"
        return gb_fail(GB_BAD_INPUT, "bad value", "a variable OMP_...", "refused by OpenMP: %s",
                       complaint);
    snprintf(name, sizeof name, "%.*s", (int)strspn(found, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), found);
    const char *value = getenv(name);
    return gb_fail(GB_BAD_INPUT, "bad value", name, "\"%s\" is refused by OpenMP: %s",
                   value ? value : "", complaint);
}
