/* Preloaded into a Redis: its wall clock is the system's plus what the file named by CACHEKIT_CLOCK
   says, in microseconds, as eight bytes of this machine's order. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *offset;

__attribute__((constructor)) static void open_offset(void) {
    const char *path = getenv("CACHEKIT_CLOCK");
    int file = path ? open(path, O_RDONLY) : -1;
    if (file < 0) return;
    void *map = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (map != MAP_FAILED) offset = map;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec real;
    if (clock_gettime(CLOCK_REALTIME, &real)) return -1;
    int64_t us = (int64_t)real.tv_sec * 1000000 + real.tv_nsec / 1000 + (offset ? *offset : 0);
    now->tv_sec = us / 1000000;
    now->tv_usec = us % 1000000;
    return 0;
}
