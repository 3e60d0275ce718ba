// SPDX-License-Identifier: MIT
#include "flows/layers/conditional_inv1x1.h"

enum gb_status gb_conditional_inv1x1_plan(struct gb_conditional_inv1x1 *layer,
                                          struct gb_builder *job, struct gb_builder *main,
                                          struct gb_conditioning_shape shape,
                                          const struct gb_image_problem *variables, bool live) {
    int c = variables->c;
    layer->images = shape.images;
    layer->c = c;
    shape.outputs = c * c;
    struct gb_init weight = {GB_INIT_NORMAL, 0.1f}, bias = weight;
    if (live) {
        weight = (struct gb_init){GB_INIT_ZERO, 0};
        bias = (struct gb_init){GB_INIT_ATANH_ROTATION, 0};
    }
    GB_TRY(gb_conditioning_net_plan(&layer->net, job, "mix", &shape, live, weight, bias));
    const struct gb_layer inversion = {
        .name = "inversion", .minor = true, .floats = 2 * gb_shape_floats(shape.images, c, c, 1)};
    GB_TRY(gb_builder_begin_layer(job, &layer->inversion, &inversion, "n%dc%d", shape.images, c));
    gb_builder_end_layer(job, layer->inversion);
    return gb_builder_plan_inv1x1(main, variables, &layer->plan);
}

void gb_conditional_inv1x1_bind(struct gb_conditional_inv1x1 *layer, struct gb_arena *arena,
                                bool training, bool recomputed) {
    gb_conditioning_net_bind(&layer->net, arena, training, recomputed);
    const struct gb_tensor *matrices = &layer->net.output;
    layer->inverses = gb_take_tensor(arena, matrices->n, 1, 1, matrices->c);
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
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->inversion, GB_FORWARD, &span);
    layer->status =
        gb_inv1x1_invert(layer->images, layer->c, layer->net.hidden[GB_FC_LAYERS - 1].data,
                         layer->log_abs_det, layer->inverses.data, layer->workspace);
    gb_layer_end(pass->profile, &span);
    if (layer->net.samples_per_x > 1)
        gb_repeat_images(pass, &layer->inverses, layer->net.samples_per_x, &layer->inverses);
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
    pass->backend->inv1x1_forward(&layer->plan, &pass->exec, v, layer->net.output.data, u);
    if (log_det)
        for (int n = 0; n < v->n; n++)
            log_det[n] += (double)v->h * v->w * layer->log_abs_det[n / layer->net.samples_per_x];
}

void gb_conditional_inv1x1_inverse(const struct gb_conditional_inv1x1 *layer,
                                   const struct gb_pass *pass, const struct gb_tensor *u,
                                   const struct gb_tensor *v) {
    pass->backend->inv1x1_forward(&layer->plan, &pass->exec, u, layer->inverses.data, v);
}

void gb_conditional_inv1x1_backward(struct gb_conditional_inv1x1 *layer, const struct gb_pass *pass,
                                    const struct gb_tensor *v, const struct gb_tensor *du,
                                    const float *d_log_det, const struct gb_tensor *dv) {
    float *d_matrices = layer->net.d_output.data;
    pass->backend->inv1x1_backward(&layer->plan, &pass->exec, v, layer->net.output.data, du, dv,
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
