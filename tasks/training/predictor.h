// SPDX-License-Identifier: MIT
// A trained model put to use: likelihood of a split, samples and predictions. It holds two
// instances of the model, one that scores several images at once and one that draws many samples of
// one image.
#ifndef GB_PREDICTOR_H
#define GB_PREDICTOR_H

#include "tasks/task.h"

struct gb_predictor {
    const struct gb_task *task;
    const struct gb_backend *backend;
    int threads, samples;
    float temperature;
    uint64_t seed; // of the dequantisation noise and the latents
    bool dequantise;
    struct gb_cglow *scorer, *sampler;
    struct gb_arena arena;
    struct gb_tensor target; // of the scorer's batch
    float *noise;            // room for that of one target
    struct gb_tensor x_batch;
    struct gb_latents latents; // noise for the sampler
    struct gb_tensor drawn;    // samples x y
};

struct gb_predictor_options {
    const struct gb_task *task;
    const struct gb_backend *backend;
    int threads;
    int samples;       // M of the sample average; 10 in the paper
    float temperature; // of the latents; 1 in the paper
    uint64_t seed;
    bool dequantise; // noise on targets when their likelihood is taken
};

// Parameters are still zero: fill both by gb_params_copy or from a checkpoint.
enum gb_status gb_predictor_create(struct gb_predictor *predictor,
                                   const struct gb_predictor_options *options,
                                   const struct gb_cglow_config *config);
void gb_predictor_free(struct gb_predictor *predictor);

// Bits per dimension of every example of the set (count doubles), without the authors' extra bit.
// GB_CHECK_FAILED with the image's name where one is not finite or a matrix is singular (then the
// name of the first of the scorer's batch), GB_BAD_INPUT where the set's sizes are not the model's.
enum gb_status gb_predictor_bits(struct gb_predictor *predictor, const struct gb_dataset *set,
                                 double *bits);

// Draws the samples of example `index` into predictor->drawn. A sample's latents depend on (seed,
// index, number of the sample) alone, not on how many are drawn. Fails as gb_predictor_bits does.
enum gb_status gb_predictor_draw(struct gb_predictor *predictor, const struct gb_dataset *set,
                                 int index);

// The sample average of the drawn, as a picture of the task (1 x h x w x channels of data's y). It
// is taken in place: `drawn` is spent.
void gb_predictor_average(const struct gb_predictor *predictor, const struct gb_tensor *picture);

// Scores a whole split into `metrics` and `per_image` (an empty array): bits per dimension, the
// task's own metrics, seconds_per_prediction, images_per_second. `train` serves the trivial
// baselines.
enum gb_status gb_predictor_evaluate(struct gb_predictor *predictor, const struct gb_dataset *train,
                                     const struct gb_dataset *test, json_t *metrics,
                                     json_t *per_image);

// A picture of `images` examples spread over the set: input, truth, up to four samples, the sample
// average and the answer.
enum gb_status gb_predictor_picture(struct gb_predictor *predictor, const struct gb_dataset *set,
                                    int images, const char *path);

#endif
