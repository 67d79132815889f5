/* map - one function for many arguments, in the members of a group: apply, map, imap.
 *
 * A member runs the user's function itself; how it ended is seen when it leaves the group.
 */
#include "sync/group.h"

#include "base/alloc.h"
#include "base/options.h"

int cress_group_apply(cress_group *public, cress_fn fn, void *arg, void **value, int *error)
{
    struct group *group = group_inside(public);
    int failed = fn != NULL ? group_check(group) : -EINVAL;
    if (failed < 0)
        return failed;
    if (group_has(group, cress_current())) {
        void *returned = fn(arg);
        if (value != NULL)
            *value = returned;
        if (error != NULL)
            *error = 0;
        return 0;
    }
    struct cress_greenlet *g;
    if ((failed = wait_begins()) < 0 ||
        (failed = group_spawn(group, NULL, fn, arg, CRESS_FOREVER, NULL, NULL, &g)) < 0)
        return failed;
    failed = cress_get(g, CRESS_FOREVER, value, error);
    greenlet_release(g);
    return failed;
}

/* --- map ------------------------------------------------------------------------------------- */

struct map_task {
    struct map *map;
    struct cress_greenlet *g; /* its membership holds it */
    void *value;
    int error;
    bool over;
};

struct map {
    struct guard guard;
    struct line line; /* the caller, when it waits for the last */
    size_t left;
    bool abandoned; /* the caller could not wait: the last one frees it */
    struct map_task tasks[];
};

static void map_ended(void *arg, struct cress_greenlet *g)
{
    struct map_task *task = arg;
    struct map *map = task->map;
    task->value = cress_value(g);
    task->error = cress_error(g);
    task->over = true;
    if (--map->left > 0)
        return;
    if (map->abandoned)
        cress__free(map);
    else
        line_grant_all(&map->line, &map->guard);
}

static int wait_for_all(struct map *map, bool firm)
{
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error < 0 || map->left == 0)
        return error;
    if (!firm && (error = line_enter(&map->guard, &h)) < 0)
        return error;
    struct waiting w;
    waiting_init(&w, "mapping", NULL);
    return firm ? line_wait_firmly(&map->line, &map->guard, &w, h)
                : line_wait(&map->line, &map->guard, &w, h, CRESS_FOREVER);
}

static int run_all(struct map *map, struct group *group, cress_fn fn, void *const *args, size_t n)
{
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error == 0)
        error = wait_begins();
    for (size_t i = 0; i < n && error == 0; i++) {
        struct map_task *task = &map->tasks[i];
        task->map = map;
        map->left++;
        error = group_spawn(group, NULL, fn, args[i], CRESS_FOREVER, map_ended, task, &task->g);
        if (error < 0)
            map->left--;
        else
            greenlet_release(task->g);
    }
    if (error == 0)
        error = wait_for_all(map, false);
    for (size_t i = 0; i < n && error < 0; i++)
        if (map->tasks[i].g != NULL && !map->tasks[i].over)
            greenlet_kill(h, map->tasks[i].g);
    if (error < 0 && map->left > 0)
        wait_for_all(map, true);
    return error;
}

int cress_group_map(cress_group *public, cress_fn fn, void *const *args, size_t n, void **results,
                    int *errors)
{
    struct group *group = group_inside(public);
    int error = fn != NULL && (args != NULL || n == 0) ? group_check(group) : -EINVAL;
    if (error < 0 || n == 0)
        return error;
    if (group_has(group, cress_current()) && cress_pool_available(public) == 0)
        return -EDEADLK;
    struct map *map = n <= SIZE_MAX / 2 / sizeof map->tasks[0]
                          ? cress__calloc(1, sizeof *map + n * sizeof map->tasks[0])
                          : NULL;
    if (map == NULL)
        return -ENOMEM;
    error = run_all(map, group, fn, args, n);
    for (size_t i = 0; i < n && error == 0; i++) {
        if (results != NULL)
            results[i] = map->tasks[i].value;
        if (errors != NULL)
            errors[i] = map->tasks[i].error;
    }
    for (size_t i = 0; i < n && error == 0; i++)
        error = map->tasks[i].error;
    map->abandoned = map->left > 0;
    if (!map->abandoned)
        cress__free(map);
    return error;
}

/* --- imap ------------------------------------------------------------------------------------ */

