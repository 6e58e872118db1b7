/* People: what they took to and skipped, from marks by list and query to the videos that candidates are compared with. */
#include "arrays.h"

enum { INTERESTS = 8, SKIPS = 7, LIKES = 16, VIDEOS = INTERESTS + SKIPS + LIKES, FAVOURITES = 4 };
enum { POSITIVE = 50, FOLLOW_WEIGHT = 2, FAVOURITE_PERCENT = 200 };

/* Places of marks by query, those of one query in their order: starts [B + 1], places [M]. */
static int by_query(const int64_t *query, int64_t first, int64_t stop, int64_t queries, int64_t *starts, int64_t *places) {
    memset(starts, 0, (size_t)(queries + 2) * sizeof *starts);
    for (int64_t at = first; at < stop; at++) {
        if (query[at] < 0 || query[at] >= queries) return 0;
        starts[query[at] + 2]++;
    }
    for (int64_t one = 2; one < queries + 2; one++) starts[one] += starts[one - 1];
    for (int64_t at = first; at < stop; at++) places[starts[query[at] + 1]++] = at;
    return 1;
}

/* The newest videos with a vector, newest first, from column `column` on. */
static void put_newest(const int64_t *query, const int32_t *rows, const char *has_vector, int64_t first, int64_t stop,
                       int32_t *videos, int64_t column, int64_t width, int64_t *counts, int64_t queries) {
    memset(counts, 0, (size_t)queries * sizeof *counts);
    for (int64_t at = stop - 1; at >= first; at--)
        if (has_vector[rows[at]] && counts[query[at]]++ < width)
            videos[query[at] * VIDEOS + column + counts[query[at]] - 1] = rows[at];
}

/* One query's strongest videos; `best` holds the places of its marks, and is sorted by id, then by strength. */
static void put_interests(int64_t *best, int64_t count, const int32_t *rows, const double *strength, const int32_t *order,
                          int32_t *videos, float *strengths, int32_t *following) {
    for (int64_t at = 1; at < count; at++) {
        int64_t mark = best[at], to = at;
        for (int32_t ours = order[rows[mark]]; to > 0; to--) {
            int32_t theirs = order[rows[best[to - 1]]];
            if (theirs < ours || (theirs == ours && strength[best[to - 1]] >= strength[mark])) break;
            best[to] = best[to - 1];
        }
        best[to] = mark;
    }
    int64_t kept = 0;
    for (int64_t at = 0, before = -1; at < count; at++) { /* each video once, by its strongest mark */
        int64_t mark = best[at];
        if (order[rows[mark]] != before && strength[mark] > 0) best[kept++] = mark;
        before = order[rows[mark]];
    }
    for (int64_t at = 1; at < kept; at++) { /* of equally strong ones the lowest id first */
        int64_t mark = best[at], to = at;
        for (; to > 0 && strength[best[to - 1]] < strength[mark]; to--) best[to] = best[to - 1];
        best[to] = mark;
    }
    for (int64_t at = 0; at <= INTERESTS; at++)
        strengths[at] = at < kept ? (float)(strength[best[at]] / strength[best[0]]) : 0;
    for (int64_t at = 0; at < INTERESTS && at < kept; at++) videos[at] = rows[best[at]];
    *following = kept > INTERESTS ? rows[best[INTERESTS]] : -1;
}

typedef struct {
    int64_t creator, percent, first; /* mark */
} Creator;

/* One query's creators by their number, with how much of them was watched; returns how many there are. */
static int64_t creators_of(Creator *all, const int64_t *places, int64_t count, const int32_t *rows, const int64_t *weights,
                      const int32_t *creators, int64_t follows) {
    int64_t found = 0;
    for (int64_t at = 0; at < count; at++) {
        int64_t mark = places[at], creator = creators[rows[mark]], to = found;
        if (weights[mark] < POSITIVE || creator == -1) continue;
        int64_t percent = mark < follows ? weights[mark] * FOLLOW_WEIGHT : weights[mark];
        while (to > 0 && all[to - 1].creator > creator) to--;
        if (to > 0 && all[to - 1].creator == creator) { all[to - 1].percent += percent; continue; }
        memmove(all + to + 1, all + to, (size_t)(found - to) * sizeof *all);
        all[to] = (Creator){creator, percent, mark};
        found++;
    }
    return found;
}

