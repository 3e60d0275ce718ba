// SPDX-License-Identifier: MIT
// What the tests of flows/ share: batches of images held both as floats in a strided view and as
// doubles in PyTorch's order, and float models that hold the parameters of the double reference.
#ifndef FLOW_CHECK_H
#define FLOW_CHECK_H

#include "flows/params.h"
#include "tests/flows/reference_cglow.h"
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

// Fails where the view's memory between the images is no longer as it was made.
void flow_check_gaps(const struct flow_images *images);

// sqrt(sum of squared differences / sum of squared expected values).
double flow_relative_error(size_t count, const double *actual, const double *expected);
// Fails, naming `what`, unless |actual - expected| <= bound; NaN fails.
void flow_check_close(const char *what, double actual, double expected, double bound);

// Fails with the message that the library left.
void flow_check_ok(enum gb_status status);
// Fails unless the status is `expected` and a message says why.
void flow_check_refused(enum gb_status status, enum gb_status expected);

// Gives the float parameters the reference's values; fails unless both have the same names and
// shapes.
void flow_import(struct gb_params *params, const struct reference_cglow *reference);
// The values of the float parameters into the reference's.
void flow_export(const struct gb_params *params, struct reference_cglow *reference);
// One parameter out of a block, as doubles; test_free them.
double *flow_export_block(const struct gb_params *params, int index, const float *block);

// The backends that this CPU runs, one after the other: NULL to begin, NULL at the end.
const struct gb_backend *flow_next_backend(const struct gb_backend *backend);

#endif
