// SPDX-License-Identifier: MIT
// A conditional model p(y|x), whichever: what trainers, samplers, benchmarks and tests that serve all
// of them need of one. The functions are those of the model's own header, whose contracts hold.
#ifndef GB_MODEL_H
#define GB_MODEL_H

#include <jansson.h>

#include "flows/models/cglow.h"
#include "flows/models/cnf.h"
#include "flows/models/dncnn.h"
#include "flows/models/factored.h"
#include "flows/models/fcn.h"
#include "flows/models/ffn.h"
#include "flows/models/srcnn.h"

struct gb_model_use {
    int batch, samples_per_x, threads;
    bool training, gradients;
    bool input_gradient; // backward may be asked for dx
    bool reversible;     // where the model can
};

// Who fills the distance between the levels of a discrete target.
enum gb_dequantisation {
    GB_DEQUANTISED_BY_CALLER, // uniform noise is in y already
    GB_DEQUANTISED_BY_MODEL,  // forward takes y as it is, and standard normal noise of its shape
    GB_NOT_DEQUANTISED,       // the likelihood is of the levels themselves, or y is real-valued
};

// x and y of `batch` targets: dense views with data == NULL.
struct gb_model_shapes {
    struct gb_tensor x, y;
    enum gb_dequantisation dequantisation;
};

// Every model's configuration.
union gb_model_config {
    struct gb_cglow_config cglow;
    struct gb_cnf_config cnf;
    struct gb_factored_config factored;
    struct gb_dncnn_config dncnn;
    struct gb_srcnn_config srcnn;
    struct gb_ffn_config ffn;
    struct gb_fcn_config fcn;
};

// `config`: the model's member of gb_model_config. `model`: what create made of it.
struct gb_model_kind {
    const char *title; // for people: "c-Glow"
    const struct gb_config_table *table;
    // One answer to an x: inverse gives the same y whatever the noise, and log_likelihood is that of
    // noise of a fixed width around it, which compares with no other model's.
    bool one_answer;
    bool uniform_noise; // that inverse wants is uniform in [0, 1), not standard normal
    enum gb_status (*check)(const void *config);
    enum gb_status (*create)(const void *config, const struct gb_model_use *use,
                             const struct gb_backend *backend, void **model);
    void (*free)(void *model);
    struct gb_params *(*params)(void *model);
    size_t (*activation_bytes)(const void *model);
    double (*step_flops)(const void *model);
    void (*shapes)(const void *config, int batch, struct gb_model_shapes *shapes);
    void (*latent_shapes)(const void *model, struct gb_latents *shapes);
    enum gb_status (*condition)(void *model, const struct gb_tensor *x);
    // Parameters that start from data; NULL: there are none.
    enum gb_status (*start)(void *model, const struct gb_tensor *y, const struct gb_tensor *noise);
    enum gb_status (*forward)(void *model, const struct gb_tensor *y, const struct gb_tensor *noise,
                              double *log_likelihood, struct gb_latents *latents);
    void (*backward)(void *model, const float *d_log_likelihood, const struct gb_adam *adam,
                     const struct gb_tensor *dx, const struct gb_tensor *dy);
    void (*inverse)(void *model, const struct gb_latents *noise, float temperature,
                    const struct gb_tensor *y);
    // NULL: nobody published weights.
    void (*published_name)(const void *config, const char *name, char published[static 96]);
};

extern const struct gb_model_kind gb_cglow_model, gb_cnf_model, gb_factored_model, gb_dncnn_model,
    gb_srcnn_model, gb_ffn_model, gb_fcn_model;

// All kinds, ended by NULL.
const struct gb_model_kind *const *gb_model_kinds(void);

// The name in files, "cglow".
static inline const char *gb_model_name(const struct gb_model_kind *kind) {
    return kind->table->model;
}

// Gives a configuration other heights and widths of x and y; GB_BAD_INPUT where the model does not
// take them. Weights do not depend on them but in c-Glow's fully connected layers.
enum gb_status gb_model_resize(const struct gb_model_kind *kind, void *config, int x_h, int x_w,
                               int y_h, int y_w);

#endif