/* The strongest creators; of equally strong ones the one that was met first in the order of the marks. */
static void put_favourites(const Creator *all, int64_t count, int32_t *favourites) {
    int64_t kept = 0;
    const Creator *best[FAVOURITES];
    for (const Creator *one = all; one < all + count; one++) {
        if (one->percent < FAVOURITE_PERCENT) continue;
        int64_t to = kept;
        while (to > 0 && (best[to - 1]->percent < one->percent ||
                          (best[to - 1]->percent == one->percent && best[to - 1]->first > one->first))) to--;
        if (to == FAVOURITES) continue;
        if (kept < FAVOURITES) kept++;
        memmove(best + to + 1, best + to, (size_t)(kept - 1 - to) * sizeof *best);
        best[to] = one;
    }
    for (int64_t at = 0; at < FAVOURITES; at++) favourites[at] = at < kept ? (int32_t)best[at]->creator : -1;
}

/* people(query [M], rows [M], weights [M], strength [M], starts [3], has_vector, order, creator [capacity], B,
   > videos [B, 31], > strengths [B, 9], > next [B], > keys [M], > watches [M], > favourites [B, 4]) → how many keys

   Marks are of follows, watches, likes and skips, one list after another; `starts` says where each but the first begins. */
PyObject *people(PyObject *self, PyObject *const *given, Py_ssize_t count) {
    Arguments a;
    (void)self;
    if (!take(&a, given, count, "qiqd q bii n >i>f>i>q>f>i")) return NULL;
    int64_t marks = a.length[0], capacity = a.length[5], queries = a.number[8], found = 0;
    for (int place = 1; place < 4; place++)
        if (a.length[place] != marks) return refuse(&a, "marks do not fit");
    if (a.length[6] != capacity || a.length[7] != capacity || a.length[4] != 3) return refuse(&a, "columns do not fit");
    if (queries < 0 || a.length[9] != queries * VIDEOS || a.length[10] != queries * (INTERESTS + 1) ||
        a.length[11] != queries || a.length[12] < marks || a.length[13] < marks || a.length[14] != queries * FAVOURITES)
        return refuse(&a, "outputs do not fit");
    const int64_t *query = ARRAY(int64_t, a, 0), *starts = ARRAY(int64_t, a, 4);
    const int32_t *rows = ARRAY(int32_t, a, 1), *creators = ARRAY(int32_t, a, 7);
    const char *has_vector = ARRAY(char, a, 5);
    int64_t watches = starts[0], likes = starts[1], skips = starts[2];
    if (watches < 0 || likes < watches || skips < likes || marks < skips) return refuse(&a, "lists do not fit");
    for (int64_t at = 0; at < marks; at++)
        if (rows[at] < 0 || rows[at] >= capacity) return refuse(&a, "a mark is of no row");
    int64_t *ends = malloc((size_t)(queries + 2) * sizeof *ends), *places = malloc((size_t)(marks + 1) * sizeof *places);
    Creator *met = malloc((size_t)(marks + 1) * sizeof *met);
    const char *why = ends && places && met ? NULL : "";
    if (!why && !by_query(query, 0, marks, queries, ends, places)) why = "a mark is of no query";
    if (!why) {
        int32_t *videos = ARRAY(int32_t, a, 9);
        memset(videos, 0xFF, (size_t)(queries * VIDEOS) * sizeof *videos);
        put_newest(query, rows, has_vector, skips, marks, videos, INTERESTS, SKIPS, ends, queries);
        put_newest(query, rows, has_vector, likes, skips, videos, INTERESTS + SKIPS, LIKES, ends, queries);
        by_query(query, watches, skips, queries, ends, places);
        for (int64_t one = 0; one < queries; one++)
            put_interests(places + ends[one], ends[one + 1] - ends[one], rows, ARRAY(double, a, 3), ARRAY(int32_t, a, 6),
                          videos + one * VIDEOS, ARRAY(float, a, 10) + one * (INTERESTS + 1), ARRAY(int32_t, a, 11) + one);
        by_query(query, 0, likes, queries, ends, places);
        for (int64_t one = 0; one < queries; one++) {
            int64_t theirs = creators_of(met, places + ends[one], ends[one + 1] - ends[one], rows, ARRAY(int64_t, a, 2), creators,
                                    watches);
            put_favourites(met, theirs, ARRAY(int32_t, a, 14) + one * FAVOURITES);
            for (int64_t at = 0; at < theirs; at++, found++) {
                ARRAY(int64_t, a, 12)[found] = (int64_t)((uint64_t)one << 32 | (uint64_t)met[at].creator);
                ARRAY(float, a, 13)[found] = (float)((double)met[at].percent / 100.0);
            }
        }
    }
    free(ends);
    free(places);
    free(met);
    if (why) return *why ? refuse(&a, why) : no_memory(&a);
    give_back(&a);
    return PyLong_FromLongLong(found);
}
