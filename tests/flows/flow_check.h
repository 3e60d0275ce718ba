// SPDX-License-Identifier: MIT
// What the tests of flows/ share: batches of images held both as floats in a strided view and as
// doubles in PyTorch's order, small models of every kind, and float models that hold the parameters
// of a reference in double precision.
#ifndef FLOW_CHECK_H
#define FLOW_CHECK_H

#include "flows/models/model.h"
#include "tests/flows/reference.h"
#include "tests/support/test.h"

// A batch of images. The values are floats, so that both forms hold the same. Memory of the view
// that is not the images' holds NaN where it was made with gaps.
struct flow_images {
    struct gb_tensor tensor;
    struct reference_shape shape;
    double *values; // n images of (c, h, w)
    float *memory;
    size_t floats;
};
enum flow_gaps { FLOW_DENSE, FLOW_GAPS };

// Standard normal values, or zeros where `state` is NULL. flow_images_free them.
struct flow_images flow_images_new(int n, struct reference_shape shape, enum flow_gaps gaps,
                                   uint64_t *state);
void flow_images_free(struct flow_images *images);

// Values of image n.
static inline double *flow_image(const struct flow_images *images, int n) {
    return images->values + (size_t)n * reference_elements(images->shape);
}

// Copies one image of a view from and to doubles in PyTorch's order.
void flow_write(const struct gb_tensor *tensor, int n, const double *values);
void flow_read(const struct gb_tensor *tensor, int n, double *values);

// Fails if the view's memory between the images has changed.
void flow_check_gaps(const struct flow_images *images);

// sqrt(sum of squared differences / sum of squared expected values).
double flow_relative_error(size_t count, const double *actual, const double *expected);
// Fails, naming `what`, unless |actual - expected| <= bound; NaN fails.
void flow_check_close(const char *what, double actual, double expected, double bound);

// Fails unless the c x c matrix is orthogonal.
void flow_check_rotation(int c, const double *matrix);

double flow_dot(size_t count, const double *a, const double *b);

// Gives a float parameter `value`, in PyTorch's order.
void flow_import_param(struct gb_params *params, int index, const double *value);
// Gives float parameters the reference's values.
void flow_import(struct gb_params *params, const struct reference *reference);
// One parameter out of a block, as doubles; test_free them.
double *flow_export_block(const struct gb_params *params, int index, const float *block);

// Image n of latents, level after level.
void flow_read_latents(const struct gb_latents *latents, int n, double *values);
// Noise of the model's shapes from `values`, one image after the other; test_free level[0].data.
struct gb_latents flow_noise_new(const struct gb_model *model, const double *values);

// A unit direction in a tensor of the reference, and the derivative of a loss along it.
struct flow_probe {
    const char *name;
    int place; // which tensor it is, to the test
    size_t count;
    double *direction, derivative;
};
typedef double flow_loss(const void *scene);
// A random direction, or that of one random element. The derivative is by central differences: a
// step of 1e-6 leaves a rounding error below 1e-7 of the loss, and seldom crosses the kink of a
// ReLU. test_free the direction.
struct flow_probe flow_probe_new(const char *name, int place, double *tensor, size_t count,
                                 bool element, flow_loss *loss, const void *scene, uint64_t *state);

// ---- Models and what they are run on ----

// What kind of numbers a model's targets are.
enum flow_targets { FLOW_REAL, FLOW_LEVELS, FLOW_MASK, FLOW_LABELS };

struct flow_case {
    const char *name;
    int batch; // at most FLOW_MOST_IMAGES
    const struct gb_model_kind *kind;
    union gb_model_config config;
    enum flow_targets targets;
    bool reversible; // in training
};
// The kind `gb_model_model` and its configuration.
#define FLOW_CASE(model, ...) .kind = &gb_##model##_model, .config.model = {__VA_ARGS__}
enum { FLOW_MOST_IMAGES = 3 };

// Small models of every kind, ended by one without a name.
extern const struct flow_case flow_models[];

// A batch for a case: normal x, targets of its kind, and the dequantiser's noise.
struct flow_scene {
    const struct flow_case *of;
    struct flow_images x, y, noise;
    bool noisy; // the model dequantises
};
struct flow_scene flow_scene_new(const struct flow_case *of, enum flow_gaps gaps, uint64_t state);
void flow_scene_free(struct flow_scene *scene);

// A model of the scene's configuration and batch, unless `use` says otherwise; the values of its
// parameters are zero.
struct gb_model *flow_model_new(const struct flow_scene *scene, struct gb_model_use use,
                                const struct gb_backend *backend);

// Initialises the parameters; those that would be zero are normal with this deviation, so that no
// gradient vanishes.
void flow_initialise_without_zeros(struct gb_model *model, float deviation);

// Of the log-likelihoods in training steps, for each image.
extern const float flow_d_log_likelihood[FLOW_MOST_IMAGES];
void flow_forward(const struct flow_scene *scene, struct gb_model *model,
                  double log_likelihood[static FLOW_MOST_IMAGES], struct gb_latents *latents);
// The gradient is stored where `adam` is NULL.
void flow_train_step(const struct flow_scene *scene, struct gb_model *model,
                     const struct gb_adam *adam);
// Adam at a step, with the elements of gradients clipped.
struct gb_adam flow_adam(long step, float clip);

// Fails where parameters or their moments are not bitwise identical.
void flow_check_same_state(const struct gb_params *a, const struct gb_params *b);

// The backends of gb_check_runs, one after the other: NULL to begin, NULL at the end.
const struct gb_backend *flow_next_backend(const struct gb_backend *backend);
const struct gb_backend *flow_scalar(void);

#endif
