// SPDX-License-Identifier: MIT
// A task: a data set, what a model is asked about it, and how its answer is scored. A task is one
// file (tasks/horses.c) that reads like its section of the paper; what tasks share is in the
// directories around it.
#ifndef GB_TASK_H
#define GB_TASK_H

#include <jansson.h>

#include "flows/models/model.h"
#include "tasks/data/dataset.h"

struct gb_predictor;

// How a model is trained by default, as its paper says.
struct gb_recipe {
    int batch;
    struct gb_adam adam; // except for its corrections (gb_adam_at_step)
    int halve_every;     // steps after which the learning rate halves; 0: never
    float x_noise;       // width of the uniform noise on inputs while training; 0: none
};

// A model that can do the task.
struct gb_task_model {
    const char *name; // what --model takes: "cglow"
    const struct gb_model_kind *kind;
    // The paper's configuration for examples of this shape, into the kind's own member. Fails where
    // it depends on another that fails.
    enum gb_status (*configure)(const struct gb_example_shape *shape,
                                union gb_model_config *config);
    // Makes it small, for the main job; NULL: it stays as it is.
    void (*reduce)(union gb_model_config *config);
    // Of a factored baseline, else NULL: the flow whose number of parameters it has, and which
    // options of the command line describe (flows/models/factored.h).
    const struct gb_task_model *flow;
    struct gb_recipe recipe;
};

// The main job: the first model on synthetic data, made so small that half a minute trains it.
struct gb_reduced_run {
    int size, batch, iterations;
    float learning_rate;
};

// A model's predictions for a test split.
struct gb_predictions {
    const struct gb_dataset *train, *test; // train serves the trivial baselines
    const struct gb_examples *examples;    // those of the test split that are scored
    const int *indices;                    // where each of them stands in the split
    const struct gb_tensor *predicted;     // by gb_task_postprocess, of the picture's shape
    int threads;
};

struct gb_task {
    const char *name, *summary;
    const char *paper;   // section and table
    const char *dataset; // what `directory` must hold
    const char *size;    // what the size measures, for the help: "height and width"
    int default_size;
    // The distance between two levels of a discrete target: uniform dequantisation noise in
    // [noise_low, noise_low + level_distance) fills it, and bits per dimension count it. 0: the
    // target is real-valued, gets none, and its bits are a differential entropy at the target's
    // scale.
    float level_distance, noise_low;
    // What the authors' code adds to bits per dimension by its own choice of levels.
    double published_bits;
    int samples;     // that a prediction averages by default; 0: 10, as in c-Glow's paper
    bool one_sample; // its protocol looks at a single sample at a time, whatever the user asks for
    struct gb_reduced_run reduced;
    const struct gb_task_model *models; // the first is the default; ends with one without a name

    // Both splits (the array has GB_SPLITS entries); free each with gb_dataset_free. On failure
    // nothing is held.
    enum gb_status (*load)(const struct gb_source *source, struct gb_dataset splits[]);
    bool has_scenes; // its data have scenes, which struct gb_source chooses from
    // The target takes any number of channels, which all say the same: --mask-copies.
    bool copies;
    // For any number of examples; no two views of a call overlap. Data to the model's target,
    // before noise.
    void (*target)(const struct gb_tensor *x, const struct gb_tensor *y,
                   const struct gb_tensor *target);
    // A target, a sample or a mean of samples as a picture: in [0, 1], and values beyond are the
    // picture's to clip.
    void (*to_image)(const struct gb_tensor *x, const struct gb_tensor *target,
                     const struct gb_tensor *picture);
    // The answer that is scored, of the picture's shape. NULL: the picture, clipped to [0, 1].
    void (*postprocess)(const struct gb_tensor *x, const struct gb_tensor *picture,
                        const struct gb_tensor *answer);
    int picture_channels;
    // Adds the task's metrics, and those of its trivial baselines as "trivial_NAME", to `metrics`,
    // and to each object of the array `per_image`. GB_OUT_OF_MEMORY, GB_BAD_INPUT where the
    // examples cannot be scored, and GB_CHECK_FAILED where a metric is not finite. NULL where
    // `evaluate` is given.
    enum gb_status (*score)(const struct gb_predictions *predictions, json_t *metrics,
                            json_t *per_image);
    // For a task whose protocol is its own: takes the place of the common evaluation (bits per
    // dimension, one answer an example, score). NULL: the common one.
    enum gb_status (*evaluate)(struct gb_predictor *predictor, const struct gb_dataset *train,
                               const struct gb_dataset *test, json_t *metrics, json_t *per_image);
    // Likewise for the picture.
    enum gb_status (*picture)(struct gb_predictor *predictor, const struct gb_dataset *test,
                              int images, const char *path);
    // Draws one example of a test split of whole images, whole. `beside`: another model of the
    // task, whose prediction is a column too; NULL: none. NULL where the task draws sheets alone.
    enum gb_status (*figure)(struct gb_predictor *predictor, struct gb_predictor *beside,
                             const struct gb_dataset *test, int index, const char *path);
    // Its protocol's, "0, 0.5 and 1", which the user cannot change; NULL: the user's one.
    const char *temperatures;
    const char *headline; // the metric that stands for the task in one line
    bool lower_is_better;
};

// All tasks, ended by NULL.
const struct gb_task *const *gb_tasks(void);

// Sizes that tasks are asked for.
enum { GB_MIN_SIZE = 8, GB_MAX_SIZE = 1024 };

// The answer that is scored: by the task's `postprocess`, or clipped.
void gb_task_postprocess(const struct gb_task *task, const struct gb_tensor *x,
                         const struct gb_tensor *picture, const struct gb_tensor *answer);

// Copies `from`: a target, picture or prediction that is the data as they are.
void gb_target_copied(const struct gb_tensor *x, const struct gb_tensor *from,
                      const struct gb_tensor *to);

// The default number of samples averaged by a prediction.
int gb_task_samples(const struct gb_task *task);

// Bits per dimension of a log-likelihood (nats) of one target with this many dimensions, as the
// task counts them: of a density that dequantisation noise was added for, those of the levels.
double gb_task_bits(const struct gb_task *task, enum gb_dequantisation dequantisation,
                    double log_likelihood, size_t dimensions);

// GB_BAD_INPUT where a model takes inputs or targets of another size than the examples have.
enum gb_status gb_task_check_shape(const struct gb_model_kind *kind, const void *config,
                                   const struct gb_example_shape *shape);

// GB_BAD_INPUT with the names that there are.
enum gb_status gb_task_find(const char *name, const struct gb_task **task);
// NULL: the task's first.
enum gb_status gb_task_model_find(const struct gb_task *task, const char *name,
                                  const struct gb_task_model **model);

#endif
