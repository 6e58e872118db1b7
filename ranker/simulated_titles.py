"""Words for made-up uploads: per kind of video, what it is about and what is said about that.

A title is a frame with a subject in it: ten subjects and six frames make sixty titles a kind.
"""

from typing import NamedTuple


class Words(NamedTuple):
    """One kind: subjects, frames ({x}: the subject, {X}: at the start of a sentence), usual length in seconds."""

    subjects: tuple[str, ...]
    frames: tuple[str, ...]
    shortest_s: int
    longest_s: int


KINDS: dict[str, Words] = {
    "cooking": Words(
        (
            "sourdough bread",
            "tomato soup",
            "mushroom risotto",
            "vegetable curry",
            "apple pie",
            "fried rice",
            "lentil stew",
            "garlic noodles",
            "chocolate cake",
            "fish tacos",
        ),
        (
            "How to make {x} from scratch",
            "My grandmother's recipe for {x}",
            "{X} on the table in half an hour",
            "Three mistakes that ruin {x}",
            "{X} for a whole family on a small budget",
            "A chef tastes five versions of {x}",
        ),
        30,
        120,
    ),
    "dance": Words(
        ("salsa", "tango", "swing", "flamenco", "samba", "bachata", "rumba", "lindy hop", "cha-cha", "merengue"),
        (
            "Learn {x} in ten minutes a day",
            "{X} footwork for absolute beginners",
            "Our {x} class performs on the town square",
            "What dancing {x} does to your posture",
            "Two champions improvise to live {x} music",
            "How to lead and follow in {x} without counting",
        ),
        15,
        60,
    ),
    "football": Words(
        (
            "the penalty kick",
            "the offside trap",
            "the long throw-in",
            "the first touch",
            "the counter-attack",
            "the corner kick",
            "the sliding tackle",
            "the through ball",
            "the diving header",
            "the free kick",
        ),
        (
            "How professional footballers train {x}",
            "{X} explained in ninety seconds",
            "The cup final that was decided by {x}",
            "Five football drills for {x}",
            "Why {x} wins more matches than talent",
            "Our under-twelves practise {x} on a muddy pitch",
        ),
        15,
        90,
    ),
    "gardening": Words(
        (
            "tomatoes",
            "roses",
            "strawberries",
            "runner beans",
            "lavender",
            "courgettes",
            "sunflowers",
            "potatoes",
            "tulips",
            "sweet peas",
        ),
        (
            "When to plant {x} outdoors",
            "Growing {x} in pots on a balcony",
            "How to keep slugs away from {x}",
            "The best soil for {x}",
            "Watering {x} through a dry summer",
            "What ten years of growing {x} have taught me",
        ),
        30,
        150,
    ),
    "astronomy": Words(
        (
            "the rings of Saturn",
            "the craters of the Moon",
            "the Orion Nebula",
            "the great moons of Jupiter",
            "the Andromeda Galaxy",
            "the Pleiades",
            "the phases of Venus",
            "a passing comet",
            "the polar ice of Mars",
            "the Milky Way",
        ),
        (
            "How to find {x} in the night sky",
            "Photographing {x} from a dark hill",
            "{X} through a telescope in my back yard",
            "What astronomers still do not know about {x}",
            "A clear winter night with {x}",
            "Drawing {x} at the eyepiece",
        ),
        40,
        180,
    ),
    "woodworking": Words(
        (
            "an oak bench",
            "a dovetailed drawer",
            "a walnut cabinet",
            "a garden gate",
            "a bookshelf",
            "a rocking chair",
            "a picture frame",
            "a blanket box",
            "a tool chest",
            "a bedside table",
        ),
        (
            "Building {x} with hand tools only",
            "Sanding and oiling {x}",
            "How I repaired {x} that was a hundred years old",
            "{X} from a single plank",
            "The joints that hold {x} together",
            "From rough timber to {x} in one weekend",
        ),
        40,
        180,
    ),
    "cats": Words(
        (
            "our black kitten",
            "the neighbour's tabby",
            "an old ginger tom",
            "a shy shelter cat",
            "a very large Maine Coon",
            "the bookshop cat",
            "a three-legged cat",
            "the farm cat",
            "my grandmother's Persian cat",
            "a talkative Siamese cat",
        ),
        (
            "{X} discovers snow for the first time",
            "{X} refuses to leave the cardboard box",
            "{X} meets the new puppy",
            "Why {x} purrs at four in the morning",
            "{X} learns to open the kitchen door",
            "A day in the life of {x}",
        ),
        10,
        45,
    ),
    "travel": Words(
        (
            "Lisbon",
            "Kyoto",
            "the Scottish Highlands",
            "Istanbul",
            "the Norwegian fjords",
            "Oaxaca",
            "Marrakesh",
            "the South Island of New Zealand",
            "Vienna",
            "the Amalfi Coast",
        ),
        (
            "Two days in {x} without a car",
            "Where the locals eat in {x}",
            "What to pack for a week in {x}",
            "Five quiet places in {x} that guidebooks leave out",
            "Getting lost in {x} on a rainy day",
            "{X} on forty euros a day",
        ),
        30,
        150,
    ),
    "gaming": Words(
        (
            "the ice temple",
            "the final boss",
            "the underwater level",
            "the lava fortress",
            "the clockwork tower",
            "the desert race",
            "the dragon's cave",
            "the sky bridge",
            "the pirate maze",
            "the haunted mansion",
        ),
        (
            "How to beat {x} without taking damage",
            "A speedrun of {x} in under three minutes",
            "Every hidden item on the way to {x}",
            "Four friends try to survive {x} in co-op mode",
            "Why {x} is the best part of the game",
            "The glitch that lets players skip {x}",
        ),
        20,
        120,
    ),
    "piano": Words(
        (
            "a Bach prelude",
            "a Chopin nocturne",
            "a twelve-bar blues",
            "a Satie waltz",
            "a Scarlatti sonata",
            "a ragtime classic",
            "Clair de lune",
            "a Beethoven bagatelle",
            "a jazz ballad",
            "a Schubert impromptu",
        ),
        (
            "How to practise {x} slowly on the piano",
            "{X} on a hundred-year-old piano",
            "The pianist's left hand in {x}, bar by bar",
            "Sight-reading {x} on the piano at the station",
            "Three ways to phrase {x} at the keyboard",
            "Playing {x} for my piano teacher after one month",
        ),
        30,
        150,
    ),
}

CREATORS = ("amara", "bruno", "chiara", "daniel", "elif", "farid", "greta", "hiro", "ines", "jonas")


def titles(kind: str) -> list[tuple[str, str]]:
    """All titles of a kind, each with its subject; neighbours share neither subject nor frame.

    >>> titles("travel")[0], len(set(titles("travel")))
    (('Two days in Lisbon without a car', 'Lisbon'), 60)
    """
    subjects, frames = KINDS[kind].subjects, KINDS[kind].frames
    made = []
    for turn in range(len(frames)):
        for place, subject in enumerate(subjects):
            frame = frames[(place + turn) % len(frames)]
            made.append((frame.format(x=subject, X=subject[0].upper() + subject[1:]), subject))
    return made
