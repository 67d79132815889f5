/* Everything that can be waited for, in one wait: told in the order in which it happens, and of a
 * choice exactly one takes effect. */
#include "sync/crowd.h"
#include "io/pairs.h"

enum { EVENT, RESULT, SEM, QUEUE, RECV, SEND, FD, GREENLET, TIMER, KINDS };

static struct {
    cress_event event;
    cress_result result;
    cress_sem sem;
    cress_queue queue;
    cress_chan in, out;
    int fds[2];
    cress_greenlet *g;
    void *got, *received, *sent;
    struct member sender, receiver;
} w;

static int send_in(void *chan, cress_time timeout)
{
    return cress_chan_send(chan, "in", timeout);
}

static int receive_out(void *chan, cress_time timeout)
{
    return cress_chan_recv(chan, &w.sent, timeout);
}

static void *until_killed(void *arg)
{
    return cress_park(CRESS_FOREVER) < 0 ? NULL : arg;
}

static void open_all(cress_case cases[KINDS])
{
    memset(&w, 0, sizeof w);
    unix_pair(w.fds);
    w.g = cress_spawn(until_killed, NULL);
    yield();
    cases[EVENT] = cress_on_event(&w.event);
    cases[RESULT] = cress_on_result(&w.result);
    cases[SEM] = cress_on_sem(&w.sem);
    cases[QUEUE] = cress_on_queue(&w.queue, &w.got);
    cases[RECV] = cress_on_chan_recv(&w.in, &w.received);
    cases[SEND] = cress_on_chan_send(&w.out, "out");
    cases[FD] = cress_on_fd(w.fds[0], CRESS_IN);
    cases[GREENLET] = cress_on_greenlet(w.g);
    cases[TIMER] = cress_on_timer(CRESS_MS(50));
}

static void close_all(void)
{
    CHECK_EQ(cress_kill(w.g, CRESS_FOREVER), 0);
    cress_unref(w.g);
    CHECK_EQ(cress_queue_done(&w.queue), 0);
    close_pair(w.fds);
}

static void bring(int kind)
{
    switch (kind) {
    case EVENT:
        CHECK_EQ(cress_event_set(&w.event), 0);
        break;
    case RESULT:
        CHECK_EQ(cress_result_set_error(&w.result, -EIO), 0);
        break;
    case SEM:
        CHECK_EQ(cress_sem_release(&w.sem), 0);
        break;
    case QUEUE:
        CHECK_EQ(cress_queue_try_put(&w.queue, "item"), 0);
        break;
    case RECV:
        enter(&w.sender, "sender", send_in, &w.in, CRESS_FOREVER);
        break;
    case SEND:
        enter(&w.receiver, "receiver", receive_out, &w.out, CRESS_FOREVER);
        break;
    case FD:
        CHECK_EQ(write(w.fds[1], "x", 1), 1);
        break;
    case GREENLET:
        CHECK_EQ(cress_kill(w.g, CRESS_FOREVER), 0);
        break;
    default:
        break; /* it comes by itself */
    }
}

/* What is left as it was; taken: of which kind the effect has been taken. */
static void check_left(int brought, int taken)
{
    bool there = brought != taken;
    CHECK_EQ(cress_sem_count(&w.sem), brought == SEM && there);
    CHECK_EQ(cress_queue_size(&w.queue), brought == QUEUE && there);
    CHECK_EQ(w.got != NULL, brought == QUEUE && !there);
    CHECK_EQ(w.received != NULL, brought == RECV && !there);
    if (brought == RECV) {
        CHECK_EQ(cress_chan_try_recv(&w.in, &w.received), there ? 0 : -EAGAIN);
        CHECK_EQ(left(&w.sender), 0);
    }
    if (brought == SEND) {
        CHECK_EQ(cress_chan_try_send(&w.out, "other"), there ? 0 : -EAGAIN);
        CHECK_EQ(left(&w.receiver), 0);
        CHECK_STR(w.sent, there ? "other" : "out");
    }
}

static void each_is_told_when_it_happens_and_nothing_is_taken(void **state)
{
    (void)state;
    cress_case cases[KINDS];
    cress_iwait it;
    open_all(cases);
    CHECK_EQ(cress_iwait_init(&it, cases, KINDS), 0);
    CHECK_EQ(cress_iwait_next(&it, 0), -EAGAIN);
    for (int kind = KINDS - 2; kind >= 0; kind--) {
        bring(kind);
        CHECK_EQ(cress_iwait_next(&it, CRESS_MS(1)), kind);
        CHECK_EQ(cases[kind].result, kind == RESULT     ? -EIO
                                     : kind == FD       ? CRESS_IN
                                     : kind == GREENLET ? -ECANCELED
                                                        : 0);
    }
    CHECK_EQ(cress_iwait_next(&it, CRESS_FOREVER), TIMER);
    CHECK_EQ(cress_iwait_next(&it, CRESS_FOREVER), -ENOENT);
    cress_iwait_done(&it);
    CHECK(w.got == NULL && w.received == NULL);
    CHECK_EQ(cress_sem_try_acquire(&w.sem), 0);
    CHECK_EQ(cress_queue_try_get(&w.queue, &w.got), 0);
    CHECK_EQ(cress_chan_try_recv(&w.in, &w.received), 0);
    CHECK_EQ(left(&w.sender), 0);
    CHECK_EQ(cress_chan_try_send(&w.out, "other"), 0);
    CHECK_EQ(left(&w.receiver), 0);
    close_all();
}

static cress_case all[KINDS];

static int choose(void *arg, cress_time timeout)
{
    (void)arg;
    return cress_choose(all, KINDS, timeout);
}

static void of_a_choice_one_takes_effect_before_it_or_meanwhile(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (int before = 0; before < 2; before++) {
            struct member m;
            open_all(all);
            if (before)
                bring(kind);
            enter(&m, "chooser", choose, NULL, CRESS_FOREVER);
            if (!before)
                bring(kind);
            CHECK_EQ(left(&m), kind);
            check_left(kind, kind);
            close_all();
        }
}

static void two_that_come_at_once_are_one_effect(void **state)
{
    (void)state;
    for (int a = 0; a <= QUEUE; a++)
        for (int b = 0; b <= QUEUE; b++) {
            struct member m;
            open_all(all);
            enter(&m, "chooser", choose, NULL, CRESS_FOREVER);
            bring(a);
            if (b != a)
                bring(b);
            CHECK_EQ(left(&m), a); /* whatever came first */
            CHECK_EQ(w.got != NULL, a == QUEUE);
            if (b != a) {
                w.got = NULL;
                check_left(b, a);
            }
            while (cress_sem_try_acquire(&w.sem) == 0)
                ;
            close_all();
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CROWD_TEST(each_is_told_when_it_happens_and_nothing_is_taken),
        CROWD_TEST(of_a_choice_one_takes_effect_before_it_or_meanwhile),
        CROWD_TEST(two_that_come_at_once_are_one_effect),
    };
    return RUN_TESTS_APART(tests);
}
