// SPDX-License-Identifier: MIT
// The differences between the C APIs of oneDNN 2 and 3: in 2 a memory descriptor is a struct and a
// primitive descriptor is created from an operation descriptor; in 3 memory descriptors are handles
// and primitive descriptors are created directly.
#ifndef GB_ONEDNN_COMPAT_H
#define GB_ONEDNN_COMPAT_H

#include <dnnl.h>
#include <dnnl_debug.h>

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
#endif

// An owned memory descriptor of float32; a zeroed one may be freed.
struct layout {
    dnnl_memory_desc_t descriptor;
};

enum direction { FORWARD, BACKWARD_DATA, BACKWARD_WEIGHTS };

// The parameters of a primitive of any kind, unused ones zero. An operand whose gradient the direction
// computes stands for that gradient. bias NULL: none.
struct primitive_spec {
    enum direction direction;
    layout_view source, weights, bias, destination;
    dnnl_dims_t window, strides, padding;
    const_dnnl_primitive_attr_t attributes;
    const_dnnl_primitive_desc_t forward; // NULL for direction FORWARD
};

typedef dnnl_status_t (*describe_fn)(dnnl_engine_t engine, const struct primitive_spec *s,
                                     dnnl_primitive_desc_t *descriptor);

#if DNNL_VERSION_MAJOR >= 3

static inline dnnl_status_t layout_make(struct layout *layout, int dimensions,
                                        const dnnl_dims_t sizes, dnnl_format_tag_t tag) {
    return dnnl_memory_desc_create_with_tag(&layout->descriptor, dimensions, sizes, dnnl_f32, tag);
}

static inline layout_view layout_of(const struct layout *layout) {
    return layout->descriptor;
}

static inline void layout_free(struct layout *layout) {
    if (layout->descriptor)
        dnnl_memory_desc_destroy(layout->descriptor);
}

static inline dnnl_status_t append_eltwise(dnnl_post_ops_t operations, dnnl_alg_kind_t kind,
                                           float alpha) {
    return dnnl_post_ops_append_eltwise(operations, kind, alpha, 0.0f);
}

static const dnnl_dims_t undilated = {0};

static inline dnnl_status_t describe_convolution(dnnl_engine_t engine,
                                                 const struct primitive_spec *s,
                                                 dnnl_primitive_desc_t *descriptor) {
    switch (s->direction) {
    case BACKWARD_DATA:
        return dnnl_convolution_backward_data_primitive_desc_create(
            descriptor, engine, dnnl_convolution_direct, s->source, s->weights, s->destination,
            s->strides, undilated, s->padding, s->padding, s->forward, s->attributes);
    case BACKWARD_WEIGHTS:
        return dnnl_convolution_backward_weights_primitive_desc_create(
            descriptor, engine, dnnl_convolution_direct, s->source, s->weights, s->bias,
            s->destination, s->strides, undilated, s->padding, s->padding, s->forward,
            s->attributes);
    case FORWARD:
        break;
    }
    return dnnl_convolution_forward_primitive_desc_create(
        descriptor, engine, dnnl_forward_training, dnnl_convolution_direct, s->source, s->weights,
        s->bias, s->destination, s->strides, undilated, s->padding, s->padding, s->attributes);
}

static inline dnnl_status_t describe_inner_product(dnnl_engine_t engine,
                                                   const struct primitive_spec *s,
                                                   dnnl_primitive_desc_t *descriptor) {
    switch (s->direction) {
    case BACKWARD_DATA:
        return dnnl_inner_product_backward_data_primitive_desc_create(
            descriptor, engine, s->source, s->weights, s->destination, s->forward, s->attributes);
    case BACKWARD_WEIGHTS:
        return dnnl_inner_product_backward_weights_primitive_desc_create(
            descriptor, engine, s->source, s->weights, s->bias, s->destination, s->forward,
            s->attributes);
    case FORWARD:
        break;
    }
    return dnnl_inner_product_forward_primitive_desc_create(
        descriptor, engine, dnnl_forward_training, s->source, s->weights, s->bias, s->destination,
        s->attributes);
}

static inline dnnl_status_t describe_max_pooling(dnnl_engine_t engine,
                                                 const struct primitive_spec *s,
                                                 dnnl_primitive_desc_t *descriptor) {
    if (s->direction == BACKWARD_DATA)
        return dnnl_pooling_backward_primitive_desc_create(
            descriptor, engine, dnnl_pooling_max, s->source, s->destination, s->strides, s->window,
            undilated, s->padding, s->padding, s->forward, s->attributes);
    return dnnl_pooling_forward_primitive_desc_create(
        descriptor, engine, dnnl_forward_training, dnnl_pooling_max, s->source, s->destination,
        s->strides, s->window, undilated, s->padding, s->padding, s->attributes);
}

static inline dnnl_status_t describe_upsampling(dnnl_engine_t engine,
                                                const struct primitive_spec *s,
                                                dnnl_primitive_desc_t *descriptor) {
    if (s->direction == BACKWARD_DATA)
        return dnnl_resampling_backward_primitive_desc_create(
            descriptor, engine, dnnl_resampling_nearest, NULL, s->source, s->destination,
            s->forward, s->attributes);
    return dnnl_resampling_forward_primitive_desc_create(descriptor, engine, dnnl_forward_training,
                                                         dnnl_resampling_nearest, NULL, s->source,
                                                         s->destination, s->attributes);
}

