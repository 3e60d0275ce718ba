// SPDX-License-Identifier: MIT
// Scores of super-resolution by two, as in papers since SRCNN (Dong et al. 2015): PSNR and SSIM on
// BT.601 luma without the outermost 2 pixels; on the grey itself, from 0 to 1, for grey images.
// Bicubic enlargement then has 33.67 dB on Set5, 30.14 on Set14 and 29.56 on BSD100; papers print
// 33.7, 30.2 and 29.6. Other protocols: with the border 33.67, 29.90 and 29.57 (two images of Set14
// have black ones); Set14 with man.png, stored with three equal channels, as colour 30.23, with
// bridge.png too 30.33.
#ifndef GB_SUPER_RESOLUTION_H
#define GB_SUPER_RESOLUTION_H

#include "base/status.h"
#include "kernels/tensor.h"

enum { GB_SR_BORDER = 2 }; // pixels on each side that are not scored

struct gb_sr_score {
    double psnr, ssim; // dB; 1 is equal
};

// Scores one image of 3 channels in levels / 256; `image`, any view of the same shape, is clipped
// to [0, 255/256]. Sides of at least GB_SSIM_WINDOW + 2 * GB_SR_BORDER. An image is grey if its
// channels are equal everywhere. GB_OUT_OF_MEMORY.
enum gb_status gb_sr_score(const struct gb_tensor *truth, const struct gb_tensor *image,
                           struct gb_sr_score *score);

// MATLAB's bicubic enlargement of one image in levels / 256 to `high`, dense, twice as high and
// wide, in integer levels. GB_OUT_OF_MEMORY.
enum gb_status gb_sr_bicubic(const struct gb_tensor *low, const struct gb_tensor *high);

#endif
