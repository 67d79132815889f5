/* watch_stat - watchers of what stat(2) tells of a path.
 *
 * Two ways of noticing, always both: inotify(7) where it sees the change, and a look every
 * interval, since nobody sees what a network file system or the other end of a symbolic link does.
 * Whatever wakes us, the answer is the same: watch anew, then stat, then compare with what was told
 * last.
 *
 * A loop has one inotify descriptor while any of its stat watchers is active. Each watcher has two
 * marks there: on the file itself, if there is one, and on its folder, or the nearest one above
 * that exists, for what appears, goes and takes the name of another.
 *
 * (1) A mark belongs to a file and not to a name, so several watchers may have the same. It is
 *     removed when none has it any more.
 * (2) First the marks, then stat: what changes in between is looked at once more.
 * (3) Where inotify refuses (its limits are for all processes of a user), the interval is what is
 *     left.
 * (4) Nothing here runs on much stack: it may be the poller's, a greenlet's.
 */
#include "base/alloc.h"
#include "base/sys.h"
#include "loop/watch.h"

#include <string.h>

enum { NO_MARK = -1, MARKS = 2 };

static const cress_time usual = CRESS_SECONDS(5), least = CRESS_MS(100);

/* One for each loop. */
struct inotify {
    struct own_fd own;
    cress_loop *loop;
    bool broken; /* what it says is not to be had: (3) */
    struct list users;
    _Alignas(struct inotify_event) char events[4096];
};

/* What an active watcher has. */
struct stat_state {
    struct watch *watch;
    struct list among; /* the loop's users of inotify */
    struct timer timer;
    cress_time interval;
    int marks[MARKS]; /* of the file, of the folder */
    struct stat last, now;
    bool was_there;
    size_t length; /* of the path */
    char path[];   /* and the same again, for cutting names off its end */
};

struct watch_stat {
    struct watch watch;
    const char *path;
    cress_time interval;
    struct stat_state *state;
};
_Static_assert(sizeof(struct watch_stat) <= sizeof(cress_watch_stat),
               "cress_watch_stat is too small");

static struct watch_stat *of_watch(struct watch *base)
{
    return container_of(base, struct watch_stat, watch);
}

static struct stat_state *of_among(struct list *node)
{
    return container_of(node, struct stat_state, among);
}

/* --- marks ----------------------------------------------------------------------------------- */

static bool in_use(const struct inotify *in, int mark)
{
    for (struct list *n = in->users.next; n != &in->users; n = n->next)
        if (of_among(n)->marks[0] == mark || of_among(n)->marks[1] == mark)
            return true;
    return false;
}

/* (1); what the parent has is not touched */
static void set_mark(struct stat_state *s, int which, int mark)
{
    struct inotify *in = s->watch->callback.loop->inotify;
    int old = s->marks[which];
    s->marks[which] = mark;
    if (old != mark && old != NO_MARK && !in_use(in, old) && in->loop->born == cress__forks)
        sys_inotify_rm_watch(in->own.fd, old);
}

enum {
    OF_FILE =
        IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_CREATE | IN_DELETE | IN_MOVE,
    OF_FOLDER = IN_ONLYDIR | IN_CREATE | IN_DELETE | IN_MOVE | IN_DELETE_SELF | IN_MOVE_SELF
};

static int mark_of(struct inotify *in, const char *path, uint32_t events)
{
    if (in->broken)
        return NO_MARK;
    int mark = sys_inotify_add_watch(in->own.fd, path, events | IN_MASK_ADD);
    return mark < 0 ? NO_MARK : mark;
}

/* The folder of the path, or the nearest one above it that there is. */
static int mark_nearest(struct inotify *in, struct stat_state *s)
{
    char *path = s->path + s->length + 1;
    memcpy(path, s->path, s->length + 1);
    for (size_t n = s->length;;) {
        while (n > 0 && path[n - 1] == '/')
            n--;
        while (n > 0 && path[n - 1] != '/')
            n--;
        path[n] = '\0'; /* with its slash, if there is one */
        int mark = mark_of(in, n > 0 ? path : ".", OF_FOLDER);
        if (mark != NO_MARK || n == 0 || (n == 1 && path[0] == '/') || in->broken)
            return mark;
    }
}

/* A folder that appears between two tries would go unnoticed: until both find the same. */
static void set_marks(struct stat_state *s)
{
    struct inotify *in = s->watch->callback.loop->inotify;
    enum { TRIES = 8 };
    for (int i = 0; i < TRIES; i++) {
        int mark = mark_nearest(in, s);
        bool same = mark == s->marks[1];
        set_mark(s, 1, mark);
        if (same)
            break;
    }
    set_mark(s, 0, mark_of(in, s->path, OF_FILE));
}

/* --- comparing ------------------------------------------------------------------------------- */

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* Being read is no change. */
static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mode == b->st_mode &&
           a->st_nlink == b->st_nlink && a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
           a->st_rdev == b->st_rdev && a->st_size == b->st_size &&
           same_time(a->st_mtim, b->st_mtim) && same_time(a->st_ctim, b->st_ctim);
}

/* Whether the path is another than when last asked. An error other than that it is not there (out
 * of memory, or of rights for a moment) says nothing. */
