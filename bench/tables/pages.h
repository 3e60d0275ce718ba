// SPDX-License-Identifier: MIT
#ifndef GB_PAGES_H
#define GB_PAGES_H

#include "bench/tables/results.h"

// Writes README.md into the results directory: a summary; each table with its published and its
// measured lines, what differs from the paper, why a cell is empty and the command behind each
// figure; learning curves, redrawn into curve-TASK.svg and scores-TASK.svg if gnuplot is installed;
// and pictures. With `html` (may be NULL) also writes that file: the same as one HTML page that
// needs no other file.
enum gb_status gb_pages_write(const struct gb_results *results, const char *html);

// Writes the summary into a Markdown file, between its lines "<!-- glowbench tables -->" and
// "<!-- end -->". GB_BAD_INPUT if it lacks one of them; the file is then unchanged.
enum gb_status gb_summary_write(const struct gb_results *results, const char *path);

#endif
