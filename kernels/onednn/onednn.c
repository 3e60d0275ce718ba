// SPDX-License-Identifier: MIT
#include "kernels/onednn/onednn.h"
#include "kernels/bf16/units.h"

#include <stdio.h>
#include <string.h>

#include "kernels/backend.h"
#include "kernels/bf16/units.h"
#include "kernels/cpu.h"
#include "kernels/onednn/onednn_call.h"
#include "kernels/onednn/onednn_inv1x1.h"

// ---- Products: convolutions and inner products ----

struct product_shape {
    describe_fn describe;
    dnnl_dims_t x, weights, y; // N C H W, O I H W; y of an inner product is N C
    int y_dimensions;
    // Of x, weights and dy as they are multiplied; of dx; of y.
    enum gb_type operand, dx_type, y_type;
    dnnl_dims_t strides, padding;
    enum gb_activation activation;
    bool scaled; // also create a forward primitive with a scale
};

enum {
    PACK,
    UNPACK, // between PyTorch's order and the packed layout
    PLAIN_FORWARD,
    SCALED_FORWARD,
    DATA,
    DATA_SUMS,    // with dx in floats, for an epilogue that rounds it to bf16
    DATA_REORDER, // packed weights into the layout that the data gradient reads
    WEIGHTS,
    WEIGHTS_REORDER, // the weight gradient into the packed layout
};

// What plan->backend_data points to.
struct product {
    struct executor executor;
    const struct gb_backend *fallback; // for Adam and the epilogues' gradients
    enum gb_type operand;              // of x, weights and dy
    size_t packed_floats, own_bytes;   // own: the larger of the gradients' layouts of weights
    // Offsets in scratch, in bytes, in this order: a copy of x at 0; a copy of y; weights in a
    // gradient's own layout; the gradient in the packed layout; the input of an epilogue, widened;
    // the primitive's scratchpad; the fallback's part.
    size_t y_at, own_at, packed_at, input_at, scratchpad_at, rest_at;
    float zero_bias[];
};

static dnnl_status_t append_activation(dnnl_post_ops_t operations, enum gb_activation activation) {
    switch (activation) {
    case GB_RELU:
        return append_eltwise(operations, dnnl_eltwise_relu, 0.0f);
    case GB_LEAKY_RELU:
        return append_eltwise(operations, dnnl_eltwise_relu, gb_leaky_slope);
    case GB_TANH:
        return append_eltwise(operations, dnnl_eltwise_tanh, 0.0f);
    case GB_IDENTITY:
        break;
    }
    return dnnl_success;
}

static dnnl_status_t append_scale(dnnl_post_ops_t operations, dnnl_dim_t channels) {
    struct layout scale = {0};
    DNNL_TRY(layout_make(&scale, dnnl_f32, 4, (dnnl_dims_t){1, channels, 1, 1}, dnnl_nchw));
    dnnl_status_t status =
        gb_dnnl.post_ops_append_binary(operations, dnnl_binary_mul, layout_of(&scale));
    layout_free(&scale);
    return status;
}

static dnnl_status_t set_epilogue(dnnl_primitive_attr_t attributes,
                                  const struct product_shape *shape, bool scaled) {
    dnnl_post_ops_t operations;
    DNNL_TRY(gb_dnnl.post_ops_create(&operations));
    dnnl_status_t status = scaled ? append_scale(operations, shape->y[1]) : dnnl_success;
    if (status == dnnl_success)
        status = append_activation(operations, shape->activation);
    if (status == dnnl_success)
        status = gb_dnnl.primitive_attr_set_post_ops(attributes, operations);
    gb_dnnl.post_ops_destroy(operations);
    return status;
}

static const int forward_names[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST, 0};
static const int scaled_forward_names[] = {DNNL_ARG_SRC,
                                           DNNL_ARG_WEIGHTS,
                                           DNNL_ARG_BIAS,
                                           DNNL_ARG_DST,
                                           DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
                                           0};
static const int data_names[] = {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC, 0};
static const int weights_names[] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, 0};
static const int reorder_names[] = {DNNL_ARG_FROM, DNNL_ARG_TO, 0};

// What is needed only while a product's primitives are created.
struct builder {
    struct product *product;
    const struct product_shape *shape;
    struct layout x, dx, y, dy, bias, any_weights, any_gradient, plain_weights;
    struct layout sums;               // dx in floats
    struct layout packed_floats;      // the elements of `packed` as floats; unused where they are
    dnnl_primitive_attr_t attributes; // without an epilogue
    dnnl_primitive_desc_t forward, data, weights;
    layout_view packed, gradient; // as `forward` has it; the same in floats
};

