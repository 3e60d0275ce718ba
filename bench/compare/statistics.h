// SPDX-License-Identifier: MIT
// Exact rank tests, their confidence intervals, and the correction for multiple testing. Pure
// functions that assume nothing about the distribution of the noise. Values are logarithms of
// times, so that a shift is the logarithm of a ratio. References: Lehmann, Nonparametrics (1975),
// chapters 1-4; Benjamini and Hochberg (1995).
#ifndef GB_STATISTICS_H
#define GB_STATISTICS_H

#include <stdbool.h>

enum {
    GB_SAMPLE_MAX = 160,            // values in a sample
    GB_LAYOUTS = GB_SAMPLE_MAX / 2, // of each side: each is timed twice
};

// The chance, if nothing has shifted, of a rank sum as high as the observed one or higher, and of
// one as low or lower. Ties share the mean of their ranks and are exact as well. Without values, 1.
struct gb_p_values {
    double high, low;
};

// Wilcoxon's signed-rank test: are the values symmetric about `center`, or higher (a small `high`)
// or lower? Exact.
struct gb_p_values gb_signed_rank(const double *values, int count, double center);

// Wilcoxon's rank-sum test: do both samples come from one distribution, or is `b` higher or lower
// than `a`? Exact up to 40 values together; beyond that the normal approximation with its
// correction for ties and continuity, which errs towards larger p-values in the far tails.
struct gb_p_values gb_rank_sum(const double *a, int a_count, const double *b, int b_count);

// The same chance for samples without ties, on one side, from the number of pairs that are in the
// expected order: a value of `a` below one of `b` (a tie counts as half a pair, which errs
// towards a larger p-value). Exact in the tails if a sample has at most 100 values, otherwise the
// normal approximation; far faster than gb_rank_sum, and without its limits on the sizes.
double gb_rank_sum_pairs_p(int a_count, int b_count, double ordered_pairs);

// The Hodges-Lehmann estimate, and the interval of the shifts that the corresponding two-sided test
// does not reject at 1 - confidence. Infinite if there are too few values for that confidence.
struct gb_interval {
    double estimate, low, high;
};

// Of the centre of the values: the median of the means of all pairs.
struct gb_interval gb_signed_rank_interval(const double *values, int count, double confidence);

// Of the shift from a to b: the median of all differences.
struct gb_interval gb_rank_sum_interval(const double *a, int a_count, const double *b, int b_count,
                                        double confidence);

// Benjamini and Hochberg: discovered[i] is whether the p-value chances[i] is significant, with an
// expected share of false discoveries of at most `rate`, which is also the chance of any discovery
// if nothing is real. For independent and positively dependent tests, as of rows of the same
// launches.
void gb_benjamini_hochberg(const double *chances, int count, double rate, bool *discovered);

// The smallest p-value that gb_signed_rank can give for `count` values, and gb_rank_sum for samples
// of these sizes: if it is above the level, nothing can be significant.
double gb_signed_rank_min_p(int count);
double gb_rank_sum_min_p(int a_count, int b_count);

// ---- Layouts
//
// A build is one sample of code layout: where the linker puts a function changes its speed, by the
// same amount in every launch, so that no number of launches tells layout from a change. Where each
// side is given as several layouts of one build, pair k runs layout k modulo `layouts` of both, and
// a layout's value is the median of its pairs' log-ratios. If both builds are alike and layouts are
// drawn at random, a layout's value is as likely above 0 as below, whatever its own effect, the
// noise of its launches and their number; values of different layouts are independent. The
// signed-rank test of the layouts' values is therefore exact, and its level that of ab without
// layouts; testing the pairs instead would take the chance effect of a few layouts for a change,
// and a bootstrap over layouts and then pairs keeps its level only with many layouts. More pairs
// reduce the noise of launches, only more layouts that of layout.

// The values of layouts from those of pairs, in their order, NAN where a pair is missing: returns
// how many there are. With layouts below 2, each pair has its own.
int gb_layout_values(const double *pairs, int count, int layouts, double *values);

// How much of the pairs' variance is layout (a one-way analysis of variance): standard deviations
// from layout to layout, without what its launches add, and from launch to launch of one. NAN
// unless there are two layouts and a layout has two pairs.
struct gb_layout_noise {
    double layout, launch;
};
struct gb_layout_noise gb_layout_noise(const double *pairs, int count, int layouts);

// ---- Looks

// After how many pairs a sequence is looked at: first when one of the tests alone could be
// discovered, then at equal factors up to the last, since load that hides a change from one look
// takes several times the pairs to see through. Each look has the same share of `level`: linear
// alpha spending (Lan and DeMets 1983) with a union bound, so that all together have at most
// `level` however they depend on each other.
enum { GB_LOOKS_MAX = 4 };
struct gb_looks {
    int pairs[GB_LOOKS_MAX], count; // count 0: too few pairs to decide
    double level;                   // of one look
    int layouts;                    // of each side; 0 or 1: not a matter of layouts
};

// For `tests` tests and at most `max` pairs; max 0: eight times those of the first look, at most
// GB_SAMPLE_MAX. With layouts, the first look is after two pairs of each, and there are as few
// looks as it takes to discover one of the tests from that many layouts: count 0 if they are too
// few.
struct gb_looks gb_looks_plan(int tests, double level, int max, int layouts);

// The minimum number of pairs (of layouts, where there are some) with which a single look could
// discover one of the tests alone.
int gb_min_pairs(int tests, double level);

#endif
