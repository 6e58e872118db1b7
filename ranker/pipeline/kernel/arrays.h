/* Arrays as arguments: type, layout and length are checked before a loop touches them.

   Loops do what NumPy does, in its order, one rounding an operation: compiled without contraction to fused operations. */
#ifndef FRESHET_ARRAYS_H
#define FRESHET_ARRAYS_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ARGUMENTS 24

typedef struct {
    Py_buffer view[MOST_ARGUMENTS];
    char kind[MOST_ARGUMENTS];      /* of an array as in `take`; 0: none */
    int64_t length[MOST_ARGUMENTS]; /* elements of an array */
    int64_t number[MOST_ARGUMENTS];
    double real[MOST_ARGUMENTS];
    int count;
} Arguments;

/* Read arguments by a text with a letter for each; a blank may stand anywhere.

   f, d  float32, float64        h, i, q  int16, int32, int64
   u, Q  uint32, uint64          b        bool
   k     any of i, u and q       n, r     a Python int, a Python float
   An array is C-contiguous; behind a `>` it is written to. False with an exception set where one does not fit. */
int take(Arguments *all, PyObject *const *given, Py_ssize_t count, const char *letters);
void give_back(Arguments *all);

/* Give everything back and raise a ValueError or MemoryError. */
PyObject *refuse(Arguments *all, const char *why);
PyObject *no_memory(Arguments *all);

#define ARRAY(type, all, place) ((type *)(all).view[place].buf)

/* A row as NumPy counts it, from the end where it is negative; −1 where there is none. */
static inline int64_t wrapped(int64_t row, int64_t size) {
    if (row < 0) row += size;
    return row >= 0 && row < size ? row : -1;
}

/* A row as `take` with mode="clip" counts it. */
static inline int64_t clipped(int64_t row, int64_t size) { return row < 0 ? 0 : row < size ? row : size - 1; }

PyObject *people(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *hashed(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *find(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *merge(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *keep(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *columns(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *logits(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *gather(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *pools(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *mmr(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *explorable(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *without_each(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *reasons(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *distinct(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *told(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *counted(PyObject *, PyObject *const *, Py_ssize_t);
PyObject *named_rows(PyObject *, PyObject *const *, Py_ssize_t);

#endif
