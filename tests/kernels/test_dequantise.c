// SPDX-License-Identifier: MIT
#include <math.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

enum { MASK, U }; // operands in all directions; of the inverse v instead of u

// u from -12 to 12, in no order.
static float wide(const int at[4]) {
    const int step = (at[0] * 41 + at[1] * 13 + at[2] * 29 + at[3] * 37) % 97;
    return -12 + 0.25f * (float)step;
}

static void widen(const struct gb_call *call, bool inverse) {
    const struct gb_tensor *to = &call->operand[U];
    GB_EACH_ELEMENT(to, at) {
        const float u = wide(at);
        const double sign = gb_value(call, MASK, at) == 1 ? 1 : -1;
        *gb_element(to, at) = inverse ? (float)(0.5 + sign * log1p(exp(u))) : u;
    }
}

static void widen_u(const struct gb_call *call) {
    widen(call, false);
}

static void widen_v(const struct gb_call *call) {
    widen(call, true);
}

// Where softplus is nearly exponential, and where it is nearly u itself.
GB_TEST(holds_for_a_wide_range) {
    struct gb_operation operation = gb_dequantise_operation;
    operation.kernels[GB_FORWARD].prepare = widen_u;
    operation.kernels[GB_INVERSE].prepare = widen_v;
    operation.kernels[GB_BACKWARD].prepare = widen_u;
    for (const char *const *edge = operation.edges; *edge; edge++)
        assert_true(gb_check_problem(&operation, *edge));
}
