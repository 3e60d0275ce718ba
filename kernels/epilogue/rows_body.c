// SPDX-License-Identifier: MIT
#include "kernels/epilogue/activation.h"
#include "kernels/epilogue/rows.h"

// `lanes` floats, a vector's worth or the rest of a row.
GB_INLINE void finish(const float *u, int at, int lanes, const struct gb_conv_epilogue *epilogue,
                      enum gb_activation activation, float *y) {
    gb_v v = gb_v_load_part(u + at, lanes);
    if (epilogue->bias)
        v += gb_v_load_part(epilogue->bias + at, lanes);
    if (epilogue->scale)
        v *= gb_v_load_part(epilogue->scale + at, lanes);
    gb_v_store_part(y + at, gb_v_activate(activation, v), lanes);
}

GB_INLINE void finish_rows(size_t rows, int channels, struct gb_matrix u,
                           const struct gb_conv_epilogue *epilogue, enum gb_activation activation,
                           struct gb_matrix y) {
    for (; rows > 0; rows--, u.data += u.pitch, y.data += y.pitch)
        for (int at = 0; at < channels; at += GB_LANES) {
            int lanes = channels - at < GB_LANES ? channels - at : GB_LANES;
            finish(u.data, at, lanes, epilogue, activation, y.data);
        }
}

void GB_NAME(gb_epilogue_rows)(size_t rows, int channels, struct gb_matrix u,
                               const struct gb_conv_epilogue *epilogue,
                               enum gb_activation activation, struct gb_matrix y) {
    switch (activation) {
    case GB_IDENTITY:
        finish_rows(rows, channels, u, epilogue, GB_IDENTITY, y);
        break;
    case GB_RELU:
        finish_rows(rows, channels, u, epilogue, GB_RELU, y);
        break;
    case GB_LEAKY_RELU:
        finish_rows(rows, channels, u, epilogue, GB_LEAKY_RELU, y);
        break;
    case GB_TANH:
        finish_rows(rows, channels, u, epilogue, GB_TANH, y);
        break;
    }
}
