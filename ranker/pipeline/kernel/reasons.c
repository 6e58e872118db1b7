/* Reasons: what a person's taste would say without each interest, and which codes speak for an item. */
#include "arrays.h"

enum { INTERESTS = 8, LIKES_START = 15, VIDEOS = 31 };

static inline float divided(float top, float bottom) { return bottom > 0 ? top / bottom : 0; }

/* The greatest of the other values, zero or more, for each of them. */
static void greatest_of_others(const float *values, int64_t step, float *found) {
    int best = 0;
    float greatest = 0, second = 0;
    for (int at = 1; at <= INTERESTS; at++)
        if (values[at * step] > values[best * step]) best = at;
    for (int at = 0; at <= INTERESTS; at++) {
        float value = values[at * step];
        greatest = value > greatest ? value : greatest;
        if (at != best) second = value > second ? value : second;
    }
    for (int at = 0; at <= INTERESTS; at++) found[at] = at == best ? second : greatest;
}

/* without_each(nearness [9, M], strengths [B, 8], next_strength [B], query [M], liking [M], videos [B, 31],
   > similar [8, M], > liking [8, M]) */
PyObject *without_each(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "fff qf i >f>f")) return NULL;
    int64_t items = a.length[3], queries = a.length[2];
    if (a.length[0] != items * (INTERESTS + 1) || a.length[1] != queries * INTERESTS || a.length[4] != items ||
        a.length[5] != queries * VIDEOS || a.length[6] != items * INTERESTS || a.length[7] != items * INTERESTS)
        return refuse(&a, "items do not fit");
    for (int64_t item = 0; item < items; item++) {
        int64_t query = ARRAY(int64_t, a, 3)[item];
        if (query < 0 || query >= queries) return refuse(&a, "an item is of no query");
        const float *nearness = ARRAY(float, a, 0) + item;
        const int32_t *videos = ARRAY(int32_t, a, 5) + query * VIDEOS;
        float strengths[INTERESTS + 1], near[INTERESTS + 1], strong[INTERESTS + 1], liking = ARRAY(float, a, 4)[item], likes = 0;
        memcpy(strengths, ARRAY(float, a, 1) + query * INTERESTS, INTERESTS * sizeof *strengths);
        strengths[INTERESTS] = ARRAY(float, a, 2)[query];
        greatest_of_others(nearness, items, near);
        greatest_of_others(strengths, 1, strong);
        for (int at = LIKES_START; at < VIDEOS; at++) likes += videos[at] >= 0;
        for (int at = 0; at < INTERESTS; at++) {
            int is_liked = 0;
            for (int like = LIKES_START; like < VIDEOS; like++) is_liked |= videos[like] == videos[at];
            ARRAY(float, a, 6)[at * items + item] = divided(near[at], strong[at]);
            float total = likes * liking, others = total - divided(nearness[at * items], strengths[at]);
            ARRAY(float, a, 7)[at * items + item] = is_liked && videos[at] >= 0 ? divided(others, likes - 1.0f) : liking;
        }
    }
    give_back(&a);
    Py_RETURN_NONE;
}

static inline double rounded(float value) { return rint((double)value * 1e6) / 1e6; }

/* reasons(contributions [F, M], features, ends [C], by_feature [C], sources [C], source_weights [C], words [M], M,
   least second share, > share [C, M], > first [M], > weight [M], > second [M], > weight [M])

   A code that speaks by features does by the rows features[ends[c − 1]] to features[ends[c]] of the contributions; the
   others, and every code for an item that is left unexplained, by their sources. */
