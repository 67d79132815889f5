#include "sync/group.h"

#include "base/alloc.h"
#include "base/fork.h"
#include "base/options.h"

struct member {
    struct greenlet_link link;
    struct list node; /* in group.members */
    struct group *group;
    struct cress_greenlet *g; /* a reference */
    member_fn ended;
    void *task;
    struct member *next; /* unused */
};

enum kind { ENTER, LOOK };

static size_t size_of(const struct group *group)
{
    return SIZE_MAX - group->spare;
}

static bool has_room(const struct group *group)
{
    return group->n + group->reserved < size_of(group);
}

static void let_in(struct group *group)
{
    struct place *p;
    while (has_room(group) && (p = line_first(&group->entrants)) != NULL)
        if (p->kind == LOOK) {
            line_settle(&group->entrants, &group->guard, p, 0);
        } else {
            line_grant(&group->entrants, &group->guard, p);
            group->reserved++;
        }
}

static struct member *member_of(struct list *node)
{
    return container_of(node, struct member, node);
}

static struct member *first_member(const struct group *group)
{
    return group->n > 0 ? member_of(group->members.next) : NULL;
}

static void leave(struct member *m)
{
    struct group *group = m->group;
    struct cress_greenlet *g = m->g;
    if (greenlet_linked(&m->link))
        greenlet_unlink(g, &m->link);
    list_remove(&m->node);
    m->next = group->unused;
    group->unused = m;
    group->n--;
    if (m->ended != NULL)
        m->ended(m->task, g);
    let_in(group);
    if (group->n == 0)
        line_grant_all(&group->joiners, &group->guard);
    greenlet_release(g);
}

/* Those that have not started end at once, and leave while we go through: so each goes back to the
 * list before. */
static void kill_all(struct group *group)
{
    struct list todo, *node;
    list_init(&todo);
    if (group->n == 0)
        return;
    list_splice(&todo, &group->members);
    while ((node = list_pop(&todo)) != NULL) {
        list_push(&group->members, node);
        struct cress_greenlet *g = member_of(node)->g;
        if (g->outcome == CRESS_ALIVE)
            greenlet_kill(hub_current(), g);
    }
}

static void member_ended(struct greenlet_link *link)
{
    struct member *m = container_of(link, struct member, link);
    struct group *group = m->group;
    bool first =
        group->flags & CRESS_STRUCTURED && m->g->outcome == CRESS_FAILED && group->error == 0;
    if (first)
        group->error = m->g->error;
    leave(m);
    if (first)
        kill_all(group);
}

/* In a child process those that are not there any more leave. */
static void refresh(struct group *group)
{
    if (likely(group->forks == cress__forks))
        return;
    closed();
    group->forks = cress__forks;
    struct list *head = &group->members;
    for (struct list *node = head->next, *next; group->n > 0 && node != head; node = next) {
        next = node->next;
        if (!greenlet_linked(&member_of(node)->link))
            leave(member_of(node));
    }
}

int group_check(struct group *group)
{
    if (group == NULL)
        return -EINVAL;
    refresh(group);
    const struct member *m = first_member(group);
    if (m != NULL && greenlet_any_coro(m->g)->thread != cress__thread)
        return -EXDEV;
    return guard_enter(&group->guard);
}

static int init(cress_group *public, size_t size, unsigned flags)
{
    struct group *group = group_inside(public);
    if (group == NULL || (flags & ~(unsigned)CRESS_STRUCTURED) != 0)
        return -EINVAL;
    *group = (struct group){ .spare = SIZE_MAX - size, .forks = cress__forks, .flags = flags };
    return 0;
}

int cress_group_init(cress_group *group, unsigned flags)
{
    return init(group, CRESS_UNBOUNDED, flags);
}

int cress_pool_init(cress_pool *pool, size_t size, unsigned flags)
{
    return init(pool, size, flags);
}

int cress_group_done(cress_group *public)
{
    struct group *group = group_inside(public);
    if (group == NULL)
        return 0;
    int error = group_check(group);
    if (error < 0)
        return error;
    if (group->n > 0 || guard_busy(&group->guard))
        return -EBUSY;
    while (group->unused != NULL) {
        struct member *m = group->unused;
        group->unused = m->next;
        cress__free(m);
    }
    *group = (struct group){ 0 };
    return 0;
}

/* --- becoming a member ----------------------------------------------------------------------- */

