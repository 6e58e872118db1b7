/* The module: its functions, and how their arguments are read. */
#include "arrays.h"

static int fits(const Py_buffer *view, char letter, char *kind) {
    const char *format = view->format ? view->format : "B";
    while (*format == '@' || *format == '=' || *format == '<') format++;
    char found = 0;
    if (format[0] && !format[1]) switch (*format) {
        case 'f': found = 'f'; break;
        case 'd': found = 'd'; break;
        case '?': found = 'b'; break;
        case 'h': found = 'h'; break;
        case 'i': case 'l': case 'q': found = view->itemsize == 4 ? 'i' : 'q'; break;
        case 'I': case 'L': case 'Q': found = view->itemsize == 4 ? 'u' : 'Q'; break;
    }
    *kind = found ? found : '?';
    return found && (found == letter || (letter == 'k' && (found == 'i' || found == 'u' || found == 'q')));
}

static int take_array(Arguments *all, PyObject *given, char letter, int written) {
    int place = all->count, flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (written ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(given, &all->view[place], flags)) return 0;
    all->count++;
    if (!fits(&all->view[place], letter, &all->kind[place])) {
        PyErr_Format(PyExc_ValueError, "argument %d has elements of another type than '%c'", place + 1, letter);
        return 0;
    }
    all->length[place] = all->view[place].len / all->view[place].itemsize;
    return 1;
}

int take(Arguments *all, PyObject *const *given, Py_ssize_t count, const char *letters) {
    int written = 0;
    all->count = 0;
    for (; *letters; letters++) {
        int place = all->count;
        if (*letters == ' ') continue;
        if (*letters == '>') { written = 1; continue; }
        if (place >= count) {
            PyErr_SetString(PyExc_TypeError, "an argument is missing");
            give_back(all);
            return 0;
        }
        int taken = 1;
        if (*letters == 'n' || *letters == 'r') {
            all->kind[place] = 0;
            all->count++;
            if (*letters == 'n') all->number[place] = PyLong_AsLongLong(given[place]);
            else all->real[place] = PyFloat_AsDouble(given[place]);
            taken = !PyErr_Occurred();
        } else taken = take_array(all, given[place], *letters, written);
        if (!taken) { give_back(all); return 0; }
        written = 0;
    }
    if (all->count != count) {
        PyErr_SetString(PyExc_TypeError, "an argument is too many");
        give_back(all);
        return 0;
    }
    return 1;
}

void give_back(Arguments *all) {
    for (int place = 0; place < all->count; place++)
        if (all->kind[place]) PyBuffer_Release(&all->view[place]);
    all->count = 0;
}

PyObject *refuse(Arguments *all, const char *why) {
    give_back(all);
    PyErr_SetString(PyExc_ValueError, why);
    return NULL;
}

PyObject *no_memory(Arguments *all) {
    give_back(all);
    return PyErr_NoMemory();
}

#define FUNCTION(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, NULL}

static PyMethodDef functions[] = {
    FUNCTION(people), FUNCTION(hashed), FUNCTION(find), FUNCTION(merge), FUNCTION(keep), FUNCTION(columns),
    FUNCTION(logits), FUNCTION(gather), FUNCTION(pools), FUNCTION(mmr), FUNCTION(explorable), FUNCTION(without_each), FUNCTION(reasons),
    FUNCTION(named_rows), FUNCTION(distinct), FUNCTION(told), FUNCTION(counted),
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "compiled", NULL, 0, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_compiled(void) {
    PyObject *made = PyModule_Create(&module);
    if (made && PyModule_AddIntConstant(made, "VERSION", FRESHET_KERNEL)) return NULL;
    return made;
}
