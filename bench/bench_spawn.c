/* bench_spawn.c - run a command; its wall clock, processor time and peak memory to a file
 *
 *     bench_spawn FILE COMMAND...
 *
 * Appends "seconds cpu_seconds peak_mb" to FILE and ends as the command did. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

int main(int argc, char **argv)
{
    const double start = now();
    struct rusage used;
    FILE *file;
    int status;
    pid_t child;

    if (argc < 3) {
        fprintf(stderr, "usage: bench_spawn FILE COMMAND...\n");
        return 2;
    }
    child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &used) != child) {
        perror("bench_spawn");
        return 1;
    }
    file = fopen(argv[1], "a");
    if (!file ||
            fprintf(file, "%.6f %.6f %.3f\n", now() - start,
                    seconds(used.ru_utime) + seconds(used.ru_stime),
                    (double)used.ru_maxrss / 1024) < 0 ||
            fclose(file) != 0) {
        perror(argv[1]);
        return 1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
