/* Channels: who meets whom, in which order both go on, and choices among them. */
#include "sync/crowd.h"

/* One side with its item. */
struct hand {
    cress_chan *c;
    const char *item;
};

static int send_it(void *hand, cress_time timeout)
{
    const struct hand *h = hand;
    return cress_chan_send(h->c, h->item, timeout);
}

static int receive(void *hand, cress_time timeout)
{
    struct hand *h = hand;
    return cress_chan_recv(h->c, &h->item, timeout);
}

static int try_send(void *hand)
{
    const struct hand *h = hand;
    return cress_chan_try_send(h->c, h->item);
}

static int try_receive(void *hand)
{
    struct hand *h = hand;
    return cress_chan_try_recv(h->c, &h->item);
}

static int choose_receive(void *hand, cress_time timeout)
{
    struct hand *h = hand;
    cress_case c = cress_on_chan_recv(h->c, &h->item);
    int r = cress_choose(&c, 1, timeout);
    return r < 0 ? r : c.result;
}

static int choose_send(void *hand, cress_time timeout)
{
    const struct hand *h = hand;
    cress_case c = cress_on_chan_send(h->c, h->item);
    int r = cress_choose(&c, 1, timeout);
    return r < 0 ? r : c.result;
}

static void *says_two(void *arg)
{
    for (int i = 0; i < 2; i++) {
        const char *word;
        CHECK_EQ(cress_chan_recv(arg, &word, CRESS_FOREVER), 0);
        say(&words, word);
    }
    return NULL;
}

static void who_sends_goes_on_after_who_receives(void **state)
{
    (void)state;
    cress_chan c = { { 0 } };
    cress_greenlet *g = cress_spawn(says_two, &c);
    say(&words, "sending");
    CHECK_EQ(cress_chan_send(&c, "hello", CRESS_FOREVER), 0);
    say(&words, "sent-hello");
    CHECK_EQ(cress_chan_send(&c, "world", CRESS_FOREVER), 0);
    say(&words, "sent-world");
    CHECK_STR(words.text, "sending hello sent-hello world sent-world");
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
}

static void *sends_two(void *arg)
{
    say(&words, "sending-hello");
    CHECK_EQ(cress_chan_send(arg, "hello", CRESS_FOREVER), 0);
    say(&words, "sending-world");
    CHECK_EQ(cress_chan_send(arg, "world", CRESS_FOREVER), 0);
    say(&words, "sent-world");
    return NULL;
}

static void the_same_when_the_receiver_came_first(void **state)
{
    (void)state;
    cress_chan c = { { 0 } };
    cress_greenlet *g = cress_spawn(sends_two, &c);
    const char *word = NULL;
    say(&words, "waiting");
    CHECK_EQ(cress_chan_recv(&c, &word, CRESS_FOREVER), 0);
    say(&words, word);
    CHECK_EQ(cress_chan_recv(&c, &word, CRESS_FOREVER), 0);
    say(&words, word);
    CHECK_STR(words.text, "waiting sending-hello hello sending-world world");
    yield();
    CHECK_STR(words.text, "waiting sending-hello hello sending-world world sent-world");
    CHECK_EQ(cress_join(g, CRESS_FOREVER), 0);
    cress_unref(g);
}

static void *says_other(void *arg)
{
    (void)arg;
    say(&words, "other");
    return NULL;
}

static void a_meeting_lets_others_run_whoever_came_first(void **state)
{
    (void)state;
    cress_chan c = { { 0 } };
    struct hand s = { &c, "item" }, r = { &c, NULL };
    struct member m;
    enter(&m, "sender", send_it, &s, CRESS_FOREVER);
    CHECK_EQ(cress_go(says_other, NULL), 0);
    CHECK_EQ(receive(&r, CRESS_FOREVER), 0);
    say(&words, "receiver");
    yield();
    CHECK_STR(words.text, "other receiver sender");
    CHECK_EQ(left(&m), 0);
    words.text[0] = '\0';
    enter(&m, "receiver", receive, &r, CRESS_FOREVER);
    CHECK_EQ(cress_go(says_other, NULL), 0);
    CHECK_EQ(send_it(&s, CRESS_FOREVER), 0);
    CHECK_STR(words.text, "other receiver");
    CHECK_EQ(left(&m), 0);
}

