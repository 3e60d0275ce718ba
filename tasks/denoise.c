// SPDX-License-Identifier: MIT
// Denoising of colour images (c-Glow paper, section 5.4, Table 3).
//
// Data: BSDS500, 400 training and 68 test images. Preprocessing: 256 x 256 crops resized to 128 x
// 128 (random and randomly mirrored for training, central for testing), plus Gaussian noise of
// standard deviation 25/255, not clipped. The target is the noise, as in Zhang et al. (2017), in
// units of its standard deviation: a model that ignores the image reaches the entropy of a standard
// normal, 2.05 bits per dimension. Models: c-Glow with L = 3, K = 8, n_c = 64, n_w = 128; DnCNN,
// the paper's reference. Prediction: the noisy image minus the mean of samples. Metric: PSNR,
// clipped to [0, 1], the mean over images.
#include <stdlib.h>

#include "tasks/data/bsds_data.h"
#include "tasks/data/image_list.h"
#include "tasks/metrics/psnr.h"
#include "tasks/psnr_scores.h"
#include "tasks/recipes.h"
#include "tasks/synthetic/natural.h"
#include "tasks/synthetic/synthetic.h"

#define DEVIATION (25.0f / 255.0f)

// The crop of a published image. Drawn ones are cut at the size that is asked for from
// pictures an eighth longer, since their statistics do not depend on scale.
enum { CROP = 256, SYNTHETIC_TRAIN = 400, SYNTHETIC_TEST = 68 };

// ---- data ----

struct crops {
    struct gb_image_list list;
    struct gb_patch_rule rule;
};

static enum gb_status fill(const struct gb_dataset *set, int index, const struct gb_random_key *key,
                           const struct gb_example *example) {
    const struct crops *crops = set->source;
    float *noisy = example->x.data, *noise = example->y.data;
    GB_TRY(gb_patch_take(&crops->list.images[index], &crops->rule, key, noisy));
    struct gb_random_key noise_key = *key;
    noise_key.purpose = GB_RANDOM_CORRUPTION;
    const size_t count = gb_elements(&example->x);
    for (size_t i = 0; i < count; i++) {
        noise[i] = gb_random_normal(&noise_key, (uint32_t)i);
        noisy[i] += DEVIATION * noise[i];
    }
    return GB_OK;
}

static void free_crops(void *source) {
    struct crops *crops = source;
    gb_image_list_free(&crops->list);
    free(crops);
}

// Takes the images over.
static enum gb_status make_split(struct gb_image_list *list, const struct gb_patch_rule *rule,
                                 struct gb_dataset *set) {
    const int size = rule->size;
    const struct gb_example_shape shape = {
        .x_h = size, .x_w = size, .x_c = 3, .y_h = size, .y_w = size, .y_c = 3};
    GB_TRY(gb_dataset_create(set, list->count, &shape));
    for (int i = 0; i < set->count; i++)
        GB_TRY(gb_dataset_name(set, i, list->names[i]));
    struct crops *crops = malloc(sizeof *crops);
    if (!crops)
        return gb_no_memory("cannot load", "denoise");
    *crops = (struct crops){*list, *rule};
    *list = (struct gb_image_list){0};
    set->hash = gb_image_list_hash(&crops->list);
    set->source = crops;
    set->fill = fill;
    set->free_source = free_crops;
    return GB_OK;
}

static enum gb_status draw_images(int side, int threads, struct gb_image_list splits[]) {
    GB_TRY(gb_natural_images(GB_SYNTHETIC_SEED, 0, SYNTHETIC_TRAIN, side, side, threads,
                             &splits[GB_SPLIT_TRAIN]));
    return gb_natural_images(GB_SYNTHETIC_SEED, GB_SYNTHETIC_TEST_FIRST, SYNTHETIC_TEST, side, side,
                             threads, &splits[GB_SPLIT_TEST]);
}

static enum gb_status load(const struct gb_source *source, struct gb_dataset splits[]) {
    struct gb_image_list list[GB_SPLITS] = {0};
    struct gb_patch_rule rule = {.crop = source->directory ? CROP : source->size,
                                 .size = source->size};
    enum gb_status status =
        source->directory ? gb_bsds_read(source, &gb_bsd68, CROP, list)
                          : draw_images(source->size + source->size / 8, source->threads, list);
    gb_splits_clear(splits);
    for (int split = 0; status == GB_OK && split < GB_SPLITS; split++) {
        rule.random = split == GB_SPLIT_TRAIN;
        status = make_split(&list[split], &rule, &splits[split]);
    }
    for (int split = 0; split < GB_SPLITS; split++)
        gb_image_list_free(&list[split]);
    return gb_splits_keep(splits, status);
}

// ---- models ----

// DnCNN's authors train by gradient descent with momentum at rates that batch normalisation allows;
// here it is Adam.
static const struct gb_task_model models[] = {GB_CGLOW_MODEL(GB_LEVEL_NOISE, 0, 3, 64, 128),
                                              {.name = "dncnn",
                                               .kind = &gb_dncnn_model,
                                               .config.dncnn = {.layers = 17, .channels = 64},
                                               .recipe = GB_BASELINE_RECIPE(8, 3e-4f)},
                                              {0}};

// ---- prediction ----

// The clean image is the noisy one less the noise: predicted, a picture, or added, the truth.
static void to_image(const struct gb_tensor *x, const struct gb_tensor *noise,
                     const struct gb_tensor *picture) {
    for (int n = 0; n < x->n; n++)
        for (int i = 0; i < x->h; i++)
            for (int j = 0; j < x->w; j++)
                for (int c = 0; c < x->c; c++)
                    gb_at(picture, n, i, j)[c] =
                        gb_at(x, n, i, j)[c] - DEVIATION * gb_at(noise, n, i, j)[c];
}

// ---- metric ----

static const char *const metric_names[] = {"psnr", "trivial_psnr", NULL};

// Of the prediction, and of the noisy image as it is.
static bool score_image(const struct gb_predictions *predictions, int index,
                        const struct gb_example *clipped, double psnr[static GB_PSNR_METHODS]) {
    const struct gb_tensor x = gb_images(&predictions->examples->x, index, 1);
    const struct gb_tensor y = gb_images(&predictions->examples->y, index, 1);
    const struct gb_tensor prediction = gb_images(predictions->predicted, index, 1);
    to_image(&x, &y, &clipped->y);
    gb_clip(&clipped->y, &clipped->y);
    gb_clip(&x, &clipped->x);
    psnr[0] = gb_psnr(&clipped->y, &prediction, NULL, 1.0);
    psnr[1] = gb_psnr(&clipped->y, &clipped->x, NULL, 1.0);
    return true;
}

static enum gb_status score(const struct gb_predictions *predictions, json_t *metrics,
                            json_t *per_image) {
    static const struct gb_psnr_scores scores = {"denoise", metric_names, score_image};
    return gb_psnr_scores_set(&scores, predictions, metrics, per_image);
}

const struct gb_task gb_denoise = {
    .name = "denoise",
    .summary = "denoising of colour images",
    .paper = "c-Glow, section 5.4, Table 3",
    .dataset = "BSDS500: images/{train,val,test}/*.jpg",
    .size = "height and width",
    .default_size = 128,
    .reduced = {.size = 32, .batch = 4, .iterations = 1200, .learning_rate = 5e-4f},
    .models = models,
    .load = load,
    .target = gb_target_copied,
    .to_image = to_image,
    .picture_channels = 3,
    .score = score,
    .headline = "psnr",
};
