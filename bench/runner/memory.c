// SPDX-License-Identifier: MIT
#include "bench/runner/memory.h"

#include <math.h>
#include <stdio.h>
#include <sys/personality.h>

double gb_aslr(void) {
    const int personality_now = personality(0xffffffff); // asks without a change
    double level = NAN;
    FILE *file = fopen("/proc/sys/kernel/randomize_va_space", "r");
    if (file && fscanf(file, "%lf", &level) != 1)
        level = NAN;
    if (file)
        fclose(file);
    return personality_now != -1 && (personality_now & ADDR_NO_RANDOMIZE) ? 0 : level;
}

double gb_huge_page_bytes(void) {
    char line[256];
    double kilobytes = NAN;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file && fgets(line, sizeof line, file) &&
           sscanf(line, "AnonHugePages: %lf kB", &kilobytes) != 1)
        ;
    if (file)
        fclose(file);
    return 1024 * kilobytes;
}