static void nothing_is_ever_in_an_unbuffered_one(void **state)
{
    (void)state;
    cress_chan c = { { 0 } };
    struct hand s = { &c, "item" }, r = { &c, NULL };
    struct member m;
    CHECK_EQ(cress_chan_size(&c), 0);
    CHECK_EQ(in_callback(try_send, &s), -EAGAIN);
    CHECK_EQ(in_callback(try_receive, &r), -EAGAIN);
    CHECK_EQ(send_it(&s, CRESS_MS(1)), -ETIMEDOUT);
    CHECK_EQ(receive(&r, CRESS_MS(1)), -ETIMEDOUT);
    enter(&m, "sender", send_it, &s, CRESS_FOREVER);
    CHECK_EQ(cress_chan_size(&c), 0);
    CHECK_EQ(try_send(&s), -EAGAIN);
    CHECK_EQ(in_callback(try_receive, &r), 0);
    CHECK_STR(r.item, "item");
    CHECK_EQ(left(&m), 0);
    enter(&m, "receiver", receive, &r, CRESS_FOREVER);
    s.item = "other";
    CHECK_EQ(in_callback(try_send, &s), 0);
    CHECK_EQ(left(&m), 0);
    CHECK_STR(r.item, "other");
}

struct point {
    int x, y, z;
};

static void a_buffer_holds_so_many(void **state)
{
    (void)state;
    cress_chan c = { { 0 } };
    CHECK_EQ(cress_chan_init(&c, 3, sizeof(struct point), 0), 0);
    struct point p = { 0, 0, 0 };
    uint64_t before = switches();
    for (int i = 1; i <= 3; i++) {
        p.x = i;
        CHECK_EQ(cress_chan_send(&c, &p, CRESS_FOREVER), 0);
    }
    CHECK_EQ(switches(), before);
    CHECK_EQ(cress_chan_size(&c), 3);
    p.x = 4;
    CHECK_EQ(cress_chan_try_send(&c, &p), -EAGAIN);
    CHECK_EQ(cress_chan_send(&c, &p, CRESS_MS(1)), -ETIMEDOUT);
    for (int i = 1; i <= 3; i++) {
        CHECK_EQ(cress_chan_recv(&c, &p, CRESS_FOREVER), 0);
        CHECK_EQ(p.x, i);
    }
    CHECK_EQ(cress_chan_recv(&c, &p, 0), -EAGAIN);
    CHECK_EQ(cress_chan_done(&c), 0);
}

static void senders_are_let_into_the_buffer_in_their_order(void **state)
{
    (void)state;
    cress_chan c = { { 0 } };
    CHECK_EQ(cress_chan_init(&c, 1, 0, 0), 0);
    struct hand h[3] = { { &c, "a" }, { &c, "b" }, { &c, "c" } }, r = { &c, NULL };
    struct member m[3];
    for (int i = 0; i < 3; i++)
        enter(&m[i], h[i].item, i == 1 ? choose_send : send_it, &h[i], CRESS_FOREVER);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(try_receive(&r), 0);
        CHECK_STR(r.item, h[i].item);
        CHECK_EQ(left(&m[i]), 0);
    }
    CHECK_EQ(cress_chan_size(&c), 0);
    CHECK_EQ(cress_chan_done(&c), 0);
}

