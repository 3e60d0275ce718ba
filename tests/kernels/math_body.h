// SPDX-License-Identifier: MIT
// kernels/simd/math.h on arrays, once per instruction set.
#ifndef GB_MATH_BODY_H
#define GB_MATH_BODY_H

#include <stddef.h>

#include "kernels/isas.h"

enum gb_check_function {
    GB_CHECK_EXP,
    GB_CHECK_LOG,
    GB_CHECK_TANH,
    GB_CHECK_SIGMOID,
    GB_CHECK_EXPM1,
    GB_CHECK_SOFTPLUS,
    GB_CHECK_LOG_ONE_MINUS_EXP,
    GB_CHECK_SOFTPLUS_INVERSE,
    GB_CHECK_SINE,
    GB_CHECK_COSINE,
};

// `count` is a multiple of 16.
typedef void gb_check_math_fn(enum gb_check_function function, size_t count, const float *x,
                              float *y);
#define GB_DECLARE_MATH(isa) gb_check_math_fn gb_check_math__##isa;
GB_ISAS(GB_DECLARE_MATH)
#undef GB_DECLARE_MATH

#endif
