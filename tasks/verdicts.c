// SPDX-License-Identifier: MIT
#include "tasks/verdicts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cache.h"
#include "base/grow.h"
#include "base/hash.h"
#include "tasks/machine.h"

static const char what[] = "cannot read verdicts", prefix[] = "checks-";

// ---- The file's name ----

enum gb_status gb_file_hash(const char *reason, const char *path, uint64_t *hash) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return gb_fail(GB_BAD_INPUT, reason, path, "%s", strerror(errno));
    uint64_t words[8192];
    size_t count;
    *hash = GB_HASH_BASIS;
    do {
        memset(words, 0, sizeof words);
        count = fread(words, 1, sizeof words, file);
        for (size_t i = 0; i < (count + sizeof *words - 1) / sizeof *words; i++)
            *hash = gb_hash_word(*hash, words[i]);
        *hash = gb_hash_word(*hash, count);
    } while (count == sizeof words);
    const bool failed = ferror(file);
    fclose(file);
    return failed ? gb_fail(GB_IO_ERROR, reason, path, "%s", strerror(errno)) : GB_OK;
}

static uint64_t hash_json(uint64_t hash, const json_t *object, const char *key) {
    char *text = json_dumps(json_object_get(object, key), JSON_ENCODE_ANY | JSON_SORT_KEYS);
    if (text)
        hash = gb_hash_bytes(hash, text, strlen(text));
    free(text);
    return hash;
}

static enum gb_status hash_here(uint64_t *hash) {
    json_t *machine;
    GB_TRY(gb_file_hash(what, "/proc/self/exe", hash));
    GB_TRY(gb_machine_json(&machine));
    *hash = hash_json(*hash, machine, "cpu");
    *hash = hash_json(*hash, machine, "libraries");
    *hash = hash_json(*hash, machine, "backends");
    json_decref(machine);
    const char *algorithm = getenv("GB_CONV_ALGORITHM");
    if (algorithm)
        *hash = gb_hash_bytes(*hash, algorithm, strlen(algorithm));
    return GB_OK;
}

static void remove_old(const char *directory) {
    const time_t oldest = time(NULL) - 30 * 24 * 3600;
    DIR *stream = opendir(directory);
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        char path[GB_PATH];
        struct stat file;
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
            gb_path_join(directory, entry->d_name, path) == GB_OK && stat(path, &file) == 0 &&
            file.st_mtime < oldest)
            unlink(path);
    }
    if (stream)
        closedir(stream);
}

static enum gb_status find_file(const char *directory, char path[static GB_PATH]) {
    uint64_t hash;
    char name[64], checks[GB_PATH];
    GB_TRY(hash_here(&hash));
    snprintf(name, sizeof name, "%s%016" PRIx64 ".txt", prefix, hash);
    if (!directory) {
        GB_TRY(gb_cache_path("checks", checks));
        GB_TRY(gb_make_directory(what, checks));
        remove_old(checks);
        directory = checks;
    }
    return gb_path_join(directory, name, path);
}

// ---- Lines ----

// The index of the first line that is not before the text. A tab sorts before all letters of keys.
static size_t find_place(const struct gb_verdicts *verdicts, const char *text) {
    size_t low = 0, high = verdicts->count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (strcmp(verdicts->lines[middle], text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum gb_status keep(struct gb_verdicts *verdicts, const char *line) {
    char **lines = gb_grow(verdicts->lines, verdicts->count, sizeof *lines);
    if (lines)
        verdicts->lines = lines;
    char *copy = lines ? strdup(line) : NULL;
    if (!copy)
        return gb_no_memory(what, verdicts->path);
    const size_t place = find_place(verdicts, copy);
    memmove(&lines[place + 1], &lines[place], (verdicts->count - place) * sizeof *lines);
    lines[place] = copy;
    verdicts->count++;
    return GB_OK;
}

static enum gb_status read_lines(struct gb_verdicts *verdicts) {
    char *bytes;
    size_t count;
    if (gb_is_missing(verdicts->path))
        return GB_OK;
    GB_TRY(gb_file_read(what, verdicts->path, &bytes, &count));
    enum gb_status status = GB_OK;
    char *end;
    for (char *line = bytes; status == GB_OK && (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (strchr(line, '\t'))
            status = keep(verdicts, line);
    }
    free(bytes);
    return status;
}

enum gb_status gb_verdicts_open(struct gb_verdicts *verdicts, const char *directory) {
    *verdicts = (struct gb_verdicts){0};
    enum gb_status status = find_file(directory, verdicts->path);
    if (status == GB_OK)
        status = read_lines(verdicts);
    if (status != GB_OK)
        gb_verdicts_close(verdicts);
    return status;
}

const char *gb_verdicts_find(const struct gb_verdicts *verdicts, const char *key) {
    char *text = gb_format("%s\t", key);
    const char *found = NULL;
    if (text) {
        const size_t place = find_place(verdicts, text), length = strlen(text);
        if (place < verdicts->count && strncmp(verdicts->lines[place], text, length) == 0)
            found = verdicts->lines[place] + length;
    }
    free(text);
    return found;
}

void gb_verdicts_add(struct gb_verdicts *verdicts, const char *key, const char *text) {
    if (!*verdicts->path)
        return;
    char *line = gb_format("%s\t%s\n", key, text);
    const int file = open(verdicts->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (line && file >= 0 && write(file, line, strlen(line)) == (ssize_t)strlen(line)) {
        line[strlen(line) - 1] = '\0';
        if (keep(verdicts, line) != GB_OK)
            *verdicts->path = '\0';
    }
    if (file >= 0)
        close(file);
    free(line);
}

void gb_verdicts_close(struct gb_verdicts *verdicts) {
    for (size_t i = 0; i < verdicts->count; i++)
        free(verdicts->lines[i]);
    free(verdicts->lines);
    *verdicts = (struct gb_verdicts){0};
}
