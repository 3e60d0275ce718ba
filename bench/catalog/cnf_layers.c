// SPDX-License-Identifier: MIT
// The layers of CNF (bench/catalog/layer_benchmarks.h).
#include <stdio.h>
#include <string.h>

#include "bench/catalog/layer_benchmarks.h"
#include "bench/catalog/layers.h"
#include "flows/layers/dequantiser.h"
#include "flows/models/latents.h"
#include "flows/networks/rrdb.h"
#include "flows/networks/vgg.h"

static struct gb_tensor take_features(const struct gb_layer_shape *p, int h, int w,
                                      struct gb_arena *arena) {
    return gb_take_tensor(arena, p->n, h, w, p->f);
}

// Backward overwrites the gradient that it is given.
static void renew(const struct gb_tensor *given, const struct gb_tensor *spent) {
    memcpy(spent->data, given->data, gb_elements(given) * sizeof(float));
}

static bool segments(const struct gb_layer_shape *p) {
    return p->variant == GB_CNF_SEGMENTATION;
}

static struct gb_feature_coupling_shape coupling_shape(const struct gb_layer_shape *p) {
    return (struct gb_feature_coupling_shape){.form = segments(p) ? GB_COUPLING_ADDITIVE
                                                                  : GB_COUPLING_SOFTPLUS,
                                              .batch = p->n,
                                              .h = p->h,
                                              .w = p->w,
                                              .c = p->c,
                                              .features = p->f,
                                              .hidden = p->k};
}

static struct gb_flow_steps_shape steps_shape(const struct gb_layer_shape *p) {
    return (struct gb_flow_steps_shape){.count = p->steps,
                                        .instance_norm = segments(p),
                                        .memory = GB_MEMORY_STORED,
                                        .coupling = coupling_shape(p)};
}

// ---- Coupling ----

struct coupling {
    struct gb_feature_coupling layer;
    struct gb_feature_coupling_shared shared;
    struct gb_tensor spent, d_features;
};

static enum gb_status plan_coupling(struct gb_layer_state *s) {
    struct coupling *own = s->own;
    const struct gb_feature_coupling_shape shape = coupling_shape(s->shape);
    return gb_feature_coupling_plan(&own->layer, &s->builder, &shape, true);
}

static void bind_coupling(struct gb_layer_state *s, struct gb_arena *arena) {
    struct coupling *own = s->own;
    gb_feature_coupling_shared_bind(&own->shared, arena, &own->layer, true);
    gb_feature_coupling_bind(&own->layer, arena, &own->shared, true);
    s->v = own->layer.joined; // with the features
    s->d = gb_layer_take_variables(s, arena);
    own->spent = gb_layer_take_variables(s, arena);
    own->d_features = take_features(s->shape, s->shape->h, s->shape->w, arena);
}

static void free_coupling(struct gb_layer_state *s) {
    struct coupling *own = s->own;
    gb_feature_coupling_free(&own->layer, s->builder.backend);
}

static void run_coupling_forward(struct gb_layer_state *s) {
    struct coupling *own = s->own;
    gb_feature_coupling_forward(&own->layer, &s->pass, s->log_det);
}

static void run_coupling_inverse(struct gb_layer_state *s) {
    struct coupling *own = s->own;
    gb_feature_coupling_inverse(&own->layer, &s->pass);
}

static void run_coupling_backward(struct gb_layer_state *s) {
    struct coupling *own = s->own;
    renew(&s->d, &own->spent);
    gb_feature_coupling_backward(&own->layer, &own->shared, &s->pass, &own->spent, s->d_log_det,
                                 &own->d_features);
}

static struct gb_tensor coupling_output(const struct gb_layer_state *s,
                                        enum gb_direction direction) {
    const struct coupling *own = s->own;
    return direction == GB_BACKWARD ? own->spent : own->layer.v;
}

// ---- The steps of a level ----

struct steps {
    struct gb_flow_steps layer;
    struct gb_tensor d_features;
};

