// SPDX-License-Identifier: MIT
// Trains a small c-Glow on arrays and draws samples. The target is an image y of 8 x 8 pixels
// around the value of x, y = 2x + a common offset + noise for each pixel: the flow has to learn how
// its mean depends on x, and that its pixels are correlated.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "flows/files/checkpoint.h"
#include "flows/models/model.h"

enum { BATCH = 32, SIDE = 8, PIXELS = SIDE * SIDE, STEPS = 500 };

static void check(enum gb_status status) {
    if (status == GB_OK)
        return;
    fprintf(stderr, "train_flow: %s\n", gb_error_message());
    exit(gb_exit_code(status));
}

// Every random number is a function of a key and an element: runs are reproducible.
static void draw_batch(long step, float *x, float *y) {
    const struct gb_random_key key = {
        .seed = 1, .purpose = GB_RANDOM_SYNTHETIC, .step = (uint32_t)step};
    for (uint32_t n = 0, element = 0; n < BATCH; n++) {
        const float value = gb_random_normal(&key, element++);
        const float offset = 0.5f * gb_random_normal(&key, element++);
        for (int i = 0; i < PIXELS; i++) {
            x[n * PIXELS + i] = value;
            y[n * PIXELS + i] = 2 * value + offset + 0.1f * gb_random_normal(&key, element++);
        }
    }
}

int main(int argc, char **argv) {
    const struct gb_backend *backend;
    check(gb_backend_find(NULL, &backend));

    const struct gb_model_kind *kind = &gb_cglow_model;
    const struct gb_cglow_config config = {
        .sizes = {.x_h = SIDE, .x_w = SIDE, .x_c = 1, .y_h = SIDE, .y_w = SIDE, .y_c = 1},
        .levels = 1,
        .steps = 2,
        .n_c = 8,
        .n_w = 16,
        .coupling_channels = 16,
        .feature_channels = 4,
        .init = GB_CGLOW_LIVE};
    const struct gb_model_use use = {
        .batch = BATCH, .samples_per_x = 1, .threads = 2, .training = true};
    struct gb_model *model;
    check(gb_model_create(kind, &config, &use, backend, &model));
    check(gb_params_initialise(&model->params, 1));

    static float x_values[BATCH * PIXELS], y_values[BATCH * PIXELS];
    const struct gb_tensor x = gb_dense(x_values, BATCH, SIDE, SIDE, 1);
    const struct gb_tensor y = gb_dense(y_values, BATCH, SIDE, SIDE, 1);
    float weight[BATCH]; // of each log-likelihood in the loss
    for (int n = 0; n < BATCH; n++)
        weight[n] = -1.0f / BATCH;
    const struct gb_adam adam = {
        .learning_rate = 2e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = INFINITY};
    for (long step = 0; step < STEPS; step++) {
        double log_likelihood[BATCH], sum = 0;
        draw_batch(step, x_values, y_values);
        check(kind->condition(model, &x));
        if (step == 0 && kind->start)
            check(kind->start(model, &y, NULL));
        check(kind->forward(model, &y, NULL, log_likelihood, NULL));
        const struct gb_adam now = gb_adam_at_step(adam, step + 1);
        kind->backward(model, weight, &now, NULL, NULL);
        for (int n = 0; n < BATCH; n++)
            sum += log_likelihood[n];
        if (step % 100 == 0 || step == STEPS - 1)
            printf("step %3ld: log p(y|x) = %7.3f nats\n", step, sum / BATCH);
    }
    if (argc > 1) {
        json_t *metadata = json_object();
        check(gb_config_to_metadata(&config, kind->table, metadata));
        check(gb_checkpoint_save(argv[1], &model->params, metadata));
        json_decref(metadata);
    }

    // Samples for one x: latents of standard normal noise, mapped through the inverse.
    for (int i = 0; i < BATCH * PIXELS; i++)
        x_values[i] = 1;
    struct gb_latents latents;
    kind->latent_shapes(model, &latents);
    static float noise[BATCH * PIXELS];
    float *level = noise;
    for (int l = 0; l < latents.count; l++) {
        struct gb_tensor *z = &latents.level[l];
        *z = gb_dense(level, z->n, z->h, z->w, z->c);
        const struct gb_random_key key = {
            .seed = 1, .purpose = GB_RANDOM_LATENT, .sample = (uint32_t)l};
        for (size_t i = 0; i < gb_elements(z); i++)
            *level++ = gb_random_normal(&key, (uint32_t)i);
    }
    check(kind->condition(model, &x));
    kind->inverse(model, &latents, 1, &y);
    double mean = 0, square = 0;
    for (int i = 0; i < BATCH * PIXELS; i++) {
        mean += y_values[i] / (BATCH * PIXELS);
        square += y_values[i] * y_values[i] / (BATCH * PIXELS);
    }
    printf("samples for x = 1: mean %.2f (expected 2), standard deviation %.2f (expected 0.51)\n",
           mean, sqrt(square - mean * mean));
    gb_model_free(model);
    return fabs(mean - 2) < 0.3 ? 0 : 1;
}
