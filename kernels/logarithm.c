// SPDX-License-Identifier: MIT
#include "kernels/logarithm.h"

#include <math.h>

// x = 2^e m with m in [sqrt(1/2), sqrt(2)], and ln m = 2 atanh(t) for t = (m - 1)/(m + 1),
// |t| <= 0.172, by its Taylor series.
double gb_natural_log(double x) {
    const double LN2 = 0x1.62e42fefa39efp-1;
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0x1.6a09e667f3bcdp-1) {
        m *= 2;
        exponent--;
    }
    double t = (m - 1) / (m + 1), square = t * t;
    // 21 is the last odd power that counts: 0.172^22 < 2^-53.
    double series = 0;
    for (int k = 21; k >= 1; k -= 2)
        series = series * square + 1.0 / k;
    return exponent * LN2 + 2 * t * series;
}