static void entrant_dropped(struct waiting *w)
{
    struct group *group = container_of(w->guard, struct group, guard);
    if (w->place.granted && w->place.kind == ENTER) {
        group->reserved--;
        let_in(group);
    }
}

static int room_now(struct group *group)
{
    int error = group_check(group);
    if (error < 0)
        return error;
    return has_room(group) ? 0 : -EAGAIN;
}

/* Wait until there is room for one more; to enter, the caller must use or leave it at once. */
static int wait_for_room(struct group *group, cress_time timeout, enum kind kind)
{
    if (timeout < 0)
        return -EINVAL;
    int error = room_now(group);
    if (likely(error != -EAGAIN) || timeout == 0)
        return error;
    struct cress_hub *h;
    if ((error = line_enter(&group->guard, &h)) < 0)
        return error;
    if ((error = room_now(group)) != -EAGAIN) /* others may have run */
        return error;
    struct waiting w;
    waiting_init(&w, "waiting for room in a pool", entrant_dropped);
    w.place.kind = (uint8_t)kind;
    error = line_wait(&group->entrants, &group->guard, &w, h, timeout);
    if (error == 0 && kind == ENTER)
        group->reserved--;
    return error;
}

static struct member *new_member(struct group *group)
{
    struct member *m = group->unused;
    if (m == NULL)
        return cress__malloc(sizeof *m);
    group->unused = m->next;
    return m;
}

static void put_unused(struct group *group, struct member *m)
{
    m->next = group->unused;
    group->unused = m;
    let_in(group); /* the slot that it did not take */
}

static void become(struct group *group, struct member *m, struct cress_greenlet *g, member_fn ended,
                   void *task)
{
    *m = (struct member){
        .link.fire = member_ended, .group = group, .g = g, .ended = ended, .task = task
    };
    if (group->n++ == 0)
        list_init(&group->members);
    group->forks = cress__forks;
    list_push(&group->members, &m->node);
    greenlet_ref(g);
    greenlet_link(g, &m->link);
    if (group->killing > 0 || group->error != 0) /* (3) */
        greenlet_kill(hub_current(), g);
}

int group_spawn(struct group *group, const cress_spawn_options *o, cress_fn fn, void *arg,
                cress_time timeout, member_fn ended, void *task, struct cress_greenlet **out)
{
    struct cress_greenlet *g;
    int error = fn != NULL ? wait_for_room(group, timeout, ENTER) : -EINVAL;
    if (error < 0)
        return error;
    struct member *m = new_member(group);
    if (m == NULL) {
        let_in(group);
        return -ENOMEM;
    }
    if ((error = cress_spawn_with(o, fn, arg, &g)) < 0) {
        put_unused(group, m);
        return error;
    }
    greenlet_ref(g); /* it may end at once */
    become(group, m, g, ended, task);
    if (out != NULL)
        *out = g;
    else
        greenlet_release(g);
    greenlet_release(g);
    return 0;
}

int cress_group_spawn_with(cress_group *group, const cress_spawn_options *options, cress_fn fn,
                           void *arg, cress_time timeout, cress_greenlet **out)
{
    cress_spawn_options o = CRESS_SPAWN_OPTIONS_INIT;
    if (options_take(&o, sizeof o, options) == 0 && o.hub != NULL && o.hub != hub_current())
        return -EXDEV; /* its members are of one thread */
    return group_spawn(group_inside(group), options, fn, arg, timeout, NULL, NULL, out);
}

int cress_group_spawn(cress_group *group, cress_fn fn, void *arg, cress_greenlet **out)
{
    return cress_group_spawn_with(group, NULL, fn, arg, CRESS_FOREVER, out);
}

int cress_pool_spawn(cress_pool *pool, cress_fn fn, void *arg, cress_time timeout,
                     cress_greenlet **out)
{
    return cress_group_spawn_with(pool, NULL, fn, arg, timeout, out);
}

int cress_pool_try_spawn(cress_pool *pool, cress_fn fn, void *arg, cress_greenlet **out)
{
    return cress_group_spawn_with(pool, NULL, fn, arg, 0, out);
}

/* The member that g is; its own list of links is the shorter one to look through. */
static struct member *find(const struct group *group, const struct cress_greenlet *g)
{
    struct list *node = g->links;
    if (node == NULL)
        return NULL;
    do {
        struct greenlet_link *link = container_of(node, struct greenlet_link, node);
        if (link->fire == member_ended) {
            struct member *m = container_of(link, struct member, link);
            if (m->group == group)
                return m;
        }
    } while ((node = node->next) != g->links);
    return NULL;
}