static dnnl_status_t describe(const struct builder *m, enum direction direction, layout_view source,
                              layout_view weights, const_dnnl_primitive_attr_t attributes,
                              dnnl_primitive_desc_t *descriptor) {
    struct primitive_spec spec = {.direction = direction,
                                  .source = source,
                                  .weights = weights,
                                  .bias = direction == FORWARD ? layout_of(&m->bias) : NULL,
                                  .destination = layout_of(direction == FORWARD ? &m->y : &m->dy),
                                  .attributes = attributes,
                                  .forward = direction == FORWARD ? NULL : m->forward};
    memcpy(spec.strides, m->shape->strides, sizeof spec.strides);
    memcpy(spec.padding, m->shape->padding, sizeof spec.padding);
    return m->shape->describe(gb_onednn_engine, &spec, descriptor);
}

static dnnl_status_t make_forward(struct builder *m, bool scaled, layout_view weights,
                                  dnnl_primitive_desc_t *descriptor) {
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t status = gb_onednn_attributes_make(&attributes);
    if (status == dnnl_success)
        status = set_epilogue(attributes, m->shape, scaled);
    if (status == dnnl_success)
        status = describe(m, FORWARD, layout_of(&m->x), weights, attributes, descriptor);
    if (status == dnnl_success)
        status = gb_onednn_call_make(
            &m->product->executor.calls[scaled ? SCALED_FORWARD : PLAIN_FORWARD], *descriptor,
            scaled ? scaled_forward_names : forward_names);
    if (attributes)
        gb_dnnl.primitive_attr_destroy(attributes);
    return status;
}

static dnnl_status_t make_scaled_forward(struct builder *m) {
    dnnl_primitive_desc_t descriptor = NULL;
    dnnl_status_t status = make_forward(m, true, m->packed, &descriptor);
    if (descriptor)
        gb_dnnl.primitive_desc_destroy(descriptor);
    return status;
}

static dnnl_status_t make_reorder(struct call *call, layout_view from, layout_view to,
                                  const_dnnl_primitive_attr_t attributes) {
    dnnl_primitive_desc_t descriptor;
    DNNL_TRY(gb_dnnl.reorder_primitive_desc_create(&descriptor, from, gb_onednn_engine, to,
                                                   gb_onednn_engine, attributes));
    dnnl_status_t status = gb_onednn_call_make(call, descriptor, reorder_names);
    gb_dnnl.primitive_desc_destroy(descriptor);
    return status;
}

static dnnl_status_t make_packing(struct builder *m) {
    layout_view plain = layout_of(&m->plain_weights), packed = m->gradient;
    DNNL_TRY(make_reorder(&m->product->executor.calls[PACK], plain, packed, NULL));
    return make_reorder(&m->product->executor.calls[UNPACK], packed, plain, NULL);
}

static dnnl_status_t make_data_sums(struct builder *m, layout_view weights) {
    dnnl_primitive_desc_t descriptor = NULL;
    DNNL_TRY(describe(m, BACKWARD_DATA, layout_of(&m->sums), weights, m->attributes, &descriptor));
    dnnl_status_t status =
        gb_onednn_call_make(&m->product->executor.calls[DATA_SUMS], descriptor, data_names);
    gb_dnnl.primitive_desc_destroy(descriptor);
    return status;
}

static dnnl_status_t make_data(struct builder *m) {
    struct product *p = m->product;
    DNNL_TRY(describe(m, BACKWARD_DATA, layout_of(&m->dx), layout_of(&m->any_weights),
                      m->attributes, &m->data));
    DNNL_TRY(gb_onednn_call_make(&p->executor.calls[DATA], m->data, data_names));
    layout_view own = gb_dnnl.primitive_desc_query_md(m->data, dnnl_query_weights_md, 0);
    if (m->shape->dx_type != GB_F32)
        DNNL_TRY(make_data_sums(m, own));
    p->own_bytes = gb_max_size(p->own_bytes, layout_bytes(own));
    return gb_dnnl.memory_desc_equal(m->packed, own)
               ? dnnl_success
               : make_reorder(&p->executor.calls[DATA_REORDER], m->packed, own, m->attributes);
}

static dnnl_status_t make_weights(struct builder *m) {
    struct product *p = m->product;
    DNNL_TRY(describe(m, BACKWARD_WEIGHTS, layout_of(&m->x), layout_of(&m->any_gradient),
                      m->attributes, &m->weights));
    DNNL_TRY(gb_onednn_call_make(&p->executor.calls[WEIGHTS], m->weights, weights_names));
    layout_view own = gb_dnnl.primitive_desc_query_md(m->weights, dnnl_query_diff_weights_md, 0);
    p->own_bytes = gb_max_size(p->own_bytes, layout_bytes(own));
    layout_view packed = m->gradient;
    return gb_dnnl.memory_desc_equal(packed, own)
               ? dnnl_success
               : make_reorder(&p->executor.calls[WEIGHTS_REORDER], own, packed, m->attributes);
}

static dnnl_data_type_t data_type(enum gb_type type) {
    return type == GB_BF16 ? dnnl_bf16 : dnnl_f32;
}

