// SPDX-License-Identifier: MIT
// Energy from made-up files of powercap, counters from made-up answers of perf_event_open.
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/runner/energy.h"
#include "bench/runner/hardware.h"
#include "tests/support/fixture.h"

// ---- Energy ----

static void write_zone(const char *zone, const char *name, const char *range, const char *energy) {
    static const char *const files[] = {"name", "max_energy_range_uj", "energy_uj"};
    const char *const texts[] = {name, range, energy};
    gb_fixture_directory(zone);
    for (int i = 0; i < 3; i++)
        if (texts[i])
            gb_fixture_text(gb_fixture_name("%s/%s", zone, files[i]), texts[i]);
}

static const char *root(void) {
    return gb_fixture_path("");
}

GB_FIXTURE_TEST(energy_of_packages_and_memory_is_added_up) {
    struct gb_energy energy;
    write_zone("intel-rapl:0", "package-0\n", "1000000\n", "900000\n");
    write_zone("intel-rapl:1", "package-1\n", "1000000\n", "100000\n");
    write_zone("intel-rapl:0:0", "core\n", "1000000\n", "0\n");
    write_zone("intel-rapl:0:1", "dram\n", "5000000\n", "4999999\n");
    write_zone("intel-rapl:2", "psys\n", "1000000\n", "0\n");
    write_zone("intel-rapl-mmio:0", "package-0\n", "1000000\n", "0\n");
    gb_fixture_directory("intel-rapl");
    assert_ok(gb_energy_open(&energy, root()));
    assert_int_equal(energy.count, 3);
    assert_true(gb_energy_read(&energy) == 0);
    gb_fixture_text("intel-rapl:0/energy_uj", "100000\n"); // wrapped
    gb_fixture_text("intel-rapl:1/energy_uj", "350000\n");
    gb_fixture_text("intel-rapl:0:0/energy_uj", "7\n");
    gb_fixture_text("intel-rapl:0:1/energy_uj", "5\n"); // wrapped
    assert_true(fabs(gb_energy_read(&energy) - 0.450006) < 1e-9);
    gb_fixture_text("intel-rapl:1/energy_uj", "350001\n");
    assert_true(fabs(gb_energy_read(&energy) - 0.450007) < 1e-9);
    gb_fixture_text("intel-rapl:1/energy_uj", "none\n");
    assert_true(isnan(gb_energy_read(&energy)));
    gb_fixture_text("intel-rapl:1/energy_uj", "350002\n");
    assert_true(isnan(gb_energy_read(&energy))); // what went by is unknown
    gb_energy_close(&energy);
    assert_true(isnan(gb_energy_read(&energy)));
    gb_energy_close(&energy);
}

GB_FIXTURE_TEST(missing_energy_is_named) {
    struct gb_energy energy;
    assert_error(gb_energy_open(&energy, gb_fixture_path("absent")), GB_UNSUPPORTED,
                 "absent: No such file or directory");
    assert_true(isnan(gb_energy_read(&energy)));
    assert_error(gb_energy_open(&energy, root()), GB_UNSUPPORTED, "no zone of a package");
    write_zone("intel-rapl:0", "package-0\n", "1000000\n", "1\n");
    write_zone("intel-rapl:1", "package-1\n", "1000000\n", NULL);
    assert_error(gb_energy_open(&energy, root()), GB_UNSUPPORTED,
                 "intel-rapl:1/energy_uj: No such file or directory");
    assert_int_equal(energy.count, 0);
    gb_fixture_text("intel-rapl:1/energy_uj", "\n");
    assert_error(gb_energy_open(&energy, root()), GB_UNSUPPORTED, "intel-rapl:1: energy_uj or ");
}

// ---- Counters ----

enum { SETS = 8 };
static struct made_up {
    int sets, peers[SETS]; // of threads, and what their first events read from
    bool no_misses;
    int error; // of the first set
} made_up;

