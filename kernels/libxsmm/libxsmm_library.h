// SPDX-License-Identifier: MIT
// libxsmm's functions that the backend calls, gb_xsmm.bind_tensor(...) for libxsmm_dnn_bind_tensor.
// Valid after gb_libxsmm_load.
#ifndef GB_LIBXSMM_LIBRARY_H
#define GB_LIBXSMM_LIBRARY_H

#include <libxsmm.h>
#include <libxsmm_dnn_convolution.h>
#include <libxsmm_dnn_fullyconnected.h>

#include "base/status.h"

#define GB_XSMM_FUNCTIONS(X)                                                                       \
    X(create_conv_layer)                                                                           \
    X(destroy_conv_layer)                                                                          \
    X(create_tensor_datalayout)                                                                    \
    X(bind_tensor)                                                                                 \
    X(get_scratch_size)                                                                            \
    X(bind_scratch)                                                                                \
    X(execute_st)                                                                                  \
    X(create_fullyconnected)                                                                       \
    X(destroy_fullyconnected)                                                                      \
    X(fullyconnected_create_tensor_datalayout)                                                     \
    X(fullyconnected_bind_tensor)                                                                  \
    X(fullyconnected_get_scratch_size)                                                             \
    X(fullyconnected_bind_scratch)                                                                 \
    X(fullyconnected_execute_st)                                                                   \
    X(destroy_tensor_datalayout)                                                                   \
    X(link_tensor)                                                                                 \
    X(set_tensor_data_ptr)                                                                         \
    X(destroy_tensor)                                                                              \
    X(get_error)

extern struct gb_xsmm {
#define GB_XSMM_MEMBER(name) __typeof__(libxsmm_dnn_##name) *name;
    GB_XSMM_FUNCTIONS(GB_XSMM_MEMBER)
#undef GB_XSMM_MEMBER
} gb_xsmm;

// Makes products of bf16; NULL without AVX-512.
extern __typeof__(libxsmm_bsmmdispatch_reducebatch_addr) *gb_libxsmm_product;

// The largest block of a convolution's channels.
extern int gb_libxsmm_conv_block;

// "libxsmm 1.17 (cpx)" with the instruction set that it generates code for, "" until it is loaded;
// and the header's version.
extern char gb_libxsmm_name[64];
extern const char gb_libxsmm_header[];

// Loads the library, once. GB_UNSUPPORTED.
enum gb_status gb_libxsmm_load(void);

#endif
