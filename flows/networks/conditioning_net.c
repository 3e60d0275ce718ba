// SPDX-License-Identifier: MIT
#include "flows/networks/conditioning_net.h"

#include <stdio.h>

static enum gb_status plan_convolutions(struct gb_conditioning_net *net, struct gb_builder *builder,
                                        const char *name, const struct gb_conditioning_shape *shape,
                                        bool live) {
    enum { CONVOLUTIONS = 3 };
    int h = shape->x_h, w = shape->x_w;
    struct gb_slice at = gb_feed_forward_begin(&net->conv, builder, GB_GRADIENTS_PARAMETERS,
                                               shape->images, h, w, shape->x_c);
    for (int i = 0; i < CONVOLUTIONS; i++) {
        char layer[48];
        snprintf(layer, sizeof layer, "%s.conv.%d", name, i);
        struct gb_conv_layer_spec spec = {
            .name = layer,
            .problem = gb_reducing_conv(shape->images, h, w, at.count, h / 2, w / 2, shape->n_c)};
        if (live)
            spec.weight_init = gb_init_he(gb_conv_fan_in(&spec.problem));
        else
            spec.bias_init = gb_init_default(gb_conv_fan_in(&spec.problem));
        h /= 2, w /= 2;
        at = gb_feed_forward_conv(&net->conv, spec, at, shape->n_c);
    }
    gb_feed_forward_output(&net->conv, at);
    return gb_feed_forward_end(&net->conv);
}

enum gb_status gb_conditioning_net_plan(struct gb_conditioning_net *net, struct gb_builder *builder,
                                        const char *name, const struct gb_conditioning_shape *shape,
                                        bool live, struct gb_init last_weight,
                                        struct gb_init last_bias) {
    const struct gb_layer timed = {
        .name = "network",
        .floats = gb_shape_floats(shape->images, shape->x_h, shape->x_w, shape->x_c) +
                  gb_shape_floats(shape->images, 1, 1, shape->outputs)};
    GB_TRY(gb_builder_begin_layer(builder, &net->layer, &timed, "n%dx%dy%dz%dd%de%do%d",
                                  shape->images, shape->x_h, shape->x_w, shape->x_c, shape->n_c,
                                  shape->n_w, shape->outputs));
    net->samples_per_x = shape->samples_per_x;
    GB_TRY(plan_convolutions(net, builder, name, shape, live));
    struct gb_fc_problem problem = {.n = shape->images,
                                    .h = shape->x_h / 2 / 2 / 2,
                                    .w = shape->x_w / 2 / 2 / 2,
                                    .c = shape->n_c,
                                    .k = shape->n_w,
                                    .activation = GB_RELU};
    for (int i = 0; i < GB_FC_LAYERS; i++) {
        char layer[48];
        snprintf(layer, sizeof layer, "%s.fc.%d", name, i);
        struct gb_fc_layer_spec spec = {.name = layer};
        if (i == GB_FC_LAYERS - 1) {
            problem.k = shape->outputs;
            problem.activation = GB_TANH;
            spec.weight_init = last_weight;
            spec.bias_init = last_bias;
        } else if (live) {
            spec.weight_init = gb_init_he(gb_fc_inputs(&problem));
        }
        spec.problem = problem;
        GB_TRY(gb_fc_layer_plan(&net->fc[i], builder, &spec));
        problem.h = problem.w = 1;
        problem.c = problem.k;
    }
    gb_builder_end_layer(builder, net->layer);
    return GB_OK;
}

void gb_conditioning_net_bind(struct gb_conditioning_net *net, struct gb_arena *arena,
                              bool training, bool recomputed) {
    net->recomputed = recomputed;
    gb_feed_forward_bind(&net->conv, arena,
                         recomputed ? NULL : gb_arena_floats(arena, net->conv.value_floats));
    for (int i = 0; i < GB_FC_LAYERS; i++) {
        const struct gb_fc_problem *p = &net->fc[i].plan.problem;
        gb_fc_layer_bind(&net->fc[i], arena);
        net->hidden[i] = recomputed && i < GB_FC_LAYERS - 1
                             ? gb_dense(NULL, p->n, 1, 1, p->k)
                             : gb_take_tensor(arena, p->n, 1, 1, p->k);
    }
    const struct gb_tensor *last = &net->hidden[GB_FC_LAYERS - 1];
    const int batch = last->n * net->samples_per_x;
    net->output = net->samples_per_x > 1 ? gb_take_tensor(arena, batch, 1, 1, last->c) : *last;
    if (training)
        net->d_output = gb_take_tensor(arena, batch, 1, 1, last->c);
}

