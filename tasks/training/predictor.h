// SPDX-License-Identifier: MIT
// A trained model put to use: likelihoods, samples and predictions. It holds two instances of the
// model, one that scores several examples at once and one that draws several samples for one input.
#ifndef GB_PREDICTOR_H
#define GB_PREDICTOR_H

#include "tasks/images/picture.h"
#include "tasks/training/run_config.h"

enum gb_prediction {
    GB_PREDICT_MEAN,     // the mean of samples (c-Glow paper, Equation 4)
    GB_PREDICT_GRADIENT, // arg max p(y|x) by gradient ascent (Equation 3)
    GB_PREDICTIONS,
};
extern const char *const gb_prediction_names[GB_PREDICTIONS]; // "mean", "gradient"

// Gradient ascent on log p(y|x) / (dimensions * ln 2) by Adam, whose steps go about `rate`.
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
    // Images of a test set that are scored, spread evenly over it; 0: all. sr: of each set, the
    // middles alone.
    int scored;
    int crops; // that a task which scores whole images takes likelihoods of; 0: its own
    enum gb_prediction prediction;
    struct gb_ascent ascent;
};

// To be read; `state` is predictor.c's own.
struct gb_predictor {
    const struct gb_task *task;
    const struct gb_model_kind *kind;
    union gb_model_config config;
    struct gb_predictor_options options;
    int samples; // drawn for an input: options.samples; 1 where model or task have one answer
    struct gb_tensor target; // the shape of one
    struct gb_predictor_state *state;
};

// Parameters are still zero: fill them by gb_predictor_load or gb_predictor_restore. GB_BAD_INPUT
// where the model cannot do what is asked.
enum gb_status gb_predictor_create(struct gb_predictor *predictor, const struct gb_run_config *run,
                                   const struct gb_predictor_options *options);
void gb_predictor_free(struct gb_predictor *predictor);

// Takes the values of a trained model's parameters, whatever its backend; or those of a checkpoint.
enum gb_status gb_predictor_load(struct gb_predictor *predictor, const struct gb_params *trained);
enum gb_status gb_predictor_restore(struct gb_predictor *predictor, const char *checkpoint);

// Goes over to examples of another size, with the same parameters: for test sets of whole images.
// GB_BAD_INPUT where the model does not take the size; then the predictor can only be freed.
enum gb_status gb_predictor_resize(struct gb_predictor *predictor,
                                   const struct gb_example_shape *shape);

// Bits per dimension of every example (count doubles; gb_task_bits), without the authors' extra
// bit. They are numbered from `first`, and the noise of example i is a function of (seed, first +
// i): those of a set may be taken a few at once. GB_CHECK_FAILED with the example's name where one
// is not finite or a matrix is singular (then the first name of the scorer's batch), GB_BAD_INPUT
// where the examples' sizes are not the model's.
enum gb_status gb_predictor_bits(struct gb_predictor *predictor, const struct gb_examples *examples,
                                 int first, char *const *names, double *bits);

// Conditions the sampler on x, for any number of samples. `name` is for messages. Fails as
// gb_predictor_bits does.
enum gb_status gb_predictor_condition(struct gb_predictor *predictor, const struct gb_tensor *x,
                                      const char *name);
// Sample `number` at this temperature for example `index`, whose input it was conditioned on: a
// view of one target, to be read: it stands until the predictor is used again, which may then give
// it once more.
// Its latents depend on (seed, index, number) alone.
// Normal ones come in pairs: samples 2i and 2i + 1 have opposite latents (antithetic variates).
// Each is distributed as the model says, but their mean loses what the noise adds linearly: 500
// steps of a reduced model on BSDS500 denoise to 24.08 dB by the mean of 10 samples in pairs, 23.61
// dB by that of 10 without, and 24.03 dB by that of 100 without.
struct gb_tensor gb_predictor_sample(struct gb_predictor *predictor, int index, int number,
                                     float temperature);

// The prediction for example `index` as a target, into `answer` (dense, of one target): the mean of
// the samples, or what ascent finds.
enum gb_status gb_predictor_predict(struct gb_predictor *predictor, const struct gb_tensor *x,
                                    const char *name, int index, const struct gb_tensor *answer);

// Scores a whole split into `metrics` and `per_image` (an empty array): bits per dimension ("loss"
// of a model with one answer), the task's own metrics, seconds_per_prediction, images_per_second;
// or as the task's own protocol has it. `train` serves the trivial baselines. Fails as
// gb_backend_check does, beside what scoring does.
enum gb_status gb_predictor_evaluate(struct gb_predictor *predictor, const struct gb_dataset *train,
                                     const struct gb_dataset *test, json_t *metrics,
                                     json_t *per_image);

// A picture of `images` examples spread over the set: input, truth, samples, their mean where the
// task decides by it, and the answer; or the task's own. Fewer where a sheet does not hold so many.
enum gb_status gb_predictor_picture(struct gb_predictor *predictor, const struct gb_dataset *set,
                                    int images, const char *path);

// For tasks that draw their own: what the columns are, and what goes into them.
enum { GB_MAX_COLUMNS = 12 };
struct gb_example_picture {
    // Fills in captions and, without data, one image of each column for examples of this shape;
    // returns how many there are.
    int (*columns)(const struct gb_predictor *predictor, const struct gb_example_shape *shape,
                   struct gb_picture_column columns[static GB_MAX_COLUMNS]);
    // Fills a row: one image of each column for example `index` of the set. `target` is a buffer for
    // one target.
    enum gb_status (*fill_row)(struct gb_predictor *predictor, const struct gb_dataset *set,
                               int index, const struct gb_example *example,
                               const struct gb_tensor *target, const struct gb_tensor cells[]);
};
// Samples that a row shows: up to four, none of a model with one answer.
int gb_shown_samples(const struct gb_predictor *predictor);
// Draws examples spread over a set of one shape, which is the predictor's.
enum gb_status gb_draw_examples(struct gb_predictor *predictor,
                                const struct gb_example_picture *picture,
                                const struct gb_dataset *set, int images, const char *path);

#endif
