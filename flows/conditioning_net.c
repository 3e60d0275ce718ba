// SPDX-License-Identifier: MIT
#include "flows/conditioning_net.h"

#include <stdio.h>

static enum gb_status plan_convolutions(struct gb_conditioning_net *net, struct gb_builder *builder,
                                        const char *name, const struct gb_conditioning_shape *shape,
                                        bool live) {
    struct gb_conv_layer_spec specs[GB_CHAIN];
    char names[GB_CHAIN][48];
    int h = shape->x_h, w = shape->x_w, c = shape->x_c;
    for (int i = 0; i < GB_CHAIN; i++) {
        snprintf(names[i], sizeof names[i], "%s.conv.%d", name, i);
        struct gb_conv_problem problem =
            gb_reducing_conv(shape->images, h, w, c, h / 2, w / 2, shape->n_c);
        specs[i] =
            (struct gb_conv_layer_spec){.name = names[i], .problem = problem, .first = i == 0};
        if (live) {
            specs[i].weight_start = GB_START_NORMAL;
            specs[i].weight_spread = gb_he_spread(gb_conv_fan_in(&problem));
        } else {
            specs[i].bias_start = GB_START_UNIFORM;
            specs[i].bias_spread = gb_default_spread(gb_conv_fan_in(&problem));
        }
        h /= 2, w /= 2, c = shape->n_c;
    }
    return gb_conv_chain_plan(&net->conv, builder, specs);
}

enum gb_status gb_conditioning_net_plan(struct gb_conditioning_net *net, struct gb_builder *builder,
                                        const char *name, const struct gb_conditioning_shape *shape,
                                        bool live, struct gb_last_layer_start last) {
    GB_TRY(plan_convolutions(net, builder, name, shape, live));
    const struct gb_conv_plan *body = &net->conv.layer[GB_CHAIN - 1].plan;
    struct gb_fc_problem problem = {.n = shape->images,
                                    .h = body->out_h,
                                    .w = body->out_w,
                                    .c = shape->n_c,
                                    .k = shape->n_w,
                                    .activation = GB_RELU};
    for (int i = 0; i < GB_CHAIN; i++) {
        char layer[48];
        snprintf(layer, sizeof layer, "%s.fc.%d", name, i);
        struct gb_fc_layer_spec spec = {.name = layer};
        if (i == GB_CHAIN - 1) {
            problem.k = shape->outputs;
            problem.activation = GB_TANH;
            spec.weight_start = last.weight;
            spec.bias_start = last.bias;
            spec.weight_spread = spec.bias_spread = last.spread;
        } else if (live) {
            spec.weight_start = GB_START_NORMAL;
            spec.weight_spread = gb_he_spread(gb_fc_inputs(&problem));
        }
        spec.problem = problem;
        GB_TRY(gb_fc_layer_plan(&net->fc[i], builder, &spec));
        problem.h = problem.w = 1;
        problem.c = problem.k;
    }
    return GB_OK;
}

void gb_conditioning_net_bind(struct gb_conditioning_net *net, struct gb_arena *arena) {
    gb_conv_chain_bind(&net->conv, arena);
    for (int i = 0; i < GB_CHAIN; i++) {
        const struct gb_fc_problem *p = &net->fc[i].plan.problem;
        gb_fc_layer_bind(&net->fc[i], arena);
        net->hidden[i] = gb_take_tensor(arena, p->n, 1, 1, p->k);
    }
}

void gb_conditioning_net_free(struct gb_conditioning_net *net, const struct gb_backend *backend) {
    gb_conv_chain_free(&net->conv, backend);
    for (int i = 0; i < GB_CHAIN; i++)
        gb_fc_layer_free(&net->fc[i], backend);
}

void gb_conditioning_net_forward(struct gb_conditioning_net *net, const struct gb_pass *pass,
                                 const struct gb_tensor *x) {
    gb_conv_chain_forward(&net->conv, pass, x);
    for (int i = 0; i < GB_CHAIN; i++)
        gb_fc_layer_forward(&net->fc[i], pass,
                            i == 0 ? &net->conv.out[GB_CHAIN - 1] : &net->hidden[i - 1],
                            &net->hidden[i]);
}

size_t gb_conditioning_net_workspace(const struct gb_conditioning_net *net) {
    size_t floats = gb_conv_chain_workspace(&net->conv);
    for (int i = 0; i < GB_CHAIN; i++)
        floats +=
            gb_round_up(gb_fc_inputs(&net->fc[i].plan.problem) * (size_t)net->fc[i].plan.problem.n,
                        GB_CHANNEL_PAD);
    return floats;
}

void gb_conditioning_net_backward(struct gb_conditioning_net *net, const struct gb_pass *pass,
                                  const struct gb_tensor *x, const struct gb_tensor *dy,
                                  float *workspace, const struct gb_tensor *dx) {
    struct gb_tensor d_out = *dy;
    for (int i = GB_CHAIN - 1; i >= 0; i--) {
        const struct gb_tensor *input = i == 0 ? &net->conv.out[GB_CHAIN - 1] : &net->hidden[i - 1];
        struct gb_tensor d_input = gb_dense(workspace, input->n, input->h, input->w, input->c);
        workspace += gb_round_up(gb_elements(&d_input), GB_CHANNEL_PAD);
        gb_fc_layer_backward(&net->fc[i], pass, input, &net->hidden[i], &d_out, &d_input);
        d_out = d_input;
    }
    gb_conv_chain_backward(&net->conv, pass, x, &d_out, workspace, dx);
}
