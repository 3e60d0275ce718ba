// SPDX-License-Identifier: MIT
#include "flows/layers/conditional_inv1x1.h"

#include <stdio.h>

enum gb_status gb_conditional_inv1x1_plan(struct gb_conditional_inv1x1 *layer,
                                          struct gb_builder *job, struct gb_builder *main,
                                          struct gb_conditioning_shape shape,
                                          const struct gb_image_problem *variables, bool live) {
    int c = variables->c;
    layer->images = shape.images;
    layer->batch = variables->n;
    layer->samples_per_x = variables->n / shape.images;
    layer->c = c;
    shape.outputs = c * c;
    struct gb_init weight = {GB_INIT_NORMAL, 0.1f}, bias = weight;
    if (live) {
        weight = (struct gb_init){GB_INIT_ZERO, 0};
        bias = (struct gb_init){GB_INIT_ATANH_ROTATION, 0};
    }
    GB_TRY(gb_conditioning_net_plan(&layer->net, job, "mix", &shape, live, weight, bias));
    struct gb_layer inversion = {
        .name = "inversion", .minor = true, .floats = 2 * (size_t)(shape.images * c * c)};
    snprintf(inversion.shape, sizeof inversion.shape, "n%dc%d", shape.images, c);
    GB_TRY(gb_builder_begin_layer(job, &inversion, &layer->inversion));
    gb_builder_end_layer(job, layer->inversion);
    return gb_builder_plan_inv1x1(main, variables, &layer->plan);
}

void gb_conditional_inv1x1_bind(struct gb_conditional_inv1x1 *layer, struct gb_arena *arena,
                                bool training) {
    int outputs = layer->c * layer->c;
    gb_conditioning_net_bind(&layer->net, arena);
    layer->matrices = layer->net.hidden[GB_FC_LAYERS - 1];
    if (layer->samples_per_x > 1)
        layer->matrices = gb_take_tensor(arena, layer->batch, 1, 1, outputs);
    layer->inverses = gb_take_tensor(arena, layer->batch, 1, 1, outputs);
    if (training)
        layer->d_matrices = gb_take_tensor(arena, layer->batch, 1, 1, outputs);
    layer->log_abs_det = gb_arena_doubles(arena, (size_t)layer->images);
    layer->workspace = gb_arena_doubles(arena, gb_inv1x1_invert_workspace(layer->c));
}

void gb_conditional_inv1x1_free(struct gb_conditional_inv1x1 *layer,
                                const struct gb_backend *backend) {
    gb_conditioning_net_free(&layer->net, backend);
    backend->inv1x1_plan_free(&layer->plan);
}

void gb_conditional_inv1x1_condition(struct gb_conditional_inv1x1 *layer,
                                     const struct gb_pass *pass, const struct gb_tensor *x) {
    gb_conditioning_net_forward(&layer->net, pass, x);
    const struct gb_tensor *out = &layer->net.hidden[GB_FC_LAYERS - 1];
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->inversion, GB_FORWARD, &span);
    layer->status = gb_inv1x1_invert(layer->images, layer->c, out->data, layer->log_abs_det,
                                     layer->inverses.data, layer->workspace);
    gb_layer_end(pass->profile, &span);
    if (layer->samples_per_x > 1) {
        gb_repeat_images(pass, out, layer->samples_per_x, &layer->matrices);
        gb_repeat_images(pass, &layer->inverses, layer->samples_per_x, &layer->inverses);
    }
}

enum gb_status gb_conditional_inv1x1_check(const struct gb_conditional_inv1x1 *layer,
                                           const char *name) {
    if (layer->status == GB_OK)
        return GB_OK;
    return gb_fail(layer->status, "cannot invert", name,
                   "a 1x1 convolution's matrix is singular or not finite");
}

void gb_conditional_inv1x1_forward(const struct gb_conditional_inv1x1 *layer,
                                   const struct gb_pass *pass, const struct gb_tensor *v,
                                   const struct gb_tensor *u, double *log_det) {
    pass->backend->inv1x1_forward(&layer->plan, &pass->exec, v, layer->matrices.data, u);
    if (log_det)
        for (int n = 0; n < v->n; n++)
            log_det[n] += (double)v->h * v->w * layer->log_abs_det[n / layer->samples_per_x];
}

void gb_conditional_inv1x1_inverse(const struct gb_conditional_inv1x1 *layer,
                                   const struct gb_pass *pass, const struct gb_tensor *u,
                                   const struct gb_tensor *v) {
    pass->backend->inv1x1_forward(&layer->plan, &pass->exec, u, layer->inverses.data, v);
}

void gb_conditional_inv1x1_backward(struct gb_conditional_inv1x1 *layer, const struct gb_pass *pass,
                                    const struct gb_tensor *v, const struct gb_tensor *du,
                                    const float *d_log_det, const struct gb_tensor *dv) {
    float *d_matrices = layer->d_matrices.data;
    pass->backend->inv1x1_backward(&layer->plan, &pass->exec, v, layer->matrices.data, du, dv,
                                   d_matrices);
    const float *inverses = layer->inverses.data;
    int c = layer->c;
    for (int n = 0; n < v->n; n++) {
        float pixels = (float)(v->h * v->w) * d_log_det[n];
        for (int i = 0; i < c; i++)
            for (int j = 0; j < c; j++)
                d_matrices[((ptrdiff_t)n * c + i) * c + j] +=
                    pixels * inverses[((ptrdiff_t)n * c + j) * c + i];
    }
}

void gb_conditional_inv1x1_condition_backward(struct gb_conditional_inv1x1 *layer,
                                              const struct gb_pass *pass, const struct gb_tensor *x,
                                              float *workspace, const struct gb_tensor *dx) {
    gb_conditioning_net_backward(&layer->net, pass, x, &layer->d_matrices, workspace, dx);
}