static void closing_turns_all_away(void **state)
{
    (void)state;
    cress_chan c = { { 0 } };
    struct hand s = { &c, "item" }, r = { &c, "untouched" };
    struct member a, b;
    enter(&a, "a", receive, &r, CRESS_FOREVER);
    enter(&b, "b", choose_receive, &r, CRESS_FOREVER);
    CHECK_EQ(cress_chan_close(&c), 0);
    CHECK_EQ(cress_chan_close(&c), 0);
    CHECK_EQ(left(&a), -EPIPE);
    CHECK_EQ(left(&b), -EPIPE);
    CHECK_STR(r.item, "untouched");
    CHECK_EQ(send_it(&s, CRESS_FOREVER), -EPIPE);
    CHECK_EQ(choose_send(&s, CRESS_FOREVER), -EPIPE);
    CHECK_EQ(receive(&r, CRESS_FOREVER), -EPIPE);
    CHECK_EQ(choose_receive(&r, 0), -EPIPE);
    CHECK_EQ(cress_chan_init(&c, 1, 0, 0), 0);
    CHECK_EQ(send_it(&s, 0), 0);
    enter(&a, "a", send_it, &s, CRESS_FOREVER);
    enter(&b, "b", choose_send, &s, CRESS_FOREVER);
    CHECK_EQ(cress_chan_close(&c), 0);
    CHECK_EQ(left(&a), -EPIPE);
    CHECK_EQ(left(&b), -EPIPE);
    CHECK_EQ(receive(&r, CRESS_FOREVER), 0); /* what was in is drained */
    CHECK_STR(r.item, "item");
    CHECK_EQ(receive(&r, CRESS_FOREVER), -EPIPE);
    CHECK_EQ(cress_chan_done(&c), 0);
}

static void an_item_that_was_handed_over_survives_a_kill(void **state)
{
    (void)state;
    cress_chan c = { { 0 } };
    struct hand s = { &c, "item" }, r = { &c, NULL }, r2 = { &c, NULL };
    struct member a, b;
    enter(&a, "a", receive, &r, CRESS_FOREVER);
    CHECK_EQ(cress_kill(a.g, 0), 0);
    CHECK_EQ(try_send(&s), 0);
    CHECK_EQ(left(&a), 0);
    CHECK_STR(r.item, "item");
    enter(&a, "a", send_it, &s, CRESS_FOREVER);
    CHECK_EQ(cress_kill(a.g, 0), 0);
    CHECK_EQ(try_receive(&r2), 0);
    CHECK_EQ(left(&a), 0);
    enter(&a, "a", choose_receive, &r, CRESS_FOREVER);
    enter(&b, "b", receive, &r2, CRESS_FOREVER);
    CHECK_EQ(cress_kill(a.g, CRESS_FOREVER), 0);
    CHECK_EQ(left(&a), -ECANCELED);
    s.item = "second";
    CHECK_EQ(try_send(&s), 0);
    CHECK_EQ(left(&b), 0);
    CHECK_STR(r2.item, "second");
}

/* --- choices --------------------------------------------------------------------------------- */

static void two_choices_meet_once(void **state)
{
    (void)state;
    cress_chan c = { { 0 } };
    struct hand s = { &c, "item" }, r = { &c, NULL }, r2 = { &c, NULL };
    struct member a, b, d;
    enter(&a, "a", choose_receive, &r, CRESS_FOREVER);
    enter(&b, "b", choose_receive, &r2, CRESS_FOREVER);
    enter(&d, "d", choose_send, &s, CRESS_FOREVER);
    CHECK_EQ(left(&d), 0);
    CHECK_EQ(left(&a), 0);
    CHECK_STR(r.item, "item");
    CHECK(!cress_ready(b.g));
    CHECK_EQ(try_send(&s), 0); /* a choice that waits is one who receives */
    CHECK_EQ(left(&b), 0);
    enter(&d, "d", choose_send, &s, CRESS_FOREVER);
    CHECK_EQ(try_receive(&r), 0);
    CHECK_EQ(left(&d), 0);
}

struct many {
    cress_chan c[8];
    intptr_t items[8];
};

static int choose_of_eight(void *arg, cress_time timeout)
{
    struct many *m = arg;
    cress_case cases[8];
    for (int i = 0; i < 8; i++)
        cases[i] = cress_on_chan_recv(&m->c[i], &m->items[i]);
    return cress_choose(cases, 8, timeout);
}

