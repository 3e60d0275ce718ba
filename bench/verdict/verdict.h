// SPDX-License-Identifier: MIT
// A verdict on speed for other programs: as JSON, as Markdown for the page of a pull request or of
// a CI job, and as JUnit XML, which CI systems show as tests.
#ifndef GB_VERDICT_H
#define GB_VERDICT_H

#include <jansson.h>

#include "base/status.h"
#include "bench/compare/comparison.h"

// A row that was judged.
struct gb_verdict_case {
    char *name, *group; // "conv/forward/n2... avx2, 2 threads, warm"; "conv/forward"
    enum gb_change change;
    bool failed;             // counts as a regression; else a slower one does not (recovered, ...)
    bool undecided;          // too little data
    double ratio, low, high; // of new to old times; NAN: none
    double layout;           // standard deviation of log-ratios of layouts; 0 or NAN: not known
    char *text;              // what is to be said about it, NULL for nothing
};

struct gb_verdict_report {
    const char *command; // "ab", "compare", "history"
    enum gb_verdict verdict;
    const char *reason;
    json_t *context; // an object of strings and numbers: builds, machine, commits
    struct gb_verdict_case *cases;
    int count;
};

// Adds a case with copies of the texts. GB_OUT_OF_MEMORY.
enum gb_status gb_verdict_add(struct gb_verdict_report *report, const struct gb_verdict_case *add);
void gb_verdict_free(struct gb_verdict_report *report);

struct gb_verdict_files {
    const char *json, *summary, *junit; // NULL: not written
};

// The three options, for a table of options.
#define GB_VERDICT_OPTIONS(files)                                                                  \
    gb_option_string("json", "FILE", &(files).json, "write the verdict as JSON"),                  \
        gb_option_string("summary", "FILE", &(files).summary,                                      \
                         "write the verdict as Markdown, for a pull request or CI page"),          \
        gb_option_string("junit", "FILE", &(files).junit, "write the verdict as JUnit XML")

// Whether the files can be written, to learn it before the work.
enum gb_status gb_verdict_probe(const struct gb_verdict_files *files);

// GB_IO_ERROR if a file cannot be written.
enum gb_status gb_verdict_write(const struct gb_verdict_report *report,
                                const struct gb_verdict_files *files);

// "no regression", "regression", "inconclusive"
const char *gb_verdict_name(enum gb_verdict verdict);

#endif
