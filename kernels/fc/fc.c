// SPDX-License-Identifier: MIT
#include "kernels/fc/fc.h"

#include "kernels/bf16/units.h"
#include "kernels/trace.h"

static enum gb_status fc_check(const void *problem) {
    const struct gb_fc_problem *p = problem;
    double inputs = (double)p->h * p->w * p->c;
    GB_TRY(gb_floats_check("fully connected layer", "input", p->n * inputs));
    GB_TRY(gb_floats_check("fully connected layer", "output", (double)p->n * p->k));
    return gb_floats_check("fully connected layer", "weights", inputs * p->k);
}

// Both gradients: the weights are read for one and written for the other.
static struct gb_cost fc_cost(const void *problem, enum gb_direction direction) {
    const struct gb_fc_problem *p = problem;
    double inputs = (double)p->n * (double)gb_fc_inputs(p), outputs = (double)p->n * p->k;
    double weights = (double)gb_fc_inputs(p) * p->k, product = 2 * p->n * weights;
    switch (direction) {
    case GB_FORWARD:
        return (struct gb_cost){product, sizeof(float) * (inputs + weights + outputs)};
    case GB_BACKWARD_UPDATE:
        return (struct gb_cost){2 * product + GB_ADAM_FLOPS * weights,
                                sizeof(float) * (2 * inputs + outputs) + GB_ADAM_BYTES * weights};
    default:
        return (struct gb_cost){2 * product, sizeof(float) * (2 * inputs + outputs + 2 * weights)};
    }
}

static const struct gb_problem_size fc_sizes[] = {
    GB_IMAGE_SIZES(struct gb_fc_problem),
    GB_SIZE('k', struct gb_fc_problem, k),
    {0},
};

// ---- Operands ----

static struct gb_dims dims_y(const struct gb_call *call) {
    const struct gb_fc_problem *p = call->problem;
    return (struct gb_dims){p->n, 1, 1, p->k};
}

static struct gb_dims dims_bias(const struct gb_call *call) {
    const struct gb_fc_problem *p = call->problem;
    return (struct gb_dims){1, 1, 1, p->k};
}

// A kernel as large as the image: PyTorch flattens images as their convolutions' weights.
static struct gb_dims dims_weights(const struct gb_call *call) {
    const struct gb_fc_problem *p = call->problem;
    return (struct gb_dims){p->k, p->c, p->h, p->w};
}

static bool is_bf16(const struct gb_call *call) {
    return ((const struct gb_fc_problem *)call->problem)->bf16;
}
static enum gb_type type_weights(const struct gb_call *call) {
    return is_bf16(call) ? GB_BF16 : GB_F32;
}

enum { FORWARD_X, FORWARD_Y, FORWARD_BIAS, FORWARD_WEIGHTS };
static const struct gb_operand forward_operands[] = {
    {"x", GB_IN, GB_IMAGES, .dims = gb_dims_image},
    {"y", GB_OUT, .dims = dims_y},
    {"bias", GB_IN, GB_CHANNELS, .dims = dims_bias, .optional = true},
    {"weights", GB_IN, GB_PACKED, GB_FILL_WEIGHTS, .dims = dims_weights, .type = type_weights},
    {0},
};

enum { BACKWARD_X, BACKWARD_DY, BACKWARD_DX, BACKWARD_WEIGHTS, BACKWARD_GRADIENT };
static const struct gb_operand backward_operands[] = {
    {"x", GB_IN, GB_IMAGES, .dims = gb_dims_image},
    {"dy", GB_IN, .dims = dims_y},
    {"dx", GB_OUT, GB_IMAGES, .dims = gb_dims_image, .optional = true},
    {"weights", GB_IN, GB_PACKED, GB_FILL_WEIGHTS, .dims = dims_weights, .type = type_weights},
    {"gradient", GB_OUT, GB_PACKED, .dims = dims_weights},
    {0},
};

