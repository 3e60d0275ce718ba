// SPDX-License-Identifier: MIT
// Elementary functions on vectors. Tensors are computed with no other exp, log or tanh, so their
// bits do not depend on the C library. Branch-free, and the same sequence of IEEE operations at any
// width: all instruction sets agree bitwise wherever the result is not subnormal. Stated errors are
// the largest over all floats of the domain, in units of the last place of the result
// (tests/kernels/test_math.c). Polynomials are minimax fits for these intervals; NaN gives NaN.
#ifndef GB_MATH_H
#define GB_MATH_H

#include "kernels/simd/simd.h"

// ln 2 as the sum of two floats.
#define GB_LN2_HIGH 0x1.62e43p-1f
#define GB_LN2_LOW -0x1.05c61p-29f

// x = n ln 2 + r with an integer n and |r| <= ln(2)/2: n and e^r - 1.
GB_INLINE gb_v gb_v_exp_reduced(gb_v x, gb_v *n) {
    *n = gb_v_round(x * 0x1.715476p+0f);
    gb_v r = gb_v_fma(*n, gb_v_set(-GB_LN2_HIGH), x); // exact
    r = gb_v_fma(*n, gb_v_set(-GB_LN2_LOW), r);
    gb_v p = gb_v_set(0x1.6a23c6p-10f);
    p = gb_v_fma(p, r, gb_v_set(0x1.1239f6p-7f));
    p = gb_v_fma(p, r, gb_v_set(0x1.5558f2p-5f));
    p = gb_v_fma(p, r, gb_v_set(0x1.555492p-3f));
    p = gb_v_fma(p, r, gb_v_set(0x1.fffffcp-2f));
    return gb_v_fma(r * r, p, r);
}

// e^x. Overflow: infinity. Results below 2^-126 are zero where denormals are flushed.
// Error 1.01 ulp.
GB_INLINE gb_v gb_v_exp(gb_v x) {
    // Beyond these the result is infinity or zero anyway, and n below stays an ordinary integer.
    x = gb_v_min(gb_v_set(89.0f), gb_v_max(gb_v_set(-104.0f), x));
    gb_v n, y = gb_v_exp_reduced(x, &n) + 1.0f;
    // 2^n in two factors, since 2^128 overflows. The maximum drops a NaN, which y keeps.
    gb_vi exponent = gb_v_to_int(gb_v_max(n, gb_v_set(-150.0f))), half = exponent >> 1;
    return y * gb_vi_float_bits((half + 127) << 23) *
           gb_vi_float_bits((exponent - half + 127) << 23);
}

// e^x - 1 for x <= 87. Error 1.50 ulp.
GB_INLINE gb_v gb_v_expm1(gb_v x) {
    x = gb_v_max(gb_v_set(-87.0f), x); // -1 from there on
    gb_v n, y = gb_v_exp_reduced(x, &n);
    gb_vi exponent = gb_v_to_int(gb_v_max(n, gb_v_set(-150.0f))); // as above
    gb_v power = gb_vi_float_bits((exponent + 127) << 23);
    return gb_v_fma(power, y, power - 1.0f);
}

// e ln 2 + ln(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)) and an integer e.
GB_INLINE gb_v gb_v_log_reduced(gb_v e, gb_v f) {
    gb_v p = gb_v_set(-0x1.38a45ep-4f);
    p = gb_v_fma(p, f, gb_v_set(0x1.0557f2p-3f));
    p = gb_v_fma(p, f, gb_v_set(-0x1.0d86dep-3f));
    p = gb_v_fma(p, f, gb_v_set(0x1.22dab2p-3f));
    p = gb_v_fma(p, f, gb_v_set(-0x1.547228p-3f));
    p = gb_v_fma(p, f, gb_v_set(0x1.99a002p-3f));
    p = gb_v_fma(p, f, gb_v_set(-0x1.000228p-2f));
    p = gb_v_fma(p, f, gb_v_set(0x1.555554p-2f));
    // ln(1 + f) = f - f^2/2 + f^3 p, the small terms first.
    gb_v square = f * f;
    gb_v small = gb_v_fma(f * square, p, e * GB_LN2_LOW);
    small = gb_v_fma(square, gb_v_set(-0.5f), small);
    return gb_v_fma(e, gb_v_set(GB_LN2_HIGH), f + small);
}

// ln x. Zero, and what is below 2^-126: -infinity. Negative: NaN. Infinity: infinity.
// Error 0.86 ulp.
GB_INLINE gb_v gb_v_log(gb_v x) {
    // x = 2^e m with m in [sqrt(1/2), sqrt(2)); the constant is the bits of sqrt(1/2).
    gb_vi bits = gb_v_bits(x) & 0x7fffffff;
    gb_vi exponent = (bits - 0x3f3504f3) >> 23;
    gb_v f = gb_vi_float_bits(bits - (exponent << 23)) - 1.0f;
    gb_v y = gb_v_log_reduced(gb_vi_to_float(exponent), f);
    const gb_v infinity = gb_v_set(__builtin_inff());
    y = gb_v_select(x < gb_v_set(0x1p-126f), -infinity, y);
    y = gb_v_select(x < gb_v_set(0.0f), gb_v_set(__builtin_nanf("")), y);
    return gb_v_select(x < infinity, y, x);
}

