// SPDX-License-Identifier: MIT
// Google Benchmark takes its options from the environment when it is loaded: BENCHMARK_OUT,
// BENCHMARK_FILTER, BENCHMARK_PERF_COUNTERS and others would end `bench`, or change what it does.
// They are removed before that, by a function that runs before any library's.
#if defined(__GLIBC__) || defined(__linux__)

#if defined(__has_attribute)
#if __has_attribute(no_sanitize)
#define UNCHECKED __attribute__((no_sanitize("address", "thread", "undefined")))
#endif
#endif
#if !defined(UNCHECKED)
#define UNCHECKED
#endif

// No function of a library may be called yet.
UNCHECKED static void remove_options(int argc, char **argv, char **variables) {
    static const char prefix[] = "BENCHMARK_";
    (void)argc, (void)argv;
    char **kept = variables;
    for (; *variables; variables++) {
        int same = 0;
        while (prefix[same] && (*variables)[same] == prefix[same])
            same++;
        if (prefix[same])
            *kept++ = *variables;
    }
    *kept = 0;
}

__attribute__((section(".preinit_array"),
               used)) static void (*const first)(int, char **, char **) = remove_options;

#endif
