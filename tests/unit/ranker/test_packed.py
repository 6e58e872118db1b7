"""What a catalogue knows by name in few bytes is what lists and a dict would know."""

import random
from collections.abc import Sequence

import pytest

from ranker.catalogue.catalogue import Catalogue
from ranker.catalogue.compaction import compact
from ranker.catalogue.entry import Entry, VideoFacts
from ranker.catalogue.packed import Facts, Ids, RowOf, Tags, Words

NAMES = ["", "v1", "é-\N{SNOWMAN}", "\ud800", "v" * 300]


def test_ids_tags_and_facts_are_given_back_as_they_came() -> None:
    words, ids = Words(), Ids()
    tags, facts = Tags(words), Facts(words)
    all_tags: list[tuple[str, ...]] = [(), ("food",), ("food", "cats", "food"), ("", "x"), ("cats",)]
    all_facts = [VideoFacts(), VideoFacts("ana", "food", None, 7), VideoFacts("ana", None, "song", 2**31 - 1)]
    all_facts += [VideoFacts("ana", "food", None, 7, ("sea",)), VideoFacts(tag="food", more_tags=("sea", "ana"))]
    for column, values in ((ids, NAMES), (tags, all_tags), (facts, all_facts)):
        for value in values:
            column.append(value)  # type: ignore[attr-defined]
        assert [column[row] for row in range(len(column))] == values


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_those_of_a_dict_whatever_is_put_and_taken_out(seed: int) -> None:
    chance, ids, wanted = random.Random(seed), Ids(), dict[str, int]()
    found = RowOf(ids)
    for row in range(5000):
        name = f"v{chance.randrange(3000)}"
        if chance.random() < 0.4:
            assert found.pop(name, None) == wanted.pop(name, None)
        ids.append(name)
        if name in wanted:
            del found[name], wanted[name]
        found[name] = wanted[name] = row
    assert dict(found) == wanted and len(found) == len(wanted)
    assert [found.get(f"v{n}", -1) for n in range(3000)] == [wanted.get(f"v{n}", -1) for n in range(3000)]
    assert "v9999" not in found and found.get("v9999") is None
    with pytest.raises(KeyError):
        found["v9999"]
    with pytest.raises(KeyError):
        del found["v9999"]


def entries(count: int, seed: int) -> list[Entry]:
    chance = random.Random(seed)
    return [
        Entry(
            f"v{chance.randrange(count)}",
            chance.randrange(1000),
            creator_id=f"c{chance.randrange(9)}",
            tags=tuple(f"t{n}" for n in range(chance.randrange(4))),
            duration_ms=chance.choice([None, 1, 21_000]),
        )
        for _ in range(2 * count)
    ]


def known(catalogue: Catalogue) -> Sequence[object]:
    return [
        *([column[row] for row in range(len(column))] for column in (catalogue.ids, catalogue.tags, catalogue.facts)),
        dict(catalogue.row_of), catalogue.by_id.tolist(),
        catalogue.order.tolist(), {creator: [*rows] for creator, rows in catalogue.by_creator.items()},
        catalogue.tops.newest.tolist(),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_a_catalogue_without_vectors_knows_the_same_also_after_a_compaction(seed: int) -> None:
    held, bare, made = Catalogue(4), Catalogue(4, holds_vectors=False), entries(4000, seed)
    for catalogue in (held, bare):
        for start in range(0, 8000, 700):
            catalogue.add(made[start : start + 700])
    assert known(bare) == known(held)
    for catalogue in (held, bare):
        catalogue.drop(f"v{n}" for n in range(3000))
        assert compact(catalogue)
        catalogue.add(entries(100, seed + 9))
    assert known(bare) == known(held)
