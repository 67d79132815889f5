/* An extension as others write them: it knows of greenlets only what greenlet.h has promised to its
 * users, the layout of the object, the name of the capsule, and the order of what is in it. */
#include <Python.h>

typedef struct {
    PyObject_HEAD PyObject *weakreflist;
    PyObject *dict;
    void *implementation;
} Green;

/* One more field behind it, as gevent's Greenlet has. */
typedef struct {
    Green green;
    PyObject *extra;
} Derived;

static void **api;

#define NEW ((Green * (*)(PyObject *, Green *)) api[3])
#define CURRENT ((Green * (*)(void)) api[4])
#define THROW ((PyObject * (*)(Green *, PyObject *, PyObject *, PyObject *)) api[5])
#define SWITCH ((PyObject * (*)(Green *, PyObject *, PyObject *)) api[6])
#define SET_PARENT ((int (*)(Green *, Green *))api[7])
#define IS_MAIN ((int (*)(Green *))api[8])
#define IS_STARTED ((int (*)(Green *))api[9])
#define IS_ACTIVE ((int (*)(Green *))api[10])
#define PARENT ((Green * (*)(Green *)) api[11])

static PyObject *none_is_null(PyObject *o)
{
    return o == Py_None ? NULL : o;
}

static PyObject *size(PyObject *m, PyObject *args)
{
    return PyLong_FromSize_t(sizeof(Green));
}

static PyObject *names(PyObject *m, PyObject *args)
{
    return PyTuple_Pack(3, api[0], api[1], api[2]);
}

static PyObject *new (PyObject *m, PyObject *args)
{
    PyObject *run, *parent;
    if (!PyArg_ParseTuple(args, "OO", &run, &parent))
        return NULL;
    return (PyObject *)NEW(run, (Green *)none_is_null(parent));
}

static PyObject *current(PyObject *m, PyObject *args)
{
    return (PyObject *)CURRENT();
}

static PyObject *throw(PyObject * m, PyObject *args)
{
    PyObject *g, *type, *value, *traceback;
    if (!PyArg_ParseTuple(args, "OOOO", &g, &type, &value, &traceback))
        return NULL;
    return THROW((Green *)g, type, value, traceback);
}

static PyObject *switch_(PyObject *m, PyObject *args)
{
    PyObject *g, *a, *k;
    if (!PyArg_ParseTuple(args, "OOO", &g, &a, &k))
        return NULL;
    return SWITCH((Green *)g, none_is_null(a), none_is_null(k));
}

static PyObject *set_parent(PyObject *m, PyObject *args)
{
    PyObject *g, *parent;
    if (!PyArg_ParseTuple(args, "OO", &g, &parent) || SET_PARENT((Green *)g, (Green *)parent) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *state(PyObject *m, PyObject *g)
{
    int main = IS_MAIN((Green *)g);
    if (main < 0)
        return NULL;
    return Py_BuildValue("iii", main, IS_STARTED((Green *)g), IS_ACTIVE((Green *)g));
}

static PyObject *parent(PyObject *m, PyObject *g)
{
    Green *p = PARENT((Green *)g);
    if (p != NULL)
        return (PyObject *)p;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    { "size", size, METH_NOARGS },
    { "names", names, METH_NOARGS },
    { "new", new, METH_VARARGS },
    { "current", current, METH_NOARGS },
    { "throw", throw, METH_VARARGS },
    { "switch", switch_, METH_VARARGS },
    { "set_parent", set_parent, METH_VARARGS },
    { "state", state, METH_O },
    { "parent", parent, METH_O },
    { NULL },
};

static PyTypeObject derived = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "user.Derived",
    .tp_basicsize = sizeof(Derived),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
};

static struct PyModuleDef definition = { PyModuleDef_HEAD_INIT, "user", NULL, -1, functions };

PyMODINIT_FUNC PyInit_user(void)
{
    PyObject *m = PyModule_Create(&definition);
    api = PyCapsule_Import("greenlet._C_API", 0);
    if (m == NULL || api == NULL)
        return NULL;
    derived.tp_base = api[0];
    derived.tp_traverse = ((PyTypeObject *)api[0])->tp_traverse;
    derived.tp_clear = ((PyTypeObject *)api[0])->tp_clear;
    if (PyType_Ready(&derived) < 0)
        return NULL;
    Py_INCREF(&derived);
    PyModule_AddObject(m, "Derived", (PyObject *)&derived);
    return m;
}
