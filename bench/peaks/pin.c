// SPDX-License-Identifier: MIT
#include "bench/peaks/pin.h"

#include <errno.h>
#include <hwloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/parallel.h"

static const char what[] = "cannot pin threads";

static hwloc_topology_t topology; // kept, since loading it takes milliseconds

// The current pinning; threads 0: none.
static struct {
    int threads;
    hwloc_cpuset_t *before; // where each rank could run
} pinning;

struct binding {
    const hwloc_cpuset_t *sets; // one per rank; the array is const, not the sets
    bool read;                  // read where a rank may run instead of binding it
    atomic_int error;           // errno of a rank that the system refused
    int size;                   // threads that the runtime granted
};

static void bind_rank(void *argument, int rank, int size) {
    struct binding *binding = argument;
    int result = binding->read
                     ? hwloc_get_cpubind(topology, binding->sets[rank], HWLOC_CPUBIND_THREAD)
                     : hwloc_set_cpubind(topology, binding->sets[rank], HWLOC_CPUBIND_THREAD);
    if (result != 0)
        binding->error = errno;
    if (rank == 0)
        binding->size = size;
}

static enum gb_status bind_team(const hwloc_cpuset_t *sets, int threads, bool read) {
    struct binding binding = {.sets = sets, .read = read};
    gb_parallel(threads, bind_rank, &binding);
    if (binding.error)
        return gb_fail(GB_IO_ERROR, what, "the system", "%s", strerror(binding.error));
    if (binding.size != threads)
        return gb_fail(GB_UNSUPPORTED, what, "the threads' runtime", "it gives %d of %d",
                       binding.size, threads);
    return GB_OK;
}

// The n-th (from 0) allowed CPU of a core; NULL if it has no more.
static hwloc_obj_t cpu_of_core(hwloc_obj_t core, hwloc_const_cpuset_t allowed, int n) {
    hwloc_obj_t cpu = NULL;
    while (
        (cpu = hwloc_get_next_obj_inside_cpuset_by_type(topology, core->cpuset, HWLOC_OBJ_PU, cpu)))
        if (hwloc_bitmap_isset(allowed, cpu->os_index) && n-- == 0)
            return cpu;
    return NULL;
}

// One CPU of every core in turn, then a second of those that have one, and so on.
static enum gb_status choose_cpus(hwloc_const_cpuset_t allowed, int threads, int cpus[]) {
    // Some virtual machines report no cores; their CPUs are used instead.
    int depth = hwloc_get_type_or_below_depth(topology, HWLOC_OBJ_CORE);
    int chosen = 0;
    for (int round = 0, before = -1; chosen < threads && chosen != before; round++) {
        before = chosen;
        for (hwloc_obj_t core = hwloc_get_obj_by_depth(topology, depth, 0);
             core && chosen < threads; core = core->next_cousin) {
            hwloc_obj_t cpu = cpu_of_core(core, allowed, round);
            if (cpu)
                cpus[chosen++] = (int)cpu->os_index;
        }
    }
    if (chosen < threads)
        return gb_fail(GB_UNSUPPORTED, what, "this process", "it may use %d CPUs, not %d", chosen,
                       threads);
    return GB_OK;
}

static enum gb_status pin(int threads, int cpus[]) {
    GB_TRY(bind_team(pinning.before, threads, true));
    // If the runtime has bound its threads already, only all of them together know all CPUs.
    hwloc_cpuset_t allowed = hwloc_bitmap_alloc();
    for (int rank = 0; rank < threads; rank++)
        hwloc_bitmap_or(allowed, allowed, pinning.before[rank]);
    enum gb_status status = choose_cpus(allowed, threads, cpus);
    hwloc_bitmap_free(allowed);
    GB_TRY(status);

    hwloc_cpuset_t *sets = malloc((size_t)threads * sizeof *sets);
    if (!sets)
        return gb_no_memory(what, "this process");
    for (int rank = 0; rank < threads; rank++) {
        sets[rank] = hwloc_bitmap_alloc();
        hwloc_bitmap_only(sets[rank], (unsigned)cpus[rank]);
    }
    status = bind_team(sets, threads, false);
    for (int rank = 0; rank < threads; rank++)
        hwloc_bitmap_free(sets[rank]);
    free(sets);
    return status;
}

enum gb_status gb_pin_threads(int threads, int cpus[]) {
    gb_unpin_threads();
    if (!topology) {
        setenv("HWLOC_HIDE_ERRORS", "2", 0); // standard error has one line, the program's own
        if (hwloc_topology_init(&topology) != 0 || hwloc_topology_load(topology) != 0) {
            if (topology)
                hwloc_topology_destroy(topology);
            topology = NULL;
            return gb_fail(GB_IO_ERROR, what, "this machine", "hwloc finds no topology");
        }
    }
    pinning.before = malloc((size_t)threads * sizeof *pinning.before);
    if (!pinning.before)
        return gb_no_memory(what, "this process");
    pinning.threads = threads;
    for (int rank = 0; rank < threads; rank++)
        pinning.before[rank] = hwloc_bitmap_alloc();
    enum gb_status status = pin(threads, cpus);
    if (status != GB_OK)
        gb_unpin_threads();
    return status;
}

void gb_unpin_threads(void) {
    if (pinning.threads == 0)
        return;
    (void)bind_team(pinning.before, pinning.threads, false);
    for (int rank = 0; rank < pinning.threads; rank++)
        hwloc_bitmap_free(pinning.before[rank]);
    free(pinning.before);
    pinning.threads = 0;
}