static enum gb_status plan_steps(struct gb_layer_state *s) {
    struct steps *own = s->own;
    const struct gb_flow_steps_shape shape = steps_shape(s->shape);
    return gb_flow_steps_plan(&own->layer, &s->builder, &shape);
}

static void bind_steps(struct gb_layer_state *s, struct gb_arena *arena) {
    struct steps *own = s->own;
    gb_flow_steps_bind(&own->layer, arena);
    s->x = take_features(s->shape, s->shape->h, s->shape->w, arena);
    s->v = own->layer.input;
    s->d = gb_layer_take_variables(s, arena);
    own->d_features = take_features(s->shape, s->shape->h, s->shape->w, arena);
}

static void free_steps(struct gb_layer_state *s) {
    struct steps *own = s->own;
    gb_flow_steps_free(&own->layer, s->builder.backend);
}

static void run_steps_forward(struct gb_layer_state *s) {
    struct steps *own = s->own;
    gb_flow_steps_forward(&own->layer, &s->pass, false, s->log_det);
}

// Forward too, which measures the moments that the inverse takes.
static enum gb_status prepare_steps(struct gb_layer_state *s) {
    struct steps *own = s->own;
    GB_TRY(gb_flow_steps_condition(&own->layer, &s->pass, &s->x));
    run_steps_forward(s);
    return GB_OK;
}

static void run_steps_inverse(struct gb_layer_state *s) {
    struct steps *own = s->own;
    gb_flow_steps_inverse(&own->layer, &s->pass);
}

static void run_steps_backward(struct gb_layer_state *s) {
    struct steps *own = s->own;
    renew(&s->d, &own->layer.d);
    gb_flow_steps_backward(&own->layer, &s->pass, s->d_log_det, &own->d_features);
}

static struct gb_tensor steps_output(const struct gb_layer_state *s, enum gb_direction direction) {
    const struct steps *own = s->own;
    return direction == GB_BACKWARD  ? own->layer.d
           : direction == GB_INVERSE ? own->layer.input
                                     : *gb_flow_steps_output(&own->layer);
}

// ---- The dequantiser ----

struct dequantiser {
    struct gb_dequantiser layer;
    struct gb_tensor noise, spent, d_features;
};

static enum gb_status plan_dequantiser(struct gb_layer_state *s) {
    struct dequantiser *own = s->own;
    const struct gb_flow_steps_shape shape = steps_shape(s->shape);
    return gb_dequantiser_plan(&own->layer, &s->builder, &shape);
}

static void bind_dequantiser(struct gb_layer_state *s, struct gb_arena *arena) {
    struct dequantiser *own = s->own;
    const struct gb_layer_shape *p = s->shape;
    gb_dequantiser_bind(&own->layer, arena);
    s->x = take_features(p, p->h / 2, p->w / 2, arena);
    s->v = gb_layer_take_variables(s, arena); // the mask
    s->d = gb_layer_take_variables(s, arena);
    own->noise = gb_layer_take_variables(s, arena);
    own->spent = gb_layer_take_variables(s, arena);
    own->d_features = take_features(p, p->h / 2, p->w / 2, arena);
}

static void free_dequantiser(struct gb_layer_state *s) {
    struct dequantiser *own = s->own;
    gb_dequantiser_free(&own->layer, s->builder.backend);
}

static enum gb_status dequantise(struct gb_layer_state *s) {
    struct dequantiser *own = s->own;
    return gb_dequantiser_forward(&own->layer, &s->pass, &s->x, &s->v, &own->noise, false,
                                  s->log_det);
}

static enum gb_status prepare_dequantiser(struct gb_layer_state *s) {
    enum { NOISE_STREAM = 3 };
    struct dequantiser *own = s->own;
    gb_layer_fill(s, &own->noise, NOISE_STREAM);
    float *mask = s->v.data;
    for (size_t i = 0; i < gb_elements(&s->v); i++)
        mask[i] = mask[i] > 0;
    return dequantise(s);
}