// tanh x; odd, +-1 from |x| = 9.02 on. Error 1.34 ulp.
GB_INLINE gb_v gb_v_tanh(gb_v x) {
    gb_vi sign = gb_v_bits(x) & (int32_t)0x80000000;
    gb_v a = gb_vi_float_bits(gb_v_bits(x) ^ sign);
    // Near zero an odd polynomial, since the quotient would lose the small result's digits.
    gb_v z = a * a;
    gb_v p = gb_v_set(-0x1.75e1dp-8f);
    p = gb_v_fma(p, z, gb_v_set(0x1.52269cp-6f));
    p = gb_v_fma(p, z, gb_v_set(-0x1.b83c5ap-5f));
    p = gb_v_fma(p, z, gb_v_set(0x1.110726p-3f));
    p = gb_v_fma(p, z, gb_v_set(-0x1.555532p-2f));
    gb_v near = gb_v_fma(a * z, p, a);
    gb_v far = 1.0f - 2.0f / (gb_v_exp(a + a) + 1.0f);
    gb_v y = gb_v_select(a < gb_v_set(0.625f), near, far);
    return gb_vi_float_bits(gb_v_bits(y) | sign);
}

// 1 / (1 + e^-x). Error 2.49 ulp; zero below -88.7.
GB_INLINE gb_v gb_v_sigmoid(gb_v x) {
    return 1.0f / (1.0f + gb_v_exp(-x));
}

// ln(1 + e^x). Error 1.75 ulp; below -87.3 zero where denormals are flushed.
GB_INLINE gb_v gb_v_softplus(gb_v x) {
    // max(x, 0) + ln(1 + t), where t = e^-|x| <= 1 is not absorbed by the 1.
    gb_v t = gb_v_exp(gb_vi_float_bits(gb_v_bits(x) | (int32_t)0x80000000));
    gb_vi upper = t > gb_v_set(0x1.a8279ap-2f); // 1 + t > sqrt(2): halved
    gb_v f = gb_v_select(upper, 0.5f * (t - 1.0f), t);
    gb_v e = gb_v_select(upper, gb_v_set(1.0f), gb_v_set(0.0f));
    return gb_v_max(x, gb_v_set(0.0f)) + gb_v_log_reduced(e, f);
}

// ln(1 - e^-y) for y > 0. Error 0.95 units in the last place of 1 + |result|.
GB_INLINE gb_v gb_v_log_one_minus_exp(gb_v y) {
    return gb_v_log(-gb_v_expm1(-y));
}

// ln(e^y - 1) for y > 0, the inverse of softplus. Error 1.65 units in the last place of 1 +
// |result|.
GB_INLINE gb_v gb_v_softplus_inverse(gb_v y) {
    return y + gb_v_log_one_minus_exp(y);
}

// The sine and cosine of 2 pi u for |u| <= 2^20; exact at the quarters.
// Error 0.99 ulp each for the multiples of 2^-24 in [0, 1].
GB_INLINE void gb_v_sincos_2pi(gb_v u, gb_v *sine, gb_v *cosine) {
    // 2 pi u = quarter * pi/2 + 2 pi r with |r| <= 1/8, exactly.
    gb_v quarter = gb_v_round(4.0f * u);
    gb_v r = gb_v_fma(quarter, gb_v_set(-0.25f), u);
    gb_v z = r * r;
    gb_v s = gb_v_set(-0x1.2dc84cp+6f);
    s = gb_v_fma(s, z, gb_v_set(0x1.466004p+6f));
    s = gb_v_fma(s, z, gb_v_set(-0x1.4abbbep+5f));
    // 2 pi as the sum of two floats; the second joins the small term.
    const float TWO_PI_HIGH = 0x1.921fb6p+2f, TWO_PI_LOW = -0x1.777a5cp-23f;
    s = gb_v_fma(s, z, gb_v_set(TWO_PI_LOW));
    s = gb_v_fma(r, gb_v_set(TWO_PI_HIGH), r * s);
    gb_v c = gb_v_set(0x1.d9d57ep+5f);
    c = gb_v_fma(c, z, gb_v_set(-0x1.55c5ep+6f));
    c = gb_v_fma(c, z, gb_v_set(0x1.03c1dep+6f));
    c = gb_v_fma(c, z, gb_v_set(-0x1.3bd3ccp+4f));
    c = gb_v_fma(c, z, gb_v_set(1.0f));
    gb_vi q = gb_v_to_int(quarter);
    gb_vi odd = -(q & 1);
    gb_vi sine_sign = (q & 2) << 30, cosine_sign = ((q + 1) & 2) << 30;
    *sine = gb_vi_float_bits(gb_v_bits(gb_v_select(odd, c, s)) ^ sine_sign);
    *cosine = gb_vi_float_bits(gb_v_bits(gb_v_select(odd, s, c)) ^ cosine_sign);
}

#endif
