// SPDX-License-Identifier: MIT
#include "bench/compare/statistics.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/quantile.h"

// ---- Distributions of rank sums ----

enum { EXACT_MAX = 40 }; // values of both samples up to which the rank sum is exact

// Twice the ranks, which are integers even if ties share the mean of their ranks.
static void double_ranks(const double *values, int count, int *ranks) {
    double sorted[2 * GB_SAMPLE_MAX];
    memcpy(sorted, values, (size_t)count * sizeof *sorted);
    gb_sort(sorted, count);
    for (int i = 0; i < count; i++) {
        int below = 0, end;
        while (sorted[below] < values[i])
            below++;
        for (end = below; end < count && sorted[end] == values[i]; end++)
            ;
        ranks[i] = below + 1 + end; // of ranks below+1 .. end
    }
}

static int sum_of(const int *numbers, int count) {
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += numbers[i];
    return sum;
}

static struct gb_p_values tails_at(const double *chance, int largest, int seen) {
    struct gb_p_values tails = {0, 0};
    for (int sum = 0; sum <= seen; sum++)
        tails.low += chance[sum];
    for (int sum = seen; sum <= largest; sum++)
        tails.high += chance[sum];
    return tails;
}

enum { SIGNED_SUM_MAX = GB_SAMPLE_MAX * (GB_SAMPLE_MAX + 1) };

// chance[s]: that the numbers of a subset sum to s, each number in it with chance 1/2.
static void subset_chances(const int *numbers, int count, double *chance) {
    chance[0] = 1;
    for (int i = 0, largest = 0; i < count; i++) {
        int number = numbers[i];
        for (int sum = largest + 1; sum <= largest + number; sum++)
            chance[sum] = 0;
        largest += number;
        for (int sum = largest; sum >= 0; sum--)
            chance[sum] = (chance[sum] + (sum >= number ? chance[sum - number] : 0)) / 2;
    }
}

enum { CHOSEN_MAX = EXACT_MAX / 2, CHOSEN_SUM_MAX = CHOSEN_MAX * 2 * EXACT_MAX };

// chance[s]: that `chosen` of the numbers sum to s, each choice as likely as any other.
static void choice_chances(const int *numbers, int count, int chosen, int largest, double *chance) {
    double ways[CHOSEN_MAX + 1][CHOSEN_SUM_MAX + 1];
    for (int k = 0; k <= chosen; k++)
        memset(ways[k], 0, ((size_t)largest + 1) * sizeof **ways);
    ways[0][0] = 1;
    for (int i = 0; i < count; i++)
        for (int k = chosen < i + 1 ? chosen : i + 1; k > 0; k--)
            for (int sum = numbers[i]; sum <= largest; sum++)
                ways[k][sum] += ways[k - 1][sum - numbers[i]];
    double all = 0;
    for (int sum = 0; sum <= largest; sum++)
        all += ways[chosen][sum];
    for (int sum = 0; sum <= largest; sum++)
        chance[sum] = ways[chosen][sum] / all;
}

// ---- Tests ----

struct gb_p_values gb_signed_rank(const double *values, int count, double center) {
    if (count < 1)
        return (struct gb_p_values){1, 1};
    double sizes[GB_SAMPLE_MAX] = {0}, chance[SIGNED_SUM_MAX + 1];
    int ranks[GB_SAMPLE_MAX], seen = 0, signs = 0;
    for (int i = 0; i < count; i++)
        sizes[i] = fabs(values[i] - center);
    double_ranks(sizes, count, ranks);
    // A zero has a rank but no sign (Pratt 1959).
    for (int i = 0; i < count; i++) {
        if (sizes[i] == 0)
            continue;
        seen += values[i] > center ? ranks[i] : 0;
        ranks[signs++] = ranks[i];
    }
    subset_chances(ranks, signs, chance);
    return tails_at(chance, sum_of(ranks, signs), seen);
}

// The chance of a standard normal number below `x`.
static double normal_below(double x) {
    return erfc(-x * M_SQRT1_2) / 2;
}

static struct gb_p_values normal_tails(const int *ranks, int count, int chosen, int seen) {
    double mean = (double)sum_of(ranks, count) / count, squares = 0;
    for (int i = 0; i < count; i++)
        squares += (ranks[i] - mean) * (ranks[i] - mean);
    double variance = squares / (count - 1) / count * chosen * (count - chosen);
    if (variance == 0)
        return (struct gb_p_values){1, 1};
    // Ranks are doubled: half a rank is 1.
    double distance = seen - chosen * mean, deviation = sqrt(variance);
    return (struct gb_p_values){normal_below(-(distance - 1) / deviation),
                                normal_below((distance + 1) / deviation)};
}