// What prepare found regular stays so.
static void run_dequantiser_forward(struct gb_layer_state *s) {
    dequantise(s);
}

static void run_dequantiser_backward(struct gb_layer_state *s) {
    struct dequantiser *own = s->own;
    renew(&s->d, &own->spent);
    gb_dequantiser_backward(&own->layer, &s->pass, &own->spent, s->d_log_det, &own->d_features);
}

static struct gb_tensor dequantiser_output(const struct gb_layer_state *s,
                                           enum gb_direction direction) {
    const struct dequantiser *own = s->own;
    return direction == GB_BACKWARD ? own->layer.steps.d : own->layer.v;
}

// ---- Feature networks ----

struct network {
    struct gb_feed_forward net;
    float *spent; // all outputs' gradients, one after the other, as in s->d
    float *workspace;
};

static struct gb_slice begin_network(struct gb_layer_state *s) {
    struct network *own = s->own;
    const struct gb_layer_shape *p = s->shape;
    return gb_feed_forward_begin(&own->net, &s->builder, GB_GRADIENTS_PARAMETERS, p->n, p->x_h,
                                 p->x_w, p->x_c);
}

static enum gb_status plan_rrdb(struct gb_layer_state *s) {
    struct network *own = s->own;
    const struct gb_layer_shape *p = s->shape;
    const struct gb_rrdb_shape shape = {
        .h = p->x_h, .w = p->x_w, .blocks = p->blocks, .growth = p->growth, .channels = p->f};
    struct gb_slice x = begin_network(s);
    gb_feed_forward_output(&own->net, gb_rrdb(&own->net, &shape, x));
    return gb_feed_forward_end(&own->net);
}

static enum gb_status plan_vgg(struct gb_layer_state *s) {
    struct network *own = s->own;
    const struct gb_layer_shape *p = s->shape;
    struct gb_slice features[GB_MAX_OUTPUTS + 1], x = begin_network(s);
    gb_vgg(&own->net, p->x_h, p->x_w, p->levels, p->f, x, features);
    for (int l = 1; l <= p->levels; l++)
        gb_feed_forward_output(&own->net, features[l]);
    return gb_feed_forward_end(&own->net);
}

static void bind_network(struct gb_layer_state *s, struct gb_arena *arena) {
    struct network *own = s->own;
    gb_feed_forward_bind(&own->net, arena, gb_arena_floats(arena, own->net.value_floats));
    own->workspace = gb_arena_floats(arena, own->net.workspace_floats);
    s->x = gb_layer_take_image(s, arena);
    size_t outputs = 0;
    for (int i = 0; i < own->net.output_count; i++)
        outputs += gb_elements(gb_feed_forward_value(&own->net, i));
    s->d = gb_take_tensor(arena, 1, 1, 1, (int)outputs);
    own->spent = gb_arena_floats(arena, outputs);
}

static void free_network(struct gb_layer_state *s) {
    struct network *own = s->own;
    gb_feed_forward_free(&own->net, s->builder.backend);
}

static void run_network_forward(struct gb_layer_state *s) {
    struct network *own = s->own;
    gb_feed_forward_forward(&own->net, &s->pass, &s->x);
}

static void run_network_backward(struct gb_layer_state *s) {
    struct network *own = s->own;
    struct gb_tensor d_outputs[GB_MAX_OUTPUTS];
    float *spent = own->spent;
    memcpy(spent, s->d.data, gb_elements(&s->d) * sizeof *spent);
    for (int i = 0; i < own->net.output_count; i++) {
        const struct gb_tensor *value = gb_feed_forward_value(&own->net, i);
        d_outputs[i] = gb_dense(spent, value->n, value->h, value->w, value->c);
        spent += gb_elements(value);
    }
    gb_feed_forward_backward(&own->net, &s->pass, &s->x, d_outputs, own->workspace, NULL);
}

