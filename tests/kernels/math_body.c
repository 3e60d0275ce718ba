// SPDX-License-Identifier: MIT
#include "tests/kernels/math_body.h"

#include "kernels/simd/math.h"

static gb_v value_of(enum gb_check_function function, gb_v v) {
    gb_v sine, cosine;
    switch (function) {
    case GB_CHECK_EXP:
        return gb_v_exp(v);
    case GB_CHECK_LOG:
        return gb_v_log(v);
    case GB_CHECK_TANH:
        return gb_v_tanh(v);
    case GB_CHECK_SIGMOID:
        return gb_v_sigmoid(v);
    case GB_CHECK_EXPM1:
        return gb_v_expm1(v);
    case GB_CHECK_SOFTPLUS:
        return gb_v_softplus(v);
    case GB_CHECK_LOG_ONE_MINUS_EXP:
        return gb_v_log_one_minus_exp(v);
    case GB_CHECK_SOFTPLUS_INVERSE:
        return gb_v_softplus_inverse(v);
    case GB_CHECK_SINE:
    case GB_CHECK_COSINE:
        break;
    }
    gb_v_sincos_2pi(v, &sine, &cosine);
    return function == GB_CHECK_SINE ? sine : cosine;
}

void GB_NAME(gb_check_math)(enum gb_check_function function, size_t count, const float *x,
                            float *y) {
    for (size_t i = 0; i < count; i += GB_LANES)
        gb_v_store(y + i, value_of(function, gb_v_load(x + i)));
}
