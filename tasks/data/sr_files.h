// SPDX-License-Identifier: MIT
// Where super-resolution's images come from: directories as the data sets' publishers lay them
// out.
#ifndef GB_SR_FILES_H
#define GB_SR_FILES_H

#include "tasks/data/dataset.h"
#include "tasks/data/image_list.h"

enum {
    GB_SR_LEAST_SIDE = 16,  // of a test image: SSIM's window within the border that is not scored
    GB_SR_MAX_TESTED = 1000 // images of a test set of small images
};

// Reads the images of both splits (the array has GB_SPLITS entries); free each with
// gb_image_list_free. Those that test are named SET/FILE, and those of a set stand together.
//
// source->directory is one directory, or several with colons between; those in them are searched:
//   BSDS500        as tasks/data/bsds_data.h reads it: images/train and images/test train, of
//                  images/val the test set BSD100, which bsd100.txt lists, or all
//   test sets      directories named Set5, Set14, BSD100 (B100, BSDS100), Urban100, Manga109 or
//                  DIV2K_valid in any case and also with _HR, or links to them, with images or a
//                  directory of the high resolutions (HR, original, GT, GTmod12, image_SRF_2; x2
//                  below a directory HR)
//   ImageNet32/64  train_data_batch_1.npz to ..._10.npz, as many as there are, which train, and
//                  val_data.npz, the test set ImageNet: GB_SR_MAX_TESTED of it, evenly spread. The
//                  array `data` is of bytes, an image a row, its red, green and blue one after the
//                  other; pickled batches are not read
//   train, test,   next to one another, by a word of their names (gb_list_subsets): the test set
//   val            "test", or the directory of several of the above; val is left out, or the test
//                  set where there is no test; images next to test sets in such a directory are
//                  the directory's
//   else           images of any format that gb_image_read takes, which train
// Low resolutions (directories named LR..., ..._LR, X2; files named ..._LR) are computed, not read.
// source->note tells what is left out, and how many images train and test.
//
// Where there is no test set, every tenth that would train (or as many fewer as leave
// GB_SR_MAX_TESTED) is the test set "held-out". There may be none that train.
//
// GB_BAD_INPUT with the file and the reason: a directory missing or without images, an image or an
// archive that does not decode, an image below GB_SR_LEAST_SIDE, or below source->size where it
// trains, rows that are no square images, a list that names a file that is missing, a test set that
// is in two of the directories, an image that trains and tests. On failure nothing is held.
enum gb_status gb_sr_read(const struct gb_source *source, struct gb_image_list splits[]);

#endif