// The last, on which all of the network has a part; of a backward run there are the parameters.
static struct gb_tensor network_output(const struct gb_layer_state *s,
                                       enum gb_direction direction) {
    const struct network *own = s->own;
    (void)direction;
    return *gb_feed_forward_value(&own->net, own->net.output_count - 1);
}

// ---- The kinds ----

static const struct gb_problem_size coupling_sizes[] = {GB_LAYER_SIZE('n', n, 1),
                                                        GB_LAYER_SIZE('h', h, 1),
                                                        GB_LAYER_SIZE('w', w, 1),
                                                        GB_LAYER_SIZE('c', c, 2),
                                                        GB_LAYER_SIZE('f', f, 1),
                                                        GB_LAYER_SIZE('k', k, 1),
                                                        {0}};
static const struct gb_problem_size steps_sizes[] = {
    GB_LAYER_SIZE('n', n, 1),     GB_LAYER_SIZE('h', h, 1),
    GB_LAYER_SIZE('w', w, 1),     GB_LAYER_SIZE('c', c, 1),
    GB_LAYER_SIZE('f', f, 1),     GB_LAYER_SIZE('k', k, 1),
    GB_LAYER_SIZE('s', steps, 1), {0}};
static const struct gb_problem_size rrdb_sizes[] = {
    GB_LAYER_SIZE('n', n, 1),      GB_LAYER_SIZE('x', x_h, 1),
    GB_LAYER_SIZE('y', x_w, 1),    GB_LAYER_SIZE('z', x_c, 1),
    GB_LAYER_SIZE('b', blocks, 1), GB_LAYER_SIZE('g', growth, 1),
    GB_LAYER_SIZE('f', f, 1),      {0}};
static const struct gb_problem_size vgg_sizes[] = {
    GB_LAYER_SIZE('n', n, 1),
    GB_LAYER_SIZE('x', x_h, 1),
    GB_LAYER_SIZE('y', x_w, 1),
    GB_LAYER_SIZE('z', x_c, 1),
    {'l', offsetof(struct gb_layer_shape, levels), 1, GB_MAX_LEVELS},
    GB_LAYER_SIZE('f', f, 1),
    {0}};

static const char *const variants[] = {
    [GB_CNF_SUPER_RESOLUTION] = "softplus", [GB_CNF_SEGMENTATION] = "additive", NULL};

static enum gb_status refuse(const char *where, int size, const char *why) {
    return gb_fail(GB_BAD_INPUT, "sizes make no sense", where, "%d %s", size, why);
}

static enum gb_status check_halves(const void *problem) {
    const struct gb_layer_shape *p = problem;
    return p->c % 2 == 0 ? GB_OK : refuse("flow steps", p->c, "channels have no halves");
}

static enum gb_status check_mask(const void *problem) {
    const struct gb_layer_shape *p = problem;
    int odd = p->h % 2 ? p->h : p->w;
    return odd % 2 == 0 ? GB_OK : refuse("dequantiser", odd, "rows or columns cannot be squeezed");
}

static enum gb_status check_levels(const void *problem) {
    const struct gb_layer_shape *p = problem;
    int whole = 1 << p->levels, size = p->x_h % whole ? p->x_h : p->x_w;
    return size % whole == 0
               ? GB_OK
               : refuse("feature network", size, "rows or columns cannot be halved at every level");
}

// The variant: what the coupling, and with it the normalisation, is.
#define TEXT(thing, list, test, variant_words)                                                     \
    {                                                                                              \
        .name = "layer", .what = (thing), .problem_bytes = sizeof(struct gb_layer_shape),          \
        .sizes = (list), .check = (test), .words = (variant_words),                                \
        .word = offsetof(struct gb_layer_shape, variant)                                           \
    }