// x, dy, dx and weights as in backward.
enum { UPDATE_MOMENT1 = BACKWARD_WEIGHTS + 1, UPDATE_MOMENT2 };
static const struct gb_operand update_operands[] = {
    {"x", GB_IN, GB_IMAGES, .dims = gb_dims_image},
    {"dy", GB_IN, .dims = dims_y},
    {"dx", GB_OUT, GB_IMAGES, .dims = gb_dims_image, .optional = true},
    {"weights", GB_IN_OUT, GB_PACKED, GB_FILL_WEIGHTS, .dims = dims_weights, .type = type_weights},
    {"moment1", GB_IN_OUT, GB_PACKED, GB_FILL_NORMAL, .dims = dims_weights},
    {"moment2", GB_IN_OUT, GB_PACKED, GB_FILL_POSITIVE, .dims = dims_weights},
    {0},
};

GB_PACKED_PLAN_FUNCTIONS(fc)

GB_CALL(forward, fc_forward, call->plan, call->exec, gb_view(call, FORWARD_X),
        gb_floats(call, FORWARD_WEIGHTS), gb_floats(call, FORWARD_BIAS), gb_view(call, FORWARD_Y))
GB_CALL(backward, fc_backward, call->plan, call->exec, gb_view(call, BACKWARD_X),
        gb_view(call, BACKWARD_DY), gb_floats(call, BACKWARD_WEIGHTS), gb_view(call, BACKWARD_DX),
        gb_floats(call, BACKWARD_GRADIENT), NULL)
static void call_update(const struct gb_call *call) {
    const struct gb_adam_target target = {.adam = call->adam,
                                          .weights = gb_floats(call, BACKWARD_WEIGHTS),
                                          .moment1 = gb_floats(call, UPDATE_MOMENT1),
                                          .moment2 = gb_floats(call, UPDATE_MOMENT2),
                                          .split = gb_operand_split(call, BACKWARD_WEIGHTS)};
    call->backend->fc_backward(call->plan, call->exec, gb_view(call, BACKWARD_X),
                               gb_view(call, BACKWARD_DY), target.weights,
                               gb_view(call, BACKWARD_DX), NULL, &target);
}

// ---- Definition ----

// The weight of output o for channel c of pixel [y, x].
static double weight(const struct gb_call *call, int operand, int o, int c, int y, int x) {
    const struct gb_fc_problem *p = call->problem;
    const size_t row = ((size_t)o * (size_t)p->c + (size_t)c) * (size_t)p->h + (size_t)y;
    const float w = call->unpacked[operand][row * (size_t)p->w + (size_t)x];
    gb_bf16 high;
    uint16_t low;
    gb_bf16_split(w, &high, &low);
    return p->bf16 ? gb_bf16_value(high) : w;
}

// A value of x or dy, as it is multiplied.
static double factor(const struct gb_call *call, const struct gb_tensor *t, int n, int y, int x,
                     int c) {
    const float value = gb_get(t, n, y, x, c);
    return is_bf16(call) ? gb_bf16_value(gb_bf16_round(value)) : value;
}

GB_DEFINITION(forward) {
    const struct gb_fc_problem *p = call->problem;
    const float *bias = gb_floats(call, FORWARD_BIAS);
    struct gb_sum sum = {0};
    for (int y = 0; y < p->h; y++)
        for (int x = 0; x < p->w; x++)
            for (int c = 0; c < p->c; c++)
                gb_sum_add(&sum, factor(call, &call->operand[FORWARD_X], at[0], y, x, c),
                           weight(call, FORWARD_WEIGHTS, at[3], c, y, x));
    if (bias)
        gb_sum_add(&sum, bias[at[3]], 1);
    return gb_activated(p->activation, 1, gb_sum_expected(call, sum));
}

// dx also of an update, from the weights before it.
GB_DEFINITION(backward) {
    const struct gb_fc_problem *p = call->problem;
    const struct gb_tensor *x = gb_view(call, BACKWARD_X), *dy = gb_view(call, BACKWARD_DY);
    struct gb_sum sum = {0};
    if (operand == BACKWARD_DX)
        for (int o = 0; o < p->k; o++)
            gb_sum_add(&sum, factor(call, dy, at[0], 0, 0, o),
                       weight(call, BACKWARD_WEIGHTS, o, at[3], at[1], at[2]));
    else
        for (int n = 0; n < p->n; n++)
            gb_sum_add(&sum, factor(call, x, n, at[2], at[3], at[1]),
                       factor(call, dy, n, 0, 0, at[0]));
    return gb_sum_expected(call, sum);
}

