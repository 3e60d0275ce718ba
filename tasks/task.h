// SPDX-License-Identifier: MIT
// A task: a data set, a model's inputs and targets, and how predictions are scored. Each task is
// one file (tasks/horses.c) that reads like its section of the paper; shared code is in the
// directories next to it.
#ifndef GB_TASK_H
#define GB_TASK_H

#include <jansson.h>

#include "flows/models/model.h"
#include "tasks/data/dataset.h"
#include "tasks/schedule.h"

struct gb_predictor;

// Default training, as in the paper.
struct gb_recipe {
    int batch;
    struct gb_adam adam;         // before gb_adam_at_step
    struct gb_schedule schedule; // of the learning rate
    float x_noise;               // width of the uniform noise on inputs while training; 0: none
};

// A model that can do the task.
struct gb_task_model {
    const char *name; // what --model takes: "cglow"
    const struct gb_model_kind *kind;
    // The paper's configuration, without sizes, which follow from the data; except sizes.y_c where
    // targets have more channels than the data.
    union gb_model_config config;
    // Makes it small for `glowbench run`; NULL: unchanged.
    void (*reduce)(union gb_model_config *config);
    // For a factored baseline, whose configuration follows from it, else NULL: the flow whose
    // number of parameters it matches (flows/models/factored.h).
    const struct gb_task_model *flow;
    struct gb_recipe recipe;
};

// `glowbench run`: the first model, small enough to train in half a minute, on generated data.
struct gb_reduced_run {
    int size, batch, iterations;
    float learning_rate;
};

// A model's predictions for a test split.
struct gb_predictions {
    const struct gb_dataset *train, *test; // train serves the trivial baselines
    const struct gb_examples *examples;    // the scored ones of the test split
    const int *indices;                    // of the examples, in the split
    const struct gb_tensor *predicted;     // by gb_task_postprocess, of the picture's shape
    int threads;
};

struct gb_task {
    const char *name, *summary;
    const char *paper;   // section and table
    const char *dataset; // what `directory` must hold
    const char *size;    // what --size measures: "height and width"
    int default_size;
    // Distance between the levels of a discrete target: uniform dequantisation noise is in
    // [noise_low, noise_low + level_distance), and bits per dimension are of the levels. 0: the
    // target is real-valued, and bits are of the density at the target's scale.
    float level_distance, noise_low;
    // Added to bits per dimension by the authors' choice of levels.
    double published_bits;
    int samples;     // averaged by a prediction; 0: 10, as in the c-Glow paper
    bool one_sample; // its protocol scores single samples; --samples is ignored
    struct gb_reduced_run reduced;
    const struct gb_task_model
        *models; // the first is the default; ends with an entry without a name

    // Both splits (GB_SPLITS entries); free each with gb_dataset_free. On failure nothing is held.
    enum gb_status (*load)(const struct gb_source *source, struct gb_dataset splits[]);
    bool has_scenes; // struct gb_source chooses from scenes
    // It also takes images and masks of any directories, and a width other than the height.
    bool own_masks;
    // The target is a mask copied to any number of channels: --mask-copies.
    bool copies;
    // Converts data to the model's target, before noise. For any number of examples; views must not
    // overlap.
    void (*target)(const struct gb_tensor *x, const struct gb_tensor *y,
                   const struct gb_tensor *target);
    // Converts a target, a sample or a mean of samples to an image in [0, 1], not clipped.
    void (*to_image)(const struct gb_tensor *x, const struct gb_tensor *target,
                     const struct gb_tensor *picture);
    // Converts the image of a mean to the scored prediction, such as by a threshold. NULL: clips to
    // [0, 1].
    void (*postprocess)(const struct gb_tensor *x, const struct gb_tensor *picture,
                        const struct gb_tensor *prediction);
    int picture_channels;
    // Adds metrics, and those of trivial baselines as "trivial_NAME", to `metrics` and to each
    // object of the array `per_image`. GB_OUT_OF_MEMORY, GB_BAD_INPUT where the examples cannot be
    // scored, GB_CHECK_FAILED where a metric is not finite. NULL if `evaluate` is given.
    enum gb_status (*score)(const struct gb_predictions *predictions, json_t *metrics,
                            json_t *per_image);
    // Replaces the common evaluation (bits per dimension, one prediction per example, score); the
    // ranks of a job share it. NULL: the common one.
    enum gb_status (*evaluate)(struct gb_predictor *predictor, const struct gb_dataset *train,
                               const struct gb_dataset *test, json_t *metrics, json_t *per_image);
    // Replaces the common contact sheet; NULL: the common one.
    enum gb_status (*picture)(struct gb_predictor *predictor, const struct gb_dataset *test,
                              int images, const char *path);
    // Draws one full-size test image. `baseline`: another model of the task, whose prediction is
    // shown too; may be NULL. NULL where the task has no such figures.
    enum gb_status (*figure)(struct gb_predictor *predictor, struct gb_predictor *baseline,
                             const struct gb_dataset *test, int index, const char *path);
    // Of its protocol, such as "0, 0.5 and 1"; NULL: --temperature.
    const char *temperatures;
    const char *headline; // its most important metric
    bool lower_is_better;
};

// All tasks, ended by NULL.
const struct gb_task *const *gb_tasks(void);

// Limits of --size.
enum { GB_MIN_SIZE = 8, GB_MAX_SIZE = 1024 };

// The scored prediction, by the task's `postprocess`.
void gb_task_postprocess(const struct gb_task *task, const struct gb_tensor *x,
                         const struct gb_tensor *picture, const struct gb_tensor *prediction);

// Copies `from`: a target, picture or prediction that is the data as they are.
void gb_target_copied(const struct gb_tensor *x, const struct gb_tensor *from,
                      const struct gb_tensor *to);

// The default number of samples averaged by a prediction.
int gb_task_samples(const struct gb_task *task);

// Bits per dimension of one target's log-likelihood (nats) with this many dimensions; of the
// levels, for a density to which dequantisation noise was added.
double gb_task_bits(const struct gb_task *task, enum gb_dequantisation dequantisation,
                    double log_likelihood, size_t dimensions);

// The paper's configuration of a model for examples of this shape.
enum gb_status gb_task_configure(const struct gb_task_model *model,
                                 const struct gb_example_shape *shape,
                                 union gb_model_config *config);

// GB_BAD_INPUT where the model's sizes are not the examples'.
enum gb_status gb_task_check_shape(const struct gb_model_kind *kind, const void *config,
                                   const struct gb_example_shape *shape);

// GB_BAD_INPUT with the names of all tasks.
enum gb_status gb_task_find(const char *name, const struct gb_task **task);
// NULL: the task's first. GB_BAD_INPUT with the names of its models.
enum gb_status gb_task_model_find(const struct gb_task *task, const char *name,
                                  const struct gb_task_model **model);

#endif