static dnnl_status_t make_layouts(struct builder *m) {
    const struct product_shape *s = m->shape;
    const dnnl_data_type_t operand = data_type(s->operand);
    const dnnl_format_tag_t y_tag = s->y_dimensions == 2 ? dnnl_nc : dnnl_nhwc;
    DNNL_TRY(layout_make(&m->x, operand, 4, s->x, dnnl_nhwc));
    DNNL_TRY(layout_make(&m->dx, data_type(s->dx_type), 4, s->x, dnnl_nhwc));
    DNNL_TRY(layout_make(&m->sums, dnnl_f32, 4, s->x, dnnl_nhwc));
    DNNL_TRY(layout_make(&m->y, data_type(s->y_type), s->y_dimensions, s->y, y_tag));
    DNNL_TRY(layout_make(&m->dy, operand, s->y_dimensions, s->y, y_tag));
    DNNL_TRY(layout_make(&m->bias, dnnl_f32, 1, (dnnl_dims_t){s->y[1]}, dnnl_x));
    DNNL_TRY(layout_make(&m->any_weights, operand, 4, s->weights, dnnl_format_tag_any));
    DNNL_TRY(layout_make(&m->any_gradient, dnnl_f32, 4, s->weights, dnnl_format_tag_any));
    return layout_make(&m->plain_weights, dnnl_f32, 4, s->weights, dnnl_oihw);
}

// The packed layout in floats. Neither version lets a caller change a descriptor's type, so the tag
// that describes the packed weights is looked for. dnnl_unimplemented: there is none.
static dnnl_status_t make_packed_floats(struct builder *m) {
    const dnnl_data_type_t operand = data_type(m->shape->operand);
    m->gradient = m->packed;
    if (operand == dnnl_f32)
        return dnnl_success;
    for (int tag = dnnl_format_tag_any + 1; tag < dnnl_format_tag_last; tag++) {
        struct layout layout = {0};
        if (layout_make(&layout, operand, 4, m->shape->weights, (dnnl_format_tag_t)tag) !=
            dnnl_success)
            continue; // of other dimensions
        const bool found = gb_dnnl.memory_desc_equal(layout_of(&layout), m->packed);
        layout_free(&layout);
        if (found) {
            DNNL_TRY(layout_make(&m->packed_floats, dnnl_f32, 4, m->shape->weights,
                                 (dnnl_format_tag_t)tag));
            m->gradient = layout_of(&m->packed_floats);
            return dnnl_success;
        }
    }
    return dnnl_unimplemented;
}

static bool has_call(const struct product *p, int call) {
    return p->executor.calls[call].primitive != NULL;
}

static void divide_scratch(struct builder *m) {
    struct product *p = m->product;
    const size_t x_bytes = layout_bytes(layout_of(&m->sums)); // floats: the largest of its types
    const size_t y_bytes =
        gb_max_size(layout_bytes(layout_of(&m->y)), layout_bytes(layout_of(&m->dy)));
    p->y_at = aligned(x_bytes);
    p->own_at = p->y_at + aligned(y_bytes);
    p->packed_at = p->own_at + aligned(p->own_bytes);
    p->input_at = p->packed_at + aligned(p->packed_floats * sizeof(float));
    p->scratchpad_at = p->input_at + (has_call(p, DATA_SUMS) ? aligned(x_bytes) : 0);
    p->rest_at = p->scratchpad_at + aligned(gb_onednn_scratchpad_bytes(&p->executor));
}

static dnnl_status_t make_primitives(struct builder *m) {
    struct product *p = m->product;
    DNNL_TRY(make_layouts(m));
    DNNL_TRY(gb_onednn_attributes_make(&m->attributes));
    DNNL_TRY(make_forward(m, false, layout_of(&m->any_weights), &m->forward));
    m->packed = gb_dnnl.primitive_desc_query_md(m->forward, dnnl_query_weights_md, 0);
    if (m->shape->scaled)
        DNNL_TRY(make_scaled_forward(m));
    DNNL_TRY(make_packed_floats(m));
    DNNL_TRY(make_packing(m));
    DNNL_TRY(make_data(m));
    DNNL_TRY(make_weights(m));
    p->operand = m->shape->operand;
    p->packed_floats = layout_bytes(m->gradient) / sizeof(float);
    divide_scratch(m);
    return dnnl_success;
}

static void builder_free(struct builder *m) {
    struct layout *layouts[] = {&m->x,
                                &m->dx,
                                &m->y,
                                &m->dy,
                                &m->bias,
                                &m->any_weights,
                                &m->sums,
                                &m->any_gradient,
                                &m->plain_weights,
                                &m->packed_floats};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        layout_free(layouts[i]);
    dnnl_primitive_desc_t descriptors[] = {m->forward, m->data, m->weights};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i])
            gb_dnnl.primitive_desc_destroy(descriptors[i]);
    if (m->attributes)
        gb_dnnl.primitive_attr_destroy(m->attributes);
}

static dnnl_status_t build_product(void *library, const void *shape) {
    struct builder builder = {.product = library, .shape = shape};
    dnnl_status_t status = make_primitives(&builder);
    builder_free(&builder);
    return status;
}

