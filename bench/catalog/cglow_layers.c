// SPDX-License-Identifier: MIT
// The layers of c-Glow (bench/catalog/layer_benchmarks.h).
#include <string.h>

#include "bench/catalog/layer_benchmarks.h"
#include "bench/catalog/layers.h"
#include "flows/layers/conditional_actnorm.h"
#include "flows/layers/conditional_coupling.h"
#include "flows/layers/conditional_inv1x1.h"
#include "flows/models/cglow.h"

// ---- Coupling ----

struct coupling {
    struct gb_conditional_coupling coupling;
    struct gb_coupling_shared shared;
    float *workspace; // of the path from x
};

// The path from x is not run: an image of the least size stands for it.
static enum gb_status plan_coupling(struct gb_layer_state *s) {
    struct coupling *own = s->own;
    const struct gb_layer_shape *p = s->shape;
    const struct gb_coupling_shape shape = {.images = p->n,
                                            .x_h = p->h,
                                            .x_w = p->w,
                                            .x_c = 1,
                                            .batch = p->n,
                                            .h = p->h,
                                            .w = p->w,
                                            .c = p->c,
                                            .coupling_channels = p->k,
                                            .feature_channels = 1};
    return gb_conditional_coupling_plan(&own->coupling, &s->builder, &s->builder, &shape, true);
}

static void bind_coupling(struct gb_layer_state *s, struct gb_arena *arena) {
    struct coupling *own = s->own;
    gb_coupling_shared_bind(&own->shared, arena, &own->coupling, true);
    gb_conditional_coupling_bind(&own->coupling, arena, &own->shared, true);
    s->d = gb_layer_take_variables(s, arena);
    s->v = own->coupling.joined; // with the features
}

static void free_coupling(struct gb_layer_state *s) {
    struct coupling *own = s->own;
    gb_conditional_coupling_free(&own->coupling, s->builder.backend);
}

static void run_coupling_forward(struct gb_layer_state *s) {
    struct coupling *own = s->own;
    gb_conditional_coupling_forward(&own->coupling, &s->pass, s->log_det);
}

static void run_coupling_inverse(struct gb_layer_state *s) {
    struct coupling *own = s->own;
    gb_conditional_coupling_inverse(&own->coupling, &s->pass);
}

static void run_coupling_backward(struct gb_layer_state *s) {
    struct coupling *own = s->own;
    gb_conditional_coupling_backward(&own->coupling, &own->shared, &s->pass, &s->d, s->d_log_det);
}

static struct gb_tensor coupling_output(const struct gb_layer_state *s,
                                        enum gb_direction direction) {
    const struct coupling *own = s->own;
    return direction == GB_BACKWARD ? s->d : own->coupling.v;
}

// ---- The coupling's path from x ----

static enum gb_status plan_features(struct gb_layer_state *s) {
    struct coupling *own = s->own;
    const struct gb_layer_shape *p = s->shape;
    const struct gb_coupling_shape shape = {.images = p->n,
                                            .x_h = p->x_h,
                                            .x_w = p->x_w,
                                            .x_c = p->x_c,
                                            .batch = p->n,
                                            .h = p->h,
                                            .w = p->w,
                                            .c = 2 * p->outputs,
                                            .coupling_channels = 1,
                                            .feature_channels = p->f};
    return gb_conditional_coupling_plan(&own->coupling, &s->builder, &s->builder, &shape, true);
}

static void bind_features(struct gb_layer_state *s, struct gb_arena *arena) {
    struct coupling *own = s->own;
    gb_coupling_shared_bind(&own->shared, arena, &own->coupling, true);
    gb_conditional_coupling_bind(&own->coupling, arena, &own->shared, true);
    s->x = gb_layer_take_image(s, arena);
    own->workspace = gb_arena_floats(arena, own->coupling.features.workspace_floats);
    s->d = own->coupling.d_input;
}

static void run_features_forward(struct gb_layer_state *s) {
    struct coupling *own = s->own;
    gb_conditional_coupling_condition(&own->coupling, &s->pass, &s->x);
}

static void run_features_backward(struct gb_layer_state *s) {
    struct coupling *own = s->own;
    gb_conditional_coupling_condition_backward(&own->coupling, &s->pass, &s->x, own->workspace,
                                               NULL);
}

