/* server - accepts connections and runs a greenlet for each.
 *
 * Accepting is a callback, not a greenlet: an io watcher on the listener, active exactly while a
 * connection may be taken. So everything that pauses it, a stop, a bound on handlers, a back-off,
 * is a condition in may_accept(), and starting and stopping switch nowhere and kill nobody.
 *
 *     IDLE -> STARTED    [cress_server_start]
 *     STARTED -> IDLE    [cress_server_stop; fail, when the listener is gone; the end of the hub]
 *
 * (1) `pause` is active exactly while the server is started: as timer of the back-off, or for ever,
 *     which keeps the hub from thinking that nothing can happen any more.
 * (2) A connection leaves the list, and its fd is closed, by the end of its greenlet, whatever that
 *     end is: it is told synchronously, see greenlet_finish(). Unless its handler has closed the fd
 *     or given it away, which another generation in the fd's entry tells.
 * (3) A server is freed only when nobody is inside any of its calls. Who waits in serve_forever is
 *     out of it when it is taken out of `serving`, even if something else has woken it before.
 * (4) The error hook may stop the server and free it: it is told last.
 * (5) In a child process the greenlets of connections are dropped without being ended, but their
 *     links are linked no more. Whoever comes first looks for these: a call, by check(); `forked`,
 *     which is active while `pause` is, and also sees to accepting.
 */
#include "base/alloc.h"
#include "base/closed.h"
#include "base/fork.h"
#include "base/options.h"
#include "base/sys.h"
#include "hub/scope.h"
#include "loop/fds.h"
#include "net/address.h"

#include <cress/io.h>
#include <cress/server.h>

#include <netinet/in.h>
#include <string.h>

enum {
    ACCEPT_RUN = 64, /* so many in a row, then others get a turn */
    PAUSE_FIRST = 10 * 1000 * 1000,
    PAUSE_LAST = 1000 * 1000 * 1000,
};

struct cress_server {
    cress_handler handler;
    void *arg;
    size_t max_handlers;
    bool inline_handlers;
    cress_spawn_options spawn;
    cress_listen_options listen;
    const void *thread; /* as in a loop: the address of something of each thread */

    int fd;       /* the listener; -1: none */
    dev_t device; /* what file it is, */
    ino_t inode;  /* both: see still_ours() */
    cress_watch_io incoming;
    cress_watch_timer pause; /* see (1) */
    cress_watch_fork forked; /* see (5) */
    unsigned forks;          /* as of which fork there are no connections that were dropped */
    cress_time delay;        /* of the last back-off; 0: something has succeeded since */
    bool resting;            /* a back-off is under way */
    bool held;               /* cress_server_stop_accepting() */

    struct list connections; /* whose handlers live */
    size_t running;          /* how many */
    size_t inside;           /* of these, who are in cress_server_stop() themselves */
    size_t stopping;         /* calls of cress_server_stop() under way */
    struct list stoppers;    /* those of them who wait for handlers */
    struct list serving;     /* who waits in cress_server_serve_forever() */

    cress_address at; /* where it listened last; no length: never */
    char name[32];
    char address[]; /* in text form, with the port that was chosen once it was started */
};

/* What a handler's greenlet is given. */
struct connection {
    struct greenlet_link link;
    struct list node; /* in the server's */
    struct cress_server *server;
    struct cress_greenlet *greenlet;
    int fd;
    uint32_t generation; /* of the fd's entry: see (2) */
    cress_address peer;
};

/* Somebody inside a call that waits: a local variable of it. */
struct visit {
    struct cress_server *server;
    cress_coro *co;
    bool stops;              /* it is cress_server_stop() */
    struct connection *self; /* of which the caller is the handler; NULL: none of ours */
    struct list node;        /* in stoppers or serving, while it waits */
    struct wait_info info;
};

static bool started(const struct cress_server *s)
{
    return cress_watch_active(&s->pause.watch); /* (1) */
}

/* --- connections ----------------------------------------------------------------------------- */

/* Accepted fds are ours, so they have an entry. */
static uint32_t generation_of(int fd)
{
    return fds_find(fd)->generation;
}

static void close_served(int fd, uint32_t generation)
{
    if (generation_of(fd) == generation) /* (2) */
        cress_close(fd);
}

static void lose(struct connection *c)
{
    close_served(c->fd, c->generation);
    list_remove(&c->node);
    c->server->running--;
    cress__free(c);
}

