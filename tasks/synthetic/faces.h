// SPDX-License-Identifier: MIT
// Face-like pictures and the parts of them, drawn by rule: a head of features with hair around it,
// before a backdrop of clutter. Where the head is, how large, how far it is turned and tilted, and
// what shape its hair has differ from picture to picture, and skin, hair and backdrop share their
// colours, so that neither place nor colour alone tells the parts. They stand in where real data
// are not at hand; scores on them say nothing about the real ones.
#ifndef GB_FACES_H
#define GB_FACES_H

#include <stdint.h>

#include "tasks/data/lfw_data.h"

enum gb_face_framing {
    GB_FACE_ANYWHERE, // from two fifths to four fifths of the picture's height, anywhere in it
    GB_FACE_ALIGNED,  // as large as the picture, eyes near one place, as in aligned data sets
};

// Draws example `index` of `seed`: image size x size x 3 in [0, 1], and, where `parts` is not NULL,
// size x size of enum gb_face_part, the one that covers most of the pixel; both dense. The
// composition is a function of (seed, index, framing), the pixels of these and the size, bit for
// bit on every machine. Clothes are background, ears and neck are face, and so is a beard.
void gb_synthetic_face(uint64_t seed, uint32_t index, enum gb_face_framing framing, int size,
                       float *image, float *parts);

#endif
