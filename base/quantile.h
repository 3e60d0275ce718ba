// SPDX-License-Identifier: MIT
#ifndef GB_QUANTILE_H
#define GB_QUANTILE_H

// Ascending.
void gb_sort(double *values, int count);

// The quantile, interpolated between neighbours: 0.5 is the median; NAN for no values. Sorts them.
double gb_quantile(double *values, int count, double share);

#endif