/* (5) */
static void lose_dropped(struct cress_server *s)
{
    closed(); /* from now on they are */
    for (struct list *n = s->connections.next, *next; n != &s->connections; n = next) {
        next = n->next;
        struct connection *c = container_of(n, struct connection, node);
        if (!greenlet_linked(&c->link))
            lose(c);
    }
    s->forks = cress__forks;
}

/* 0; -EINVAL; -EXDEV: what every call begins with. */
static int check(struct cress_server *s)
{
    if (s == NULL)
        return -EINVAL;
    if (s->thread != &cress__closed)
        return -EXDEV;
    if (s->forks != cress__forks)
        lose_dropped(s);
    return 0;
}

/* --- waiting --------------------------------------------------------------------------------- */

static void leave(struct visit *v)
{
    list_remove(&v->node);
    if (!v->stops)
        return; /* (3) */
    v->server->stopping--;
    v->server->inside -= v->self != NULL;
}

static void unlink_visit(const struct wait_info *info)
{
    leave(container_of(info, struct visit, info));
}

/* A cancellation point inside of the wait: it may yield, and is to be found while it does. */
static int point(struct cress_hub *h, struct visit *v)
{
    v->co->info = &v->info;
    v->co->flags |= CORO_IN_WAIT;
    int error = scope_point(h, v->co);
    v->co->flags &= (uint8_t)~CORO_IN_WAIT;
    return error;
}

/* Stays in line, unless it is taken out. */
static int wait_in(struct visit *v, struct list *line, cress_time timeout)
{
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error < 0)
        return error;
    v->co = h->thread->current;
    list_remove(&v->node);
    list_push(line, &v->node);
    error = point(h, v);
    if (error < 0 || !list_linked(&v->node))
        return error;
    return hub_park_until(h, v->co, &v->info, timeout);
}

static void wake_all(struct list *line, int why)
{
    struct list *node;
    while ((node = list_pop(line)) != NULL)
        hub_wake(hub_current(), container_of(node, struct visit, node)->co, why);
}

static bool drained(const struct cress_server *s)
{
    return s->running <= s->inside;
}

/* --- accepting, or not ----------------------------------------------------------------------- */

static bool may_accept(const struct cress_server *s)
{
    return started(s) && !s->held && !s->resting &&
           (s->max_handlers == 0 || s->running < s->max_handlers);
}

/* Something has failed that may succeed later: accept nothing for a time, which doubles until
 * something succeeds. */
static void back_off(struct cress_server *s)
{
    if (!started(s) || s->resting)
        return; /* it is the same failure: several were accepted before the first one was met */
    s->delay = s->delay == 0 ? PAUSE_FIRST : s->delay * 2 < PAUSE_LAST ? s->delay * 2 : PAUSE_LAST;
    s->resting = true;
    cress_watch_timer_again(&s->pause, s->delay);
}

/* Make fd known as a listener of ours. */
static int mark(struct cress_server *s, int fd)
{
    struct stat file;
    int error = sys_fstat(fd, &file);
    if (error < 0)
        return error;
    s->device = file.st_dev;
    s->inode = file.st_ino;
    return cress_fd_set_timeout(fd, CRESS_IN, 0); /* it is a callback that accepts */
}

/* Whether the mark is there: cress_close() takes it away, and then the number may be anybody's. */
static bool marked(const struct cress_server *s)
{
    const struct fd_entry *entry = fds_find(s->fd);
    return entry != NULL && entry->timeouts != NULL && entry->timeouts->read == 0;
}

/* And whether it is the same file: of close(2) nobody is told. */
static bool still_ours(const struct cress_server *s)
{
    struct stat now;
    int error = marked(s) ? sys_fstat(s->fd, &now) : -EBADF;
    return error == 0 ? now.st_dev == s->device && now.st_ino == s->inode : error != -EBADF;
}

static void close_listener(struct cress_server *s)
{
    if (s->fd >= 0 && still_ours(s))
        cress_close(s->fd);
    else if (s->fd >= 0 && marked(s))
        fds_forget(fds_find(s->fd)); /* who has the number next is to find nothing of ours */
    s->fd = -1;
}

/* The listener goes; handlers stay. */
static void shut(struct cress_server *s)
{
    cress_watch_stop(&s->incoming.watch);
    cress_watch_stop(&s->pause.watch);
    cress_watch_stop(&s->forked.watch);
    close_listener(s);
}

