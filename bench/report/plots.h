// SPDX-License-Identifier: MIT
// The pictures of a report. Each is drawn into a picture that is all zeros but for its name, and
// titled; on failure there is none (gb_gnuplot_draw's statuses, or GB_OUT_OF_MEMORY).
#ifndef GB_PLOTS_H
#define GB_PLOTS_H

#include "bench/report/gnuplot.h"
#include "bench/report/summary.h"
#include "bench/report/training_record.h"

// Speed relative to the best backend in each operation of a model: a panel for each setting, a bar
// for each backend. Left out is what on every backend takes less than GB_MINOR_SHARE of a step.
#define GB_MINOR_SHARE 0.01
enum gb_status gb_plot_bars(const struct gb_summary *summary, int model,
                            struct gb_picture *picture);

// Every kernel by its arithmetic intensity and speed, under the roofline measured beside it: a panel
// for each backend. Kernels without FLOPs have no place in it; where no kernel has one, there is no
// picture, and that is no failure.
enum gb_status gb_plot_roofline(const struct gb_summary *summary, int setting,
                                struct gb_picture *picture);

// How much faster the kernels of each model's step, and whole steps where they were timed, run on
// more threads: a panel for each model, a line for each backend. Where there is but one number of
// threads, there is no picture, and that is no failure.
enum gb_status gb_plot_scaling(const struct gb_summary *summary, enum gb_cache cache,
                               struct gb_picture *picture);

// A logged figure over the training steps: a line for each run that has it.
enum gb_status gb_plot_curves(const struct gb_training_record *records, int count,
                              const char *figure, struct gb_picture *picture);

// The colour of a run's line, 0xRRGGBB.
unsigned gb_run_colour(int run);

#endif
