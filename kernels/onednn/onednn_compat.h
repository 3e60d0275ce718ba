// SPDX-License-Identifier: MIT
// The differences between the C APIs of oneDNN 2 and 3: in 2 a memory descriptor is a struct and a
// primitive descriptor is created from an operation descriptor; in 3 memory descriptors are handles
// and primitive descriptors are created directly.
#ifndef GB_ONEDNN_COMPAT_H
#define GB_ONEDNN_COMPAT_H

#include "kernels/onednn/onednn_library.h"

// Passes a failure of the library up.
#define DNNL_TRY(expression)                                                                       \
    do {                                                                                           \
        dnnl_status_t dnnl_try_status_ = (expression);                                             \
        if (dnnl_try_status_ != dnnl_success)                                                      \
            return dnnl_try_status_;                                                               \
    } while (0)

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t layout_view; // not owned
#else
typedef const dnnl_memory_desc_t *layout_view;
// What a primitive descriptor is created from.
union operation {
    dnnl_convolution_desc_t convolution;
    dnnl_inner_product_desc_t inner_product;
    dnnl_pooling_desc_t pooling;
    dnnl_resampling_desc_t resampling;
    dnnl_matmul_desc_t matmul;
};
#endif

// An owned memory descriptor; a zeroed one may be freed.
struct layout {
    dnnl_memory_desc_t descriptor;
};

enum direction { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS };

// The parameters of a primitive of any kind, unused ones zero. An operand whose gradient the
// direction computes stands for that gradient. bias NULL: none.
struct primitive_spec {
    enum direction direction;
    layout_view source, weights, bias, destination;
    dnnl_dims_t window, strides, padding;
    const_dnnl_primitive_attr_t attributes;
    const_dnnl_primitive_desc_t forward; // NULL for direction FORWARD
#if DNNL_VERSION_MAJOR < 3
    union operation operation; // filled in by describe_fn
#endif
};

typedef dnnl_status_t (*describe_fn)(dnnl_engine_t engine, struct primitive_spec *s,
                                     dnnl_primitive_desc_t *descriptor);

#if DNNL_VERSION_MAJOR >= 3

static inline dnnl_status_t layout_make(struct layout *layout, dnnl_data_type_t type,
                                        int dimensions, const dnnl_dims_t sizes,
                                        dnnl_format_tag_t tag) {
    return gb_dnnl.memory_desc_create_with_tag(&layout->descriptor, dimensions, sizes, type, tag);
}

static inline layout_view layout_of(const struct layout *layout) {
    return layout->descriptor;
}

static inline void layout_free(struct layout *layout) {
    if (layout->descriptor)
        gb_dnnl.memory_desc_destroy(layout->descriptor);
}

static inline dnnl_status_t append_eltwise(dnnl_post_ops_t operations, dnnl_alg_kind_t kind,
                                           float alpha) {
    return gb_dnnl.post_ops_append_eltwise(operations, kind, alpha, 0.0f);
}

static const dnnl_dims_t undilated = {0};
#define PADDING undilated, s->padding, s->padding

#define DESCRIBE(type, kind, ...)                                                                  \
    gb_dnnl.kind##_primitive_desc_create(descriptor, engine, __VA_ARGS__, s->attributes)
#define DESCRIBE_GRADIENT(type, kind, ...) DESCRIBE(type, kind, __VA_ARGS__, s->forward)

#else

static inline dnnl_status_t layout_make(struct layout *layout, dnnl_data_type_t type,
                                        int dimensions, const dnnl_dims_t sizes,
                                        dnnl_format_tag_t tag) {
    return gb_dnnl.memory_desc_init_by_tag(&layout->descriptor, dimensions, sizes, type, tag);
}

static inline layout_view layout_of(const struct layout *layout) {
    return &layout->descriptor;
}

static inline void layout_free(struct layout *layout) {
    (void)layout;
}

