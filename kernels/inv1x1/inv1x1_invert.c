// SPDX-License-Identifier: MIT
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "kernels/inv1x1/inv1x1.h"
#include "kernels/logarithm.h"

// The row of the entry of largest magnitude in column k, from row k on.
static int pivot_row(int c, const double *lu, int k) {
    int best = k;
    for (int i = k + 1; i < c; i++)
        if (fabs(lu[(size_t)i * c + k]) > fabs(lu[(size_t)best * c + k]))
            best = i;
    return best;
}

static void swap_rows(int c, double *a, int i, int j) {
    for (int k = 0; k < c && i != j; k++) {
        double t = a[(size_t)i * c + k];
        a[(size_t)i * c + k] = a[(size_t)j * c + k];
        a[(size_t)j * c + k] = t;
    }
}

// Row i minus factor times row k, columns [from, c).
static void subtract_row(int c, double *a, int i, int k, double factor, int from) {
    for (int j = from; j < c; j++)
        a[(size_t)i * c + j] -= factor * a[(size_t)k * c + j];
}

// For each column the size of a pivot that is rounding noise next to the column's largest entry:
// the matrix is singular in double. By columns, so that channels of very different scale pass.
static void smallest_pivots(int c, const double *matrix, double *smallest) {
    for (int k = 0; k < c; k++) {
        double largest = 0;
        for (int i = 0; i < c; i++)
            largest = fmax(largest, fabs(matrix[(size_t)i * c + k]));
        smallest[k] = c * DBL_EPSILON * largest;
    }
}

// Overwrites `lu` with its upper factor, and `inverse`, the identity at first, with the row
// operations that led there (NULL: not wanted). False where no usable pivot is left; a value that
// is not finite ends in some pivot.
static bool factorise(int c, double *lu, double *inverse, double *smallest, double *log_abs_det) {
    smallest_pivots(c, lu, smallest);
    *log_abs_det = 0;
    for (int k = 0; k < c; k++) {
        int best = pivot_row(c, lu, k);
        swap_rows(c, lu, k, best);
        if (inverse)
            swap_rows(c, inverse, k, best);
        double pivot = lu[(size_t)k * c + k];
        if (!isnormal(pivot) || fabs(pivot) <= smallest[k])
            return false;
        *log_abs_det += gb_natural_log(fabs(pivot));
        for (int i = k + 1; i < c; i++) {
            double factor = lu[(size_t)i * c + k] / pivot;
            subtract_row(c, lu, i, k, factor, k + 1);
            if (inverse)
                subtract_row(c, inverse, i, k, factor, 0);
        }
    }
    return true;
}

// Solves upper * X = inverse in place, from the last row up.
static void back_substitute(int c, const double *upper, double *inverse) {
    for (int i = c - 1; i >= 0; i--) {
        for (int k = i + 1; k < c; k++)
            subtract_row(c, inverse, i, k, upper[(size_t)i * c + k], 0);
        for (int j = 0; j < c; j++)
            inverse[(size_t)i * c + j] /= upper[(size_t)i * c + i];
    }
}

size_t gb_inv1x1_invert_workspace(int c) {
    return (2 * (size_t)c + 1) * (size_t)c;
}

enum gb_status gb_inv1x1_invert(int count, int c, const float *matrices, double *log_abs_det,
                                float *inverses, double *workspace) {
    const size_t entries = (size_t)c * (size_t)c;
    double *lu = workspace, *smallest = workspace + 2 * entries;
    double *inverse = inverses ? workspace + entries : NULL;
    for (int n = 0; n < count; n++) {
        for (size_t i = 0; i < entries; i++)
            lu[i] = matrices[n * entries + i];
        for (size_t i = 0; inverse && i < entries; i++)
            inverse[i] = i % ((size_t)c + 1) == 0;
        if (!factorise(c, lu, inverse, smallest, &log_abs_det[n])) {
            char where[32];
            snprintf(where, sizeof where, "matrix %d", n);
            return gb_fail(GB_CHECK_FAILED, "cannot invert channel mixing", where,
                           "it is singular or holds a value that is not finite");
        }
        if (!inverse)
            continue;
        back_substitute(c, lu, inverse);
        for (size_t i = 0; i < entries; i++)
            inverses[n * entries + i] = (float)inverse[i];
    }
    return GB_OK;
}
