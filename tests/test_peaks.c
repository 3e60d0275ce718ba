// SPDX-License-Identifier: MIT
// What of pinning and peaks does not depend on time.
#define _GNU_SOURCE // sched_getaffinity
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
// After the four headers that it wants first.
#include <cmocka.h>

#include "bench/pin.h"
#include "kernels/parallel.h"

enum { MAX_CPUS = 1024 };

// Which CPUs each rank of a team may run on.
struct masks {
    cpu_set_t of[MAX_CPUS];
};

static void read_mask(void *argument, int rank, int size) {
    (void)size;
    struct masks *masks = argument;
    sched_getaffinity(0, sizeof masks->of[rank], &masks->of[rank]);
}

static const struct masks *masks_of_team(int threads) {
    static struct masks masks;
    memset(&masks, 0, sizeof masks);
    gb_parallel(threads, read_mask, &masks);
    return &masks;
}

// Ranks that pinning can hold: plain threads are started anew for every team.
static int most_ranks(void) {
#if defined(GB_PTHREADS)
    return 1;
#else
    return CPU_COUNT(&masks_of_team(1)->of[0]);
#endif
}

static void each_rank_has_a_cpu_of_its_own(void **state) {
    (void)state;
    int all = most_ranks(), cpus[MAX_CPUS];
    cpu_set_t allowed = masks_of_team(1)->of[0];
    const int teams[] = {1, all, 1, all};
    for (size_t i = 0; i < sizeof teams / sizeof *teams; i++) {
        assert_int_equal(gb_pin_threads(teams[i], cpus), GB_OK);
        const struct masks *masks = masks_of_team(teams[i]);
        cpu_set_t taken;
        CPU_ZERO(&taken);
        for (int rank = 0; rank < teams[i]; rank++) {
            assert_int_equal(CPU_COUNT(&masks->of[rank]), 1);
            assert_true(CPU_ISSET(cpus[rank], &masks->of[rank]));
            assert_true(CPU_ISSET(cpus[rank], &allowed));
            assert_false(CPU_ISSET(cpus[rank], &taken));
            CPU_SET(cpus[rank], &taken);
        }
    }
    gb_unpin_threads();
}

static void unpinning_gives_back_what_was(void **state) {
    (void)state;
    int all = most_ranks(), cpus[MAX_CPUS];
    static struct masks before;
    before = *masks_of_team(all);
    assert_int_equal(gb_pin_threads(1, cpus), GB_OK);
    assert_int_equal(gb_pin_threads(all, cpus), GB_OK);
    gb_unpin_threads();
    assert_memory_equal(&before, masks_of_team(all), sizeof before);
    gb_unpin_threads();
}

static void only_allowed_cpus_are_taken(void **state) {
    (void)state;
    cpu_set_t before = masks_of_team(1)->of[0], last;
    int highest = 0, cpus[2];
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        highest = CPU_ISSET(cpu, &before) ? cpu : highest;
    CPU_ZERO(&last);
    CPU_SET(highest, &last);
    sched_setaffinity(0, sizeof last, &last);
    assert_int_equal(gb_pin_threads(1, cpus), GB_OK);
    assert_int_equal(cpus[0], highest);
    gb_unpin_threads();
    sched_setaffinity(0, sizeof before, &before);
}

static void more_threads_than_cpus_are_refused(void **state) {
    (void)state;
    int too_many = (int)sysconf(_SC_NPROCESSORS_CONF) + 1;
    static int cpus[MAX_CPUS + 1];
    static struct masks before;
    before = *masks_of_team(1);
    assert_int_equal(gb_pin_threads(too_many, cpus), GB_UNSUPPORTED);
    assert_memory_equal(&before, masks_of_team(1), sizeof before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rank_has_a_cpu_of_its_own),
        cmocka_unit_test(unpinning_gives_back_what_was),
        cmocka_unit_test(only_allowed_cpus_are_taken),
        cmocka_unit_test(more_threads_than_cpus_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
