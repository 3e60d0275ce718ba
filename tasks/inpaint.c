// SPDX-License-Identifier: MIT
// Inpainting of faces (c-Glow paper, section 5.6, Table 5).
//
// Data: CelebA's aligned images, 2,000 random test images; or LFW's funneled images. The central
// square is resized to 64 x 64, and its central 32 x 32 block hidden. Preprocessing: the input is
// the image with a black block, the target the block: its 256 levels at the centres of bins of
// width 1/256, which uniform noise fills, relative to the harmonic (Poisson) fill from the block's
// border, in units of 0.2. The fill is a function of the input, so that this only shifts and scales
// the density; tasks/README.md has what it is worth. Model: L = 3, K = 8, n_c = 64, n_w = 128.
// Prediction: the mean of samples, clipped. Metric: PSNR over the block, the mean over images.
// Baselines: the mean colour of the visible pixels, and the harmonic fill.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tasks/data/aligned_faces.h"
#include "tasks/images/picture.h"
#include "tasks/metrics/harmonic_fill.h"
#include "tasks/metrics/psnr.h"
#include "tasks/prediction/predictor.h"
#include "tasks/psnr_scores.h"
#include "tasks/recipes.h"
#include "tasks/synthetic/faces.h"
#include "tasks/synthetic/synthetic.h"

// ---- Synthetic data ----

enum { SYNTHETIC_TRAIN = 1000, SYNTHETIC_TEST = 64 };

static void draw(uint64_t seed, uint32_t index, const struct gb_example *example) {
    gb_synthetic_face(seed, index, GB_FACE_ALIGNED, example->x.h, example->x.data, NULL);
    gb_hide_block(example);
}

// Images are read on demand. Test images are decoded once before training, so that a damaged one
// does not fail a run at its end; of training images the files' headers and ends are checked.
static enum gb_status load_faces(const struct gb_source *source, struct gb_dataset splits[]) {
    GB_TRY(gb_aligned_faces_load(source, splits));
    return gb_splits_keep(splits, gb_dataset_check(&splits[GB_SPLIT_TEST], source->threads));
}

static enum gb_status load(const struct gb_source *source, struct gb_dataset splits[]) {
    if (source->directory)
        return load_faces(source, splits);
    const struct gb_synthetic faces = {.name = "faces",
                                       .shape = gb_hidden_block_shape(source->size),
                                       .counts = {SYNTHETIC_TRAIN, SYNTHETIC_TEST},
                                       .draw = draw};
    return gb_synthetic_load(&faces, GB_SYNTHETIC_SEED, source->threads, splits);
}

// The baseline has as many parameters as c-Glow, to within a tenth: 34.0 million and 36.5 million.
static const struct gb_task_model models[] = {GB_CGLOW_MODEL(GB_LEVEL_NOISE, 0, 3, 64, 128),
                                              {.name = "ffn",
                                               .kind = &gb_ffn_model,
                                               .config.ffn = {.levels = 5, .channels = 72},
                                               .recipe = GB_BASELINE_RECIPE(16, 3e-4f)},
                                              {0}};

// ---- Targets ----

// Files have 256 levels, 1/255 apart; a level's bin is 1/256 wide.
#define LEVELS 256.0f
// The target's unit, of white: about the deviation of a block from its harmonic fill.
#define UNIT 0.2f

static void fill_block(const struct gb_tensor *x, const struct gb_tensor *block) {
    const struct gb_hidden_block hidden = gb_hidden_block(x->h);
    gb_harmonic_fill(x, hidden.from, hidden.from, block);
}

static void target(const struct gb_tensor *x, const struct gb_tensor *block,
                   const struct gb_tensor *target) {
    fill_block(x, target);
    for (int n = 0; n < block->n; n++)
        for (int i = 0; i < block->h; i++)
            for (int j = 0; j < block->w; j++)
                for (int c = 0; c < block->c; c++) {
                    const float level = gb_at(block, n, i, j)[c] * (LEVELS - 1.0f);
                    float *value = &gb_at(target, n, i, j)[c];
                    *value = ((level + 0.5f) / LEVELS - *value) / UNIT;
                }
}

static void to_image(const struct gb_tensor *x, const struct gb_tensor *target,
                     const struct gb_tensor *picture) {
    fill_block(x, picture);
    for (int n = 0; n < target->n; n++)
        for (int i = 0; i < target->h; i++)
            for (int j = 0; j < target->w; j++)
                for (int c = 0; c < target->c; c++) {
                    float *value = &gb_at(picture, n, i, j)[c];
                    const float middle = gb_at(target, n, i, j)[c] * UNIT + *value;
                    *value = (middle * LEVELS - 0.5f) / (LEVELS - 1.0f);
                }
}

// ---- Scores ----

// What the block is measured against: the model's prediction, and two fills that know no faces.
enum { MODEL, MEAN_COLOUR, HARMONIC_FILL };

static const char *const metric_names[] = {"psnr", "mean_colour_psnr", "harmonic_fill_psnr", NULL};

