// SPDX-License-Identifier: MIT
// Images of the retina with hand-traced vessels, and the windows of them that models train on. Two
// published sets are read as distributed:
//   DRIVE (Staal et al. 2004): DIR/{training,test}/images/NN_*.tif, 1st_manual/NN_manual1.gif,
//   mask/NN_*_mask.gif (the field of view), test/2nd_manual/NN_manual2.gif; 565 x 584, 20 and 20
//   images
//   CHASE_DB1 (Fraz et al. 2012): DIR/Image_NN[LR].jpg, _1stHO.png, _2ndHO.png; 999 x 960; the 20
//   images of subjects 01 to 10 train, the 8 of 11 to 14 test
#ifndef GB_VESSELS_DATA_H
#define GB_VESSELS_DATA_H

#include "tasks/data/dataset.h"
#include "tasks/images/image.h"

// The masks have the image's size, one channel, 0 and 255.
struct gb_vessel_image {
    struct gb_image image;   // three channels; illumination normalised by gb_vessels_hold
    struct gb_image vessels; // traced by the first observer: the truth
    struct gb_image second;  // traced by the second observer; no pixels without one
    struct gb_image field;   // the field of view
};
void gb_vessel_image_clear(struct gb_vessel_image *image);
// Clears each image and frees the array, which may be NULL.
void gb_vessel_images_free(struct gb_vessel_image *images, int count);

// Training windows have the source's size, at most that of the padded image, so that the largest
// size trains on full images. Full images are padded at the right and bottom to a multiple of
// GB_VESSELS_MULTIPLE (576 x 592 for DRIVE, 1008 x 960 for CHASE_DB1), or of source->multiple for
// models with more than four levels.
// Illumination is normalised (tasks/images/normalize_illumination.h) with a radius of the padded
// width / GB_VESSELS_LEVEL; padding and everything outside the field of view is neutral. The paper
// does not mention this. Without it, instance normalisation responds differently to a window than
// to a full image with its dark surroundings: trained on 128 x 128 windows of CHASE_DB1 (200 steps
// of batch 4), the F-score on full images was 0.22 instead of 0.54.
enum { GB_VESSELS_MULTIPLE = 16, GB_VESSELS_LEVEL = 32 };

// Loads both splits (GB_SPLITS entries); free each with gb_dataset_free. Examples are x (three
// channels), y (the first observer's vessels) and the field of view as mask. Training examples are
// random windows by the key: rotated by any angle, scaled by 0.8 to 1.2, sheared by an angle of
// standard deviation 10 degrees (CNF, section 5.2), around a random point, or the centre if the
// window is as large as the image. Test examples are full padded images.
// source->split_directory holds vessels_train.txt and vessels_test.txt, one name such as
// 21_training.tif or Image_01L.jpg per line. Examples are in the order of their list, or in byte
// order. CHASE_DB1 has no field masks: in each row, the field is from the first to the last pixel
// whose red exceeds GB_VESSELS_DARK of 255 (outside it is below 10).
// GB_BAD_INPUT with the file and the reason: a directory missing or of neither set, a missing,
// damaged or differently sized mask, images of different sizes, an empty field, a misnamed file, a
// bad list (tasks/data/lists.h), an empty split. On failure nothing is held.
enum { GB_VESSELS_DARK = 20 };
enum gb_status gb_vessels_load(const struct gb_source *source, struct gb_dataset splits[]);

// Makes `set` from `count` >= 1 images of one size; of the source, size, multiple and threads are
// used. Takes ownership of the malloced array and its images, even on failure. The caller sets the
// names.
enum gb_status gb_vessels_hold(struct gb_vessel_image *images, int count, enum gb_split split,
                               const struct gb_source *source, struct gb_dataset *set);

// The second observer's mask of the example that `key` gives (tasks/data/dataset.h), into a tensor
// of y's shape. False, with the tensor unchanged, if there is none.
bool gb_vessels_second(const struct gb_dataset *set, int index, const struct gb_random_key *key,
                       const struct gb_tensor *second);

// The image of example `index`.
const struct gb_vessel_image *gb_vessels_image(const struct gb_dataset *set, int index);

#endif
