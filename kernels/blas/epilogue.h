// SPDX-License-Identifier: MIT
// What follows a product while it is in cache, compiled once per instruction set.
#ifndef GB_BLAS_EPILOGUE_H
#define GB_BLAS_EPILOGUE_H

#include "kernels/conv/conv.h"
#include "kernels/isas.h"

// Rows of floats, `pitch` apart.
struct gb_matrix {
    float *data;
    ptrdiff_t pitch;
};

// y = act(scale * (u + bias)) for `rows` rows of `channels` floats; y may be u. Of `epilogue`,
// which is as in conv.h, no more than `channels` floats are read.
typedef void gb_blas_epilogue_fn(size_t rows, int channels, struct gb_matrix u,
                                 const struct gb_conv_epilogue *epilogue,
                                 enum gb_activation activation, struct gb_matrix y);

#define GB_DECLARE_EPILOGUE(isa) gb_blas_epilogue_fn gb_blas_epilogue__##isa;
GB_ISAS(GB_DECLARE_EPILOGUE)
#undef GB_DECLARE_EPILOGUE

#endif