size_t gb_conditioning_net_values(const struct gb_conditioning_net *net) {
    size_t floats = net->conv.value_floats;
    for (int i = 0; i < GB_FC_LAYERS - 1; i++)
        floats += gb_tensor_floats(&net->hidden[i]);
    return floats;
}

void gb_conditioning_net_move(struct gb_conditioning_net *net, float *values) {
    if (!net->recomputed)
        return;
    gb_feed_forward_move(&net->conv, values);
    values += net->conv.value_floats;
    for (int i = 0; i < GB_FC_LAYERS - 1; i++) {
        net->hidden[i].data = values;
        values += gb_tensor_floats(&net->hidden[i]);
    }
}

void gb_conditioning_net_free(struct gb_conditioning_net *net, const struct gb_backend *backend) {
    gb_feed_forward_free(&net->conv, backend);
    for (int i = 0; i < GB_FC_LAYERS; i++)
        gb_fc_layer_free(&net->fc[i], backend);
}

// Up to the output of FC layer fc_layers - 1.
static void run(struct gb_conditioning_net *net, const struct gb_pass *pass,
                const struct gb_tensor *x, int fc_layers) {
    gb_feed_forward_forward(&net->conv, pass, x);
    for (int i = 0; i < fc_layers; i++)
        gb_fc_layer_forward(&net->fc[i], pass,
                            i == 0 ? gb_feed_forward_value(&net->conv, 0) : &net->hidden[i - 1],
                            &net->hidden[i]);
}

void gb_conditioning_net_forward(struct gb_conditioning_net *net, const struct gb_pass *pass,
                                 const struct gb_tensor *x) {
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, net->layer, GB_FORWARD, &span);
    run(net, pass, x, GB_FC_LAYERS);
    gb_layer_end(pass->profile, &span);
    if (net->samples_per_x > 1)
        gb_repeat_images(pass, &net->hidden[GB_FC_LAYERS - 1], net->samples_per_x, &net->output);
}

size_t gb_conditioning_net_workspace(const struct gb_conditioning_net *net) {
    size_t floats = net->conv.workspace_floats;
    for (int i = 0; i < GB_FC_LAYERS; i++)
        floats +=
            gb_round_up(gb_fc_inputs(&net->fc[i].plan.problem) * (size_t)net->fc[i].plan.problem.n,
                        GB_CHANNEL_PAD);
    return floats;
}

void gb_conditioning_net_backward(struct gb_conditioning_net *net, const struct gb_pass *pass,
                                  const struct gb_tensor *x, float *workspace,
                                  const struct gb_tensor *dx) {
    struct gb_tensor d_out = net->d_output;
    struct gb_layer_span span;
    gb_layer_begin(pass->profile, net->layer, GB_BACKWARD, &span);
    if (net->recomputed)
        run(net, pass, x, GB_FC_LAYERS - 1);
    for (int i = GB_FC_LAYERS - 1; i >= 0; i--) {
        const struct gb_tensor *input =
            i == 0 ? gb_feed_forward_value(&net->conv, 0) : &net->hidden[i - 1];
        struct gb_tensor d_input = gb_dense(workspace, input->n, input->h, input->w, input->c);
        workspace += gb_round_up(gb_elements(&d_input), GB_CHANNEL_PAD);
        gb_fc_layer_backward(&net->fc[i], pass, input, &net->hidden[i], &d_out, &d_input);
        d_out = d_input;
    }
    gb_feed_forward_backward(&net->conv, pass, x, &d_out, workspace, dx);
    gb_layer_end(pass->profile, &span);
}