bool group_has(const struct group *group, const struct cress_greenlet *g)
{
    return g != NULL && find(group, g) != NULL;
}

bool cress_group_has(const cress_group *group, const cress_greenlet *g)
{
    return group != NULL && group_has(group_inside(group), g);
}

size_t cress_group_size(const cress_group *group)
{
    return group != NULL ? group_inside(group)->n : 0;
}

int cress_group_add(cress_group *public, cress_greenlet *g, cress_time timeout)
{
    struct group *group = group_inside(public);
    if (group == NULL || g == NULL)
        return -EINVAL;
    if (greenlet_any_coro(g)->thread != cress__thread)
        return -EXDEV;
    if (g == cress_main())
        return -EINVAL;
    if (group_has(group, g))
        return -EALREADY;
    int error = wait_for_room(group, timeout, ENTER);
    if (error < 0)
        return error;
    struct member *m = g->outcome == CRESS_ALIVE ? new_member(group) : NULL;
    if (m != NULL)
        become(group, m, g, NULL, NULL);
    else
        let_in(group);
    return m == NULL && g->outcome == CRESS_ALIVE ? -ENOMEM : 0;
}

int cress_pool_try_add(cress_pool *pool, cress_greenlet *g)
{
    return cress_group_add(pool, g, 0);
}

int cress_group_discard(cress_group *public, cress_greenlet *g)
{
    struct group *group = group_inside(public);
    int error = g != NULL ? group_check(group) : -EINVAL;
    if (error < 0)
        return error;
    struct member *m = find(group, g);
    if (m == NULL)
        return -ENOENT;
    leave(m);
    return 0;
}

int cress_pool_wait_available(cress_pool *pool, cress_time timeout)
{
    return wait_for_room(group_inside(pool), timeout, LOOK);
}

size_t cress_pool_available(const cress_pool *pool)
{
    const struct group *group = group_inside(pool);
    if (group == NULL || !has_room(group))
        return 0;
    return size_of(group) - group->n - group->reserved;
}

int cress_pool_set_size(cress_pool *pool, size_t size)
{
    struct group *group = group_inside(pool);
    int error = group_check(group);
    if (error < 0)
        return error;
    group->spare = SIZE_MAX - size;
    let_in(group);
    return 0;
}

/* --- the end --------------------------------------------------------------------------------- */

/* Wait until there are no members, whatever happens if firm. */
static int wait_for_end(struct group *group, cress_time timeout, bool firm)
{
    struct cress_hub *h;
    int error = hub_enter(&h);
    if (error == 0 && !firm)
        error = line_enter(&group->guard, &h);
    if (error < 0 || group->n == 0)
        return error;
    struct waiting w;
    waiting_init(&w, "joining a group", NULL);
    return firm ? line_wait_firmly(&group->joiners, &group->guard, &w, h)
                : line_wait(&group->joiners, &group->guard, &w, h, timeout);
}

int cress_group_join(cress_group *public, cress_time timeout)
{
    struct group *group = group_inside(public);
    int error = timeout >= 0 ? group_check(group) : -EINVAL;
    if (error < 0)
        return error;
    bool structured = group->flags & CRESS_STRUCTURED;
    if ((error = wait_begins()) == 0 && group->n > 0) {
        if (group_has(group, cress_current()))
            return -EDEADLK;
        error = timeout > 0 ? wait_for_end(group, timeout, false) : -EAGAIN;
    }
    if (error == -ECANCELED && structured && group->n > 0) {
        group->killing++;
        kill_all(group);
        int failed = wait_for_end(group, CRESS_FOREVER, true);
        group->killing--;
        if (failed < 0)
            return failed;
    }
    if (error < 0 || !structured)
        return error;
    error = group->error;
    group->error = 0;
    return error;
}

int cress_group_kill(cress_group *public, cress_time timeout)
{
    struct group *group = group_inside(public);
    int error = timeout >= 0 ? group_check(group) : -EINVAL;
    if (error < 0)
        return error;
    group->killing++;
    kill_all(group);
    if (timeout > 0 && group->n > 0)
        error = wait_for_end(group, timeout, false);
    group->killing--;
    return error;
}