static inline dnnl_status_t describe_matrix_product(dnnl_engine_t engine,
                                                    const struct primitive_spec *s,
                                                    dnnl_primitive_desc_t *descriptor) {
    return dnnl_matmul_primitive_desc_create(descriptor, engine, s->source, s->weights, s->bias,
                                             s->destination, s->attributes);
}

#else

static inline dnnl_status_t layout_make(struct layout *layout, int dimensions,
                                        const dnnl_dims_t sizes, dnnl_format_tag_t tag) {
    return dnnl_memory_desc_init_by_tag(&layout->descriptor, dimensions, sizes, dnnl_f32, tag);
}

static inline layout_view layout_of(const struct layout *layout) {
    return &layout->descriptor;
}

static inline void layout_free(struct layout *layout) {
    (void)layout;
}

static inline dnnl_status_t append_eltwise(dnnl_post_ops_t operations, dnnl_alg_kind_t kind,
                                           float alpha) {
    return dnnl_post_ops_append_eltwise(operations, 1.0f, kind, alpha, 0.0f);
}

static inline dnnl_status_t describe_convolution(dnnl_engine_t engine,
                                                 const struct primitive_spec *s,
                                                 dnnl_primitive_desc_t *descriptor) {
    dnnl_convolution_desc_t operation;
    switch (s->direction) {
    case FORWARD:
        DNNL_TRY(dnnl_convolution_forward_desc_init(
            &operation, dnnl_forward_training, dnnl_convolution_direct, s->source, s->weights,
            s->bias, s->destination, s->strides, s->padding, s->padding));
        break;
    case BACKWARD_DATA:
        DNNL_TRY(dnnl_convolution_backward_data_desc_init(&operation, dnnl_convolution_direct,
                                                          s->source, s->weights, s->destination,
                                                          s->strides, s->padding, s->padding));
        break;
    case BACKWARD_WEIGHTS:
        DNNL_TRY(dnnl_convolution_backward_weights_desc_init(
            &operation, dnnl_convolution_direct, s->source, s->weights, s->bias, s->destination,
            s->strides, s->padding, s->padding));
        break;
    }
    return dnnl_primitive_desc_create(descriptor, &operation, s->attributes, engine, s->forward);
}

static inline dnnl_status_t describe_inner_product(dnnl_engine_t engine,
                                                   const struct primitive_spec *s,
                                                   dnnl_primitive_desc_t *descriptor) {
    dnnl_inner_product_desc_t operation;
    switch (s->direction) {
    case FORWARD:
        DNNL_TRY(dnnl_inner_product_forward_desc_init(&operation, dnnl_forward_training, s->source,
                                                      s->weights, s->bias, s->destination));
        break;
    case BACKWARD_DATA:
        DNNL_TRY(dnnl_inner_product_backward_data_desc_init(&operation, s->source, s->weights,
                                                            s->destination));
        break;
    case BACKWARD_WEIGHTS:
        DNNL_TRY(dnnl_inner_product_backward_weights_desc_init(&operation, s->source, s->weights,
                                                               s->bias, s->destination));
        break;
    }
    return dnnl_primitive_desc_create(descriptor, &operation, s->attributes, engine, s->forward);
}

static inline dnnl_status_t describe_max_pooling(dnnl_engine_t engine,
                                                 const struct primitive_spec *s,
                                                 dnnl_primitive_desc_t *descriptor) {
    dnnl_pooling_desc_t operation;
    if (s->direction == BACKWARD_DATA)
        DNNL_TRY(dnnl_pooling_backward_desc_init(&operation, dnnl_pooling_max, s->source,
                                                 s->destination, s->strides, s->window, s->padding,
                                                 s->padding));
    else
        DNNL_TRY(dnnl_pooling_forward_desc_init(&operation, dnnl_forward_training, dnnl_pooling_max,
                                                s->source, s->destination, s->strides, s->window,
                                                s->padding, s->padding));
    return dnnl_primitive_desc_create(descriptor, &operation, s->attributes, engine, s->forward);
}

static inline dnnl_status_t describe_upsampling(dnnl_engine_t engine,
                                                const struct primitive_spec *s,
                                                dnnl_primitive_desc_t *descriptor) {
    dnnl_resampling_desc_t operation;
    if (s->direction == BACKWARD_DATA)
        DNNL_TRY(dnnl_resampling_backward_desc_init(&operation, dnnl_resampling_nearest, NULL,
                                                    s->source, s->destination));
    else
        DNNL_TRY(dnnl_resampling_forward_desc_init(&operation, dnnl_forward_training,
                                                   dnnl_resampling_nearest, NULL, s->source,
                                                   s->destination));
    return dnnl_primitive_desc_create(descriptor, &operation, s->attributes, engine, s->forward);
}

static inline dnnl_status_t describe_matrix_product(dnnl_engine_t engine,
                                                    const struct primitive_spec *s,
                                                    dnnl_primitive_desc_t *descriptor) {
    dnnl_matmul_desc_t operation;
    DNNL_TRY(dnnl_matmul_desc_init(&operation, s->source, s->weights, s->bias, s->destination));
    return dnnl_primitive_desc_create(descriptor, &operation, s->attributes, engine, s->forward);
}

#endif

#endif
