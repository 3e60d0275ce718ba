// SPDX-License-Identifier: MIT
// How near an image is to the truth, for people who restore images: peak signal-to-noise ratio,
// structural similarity, and the luma that super-resolution measures both on.
#ifndef GB_PSNR_H
#define GB_PSNR_H

#include "base/status.h"
#include "kernels/tensor.h"

// What equal images have, so that means and files of numbers stay finite.
#define GB_PSNR_MOST 100.0

// 10 log10(peak^2 / mean squared error) in dB, at most GB_PSNR_MOST, over all values of all images
// of two views of one shape. `mask` is NULL, or one channel of their n, h and w: pixels where it is
// 0 do not count. NaN where none counts or where one that counts is NaN.
double gb_psnr(const struct gb_tensor *truth, const struct gb_tensor *answer,
               const struct gb_tensor *mask, double peak);

// Mean structural similarity of one image of one channel (Wang et al. 2004, and its authors' script
// ssim_index.m): an 11 x 11 Gaussian window of deviation 1.5, K1 = 0.01, K2 = 0.03, over the places
// where the window lies inside, at full resolution. Height and width must be 11 at least.
// GB_OUT_OF_MEMORY.
enum { GB_SSIM_WINDOW = 11 };
enum gb_status gb_ssim(const struct gb_tensor *truth, const struct gb_tensor *answer, double peak,
                       double *ssim);

// ITU-R BT.601 luma of colours in [0, 1], as MATLAB's rgb2ycbcr gives it for floating-point images:
// 16/255 (black) to 235/255 (white), not rounded to levels. `rgb` has three channels, `luma` one;
// no overlap.
void gb_luma(const struct gb_tensor *rgb, const struct gb_tensor *luma);

// `clipped` is `images` with all values brought into [0, 1] and NaN made 0; it may be the same
// view.
void gb_clip(const struct gb_tensor *images, const struct gb_tensor *clipped);

#endif
