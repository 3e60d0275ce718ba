// SPDX-License-Identifier: MIT
// Rows of results side by side: what the table at the end of `bench` and the pages of `report`
// show. Rows of one machine and build make one summary, in which a problem has a cell for each
// setting (threads and cache) and column (a backend, with the version of its library). A cell is
// the median of its launches.
#ifndef GB_SUMMARY_H
#define GB_SUMMARY_H

#include "bench/runner/row.h"

struct gb_column {
    char backend[GB_WORD], library[GB_LIBRARY];
    char label[GB_LIBRARY]; // the backend's name; its library's if two versions of it are shown
    unsigned colour; // 0xRRGGBB; the same for the same backend in all summaries made together
};

// Measured peaks, ascending; those closer than 30 % are taken as one.
struct gb_roofs {
    int count;
    double values[8];
};

struct gb_setting {
    int threads;
    enum gb_cache cache;
    struct gb_roofs compute, bandwidth; // GFLOP/s and GB/s
};

// All problems of an operation and direction.
struct gb_group {
    char name[2 * GB_WORD]; // "conv/forward"
    bool kernel;            // a single operation, not a layer, step or sample made of several
};

struct gb_line {
    const struct gb_row *row; // one of the problem's rows, for its name, FLOPs, bytes and calls
    const char *shape;        // the problem's name without that of its group
    int group;
};

struct gb_cell {
    int launches;      // 0: not measured
    const char *error; // of the first launch that failed: there are then no figures
    bool fallback;     // the figures are those of the native backend whose kernel it is
    double seconds, spread, gflops, gbs, share_of_peak; // medians; NAN if there are none
    enum gb_bound bound;                                // what the share is of
    double speed; // seconds of the fastest backend at this problem and setting / seconds
};

struct gb_summary {
    const struct gb_row *first; // any of its rows, for the machine and the build
    int column_count, setting_count, group_count, line_count, model_count;
    struct gb_column *columns;
    struct gb_setting *settings; // warm before cold, then by threads
    struct gb_group *groups;     // this and the following: in the order of the rows
    struct gb_line *lines;
    // Models whose training steps have any of the problems. If no training step has some problems,
    // the last is "", in which each of those counts once.
    char (*models)[GB_MODEL];
    struct gb_cell *cells; // [setting][line][column]
};

struct gb_summaries {
    struct gb_summary *list;
    int count;
};

// Splits the rows by machine and build, and sums them up without the control rows. The rows must
// outlive the summaries, which are to be freed even on failure: GB_BAD_INPUT if there are only
// control rows.
enum gb_status gb_summaries_make(const struct gb_row *rows, size_t count,
                                 struct gb_summaries *summaries);
void gb_summaries_free(struct gb_summaries *summaries);

// "2 threads, warm caches".
struct gb_setting_text {
    char text[48];
};
struct gb_setting_text gb_setting_text(const struct gb_setting *setting);

// Their index, or -1.
int gb_summary_find_setting(const struct gb_summary *summary, int threads, enum gb_cache cache);
int gb_summary_find_model(const struct gb_summary *summary, const char *name);

// The CPU's model.
const char *gb_summary_machine(const struct gb_summary *summary);

const struct gb_cell *gb_summary_cell(const struct gb_summary *summary, int setting, int line,
                                      int column);

// Whether any column has a row of it.
bool gb_summary_measured(const struct gb_summary *summary, int setting, int line);

// The bounds of its cells as a set of 1 << enum gb_bound; two only if it is near both.
unsigned gb_summary_bounds(const struct gb_summary *summary, int setting, int line);

// How often one training step of the model calls the problem.
int gb_summary_count(const struct gb_summary *summary, int line, int model);

// A column over those problems of a group that a model has. The means are geometric, weighted by
// the calls of a training step, so a fast large call cannot make up for many slow small ones; the
// total has what the calls cost together. There are no means over some of the problems: a backend
// could win by failing where it is slow.
struct gb_mean {
    int problems, measured, timed;        // measured: with a row in any column; timed: in this one
    unsigned bounds;                      // of any of them
    int calls;                            // of all problems, in one training step
    bool fallback;                        // of any of them
    double speed, share_of_peak, seconds; // means, and the total; NAN unless all are timed
};

enum { GB_ALL_KERNELS = -1 }; // as a `group`: all groups of kernels
struct gb_mean gb_summary_mean(const struct gb_summary *summary, int setting, int model, int group,
                               int column);

#endif
