// SPDX-License-Identifier: MIT
// The epilogue of a product that a vendor library computed, while it is in cache: compiled once per
// instruction set.
#ifndef GB_EPILOGUE_ROWS_H
#define GB_EPILOGUE_ROWS_H

#include "kernels/conv/conv.h"
#include "kernels/isas.h"

// Rows of floats, `pitch` apart.
struct gb_matrix {
    float *data;
    ptrdiff_t pitch;
};

// y = act(scale * (u + bias)) for `rows` rows of `channels` floats; y may be u. Of `epilogue`,
// which is as in conv.h, no more than `channels` floats are read.
typedef void gb_epilogue_rows_fn(size_t rows, int channels, struct gb_matrix u,
                                 const struct gb_conv_epilogue *epilogue,
                                 enum gb_activation activation, struct gb_matrix y);

#define GB_DECLARE_EPILOGUE_ROWS(isa) gb_epilogue_rows_fn gb_epilogue_rows__##isa;
GB_ISAS(GB_DECLARE_EPILOGUE_ROWS)
#undef GB_DECLARE_EPILOGUE_ROWS

#endif
