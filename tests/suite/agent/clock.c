/* Stands in front of the C library's clock, so that a test can set the time of one process and of its children. The file named by
 * NVR_TEST_CLOCK has two numbers: seconds to add to the time of day, and 1 if the clock counts as synchronised. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static void settings(long *seconds, long *synchronised)
{
    char text[64] = "0 0";
    const char *path = getenv("NVR_TEST_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        ssize_t length = read(file, text, sizeof text - 1);
        text[length > 0 ? length : 0] = 0;
        close(file);
    }
    char *rest = text;
    *seconds = strtol(rest, &rest, 10);
    *synchronised = strtol(rest, &rest, 10);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        long seconds, synchronised;
        settings(&seconds, &synchronised);
        time->tv_sec += seconds;
    }
    return result;
}

int adjtimex(struct timex *state)
{
    long seconds, synchronised;
    settings(&seconds, &synchronised);
    memset(state, 0, sizeof *state);
    state->status = synchronised ? 0 : STA_UNSYNC;
    return synchronised ? TIME_OK : TIME_ERROR;
}