enum side { CONSUMES, FEEDS };

/* From the heap: members may outlive whoever goes through their results. */
struct imap {
    size_t refs; /* the handle, the feeder, each member that runs */
    struct group *group;
    cress_fn fn;
    cress_source_fn source;
    void *arg;
    struct list tasks; /* in the order in which they began */
    struct list over;  /* of an unordered one: in that in which they ended, no longer in `tasks` */
    struct guard guard;
    struct line consumers, feeders;
    struct cress_greenlet *feeder; /* a reference until it is through */
    size_t ahead, begun;           /* at most; and not fetched yet */
    int32_t error;                 /* of the source */
    bool unordered, abandoned;
};

struct task {
    struct imap *imap;
    struct list node;
    struct cress_greenlet *g; /* its membership holds it; NULL: not begun */
    void *value;
    int32_t error;
    bool over;
};
_Static_assert(sizeof(struct imap *) <= sizeof(cress_imap), "cress_imap is too small");

static struct imap **handle(cress_imap *imap)
{
    return (struct imap **)(void *)imap;
}

static void release(struct imap *imap)
{
    if (--imap->refs == 0)
        cress__free(imap);
}

/* The task that is told next; NULL: it is not over, or there is none. */
static struct task *next_task(const struct imap *imap)
{
    const struct list *from = imap->unordered ? &imap->over : &imap->tasks;
    struct task *t = list_empty(from) ? NULL : container_of(from->next, struct task, node);
    return t != NULL && t->over ? t : NULL;
}

/* Whether the next call can tell something. */
static bool tells(const struct imap *imap)
{
    return next_task(imap) != NULL || (imap->feeder == NULL && list_empty(&imap->tasks));
}

static void tell(struct imap *imap)
{
    if (tells(imap))
        line_grant_all(&imap->consumers, &imap->guard);
}

static void task_ended(void *arg, struct cress_greenlet *g)
{
    struct task *t = arg;
    struct imap *imap = t->imap;
    t->value = cress_value(g);
    t->error = cress_error(g);
    t->over = true;
    if (imap->abandoned) {
        list_remove(&t->node);
        cress__free(t);
    } else {
        if (imap->unordered) {
            list_remove(&t->node);
            list_push(&imap->over, &t->node);
        }
        tell(imap);
    }
    release(imap);
}

static int wait_in(struct imap *imap, enum side side, cress_time timeout)
{
    struct cress_hub *h;
    int error = line_enter(&imap->guard, &h);
    if (error < 0)
        return error;
    struct waiting w;
    waiting_init(&w, side == FEEDS ? "being far enough ahead" : "waiting for the next result",
                 NULL);
    w.place.kind = (uint8_t)side;
    return line_wait(side == FEEDS ? &imap->feeders : &imap->consumers, &imap->guard, &w, h,
                     timeout);
}

/* One more item. 1; 0, there are no more; or why not. */
static int feed_one(struct imap *imap)
{
    while (imap->ahead > 0 && imap->begun >= imap->ahead) {
        int error = wait_in(imap, FEEDS, CRESS_FOREVER);
        if (error < 0)
            return error;
    }
    void *item = NULL;
    int more = imap->source(imap->arg, &item);
    if (more <= 0)
        return more;
    struct task *t = cress__calloc(1, sizeof *t);
    if (t == NULL)
        return -ENOMEM;
    t->imap = imap;
    imap->begun++;
    imap->refs++;
    list_push(&imap->tasks, &t->node);
    struct cress_greenlet *g;
    int error = group_spawn(imap->group, NULL, imap->fn, item, CRESS_FOREVER, task_ended, t, &g);
    if (error < 0) {
        list_remove(&t->node);
        cress__free(t);
        imap->begun--;
        imap->refs--;
        return error;
    }
    if (g->outcome == CRESS_ALIVE) {
        t->g = g;
        if (imap->abandoned)
            greenlet_kill(hub_current(), g);
    }
    greenlet_release(g);
    return 1;
}

static void feeder_is_through(struct imap *imap)
{
    struct cress_greenlet *g = imap->feeder;
    imap->feeder = NULL;
    tell(imap);
    release(imap);
    greenlet_release(g);
}

