// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/epilogue/activation.h"

struct epilogue_job {
    enum gb_activation activation;
    const struct gb_tensor *dy, *y, *du;
    const float *scale;
    float *d_bias, *d_log_scale;
};

static void epilogue_channel(const struct epilogue_job *job, int o) {
    const struct gb_tensor *y = job->y;
    float scale = job->scale ? job->scale[o] : 1.0f, d_bias = 0.0f, d_log_scale = 0.0f;
    for (int n = 0; n < y->n; n++)
        for (int i = 0; i < y->h; i++)
            for (int j = 0; j < y->w; j++) {
                float value = gb_get(y, n, i, j, o);
                float g = gb_v_activation_gradient(
                    job->activation, gb_v_set(gb_get(job->dy, n, i, j, o)), gb_v_set(value))[0];
                d_bias += g * scale;
                d_log_scale += g * value;
                gb_put(job->du, n, i, j, o, g * scale);
            }
    if (job->d_bias)
        job->d_bias[o] = d_bias;
    if (job->d_log_scale)
        job->d_log_scale[o] = d_log_scale;
}

static void epilogue_channels(void *argument, int rank, int size) {
    const struct epilogue_job *job = argument;
    struct gb_range channels = gb_partition((size_t)job->y->c, rank, size);
    for (size_t o = channels.begin; o < channels.end; o++)
        epilogue_channel(job, (int)o);
}

void gb_epilogue_backward__scalar(const struct gb_exec *exec, enum gb_activation activation,
                                  const struct gb_tensor *dy, const struct gb_tensor *y,
                                  const float *scale, const struct gb_tensor *du, float *d_bias,
                                  float *d_log_scale) {
    assert(gb_same_shape(dy, y) && gb_same_shape(du, y));
    assert(!d_log_scale || gb_has_log_scale(activation));
    struct epilogue_job job = {activation, dy, y, du, scale, d_bias, d_log_scale};
    gb_parallel(exec->threads, epilogue_channels, &job);
    size_t c = (size_t)y->c, padding = gb_round_up(c, GB_CHANNEL_PAD) - c;
    if (d_bias)
        memset(d_bias + c, 0, padding * sizeof *d_bias);
    if (d_log_scale)
        memset(d_log_scale + c, 0, padding * sizeof *d_log_scale);
}
