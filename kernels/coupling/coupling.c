// SPDX-License-Identifier: MIT
#include "kernels/coupling/coupling.h"

#include "kernels/trace.h"

// Of both raw numbers, in the sigmoid form.
enum { SHIFT_AND_SCALE = 2 * GB_TANH_FLOPS + 1 + GB_SIGMOID_FLOPS };

// ---- Operands ----

static struct gb_dims dims_raw(const struct gb_call *call) {
    const struct gb_coupling_problem *p = call->problem;
    struct gb_dims dims = gb_dims_image(call);
    dims.c = gb_coupling_raw_channels(p->form, dims.c);
    return dims;
}

// The additive form has no log-determinant.
static struct gb_dims dims_log_det(const struct gb_call *call) {
    const struct gb_coupling_problem *p = call->problem;
    return p->form == GB_COUPLING_ADDITIVE ? (struct gb_dims){0} : gb_dims_samples(call);
}

enum { FORWARD_V, FORWARD_RAW, FORWARD_U, FORWARD_LOG_DET };
static const struct gb_operand forward_operands[] = {
    {"v", GB_IN, .dims = gb_dims_image},
    {"raw", GB_IN, .dims = dims_raw},
    {"u", GB_OUT, .dims = gb_dims_image, .in_place_of = {"v"}},
    {"log_det", GB_SUM, .dims = dims_log_det},
    {0},
};

enum { INVERSE_U, INVERSE_RAW, INVERSE_V };
static const struct gb_operand inverse_operands[] = {
    {"u", GB_IN, .dims = gb_dims_image},
    {"raw", GB_IN, .dims = dims_raw},
    {"v", GB_OUT, .dims = gb_dims_image, .in_place_of = {"u"}},
    {0},
};

enum { BACKWARD_U, BACKWARD_RAW, BACKWARD_DU, BACKWARD_D_LOG_DET, BACKWARD_DV, BACKWARD_D_RAW };
static const struct gb_operand backward_operands[] = {
    {"u", GB_IN, .dims = gb_dims_image},
    {"raw", GB_IN, .dims = dims_raw},
    {"du", GB_IN, .dims = gb_dims_image},
    {"d_log_det", GB_IN, GB_ROW, .dims = gb_dims_samples},
    {"dv", GB_OUT, .dims = gb_dims_image, .in_place_of = {"du"}},
    {"d_raw", GB_OUT, .dims = dims_raw},
    {0},
};

static enum gb_coupling_form form_of(const struct gb_call *call) {
    return ((const struct gb_coupling_problem *)call->problem)->form;
}

GB_CALL(forward, coupling_forward, call->exec, form_of(call), gb_view(call, FORWARD_V),
        gb_view(call, FORWARD_RAW), gb_view(call, FORWARD_U), gb_doubles(call, FORWARD_LOG_DET))
GB_CALL(inverse, coupling_inverse, call->exec, form_of(call), gb_view(call, INVERSE_U),
        gb_view(call, INVERSE_RAW), gb_view(call, INVERSE_V))
GB_CALL(backward, coupling_backward, call->exec, form_of(call), gb_view(call, BACKWARD_U),
        gb_view(call, BACKWARD_RAW), gb_view(call, BACKWARD_DU),
        gb_floats(call, BACKWARD_D_LOG_DET), gb_view(call, BACKWARD_DV),
        gb_view(call, BACKWARD_D_RAW))

// ---- Definition ----

// The map of one element, and the slopes of shift and log(scale) in the raw values.
struct map {
    double shift, scale, shift_slope, log_scale_slope;
};

// `raw` has the same index in all directions.
static struct map map_at(const struct gb_call *call, const int at[4]) {
    const struct gb_coupling_problem *p = call->problem;
    const float *raw = gb_at(&call->operand[FORWARD_RAW], at[0], at[1], at[2]);
    const int c = at[3];
    struct map m = {.shift = raw[c], .scale = 1, .shift_slope = 1};
    if (p->form == GB_COUPLING_SIGMOID) {
        const double tanh_s = tanh(raw[p->image.c + c]);
        m.shift = tanh(raw[c]);
        m.shift_slope = 1 - m.shift * m.shift;
        m.scale = 1 / (1 + exp(-(tanh_s + 2)));
        m.log_scale_slope = (1 - m.scale) * (1 - tanh_s * tanh_s);
    } else if (p->form == GB_COUPLING_SOFTPLUS) {
        const double raw_s = raw[p->image.c + c];
        m.scale = log1p(exp(raw_s));
        m.log_scale_slope = 1 / (1 + exp(-raw_s)) / m.scale;
    }
    return m;
}

// Each logarithm within 10 roundings of 1 and of itself.
static struct gb_term log_scale_at(const struct gb_call *call, const int at[4]) {
    const double value = log(map_at(call, at).scale), magnitude = 1 + fabs(value);
    return (struct gb_term){value, magnitude, 10 * magnitude};
}

GB_DEFINITION(forward) {
    const struct gb_coupling_problem *p = call->problem;
    if (operand == FORWARD_LOG_DET)
        return gb_image_sum(call, at[3], log_scale_at);
    const struct map m = map_at(call, at);
    const double v = gb_value(call, FORWARD_V, at), e = 16 * GB_ROUNDING;
    if (p->form == GB_COUPLING_SIGMOID)
        return gb_within((v + m.shift) * m.scale, e * (fabs(v) + fabs(m.shift)) * m.scale);
    return gb_within(v * m.scale + m.shift, e * (fabs(v) * m.scale + fabs(m.shift)));
}

