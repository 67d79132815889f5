/* key - greenlet-local values.
 *
 * A coroutine that has set one has an array of them, as long as its highest key needs.
 *
 * (1) A key's serial is odd while it is there, and never again the one it was: values of a key that
 *     has been given up are nobody's.
 */
#include "base/alloc.h"
#include "base/options.h"
#include "hub/extra.h"
#include "hub/park.h"

#include <cress/key.h>

#include <errno.h>
#include <stdatomic.h>

/* Process-wide. */
static struct {
    atomic_uint serial; /* (1) */
    cress_key_options options;
} keys[CRESS_KEYS_MAX];

struct value {
    void *value;
    uint32_t serial;
};

struct values {
    struct locals locals;
    size_t n;
    struct value at[];
};

static struct values *values_of(const struct locals *locals)
{
    return container_of((struct locals *)(uintptr_t)locals, struct values, locals);
}

static bool valid(cress_key key)
{
    return key.index < CRESS_KEYS_MAX && (key.serial & 1) &&
           atomic_load_explicit(&keys[key.index].serial, memory_order_acquire) == key.serial;
}

int cress_key_create(const cress_key_options *options, cress_key *key)
{
    cress_key_options o = CRESS_KEY_OPTIONS_INIT;
    if (key == NULL || options_take(&o, sizeof o, options) < 0 ||
        (o.inherit && o.destroy != NULL && o.copy == NULL))
        return -EINVAL;
    for (uint32_t i = 0; i < CRESS_KEYS_MAX; i++) {
        unsigned serial = atomic_load(&keys[i].serial);
        if ((serial & 1) || !atomic_compare_exchange_strong(&keys[i].serial, &serial, serial + 1))
            continue;
        keys[i].options = o; /* nobody knows it yet */
        *key = (cress_key){ i, serial + 1 };
        return 0;
    }
    return -EAGAIN;
}

int cress_key_delete(cress_key key)
{
    if (!valid(key))
        return -EINVAL;
    atomic_store(&keys[key.index].serial, key.serial + 1);
    return 0;
}

void *cress_key_get(cress_key key)
{
    const struct thread *t = cress__thread;
    const struct hub_extra *x = t != NULL ? t->current->extra : NULL;
    if (x == NULL || x->locals == NULL || closed())
        return NULL;
    const struct values *values = values_of(x->locals);
    if (key.index >= values->n || !valid(key) || values->at[key.index].serial != key.serial)
        return NULL;
    return values->at[key.index].value;
}

/* --- the end, and the beginning -------------------------------------------------------------- */

/* A destructor may set values anew: so often they are looked through again. */
enum { ROUNDS = 4 };

static bool destroy_all(struct values *values)
{
    bool any = false;
    for (size_t i = 0; i < values->n; i++) {
        struct value v = values->at[i];
        values->at[i].value = NULL;
        if (v.value == NULL || !valid((cress_key){ (uint32_t)i, v.serial }) ||
            keys[i].options.destroy == NULL)
            continue;
        any = true;
        cress__closed++;
        keys[i].options.destroy(v.value);
        cress__closed--;
    }
    return any;
}

static void end(struct locals *locals, bool call)
{
    for (int round = 0; call && round < ROUNDS && destroy_all(values_of(locals)); round++)
        continue;
    cress__free(values_of(locals));
}

static int inherit(const struct locals *from, struct locals **to);

static struct values *new_values(size_t n)
{
    struct values *values = cress__calloc(1, sizeof *values + n * sizeof values->at[0]);
    if (values == NULL)
        return NULL;
    values->locals = (struct locals){ end, inherit };
    values->n = n;
    return values;
}

static int inherit(const struct locals *from, struct locals **to)
{
    const struct values *theirs = values_of(from);
    struct values *mine = new_values(theirs->n);
    if (mine == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < theirs->n; i++) {
        struct value v = theirs->at[i];
        const cress_key_options *o = &keys[i].options;
        if (v.value == NULL || !valid((cress_key){ (uint32_t)i, v.serial }) || !o->inherit)
            continue;
        mine->at[i] = v;
        if (o->copy != NULL)
            mine->at[i].value = o->copy(v.value);
    }
    *to = &mine->locals;
    return 0;
}

int cress_key_set(cress_key key, void *value)
{
    if (!valid(key))
        return -EINVAL;
    if (closed())
        return -EPERM;
    struct cress_hub *h;
    int error = hub_get(&h);
    if (error < 0)
        return error;
    struct hub_extra *x = extra_get(h->thread->current);
    if (x == NULL)
        return -ENOMEM;
    struct values *values = x->locals != NULL ? values_of(x->locals) : NULL;
    if (values == NULL || values->n <= key.index) {
        struct values *larger = new_values(key.index + 1);
        if (larger == NULL)
            return -ENOMEM;
        if (values != NULL)
            memcpy(larger->at, values->at, values->n * sizeof values->at[0]);
        cress__free(values);
        x->locals = &(values = larger)->locals;
    }
    values->at[key.index] = (struct value){ value, key.serial };
    return 0;
}