// A gradient of x is not wanted in training, so there is none to compare.
static struct gb_tensor features_output(const struct gb_layer_state *s,
                                        enum gb_direction direction) {
    const struct coupling *own = s->own;
    (void)direction;
    return *gb_feed_forward_value(&own->coupling.features, 0);
}

// ---- Actnorm and 1x1 convolution ----

struct rotation {
    struct gb_conditional_actnorm actnorm;
    struct gb_conditional_inv1x1 inv1x1;
    struct gb_tensor between, out, d_between;
};

// Their networks run once, on an image of the least size, to give the parameters.
enum { LEAST_X = 8 };

static enum gb_status plan_rotation(struct gb_layer_state *s) {
    struct rotation *own = s->own;
    const struct gb_layer_shape *p = s->shape;
    const struct gb_conditioning_shape shape = {
        .images = p->n, .x_h = LEAST_X, .x_w = LEAST_X, .x_c = 1, .n_c = 1, .n_w = 1};
    GB_TRY(gb_conditional_actnorm_plan(&own->actnorm, &s->builder, shape, p->n, p->c, true));
    const struct gb_image_problem variables = {p->n, p->h, p->w, p->c};
    return gb_conditional_inv1x1_plan(&own->inv1x1, &s->builder, &s->builder, shape, &variables,
                                      true);
}

static void bind_rotation(struct gb_layer_state *s, struct gb_arena *arena) {
    struct rotation *own = s->own;
    const struct gb_layer_shape *p = s->shape;
    gb_conditional_actnorm_bind(&own->actnorm, arena, true);
    gb_conditional_inv1x1_bind(&own->inv1x1, arena, true);
    s->x = gb_take_tensor(arena, p->n, LEAST_X, LEAST_X, 1);
    s->v = gb_layer_take_variables(s, arena);
    own->between = gb_layer_take_variables(s, arena);
    own->out = gb_layer_take_variables(s, arena);
    s->d = gb_layer_take_variables(s, arena);
    own->d_between = gb_layer_take_variables(s, arena);
}

static void free_rotation(struct gb_layer_state *s) {
    struct rotation *own = s->own;
    gb_conditional_actnorm_free(&own->actnorm, s->builder.backend);
    gb_conditional_inv1x1_free(&own->inv1x1, s->builder.backend);
}

static enum gb_status prepare_rotation(struct gb_layer_state *s) {
    struct rotation *own = s->own;
    gb_conditional_actnorm_condition(&own->actnorm, &s->pass, &s->x);
    gb_conditional_inv1x1_condition(&own->inv1x1, &s->pass, &s->x);
    return gb_conditional_inv1x1_check(&own->inv1x1, s->benchmark->problem);
}

static void run_rotation_forward(struct gb_layer_state *s) {
    struct rotation *own = s->own;
    gb_conditional_actnorm_forward(&own->actnorm, &s->pass, &s->v, &own->between, s->log_det);
    gb_conditional_inv1x1_forward(&own->inv1x1, &s->pass, &own->between, &own->out, s->log_det);
}

static void run_rotation_inverse(struct gb_layer_state *s) {
    struct rotation *own = s->own;
    gb_conditional_inv1x1_inverse(&own->inv1x1, &s->pass, &s->v, &own->between);
    gb_conditional_actnorm_inverse(&own->actnorm, &s->pass, &own->between, &own->out);
}

// As c-Glow does it: what the 1x1 convolution saw is computed again.
static void run_rotation_backward(struct gb_layer_state *s) {
    struct rotation *own = s->own;
    gb_conditional_actnorm_forward(&own->actnorm, &s->pass, &s->v, &own->between, NULL);
    gb_conditional_inv1x1_backward(&own->inv1x1, &s->pass, &own->between, &s->d, s->d_log_det,
                                   &own->d_between);
    gb_conditional_actnorm_backward(&own->actnorm, &s->pass, &s->v, &own->d_between, s->d_log_det,
                                    &own->out);
}

static struct gb_tensor rotation_output(const struct gb_layer_state *s,
                                        enum gb_direction direction) {
    const struct rotation *own = s->own;
    (void)direction;
    return own->out;
}

// ---- Conditioning network ----

