// SPDX-License-Identifier: MIT
// Metrics of image restoration: peak signal-to-noise ratio, structural similarity, and the luma
// that super-resolution uses for both.
#ifndef GB_PSNR_H
#define GB_PSNR_H

#include "base/status.h"
#include "kernels/tensor.h"

// The PSNR of equal images, so that means stay finite.
#define GB_PSNR_MAX 100.0

// 10 log10(peak^2 / mean squared error) in dB, at most GB_PSNR_MAX, over all values of two views
// of one shape. `mask` is NULL, or one channel of their n, h and w: pixels where it is 0 do not
// count. NaN if no pixel counts or one that counts is NaN.
double gb_psnr(const struct gb_tensor *truth, const struct gb_tensor *image,
               const struct gb_tensor *mask, double peak);

// Mean structural similarity of one image of one channel (Wang et al. 2004, and its authors' script
// ssim_index.m): an 11 x 11 Gaussian window of deviation 1.5, K1 = 0.01, K2 = 0.03, at full
// resolution, where the window is inside the image. Height and width must be at least 11.
// GB_OUT_OF_MEMORY.
enum { GB_SSIM_WINDOW = 11 };
enum gb_status gb_ssim(const struct gb_tensor *truth, const struct gb_tensor *image, double peak,
                       double *ssim);

// ITU-R BT.601 luma of colours in [0, 1], as MATLAB's rgb2ycbcr gives it for floating-point images:
// 16/255 (black) to 235/255 (white), not rounded to levels. `rgb` has three channels, `luma` one;
// no overlap.
void gb_luma(const struct gb_tensor *rgb, const struct gb_tensor *luma);

// `clipped` is `images` clipped to [0, 1], NaN as 0; it may be the same view.
void gb_clip(const struct gb_tensor *images, const struct gb_tensor *clipped);

#endif
