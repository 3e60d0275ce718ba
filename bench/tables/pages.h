// SPDX-License-Identifier: MIT
#ifndef GB_PAGES_H
#define GB_PAGES_H

#include "bench/tables/results.h"

// Writes README.md and index.html into the directory of results: a summary, each table with the
// published lines and those that were measured, why a cell is empty, what made each figure, and the
// curves of training, drawn where gnuplot is installed, and the pictures. Both are made whole
// before either is written.
enum gb_status gb_pages_write(const struct gb_results *results);

// Writes the summary into a Markdown file, in place of what stands between its lines
// "<!-- glowbench tables -->" and "<!-- end -->". GB_BAD_INPUT where it has not both; then it stays
// as it is.
enum gb_status gb_summary_write(const struct gb_results *results, const char *path);

#endif