enum { COUPLING, STEPS, DEQUANTISER, RRDB, VGG };
const struct gb_layer gb_cnf_layer_kinds[] = {
    [COUPLING] = {.name = "feature_coupling",
                  .text = TEXT("coupling layer", coupling_sizes, check_halves, variants),
                  .own_bytes = sizeof(struct coupling),
                  .plan = plan_coupling,
                  .bind = bind_coupling,
                  .free = free_coupling,
                  .run = {[GB_FORWARD] = run_coupling_forward,
                          [GB_INVERSE] = run_coupling_inverse,
                          [GB_BACKWARD] = run_coupling_backward},
                  .output = coupling_output},
    [STEPS] = {.name = "steps",
               .text = TEXT("flow steps", steps_sizes, check_halves, variants),
               .own_bytes = sizeof(struct steps),
               .plan = plan_steps,
               .bind = bind_steps,
               .free = free_steps,
               .prepare = prepare_steps,
               .run = {[GB_FORWARD] = run_steps_forward,
                       [GB_INVERSE] = run_steps_inverse,
                       [GB_BACKWARD] = run_steps_backward},
               .output = steps_output},
    [DEQUANTISER] =
        {.name = "dequantiser",
         .text = TEXT("dequantiser", steps_sizes, check_mask, variants),
         .own_bytes = sizeof(struct dequantiser),
         .plan = plan_dequantiser,
         .bind = bind_dequantiser,
         .free = free_dequantiser,
         .prepare = prepare_dequantiser,
         .run = {[GB_FORWARD] = run_dequantiser_forward, [GB_BACKWARD] = run_dequantiser_backward},
         .output = dequantiser_output},
    [RRDB] = {.name = "rrdb",
              .text = TEXT("feature network", rrdb_sizes, NULL, NULL),
              .own_bytes = sizeof(struct network),
              .plan = plan_rrdb,
              .bind = bind_network,
              .free = free_network,
              .run = {[GB_FORWARD] = run_network_forward, [GB_BACKWARD] = run_network_backward},
              .output = network_output},
    [VGG] = {.name = "vgg",
             .text = TEXT("feature network", vgg_sizes, check_levels, NULL),
             .own_bytes = sizeof(struct network),
             .plan = plan_vgg,
             .bind = bind_network,
             .free = free_network,
             .run = {[GB_FORWARD] = run_network_forward, [GB_BACKWARD] = run_network_backward},
             .output = network_output},
    {0},
};
#undef TEXT

// ---- Of a model ----

enum gb_status gb_cnf_layers(const void *config, int batch, struct gb_layer_call **list,
                             int *count) {
    const struct gb_cnf_config *c = config;
    const struct gb_layer *kinds = gb_cnf_layer_kinds;
    struct gb_layer_calls calls = {0};
    struct gb_layer_shape shape = {.n = batch,
                                   .h = c->sizes.y_h,
                                   .w = c->sizes.y_w,
                                   .c = c->sizes.y_c,
                                   .x_h = c->sizes.x_h,
                                   .x_w = c->sizes.x_w,
                                   .x_c = c->sizes.x_c,
                                   .f = c->condition_channels,
                                   .k = c->coupling_channels,
                                   .levels = c->levels,
                                   .blocks = c->rrdb_blocks,
                                   .growth = c->growth,
                                   .variant = c->kind};
    gb_layer_calls_add(&calls, &kinds[segments(&shape) ? VGG : RRDB], &shape, 1);
    if (c->dequantiser_steps > 0) {
        shape.steps = c->dequantiser_steps;
        gb_layer_calls_add(&calls, &kinds[DEQUANTISER], &shape, 1);
    }
    shape.steps = c->steps;
    for (int level = 0; level < c->levels; level++) {
        shape.h /= 2, shape.w /= 2, shape.c *= 4;
        gb_layer_calls_add(&calls, &kinds[STEPS], &shape, 1);
        gb_layer_calls_add(&calls, &kinds[COUPLING], &shape, c->steps);
        shape.c /= 2;
    }
    return gb_layer_calls_end(&calls, list, count);
}
