// SPDX-License-Identifier: MIT
#include "tasks/parallel/cpus.h"

#include <hwloc.h>
#include <stdlib.h>

static const char what[] = "cannot divide the CPUs", where[] = "this host";

// CPUs [begin, end) of those allowed, in the topology's order: neighbours share cores and caches.
static void select_cpus(hwloc_topology_t topology, hwloc_const_cpuset_t allowed, int begin, int end,
                        hwloc_cpuset_t selected) {
    int n = 0;
    for (hwloc_obj_t cpu = NULL;
         (cpu = hwloc_get_next_obj_inside_cpuset_by_type(topology, allowed, HWLOC_OBJ_PU, cpu));
         n++)
        if (n >= begin && n < end)
            hwloc_bitmap_set(selected, cpu->os_index);
}

static enum gb_status divide(hwloc_topology_t topology, hwloc_cpuset_t allowed,
                             hwloc_cpuset_t selected, int index, int sharers) {
    if (!allowed || !selected)
        return gb_no_memory(what, where);
    if (hwloc_get_cpubind(topology, allowed, HWLOC_CPUBIND_PROCESS) != 0)
        return GB_OK; // a system without binding
    const int cpus = hwloc_bitmap_weight(allowed);
    if (cpus < sharers) {
        setenv("OMP_NUM_THREADS", "1", 0);
        setenv("OMP_WAIT_POLICY", "passive", 0);
        return GB_OK;
    }
    select_cpus(topology, allowed, cpus * index / sharers, cpus * (index + 1) / sharers, selected);
    // A refusal costs speed only.
    hwloc_set_cpubind(topology, selected, HWLOC_CPUBIND_PROCESS);
    return GB_OK;
}

enum gb_status gb_divide_cpus(int index, int sharers) {
    hwloc_topology_t topology;
    if (sharers == 1)
        return GB_OK;
    setenv("HWLOC_HIDE_ERRORS", "2", 0); // as tasks/machine.c
    if (hwloc_topology_init(&topology) != 0)
        return gb_no_memory(what, where);
    hwloc_cpuset_t allowed = hwloc_bitmap_alloc(), selected = hwloc_bitmap_alloc();
    enum gb_status status = GB_OK;
    if (hwloc_topology_load(topology) == 0)
        status = divide(topology, allowed, selected, index, sharers);
    hwloc_bitmap_free(allowed);
    hwloc_bitmap_free(selected);
    hwloc_topology_destroy(topology);
    return status;
}

enum gb_status gb_allowed_cpus(char list[static GB_CPU_LIST]) {
    hwloc_cpuset_t allowed = hwloc_bitmap_alloc();
    hwloc_topology_t topology;
    list[0] = '\0';
    if (!allowed || hwloc_topology_init(&topology) != 0) {
        hwloc_bitmap_free(allowed);
        return gb_no_memory(what, where);
    }
    if (hwloc_topology_load(topology) == 0 &&
        hwloc_get_cpubind(topology, allowed, HWLOC_CPUBIND_PROCESS) == 0)
        hwloc_bitmap_list_snprintf(list, GB_CPU_LIST, allowed);
    hwloc_topology_destroy(topology);
    hwloc_bitmap_free(allowed);
    return GB_OK;
}
