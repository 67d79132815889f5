/* winner_loser - how to see how a greenlet ended. */
#include <cress.h>
#include <errno.h>
#include <stdio.h>

static void *win(void *arg)
{
    (void)arg;
    return "You win!";
}

static void *lose(void *arg)
{
    (void)arg;
    cress_exit_error(-ENOTRECOVERABLE);
    return NULL;
}

static const char *yes_or_no(bool b)
{
    return b ? "yes" : "no";
}

static void quiet(cress_hub *hub, cress_greenlet *g, const char *context, int error, void *arg)
{
    (void)hub, (void)g, (void)arg;
    printf("told: %s, %s\n", context, cress_error_name(error));
}

int main(void)
{
    cress_set_error_hook(quiet, NULL);
    cress_greenlet *both[] = { cress_spawn(win, NULL), cress_spawn(lose, NULL) };
    cress_greenlet *winner = both[0], *loser = both[1];
    printf("started: %s, %s\n", yes_or_no(cress_started(winner)), yes_or_no(cress_started(loser)));
    if (cress_joinall(both, 2, CRESS_FOREVER, NULL, NULL) < 0)
        return 1;
    printf("ready: %s, %s\n", yes_or_no(cress_ready(winner)), yes_or_no(cress_ready(loser)));
    printf("successful: %s, %s\n", yes_or_no(cress_successful(winner)),
           yes_or_no(cress_successful(loser)));
    printf("value: %s\n", (const char *)cress_value(winner));
    printf("error: %s\n", cress_error_name(cress_error(loser)));
    cress_unref(winner);
    cress_unref(loser);
    return 0;
}
