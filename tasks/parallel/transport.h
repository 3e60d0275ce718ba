// SPDX-License-Identifier: MIT
// What moves bytes between the processes of a job. The one implementation, transport_mpi.c, is a
// module that is loaded only where an MPI launcher started the process: the program itself is not
// linked with MPI.
#ifndef GB_TRANSPORT_H
#define GB_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

// Between this rank and another. The ranks of a pair list their messages of a tag in the same
// order.
struct gb_message {
    int peer;
    bool sent; // else received
    void *data;
    size_t bytes;
    int tag;
};

enum { GB_HOST_NAME = 256 };
struct gb_transport_info {
    int rank, count;
    bool any_thread; // may call the functions, one at a time; else only the one that called `begin`
    char host[GB_HOST_NAME], library[256];
};

struct gb_transport {
    // NULL, or why not.
    const char *(*begin)(struct gb_transport_info *info);
    // Starts messages, which need not be the first: their data must stay until they are finished.
    void (*post)(const struct gb_message *messages, int count);
    void (*progress)(void); // moves what is posted on, without a wait
    void (*finish)(void);   // returns when all that was posted is sent and received
    // Rank r contributes bytes offsets[r] to offsets[r + 1] of `data`; all ranks receive all of
    // them. false: not within this many seconds (0: without a limit); then only `abort` may follow.
    bool (*all_gather)(void *data, const size_t *offsets, double seconds);
    void (*abort)(int code); // ends all ranks
    void (*end)(void);
};

#define GB_TRANSPORT_SYMBOL "gb_mpi_transport"
extern const struct gb_transport gb_mpi_transport;

#endif
