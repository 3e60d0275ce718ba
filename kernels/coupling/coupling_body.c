// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

// The cost of an element in floats of a streaming loop.
enum { COST = 16 };

static size_t cost_of(enum gb_coupling_form form) {
    return form == GB_COUPLING_ADDITIVE ? 1 : COST;
}

// The operands of all directions: `in`, raw_t, and except for the additive form raw_s.
static struct gb_map map_of(enum gb_coupling_form form, const struct gb_tensor *in,
                            const struct gb_tensor *raw, const struct gb_tensor *out) {
    struct gb_map map = {.form = form, .in = {*in, gb_channels(raw, 0, in->c)}, .out = {*out}};
    if (form != GB_COUPLING_ADDITIVE)
        map.in[2] = gb_channels(raw, in->c, in->c);
    return map;
}

// Shift and scale; tanh_s is set in the sigmoid form alone.
struct affine {
    gb_v shift, scale, tanh_s;
};

GB_INLINE struct affine affine_of(enum gb_coupling_form form, gb_v raw_t, gb_v raw_s) {
    struct affine m = {raw_t, gb_v_set(1.0f), {0}};
    if (form == GB_COUPLING_SIGMOID) {
        m.shift = gb_v_tanh(raw_t);
        m.tanh_s = gb_v_tanh(raw_s);
        m.scale = gb_v_sigmoid(m.tanh_s + 2.0f);
    } else if (form == GB_COUPLING_SOFTPLUS) {
        m.scale = gb_v_softplus(raw_s);
    }
    return m;
}

// Rows are compiled once for each form.
GB_INLINE void map_row(const struct gb_map *map, int n, int y, struct gb_map_shape affine,
                       struct gb_map_shape additive, gb_map_fn function) {
    switch ((enum gb_coupling_form)map->form) {
    case GB_COUPLING_SIGMOID:
        affine.form = GB_COUPLING_SIGMOID;
        gb_map_row(map, n, y, affine, function);
        break;
    case GB_COUPLING_SOFTPLUS:
        affine.form = GB_COUPLING_SOFTPLUS;
        gb_map_row(map, n, y, affine, function);
        break;
    case GB_COUPLING_ADDITIVE:
        additive.form = GB_COUPLING_ADDITIVE;
        gb_map_row(map, n, y, additive, function);
        break;
    }
}

GB_INLINE gb_v forward(struct gb_map_context context, gb_v *v) {
    const struct affine m = affine_of(context.form, v[1], v[2]);
    if (context.form == GB_COUPLING_SIGMOID)
        v[0] = (v[0] + m.shift) * m.scale;
    else
        v[0] = v[0] * m.scale + m.shift;
    return gb_v_log(m.scale);
}

static void forward_row(const void *map, int n, int y) {
    map_row(map, n, y, (struct gb_map_shape){.in = 3, .out = 1, .sums = true},
            (struct gb_map_shape){.in = 2, .out = 1}, forward);
}

void GB_NAME(gb_coupling_forward_f32)(const struct gb_exec *exec, enum gb_coupling_form form,
                                      const struct gb_tensor *v, const struct gb_tensor *raw,
                                      const struct gb_tensor *u, double *log_det) {
    assert(gb_same_shape(v, u) && raw->c == gb_coupling_raw_channels(form, v->c));
    assert(exec->scratch_bytes >= gb_coupling_scratch_bytes(v));
    struct gb_map map = map_of(form, v, raw, u);
    map.row_sums = exec->scratch;
    gb_for_rows(exec, v, cost_of(form), forward_row, &map);
    if (form != GB_COUPLING_ADDITIVE)
        gb_add_row_sums(exec->scratch, v, log_det);
}

GB_INLINE gb_v inverse(struct gb_map_context context, gb_v *v) {
    const struct affine m = affine_of(context.form, v[1], v[2]);
    if (context.form == GB_COUPLING_SIGMOID)
        return v[0] = v[0] / m.scale - m.shift;
    return v[0] = (v[0] - m.shift) / m.scale;
}

static void inverse_row(const void *map, int n, int y) {
    map_row(map, n, y, (struct gb_map_shape){.in = 3, .out = 1},
            (struct gb_map_shape){.in = 2, .out = 1}, inverse);
}

void GB_NAME(gb_coupling_inverse_f32)(const struct gb_exec *exec, enum gb_coupling_form form,
                                      const struct gb_tensor *u, const struct gb_tensor *raw,
                                      const struct gb_tensor *v) {
    assert(gb_same_shape(v, u) && raw->c == gb_coupling_raw_channels(form, v->c));
    const struct gb_map map = map_of(form, u, raw, v);
    gb_for_rows(exec, u, cost_of(form), inverse_row, &map);
}

// du to dv, raw_t and raw_s to their gradients, u.
GB_INLINE gb_v backward(struct gb_map_context context, gb_v *v) {
    const struct affine m = affine_of(context.form, v[1], v[2]);
    const gb_v du = v[0], raw_s = v[2], u = v[3];
    v[0] = du * m.scale;
    v[1] = du;
    if (context.form == GB_COUPLING_SIGMOID) {
        // d scale = (du * u + d_log_det) / scale, times sigmoid' = scale * (1 - scale).
        gb_v d_scale_input = (du * u + context.d_sum) * (1.0f - m.scale);
        v[1] = v[0] * (1.0f - m.shift * m.shift);
        v[2] = d_scale_input * (1.0f - m.tanh_s * m.tanh_s);
    } else if (context.form == GB_COUPLING_SOFTPLUS) {
        // d log(scale), times softplus' = sigmoid, over the scale.
        gb_v slope = gb_v_sigmoid(raw_s) / m.scale;
        v[2] = (du * (u - m.shift) + context.d_sum) * slope;
    }
    return v[0];
}

static void backward_row(const void *map, int n, int y) {
    map_row(map, n, y, (struct gb_map_shape){.in = 4, .out = 3},
            (struct gb_map_shape){.in = 1, .out = 2}, backward);
}

void GB_NAME(gb_coupling_backward_f32)(const struct gb_exec *exec, enum gb_coupling_form form,
                                       const struct gb_tensor *u, const struct gb_tensor *raw,
                                       const struct gb_tensor *du, const float *d_log_det,
                                       const struct gb_tensor *dv, const struct gb_tensor *d_raw) {
    assert(gb_same_shape(u, du) && gb_same_shape(u, dv));
    assert(raw->c == gb_coupling_raw_channels(form, u->c) && gb_same_shape(raw, d_raw));
    struct gb_map map = map_of(form, du, raw, dv);
    map.in[3] = *u;
    map.out[1] = gb_channels(d_raw, 0, u->c);
    if (form != GB_COUPLING_ADDITIVE)
        map.out[2] = gb_channels(d_raw, u->c, u->c);
    map.d_sums = d_log_det;
    gb_for_rows(exec, u, cost_of(form), backward_row, &map);
}
