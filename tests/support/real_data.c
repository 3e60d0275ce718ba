// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // nftw
#include "tests/support/real_data.h"

#include <errno.h>
#include <ftw.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };
extern char **environ;

static bool exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0;
}

// The path of `name` in the directory that the variable tells; NULL where it is not there.
static const char *look_up(const char *variable, const char *otherwise, const char *name,
                           char path[static PATH_SIZE]) {
    const char *directory = getenv(variable);
    snprintf(path, PATH_SIZE, "%s/%s", directory && *directory ? directory : otherwise, name);
    return exists(path) ? path : NULL;
}

const char *gb_shared_data(const char *name) {
    static char path[PATH_SIZE];
    return look_up("GB_SHARED_DATA", "../shared/data", name, path);
}

const char *gb_shared_oracle(const char *name) {
    static char path[PATH_SIZE];
    const char *found = look_up("GB_SHARED_ORACLES", "../shared/oracles", name, path);
    if (!found)
        fprintf(stderr, "%s is not at hand; set GB_SHARED_ORACLES to the folder of the oracles\n",
                path);
    return found;
}

// Makes the cache's directory if need be.
static bool find_cache(char cache[static PATH_SIZE]) {
    const char *own = getenv("GB_DATA_CACHE"), *xdg = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    if (own && *own) {
        snprintf(cache, PATH_SIZE, "%s", own);
    } else {
        if (xdg && *xdg)
            snprintf(cache, PATH_SIZE, "%s", xdg);
        else if (home && *home)
            snprintf(cache, PATH_SIZE, "%s/.cache", home);
        else
            return false;
        mkdir(cache, 0777);
        size_t used = strnlen(cache, PATH_SIZE);
        snprintf(cache + used, PATH_SIZE - used, "/glowbench");
    }
    return mkdir(cache, 0777) == 0 || errno == EEXIST;
}

static bool unpack(const char *archive, const char *directory) {
    char *arguments[] = {"tar", "-xf", (char *)archive, "-C", (char *)directory, "--no-same-owner",
                         NULL};
    pid_t child;
    int status;
    return posix_spawnp(&child, "tar", NULL, NULL, arguments, environ) == 0 &&
           waitpid(child, &status, 0) == child && status == 0;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

// Unpacks next to the final directory and renames, so that concurrent tests never see half a set.
static bool fill_cache(const char *cache, const char *name, const char *final,
                       const char *const *archives) {
    char staging[PATH_SIZE], unpacked[PATH_SIZE];
    if (snprintf(staging, sizeof staging, "%s/.%s-%ld", cache, name, (long)getpid()) >= PATH_SIZE ||
        snprintf(unpacked, sizeof unpacked, "%s/%s", staging, name) >= PATH_SIZE)
        return false;
    bool whole = mkdir(staging, 0777) == 0;
    for (int i = 0; whole && archives[i]; i++) {
        const char *archive = gb_shared_data(archives[i]);
        whole = archive && unpack(archive, staging);
    }
    // Another process may have won; its copy is as good.
    whole = whole && (rename(unpacked, final) == 0 || exists(final));
    enum { OPEN_FOLDERS = 16 };
    nftw(staging, remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
    return whole;
}

const char *gb_real_data(const char *name, const char *const *archives) {
    static char final[PATH_SIZE];
    char cache[PATH_SIZE];
    for (int i = 0; archives[i]; i++)
        if (!gb_shared_data(archives[i])) {
            fprintf(stderr, "%s is not at hand; set GB_SHARED_DATA to the folder that holds it\n",
                    archives[i]);
            return NULL;
        }
    if (!find_cache(cache) || snprintf(final, sizeof final, "%s/%s", cache, name) >= PATH_SIZE) {
        fprintf(stderr, "no folder to unpack %s into; set GB_DATA_CACHE\n", name);
        return NULL;
    }
    if (exists(final) || fill_cache(cache, name, final, archives))
        return final;
    fprintf(stderr, "%s does not unpack into %s\n", name, cache);
    return NULL;
}