/* Whether there is no sense in trying again. */
static bool fatal(const struct cress_server *s, int *error)
{
    if (*error < 0 && !still_ours(s))
        *error = -EBADF;
    return *error == -EBADF || *error == -EINVAL || *error == -ENOTSOCK || *error == -EOPNOTSUPP ||
           *error == -EXDEV;
}

/* Accepting has become impossible. */
static void fail(struct cress_server *s, int error)
{
    shut(s);
    wake_all(&s->serving, error);
    hub_report(hub_current(), NULL, "server: the listener has failed", error); /* (4) */
}

/* After any change: accept exactly if it may. The last thing to be done: (4). */
static void settle(struct cress_server *s)
{
    if (may_accept(s) == cress_watch_active(&s->incoming.watch))
        return;
    int error = !may_accept(s)   ? cress_watch_stop(&s->incoming.watch)
                : !still_ours(s) ? -EBADF
                                 : cress_watch_start(&s->incoming.watch);
    if (fatal(s, &error)) {
        fail(s, error);
    } else if (error < 0) {
        back_off(s);
        hub_report(hub_current(), NULL, "server: waiting for connections", error); /* (4) */
    }
}

static int rested(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events;
    struct cress_server *s = arg;
    s->resting = false;
    cress_watch_timer_again(&s->pause, CRESS_FOREVER); /* (1) */
    settle(s);
    return 0;
}

static int on_fork(cress_watch *watch, int events, void *arg)
{
    (void)watch, (void)events;
    struct cress_server *s = arg;
    lose_dropped(s);
    settle(s);
    return 0;
}

/* --- handlers -------------------------------------------------------------------------------- */

static void handle(struct cress_server *s, int fd, const cress_address *peer)
{
    s->delay = 0; /* what may fail has succeeded */
    int error = s->handler(fd, peer, s->arg);
    if (error < 0 && error != -ECONNRESET && error != -EPIPE && error != -ECANCELED)
        hub_report(hub_current(), cress_current(), "server: handler", error);
}

static void *run(void *arg)
{
    struct connection *c = arg;
    handle(c->server, c->fd, &c->peer);
    return NULL;
}

/* (2) */
static void ended(struct greenlet_link *link)
{
    struct connection *c = container_of(link, struct connection, link);
    struct cress_server *s = c->server;
    bool ran = c->greenlet->outcome != CRESS_FAILED || (c->greenlet->flags & GREENLET_STARTED);
    lose(c);
    if (!ran) /* there was no stack for it, which the hook has been told */
        back_off(s);
    if (drained(s))
        wake_all(&s->stoppers, 0);
    settle(s);
}

static int spawn(struct cress_server *s, int fd, const cress_address *peer)
{
    struct connection *c = cress__malloc(sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    *c = (struct connection){
        .link.fire = ended, .server = s, .fd = fd, .generation = generation_of(fd), .peer = *peer
    };
    int error = cress_spawn_with(&s->spawn, run, c, &c->greenlet);
    if (error < 0) {
        cress__free(c);
        return error;
    }
    greenlet_link(c->greenlet, &c->link);
    list_push(&s->connections, &c->node);
    s->running++;
    cress_unref(c->greenlet); /* its end tells us */
    return 0;
}

static void call(struct cress_server *s, int fd, const cress_address *peer)
{
    uint32_t generation = generation_of(fd);
    s->running++;
    s->inside++; /* it may stop the server */
    handle(s, fd, peer);
    s->running--;
    s->inside--;
    close_served(fd, generation);
}

/* Take one connection. 0; or why none was served. */
static int take(struct cress_server *s)
{
    cress_address peer = { .length = sizeof peer.storage };
    int fd = cress_accept(s->fd, (struct sockaddr *)&peer.storage, &peer.length);
    if (fd < 0)
        return fd;
    if (s->inline_handlers) {
        call(s, fd, &peer);
        return 0;
    }
    int error = spawn(s, fd, &peer);
    if (error < 0)
        cress_close(fd);
    return error;
}

static int on_incoming(cress_watch *watch, int events, void *arg)
{
    struct cress_server *s = arg;
    int error = events & CRESS_NVAL ? -ENOMEM : 0; /* or it is gone, which fatal() finds out */
    if (error < 0)
        cress_watch_stop(watch); /* it hears nothing any more */
    for (int i = 0; i < ACCEPT_RUN && error == 0 && may_accept(s); i++)
        error = take(s);
    if (error == -EAGAIN) /* a unix listener that was shut down says no more than that */
        error = events & CRESS_HUP ? -EINVAL : 0;
    if (fatal(s, &error)) {
        fail(s, error);
        return 0;
    }
    if (error < 0)
        back_off(s);
    settle(s);
    if (error < 0)
        hub_report(hub_current(), NULL, "server: accept", error); /* (4) */
    return 0;
}

/* --- beginning ------------------------------------------------------------------------------- */

/* Take over an fd that listens already. */
static int adopt(struct cress_server *s, int fd)
{
    int listens = 0, protocol = 0;
    socklen_t length = sizeof listens;
    int error = sys_getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length);
    if (error == 0 && !listens)
        error = -EINVAL;
    length = sizeof protocol;
    if (error == 0)
        error = sys_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length);
    if (error == 0)
        error = cress_fd_adopt(fd, protocol == IPPROTO_TCP ? CRESS_FD_STREAM_TCP : 0);
    if (error == 0 && (error = mark(s, fd)) < 0)
        cress_fd_release(fd);
    return error;
}