static void a_choice_takes_one_and_leaves_the_others_as_they_were(void **state)
{
    (void)state;
    struct many many = { 0 };
    int times[8] = { 0 };
    struct hand h[8];
    struct member m[8];
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(cress_chan_init(&many.c[i], 1, 0, 0), 0);
        CHECK_EQ(cress_chan_try_send(&many.c[i], (void *)(intptr_t)(i + 1)), 0);
    }
    for (int k = 0; k < 8000; k++) {
        int i = choose_of_eight(&many, CRESS_FOREVER);
        CHECK_EQ(many.items[i], i + 1);
        many.items[i] = 0;
        for (int j = 0; j < 8; j++) {
            CHECK_EQ(cress_chan_size(&many.c[j]), j != i);
            CHECK_EQ(many.items[j], 0);
        }
        CHECK_EQ(cress_chan_try_send(&many.c[i], (void *)(intptr_t)(i + 1)), 0);
        times[i]++;
    }
    for (int i = 0; i < 8; i++) { /* ties are fair */
        CHECK_GT(times[i], 800);
        CHECK_LT(times[i], 1200);
        CHECK_EQ(cress_chan_done(&many.c[i]), 0);
    }
    struct member chooser;
    enter(&chooser, "chooser", choose_of_eight, &many, CRESS_FOREVER);
    for (int i = 0; i < 8; i++) {
        h[i] = (struct hand){ &many.c[i], "x" };
        enter(&m[i], "sender", send_it, &h[i], CRESS_MS(5));
    }
    CHECK_EQ(left(&chooser), 0); /* the first who came */
    for (int i = 0; i < 8; i++)
        CHECK_EQ(left(&m[i]), i == 0 ? 0 : -ETIMEDOUT);
}

static void a_choice_of_sends_and_receives_and_time(void **state)
{
    (void)state;
    cress_chan in = { { 0 } }, out = { { 0 } };
    cress_sem sem = { { 0 } };
    cress_event event = { { 0 } };
    struct hand r = { &out, NULL };
    struct member m;
    intptr_t item = 0;
    cress_case cases[] = { cress_on_chan_recv(&in, &item), cress_on_chan_send(&out, "sent"),
                           cress_on_sem(&sem), cress_on_event(&event),
                           cress_on_timer(CRESS_MS(3)) };
    CHECK_EQ(cress_choose(cases, 5, CRESS_FOREVER), 4);
    enter(&m, "receiver", receive, &r, CRESS_FOREVER);
    CHECK_EQ(cress_choose(cases, 5, CRESS_FOREVER), 1);
    CHECK_EQ(left(&m), 0);
    CHECK_STR(r.item, "sent");
    CHECK_EQ(cress_event_set(&event), 0);
    CHECK_EQ(cress_choose(cases, 5, CRESS_FOREVER), 3);
    CHECK_EQ(cress_event_clear(&event), 0);
    CHECK_EQ(cress_sem_release(&sem), 0);
    CHECK_EQ(cress_choose(cases, 5, 0), 2);
    CHECK_EQ(cress_choose(cases, 5, 0), -EAGAIN);
    /* The same channel both ways does not meet itself. */
    cress_case both[] = { cress_on_chan_recv(&in, &item), cress_on_chan_send(&in, "x") };
    CHECK_EQ(cress_choose(both, 2, CRESS_MS(1)), -ETIMEDOUT);
    CHECK_EQ(item, 0);
}

static int watch_both(void *hand, cress_time timeout)
{
    const struct hand *h = hand;
    const char *item;
    cress_case cases[] = { cress_on_chan_recv(h->c, &item), cress_on_chan_send(h->c, "never") };
    size_t ready = 9;
    return (int)cress_wait(cases, 2, 1, timeout, &ready) == 1 ? (int)ready : -ETIMEDOUT;
}