static dnnl_status_t product_make(const struct product_shape *shape, int threads, void **library) {
    return gb_onednn_make(sizeof(struct product) + (size_t)shape->y[1] * sizeof(float), threads,
                          build_product, shape, library);
}

static void reorder(const struct product *p, const struct gb_exec *exec, int call, const void *from,
                    void *to) {
    double start = gb_vendor_reorder_start(exec);
    RUN(&p->executor, call, gb_scratch(exec, p->scratchpad_at), from, to);
    gb_vendor_reorder_end(exec, start);
}

static void product_forward(const struct product *p, const struct gb_exec *exec,
                            const struct gb_tensor *x, const void *packed,
                            const struct gb_conv_epilogue *epilogue, const struct gb_tensor *y) {
    const float *bias = epilogue->bias ? epilogue->bias : p->zero_bias, *scale = epilogue->scale;
    const void *input = gb_onednn_dense_input(exec, x, p->operand, exec->scratch);
    struct gb_tensor output = gb_onednn_dense_output(y, gb_scratch(exec, p->y_at));
    RUN(&p->executor, scale ? SCALED_FORWARD : PLAIN_FORWARD, gb_scratch(exec, p->scratchpad_at),
        input, packed, bias, output.data, scale);
    gb_onednn_copy_out(exec, &output, y);
}

static void product_data(const struct product *p, const struct gb_exec *exec,
                         const struct gb_tensor *dy, const void *packed,
                         const struct gb_tensor *dx) {
    const void *input = gb_onednn_dense_input(exec, dy, p->operand, gb_scratch(exec, p->y_at)),
               *weights = packed;
    if (has_call(p, DATA_REORDER)) {
        reorder(p, exec, DATA_REORDER, packed, gb_scratch(exec, p->own_at));
        weights = gb_scratch(exec, p->own_at);
    }
    const int call = has_call(p, DATA_SUMS) && dx->type == GB_F32 ? DATA_SUMS : DATA;
    RUN(&p->executor, call, gb_scratch(exec, p->scratchpad_at), input, weights, dx->data);
}

static void product_weights(const struct product *p, const struct gb_exec *exec,
                            const struct gb_tensor *x, const struct gb_tensor *dy, float *d_packed,
                            const struct gb_adam_target *update) {
    const void *input = gb_onednn_dense_input(exec, x, p->operand, exec->scratch);
    const void *gradient = gb_onednn_dense_input(exec, dy, p->operand, gb_scratch(exec, p->y_at));
    float *packed = update ? gb_scratch(exec, p->packed_at) : d_packed;
    float *own = has_call(p, WEIGHTS_REORDER) ? gb_scratch(exec, p->own_at) : packed;
    RUN(&p->executor, WEIGHTS, gb_scratch(exec, p->scratchpad_at), input, gradient, own);
    if (has_call(p, WEIGHTS_REORDER))
        reorder(p, exec, WEIGHTS_REORDER, own, packed);
    if (update)
        p->fallback->adam(exec, update, 0, p->packed_floats, packed);
}

// ---- Convolution ----

// By oneDNN's name of the implementation, "jit:avx512_core".
static struct gb_conv_choice choice_of(const struct gb_conv_plan *plan, int call) {
    const struct product *p = plan->backend_data;
    const_dnnl_primitive_desc_t descriptor;
    const char *name = NULL;
    if (gb_dnnl.primitive_get_primitive_desc(p->executor.calls[call].primitive, &descriptor) !=
            dnnl_success ||
        gb_dnnl.primitive_desc_query(descriptor, dnnl_query_impl_info_str, 0, &name) !=
            dnnl_success)
        name = NULL;
    return (struct gb_conv_choice){
        .name = name, .shared_bytes = plan->shared_bytes, .work = SIZE_MAX};
}

// oneDNN 3.2 (brgconv, AMX) returns wrong sums forward for bf16 with 4x4 kernels of stride 4 and 16
// or 24 input channels; 8 and 32 are right, and so is 2.6.
static bool is_wrong(const struct gb_conv_problem *p) {
    return DNNL_VERSION_MAJOR >= 3 && p->format != GB_FLOATS && p->c > 8 && p->c < 32 &&
           p->stride_w == 4 && p->kernel_w == 4;
}

