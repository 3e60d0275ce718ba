// SPDX-License-Identifier: MIT
// oneDNN's functions that the backend calls, gb_dnnl.engine_create(...) for dnnl_engine_create.
// Valid after gb_onednn_load.
#ifndef GB_ONEDNN_LIBRARY_H
#define GB_ONEDNN_LIBRARY_H

#include <dnnl.h>
#include <dnnl_debug.h>

#include "base/status.h"

#if DNNL_VERSION_MAJOR >= 3
#define GB_DNNL_KIND(X, kind) X(kind##_primitive_desc_create)
#define GB_DNNL_DESCRIPTORS(X) X(memory_desc_create_with_tag) X(memory_desc_destroy)
#else
#define GB_DNNL_KIND(X, kind) X(kind##_desc_init)
#define GB_DNNL_DESCRIPTORS(X) X(memory_desc_init_by_tag) X(primitive_desc_create)
#endif
#define GB_DNNL_FUNCTIONS(X)                                                                       \
    GB_DNNL_DESCRIPTORS(X)                                                                         \
    GB_DNNL_KIND(X, convolution_forward)                                                           \
    GB_DNNL_KIND(X, convolution_backward_data)                                                     \
    GB_DNNL_KIND(X, convolution_backward_weights)                                                  \
    GB_DNNL_KIND(X, inner_product_forward)                                                         \
    GB_DNNL_KIND(X, inner_product_backward_data)                                                   \
    GB_DNNL_KIND(X, inner_product_backward_weights)                                                \
    GB_DNNL_KIND(X, pooling_forward)                                                               \
    GB_DNNL_KIND(X, pooling_backward)                                                              \
    GB_DNNL_KIND(X, resampling_forward)                                                            \
    GB_DNNL_KIND(X, resampling_backward)                                                           \
    GB_DNNL_KIND(X, matmul)                                                                        \
    X(engine_create)                                                                               \
    X(memory_create)                                                                               \
    X(memory_destroy)                                                                              \
    X(memory_set_data_handle)                                                                      \
    X(memory_desc_equal)                                                                           \
    X(memory_desc_get_size)                                                                        \
    X(post_ops_create)                                                                             \
    X(post_ops_destroy)                                                                            \
    X(post_ops_append_binary)                                                                      \
    X(post_ops_append_eltwise)                                                                     \
    X(primitive_attr_create)                                                                       \
    X(primitive_attr_destroy)                                                                      \
    X(primitive_attr_set_fpmath_mode)                                                              \
    X(primitive_attr_set_post_ops)                                                                 \
    X(primitive_attr_set_scratchpad_mode)                                                          \
    X(primitive_create)                                                                            \
    X(primitive_destroy)                                                                           \
    X(primitive_execute)                                                                           \
    X(primitive_get_primitive_desc)                                                                \
    X(primitive_desc_destroy)                                                                      \
    X(primitive_desc_query)                                                                        \
    X(primitive_desc_query_md)                                                                     \
    X(reorder_primitive_desc_create)                                                               \
    X(stream_create)                                                                               \
    X(stream_destroy)                                                                              \
    X(stream_wait)                                                                                 \
    X(status2str)                                                                                  \
    X(version)

struct gb_dnnl {
#define GB_DNNL_MEMBER(name) __typeof__(dnnl_##name) *name;
    GB_DNNL_FUNCTIONS(GB_DNNL_MEMBER)
#undef GB_DNNL_MEMBER
};
extern struct gb_dnnl gb_dnnl; // filled once, by gb_onednn_load

// Loads oneDNN, once. GB_UNSUPPORTED, also for another major version than this build's.
enum gb_status gb_onednn_load(void);

// Its name and version; "" until it is loaded.
extern char gb_onednn_name[64];
// The same of the header that this build has.
extern const char gb_onednn_header[];

#endif
