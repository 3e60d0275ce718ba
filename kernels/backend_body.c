// SPDX-License-Identifier: MIT
// The native table of one instruction set.
#include "kernels/backend.h"
#include "kernels/cpu.h"
#include "kernels/simd/simd.h"

#define DECLARE(entry, isa) __typeof__(*(gb_##entry##_fn)0) GB_NAME(gb_##entry);
#define FILL(entry, isa) .entry = GB_NAME(gb_##entry),

GB_KERNELS(DECLARE, )
extern const struct gb_backend GB_NAME(gb_backend);
const struct gb_backend GB_NAME(gb_backend) = {.name = GB_TEXT(GB_ISA),
                                               .isa = GB_ISA_NEEDS,
                                               .cpu_level = offsetof(struct gb_cpu, GB_ISA_LEVEL),
                                               .library = "",
                                               .lanes = GB_LANES,
                                               .precisions = 1u << GB_F32 | 1u << GB_BF16,
                                               .same_bits = true,
                                               GB_KERNELS(FILL, )};