static struct gb_tensor block_of(const struct gb_tensor *image) {
    const struct gb_hidden_block block = gb_hidden_block(image->h);
    struct gb_tensor view = *image;
    view.data = gb_at(image, 0, block.from, block.from);
    view.h = view.w = block.size;
    return view;
}

// Fills the block of one image, which is black, with the mean of the other pixels.
static void fill_mean_colour(const struct gb_tensor *image) {
    const struct gb_tensor block = block_of(image);
    const int seen = image->h * image->w - block.h * block.w;
    for (int c = 0; c < image->c; c++) {
        double sum = 0.0;
        for (int i = 0; i < image->h; i++)
            for (int j = 0; j < image->w; j++)
                sum += gb_at(image, 0, i, j)[c];
        for (int i = 0; i < block.h; i++)
            for (int j = 0; j < block.w; j++)
                gb_at(&block, 0, i, j)[c] = (float)(sum / seen);
    }
}

static bool score_image(const struct gb_predictions *predictions, int index,
                        const struct gb_example *room, double psnr[static GB_PSNR_METHODS]) {
    const struct gb_tensor x = gb_images(&predictions->examples->x, index, 1);
    const struct gb_tensor truth = gb_images(&predictions->examples->y, index, 1);
    const struct gb_tensor prediction = gb_images(predictions->predicted, index, 1);
    const struct gb_tensor *filled = &room->x, block = block_of(filled);
    psnr[MODEL] = gb_psnr(&truth, &prediction, NULL, 1.0);
    gb_copy_values(&x, filled);
    fill_mean_colour(filled);
    psnr[MEAN_COLOUR] = gb_psnr(&truth, &block, NULL, 1.0);
    fill_block(filled, &block);
    psnr[HARMONIC_FILL] = gb_psnr(&truth, &block, NULL, 1.0);
    return true;
}

static enum gb_status score(const struct gb_predictions *predictions, json_t *metrics,
                            json_t *per_image) {
    static const struct gb_psnr_scores scores = {"inpaint", metric_names, score_image};
    return gb_psnr_scores_set(&scores, predictions, metrics, per_image);
}

// ---- Picture ----

// Whole images, so that a block's seams show. The samples stand before the prediction.
enum { INPUT, TRUTH, FILL, SAMPLES };

static int columns_of(const struct gb_predictor *predictor, const struct gb_example_shape *shape,
                      struct gb_picture_column columns[static GB_MAX_COLUMNS]) {
    const int prediction = SAMPLES + gb_shown_samples(predictor);
    for (int i = 0; i <= prediction; i++)
        columns[i] = (struct gb_picture_column){
            "sample", gb_dense(NULL, 1, shape->x_h, shape->x_w, shape->x_c)};
    columns[INPUT].caption = "input";
    columns[TRUTH].caption = "truth";
    columns[FILL].caption = "harmonic";
    columns[prediction].caption = "prediction";
    return prediction + 1;
}

static enum gb_status fill_row(struct gb_predictor *predictor, const struct gb_dataset *set,
                               int index, const struct gb_example *example,
                               const struct gb_tensor *target, const struct gb_tensor cells[]) {
    const char *name = set->names[index];
    const struct gb_tensor *x = &example->x;
    const int samples = gb_shown_samples(predictor);
    struct gb_tensor blocks[GB_MAX_COLUMNS];
    for (int i = 0; i <= SAMPLES + samples; i++) {
        gb_copy_values(x, &cells[i]);
        blocks[i] = block_of(&cells[i]);
    }
    gb_copy_values(&example->y, &blocks[TRUTH]);
    fill_block(x, &blocks[FILL]);
    GB_TRY(gb_predictor_condition(predictor, x, name));
    for (int m = 0; m < samples; m++) {
        const struct gb_tensor sample =
            gb_predictor_sample(predictor, index, m, predictor->options.temperature);
        to_image(x, &sample, &blocks[SAMPLES + m]);
    }
    GB_TRY(gb_predictor_predict(predictor, x, name, index, target));
    to_image(x, target, &blocks[SAMPLES + samples]);
    return GB_OK;
}

static enum gb_status picture(struct gb_predictor *predictor, const struct gb_dataset *test,
                              int images, const char *path) {
    static const struct gb_example_picture whole_images = {columns_of, fill_row};
    return gb_draw_examples(predictor, &whole_images, test, images, path);
}

const struct gb_task gb_inpaint = {
    .name = "inpaint",
    .summary = "inpainting of the middle of faces",
    .paper = "c-Glow, section 5.6, Table 5",
    .dataset =
        "CelebA: img_align_celeba/*.jpg; or LFW: lfw_funneled/*/*.jpg; or a directory of *.jpg",
    .size = "height and width of the whole image",
    .default_size = 64,
    .level_distance = 1 / LEVELS / UNIT,
    .noise_low = -0.5f / LEVELS / UNIT,
    .reduced = {.size = 32, .batch = 4, .iterations = 1500, .learning_rate = 5e-4f},
    .models = models,
    .load = load,
    .target = target,
    .to_image = to_image,
    .picture_channels = 3,
    .score = score,
    .picture = picture,
    .headline = "psnr",
};
