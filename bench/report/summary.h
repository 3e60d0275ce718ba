// SPDX-License-Identifier: MIT
// Rows of results side by side: what the table at the end of `bench` and the pages of `report`
// show. Rows of one machine, build and label make one summary, in which a problem has a cell for
// each setting (threads and cache) and column (a backend, with the version of its library). A cell
// is the median of its launches.
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
    bool shared;       // other work shared the machine in one of the launches (gb_row_is_shared)
    double seconds, spread, gflops, gbs, share_of_peak; // medians; NAN if there are none
    enum gb_bound bound;                                // what the share is of
    double speed; // seconds of the fastest backend at this problem and setting / seconds
};

// Whether the machine was loaded. The control row does the same work in every launch.
struct gb_disturbance {
    int rows, known, shared; // known: with counters; shared: gb_row_is_shared
    double load;             // highest load average; -1 unknown
    // The largest spread of the control: interquartile range within a launch, or longest / shortest
    // median of launches - 1. 0 without a control row.
    double control;
};
#define GB_CONTROL_SPREAD 0.05 // from which on the control has moved

struct gb_summary {
    // The label, else the CPU's model; with the product, the commit or a number if others have it.
    char name[224];
    const struct gb_row *first; // any of its rows, for the machine and the build
    struct gb_disturbance disturbance;
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

// The CPU's model; what the machine is called (gb_machine_product), "" unknown. Cores and CPUs of
// the machine; 0 unknown.
int gb_summary_cores(const struct gb_summary *summary);
int gb_summary_cpus(const struct gb_summary *summary);
const char *gb_summary_machine(const struct gb_summary *summary);
const char *gb_summary_product(const struct gb_summary *summary);

const struct gb_cell *gb_summary_cell(const struct gb_summary *summary, int setting, int line,
                                      int column);

// Whether it is of the summary's machine, build and label.
bool gb_summary_has(const struct gb_summary *summary, const struct gb_row *row);

// Whether the machine was loaded: shared rows, a moved control or, where nothing was counted, a
// load average of a whole CPU above what the rows' own threads make.
bool gb_summary_is_disturbed(const struct gb_summary *summary);

// Whether any column has a row of it.
bool gb_summary_measured(const struct gb_summary *summary, int setting, int line);

// Whether a problem of the model was measured at the setting.
bool gb_summary_has_model(const struct gb_summary *summary, int setting, int model);

// The bounds of its cells as a set of 1 << enum gb_bound; two only if it is near both.
unsigned gb_summary_bounds(const struct gb_summary *summary, int setting, int line);

// How often one training step of the model calls the problem.
int gb_summary_count(const struct gb_summary *summary, int line, int model);

// A column over those problems of a group that a model has. The means are geometric, weighted by
// the calls of a training step, so a fast large call cannot make up for many slow small ones; the
// total has what the calls cost together. There are no means over some of the problems: a backend
// could win by failing where it is slow.
struct gb_mean {
    int problems, measured, timed; // measured: with a row in any column; timed: in this one
    unsigned bounds;               // of any of them
    int calls;                     // of all problems, in one training step
    bool fallback, shared;         // of any of them
    double share_of_peak, seconds; // mean and total; NAN unless all are timed
    double spread;                 // mean of the cells'
    double speed; // geometric mean of the times of the backend with the shortest / of this one's
};

enum { GB_ALL_KERNELS = -1 }; // as a `group`: all groups of kernels that were timed
#define GB_ALL_KERNELS_NAME "timed kernels"
struct gb_mean gb_summary_mean(const struct gb_summary *summary, int setting, int model, int group,
                               int column);

#endif
