// SPDX-License-Identifier: MIT
// The pictures of a report. Each function fills in a picture, which has a name already or needs
// none: its title and both forms. GB_OUT_OF_MEMORY, and the failures of gb_gnuplot_draw; the
// picture is then empty.
#ifndef GB_PLOTS_H
#define GB_PLOTS_H

#include "bench/report/gnuplot.h"
#include "bench/report/summary.h"
#include "bench/report/training_record.h"

// Speed relative to the fastest backend in each operation of a model: one panel per setting, one
// bar per backend. Operations that take less than GB_MINOR_SHARE of a step on every backend are
// left out.
#define GB_MINOR_SHARE 0.01
enum gb_status gb_plot_bars(const struct gb_summary *summary, int model,
                            struct gb_picture *picture);

// Every kernel by its arithmetic intensity and speed, under the measured roofline, in the colours
// of the backends. Kernels without FLOPs are left out; the picture stays empty if all are.
enum gb_status gb_plot_roofline(const struct gb_summary *summary, int setting,
                                struct gb_picture *picture);

// Speedup with more threads of the kernels of each model's step, and of whole steps where they were
// timed: one panel per model, one line per backend. The picture stays empty if only one thread
// count was measured.
enum gb_status gb_plot_scaling(const struct gb_summary *summary, enum gb_cache cache,
                               struct gb_picture *picture);

// A logged figure over the training steps, one line per record that has it.
enum gb_status gb_plot_curves(const struct gb_training_record *records, int count,
                              const char *figure, struct gb_picture *picture);

// The colour of a record's line, 0xRRGGBB.
unsigned gb_run_colour(int record);

#endif