static void *feed(void *arg)
{
    struct imap *imap = arg;
    int more;
    while ((more = feed_one(imap)) > 0 && !imap->abandoned)
        continue;
    imap->error = more < 0 ? more : 0;
    return NULL;
}

/* The feeder has ended, on whichever way: its end is seen as a member's is. */
struct feeder_link {
    struct greenlet_link link;
    struct imap *imap;
};

static void feeder_ended(struct greenlet_link *link)
{
    struct feeder_link *l = container_of(link, struct feeder_link, link);
    struct imap *imap = l->imap;
    cress__free(l);
    feeder_is_through(imap);
}

static int begin(cress_group *group, cress_imap *public, cress_fn fn, cress_source_fn source,
                 void *arg, const cress_imap_options *options, bool unordered)
{
    cress_imap_options o = CRESS_IMAP_OPTIONS_INIT;
    if (public == NULL || fn == NULL || source == NULL || options_take(&o, sizeof o, options) < 0)
        return -EINVAL;
    int error = group_check(group_inside(group));
    if (error < 0)
        return error;
    struct imap *imap = cress__calloc(1, sizeof *imap);
    struct feeder_link *link = cress__calloc(1, sizeof *link);
    if (imap == NULL || link == NULL)
        error = -ENOMEM;
    else
        error = cress_spawn_with(NULL, feed, imap, &imap->feeder);
    if (error < 0) {
        cress__free(imap);
        cress__free(link);
        return error;
    }
    list_init(&imap->tasks);
    list_init(&imap->over);
    imap->refs = 2;
    imap->group = group_inside(group);
    imap->fn = fn;
    imap->source = source;
    imap->arg = arg;
    imap->ahead = o.ahead;
    imap->unordered = unordered;
    *link = (struct feeder_link){ .link.fire = feeder_ended, .imap = imap };
    greenlet_link(imap->feeder, &link->link);
    *handle(public) = imap;
    return 0;
}

int cress_group_imap(cress_group *group, cress_imap *imap, cress_fn fn, cress_source_fn source,
                     void *arg, const cress_imap_options *options)
{
    return begin(group, imap, fn, source, arg, options, false);
}

int cress_group_imap_unordered(cress_group *group, cress_imap *imap, cress_fn fn,
                               cress_source_fn source, void *arg, const cress_imap_options *options)
{
    return begin(group, imap, fn, source, arg, options, true);
}

int cress_imap_next(cress_imap *public, cress_time timeout, void **value, int *error)
{
    struct imap *imap = public != NULL ? *handle(public) : NULL;
    if (imap == NULL || timeout < 0)
        return -EINVAL;
    int failed = wait_begins();
    if (failed < 0 || (failed = guard_enter(&imap->guard)) < 0)
        return failed;
    cress_time deadline = cress_deadline(timeout), left = timeout;
    while (!tells(imap)) { /* of several who go through it, another one may have fetched it */
        if (left == 0)
            return timeout == 0 ? -EAGAIN : -ETIMEDOUT;
        if ((failed = wait_in(imap, CONSUMES, left)) < 0)
            return failed;
        left = cress_left(deadline);
    }
    struct task *t = next_task(imap);
    if (t == NULL) {
        failed = imap->error != 0 ? imap->error : -ENOENT;
        imap->error = 0;
        return failed;
    }
    if (value != NULL)
        *value = t->value;
    if (error != NULL)
        *error = t->error;
    list_remove(&t->node);
    cress__free(t);
    imap->begun--;
    line_grant_all(&imap->feeders, &imap->guard);
    return 0;
}

void cress_imap_done(cress_imap *public)
{
    struct imap *imap = public != NULL ? *handle(public) : NULL;
    if (imap == NULL)
        return;
    *handle(public) = NULL;
    imap->abandoned = true;
    struct list todo, *node;
    list_init(&todo);
    list_splice(&todo, &imap->over);
    list_splice(&todo, &imap->tasks);
    while ((node = list_pop(&todo)) != NULL) {
        struct task *t = container_of(node, struct task, node);
        if (t->over)
            cress__free(t);
        else if (t->g != NULL) /* else it is about to begin: the feeder sees to it */
            greenlet_kill(hub_current(), t->g); /* which may be its end, and the task's */
    }
    if (imap->feeder != NULL)
        greenlet_kill(hub_current(), imap->feeder);
    release(imap);
}
