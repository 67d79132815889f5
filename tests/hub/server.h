/* server - a thread whose hub does nothing itself, and serves others until it is stopped.
 *
 *     struct server s;
 *     server_start(&s);
 *     ... s.hub ...
 *     server_stop(&s);
 */
#ifndef TESTS_HUB_SERVER_H
#define TESTS_HUB_SERVER_H

#include "hub/told.h"
#include "hub/workers.h"

struct server {
    pthread_t thread;
    cress_hub *hub;
    sem_t ready;
    int run, abandoned;
    cress_time grace;
    struct told told;
};

static inline void *server_serve(void *arg)
{
    struct server *s = arg;
    CHECK_EQ(cress_hub_get(&s->hub), 0);
    CHECK_EQ(cress_hub_set_error_hook(NULL, told_hook, &s->told), 0);
    CHECK_EQ(cress_hub_hold(NULL), 0);
    sem_post(&s->ready);
    s->run = cress_run(CRESS_FOREVER);
    s->abandoned = cress_hub_destroy(s->grace);
    return NULL;
}

static inline void server_start(struct server *s)
{
    *s = (struct server){ .grace = CRESS_SECONDS(10) };
    CHECK_EQ(sem_init(&s->ready, 0, 0), 0);
    CHECK_EQ(pthread_create(&s->thread, NULL, server_serve, s), 0);
    sem_take(&s->ready);
}

static inline int server_release(void *arg)
{
    return cress_hub_release(arg);
}

static inline void server_join(struct server *s)
{
    CHECK_EQ(pthread_join(s->thread, NULL), 0);
}

static inline void server_stop(struct server *s)
{
    CHECK_EQ(cress_call_on(s->hub, server_release, NULL), 0);
    server_join(s);
    CHECK_EQ(s->run, 0);
    CHECK_EQ(s->abandoned, 0);
}

#endif