static enum gb_status conv_plan(const struct gb_backend *backend, const struct gb_conv_problem *p,
                                int threads, struct gb_conv_plan *plan) {
    GB_TRY(gb_onednn_load());
    GB_TRY(gb_problem_check(&gb_conv_operation, p));
    const int out_h = gb_conv_out_h(p), out_w = gb_conv_out_w(p);
    const struct product_shape shape = {.describe = describe_convolution,
                                        .x = {p->n, p->c, p->h, p->w},
                                        .weights = {p->k, p->c, p->kernel_h, p->kernel_w},
                                        .y = {p->n, p->k, out_h, out_w},
                                        .y_dimensions = 4,
                                        .operand = gb_precision(p->format),
                                        .dx_type = gb_x_type(p->format),
                                        .y_type = gb_y_type(p->format),
                                        .strides = {p->stride_h, p->stride_w},
                                        .padding = {p->pad_h, p->pad_w},
                                        .activation = p->activation,
                                        .scaled = true};
    if (is_wrong(p))
        return gb_bf16_conv_plan(backend, p, threads, plan);
    void *library;
    dnnl_status_t status = product_make(&shape, threads, &library);
    if (status == dnnl_unimplemented && shape.operand == GB_BF16)
        return gb_bf16_conv_plan(backend, p, threads, plan);
    GB_TRY(gb_onednn_planned(status, &gb_conv_operation, p));
    struct product *product = library;
    product->fallback = backend->fallback;
    const struct gb_tensor x = gb_dense(NULL, p->n, p->h, p->w, p->c);
    *plan = (struct gb_conv_plan){.problem = *p,
                                  .out_h = out_h,
                                  .out_w = out_w,
                                  .weight_floats = product->packed_floats,
                                  .shared_bytes = product->rest_at + gb_epilogue_scratch_bytes(&x),
                                  .backend_data = product};
    plan->forward = choice_of(plan, PLAIN_FORWARD);
    plan->backward_data = choice_of(plan, DATA);
    plan->backward_weights = choice_of(plan, WEIGHTS);
    return GB_OK;
}

static void conv_plan_free(struct gb_conv_plan *plan) {
    GB_BF16_ROUTE(conv_plan_free, plan);
    gb_onednn_free(&plan->backend_data);
}

static void conv_pack(const struct gb_conv_plan *plan, const float *oihw, float *packed) {
    GB_BF16_ROUTE(conv_pack, plan, oihw, packed);
    const struct product *p = plan->backend_data;
    RUN(&p->executor, PACK, NULL, oihw, packed);
}

static void conv_unpack(const struct gb_conv_plan *plan, const float *packed, float *oihw) {
    GB_BF16_ROUTE(conv_unpack, plan, packed, oihw);
    const struct product *p = plan->backend_data;
    RUN(&p->executor, UNPACK, NULL, packed, oihw);
}

static void conv_forward(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                         const struct gb_tensor *x, const void *packed,
                         const struct gb_conv_epilogue *epilogue, const struct gb_tensor *y) {
    GB_BF16_ROUTE(conv_forward, plan, exec, x, packed, epilogue, y);
    assert(gb_conv_operands_fit(plan, exec, x, y) && epilogue);
    product_forward(plan->backend_data, exec, x, packed, epilogue, y);
}

static void conv_backward_data(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                               const struct gb_tensor *dy, const void *packed,
                               const struct gb_conv_input_epilogue *e, const struct gb_tensor *dx) {
    GB_BF16_ROUTE(conv_backward_data, plan, exec, dy, packed, e, dx);
    assert(gb_conv_operands_fit(plan, exec, dx, dy));
    assert(gb_conv_input_epilogue_fits(e, dx));
    const struct product *p = plan->backend_data;
    struct gb_tensor made = gb_onednn_dense_output(dx, exec->scratch);
    if (e && dx->type == GB_BF16) // rounded once, by the epilogue
        made = gb_dense(exec->scratch, dx->n, dx->h, dx->w, dx->c);
    product_data(p, exec, dy, packed, &made);
    if (!e) {
        gb_onednn_copy_out(exec, &made, dx);
        return;
    }
    struct gb_tensor x = *e->x;
    if (x.type != made.type) {
        void *buffer = gb_scratch(exec, p->input_at);
        gb_onednn_dense_input(exec, e->x, made.type, buffer);
        x = gb_dense(buffer, x.n, x.h, x.w, x.c);
    }
    struct gb_exec rest = *exec; // after `made`
    rest.scratch = gb_scratch(exec, p->rest_at);
    rest.scratch_bytes -= p->rest_at;
    p->fallback->epilogue_backward(&rest, e->activation, &made, &x, e->scale, dx, e->d_bias,
                                   e->d_log_scale);
}

static void conv_backward_weights(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                  const struct gb_tensor *x, const struct gb_tensor *dy,
                                  float *d_packed, const struct gb_adam_target *update) {
    GB_BF16_ROUTE(conv_backward_weights, plan, exec, x, dy, d_packed, update);
    assert(gb_conv_operands_fit(plan, exec, x, dy));
    assert(gb_conv_one_target(d_packed, update));
    product_weights(plan->backend_data, exec, x, dy, d_packed, update);
}

// ---- Fully connected layer: an inner product ----