struct gb_p_values gb_rank_sum(const double *a, int a_count, const double *b, int b_count) {
    if (a_count < 1 || b_count < 1)
        return (struct gb_p_values){1, 1};
    // Of the smaller sample, which has fewer possible sums; it is first.
    bool swapped = b_count < a_count;
    const double *small = swapped ? b : a, *large = swapped ? a : b;
    int chosen = swapped ? b_count : a_count, count = a_count + b_count;
    double values[2 * GB_SAMPLE_MAX];
    int ranks[2 * GB_SAMPLE_MAX] = {0};
    memcpy(values, small, (size_t)chosen * sizeof *values);
    memcpy(values + chosen, large, (size_t)(count - chosen) * sizeof *values);
    double_ranks(values, count, ranks);
    int seen = sum_of(ranks, chosen), largest = 2 * chosen * count;
    struct gb_p_values tails;
    if (count <= EXACT_MAX) {
        double chance[CHOSEN_SUM_MAX + 1];
        choice_chances(ranks, count, chosen, largest, chance);
        tails = tails_at(chance, largest, seen);
    } else {
        tails = normal_tails(ranks, count, chosen, seen);
    }
    return swapped ? tails : (struct gb_p_values){.high = tails.low, .low = tails.high};
}

enum { SMALLER_MAX = 100, INVERSIONS_MAX = 20000 }; // exact up to

// The number of orders of both samples with at most `inversions` pairs in the wrong order: the sum
// of the lowest coefficients of the Gaussian binomial coefficient, which is the product of
// (1 - q^(large + i)) / (1 - q^i) for i up to `small`.
static double orders_within(int small, int large, int inversions) {
    double ways[INVERSIONS_MAX + 1];
    for (int at = 0; at <= inversions; at++)
        ways[at] = at == 0;
    for (int i = 1; i <= small; i++) {
        for (int at = inversions; at >= large + i; at--)
            ways[at] -= ways[at - large - i];
        for (int at = i; at <= inversions; at++)
            ways[at] += ways[at - i];
    }
    double sum = 0;
    for (int at = 0; at <= inversions; at++)
        sum += ways[at];
    return sum;
}

double gb_rank_sum_pairs_p(int a_count, int b_count, double ordered_pairs) {
    const int small = a_count < b_count ? a_count : b_count;
    const int large = a_count < b_count ? b_count : a_count;
    const double pairs = (double)a_count * b_count, inversions = ceil(pairs - ordered_pairs);
    if (small < 1)
        return 1;
    if (small > SMALLER_MAX || inversions > fmin(INVERSIONS_MAX, pairs / 2)) {
        const double deviation = sqrt(pairs * (a_count + b_count + 1) / 12);
        return normal_below((inversions + 0.5 - pairs / 2) / deviation);
    }
    double all = 1;
    for (int i = 1; i <= small; i++)
        all *= (double)(large + i) / i;
    return orders_within(small, large, (int)inversions) / all;
}

double gb_signed_rank_min_p(int count) {
    return ldexp(1, -count);
}

double gb_rank_sum_min_p(int a_count, int b_count) {
    double a[GB_SAMPLE_MAX], b[GB_SAMPLE_MAX];
    for (int i = 0; i < a_count; i++)
        a[i] = i;
    for (int i = 0; i < b_count; i++)
        b[i] = a_count + i;
    return gb_rank_sum(a, a_count, b, b_count).high;
}

// ---- Intervals: the shifts that the tests do not reject ----

// The median, and the interval that leaves out `cut` - 1 values on either side.
static struct gb_interval between(double *values, int count, int cut) {
    struct gb_interval interval = {gb_quantile(values, count, 0.5), -INFINITY, INFINITY};
    if (cut > 0 && 2 * cut <= count) {
        interval.low = values[cut - 1];
        interval.high = values[count - cut];
    }
    return interval;
}

// How many of the lowest values of a statistic have at most that chance together. Its values are
// every second sum from `first` on.
static int cut_for(const double *chance, int first, int largest, double at_most) {
    double sum = 0;
    int cut = 0;
    for (int at = first; at <= largest && (sum += chance[at]) <= at_most; at += 2)
        cut++;
    return cut;
}

struct gb_interval gb_signed_rank_interval(const double *values, int count, double confidence) {
    if (count < 1)
        return (struct gb_interval){NAN, -INFINITY, INFINITY};
    double means[GB_SAMPLE_MAX * (GB_SAMPLE_MAX + 1) / 2], chance[SIGNED_SUM_MAX + 1];
    int pairs = 0, ranks[GB_SAMPLE_MAX];
    for (int i = 0; i < count; i++) {
        ranks[i] = 2 * (i + 1);
        for (int j = i; j < count; j++)
            means[pairs++] = (values[i] + values[j]) / 2;
    }
    subset_chances(ranks, count, chance);
    return between(means, pairs, cut_for(chance, 0, sum_of(ranks, count), (1 - confidence) / 2));
}

// The same by the normal approximation with the continuity correction.
static int normal_cut(int a_count, int b_count, double at_most) {
    double product = (double)a_count * b_count;
    double deviation = sqrt(product * (a_count + b_count + 1) / 12);
    int cut = 0;
    while (normal_below((cut + 0.5 - product / 2) / deviation) <= at_most)
        cut++;
    return cut;
}

