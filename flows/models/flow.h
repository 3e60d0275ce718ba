// SPDX-License-Identifier: MIT
// A conditional flow, whichever: what trainers, samplers, benchmarks and tests that serve all of them
// need of one. The functions are those of cglow.h and cnf.h, whose contracts hold.
#ifndef GB_FLOW_H
#define GB_FLOW_H

#include <jansson.h>

#include "flows/models/latents.h"
#include "flows/params.h"

struct gb_flow_use {
    int batch, samples_per_x, threads;
    bool training, gradients;
    bool input_gradient; // backward may be asked for dx
    bool reversible;     // where the model can
};

// x and y of `batch` targets: dense views with data == NULL.
struct gb_flow_shapes {
    struct gb_tensor x, y;
    bool
        dequantises; // y is a mask of 0 and 1, and forward wants standard normal noise of its shape
};

// `config`: struct gb_cglow_config or gb_cnf_config. `model`: what create made of it.
struct gb_flow_kind {
    const char *name; // "cglow", as in files
    size_t config_bytes;
    enum gb_status (*check)(const void *config);
    enum gb_status (*create)(const void *config, const struct gb_flow_use *use,
                             const struct gb_backend *backend, void **model);
    void (*free)(void *model);
    struct gb_params *(*params)(void *model);
    size_t (*activation_bytes)(const void *model);
    double (*step_flops)(const void *model);
    void (*shapes)(const void *config, int batch, struct gb_flow_shapes *shapes);
    void (*latent_shapes)(const void *model, struct gb_latents *shapes);
    enum gb_status (*condition)(void *model, const struct gb_tensor *x);
    // Parameters that start from data, if there are such.
    enum gb_status (*start)(void *model, const struct gb_tensor *y, const struct gb_tensor *noise);
    enum gb_status (*forward)(void *model, const struct gb_tensor *y, const struct gb_tensor *noise,
                              double *log_likelihood, struct gb_latents *latents);
    void (*backward)(void *model, const float *d_log_likelihood, const struct gb_adam *adam,
                     const struct gb_tensor *dx, const struct gb_tensor *dy);
    void (*inverse)(void *model, const struct gb_latents *noise, float temperature,
                    const struct gb_tensor *y);
    void (*published_name)(const void *config, const char *name, char published[static 96]);
    enum gb_status (*to_metadata)(const void *config, json_t *metadata);
    enum gb_status (*from_metadata)(const json_t *metadata, const char *path, void *config);
};

extern const struct gb_flow_kind gb_cglow_flow, gb_cnf_flow;

#endif
