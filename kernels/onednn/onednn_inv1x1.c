// SPDX-License-Identifier: MIT
// inv1x1 as oneDNN's batched matrix product, one per image. With rows of pixels and columns of
// channels, and the matrices transposed by their strides,
//   forward     u  = v * W^T
//   data        dv = du * W
//   matrices    dW = du^T * v
// The strides of the views are unknown when the plan creates the primitives, so views that are not
// dense are copied, as for the other operations.
#include "kernels/onednn/onednn_inv1x1.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/inv1x1/contract.h"
#include "kernels/onednn/onednn_call.h"

// What plan->library points to.
struct inv1x1 {
    struct executor executor;
    struct call forward, data, matrices;
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
    const struct primitive_spec spec = {.source = layout_of(&layouts[LEFT]),
                                        .weights = layout_of(&layouts[RIGHT]),
                                        .destination = layout_of(&layouts[RESULT]),
                                        .attributes = attributes};
    dnnl_primitive_desc_t descriptor;
    DNNL_TRY(describe_matrix_product(gb_onednn_engine, &spec, &descriptor));
    dnnl_status_t status = gb_onednn_call_make(call, descriptor, product_names);
    dnnl_primitive_desc_destroy(descriptor);
    return status;
}

static dnnl_status_t make_product(struct call *call, int n, struct factor left, struct factor right,
                                  const_dnnl_primitive_attr_t attributes) {
    const struct factor factors[OPERANDS] = {left, right, {left.rows, right.columns, dnnl_abc}};
    struct layout layouts[OPERANDS] = {0};
    dnnl_status_t status = dnnl_success;
    for (int i = 0; i < OPERANDS && status == dnnl_success; i++)
        status = layout_make(&layouts[i], 3, (dnnl_dims_t){n, factors[i].rows, factors[i].columns},
                             factors[i].order);
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
    DNNL_TRY(make_product(&m->forward, p->n, variables, matrices_across, attributes));
    DNNL_TRY(make_product(&m->data, p->n, variables, matrices, attributes));
    DNNL_TRY(make_product(&m->matrices, p->n, variables_across, variables, attributes));
    return dnnl_stream_create(&m->executor.stream, gb_onednn_engine, dnnl_stream_default_flags);
}

static void divide_scratch(struct inv1x1 *m, const struct gb_image_problem *p) {
    const struct gb_tensor v = gb_dense(NULL, p->n, p->h, p->w, p->c);
    const size_t scratchpad =
        gb_max_size(gb_max_size(m->forward.scratchpad_bytes, m->data.scratchpad_bytes),
                    m->matrices.scratchpad_bytes);
    m->u_at = aligned(gb_elements(&v) * sizeof(float));
    m->scratchpad_at = 2 * m->u_at;
    m->scratch_bytes = m->scratchpad_at + aligned(scratchpad);
}

static void inv1x1_free(struct inv1x1 *m) {
    if (!m)
        return;
    gb_onednn_call_free(&m->forward);
    gb_onednn_call_free(&m->data);
    gb_onednn_call_free(&m->matrices);
    if (m->executor.stream)
        dnnl_stream_destroy(m->executor.stream);
    free(m);
}

static dnnl_status_t inv1x1_make(const struct gb_image_problem *p, int threads,
                                 struct inv1x1 **made) {
    DNNL_TRY(gb_onednn_ready());
    struct inv1x1 *m = calloc(1, sizeof *m);
    if (!m)
        return dnnl_out_of_memory;
    m->executor.threads = threads;
    dnnl_primitive_attr_t attributes = NULL;
    int before = gb_onednn_set_threads(threads);
    dnnl_status_t status = gb_onednn_attributes_make(&attributes);
    if (status == dnnl_success)
        status = make_products(m, p, attributes);
    omp_set_num_threads(before);
    if (attributes)
        dnnl_primitive_attr_destroy(attributes);
    divide_scratch(m, p);
    if (status != dnnl_success) {
        inv1x1_free(m);
        m = NULL;
    }
    *made = m;
    return status;
}

enum gb_status gb_onednn_inv1x1_plan(const struct gb_image_problem *p, int threads,
                                     struct gb_inv1x1_plan *plan) {
    GB_TRY(gb_inv1x1_check(p));
    char text[96];
    struct inv1x1 *inv1x1 = NULL;
    snprintf(text, sizeof text, "%d of %dx%dx%d", p->n, p->h, p->w, p->c);
    GB_TRY(gb_onednn_status(inv1x1_make(p, threads, &inv1x1), "cannot plan inv1x1", text));
    *plan = (struct gb_inv1x1_plan){
        .problem = *p, .scratch_bytes = inv1x1->scratch_bytes, .library = inv1x1};
    return GB_OK;
}

void gb_onednn_inv1x1_plan_free(struct gb_inv1x1_plan *plan) {
    inv1x1_free(plan->library);
    plan->library = NULL;
}

void gb_onednn_inv1x1_forward(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec,
                              const struct gb_tensor *v, const float *matrices,
                              const struct gb_tensor *u) {
    assert(gb_inv1x1_operands_fit(plan, exec, v, u));
    const struct inv1x1 *m = plan->library;
    const float *input = gb_onednn_dense_input(exec, v, exec->scratch);
    const struct gb_tensor made = gb_onednn_dense_output(u, gb_scratch(exec, m->u_at));
    RUN(&m->forward, &m->executor, gb_scratch(exec, m->scratchpad_at), input, matrices, made.data);
    gb_onednn_copy_out(exec, &made, u);
}

void gb_onednn_inv1x1_backward(const struct gb_inv1x1_plan *plan, const struct gb_exec *exec,
                               const struct gb_tensor *v, const float *matrices,
                               const struct gb_tensor *du, const struct gb_tensor *dv,
                               float *d_matrices) {
    assert(gb_inv1x1_operands_fit(plan, exec, v, du) && gb_inv1x1_operands_fit(plan, exec, dv, du));
    const struct inv1x1 *m = plan->library;
    void *scratchpad = gb_scratch(exec, m->scratchpad_at);
    const float *input = gb_onednn_dense_input(exec, v, exec->scratch);
    const float *gradient = gb_onednn_dense_input(exec, du, gb_scratch(exec, m->u_at));
    RUN(&m->matrices, &m->executor, scratchpad, gradient, input, d_matrices);
    const struct gb_tensor made = gb_onednn_dense_output(dv, exec->scratch);
    RUN(&m->data, &m->executor, scratchpad, gradient, matrices, made.data);
    gb_onednn_copy_out(exec, &made, dv);
}
