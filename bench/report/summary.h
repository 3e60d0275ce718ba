// SPDX-License-Identifier: MIT
// Rows of results put side by side: what the table at the end of `bench` and the pages of `report`
// show. Rows of one machine and build make one summary; in it a problem has a cell for each setting
// (threads and cache) and column (a backend, with the version of its library). Launches of the same
// cell are joined by their median.
#ifndef GB_SUMMARY_H
#define GB_SUMMARY_H

#include "bench/runner/row.h"

struct gb_column {
    char backend[GB_WORD], library[GB_LIBRARY];
    char label[GB_LIBRARY]; // the backend's name; its library's where two versions of it are shown
    unsigned colour; // 0xRRGGBB; the same for the same backend in all summaries made together
};

struct gb_setting {
    int threads;
    enum gb_cache cache;
};

// All problems of an operation and direction.
struct gb_group {
    char name[2 * GB_WORD]; // "conv/forward"
    bool kernel;            // a single operation: not a layer, step or sample made of several
};

struct gb_line {
    const struct gb_row *row; // one of the problem's: its name, FLOPs, bytes and shares
    const char *shape;        // the problem's name behind that of its group
    int group;
};

struct gb_cell {
    int launches;      // joined here; 0: not measured
    const char *error; // of the first launch that failed: then there are no figures
    bool borrowed;     // the figures are those of the backend whose kernel it is
    double seconds, spread, gflops, gbs, share_of_peak; // medians; NAN where there are none
    enum gb_wall wall;                                  // that the share is of
    double speed; // seconds of the fastest backend at this problem and setting / seconds
};

// The roofline limits between which the rows were measured, ascending; limits closer than 30 % are
// one.
struct gb_roofs {
    int count;
    double values[8];
};

struct gb_summary {
    const struct gb_row *first; // a row of it, for the machine and the build
    int column_count, setting_count, group_count, line_count, model_count;
    struct gb_column *columns;
    struct gb_setting *settings; // warm before cold, then by threads
    struct gb_group *groups;     // this and the following: in the order of the rows
    struct gb_line *lines;
    // Models whose training steps have any of the problems. The last one is "" where there are
    // problems that no training step has; each of those counts once in it.
    char (*models)[GB_MODEL];
    struct gb_cell *cells;                // [setting][line][column]
    struct gb_roofs *compute, *bandwidth; // [setting], GFLOP/s and GB/s
};

struct gb_summaries {
    struct gb_summary *list;
    int count;
};

// Splits the rows by machine and build and sums them up. Control rows are left out. The rows must
// outlive the summaries. GB_BAD_INPUT where there is no row but control rows.
enum gb_status gb_summaries_make(const struct gb_row *rows, size_t count,
                                 struct gb_summaries *summaries);
void gb_summaries_free(struct gb_summaries *summaries);

// "2 threads, warm caches".
struct gb_setting_text {
    char text[48];
};
struct gb_setting_text gb_setting_text(const struct gb_setting *setting);

// Where they are; -1: not there.
int gb_summary_find_setting(const struct gb_summary *summary, int threads, enum gb_cache cache);
int gb_summary_find_model(const struct gb_summary *summary, const char *name);

// The model of the CPU.
const char *gb_summary_machine(const struct gb_summary *summary);

const struct gb_cell *gb_summary_cell(const struct gb_summary *summary, int setting, int line,
                                      int column);

// Whether any column has a row of it.
bool gb_summary_measured(const struct gb_summary *summary, int setting, int line);

// The roofline in its way, 1 << enum gb_wall or-ed: one alone but for what is near both.
unsigned gb_summary_roofline(const struct gb_summary *summary, int setting, int line);

// How often one training step of the model has the problem.
int gb_summary_count(const struct gb_summary *summary, int line, int model);

// A column's means over those problems of a group that a model has. The means are geometric, and
// each problem weighs as often as a training step has it: every call counts the same, whatever it
// takes, so that a backend cannot make up for many slow small calls by one fast large call. What
// the calls cost together is told by the total, in which the large ones count most. There are no
// means over some of the problems only: a backend could come out ahead by failing where it is slow.
struct gb_mean {
    int problems, measured, timed; // measured: those with a row in any column; timed: in this one
    unsigned roofline;             // in the way of any
    int calls;                     // of all problems together, in one training step
    bool borrowed;                 // by any of them
    double speed, share_of_peak, seconds; // means, and the total; NAN unless all are timed
};

enum { GB_ALL_KERNELS = -1 }; // for `group`: all groups of kernels
struct gb_mean gb_summary_mean(const struct gb_summary *summary, int setting, int model, int group,
                               int column);

#endif