static inline dnnl_status_t append_eltwise(dnnl_post_ops_t operations, dnnl_alg_kind_t kind,
                                           float alpha) {
    return gb_dnnl.post_ops_append_eltwise(operations, 1.0f, kind, alpha, 0.0f);
}

#define PADDING s->padding, s->padding

static inline dnnl_status_t create(dnnl_engine_t engine, const struct primitive_spec *s,
                                   dnnl_status_t operation_status,
                                   dnnl_primitive_desc_t *descriptor) {
    DNNL_TRY(operation_status);
    return gb_dnnl.primitive_desc_create(descriptor, &s->operation, s->attributes, engine,
                                         s->forward);
}
#define DESCRIBE(type, kind, ...)                                                                  \
    create(engine, s, gb_dnnl.kind##_desc_init(&s->operation.type, __VA_ARGS__), descriptor)
#define DESCRIBE_GRADIENT DESCRIBE

#endif

static inline dnnl_status_t describe_convolution(dnnl_engine_t engine, struct primitive_spec *s,
                                                 dnnl_primitive_desc_t *descriptor) {
    switch (s->direction) {
    case BACKWARD_DATA:
        return DESCRIBE_GRADIENT(convolution, convolution_backward_data, dnnl_convolution_direct,
                                 s->source, s->weights, s->destination, s->strides, PADDING);
    case BACKWARD_WEIGHTS:
        return DESCRIBE_GRADIENT(convolution, convolution_backward_weights, dnnl_convolution_direct,
                                 s->source, s->weights, s->bias, s->destination, s->strides,
                                 PADDING);
    case FORWARD:
        break;
    }
    return DESCRIBE(convolution, convolution_forward, dnnl_forward_training,
                    dnnl_convolution_direct, s->source, s->weights, s->bias, s->destination,
                    s->strides, PADDING);
}

static inline dnnl_status_t describe_inner_product(dnnl_engine_t engine, struct primitive_spec *s,
                                                   dnnl_primitive_desc_t *descriptor) {
    switch (s->direction) {
    case BACKWARD_DATA:
        return DESCRIBE_GRADIENT(inner_product, inner_product_backward_data, s->source, s->weights,
                                 s->destination);
    case BACKWARD_WEIGHTS:
        return DESCRIBE_GRADIENT(inner_product, inner_product_backward_weights, s->source,
                                 s->weights, s->bias, s->destination);
    case FORWARD:
        break;
    }
    return DESCRIBE(inner_product, inner_product_forward, dnnl_forward_training, s->source,
                    s->weights, s->bias, s->destination);
}

static inline dnnl_status_t describe_max_pooling(dnnl_engine_t engine, struct primitive_spec *s,
                                                 dnnl_primitive_desc_t *descriptor) {
    if (s->direction == BACKWARD_DATA)
        return DESCRIBE_GRADIENT(pooling, pooling_backward, dnnl_pooling_max, s->source,
                                 s->destination, s->strides, s->window, PADDING);
    return DESCRIBE(pooling, pooling_forward, dnnl_forward_training, dnnl_pooling_max, s->source,
                    s->destination, s->strides, s->window, PADDING);
}

static inline dnnl_status_t describe_upsampling(dnnl_engine_t engine, struct primitive_spec *s,
                                                dnnl_primitive_desc_t *descriptor) {
    if (s->direction == BACKWARD_DATA)
        return DESCRIBE_GRADIENT(resampling, resampling_backward, dnnl_resampling_nearest, NULL,
                                 s->source, s->destination);
    return DESCRIBE(resampling, resampling_forward, dnnl_forward_training, dnnl_resampling_nearest,
                    NULL, s->source, s->destination);
}

static inline dnnl_status_t describe_matrix_product(dnnl_engine_t engine, struct primitive_spec *s,
                                                    dnnl_primitive_desc_t *descriptor) {
    return DESCRIBE(matmul, matmul, s->source, s->weights, s->bias, s->destination);
}

#endif
