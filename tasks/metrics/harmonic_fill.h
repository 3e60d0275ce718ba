// SPDX-License-Identifier: MIT
// The smoothest continuation of an image into a hole: what a method that knows nothing of what images
// show can do, and so what one that does must beat.
#ifndef GB_HARMONIC_FILL_H
#define GB_HARMONIC_FILL_H

#include "kernels/tensor.h"

// Successive over-relaxation ends with the first sweep that changes no value by more than this. On a
// block of 32 x 32 the values are then within 10 times as much of the solution.
#define GB_HARMONIC_TOLERANCE 1e-5f

// Fills the h x w pixels from row `top` and column `left` on of every image, in place, with the
// solution of Laplace's equation for each channel: each value is the mean of its four neighbours, and
// those outside the block stand (Poisson's image editing without a source). The block's own values are
// not read; it must lie inside with a pixel around it. Values lie around [0, 1]: among much larger ones
// floats change by more than the tolerance, and the sweeps never end.
void gb_harmonic_fill(const struct gb_tensor *images, int top, int left, int h, int w);

#endif
