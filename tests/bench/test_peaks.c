// SPDX-License-Identifier: MIT
// What of pinning and peaks does not depend on time.
#define _GNU_SOURCE // sched_getaffinity
#include <math.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "bench/peaks/peaks.h"
#include "bench/peaks/pin.h"
#include "kernels/parallel.h"
#include "tests/support/test.h"

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
static int max_ranks(void) {
#if defined(GB_PTHREADS)
    return 1;
#else
    return CPU_COUNT(&masks_of_team(1)->of[0]);
#endif
}

GB_TEST(each_rank_has_a_cpu_of_its_own) {
    int all = max_ranks(), cpus[MAX_CPUS];
    cpu_set_t allowed = masks_of_team(1)->of[0];
    const int teams[] = {1, all, 1, all};
    for (size_t i = 0; i < sizeof teams / sizeof *teams; i++) {
        assert_ok(gb_pin_threads(teams[i], cpus));
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

GB_TEST(unpinning_gives_back_what_was) {
    int all = max_ranks(), cpus[MAX_CPUS];
    static struct masks before;
    before = *masks_of_team(all);
    assert_ok(gb_pin_threads(1, cpus));
    assert_ok(gb_pin_threads(all, cpus));
    gb_unpin_threads();
    assert_memory_equal(&before, masks_of_team(all), sizeof before);
    gb_unpin_threads();
}

GB_TEST(only_allowed_cpus_are_taken) {
    cpu_set_t before = masks_of_team(1)->of[0], last;
    int highest = 0, cpus[2];
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        highest = CPU_ISSET(cpu, &before) ? cpu : highest;
    CPU_ZERO(&last);
    CPU_SET(highest, &last);
    sched_setaffinity(0, sizeof last, &last);
    assert_ok(gb_pin_threads(1, cpus));
    assert_int_equal(cpus[0], highest);
    gb_unpin_threads();
    sched_setaffinity(0, sizeof before, &before);
}

GB_TEST(more_threads_than_cpus_are_refused) {
    int too_many = (int)sysconf(_SC_NPROCESSORS_CONF) + 1;
    static int cpus[MAX_CPUS + 1];
    static struct masks before;
    before = *masks_of_team(1);
    assert_int_equal(gb_pin_threads(too_many, cpus), GB_UNSUPPORTED);
    assert_memory_equal(&before, masks_of_team(1), sizeof before);
}

GB_TEST(probe_finds_roofline) {
    const size_t working_sets[] = {0, 100000, 3000000};
    for (int threads = 1; threads <= 2; threads++)
        for (size_t i = 0; i < sizeof working_sets / sizeof *working_sets; i++) {
            struct gb_probe probe;
            assert_ok(gb_probe_open(&probe, threads, working_sets[i]));
            for (int run = 0; run < 6; run++) {
                struct gb_roofline roofline = gb_probe_run(&probe, (enum gb_traffic)(run % 3));
                assert_true(isfinite(roofline.fma_gflops) && roofline.fma_gflops > 0);
                assert_true(isfinite(roofline.gbs) && roofline.gbs > 0);
            }
            for (int body = 0; gb_fma_bodies()[body]; body++) {
                const double gflops = gb_probe_fma(&probe, body);
                assert_true(isfinite(gflops) && gflops > 0);
            }
            gb_probe_close(&probe);
        }
}

GB_TEST(bodies_of_all_instruction_sets_run) {
    const struct gb_fma_body *const *bodies = gb_fma_bodies();
    assert_string_equal(bodies[0]->precision, "fp32");
    for (; *bodies; bodies++)
        assert_true(isfinite((*bodies)->run(100)));
}

GB_TEST(peaks_are_found_by_threads_and_precision) {
    json_t *report = json_pack(
        "{s:[{s:s, s:s, s:i, s:f}, {s:s, s:s, s:i, s:f}, {s:s, s:s, s:i, s:f}], s:[{s:s, s:i, s:f, "
        "s:f}, {s:s, s:i, s:f, s:f}]}",
        "fma", "isa", "a", "precision", "fp32", "threads", 2, "gflops", 20.0, "isa", "b",
        "precision", "fp32", "threads", 2, "gflops", 30.0, "isa", "c", "precision", "bf16",
        "threads", 2, "gflops", 90.0, "bandwidth", "level", "L3", "threads", 2, "triad_gbs", 7.0,
        "update_gbs", 8.0, "level", "memory", "threads", 2, "triad_gbs", 3.0, "update_gbs", 6.0);
    assert_non_null(report);
    struct gb_peaks peaks = gb_peaks_at(report, 2);
    assert_float_equal(peaks.fma_fp32_gflops, 30, 0);
    assert_float_equal(peaks.fma_bf16_gflops, 90, 0);
    assert_float_equal(peaks.triad_gbs, 3, 0);
    assert_float_equal(peaks.update_gbs, 6, 0);
    // 60 GFLOP take 2 s, and the 24 bytes of each of a thousand million parameters 4 s.
    assert_float_equal(gb_ideal_step_seconds(&peaks, false, 60e9, 1e9), 6, 1e-6);
    assert_float_equal(gb_ideal_step_seconds(&peaks, true, 180e9, 1e9), 6, 1e-6);
    peaks.fma_bf16_gflops = 0;
    assert_float_equal(gb_ideal_step_seconds(&peaks, true, 60e9, 1e9), 6, 1e-6);
    json_decref(report);
}

// A description of a machine may list more caches than any has.
GB_TEST(many_cache_levels_are_cut_off) {
    const double memory = 1024.0 * (1 << 30);
    json_t *machine =
        json_pack("{s:{s:i}, s:f, s:[]}", "cpu", "cores", 1, "memory_bytes", memory, "caches");
    for (int i = 1; i <= 100; i++)
        json_array_append_new(
            json_object_get(machine, "caches"),
            json_pack("{s:i, s:I, s:i}", "level", i, "bytes", (json_int_t)i << 27, "instances", 1));
    // Four times the seventh level: 7 x 128 MiB.
    assert_int_equal(gb_memory_working_set(machine), (size_t)4 * 7 << 27);
    json_decref(machine);
}