int cress_server_new(const char *address, cress_handler handler, void *arg,
                     const cress_server_options *options, cress_server **out)
{
    cress_server_options o = CRESS_SERVER_OPTIONS_INIT;
    if (handler == NULL || out == NULL || options_take(&o, sizeof o, options) < 0 ||
        o.stack_size > STACK_MAX_USABLE)
        return -EINVAL;
    if (o.has_fd)
        address = "";
    struct address_parts parts;
    int error = o.has_fd ? 0 : address_split(address, &parts);
    if (error < 0)
        return error;
    size_t room = strlen(address) + 1;
    struct cress_server *s =
        cress__calloc(1, sizeof *s + (room > CRESS_ADDRESS_TEXT ? room : CRESS_ADDRESS_TEXT));
    if (s == NULL)
        return -ENOMEM;
    if (o.has_fd && (error = adopt(s, o.listen_fd)) < 0) {
        cress__free(s);
        return error;
    }
    s->handler = handler;
    s->arg = arg;
    s->max_handlers = o.max_handlers;
    s->inline_handlers = o.inline_handlers;
    label_copy(o.name != NULL ? o.name : "server", s->name, sizeof s->name);
    s->spawn = (cress_spawn_options){ .size = sizeof s->spawn,
                                      .name = s->name,
                                      .stack_size = o.stack_size };
    s->listen = o.listen;
    s->listen.size = sizeof s->listen;
    s->thread = &cress__closed;
    s->forks = cress__forks;
    s->fd = o.has_fd ? o.listen_fd : -1;
    list_init(&s->connections);
    list_init(&s->stoppers);
    list_init(&s->serving);
    memcpy(s->address, address, room);
    *out = s;
    return 0;
}

/* Watch a listener, from now on ours. */
static int begin(struct cress_server *s, int fd)
{
    cress_loop *loop = &hub_current()->loop;
    cress_address at;
    int error;
    if ((error = cress_address_local(fd, &at)) < 0 || (error = mark(s, fd)) < 0 ||
        (error = cress_watch_io_init(&s->incoming, loop, fd, CRESS_IN, on_incoming, s)) < 0 ||
        (error = cress_watch_timer_init(&s->pause, loop, CRESS_FOREVER, 0, rested, s)) < 0 ||
        (error = cress_watch_fork_init(&s->forked, loop, on_fork, s)) < 0 ||
        (error = cress_watch_start(&s->incoming.watch)) < 0 ||
        (error = cress_watch_start(&s->forked.watch)) < 0 ||
        (error = cress_watch_start(&s->pause.watch)) < 0)
        return error;
    char text[CRESS_ADDRESS_TEXT];
    if (cress_address_format(&at, text, sizeof text) == 0)
        memcpy(s->address, text, sizeof text); /* started again, it takes the same port */
    s->at = at;
    s->fd = fd;
    s->delay = 0;
    s->resting = s->held = false;
    settle(s); /* handlers of last time may be all that are allowed */
    return 0;
}