static void who_only_looks_takes_no_part(void **state)
{
    (void)state;
    cress_chan c = { { 0 } };
    struct hand s = { &c, "item" }, r = { &c, NULL };
    struct member w, v, m;
    enter(&w, "w", watch_both, &s, CRESS_FOREVER);
    enter(&v, "v", watch_both, &s, CRESS_MS(2));
    CHECK_EQ(try_send(&s), -EAGAIN);
    CHECK_EQ(try_receive(&r), -EAGAIN);
    CHECK_EQ(left(&v), -ETIMEDOUT);
    enter(&m, "m", choose_send, &s, CRESS_FOREVER);
    CHECK_EQ(left(&w), 0); /* something can be received */
    CHECK_EQ(try_receive(&r), 0);
    CHECK_EQ(left(&m), 0);
    enter(&w, "w", watch_both, &s, CRESS_FOREVER);
    enter(&m, "m", receive, &r, CRESS_FOREVER);
    CHECK_EQ(left(&w), 1); /* something can be sent */
    CHECK_EQ(try_send(&s), 0);
    CHECK_EQ(left(&m), 0);
    enter(&w, "w", watch_both, &s, CRESS_FOREVER);
    CHECK_EQ(cress_chan_close(&c), 0);
    CHECK_GE(left(&w), 0);
}

static void wrong_arguments_and_threads_are_refused(void **state)
{
    (void)state;
    cress_chan c = { { 0 } };
    struct hand s = { &c, "item" }, r = { &c, NULL };
    struct member m;
    CHECK_EQ(cress_chan_init(NULL, 0, 0, 0), -EINVAL);
    CHECK_EQ(cress_chan_init(&c, 0, 0, CRESS_FAIR), -EINVAL);
    CHECK_EQ(cress_chan_send(NULL, NULL, 0), -EINVAL);
    CHECK_EQ(cress_chan_send(&c, NULL, -1), -EINVAL);
    CHECK_EQ(cress_chan_recv(NULL, &c, 0), -EINVAL);
    CHECK_EQ(cress_chan_recv(&c, NULL, 0), -EINVAL);
    CHECK_EQ(cress_chan_recv(&c, &r, -1), -EINVAL);
    CHECK_EQ(cress_chan_close(NULL), -EINVAL);
    CHECK_EQ(cress_chan_size(NULL), 0);
    CHECK_EQ(cress_chan_done(NULL), 0);
    cress_case none = cress_on_chan_recv(&c, NULL);
    CHECK_EQ(cress_choose(&none, 1, 0), -EINVAL);
    CHECK_EQ(cress_chan_init(&c, 0, 4, 0), 0);
    CHECK_EQ(cress_chan_send(&c, NULL, 0), -EINVAL);
    none = cress_on_chan_send(&c, NULL);
    CHECK_EQ(cress_choose(&none, 1, 0), -EINVAL);
    CHECK_EQ(cress_chan_init(&c, 0, 0, 0), 0);
    enter(&m, "m", receive, &r, CRESS_FOREVER);
    CHECK_EQ(cress_chan_done(&c), -EBUSY);
    CHECK_EQ(elsewhere(try_send, &s), -EXDEV);
    CHECK_EQ(elsewhere(try_receive, &r), -EXDEV);
    CHECK_EQ(try_send(&s), 0);
    CHECK_EQ(left(&m), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CROWD_TEST(who_sends_goes_on_after_who_receives),
        CROWD_TEST(the_same_when_the_receiver_came_first),
        CROWD_TEST(a_meeting_lets_others_run_whoever_came_first),
        CROWD_TEST(nothing_is_ever_in_an_unbuffered_one),
        CROWD_TEST(a_buffer_holds_so_many),
        CROWD_TEST(senders_are_let_into_the_buffer_in_their_order),
        CROWD_TEST(closing_turns_all_away),
        CROWD_TEST(an_item_that_was_handed_over_survives_a_kill),
        CROWD_TEST(two_choices_meet_once),
        CROWD_TEST(a_choice_takes_one_and_leaves_the_others_as_they_were),
        CROWD_TEST(a_choice_of_sends_and_receives_and_time),
        CROWD_TEST(who_only_looks_takes_no_part),
        CROWD_TEST(wrong_arguments_and_threads_are_refused),
    };
    return RUN_TESTS_APART(tests);
}
