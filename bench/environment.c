// SPDX-License-Identifier: MIT
// Variables that reach into libraries and must not: Google Benchmark takes its options from
// BENCHMARK_OUT, BENCHMARK_FILTER and others when it is loaded, which would end `bench` or change
// what it does; with POSIXLY_CORRECT popt takes no option after the first operand; hwloc describes
// another machine, oneDNN multiplies in another precision, libxsmm generates other code, libjpeg
// has less memory. They are removed by a function that runs before any library's.
//
// GCC's OpenMP reads its variables when it is loaded, and prints lines about those that it ignores.
// Where there are such variables, standard error is a pipe until main's own constructors run.
#define _GNU_SOURCE // O_CLOEXEC, F_DUPFD_CLOEXEC
#include "bench/environment.h"

#if defined(__linux__)
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const removed[] = {"BENCHMARK_",
                                      "POSIXLY_CORRECT=",
                                      "HWLOC_",
                                      "DNNL_DEFAULT_FPMATH_MODE=",
                                      "ONEDNN_DEFAULT_FPMATH_MODE=",
                                      "LIBXSMM_",
                                      "JPEGMEM="};
static const char *const openmp[] = {"OMP_", "GOMP_"};
enum { REMOVED = sizeof removed / sizeof *removed, OPENMP = sizeof openmp / sizeof *openmp };

// Clang runs constructors at compile time where it can, from the initial values of variables: it
// knows nothing of .preinit_array. Volatile ones it leaves alone.
static volatile int standard_error = -1, lines_of_libraries = -1;

// No function of a library that a sanitizer replaces may be called before main's constructors.
#define BEFORE_LIBRARIES __attribute__((no_sanitize("address", "thread", "undefined"))) static

BEFORE_LIBRARIES int begins_with_one(const char *variable, const char *const *starts, int count) {
    for (int i = 0; i < count; i++) {
        int same = 0;
        while (starts[i][same] && variable[same] == starts[i][same])
            same++;
        if (!starts[i][same])
            return 1;
    }
    return 0;
}

BEFORE_LIBRARIES void keep_lines(void) {
    int ends[2];
    if (syscall(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK) != 0) // if full, it drops lines
        return;
    const int kept = (int)syscall(SYS_fcntl, STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    // A standard stream that is closed is opened by main.
    if (kept >= 0 && ends[0] > STDERR_FILENO && ends[1] > STDERR_FILENO &&
        syscall(SYS_dup3, ends[1], STDERR_FILENO, 0) >= 0) {
        standard_error = kept;
        lines_of_libraries = ends[0];
    } else {
        syscall(SYS_close, ends[0]);
        if (kept >= 0)
            syscall(SYS_close, kept);
    }
    syscall(SYS_close, ends[1]);
}

BEFORE_LIBRARIES void prepare(int argc, char **argv, char **variables) {
    (void)argc, (void)argv;
    int complaints = 0;
    char **kept = variables;
    for (; *variables; variables++) {
        complaints |= begins_with_one(*variables, openmp, OPENMP);
        if (!begins_with_one(*variables, removed, REMOVED))
            *kept++ = *variables;
    }
    *kept = 0;
    if (complaints)
        keep_lines();
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **,
                                                                            char **) = prepare;

// Those of libraries have run.
__attribute__((constructor)) static void give_back(void) {
    if (standard_error < 0)
        return;
    dup2(standard_error, STDERR_FILENO);
    close(standard_error);
}

void gb_take_library_lines(char *lines, size_t size) {
    size_t used = 0;
    ssize_t bytes;
    while (lines_of_libraries >= 0 && used < size - 1 &&
           (bytes = read(lines_of_libraries, lines + used, size - 1 - used)) > 0)
        used += (size_t)bytes;
    lines[used] = '\0';
    if (lines_of_libraries >= 0)
        close(lines_of_libraries);
    lines_of_libraries = -1;
}
#else
void gb_take_library_lines(char *lines, size_t size) {
    (void)size;
    *lines = '\0';
}
#endif