static bool has_changed(struct stat_state *s)
{
    set_marks(s); /* (2) */
    int error = sys_stat(s->path, &s->now);
    if (error < 0 && error != -ENOENT && error != -ENOTDIR)
        return false;
    bool is_there = error == 0;
    bool changed = is_there != s->was_there || (is_there && !same_file(&s->now, &s->last));
    s->was_there = is_there;
    s->last = s->now;
    return changed;
}

static void look(struct stat_state *s)
{
    if (has_changed(s))
        watch_ready(s->watch, 0);
}

static void interval_over(struct timer *timer)
{
    struct stat_state *s = container_of(timer, struct stat_state, timer);
    timer_start(&s->watch->callback.loop->timers, timer, s->interval);
    look(s);
}

/* --- inotify --------------------------------------------------------------------------------- */

/* A mark was told; one that has gone is nobody's. Or all of them: events were lost. */
static void told(struct inotify *in, const struct inotify_event *e)
{
    for (struct list *n = in->users.next; n != &in->users; n = n->next) {
        struct stat_state *s = of_among(n);
        bool all = e->mask & IN_Q_OVERFLOW, concerned = all;
        for (int i = 0; i < MARKS; i++) {
            concerned |= s->marks[i] == e->wd;
            if (s->marks[i] == e->wd && (e->mask & IN_IGNORED))
                s->marks[i] = NO_MARK;
        }
        if (concerned)
            look(s);
    }
}

static void readable(struct fd_wait *wait, int events)
{
    struct inotify *in = container_of(wait, struct inotify, own.wait);
    if (events < 0)
        return; /* the poller has lost it: the interval is left */
    ssize_t n = sys_read(in->own.fd, in->events, sizeof in->events);
    /* What is left is told again, see own_fd. */
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *e = (const struct inotify_event *)(void *)(in->events + at);
        at += (ssize_t)(sizeof *e + e->len);
        told(in, e);
    }
}

static void open_inotify(struct inotify *in)
{
    int fd = sys_inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    in->broken = fd < 0 || own_fd_watch(&in->own, in->loop, fd, readable) < 0;
}

static int join_inotify(struct stat_state *s, cress_loop *loop)
{
    if (loop->inotify == NULL) {
        struct inotify *in = cress__malloc(sizeof *in);
        if (in == NULL)
            return -ENOMEM;
        in->loop = loop;
        list_init(&in->users);
        open_inotify(in);
        loop->inotify = in;
    }
    list_push(&loop->inotify->users, &s->among);
    return 0;
}

static void leave_inotify(struct stat_state *s, cress_loop *loop)
{
    struct inotify *in = loop->inotify;
    set_mark(s, 0, NO_MARK);
    set_mark(s, 1, NO_MARK);
    list_remove(&s->among);
    if (!list_empty(&in->users))
        return;
    if (!in->broken)
        own_fd_close(&in->own, loop);
    loop->inotify = NULL;
    cress__free(in);
}

/* The first of them in a child makes a new one for all: marks are the old one's. */
static void forked(struct watch *base)
{
    struct stat_state *s = of_watch(base)->state;
    struct inotify *in = base->callback.loop->inotify;
    if (in->users.next == &s->among) {
        if (!in->broken)
            own_fd_close(&in->own, in->loop);
        open_inotify(in);
        for (struct list *n = in->users.next; n != &in->users; n = n->next)
            of_among(n)->marks[0] = of_among(n)->marks[1] = NO_MARK;
    }
    look(s);
}

void watch_bury(cress_loop *loop)
{
    if (loop->inotify != NULL && !loop->inotify->broken)
        sys_close(loop->inotify->own.fd);
}

/* --- the watcher ----------------------------------------------------------------------------- */

static int start(struct watch *base)
{
    struct watch_stat *w = of_watch(base);
    cress_loop *loop = base->callback.loop;
    size_t length = strlen(w->path);
    struct stat_state *s = cress__calloc(1, sizeof *s + 2 * (length + 1));
    if (s == NULL)
        return -ENOMEM;
    s->watch = base;
    s->length = length;
    s->interval = w->interval;
    s->marks[0] = s->marks[1] = NO_MARK;
    memcpy(s->path, w->path, length);
    int error = join_inotify(s, loop);
    if (error < 0) {
        cress__free(s);
        return error;
    }
    w->state = s;
    has_changed(s); /* than nothing: from here on */
    timer_init(&s->timer, interval_over);
    if (s->interval != CRESS_FOREVER)
        timer_start(&loop->timers, &s->timer, s->interval);
    return 0;
}

static void stop(struct watch *base)
{
    struct stat_state *s = of_watch(base)->state;
    cress_loop *loop = base->callback.loop;
    leave_inotify(s, loop);
    timer_remove(&loop->timers, &s->timer);
    cress__free(s);
    of_watch(base)->state = NULL;
}

static const struct watch_kind kind = {
    .name = "stat watcher", .start = start, .stop = stop, .forked = forked
};

int cress_watch_stat_init(cress_watch_stat *public, cress_loop *loop, const char *path,
                          cress_time interval, cress_watch_fn fn, void *arg)
{
    if (path == NULL || *path == '\0' || interval < 0)
        return -EINVAL;
    int error = watch_init(watch_of(public), &kind, loop, fn, arg);
    if (error < 0)
        return error;
    struct watch_stat *w = of_watch(watch_inside(&public->watch));
    w->path = path;
    w->interval = interval == 0 ? usual : interval < least ? least : interval;
    w->state = NULL;
    return 0;
}
