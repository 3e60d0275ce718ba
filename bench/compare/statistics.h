// SPDX-License-Identifier: MIT
// What noise could have done: exact rank tests, their intervals, and the correction for asking many
// questions at once. Pure functions of their arguments; they assume nothing of the noise's
// distribution. Values are logarithms of times, so that a shift is the logarithm of a ratio.
// References: Lehmann, Nonparametrics (1975), chapters 1-4; Benjamini and Hochberg (1995).
#ifndef GB_STATISTICS_H
#define GB_STATISTICS_H

#include <stdbool.h>

enum { GB_SAMPLE_MAX = 160 }; // values that a sample can have

// The chance, where nothing has shifted, of a rank sum as high as the one seen or higher, and of
// one as low or lower. Ties share their ranks' mean and are exact, too.
struct gb_p_values {
    double high, low;
};

// Wilcoxon's signed rank test: are the values symmetric about `center`, or do they lie higher (a
// small `high`) or lower? Exact.
struct gb_p_values gb_signed_rank(const double *values, int count, double center);

// Wilcoxon's rank sum test: are both samples of one distribution, or does `b` lie higher or lower
// than `a`? Exact up to 40 values together; beyond, the normal approximation with its correction
// for ties and continuity, which errs towards larger chances in the far tails.
struct gb_p_values gb_rank_sum(const double *a, int a_count, const double *b, int b_count);

// An estimate by Hodges and Lehmann, and the interval of those shifts that the test of the same
// name would not refuse at 1 - confidence, both sides together. Infinite where so few values cannot
// give that confidence.
struct gb_interval {
    double estimate, low, high;
};

// Of the values' center: the median of the means of all pairs.
struct gb_interval gb_signed_rank_interval(const double *values, int count, double confidence);

// Of the shift from a to b: the median of all differences.
struct gb_interval gb_rank_sum_interval(const double *a, int a_count, const double *b, int b_count,
                                        double confidence);

// Benjamini and Hochberg: discovered[i] where chances[i] is among those that can be taken for real
// while the expected share of false ones among them is at most `rate`. Where nothing is real, the
// chance of any discovery is at most `rate`. Holds for independent and for positively dependent
// tests, such as those of rows that were timed in the same launches.
void gb_benjamini_hochberg(const double *chances, int count, double rate, bool *discovered);

// The smallest chance that gb_signed_rank can give with `count` values, gb_rank_sum with such
// samples: what is above the level can never become significant.
double gb_signed_rank_min_p(int count);
double gb_rank_sum_min_p(int a_count, int b_count);

// When a sequence of pairs is looked at, from the first number of pairs at which one of the tests
// alone could be discovered, to the last, by equal factors: what other work on the machine hides
// from one look takes several times the pairs to see. Looking more often than once must not raise
// the false alarms: each look gets the same share of `level`, so that all together have at most
// `level` however they depend on each other (linear alpha spending, Lan and DeMets 1983, with the
// union bound in place of their joint distribution, which rank tests do not share).
enum { GB_LOOKS_MAX = 4 };
struct gb_looks {
    int pairs[GB_LOOKS_MAX], count; // count 0: so few pairs cannot decide
    double level;                   // of one look
};

// For `tests` tests and at most `most` pairs; most 0: eight times as many as the first look takes,
// but no more than GB_SAMPLE_MAX.
struct gb_looks gb_looks_plan(int tests, double level, int most);

// The fewest pairs with which a single look could discover one of the tests alone.
int gb_min_pairs(int tests, double level);

#endif