PyObject *reasons(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "fqqbQfQ nr >f>q>d>q>d")) return NULL;
    int64_t items = a.number[7], codes = a.length[2], rows = items > 0 ? a.length[0] / items : 0, from = 0;
    if (items < 1 || codes < 1 || a.length[0] != rows * items || a.length[3] != codes || a.length[4] != codes ||
        a.length[5] != codes || a.length[6] != items || a.length[9] != codes * items)
        return refuse(&a, "items do not fit");
    for (int place = 10; place < 14; place++)
        if (a.length[place] != items) return refuse(&a, "outputs do not fit");
    const int64_t *features = ARRAY(int64_t, a, 1), *ends = ARRAY(int64_t, a, 2);
    const uint64_t *sources = ARRAY(uint64_t, a, 4), *words = ARRAY(uint64_t, a, 6);
    const float *weights = ARRAY(float, a, 5), *contributions = ARRAY(float, a, 0);
    float *share = ARRAY(float, a, 9);
    for (int64_t code = 0; code < codes; from = ends[code++]) {
        if (ends[code] < from || ends[code] > a.length[1]) return refuse(&a, "codes do not fit");
        for (int64_t at = from; at < ends[code]; at++)
            if (features[at] < 0 || features[at] >= rows) return refuse(&a, "a code names no feature");
    }
    for (int64_t item = 0; item < items; item++) {
        int is_explained = 0;
        from = 0;
        for (int64_t code = 0; code < codes; from = ends[code++]) {
            float sum = 0;
            for (int64_t at = from; at < ends[code]; at++) {
                float value = contributions[features[at] * items + item];
                value = value < 0 ? 0 : value;
                sum = at == from ? value : sum + value;
            }
            if (!ARRAY(char, a, 3)[code]) sum = words[item] & sources[code] ? weights[code] : 0;
            share[code * items + item] = sum;
            is_explained |= sum != 0;
        }
        float total = 0;
        for (int64_t code = 0; code < codes; code++) {
            float *one = &share[code * items + item];
            if (!is_explained) *one = words[item] & sources[code] ? weights[code] : 0;
            total = code ? total + *one : *one;
        }
        share[(codes - 1) * items + item] += total == 0;
        float divisor = total > 0 ? total : 1;
        int64_t first = 0, second = 0;
        float greatest = 0, next = 0;
        for (int64_t code = 0; code < codes; code++) {
            float *one = &share[code * items + item], left;
            *one /= divisor;
            left = *one != *one ? -1 : *one;
            if (!code || left > greatest) { greatest = left; first = code; }
        }
        for (int64_t code = 0; code < codes; code++) {
            float one = share[code * items + item], left = code == first ? -2 : one != one ? -1 : one;
            if (!code || left > next) { next = left; second = code; }
        }
        ARRAY(int64_t, a, 10)[item] = first;
        ARRAY(double, a, 11)[item] = rounded(share[first * items + item]);
        ARRAY(int64_t, a, 12)[item] = rounded(next) >= a.real[8] ? second : -1;
        ARRAY(double, a, 13)[item] = rounded(share[second * items + item]);
    }
    give_back(&a);
    Py_RETURN_NONE;
}

/* named_rows(names, values [H, M]) → M dictionaries of the names and their numbers */
PyObject *named_rows(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (count < 1 || !PyTuple_Check(given[0])) {
        PyErr_SetString(PyExc_TypeError, "names are a tuple");
        return NULL;
    }
    if (!take(&a, given + 1, count - 1, "d")) return NULL;
    int64_t names = PyTuple_Size(given[0]), rows = names ? a.length[0] / names : 0;
    if (a.length[0] != names * rows) return refuse(&a, "values do not fit");
    PyObject *found = PyList_New(rows);
    for (int64_t row = 0; found && row < rows; row++) {
        PyObject *one = PyDict_New();
        for (int64_t name = 0; one && name < names; name++) {
            PyObject *value = PyFloat_FromDouble(ARRAY(double, a, 0)[name * rows + row]);
            if (!value || PyDict_SetItem(one, PyTuple_GetItem(given[0], name), value)) Py_CLEAR(one);
            Py_XDECREF(value);
        }
        if (!one || PyList_SetItem(found, row, one)) Py_CLEAR(found);
    }
    give_back(&a);
    return found;
}
