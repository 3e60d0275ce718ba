// SPDX-License-Identifier: MIT
// Variables that reach into libraries and must not: Google Benchmark takes its options from
// BENCHMARK_OUT, BENCHMARK_FILTER and others when it is loaded, which would end `bench` or change
// what it does; with POSIXLY_CORRECT popt takes no option after the first operand; hwloc describes
// another machine, oneDNN multiplies in another precision, libjpeg has less memory. They are
// removed by a function that runs before any library's.
#if defined(__linux__)

static const char *const removed[] = {"BENCHMARK_",
                                      "POSIXLY_CORRECT=",
                                      "HWLOC_",
                                      "DNNL_DEFAULT_FPMATH_MODE=",
                                      "ONEDNN_DEFAULT_FPMATH_MODE=",
                                      "JPEGMEM="};
enum { REMOVED = sizeof removed / sizeof *removed };

// No function of a library may be called yet, a sanitizer's neither.
__attribute__((no_sanitize("address", "thread", "undefined"))) static void
remove_variables(int argc, char **argv, char **variables) {
    (void)argc, (void)argv;
    char **kept = variables;
    for (; *variables; variables++) {
        int keep = 1;
        for (int i = 0; i < REMOVED; i++) {
            int same = 0;
            while (removed[i][same] && (*variables)[same] == removed[i][same])
                same++;
            keep &= removed[i][same] != '\0';
        }
        if (keep)
            *kept++ = *variables;
    }
    *kept = 0;
}

__attribute__((section(".preinit_array"),
               used)) static void (*const first)(int, char **, char **) = remove_variables;

#endif
