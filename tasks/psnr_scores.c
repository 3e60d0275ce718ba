// SPDX-License-Identifier: MIT
#include "tasks/psnr_scores.h"

#include <math.h>

#include "tasks/metrics/record.h"

static const char what[] = "cannot score";

// Sets the scores of one example, and adds them to the sums.
static enum gb_status score_example(const struct gb_psnr_scores *scores,
                                    const struct gb_predictions *predictions, int index,
                                    const struct gb_examples *room, json_t *image, double sums[],
                                    int *scored) {
    const struct gb_example example = gb_example_at(room, 0);
    double psnr[GB_PSNR_METHODS];
    if (!scores->score(predictions, index, &example, psnr))
        return GB_OK;
    ++*scored;
    for (int m = 0; scores->names[m]; m++) {
        sums[m] += psnr[m];
        GB_TRY(gb_metric_set(image, "", scores->names[m], psnr[m]));
    }
    return GB_OK;
}

enum gb_status gb_psnr_scores_set(const struct gb_psnr_scores *scores,
                                  const struct gb_predictions *predictions, json_t *metrics,
                                  json_t *per_image) {
    const struct gb_examples *examples = predictions->examples;
    const struct gb_example_shape shape = gb_shape_of(&examples->x, &examples->y);
    struct gb_examples room;
    double sums[GB_PSNR_METHODS] = {0}, trivial = -INFINITY;
    int scored = 0;
    GB_TRY(gb_examples_create(&room, 1, &shape));
    enum gb_status status = GB_OK;
    for (int i = 0; status == GB_OK && i < examples->count; i++)
        status = score_example(scores, predictions, i, &room, json_array_get(per_image, (size_t)i),
                               sums, &scored);
    gb_examples_free(&room);
    GB_TRY(status);
    if (scored == 0)
        return gb_fail(GB_BAD_INPUT, what, scores->task, "no image has a valid pixel");
    for (int m = 0; scores->names[m]; m++) {
        trivial = m > 0 ? fmax(trivial, sums[m]) : trivial;
        GB_TRY(gb_metric_set(metrics, "", scores->names[m], sums[m] / scored));
    }
    return gb_metric_set(metrics, "", "trivial_psnr", trivial / scored);
}
