// SPDX-License-Identifier: MIT
// Synthetic face-like images and their parts: a head with features and hair on a cluttered
// background. Position, size, rotation, tilt and hairstyle vary, and skin, hair and background
// share colours, so that neither position nor colour alone gives the parts. Scores on them say
// nothing about real data.
#ifndef GB_FACES_H
#define GB_FACES_H

#include <stdint.h>

#include "tasks/data/lfw_data.h"

enum gb_face_framing {
    GB_FACE_ANYWHERE, // from 2/5 to 4/5 of the image's height, anywhere
    GB_FACE_ALIGNED,  // as large as the image, eyes aligned
};

// Example `index` of `seed`: the image, size x size x 3 in [0, 1], and, unless NULL, the parts,
// size x size of enum gb_face_part, the one that covers most of the pixel; both dense. The
// composition depends on (seed, index, framing), the pixels also on the size; bitwise identical on
// every machine. Clothes are background; ears, neck and beard are face.
void gb_synthetic_face(uint64_t seed, uint32_t index, enum gb_face_framing framing, int size,
                       float *image, float *parts);

#endif
