/* embed_poll - cress inside somebody else's loop.
 *
 * A program that has a poll(2) loop of its own adds two things to it: the hub's descriptor, and how
 * long the hub may be left alone. Greenlets then run in between the program's own events; here two
 * of them, and a pipe that only the foreign loop knows.
 */
#include <cress.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static int pipe_ends[2];
static int alive = 2;

static void *ticker(void *name)
{
    for (int i = 1; i <= 3; i++) {
        cress_sleep(CRESS_MS(10));
        printf("%s %d\n", (char *)name, i);
        if (write(pipe_ends[1], "x", 1) != 1)
            break;
    }
    alive--;
    return NULL;
}

int main(void)
{
    int foreign_events = 0;
    if (pipe(pipe_ends) < 0 || cress_go(ticker, "tick") < 0 || cress_go(ticker, "tock") < 0)
        return 1;
    cress_time next = 0;
    while (alive > 0 || foreign_events < 6) {
        struct pollfd fds[] = { { .fd = cress_hub_fd(NULL), .events = POLLIN },
                                { .fd = pipe_ends[0], .events = POLLIN } };
        /* Rounded up: a millisecond too late is polite, one too early is a busy loop. */
        int ms = next == CRESS_FOREVER ? -1 : (int)((next + CRESS_MS(1) - 1) / CRESS_MS(1));
        poll(fds, 2, ms);
        char byte;
        if ((fds[1].revents & POLLIN) && read(pipe_ends[0], &byte, 1) == 1)
            foreign_events++;
        if (cress_hub_turn(&next) < 0)
            return 1;
    }
    printf("the foreign loop saw %d bytes\n", foreign_events);
    return 0;
}