GB_DEFINITION(inverse) {
    const struct gb_coupling_problem *p = call->problem;
    const struct map m = map_at(call, at);
    const double u = gb_value(call, INVERSE_U, at), e = 16 * GB_ROUNDING;
    if (p->form == GB_COUPLING_SIGMOID)
        return gb_within(u / m.scale - m.shift, e * (fabs(u) / m.scale + fabs(m.shift)));
    return gb_within((u - m.shift) / m.scale, e * (fabs(u) + fabs(m.shift)) / m.scale);
}

GB_DEFINITION(backward) {
    const struct gb_coupling_problem *p = call->problem;
    const bool raw_s = operand == BACKWARD_D_RAW && at[3] >= p->image.c;
    const int own[] = {at[0], at[1], at[2], raw_s ? at[3] - p->image.c : at[3]};
    const struct map m = map_at(call, own);
    const double du = gb_value(call, BACKWARD_DU, own), u = gb_value(call, BACKWARD_U, own);
    const double dv = du * m.scale, d_log_det = gb_floats(call, BACKWARD_D_LOG_DET)[at[0]];
    const double e = GB_ROUNDING;
    if (operand == BACKWARD_DV)
        return gb_within(dv, 12 * e * fabs(dv));
    if (raw_s && p->form == GB_COUPLING_SIGMOID)
        return gb_within((du * u + d_log_det) * m.log_scale_slope,
                         32 * e * (fabs(du * u) + fabs(d_log_det)));
    if (raw_s)
        return gb_within((du * (u - m.shift) + d_log_det) * m.log_scale_slope,
                         32 * e * (fabs(du) * (fabs(u) + fabs(m.shift)) + fabs(d_log_det)));
    return gb_within(p->form == GB_COUPLING_SIGMOID ? dv * m.shift_slope : du, 24 * e * fabs(dv));
}

// ----

// Costs: an element's own input, output and raw pair; backward reads u, du and the pair, and writes
// dv and the pair's gradient. The additive form has one raw number instead of the pair, and
// backward passes du on to two places.
const struct gb_operation gb_coupling_operation = {
    .name = "coupling",
    .what = "coupling",
    .kernels =
        {
            GB_KERNEL(GB_FORWARD, coupling_forward, forward,
                      .costs = {{SHIFT_AND_SCALE + 2 + GB_LOG_FLOPS + 1, 4},
                                {GB_SOFTPLUS_FLOPS + 2 + GB_LOG_FLOPS + 1, 4},
                                {1, 3}},
                      .scratch = gb_row_sums_scratch, .traffic = GB_TRAFFIC_UPDATE,
                      .timed_in_place = true, .reference_bits = true),
            // In place, v grows from run to run, which its speed does not depend on.
            GB_KERNEL(GB_INVERSE, coupling_inverse, inverse,
                      .costs = {{SHIFT_AND_SCALE + 2, 4}, {GB_SOFTPLUS_FLOPS + 2, 4}, {1, 3}},
                      .traffic = GB_TRAFFIC_UPDATE, .timed_in_place = true, .reference_bits = true),
            GB_KERNEL(GB_BACKWARD, coupling_backward, backward,
                      .costs = {{SHIFT_AND_SCALE + 11, 7},
                                {GB_SOFTPLUS_FLOPS + GB_SIGMOID_FLOPS + 6, 7},
                                {0, 3}},
                      .timed_in_place = true, .reference_bits = true),
        },
    .problem_bytes = sizeof(struct gb_coupling_problem),
    .sizes = gb_image_problem_sizes,
    .words = GB_TEXTS("", "softplus", "additive"),
    .word = offsetof(struct gb_coupling_problem, form),
    .check = gb_image_check,
    .edges = GB_TEXTS(GB_IMAGE_EDGES(""), GB_IMAGE_EDGES("softplus"), GB_IMAGE_EDGES("additive")),
    .gradients = GB_TEXTS("n2h2w3c3", "n2h2w3c3softplus", "n2h2w3c3additive"),
};

GB_TRACED(coupling_forward, coupling, GB_FORWARD,
          ((struct gb_coupling_problem){gb_image_of(v), form}),
          (const struct gb_exec *exec, enum gb_coupling_form form, const struct gb_tensor *v,
           const struct gb_tensor *raw, const struct gb_tensor *u, double *log_det),
          (exec, form, v, raw, u, log_det))
GB_TRACED(coupling_inverse, coupling, GB_INVERSE,
          ((struct gb_coupling_problem){gb_image_of(u), form}),
          (const struct gb_exec *exec, enum gb_coupling_form form, const struct gb_tensor *u,
           const struct gb_tensor *raw, const struct gb_tensor *v),
          (exec, form, u, raw, v))
GB_TRACED(coupling_backward, coupling, GB_BACKWARD,
          ((struct gb_coupling_problem){gb_image_of(u), form}),
          (const struct gb_exec *exec, enum gb_coupling_form form, const struct gb_tensor *u,
           const struct gb_tensor *raw, const struct gb_tensor *du, const float *d_log_det,
           const struct gb_tensor *dv, const struct gb_tensor *d_raw),
          (exec, form, u, raw, du, d_log_det, dv, d_raw))
