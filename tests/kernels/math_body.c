// SPDX-License-Identifier: MIT
#include "tests/kernels/math_body.h"

#include "kernels/simd/math.h"

void GB_NAME(gb_check_math)(enum gb_check_function function, size_t count, const float *x,
                            float *y) {
    for (size_t i = 0; i < count; i += GB_LANES) {
        gb_v v = gb_v_load(x + i), sine, cosine;
        switch (function) {
        case GB_CHECK_EXP:
            v = gb_v_exp(v);
            break;
        case GB_CHECK_LOG:
            v = gb_v_log(v);
            break;
        case GB_CHECK_TANH:
            v = gb_v_tanh(v);
            break;
        case GB_CHECK_SIGMOID:
            v = gb_v_sigmoid(v);
            break;
        case GB_CHECK_EXPM1:
            v = gb_v_expm1(v);
            break;
        case GB_CHECK_SOFTPLUS:
            v = gb_v_softplus(v);
            break;
        case GB_CHECK_LOG_ONE_MINUS_EXP:
            v = gb_v_log_one_minus_exp(v);
            break;
        case GB_CHECK_SOFTPLUS_INVERSE:
            v = gb_v_softplus_inverse(v);
            break;
        case GB_CHECK_SINE:
        case GB_CHECK_COSINE:
            gb_v_sincos_2pi(v, &sine, &cosine);
            v = function == GB_CHECK_SINE ? sine : cosine;
            break;
        }
        gb_v_store(y + i, v);
    }
}