static int open_made_up(struct perf_event_attr *event, pid_t thread, int cpu, int group) {
    int pair[2];
    (void)event;
    assert_true(thread > 0 && cpu == -1);
    if (made_up.error) {
        errno = made_up.error;
        return -1;
    }
    if (group >= 0) {
        static int calls;
        if (calls++ % 2 == 1 && made_up.no_misses) {
            errno = ENOENT;
            return -1;
        }
        return dup(group);
    }
    assert_true(made_up.sets < SETS);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    made_up.peers[made_up.sets++] = pair[1];
    return pair[0];
}

static void forget(void) {
    for (int i = 0; i < made_up.sets; i++)
        close(made_up.peers[i]);
    made_up = (struct made_up){0};
}

// What the next reading of a set gives.
static void give(int set, uint64_t count, uint64_t enabled, uint64_t running) {
    const uint64_t words[] = {count, enabled, running, 1000, 2000, 30};
    const size_t bytes = (3 + count) * sizeof *words;
    assert_int_equal(write(made_up.peers[set], words, bytes), bytes);
}

static void *wait_for_end(void *end) {
    char byte;
    return read(*(int *)end, &byte, 1) == 1 ? NULL : end;
}

GB_TEST(counts_are_sums_over_threads) {
    int ends[2];
    pthread_t other;
    struct gb_hardware hardware;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pthread_create(&other, NULL, wait_for_end, &ends[0]), 0);
    assert_ok(gb_hardware_open(&hardware, open_made_up));
    assert_true(hardware.count >= 2 && made_up.sets == hardware.count); // sanitizers may have more
    for (int i = 0; i < hardware.count; i++)
        give(i, 3, 50, i == 0 ? 25 : 50); // the first was counted half of the time
    const double sets = hardware.count + 1;
    struct gb_hardware_counts counts = gb_hardware_read(&hardware);
    assert_true(counts.events[GB_CYCLES] == 1000 * sets);
    assert_true(counts.events[GB_INSTRUCTIONS] == 2000 * sets);
    assert_true(counts.events[GB_CACHE_MISSES] == 30 * sets);
    assert_int_equal(write(ends[1], "", 1), 1);
    assert_int_equal(pthread_join(other, NULL), 0);
    for (int i = 0; i < hardware.count; i++)
        give(i, 3, 50, 50);
    // The kernel may list a thread for a moment after it was joined.
    for (int tries = 0; tries < 1000; tries++) {
        counts = gb_hardware_read(&hardware);
        if (isnan(counts.events[GB_CYCLES]))
            break;
        for (int i = 0; i < hardware.count; i++)
            give(i, 3, 50, 50);
        usleep(1000);
    }
    assert_true(isnan(counts.events[GB_CYCLES])); // a thread has ended
    gb_hardware_close(&hardware);
    assert_true(isnan(gb_hardware_read(&hardware).events[GB_CYCLES]));
    close(ends[0]);
    close(ends[1]);
    forget();
}

GB_TEST(what_is_not_counted_is_unknown) {
    struct gb_hardware hardware;
    made_up.no_misses = true;
    assert_ok(gb_hardware_open(&hardware, open_made_up));
    for (int i = 0; i < hardware.count; i++)
        give(i, 2, 50, 50);
    struct gb_hardware_counts counts = gb_hardware_read(&hardware);
    assert_true(counts.events[GB_INSTRUCTIONS] == 2000 * hardware.count);
    assert_true(isnan(counts.events[GB_CACHE_MISSES]));
    for (int i = 0; i < hardware.count; i++)
        give(i, 2, 50, 0); // others have the counters
    assert_true(isnan(gb_hardware_read(&hardware).events[GB_CYCLES]));
    gb_hardware_close(&hardware);
    forget();
}

GB_TEST(why_nothing_is_counted_is_named) {
    static const struct {
        int error;
        const char *why;
    } cases[] = {{EACCES, "not permitted"},
                 {EPERM, "not permitted"},
                 {ENOENT, "no counters"},
                 {EOPNOTSUPP, "no counters"},
                 {ENOSYS, "Function not implemented"}};
    struct gb_hardware hardware;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        made_up.error = cases[i].error;
        assert_error(gb_hardware_open(&hardware, open_made_up), GB_UNSUPPORTED, cases[i].why);
        assert_int_equal(hardware.count, 0);
        forget();
    }
}