struct network {
    struct gb_conditioning_net net;
    struct gb_tensor spent; // the gradient, which backward overwrites
    float *workspace;
};

static enum gb_status plan_network(struct gb_layer_state *s) {
    struct network *own = s->own;
    const struct gb_layer_shape *p = s->shape;
    const struct gb_conditioning_shape shape = {.images = p->n,
                                                .x_h = p->x_h,
                                                .x_w = p->x_w,
                                                .x_c = p->x_c,
                                                .n_c = p->d,
                                                .n_w = p->e,
                                                .outputs = p->outputs};
    const struct gb_init last = {GB_INIT_NORMAL, 0.1f};
    return gb_conditioning_net_plan(&own->net, &s->builder, "network", &shape, true, last, last);
}

static void bind_network(struct gb_layer_state *s, struct gb_arena *arena) {
    struct network *own = s->own;
    const struct gb_layer_shape *p = s->shape;
    gb_conditioning_net_bind(&own->net, arena);
    s->x = gb_layer_take_image(s, arena);
    s->d = gb_take_tensor(arena, p->n, 1, 1, p->outputs);
    own->spent = gb_take_tensor(arena, p->n, 1, 1, p->outputs);
    own->workspace = gb_arena_floats(arena, gb_conditioning_net_workspace(&own->net));
}

static void free_network(struct gb_layer_state *s) {
    struct network *own = s->own;
    gb_conditioning_net_free(&own->net, s->builder.backend);
}

static void run_network_forward(struct gb_layer_state *s) {
    struct network *own = s->own;
    gb_conditioning_net_forward(&own->net, &s->pass, &s->x);
}

static void run_network_backward(struct gb_layer_state *s) {
    struct network *own = s->own;
    memcpy(own->spent.data, s->d.data, gb_elements(&s->d) * sizeof(float));
    gb_conditioning_net_backward(&own->net, &s->pass, &s->x, &own->spent, own->workspace, NULL);
}

static struct gb_tensor network_output(const struct gb_layer_state *s,
                                       enum gb_direction direction) {
    const struct network *own = s->own;
    (void)direction;
    return own->net.hidden[GB_FC_LAYERS - 1];
}

// ---- The kinds ----

static const struct gb_problem_size coupling_sizes[] = {
    GB_LAYER_SIZE('n', n, 1), GB_LAYER_SIZE('h', h, 1), GB_LAYER_SIZE('w', w, 1),
    GB_LAYER_SIZE('c', c, 2), GB_LAYER_SIZE('k', k, 1), {0}};
static const struct gb_problem_size features_sizes[] = {
    GB_LAYER_SIZE('n', n, 1),   GB_LAYER_SIZE('x', x_h, 1),     GB_LAYER_SIZE('y', x_w, 1),
    GB_LAYER_SIZE('z', x_c, 1), GB_LAYER_SIZE('f', f, 1),       GB_LAYER_SIZE('h', h, 1),
    GB_LAYER_SIZE('w', w, 1),   GB_LAYER_SIZE('o', outputs, 1), {0}};
static const struct gb_problem_size rotation_sizes[] = {GB_LAYER_SIZE('n', n, 1),
                                                        GB_LAYER_SIZE('h', h, 1),
                                                        GB_LAYER_SIZE('w', w, 1),
                                                        GB_LAYER_SIZE('c', c, 1),
                                                        {0}};
static const struct gb_problem_size network_sizes[] = {
    GB_LAYER_SIZE('n', n, 1),       GB_LAYER_SIZE('x', x_h, 8),
    GB_LAYER_SIZE('y', x_w, 8),     GB_LAYER_SIZE('z', x_c, 1),
    GB_LAYER_SIZE('d', d, 1),       GB_LAYER_SIZE('e', e, 1),
    GB_LAYER_SIZE('o', outputs, 1), {0}};

static enum gb_status check_coupling_shape(const void *problem) {
    const struct gb_layer_shape *p = problem;
    return p->c % 2 == 0 ? GB_OK
                         : gb_fail(GB_BAD_INPUT, "sizes make no sense", "coupling layer",
                                   "%d channels have no halves", p->c);
}

