// SPDX-License-Identifier: MIT
// The loops that gb_peaks_measure times, one table an instruction set.
#ifndef GB_PEAKS_BODY_H
#define GB_PEAKS_BODY_H

#include <stddef.h>

// Arrays are whole chunks of this many floats.
enum { GB_PEAKS_CHUNK = 128 };

struct gb_peaks_body {
    const char *isa;
    int fmas_a_round; // multiply-adds in one round of fma()
    // Runs `rounds` rounds in registers alone. The result depends on all of them.
    float (*fma)(size_t rounds);
    // Over arrays of `count` floats each, 64-byte aligned; the bytes an element that are counted:
    float (*read)(const float *a, size_t count);          // 4 bytes
    void (*copy)(float *a, const float *b, size_t count); // a = b: 8
    void (*triad)(float *a, const float *b, const float *c, float s,
                  size_t count);                                         // a = b + s*c: 12
    void (*update)(float *a, float *b, float *c, float s, size_t count); // all three: 24
};

extern const struct gb_peaks_body gb_peaks_body__scalar;
#if defined(__x86_64__)
extern const struct gb_peaks_body gb_peaks_body__avx2;
extern const struct gb_peaks_body gb_peaks_body__avx512;
#endif

#endif
