// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/epilogue/epilogue_tmpl.h"

struct epilogue_run {
    enum gb_activation activation;
    const struct gb_tensor *dy, *y, *du;
    const float *scale;
    float *d_bias, *d_log_scale, *partials;
    size_t chunks;
};

// If du is dy already, only its sum is left to compute: a third of the traffic.
static bool leaves_dy(const struct epilogue_run *run) {
    return run->activation == GB_IDENTITY && !run->scale && !run->d_log_scale &&
           run->du->data == run->dy->data;
}

GB_INLINE void epilogue_chunk(const struct epilogue_run *run, size_t chunk, bool writes,
                              bool bf16_y, bool bf16_du) {
    const struct gb_tensor *y = run->y;
    size_t pixels = (size_t)y->n * (size_t)y->h * (size_t)y->w, first = chunk * GB_EPILOGUE_CHUNK;
    size_t count = gb_min_size(pixels - first, GB_EPILOGUE_CHUNK);
    float *partial = run->partials + chunk * partial_row(y->c);
    for (int column = 0; column < y->c; column += GB_LANES) {
        struct gb_pixel p = gb_pixel_at(first, y->h, y->w);
        int lanes = lanes_from(y->c, (size_t)column);
        gb_v scale = run->scale ? gb_v_load(run->scale + column) : gb_v_set(1.0f);
        gb_v d_bias = {0}, d_log_scale = {0};
        for (size_t s = 0; s < count; s++, gb_pixel_next(&p, y->h, y->w)) {
            gb_v g = load_channels(run->dy, p, column, lanes, bf16_y);
            if (writes) {
                gb_v value = load_channels(y, p, column, lanes, bf16_y);
                g = gb_v_activation_gradient(run->activation, g, value);
                d_log_scale += g * value;
                g *= scale;
                store_channels(run->du, p, column, g, lanes, bf16_du);
            }
            d_bias += g;
        }
        gb_v_store(partial + column, d_bias);
        gb_v_store(partial + partial_row(y->c) / 2 + column, d_log_scale);
    }
}

static void epilogue_body(void *argument, int rank, int size) {
    const struct epilogue_run *run = argument;
    struct gb_range chunks = gb_partition(run->chunks, rank, size);
    const bool writes = !leaves_dy(run), bf16_y = run->y->type == GB_BF16;
    for (size_t chunk = chunks.begin; chunk < chunks.end; chunk++)
        if (run->du->type == GB_F32)
            writes ? epilogue_chunk(run, chunk, true, false, false)
                   : epilogue_chunk(run, chunk, false, false, false);
        else if (writes)
            bf16_y ? epilogue_chunk(run, chunk, true, true, true)
                   : epilogue_chunk(run, chunk, true, false, true);
        else
            epilogue_chunk(run, chunk, false, true, true);
    gb_barrier(size);
    add_partials(run->partials, run->chunks, run->y->c, run->d_bias, run->d_log_scale, rank, size);
}

void GB_NAME(gb_epilogue_backward)(const struct gb_exec *exec, enum gb_activation activation,
                                   const struct gb_tensor *dy, const struct gb_tensor *y,
                                   const float *scale, const struct gb_tensor *du, float *d_bias,
                                   float *d_log_scale) {
    assert(gb_same_shape(dy, y) && gb_same_shape(du, y));
    assert(dy->type == y->type && (du->type == GB_BF16 || du->type == y->type));
    assert(!d_log_scale || gb_has_log_scale(activation));
    assert(exec->scratch_bytes >= gb_epilogue_scratch_bytes(y));
    const size_t pixels = (size_t)y->n * (size_t)y->h * (size_t)y->w;
    const size_t chunks = gb_ceil_div(pixels, GB_EPILOGUE_CHUNK);
    struct epilogue_run run = {activation, dy, y, du, scale, d_bias, d_log_scale, NULL, chunks};
    run.partials = exec->scratch;
    gb_parallel(gb_threads_for(exec, gb_elements(y)), epilogue_body, &run);
}
