// SPDX-License-Identifier: MIT
#include "flows/layers/conditional_actnorm.h"

enum gb_status gb_conditional_actnorm_plan(struct gb_conditional_actnorm *layer,
                                           struct gb_builder *builder,
                                           struct gb_conditioning_shape shape, int c, bool live) {
    layer->c = c;
    shape.outputs = 2 * c;
    // Zero in both variants: the layer is the identity at first.
    const struct gb_init zero = {GB_INIT_ZERO, 0};
    return gb_conditioning_net_plan(&layer->net, builder, "actnorm", &shape, live, zero, zero);
}

static struct gb_actnorm_parameters parameters_of(const struct gb_conditional_actnorm *layer) {
    const float *log_scale = layer->net.output.data;
    return (struct gb_actnorm_parameters){
        .log_scale = log_scale, .bias = log_scale + layer->c, .stride = 2 * layer->c};
}

void gb_conditional_actnorm_forward(const struct gb_conditional_actnorm *layer,
                                    const struct gb_pass *pass, const struct gb_tensor *v,
                                    const struct gb_tensor *y, double *log_det) {
    struct gb_actnorm_parameters parameters = parameters_of(layer);
    pass->backend->actnorm_forward(&pass->exec, v, &parameters, y);
    if (log_det)
        for (int n = 0; n < v->n; n++)
            log_det[n] += gb_actnorm_log_det(v->h, v->w, layer->c,
                                             parameters.log_scale + n * parameters.stride);
}

void gb_conditional_actnorm_inverse(const struct gb_conditional_actnorm *layer,
                                    const struct gb_pass *pass, const struct gb_tensor *y,
                                    const struct gb_tensor *v) {
    struct gb_actnorm_parameters parameters = parameters_of(layer);
    pass->backend->actnorm_inverse(&pass->exec, y, &parameters, v);
}

void gb_conditional_actnorm_backward(struct gb_conditional_actnorm *layer,
                                     const struct gb_pass *pass, const struct gb_tensor *v,
                                     const struct gb_tensor *dy, const float *d_log_det,
                                     const struct gb_tensor *dv) {
    struct gb_actnorm_parameters parameters = parameters_of(layer);
    float *d_log_scale = layer->net.d_output.data;
    pass->backend->actnorm_backward(&pass->exec, v, &parameters, dy, d_log_det, dv, d_log_scale,
                                    d_log_scale + layer->c, 2 * layer->c);
}
