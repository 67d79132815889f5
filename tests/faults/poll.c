/* Polling with each call failing once: an error or the right answer, never a hang, nothing kept. */
#include "support/sweep.h"
#include "hub/apart.h"
#include "io/pairs.h"

#include <sys/select.h>

enum { MANY = 12 }; /* more than are waited for without an allocation */

static void ignore(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)context, (void)error, (void)arg;
    CHECK(sweep_met_fault());
}

static void *writes(void *arg)
{
    int error = cress_sleep(CRESS_US(100));
    CHECK(error == 0 || sweep_met_fault());
    CHECK_EQ(send(*(int *)arg, "x", 1, 0), 1);
    return NULL;
}

static void look(int fds[MANY][2], size_t n)
{
    struct pollfd set[MANY];
    fd_set bits;
    FD_ZERO(&bits);
    for (size_t i = 0; i < n; i++) {
        set[i] = (struct pollfd){ fds[i][0], POLLIN, 0 };
        FD_SET(fds[i][0], &bits);
    }
    int found = cress_poll(set, n, CRESS_SECONDS(5));
    CHECK(found == 1 || (found < 0 && sweep_met_fault()));
    if (found == 1)
        CHECK_EQ(set[n - 1].revents, POLLIN);
    found = cress_select(FD_SETSIZE, &bits, NULL, NULL, CRESS_SECONDS(5));
    CHECK(found == 1 || (found < 0 && sweep_met_fault()));
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(FD_ISSET(fds[i][0], &bits) != 0, found < 0 || i == n - 1);
}

static void sets(void)
{
    cress_set_error_hook(ignore, NULL);
    int fds[MANY][2];
    for (int i = 0; i < MANY; i++)
        unix_pair(fds[i]);
    CHECK(cress_fd_adopt(fds[0][0], 0) == 0 || sweep_met_fault());
    for (size_t n = 2; n <= MANY; n += MANY - 2) {
        cress_greenlet *g = cress_spawn(writes, &fds[n - 1][1]);
        CHECK(g != NULL || sweep_met_fault());
        if (g != NULL) {
            look(fds, n);
            int error = cress_join(g, CRESS_FOREVER);
            CHECK(error == 0 || sweep_met_fault());
            char c;
            while (recv(fds[n - 1][0], &c, 1, MSG_DONTWAIT) > 0)
                ;
        }
        cress_unref(g);
    }
    CHECK_GE(cress_run(CRESS_SECONDS(5)), 0);
    for (int i = 0; i < MANY; i++)
        close_pair(fds[i]);
    CHECK_EQ(cress_hub_destroy(0), 0);
}

static void small_and_large_sets(void)
{
    apart(sets);
}

int main(void)
{
    return FAULT_SWEEP(small_and_large_sets);
}
