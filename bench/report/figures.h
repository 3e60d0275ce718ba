// SPDX-License-Identifier: MIT
// Figures for people, with three digits; "-" for NAN.
#ifndef GB_FIGURES_H
#define GB_FIGURES_H

struct gb_figure {
    char text[24];
};

struct gb_figure gb_figure_seconds(double seconds); // "12.3us"
struct gb_figure gb_figure_share(double share);     // "82%"
struct gb_figure gb_figure_ratio(double ratio);     // "0.85"
struct gb_figure gb_figure_number(double number);   // "1.23", "12.3", "123", "1234"
struct gb_figure
gb_figure_bounds(unsigned bounds); // "compute", "memory", "both" (1 << enum gb_bound)

#endif