// ----

static const char *const edges[] = {
    // The shapes of the models, and one of more inputs than a block has.
    "n2h4w4c64k128relu", "n2h1w1c128k128relu", "n2h1w1c128k576", "n5h4w4c64k200relu",
    "n3h1w1c257k17relu",
    // Outputs below, at and above one, two and many vectors.
    "n1h1w1c1k1", "n3h2w2c6k7relu", "n5h3w1c11k8", "n7h1w2c16k9relu", "n2h2w1c21k16",
    "n4h3w2c26k17relu", "n6h1w1c31k33", "n1h2w2c36k64relu", "n3h3w1c41k79", "n5h1w2c46k1100relu",
    "n3h2w2c6k7leaky", "n4h3w2c26k17tanh",
    // bf16: odd inputs, outputs and samples.
    "n2h4w4c64k128relu_bf16", "n3h1w1c257k17relu_bf16", "n1h1w1c1k1_bf16", "n5h3w1c11k8leaky_bf16",
    "n2h1w1c128k576_bf16", NULL};

static const char *algorithm(const void *argument, enum gb_direction direction) {
    const struct gb_fc_plan *plan = argument;
    (void)direction;
    return plan->unit ? plan->unit->fc_name : NULL;
}

const struct gb_operation gb_fc_operation = {
    .name = "fc",
    .what = "fully connected layer",
    .kernels =
        {
            GB_KERNEL(GB_FORWARD, fc_forward, forward, .scratch = scratch,
                      .traffic = GB_TRAFFIC_READ, .integers = true),
            GB_KERNEL(GB_BACKWARD, fc_backward, backward, .scratch = scratch, .integers = true),
            [GB_BACKWARD_UPDATE] = {.entry = "fc_backward",
                                    .operands = update_operands,
                                    .call = call_update,
                                    .scratch = scratch,
                                    .definition = define_backward,
                                    .traffic = GB_TRAFFIC_UPDATE,
                                    .integers = true},
        },
    .product = true,
    .problem_bytes = sizeof(struct gb_fc_problem),
    .sizes = fc_sizes,
    .words = gb_activation_names,
    .word = offsetof(struct gb_fc_problem, activation),
    .formats = GB_TEXTS("", "_bf16"),
    .format = offsetof(struct gb_fc_problem, bf16),
    .check = fc_check,
    .cost = fc_cost,
    .edges = edges,
    .plan_bytes = sizeof(struct gb_fc_plan),
    .plan = plan,
    .plan_free = plan_free,
    .algorithm = algorithm,
    .packed_floats = packed_floats,
    .pack = pack,
    .unpack = unpack,
};

// ---- Tracing ----

// Models make matrices of outputs and invert them: outputs of traces must be regular.
static void fill_outputs(const struct gb_tensor *y) {
    const struct gb_random_key key = {.seed = 1, .purpose = GB_RANDOM_TEST};
    for (int n = 0; n < y->n; n++)
        for (int o = 0; o < y->c; o++)
            gb_at(y, n, 0, 0)[o] = gb_random_uniform(&key, (uint32_t)(n * y->c + o)) - 0.5f;
}

GB_TRACED_OR(fc_forward, fc, GB_FORWARD, plan->problem,
             (const struct gb_fc_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,
              const void *packed, const float *bias, const struct gb_tensor *y),
             (plan, exec, x, packed, bias, y), fill_outputs(y))
GB_TRACED(fc_backward, fc, update ? GB_BACKWARD_UPDATE : GB_BACKWARD,
          with_activation(plan, GB_IDENTITY),
          (const struct gb_fc_plan *plan, const struct gb_exec *exec, const struct gb_tensor *x,
           const struct gb_tensor *dy, void *packed, const struct gb_tensor *dx, float *d_packed,
           const struct gb_adam_target *update),
          (plan, exec, x, dy, packed, dx, d_packed, update))
