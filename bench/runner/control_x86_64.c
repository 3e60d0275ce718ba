// SPDX-License-Identifier: MIT
#include "bench/runner/control_loops.h"

// SSE2 alone, so that it is the same on every CPU. Multiplied by one and increased by zero, the
// values stay normal numbers.
void gb_control_compute(void) {
    double one[2] = {1, 1}, zero[2] = {0, 0};
    long rounds = GB_CONTROL_ROUNDS;
    __asm__ volatile("movupd %1, %%xmm4\n\t"
                     "movupd %2, %%xmm5\n\t"
                     "movapd %%xmm4, %%xmm0\n\t"
                     "movapd %%xmm4, %%xmm1\n\t"
                     "movapd %%xmm4, %%xmm2\n\t"
                     "movapd %%xmm4, %%xmm3\n\t"
                     ".p2align 6\n"
                     "1:\n\t"
                     "mulpd %%xmm4, %%xmm0\n\t"
                     "mulpd %%xmm4, %%xmm1\n\t"
                     "mulpd %%xmm4, %%xmm2\n\t"
                     "mulpd %%xmm4, %%xmm3\n\t"
                     "addpd %%xmm5, %%xmm0\n\t"
                     "addpd %%xmm5, %%xmm1\n\t"
                     "addpd %%xmm5, %%xmm2\n\t"
                     "addpd %%xmm5, %%xmm3\n\t"
                     "decq %0\n\t"
                     "jnz 1b"
                     : "+r"(rounds)
                     : "m"(one), "m"(zero)
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "cc");
}

void gb_control_copy(float *to, const float *from, size_t bytes) {
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}