struct gb_interval gb_rank_sum_interval(const double *a, int a_count, const double *b, int b_count,
                                        double confidence) {
    if (a_count < 1 || b_count < 1)
        return (struct gb_interval){NAN, -INFINITY, INFINITY};
    double differences[GB_SAMPLE_MAX * GB_SAMPLE_MAX];
    int pairs = 0, count = a_count + b_count, cut;
    for (int i = 0; i < a_count; i++)
        for (int j = 0; j < b_count; j++)
            differences[pairs++] = b[j] - a[i];
    if (count <= EXACT_MAX) {
        double chance[CHOSEN_SUM_MAX + 1];
        int ranks[EXACT_MAX], chosen = a_count < b_count ? a_count : b_count;
        for (int i = 0; i < count; i++)
            ranks[i] = 2 * (i + 1);
        int largest = 2 * chosen * count;
        choice_chances(ranks, count, chosen, largest, chance);
        cut = cut_for(chance, chosen * (chosen + 1), largest, (1 - confidence) / 2);
    } else {
        cut = normal_cut(a_count, b_count, (1 - confidence) / 2);
    }
    return between(differences, pairs, cut);
}

// ---- Layouts ----

// The pairs of one layout that are there.
static int pairs_of(const double *pairs, int count, int layout, int layouts, double *values) {
    int found = 0;
    for (int i = layout; i < count; i += layouts)
        if (isfinite(pairs[i]))
            values[found++] = pairs[i];
    return found;
}

int gb_layout_values(const double *pairs, int count, int layouts, double *values) {
    if (layouts < 2)
        return pairs_of(pairs, count, 0, 1, values);
    int found = 0;
    double own[GB_SAMPLE_MAX];
    for (int layout = 0; layout < layouts; layout++) {
        const int size = pairs_of(pairs, count, layout, layouts, own);
        if (size > 0)
            values[found++] = gb_quantile(own, size, 0.5);
    }
    return found;
}

struct gb_layout_noise gb_layout_noise(const double *pairs, int count, int layouts) {
    double all[GB_SAMPLE_MAX], own[GB_SAMPLE_MAX], mean = 0, within = 0, between = 0;
    double squares = 0; // of the layouts' numbers of pairs
    const int total = pairs_of(pairs, count, 0, 1, all);
    int groups = 0;
    for (int i = 0; i < total; i++)
        mean += all[i] / total;
    for (int layout = 0; layout < layouts; layout++) {
        const int size = pairs_of(pairs, count, layout, layouts, own);
        double center = 0;
        for (int i = 0; i < size; i++)
            center += own[i] / size;
        for (int i = 0; i < size; i++)
            within += (own[i] - center) * (own[i] - center);
        between += size * (center - mean) * (center - mean);
        squares += (double)size * size;
        groups += size > 0;
    }
    if (groups < 2 || total == groups)
        return (struct gb_layout_noise){NAN, NAN};
    within /= total - groups;
    between /= groups - 1;
    const double size = (total - squares / total) / (groups - 1);
    return (struct gb_layout_noise){sqrt(fmax(0, (between - within) / size)), sqrt(within)};
}

// ---- Many tests, many looks ----

void gb_benjamini_hochberg(const double *chances, int count, double rate, bool *discovered) {
    double limit = -1; // the largest chance that is discovered
    for (int i = 0; i < count; i++) {
        int as_small = 0;
        for (int j = 0; j < count; j++)
            as_small += chances[j] <= chances[i];
        if (chances[i] <= rate * as_small / count)
            limit = fmax(limit, chances[i]);
    }
    for (int i = 0; i < count; i++)
        discovered[i] = chances[i] <= limit;
}

int gb_min_pairs(int tests, double level) {
    int pairs = 1;
    while (gb_signed_rank_min_p(pairs) > level / tests)
        pairs++;
    return pairs;
}

// How many pairs the first of `count` looks takes; INT_MAX if there are too few layouts.
static int first_look(int tests, double level, int count, int layouts) {
    const int needed = gb_min_pairs(tests, level / count);
    if (layouts < 2)
        return needed;
    return needed <= layouts ? 2 * layouts : INT_MAX;
}

struct gb_looks gb_looks_plan(int tests, double level, int max, int layouts) {
    struct gb_looks looks = {.count = GB_LOOKS_MAX, .layouts = layouts};
    int first = 0, last = 0;
    for (; looks.count > 0; looks.count--) {
        first = first_look(tests, level, looks.count, layouts);
        last = max;
        if (max == 0 && first < INT_MAX) {
            last = looks.count == 1 ? first : 8 * first;
            last = last < GB_SAMPLE_MAX ? last : GB_SAMPLE_MAX;
        }
        if (first <= last - looks.count + 1)
            break;
    }
    for (int i = 0; i < looks.count; i++) {
        double share = looks.count > 1 ? (double)i / (looks.count - 1) : 1;
        looks.pairs[i] = (int)lround(first * pow((double)last / first, share));
        if (i > 0 && looks.pairs[i] <= looks.pairs[i - 1])
            looks.pairs[i] = looks.pairs[i - 1] + 1;
    }
    looks.level = looks.count ? level / looks.count : 0;
    return looks;
}
