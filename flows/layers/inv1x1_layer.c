// SPDX-License-Identifier: MIT
#include "flows/layers/inv1x1_layer.h"

enum gb_status gb_inv1x1_layer_plan(struct gb_inv1x1_layer *layer, struct gb_builder *builder,
                                    int batch, int h, int w, int c) {
    layer->c = c;
    const struct gb_image_problem stacked = {1, batch * h, w, c};
    GB_TRY(gb_builder_plan_inv1x1(builder, &stacked, &layer->plan));
    const struct gb_param matrix = {
        .dims = 4, .shape = {c, c, 1, 1}, .init = {GB_INIT_ROTATION, 0}};
    return gb_builder_add_param(builder, "mix.weight", matrix, &layer->weight);
}

void gb_inv1x1_layer_bind(struct gb_inv1x1_layer *layer, struct gb_arena *arena) {
    size_t elements = (size_t)layer->c * (size_t)layer->c;
    layer->inverse = gb_arena_floats(arena, elements);
    layer->d_weight = gb_arena_floats(arena, elements);
    layer->workspace = gb_arena_doubles(arena, gb_inv1x1_invert_workspace(layer->c));
}

void gb_inv1x1_layer_free(struct gb_inv1x1_layer *layer, const struct gb_backend *backend) {
    backend->inv1x1_plan_free(&layer->plan);
}

enum gb_status gb_inv1x1_layer_prepare(struct gb_inv1x1_layer *layer, const struct gb_pass *pass) {
    if (gb_inv1x1_invert(1, layer->c, gb_pass_value(pass, layer->weight), &layer->log_abs_det,
                         layer->inverse, layer->workspace) == GB_OK)
        return GB_OK;
    return gb_fail(GB_CHECK_FAILED, "cannot invert", pass->params->list[layer->weight].name,
                   "the matrix is singular or not finite");
}

static void multiply(const struct gb_inv1x1_layer *layer, const struct gb_pass *pass,
                     const float *matrix, const struct gb_tensor *from,
                     const struct gb_tensor *to) {
    struct gb_tensor stacked_from = gb_stack_images(from), stacked_to = gb_stack_images(to);
    pass->backend->inv1x1_forward(&layer->plan, &pass->exec, &stacked_from, matrix, &stacked_to);
}

void gb_inv1x1_layer_forward(const struct gb_inv1x1_layer *layer, const struct gb_pass *pass,
                             const struct gb_tensor *v, const struct gb_tensor *u,
                             double *log_det) {
    multiply(layer, pass, gb_pass_value(pass, layer->weight), v, u);
    for (int n = 0; n < v->n; n++)
        log_det[n] += (double)v->h * v->w * layer->log_abs_det;
}

void gb_inv1x1_layer_inverse(const struct gb_inv1x1_layer *layer, const struct gb_pass *pass,
                             const struct gb_tensor *u, const struct gb_tensor *v) {
    multiply(layer, pass, layer->inverse, u, v);
}

void gb_inv1x1_layer_backward(struct gb_inv1x1_layer *layer, const struct gb_pass *pass,
                              const struct gb_tensor *v, const struct gb_tensor *du,
                              const float *d_log_det, const struct gb_tensor *dv) {
    struct gb_tensor stacked_v = gb_stack_images(v), stacked_du = gb_stack_images(du);
    struct gb_tensor stacked_dv = gb_stack_images(dv);
    int c = layer->c;
    pass->backend->inv1x1_backward(&layer->plan, &pass->exec, &stacked_v,
                                   gb_pass_value(pass, layer->weight), &stacked_du, &stacked_dv,
                                   layer->d_weight);
    float pixels = 0;
    for (int n = 0; n < v->n; n++)
        pixels += (float)(v->h * v->w) * d_log_det[n];
    for (int i = 0; i < c; i++)
        for (int j = 0; j < c; j++)
            layer->d_weight[i * c + j] += pixels * layer->inverse[j * c + i];
    gb_pass_commit_gradient(pass, layer->weight, layer->d_weight);
}