static enum gb_status check_features_shape(const void *problem) {
    const struct gb_layer_shape *p = problem;
    return p->x_h >= p->h && p->x_w >= p->w
               ? GB_OK
               : gb_fail(GB_BAD_INPUT, "sizes make no sense", "feature network",
                         "%dx%d is larger than the image of %dx%d", p->h, p->w, p->x_h, p->x_w);
}

enum { COUPLING, FEATURES, ROTATION, NETWORK };
const struct gb_layer gb_cglow_layer_kinds[] = {
    [COUPLING] = {.name = "coupling",
                  .text = {.name = "layer",
                           .what = "coupling layer",
                           .problem_bytes = sizeof(struct gb_layer_shape),
                           .sizes = coupling_sizes,
                           .check = check_coupling_shape},
                  .own_bytes = sizeof(struct coupling),
                  .plan = plan_coupling,
                  .bind = bind_coupling,
                  .free = free_coupling,
                  .run = {[GB_FORWARD] = run_coupling_forward,
                          [GB_INVERSE] = run_coupling_inverse,
                          [GB_BACKWARD] = run_coupling_backward},
                  .output = coupling_output},
    [FEATURES] =
        {.name = "features",
         .text = {.name = "layer",
                  .what = "feature network",
                  .problem_bytes = sizeof(struct gb_layer_shape),
                  .sizes = features_sizes,
                  .check = check_features_shape},
         .own_bytes = sizeof(struct coupling),
         .plan = plan_features,
         .bind = bind_features,
         .free = free_coupling,
         .run = {[GB_FORWARD] = run_features_forward, [GB_BACKWARD] = run_features_backward},
         .output = features_output},
    [ROTATION] = {.name = "rotation",
                  .text = {.name = "layer",
                           .what = "actnorm and 1x1 convolution",
                           .problem_bytes = sizeof(struct gb_layer_shape),
                           .sizes = rotation_sizes},
                  .own_bytes = sizeof(struct rotation),
                  .plan = plan_rotation,
                  .bind = bind_rotation,
                  .free = free_rotation,
                  .prepare = prepare_rotation,
                  .run = {[GB_FORWARD] = run_rotation_forward,
                          [GB_INVERSE] = run_rotation_inverse,
                          [GB_BACKWARD] = run_rotation_backward},
                  .output = rotation_output},
    [NETWORK] = {.name = "network",
                 .text = {.name = "layer",
                          .what = "conditioning network",
                          .problem_bytes = sizeof(struct gb_layer_shape),
                          .sizes = network_sizes},
                 .own_bytes = sizeof(struct network),
                 .plan = plan_network,
                 .bind = bind_network,
                 .free = free_network,
                 .run = {[GB_FORWARD] = run_network_forward, [GB_BACKWARD] = run_network_backward},
                 .output = network_output},
    {0},
};

// ---- Of a model ----

enum gb_status gb_cglow_layers(const void *config, int batch, struct gb_layer_call **list,
                               int *count) {
    const struct gb_cglow_config *c = config;
    const struct gb_layer *kinds = gb_cglow_layer_kinds;
    struct gb_layer_calls calls = {0};
    struct gb_layer_shape shape = {.n = batch,
                                   .h = c->sizes.y_h,
                                   .w = c->sizes.y_w,
                                   .c = c->sizes.y_c,
                                   .k = c->coupling_channels,
                                   .x_h = c->sizes.x_h,
                                   .x_w = c->sizes.x_w,
                                   .x_c = c->sizes.x_c,
                                   .f = c->feature_channels,
                                   .d = c->n_c,
                                   .e = c->n_w};
    for (int level = 0; level < c->levels; level++) {
        shape.h /= 2, shape.w /= 2, shape.c *= 4;
        gb_layer_calls_add(&calls, &kinds[COUPLING], &shape, c->steps);
        gb_layer_calls_add(&calls, &kinds[ROTATION], &shape, c->steps);
        shape.outputs = shape.c / 2;
        gb_layer_calls_add(&calls, &kinds[FEATURES], &shape, c->steps);
        shape.outputs = 2 * shape.c;
        gb_layer_calls_add(&calls, &kinds[NETWORK], &shape, c->steps);
        shape.outputs = shape.c * shape.c;
        gb_layer_calls_add(&calls, &kinds[NETWORK], &shape, c->steps);
        shape.c /= 2;
    }
    return gb_layer_calls_end(&calls, list, count);
}
