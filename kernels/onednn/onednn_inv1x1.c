// SPDX-License-Identifier: MIT
// inv1x1 as oneDNN's batched matrix product, one per image. With rows of pixels and columns of
// channels, and the matrices transposed by their strides,
//   forward     u  = v * W^T
//   data        dv = du * W
//   matrices    dW = du^T * v
// The strides of the views are unknown when the plan creates the primitives, so views that are not
// dense are copied, as for the other operations.
#include "kernels/onednn/onednn_inv1x1.h"

#include "kernels/backend.h"
#include "kernels/onednn/onednn_call.h"

enum { FORWARD_PRODUCT, DATA_PRODUCT, MATRICES_PRODUCT };

// What plan->backend_data points to.
struct inv1x1 {
    struct executor executor;
    // Offsets in scratch, in bytes: a copy of v at 0, replaced by dv once v is read; a copy of u or
    // du; the primitive's scratchpad.
    size_t u_at, scratchpad_at, scratch_bytes;
};

static const int product_names[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, 0};

// A batch of matrices; `order`: rows (dnnl_abc) or columns (dnnl_acb) are contiguous.
struct factor {
    dnnl_dim_t rows, columns;
    dnnl_format_tag_t order;
};

enum { LEFT, RIGHT, RESULT, OPERANDS };

static dnnl_status_t make_call(struct call *call, const struct layout layouts[OPERANDS],
                               const_dnnl_primitive_attr_t attributes) {
    struct primitive_spec spec = {.source = layout_of(&layouts[LEFT]),
                                  .weights = layout_of(&layouts[RIGHT]),
                                  .destination = layout_of(&layouts[RESULT]),
                                  .attributes = attributes};
    dnnl_primitive_desc_t descriptor;
    DNNL_TRY(describe_matrix_product(gb_onednn_engine, &spec, &descriptor));
    dnnl_status_t status = gb_onednn_call_make(call, descriptor, product_names);
    gb_dnnl.primitive_desc_destroy(descriptor);
    return status;
}

static dnnl_status_t make_product(struct call *call, int n, struct factor left, struct factor right,
                                  const_dnnl_primitive_attr_t attributes) {
    const struct factor factors[OPERANDS] = {left, right, {left.rows, right.columns, dnnl_abc}};
    struct layout layouts[OPERANDS] = {0};
    dnnl_status_t status = dnnl_success;
    for (int i = 0; i < OPERANDS && status == dnnl_success; i++)
        status =
            layout_make(&layouts[i], dnnl_f32, 3,
                        (dnnl_dims_t){n, factors[i].rows, factors[i].columns}, factors[i].order);
    if (status == dnnl_success)
        status = make_call(call, layouts, attributes);
    for (int i = 0; i < OPERANDS; i++)
        layout_free(&layouts[i]);
    return status;
}

static dnnl_status_t make_products(struct inv1x1 *m, const struct gb_image_problem *p,
                                   const_dnnl_primitive_attr_t attributes) {
    const dnnl_dim_t pixels = (dnnl_dim_t)p->h * p->w, c = p->c;
    const struct factor variables = {pixels, c, dnnl_abc}, variables_across = {c, pixels, dnnl_acb};
    const struct factor matrices = {c, c, dnnl_abc}, matrices_across = {c, c, dnnl_acb};
    DNNL_TRY(make_product(&m->executor.calls[FORWARD_PRODUCT], p->n, variables, matrices_across,
                          attributes));
    DNNL_TRY(make_product(&m->executor.calls[DATA_PRODUCT], p->n, variables, matrices, attributes));
    return make_product(&m->executor.calls[MATRICES_PRODUCT], p->n, variables_across, variables,
                        attributes);
}

static void divide_scratch(struct inv1x1 *m, const struct gb_image_problem *p) {
    const struct gb_tensor v = gb_dense(NULL, p->n, p->h, p->w, p->c);
    m->u_at = aligned(gb_elements(&v) * sizeof(float));
    m->scratchpad_at = 2 * m->u_at;
    m->scratch_bytes = m->scratchpad_at + aligned(gb_onednn_scratchpad_bytes(&m->executor));
}

static dnnl_status_t build(void *library, const void *problem) {
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t status = gb_onednn_attributes_make(&attributes);
    if (status == dnnl_success)
        status = make_products(library, problem, attributes);
    if (attributes)
        gb_dnnl.primitive_attr_destroy(attributes);
    divide_scratch(library, problem);
    return status;
}

enum gb_status gb_onednn_inv1x1_plan(const struct gb_image_problem *p, int threads,
                                     struct gb_inv1x1_plan *plan) {
    GB_TRY(gb_onednn_load());
    GB_TRY(gb_problem_check(&gb_inv1x1_operation, p));
    *plan = (struct gb_inv1x1_plan){.problem = *p};
    GB_TRY(gb_onednn_planned(
        gb_onednn_make(sizeof(struct inv1x1), threads, build, p, &plan->backend_data),
        &gb_inv1x1_operation, p));
    plan->scratch_bytes = ((const struct inv1x1 *)plan->backend_data)->scratch_bytes;
    return GB_OK;
}

void gb_onednn_inv1x1_plan_free(struct gb_inv1x1_plan *plan) {
    gb_onednn_free(&plan->backend_data);
}

void gb_onednn_inv1x1_forward(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec,
                              const struct gb_tensor *v, const float *matrices,
                              const struct gb_tensor *u) {
    assert(gb_inv1x1_operands_fit(plan, exec, v, u));
    const struct inv1x1 *m = plan->backend_data;
    const float *input = gb_onednn_dense_input(exec, v, GB_F32, exec->scratch);
    const struct gb_tensor made = gb_onednn_dense_output(u, gb_scratch(exec, m->u_at));
    RUN(&m->executor, FORWARD_PRODUCT, gb_scratch(exec, m->scratchpad_at), input, matrices,
        made.data);
    gb_onednn_copy_out(exec, &made, u);
}

void gb_onednn_inv1x1_backward(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec,
                               const struct gb_tensor *v, const float *matrices,
                               const struct gb_tensor *du, const struct gb_tensor *dv,
                               float *d_matrices) {
    assert(gb_inv1x1_operands_fit(plan, exec, v, du) && gb_inv1x1_operands_fit(plan, exec, dv, du));
    const struct inv1x1 *m = plan->backend_data;
    void *scratchpad = gb_scratch(exec, m->scratchpad_at);
    const float *input = gb_onednn_dense_input(exec, v, GB_F32, exec->scratch);
    const float *gradient = gb_onednn_dense_input(exec, du, GB_F32, gb_scratch(exec, m->u_at));
    RUN(&m->executor, MATRICES_PRODUCT, scratchpad, gradient, input, d_matrices);
    const struct gb_tensor made = gb_onednn_dense_output(dv, exec->scratch);
    RUN(&m->executor, DATA_PRODUCT, scratchpad, gradient, matrices, made.data);
    gb_onednn_copy_out(exec, &made, dv);
}
