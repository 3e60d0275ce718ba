// SPDX-License-Identifier: MIT
// The epilogue's activation and its slope, for bodies on the vector type. Callers pass a constant
// or branch outside their loops.
#ifndef GB_ACTIVATION_H
#define GB_ACTIVATION_H

#include "kernels/epilogue/epilogue.h"
#include "kernels/simd/math.h"
#include "kernels/simd/simd.h"

GB_INLINE gb_v gb_v_activate(enum gb_activation activation, gb_v u) {
    const gb_v zero = {0};
    switch (activation) {
    case GB_RELU:
        return gb_v_max(u, zero);
    case GB_LEAKY_RELU:
        return gb_v_select(u > zero, u, u * gb_v_set(gb_leaky_slope));
    case GB_TANH:
        return gb_v_tanh(u);
    case GB_IDENTITY:
        break;
    }
    return u;
}

// The gradient at y = act(u), from the gradient `g` at y: g * act'(u), with act' written in y.
GB_INLINE gb_v gb_v_activation_gradient(enum gb_activation activation, gb_v g, gb_v y) {
    const gb_v zero = {0};
    switch (activation) {
    case GB_RELU:
        return gb_v_select(y > zero, g, zero);
    case GB_LEAKY_RELU:
        return gb_v_select(y > zero, g, g * gb_v_set(gb_leaky_slope));
    case GB_TANH:
        return g * (gb_v_set(1.0f) - y * y);
    case GB_IDENTITY:
        break;
    }
    return g;
}

#endif
