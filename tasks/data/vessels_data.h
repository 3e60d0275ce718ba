// SPDX-License-Identifier: MIT
// Images of the retina with their vessels traced by hand, whole and of 8 bits, and the windows
// on them that models are trained on. Two published sets are read as they are distributed:
//   DRIVE (Staal et al. 2004): FOLDER/{training,test}/images/NN_*.tif, 1st_manual/NN_manual1.gif,
//     mask/NN_*_mask.gif (the field of view), test/2nd_manual/NN_manual2.gif; 565 x 584, 20 and 20
//   CHASE_DB1 (Fraz et al. 2012): FOLDER/Image_NN[LR].jpg, _1stHO.png, _2ndHO.png; 999 x 960, of
//     which the 20 of subjects 01 to 10 train and the 8 of 11 to 14 test
#ifndef GB_VESSELS_DATA_H
#define GB_VESSELS_DATA_H

#include "tasks/data/dataset.h"
#include "tasks/images/image.h"

// One image. The masks have its size, one channel, 0 and 255.
struct gb_vessel_image {
    struct gb_image image;   // three channels; levelled once a set holds it
    struct gb_image vessels; // as the first observer traced them: the truth
    struct gb_image second;  // as the second did; no pixels where none did
    struct gb_image field;   // the field of view
};
void gb_vessel_image_clear(struct gb_vessel_image *image);
// Clears each and frees the array; NULL is left alone.
void gb_vessel_images_free(struct gb_vessel_image *images, int count);

// The side of training windows is the source's size, but never more than the padded image's: the
// largest size that a task takes trains on whole images. Whole images are padded at the
// right and at the bottom to a multiple of GB_VESSELS_MULTIPLE, 576 x 592 for DRIVE, 1008 x 960 for
// CHASE_DB1; for a model of more than four levels to the source's multiple.
// The light of images is levelled (tasks/images/normalize_illumination.h) over squares whose radius is the
// width padded for four levels, whatever the model's, over GB_VESSELS_LEVEL, and padding and all
// that lies outside the field of view is neutral. The paper says nothing of that. Without it a
// network with instance normalisation takes a window for something else than the whole image,
// which is dark around the field: trained on windows of 128 x 128 of CHASE_DB1 for 200 steps of 4
// it reached an F-score of 0.22 on whole images, with it 0.54.
enum { GB_VESSELS_MULTIPLE = 16, GB_VESSELS_LEVEL = 32 };

// Loads both splits (the array has GB_SPLITS entries); free each with gb_dataset_free. Examples are
// x (three channels), y (the first observer's vessels) and the field of view as mask. The training
// split gives windows of a map drawn by the key: rotated by any angle, enlarged by 0.8 to 1.2,
// sheared by an angle of standard deviation 10 degrees (CNF, section 5.2), about a point drawn in
// the image, or about its middle where the window is as large; the test split gives whole padded
// images. source->split_directory: vessels_train.txt and vessels_test.txt, a name such as
// 21_training.tif or Image_01L.jpg a line; images that neither names are not read. Examples stand
// in the order of their list, or in byte order. CHASE_DB1 has no masks of the field of view: in
// each row it is what lies between the first and the last pixel whose red, of 255, is above
// GB_VESSELS_DARK. The field is round and its red well above that; outside it is below 10.
// GB_BAD_INPUT with the file and the reason: a directory missing or of neither set, an image whose
// vessels, field or (in DRIVE's test half and CHASE_DB1) second observer is missing, does not
// decode or has another size, images of different sizes, an image without a field, a name of
// neither kind, a list as in tasks/data/lists.h, a split without an image. On failure nothing is
// held.
enum { GB_VESSELS_DARK = 20 };
enum gb_status gb_vessels_load(const struct gb_source *source, struct gb_dataset splits[]);

// Makes `set` of `count` >= 1 images of one size, as of this split; of the source the size of
// windows and the multiple count. It takes the array (of malloc) and its images over, also where it
// fails. The names are the caller's to set.
enum gb_status gb_vessels_hold(struct gb_vessel_image *images, int count, enum gb_split split,
                               const struct gb_source *source, struct gb_dataset *set);

// What the second observer traced in the example that `key` draws (tasks/data/dataset.h), into a
// tensor of y's shape. False where there was none; the tensor is then unchanged.
bool gb_vessels_second(const struct gb_dataset *set, int index, const struct gb_random_key *key,
                       const struct gb_tensor *second);

// The image that example `index` is made from.
const struct gb_vessel_image *gb_vessels_image(const struct gb_dataset *set, int index);

#endif