int cress_server_start(cress_server *s)
{
    int error = check(s);
    if (error < 0)
        return error;
    if (started(s) || s->stopping > 0)
        return -EALREADY;
    if ((error = hub_get(&(struct cress_hub *){ NULL })) < 0)
        return error;
    if (s->fd >= 0 && !still_ours(s))
        close_listener(s); /* somebody has closed it since */
    int fd = s->fd >= 0 ? s->fd : cress_listen(s->address, &s->listen);
    if (fd < 0)
        return fd;
    if ((error = begin(s, fd)) < 0 && s->fd < 0)
        cress_close(fd);
    return error;
}

int cress_server_serve_forever(cress_server *s)
{
    int error = check(s);
    if (error == 0)
        error = hub_enter(&(struct cress_hub *){ NULL });
    if (error == 0 && !started(s))
        error = cress_server_start(s);
    if (error < 0)
        return error;
    struct visit v = { .server = s, .info = { .what = "serving", .unlink = unlink_visit } };
    error = wait_in(&v, &s->serving, CRESS_FOREVER);
    if (!list_linked(&v.node))
        return error; /* (3) */
    list_remove(&v.node);
    if (error == -ECANCELED)
        cress_server_stop(s, 0);
    return error;
}

/* --- ending ---------------------------------------------------------------------------------- */

/* The connection of which this is the handler; NULL: none of ours. */
static struct connection *own_connection(struct cress_server *s)
{
    const struct cress_greenlet *self = cress_current();
    for (struct list *n = s->connections.next; n != &s->connections; n = n->next) {
        struct connection *c = container_of(n, struct connection, node);
        if (c->greenlet == self)
            return c;
    }
    return NULL;
}

static void kill_handlers(struct cress_server *s, const struct connection *own)
{
    for (struct list *n = s->connections.next, *next; n != &s->connections; n = next) {
        next = n->next; /* one that has not started ends here and now */
        struct connection *c = container_of(n, struct connection, node);
        if (c != own)
            cress_kill(c->greenlet, 0);
    }
}

static int wait_for_handlers(struct visit *v, cress_time timeout)
{
    struct cress_server *s = v->server;
    cress_time deadline = cress_deadline(timeout);
    int error = 0;
    for (; error == 0 && !drained(s); timeout = cress_left(deadline))
        error = timeout == 0 ? -ETIMEDOUT : wait_in(v, &s->stoppers, timeout);
    return error;
}

int cress_server_stop(cress_server *s, cress_time grace)
{
    int error = check(s);
    if (error == 0 && grace < 0)
        error = -EINVAL;
    if (error < 0 || (!started(s) && s->running == 0))
        return error;
    struct visit v = { .server = s,
                       .stops = true,
                       .self = own_connection(s),
                       .info = { .what = "stopping a server", .unlink = unlink_visit } };
    if (s->running > s->inside + (v.self != NULL) &&
        (error = hub_enter(&(struct cress_hub *){ NULL })) < 0)
        return error;
    if (started(s))
        shut(s);
    s->stopping++;
    s->inside += v.self != NULL;
    error = wait_for_handlers(&v, grace);
    if (!drained(s)) {
        kill_handlers(s, v.self);
        if (error != -ECANCELED)
            error = wait_for_handlers(&v, CRESS_FOREVER);
    }
    leave(&v);
    wake_all(&s->serving, 0);
    return error;
}

int cress_server_stop_accepting(cress_server *s)
{
    int error = check(s);
    if (error < 0 || !started(s))
        return error < 0 ? error : -EINVAL;
    s->held = true;
    settle(s);
    return 0;
}

int cress_server_start_accepting(cress_server *s)
{
    int error = check(s);
    if (error < 0 || !started(s))
        return error < 0 ? error : -EINVAL;
    s->held = false;
    settle(s);
    return 0;
}

int cress_server_free(cress_server *s)
{
    if (s == NULL)
        return 0;
    int error = check(s);
    if (error < 0)
        return error;
    if (started(s) || s->running > 0 || s->stopping > 0)
        return -EBUSY; /* (3) */
    close_listener(s);
    cress__free(s);
    return 0;
}

/* --- looking --------------------------------------------------------------------------------- */

int cress_server_address(const cress_server *s, cress_address *out)
{
    if (s == NULL || out == NULL || s->at.length == 0)
        return -EINVAL;
    *out = s->at;
    return 0;
}

size_t cress_server_handlers(const cress_server *s)
{
    return check((cress_server *)(uintptr_t)s) == 0 ? s->running : 0;
}
