/* Learning: which keys exposures have, what they say of each, and the counts of those. */
#include "arrays.h"

static int ascending(const void *one, const void *other) {
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

/* A table of the places of rows: open addressing, four times as large as what it holds, −1 where there is none. */
static int64_t slot_of(int64_t row, const int64_t *rows, const int32_t *table, int64_t mask) {
    int64_t slot = (int64_t)((uint64_t)row * 0x9E3779B97F4A7C15u >> 32) & mask;
    while (table[slot] >= 0 && rows[table[slot]] != row) slot = (slot + 1) & mask;
    return slot;
}

/* distinct(rows [N], > found [N], > place [N]) → how many: `np.unique` with its inverse */
PyObject *distinct(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "q >q>q")) return NULL;
    const int64_t *rows = ARRAY(int64_t, a, 0), all = a.length[0];
    int64_t *found = ARRAY(int64_t, a, 1), *place = ARRAY(int64_t, a, 2), size = 1, kept = 0;
    if (a.length[1] != all || a.length[2] != all || all > INT32_MAX / 8) return refuse(&a, "rows do not fit");
    while (size < 4 * all) size *= 2;
    int32_t *table = malloc((size_t)size * sizeof *table);
    if (!table) return no_memory(&a);
    memset(table, 0xFF, (size_t)size * sizeof *table);
    for (int64_t at = 0; at < all; at++) {
        int64_t slot = slot_of(rows[at], found, table, size - 1);
        if (table[slot] < 0) { found[kept] = rows[at]; table[slot] = (int32_t)kept++; }
    }
    qsort(found, (size_t)kept, sizeof *found, ascending);
    memset(table, 0xFF, (size_t)size * sizeof *table);
    for (int64_t at = 0; at < kept; at++) table[slot_of(found[at], found, table, size - 1)] = (int32_t)at;
    for (int64_t at = 0; at < all; at++) place[at] = table[slot_of(rows[at], found, table, size - 1)];
    free(table);
    give_back(&a);
    return PyLong_FromLongLong(kept);
}

/* Exposures by key: those of key k are exposure[starts[k] .. starts[k + 1]], in their order, each once. */
static void by_key(const int64_t *place, int64_t all, int64_t fields, int64_t keys, int64_t *starts, int64_t *exposure) {
    for (int writes = 0; writes < 2; writes++) {
        for (int64_t at = 0; at < all; at++) {
            int64_t before = at - at % fields;
            while (place[before] != place[at]) before++;
            if (before < at) continue; /* an exposure that has a key twice has it once */
            if (writes) exposure[starts[place[at]]++] = at / fields;
            else starts[place[at] + 2]++;
        }
        if (writes) continue;
        for (int64_t key = 1; key <= keys; key++) starts[key + 1] += starts[key];
        memmove(starts, starts + 1, (size_t)(keys + 1) * sizeof *starts);
    }
    memmove(starts + 1, starts, (size_t)keys * sizeof *starts);
    starts[0] = 0;
}

/* told(among [H, n, n], place [n, F], n, > told [H, K]): of each key the sum over all pairs of exposures that have it */
PyObject *told(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "dqn >d")) return NULL;
    const int64_t *place = ARRAY(int64_t, a, 1), n = a.number[2], all = a.length[1];
    if (n < 1 || n > INT32_MAX || all % n || a.length[0] % (n * n)) return refuse(&a, "exposures do not fit");
    int64_t heads = a.length[0] / (n * n), fields = all / n, keys = heads ? a.length[3] / heads : 0;
    if (!heads || a.length[3] != heads * keys) return refuse(&a, "keys do not fit");
    for (int64_t at = 0; at < all; at++)
        if (place[at] < 0 || place[at] >= keys) return refuse(&a, "an exposure has no such key");
    int64_t *starts = calloc((size_t)keys + 2, sizeof *starts), *exposure = malloc((size_t)(all + 1) * sizeof *exposure);
    if (!starts || !exposure) { free(starts); free(exposure); return no_memory(&a); }
    by_key(place, all, fields, keys, starts, exposure);
    for (int64_t head = 0; head < heads; head++)
        for (int64_t key = 0; key < keys; key++) {
            double of_key = 0;
            for (int64_t one = starts[key]; one < starts[key + 1]; one++) {
                const double *row = ARRAY(double, a, 0) + (head * n + exposure[one]) * n;
                double of_one = 0;
                for (int64_t other = starts[key]; other < starts[key + 1]; other++) of_one += row[exposure[other]];
                of_key += of_one;
            }
            ARRAY(double, a, 3)[head * keys + key] = of_key;
        }
    free(starts);
    free(exposure);
    give_back(&a);
    Py_RETURN_NONE;
}

/* counted(rows [N, F], counted [N, C], > counts [K, C]): each row's counts, one after another */
PyObject *counted(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "qdn >d")) return NULL;
    int64_t columns = a.number[2], all = a.length[0];
    if (columns < 1 || a.length[1] % columns || a.length[3] % columns) return refuse(&a, "counts do not fit");
    int64_t n = a.length[1] / columns, keys = a.length[3] / columns, fields = n ? all / n : 0;
    if (all != n * fields) return refuse(&a, "rows do not fit");
    for (int64_t at = 0; at < all; at++)
        if (ARRAY(int64_t, a, 0)[at] < 0 || ARRAY(int64_t, a, 0)[at] >= keys) return refuse(&a, "there is no such row");
    for (int64_t at = 0; at < all; at++)
        for (int64_t column = 0; column < columns; column++)
            ARRAY(double, a, 3)[ARRAY(int64_t, a, 0)[at] * columns + column] += ARRAY(double, a, 1)[at / fields * columns + column];
    give_back(&a);
    Py_RETURN_NONE;
}