static enum gb_status fc_plan(const struct gb_backend *backend, const struct gb_fc_problem *p,
                              int threads, struct gb_fc_plan *plan) {
    GB_TRY(gb_onednn_load());
    GB_TRY(gb_problem_check(&gb_fc_operation, p));
    const struct product_shape shape = {.describe = describe_inner_product,
                                        .x = {p->n, p->c, p->h, p->w},
                                        .weights = {p->k, p->c, p->h, p->w},
                                        .y = {p->n, p->k},
                                        .y_dimensions = 2,
                                        .operand = p->bf16 ? GB_BF16 : GB_F32,
                                        .dx_type = GB_F32,
                                        .y_type = GB_F32,
                                        .activation = p->activation};
    void *library;
    dnnl_status_t status = product_make(&shape, threads, &library);
    if (status == dnnl_unimplemented && shape.operand == GB_BF16)
        return gb_bf16_fc_plan(backend, p, threads, plan);
    GB_TRY(gb_onednn_planned(status, &gb_fc_operation, p));
    struct product *product = library;
    product->fallback = backend->fallback;
    *plan = (struct gb_fc_plan){.problem = *p,
                                .weight_floats = product->packed_floats,
                                .shared_bytes = product->rest_at,
                                .backend_data = product};
    return GB_OK;
}

static void fc_plan_free(struct gb_fc_plan *plan) {
    GB_BF16_ROUTE(fc_plan_free, plan);
    gb_onednn_free(&plan->backend_data);
}

static void fc_pack(const struct gb_fc_plan *plan, const float *out_by_in, float *packed) {
    GB_BF16_ROUTE(fc_pack, plan, out_by_in, packed);
    const struct product *p = plan->backend_data;
    RUN(&p->executor, PACK, NULL, out_by_in, packed);
}

static void fc_unpack(const struct gb_fc_plan *plan, const float *packed, float *out_by_in) {
    GB_BF16_ROUTE(fc_unpack, plan, packed, out_by_in);
    const struct product *p = plan->backend_data;
    RUN(&p->executor, UNPACK, NULL, packed, out_by_in);
}

static void fc_forward(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                       const struct gb_tensor *x, const void *packed, const float *bias,
                       const struct gb_tensor *y) {
    GB_BF16_ROUTE(fc_forward, plan, exec, x, packed, bias, y);
    assert(gb_fc_operands_fit(plan, exec, x, y));
    product_forward(plan->backend_data, exec, x, packed, &(struct gb_conv_epilogue){.bias = bias},
                    y);
}

static void fc_backward(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                        const struct gb_tensor *x, const struct gb_tensor *dy, void *packed,
                        const struct gb_tensor *dx, float *d_packed,
                        const struct gb_adam_target *update) {
    GB_BF16_ROUTE(fc_backward, plan, exec, x, dy, packed, dx, d_packed, update);
    assert(gb_fc_operands_fit(plan, exec, x, dy) &&
           (!dx || gb_fc_operands_fit(plan, exec, dx, dy)));
    assert(gb_fc_one_target(packed, d_packed, update));
    if (dx) {
        const struct gb_tensor made = gb_onednn_dense_output(dx, exec->scratch);
        product_data(plan->backend_data, exec, dy, packed, &made);
        gb_onednn_copy_out(exec, &made, dx);
    }
    product_weights(plan->backend_data, exec, x, dy, d_packed, update);
}

// ---- Max-pooling and upsampling ----

struct resize_shape {
    describe_fn describe;
    enum gb_type type;
    dnnl_dims_t x, y; // N C H W
    dnnl_dims_t window, strides;
    const int *forward_names, *backward_names;
};

enum { RESIZE_FORWARD, RESIZE_BACKWARD };

// What plan->backend_data points to.
struct resize {
    struct executor executor;
    enum gb_type type; // that the primitives work on
    // Offsets in scratch, in bytes: a copy of x at 0; a copy of y; pooling's workspace, the
    // positions of the maxima; the primitive's scratchpad.
    size_t y_at, workspace_at, scratchpad_at, scratch_bytes;
};

static const int pool_forward_names[] = {DNNL_ARG_SRC, DNNL_ARG_DST, DNNL_ARG_WORKSPACE, 0};
static const int pool_backward_names[] = {DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_SRC, DNNL_ARG_WORKSPACE,
                                          0};
static const int upsample_forward_names[] = {DNNL_ARG_SRC, DNNL_ARG_DST, 0};
static const int upsample_backward_names[] = {DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_SRC, 0};

// What is needed only while a resize's primitives are created.
struct resize_builder {
    struct resize *resize;
    const struct resize_shape *shape;
    struct layout x, y;
    dnnl_primitive_attr_t attributes;
    dnnl_primitive_desc_t forward, backward;
};

static void divide_resize_scratch(struct resize_builder *m) {
    struct resize *r = m->resize;
    size_t workspace = gb_dnnl.memory_desc_get_size(
        gb_dnnl.primitive_desc_query_md(m->forward, dnnl_query_workspace_md, 0));
    r->y_at = aligned(layout_bytes(layout_of(&m->x)));
    r->workspace_at = r->y_at + aligned(layout_bytes(layout_of(&m->y)));
    r->scratchpad_at = r->workspace_at + aligned(workspace);
    r->scratch_bytes = r->scratchpad_at + aligned(gb_onednn_scratchpad_bytes(&r->executor));
}

