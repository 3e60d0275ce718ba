// SPDX-License-Identifier: MIT
#include "flows/layers/coupling_layer.h"

void gb_coupling_layer_bind(struct gb_coupling_layer *layer, struct gb_arena *arena,
                            const struct gb_tensor *joined, int features, float *values) {
    const int c = joined->c - features;
    layer->joined = *joined;
    layer->features = gb_channels(joined, 0, features);
    layer->input = gb_channels(joined, 0, features + c / 2);
    layer->v = gb_channels(joined, features, c);
    gb_feed_forward_bind(&layer->net, arena, values);
}

void gb_coupling_layer_free(struct gb_coupling_layer *layer, const struct gb_backend *backend) {
    gb_feed_forward_free(&layer->net, backend);
}

static struct gb_tensor second_half(const struct gb_tensor *v) {
    return gb_channels(v, v->c / 2, v->c / 2);
}

void gb_coupling_layer_forward(struct gb_coupling_layer *layer, const struct gb_pass *pass,
                               double *log_det) {
    struct gb_tensor v2 = second_half(&layer->v);
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_FORWARD, &span);
    gb_feed_forward_forward(&layer->net, pass, &layer->input);
    pass->backend->coupling_forward(&pass->exec, layer->form, &v2,
                                    gb_feed_forward_value(&layer->net, 0), &v2, log_det);
    gb_layer_end(pass->profile, &span);
}

static void invert(struct gb_coupling_layer *layer, const struct gb_pass *pass) {
    struct gb_tensor u2 = second_half(&layer->v);
    pass->backend->coupling_inverse(&pass->exec, layer->form, &u2,
                                    gb_feed_forward_value(&layer->net, 0), &u2);
}

void gb_coupling_layer_inverse(struct gb_coupling_layer *layer, const struct gb_pass *pass) {
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_INVERSE, &span);
    gb_feed_forward_forward(&layer->net, pass, &layer->input);
    invert(layer, pass);
    gb_layer_end(pass->profile, &span);
}

void gb_coupling_layer_backward(struct gb_coupling_layer *layer, const struct gb_pass *pass,
                                const struct gb_tensor *d, const float *d_log_det,
                                const struct gb_coupling_gradients *gradients,
                                const struct gb_tensor *d_features) {
    const int half = d->c / 2, features = layer->features.c;
    struct gb_tensor u2 = second_half(&layer->v), d2 = second_half(d);
    struct gb_tensor d1 = gb_channels(d, 0, half);
    struct gb_tensor from_features = gb_channels(&gradients->d_input, 0, features);
    struct gb_tensor from_v1 = gb_channels(&gradients->d_input, features, half);
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, layer->layer, GB_BACKWARD, &span);
    if (layer->recomputed)
        gb_feed_forward_forward(&layer->net, pass, &layer->input);
    pass->backend->coupling_backward(&pass->exec, layer->form, &u2,
                                     gb_feed_forward_value(&layer->net, 0), &d2, d_log_det, &d2,
                                     &gradients->d_raw);
    if (layer->recomputed)
        invert(layer, pass);
    gb_feed_forward_backward(&layer->net, pass, &layer->input, &gradients->d_raw,
                             gradients->workspace, &gradients->d_input);
    if (d_features)
        pass->backend->add(&pass->exec, &from_features, d_features);
    pass->backend->add(&pass->exec, &from_v1, &d1);
    gb_layer_end(pass->profile, &span);
}
