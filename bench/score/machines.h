// SPDX-License-Identifier: MIT
// Machines, or builds on one machine, side by side: what differs between them, and their scores as
// ratios to one of them. Nothing is judged: bench/compare does that, for builds on one machine.
#ifndef GB_MACHINES_H
#define GB_MACHINES_H

#include "bench/report/summary.h"
#include "bench/score/score.h"

struct gb_machine {
    const struct gb_summary *summary;
    struct gb_scores scores;
    int threads;          // of the rows with the most
    double ghz;           // nominal, as the CPU's name gives it ("@ 2.10GHz"); NAN unknown
    double cost_per_hour; // NAN unknown
};

struct gb_machines {
    struct gb_machine *list; // one for each summary
    int count, baseline;
};

struct gb_machine_options {
    const char *baseline;     // a machine's name or how it begins; NULL: the first
    const char *const *costs; // "NAME=X", X in dollars per hour
    int cost_count;
};

#define GB_MACHINE_OPTIONS(options, costs)                                                         \
    gb_option_string("baseline", "NAME", &(options).baseline,                                      \
                     "the machine that others are ratios to (default: the first)"),                \
        gb_option_list("cost-per-hour", "NAME=X", costs, &(options).cost_count,                    \
                       "a machine's cost in dollars per hour; once per machine")

// Scores of all summaries, which were made of `rows` and must outlive the machines. To be freed
// even on failure: GB_BAD_INPUT if an option names no machine or several, or a cost is not a number
// above 0.
enum gb_status gb_machines_make(const struct gb_summaries *summaries, const struct gb_rows *rows,
                                const struct gb_machine_options *options,
                                struct gb_machines *machines);
void gb_machines_free(struct gb_machines *machines);

// The tables for people, as JSON: [{"title", "note", "rows": [[cell, ...], ...]}, ...], all
// strings, the first row being the heads. The heads of machines are their names.
//   - What differs: system, CPU, build, libraries.
//   - Scores, where both have the same problems as ratios to the baseline: with one thread and with
//     all of each machine, for each backend and for the fastest of each machine.
//   - The same of the fastest with all threads per core, GHz, watt and dollar, as far as known.
// NULL without memory. With a single machine only the last, without ratios, if its energy or cost
// is known.
json_t *gb_machines_tables(const struct gb_machines *machines);

// Writes the tables as Markdown, and for a terminal of 80 columns, where machines are letters.
void gb_tables_markdown(FILE *file, const json_t *tables);
void gb_tables_print(FILE *file, const json_t *tables, const struct gb_machines *machines);

// A sentence about a machine's scores at its most threads: "c-Glow training: 61.3 images/s with
// avx512, 1.85 times onednn; ...". An empty one if it has none.
struct gb_sentence {
    char text[1024];
};
struct gb_sentence gb_machine_sentence(const struct gb_machine *machine);

#endif