static dnnl_status_t make_resize_primitives(struct resize_builder *m) {
    const struct resize_shape *s = m->shape;
    const dnnl_data_type_t type = s->type == GB_BF16 ? dnnl_bf16 : dnnl_f32;
    m->resize->type = s->type;
    DNNL_TRY(layout_make(&m->x, type, 4, s->x, dnnl_nhwc));
    DNNL_TRY(layout_make(&m->y, type, 4, s->y, dnnl_nhwc));
    DNNL_TRY(gb_onednn_attributes_make(&m->attributes));
    struct primitive_spec spec = {.direction = FORWARD,
                                  .source = layout_of(&m->x),
                                  .destination = layout_of(&m->y),
                                  .attributes = m->attributes};
    memcpy(spec.window, s->window, sizeof spec.window);
    memcpy(spec.strides, s->strides, sizeof spec.strides);
    DNNL_TRY(s->describe(gb_onednn_engine, &spec, &m->forward));
    spec.direction = BACKWARD_DATA;
    spec.forward = m->forward;
    DNNL_TRY(s->describe(gb_onednn_engine, &spec, &m->backward));
    DNNL_TRY(gb_onednn_call_make(&m->resize->executor.calls[RESIZE_FORWARD], m->forward,
                                 s->forward_names));
    DNNL_TRY(gb_onednn_call_make(&m->resize->executor.calls[RESIZE_BACKWARD], m->backward,
                                 s->backward_names));
    divide_resize_scratch(m);
    return dnnl_success;
}

static void resize_builder_free(struct resize_builder *m) {
    layout_free(&m->x);
    layout_free(&m->y);
    if (m->forward)
        gb_dnnl.primitive_desc_destroy(m->forward);
    if (m->backward)
        gb_dnnl.primitive_desc_destroy(m->backward);
    if (m->attributes)
        gb_dnnl.primitive_attr_destroy(m->attributes);
}

static dnnl_status_t build_resize(void *library, const void *shape) {
    struct resize_builder builder = {.resize = library, .shape = shape};
    dnnl_status_t status = make_resize_primitives(&builder);
    resize_builder_free(&builder);
    return status;
}

// Where the CPU has no primitives for bf16, floats serve, converted by reorders.
static enum gb_status resize_plan(const struct resize_shape *shape, int threads,
                                  const struct gb_operation *operation, const void *problem,
                                  void **library) {
    struct resize_shape tried = *shape;
    dnnl_status_t status =
        gb_onednn_make(sizeof(struct resize), threads, build_resize, &tried, library);
    if (status == dnnl_unimplemented && tried.type == GB_BF16) {
        tried.type = GB_F32;
        status = gb_onednn_make(sizeof(struct resize), threads, build_resize, &tried, library);
    }
    return gb_onednn_planned(status, operation, problem);
}

// Where a primitive writes: the view itself, or buffer for a copy.
static struct gb_tensor resize_output(const struct resize *r, const struct gb_tensor *view,
                                      void *buffer) {
    return view->type == r->type ? gb_onednn_dense_output(view, buffer)
                                 : gb_dense_of(r->type, buffer, view->n, view->h, view->w, view->c);
}

// Upsampling has no workspace: the last operand of a run is not used.
static void resize_forward(const struct resize *r, const struct gb_exec *exec,
                           const struct gb_tensor *x, const struct gb_tensor *y) {
    const void *input = gb_onednn_dense_input(exec, x, r->type, exec->scratch);
    const struct gb_tensor made = resize_output(r, y, gb_scratch(exec, r->y_at));
    RUN(&r->executor, RESIZE_FORWARD, gb_scratch(exec, r->scratchpad_at), input, made.data,
        gb_scratch(exec, r->workspace_at));
    gb_onednn_copy_out(exec, &made, y);
}

static void resize_backward(const struct resize *r, const struct gb_exec *exec,
                            const struct gb_tensor *dy, const struct gb_tensor *dx) {
    const void *input = gb_onednn_dense_input(exec, dy, r->type, gb_scratch(exec, r->y_at));
    const struct gb_tensor made = resize_output(r, dx, exec->scratch);
    RUN(&r->executor, RESIZE_BACKWARD, gb_scratch(exec, r->scratchpad_at), input, made.data,
        gb_scratch(exec, r->workspace_at));
    gb_onednn_copy_out(exec, &made, dx);
}

