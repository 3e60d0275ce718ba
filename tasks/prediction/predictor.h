// SPDX-License-Identifier: MIT
// A trained model in use: likelihoods, samples and predictions. It holds two instances of the
// model: one scores several examples at once, one draws several samples for one input.
#ifndef GB_PREDICTOR_H
#define GB_PREDICTOR_H

#include "tasks/images/picture.h"
#include "tasks/run_config.h"

enum gb_prediction {
    GB_PREDICT_MEAN,     // the mean of samples (c-Glow paper, Equation 4)
    GB_PREDICT_GRADIENT, // arg max p(y|x) by gradient ascent (Equation 3)
    GB_PREDICTIONS,
};
extern const char *const gb_prediction_names[GB_PREDICTIONS]; // "mean", "gradient"

// Gradient ascent on log p(y|x) / (dimensions * ln 2) by Adam.
struct gb_ascent {
    bool from_mean; // starts at the mean of samples; else at the sample of temperature 0
    int steps;
    float rate;
};

struct gb_predictor_options {
    const struct gb_backend *backend;
    int threads;
    int samples;       // M of the sample average; 10 in the c-Glow paper
    float temperature; // of the latents; 1 in the c-Glow paper
    uint64_t seed;     // of dequantisation noise and latents
    bool dequantise;   // noise on targets when their likelihood is taken
    int scored; // test images scored, spread evenly; 0: all. sr: central crops of each test set
    int crops;  // whose likelihood is taken, for tasks that score full images; 0: the default
    enum gb_prediction prediction;
    struct gb_ascent ascent;
};

// Read only; `state` is private.
struct gb_predictor {
    const struct gb_task *task;
    const struct gb_model_kind *kind;
    union gb_model_config config;
    enum gb_type precision; // of the models
    struct gb_predictor_options options;
    int samples; // per input: options.samples; 1 where model or task have one prediction
    struct gb_tensor target; // the shape of one target, without data
    struct gb_predictor_state *state;
};

// Parameters are zero until gb_predictor_load or gb_predictor_restore. GB_BAD_INPUT where the model
// cannot do what the options ask.
enum gb_status gb_predictor_create(struct gb_predictor *predictor, const struct gb_run_config *run,
                                   const struct gb_predictor_options *options);
void gb_predictor_free(struct gb_predictor *predictor);

// Copies the parameters of a trained model of any backend, or of a checkpoint.
enum gb_status gb_predictor_load(struct gb_predictor *predictor, const struct gb_params *trained);
enum gb_status gb_predictor_restore(struct gb_predictor *predictor, const char *checkpoint);

// Changes the example size, with the same parameters. GB_BAD_INPUT where the model does not take
// the size; then the predictor can only be freed.
enum gb_status gb_predictor_resize(struct gb_predictor *predictor,
                                   const struct gb_example_shape *shape);

// Bits per dimension of every example (gb_task_bits), into `count` doubles, without the authors'
// extra bit. Examples are numbered from `first`, and the noise of number i is a function of (seed,
// i), so that a set may be scored in parts. GB_CHECK_FAILED with the example's name where one is
// not finite or a matrix is singular (then the first name of the batch), GB_BAD_INPUT where the
// sizes are not the model's.
enum gb_status gb_predictor_bits(struct gb_predictor *predictor, const struct gb_examples *examples,
                                 int first, char *const *names, double *bits);
// The same for a range of examples that are numbered from 0; `names` and `bits` are those of all.
enum gb_status gb_predictor_range_bits(struct gb_predictor *predictor,
                                       const struct gb_examples *examples, struct gb_range range,
                                       char *const *names, double *bits);

// Writes what another implementation of the model is checked with: a safetensors file with `x`, `y`
// and `log_likelihood` (natural logarithms, one per example) of the first examples of a set, at
// most `most`; `y` as it enters the flow, with its noise, and `noise`, where the model dequantises.
// Images are N x C x H x W, as PyTorch has them; the metadata is the run's configuration. Fails as
// gb_predictor_bits, and with GB_IO_ERROR.
enum gb_status gb_predictor_write_tensors(struct gb_predictor *predictor,
                                          const struct gb_run_config *run,
                                          const struct gb_dataset *set, int most, const char *path);

// Conditions the sampler on x, for any number of samples. `name` is for messages. Fails as
// gb_predictor_bits.
enum gb_status gb_predictor_condition(struct gb_predictor *predictor, const struct gb_tensor *x,
                                      const char *name);
// Sample `number` at this temperature for example `index`, on whose input it was conditioned: a
// view of one target, valid until the predictor is used again. Its latents are a function of (seed,
// index, number).
// Samples 2i and 2i + 1 have opposite normal latents (antithetic variates): each has the model's
// distribution, but linear effects of the noise cancel in their mean. After 500 steps of a reduced
// model on BSDS500, denoising has 24.08 dB with 10 paired samples, 23.61 dB with 10 unpaired and
// 24.03 dB with 100 unpaired ones.
struct gb_tensor gb_predictor_sample(struct gb_predictor *predictor, int index, int number,
                                     float temperature);

// The prediction for example `index` as a target, into `prediction` (dense, one target): the mean
// of the samples, or the result of gradient ascent.
enum gb_status gb_predictor_predict(struct gb_predictor *predictor, const struct gb_tensor *x,
                                    const char *name, int index,
                                    const struct gb_tensor *prediction);

// Scores a split into `metrics` and `per_image` (an empty array, or NULL): bits per dimension
// ("loss" for point estimates), the task's metrics, seconds_per_prediction, images_per_second; or
// by the task's protocol. `train` is for the trivial baselines. Also fails as gb_backend_check. For
// all ranks of a job at the same time, which share the examples: each has all results.
enum gb_status gb_predictor_evaluate(struct gb_predictor *predictor, const struct gb_dataset *train,
                                     const struct gb_dataset *test, json_t *metrics,
                                     json_t *per_image);

// A contact sheet of up to `images` examples spread over the set: input, truth, samples, their mean
// where the task postprocesses it, and the prediction; or the task's own columns.
enum gb_status gb_predictor_picture(struct gb_predictor *predictor, const struct gb_dataset *set,
                                    int images, const char *path);

// A task's own contact sheet: its columns, and what fills them.
enum { GB_MAX_COLUMNS = 12 };
struct gb_example_picture {
    // Sets the caption and, without data, the image shape of each column for examples of this
    // shape; returns the number of columns.
    int (*columns)(const struct gb_predictor *predictor, const struct gb_example_shape *shape,
                   struct gb_picture_column columns[static GB_MAX_COLUMNS]);
    // Fills a row: one image of each column for example `index` of the set. `target` is a buffer
    // for one target.
    enum gb_status (*fill_row)(struct gb_predictor *predictor, const struct gb_dataset *set,
                               int index, const struct gb_example *example,
                               const struct gb_tensor *target, const struct gb_tensor cells[]);
};
// Gives each column `rows` images of its shape, zeroed, in one block, which the caller frees.
enum gb_status gb_columns_allocate(struct gb_picture_column columns[], int count, int rows,
                                   float **values);
// Samples per row: up to four, none for point estimates.
int gb_shown_samples(const struct gb_predictor *predictor);
// Draws examples spread over a set of the predictor's shape.
enum gb_status gb_draw_examples(struct gb_predictor *predictor,
                                const struct gb_example_picture *picture,
                                const struct gb_dataset *set, int images, const char *path);

#endif