static enum gb_status max_pool_plan(const struct gb_pool_problem *p, int threads,
                                    struct gb_pool_plan *plan) {
    GB_TRY(gb_onednn_load());
    GB_TRY(gb_problem_check(&gb_max_pool_operation, p));
    const struct resize_shape shape = {
        .describe = describe_max_pooling,
        .type = gb_x_type(p->format),
        .x = {p->n, p->c, p->h, p->w},
        .y = {p->n, p->c, gb_pool_out(p->h, p), gb_pool_out(p->w, p)},
        .window = {p->kernel, p->kernel},
        .strides = {p->stride, p->stride},
        .forward_names = pool_forward_names,
        .backward_names = pool_backward_names};
    *plan = (struct gb_pool_plan){.problem = *p};
    GB_TRY(resize_plan(&shape, threads, &gb_max_pool_operation, p, &plan->backend_data));
    plan->scratch_bytes = ((const struct resize *)plan->backend_data)->scratch_bytes;
    return GB_OK;
}

static void max_pool_plan_free(struct gb_pool_plan *plan) {
    gb_onednn_free(&plan->backend_data);
}

static void max_pool_forward(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                             const struct gb_tensor *x, const struct gb_tensor *y) {
    assert(gb_pool_operands_fit(plan, exec, x, y));
    resize_forward(plan->backend_data, exec, x, y);
}

// The contract requires no forward run before the gradient, so the workspace is recomputed.
static void max_pool_backward(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                              const struct gb_tensor *x, const struct gb_tensor *dy,
                              const struct gb_tensor *dx) {
    assert(gb_pool_operands_fit(plan, exec, x, dy) && gb_pool_operands_fit(plan, exec, dx, dy));
    const struct resize *r = plan->backend_data;
    const struct gb_tensor y =
        gb_dense_of(r->type, gb_scratch(exec, r->y_at), dy->n, dy->h, dy->w, dy->c);
    resize_forward(r, exec, x, &y);
    resize_backward(r, exec, dy, dx);
}

static enum gb_status upsample_plan(const struct gb_upsample_problem *p, int threads,
                                    struct gb_upsample_plan *plan) {
    GB_TRY(gb_onednn_load());
    GB_TRY(gb_problem_check(&gb_upsample_operation, p));
    const struct resize_shape shape = {.describe = describe_upsampling,
                                       .type = gb_x_type(p->format),
                                       .x = {p->n, p->c, p->h, p->w},
                                       .y = {p->n, p->c, p->h * p->factor, p->w * p->factor},
                                       .forward_names = upsample_forward_names,
                                       .backward_names = upsample_backward_names};
    *plan = (struct gb_upsample_plan){.problem = *p};
    GB_TRY(resize_plan(&shape, threads, &gb_upsample_operation, p, &plan->backend_data));
    plan->scratch_bytes = ((const struct resize *)plan->backend_data)->scratch_bytes;
    return GB_OK;
}

static void upsample_plan_free(struct gb_upsample_plan *plan) {
    gb_onednn_free(&plan->backend_data);
}

static void upsample_forward(const struct gb_upsample_plan *plan, const struct gb_exec *exec,
                             const struct gb_tensor *x, const struct gb_tensor *y) {
    assert(gb_upsample_operands_fit(plan, exec, x, y));
    resize_forward(plan->backend_data, exec, x, y);
}

static void upsample_backward(const struct gb_upsample_plan *plan, const struct gb_exec *exec,
                              const struct gb_tensor *dy, const struct gb_tensor *dx) {
    assert(gb_upsample_operands_fit(plan, exec, dx, dy));
    resize_backward(plan->backend_data, exec, dy, dx);
}

// ---- The table ----

void gb_onednn_overlay(struct gb_backend *table) {
    table->name = "onednn";
    table->isa = "SSE4.1";
    table->library = gb_onednn_name;
    table->built_with = gb_onednn_header;
    table->load = gb_onednn_load;
    table->check = gb_onednn_check;
    table->precisions = 1u << GB_F32;
    if (gb_cpu_has(offsetof(struct gb_cpu, avx512)))
        table->precisions |= 1u << GB_BF16;
    table->conv_plan = conv_plan;
    table->fc_plan = fc_plan;
    table->conv_plan_free = conv_plan_free;
    table->conv_pack = conv_pack;
    table->conv_unpack = conv_unpack;
    table->conv_forward = conv_forward;
    table->conv_backward_data = conv_backward_data;
    table->conv_backward_weights = conv_backward_weights;
    table->fc_plan_free = fc_plan_free;
    table->fc_pack = fc_pack;
    table->fc_unpack = fc_unpack;
    table->fc_forward = fc_forward;
    table->fc_backward = fc_backward;
    table->inv1x1_plan = gb_onednn_inv1x1_plan;
    table->inv1x1_plan_free = gb_onednn_inv1x1_plan_free;
    table->inv1x1_forward = gb_onednn_inv1x1_forward;
    table->inv1x1_backward = gb_onednn_inv1x1_backward;
    table->max_pool_plan = max_pool_plan;
    table->max_pool_plan_free = max_pool_plan_free;
    table->max_pool_forward = max_pool_forward;
    table->max_pool_backward = max_pool_backward;
    table->upsample_plan = upsample_plan;
    table->upsample_plan_free = upsample_plan_free;
    table->upsample_forward = upsample_forward;
    table->upsample_backward = upsample_backward;
}
