"""The promises, asked of the topics when all is quiet: as somebody would find them who comes late and reads all."""

from collections import Counter

from ranker.catalogue.catalogue import Catalogue
from ranker.learning.parameters import Parameters
from ranker.learning.publication import Subscription
from ranker.profile.codec import state_digest, unpack
from ranker.profile.model import Profile
from schemas.messages import recommendations, videos
from schemas.messages.trends import decode_trends
from schemas.topics import FEATURES, PROFILES, RECOMMENDATIONS, TRENDS, WEIGHTS
from streams.kafka.owned_state import text_of
from streams.ranking.published_parameters import PublishedParameters
from tests.simulation.broker import Broker
from tests.simulation.traffic import Publisher
from tests.simulation.truth import Truth
from tests.support.learning import are_same, of_all_videos, totals


def check(broker: Broker, truth: Truth, publisher: Publisher, all_known: bool = False) -> None:
    """Note down what was not kept; with `all_known` every newest slate was made when all withdrawals were known."""
    _profiles(broker, truth)
    _events(truth, publisher)
    _slates(broker, truth, all_known)
    _trends(broker, truth)
    _features(broker, truth)
    _parameters(broker, truth)
    catalogue = Catalogue(dim=1)
    catalogue.apply([videos.decode_features(record.value or b"") for record in broker.everything(FEATURES.name)])
    if set(catalogue.row_of) != truth.shown:
        truth.say("GHOST", f"{set(catalogue.row_of) ^ truth.shown} shown or hidden though it is the other way round")


def _profiles(broker: Broker, truth: Truth) -> None:
    """Highest version per key and last record per key must be one and the same, and the truth."""
    last: dict[str, Profile] = {}
    newest: dict[str, Profile] = {}
    for record in broker.everything(PROFILES.name):
        user, profile = text_of(record.key), unpack(record.value or b"")
        last[user] = profile
        if user not in newest or profile.version >= newest[user].version:
            newest[user] = profile
    for user, profile in truth.users.items():
        version = newest[user].version if user in newest else 0
        if version != profile.version:
            truth.say(
                "LOST" if version < profile.version else "DOUBLE", f"{user} is at {version}, not {profile.version}"
            )
    if state_digest(newest.items()) != state_digest(truth.users.items()):
        truth.say("DIGEST", "the recovered state is not the one of the log read in order")
    if last != newest:
        truth.say("REGRESS", "an older profile lies over a newer one")


def _events(truth: Truth, publisher: Publisher) -> None:
    if missing := set(publisher.sent) - truth.sent:
        truth.say("LOST", f"{sorted(missing)} never reached a partition where they count")
    if truth.misrouted:
        truth.say("LOST", f"{sorted(truth.misrouted)} were not sent on")
    for user, count in truth.counts.items():
        version = truth.users[user].version if user in truth.users else 0
        if version != len(count.taken):
            truth.say("LOST" if version < len(count.taken) else "DOUBLE", f"{user}: {version} of {len(count.taken)}")
    if missing_letters := truth.refused - truth.letters:
        truth.say("LOST", f"no dead letter for {sorted(missing_letters)}")
    if truth.letters - truth.refused:
        truth.say("DOUBLE", f"dead letters for {sorted(truth.letters - truth.refused)}, which were taken in")


def _slates(broker: Broker, truth: Truth, all_known: bool) -> None:
    found: dict[str, recommendations.Recommendation] = {}
    for record in broker.everything(RECOMMENDATIONS.name):
        slate = recommendations.decode_recommendation(record.value or b"")
        if slate.version >= (found[slate.user_id].version if slate.user_id in found else 0):
            found[slate.user_id] = slate
    for user, profile in truth.users.items():
        if truth.held.get(user, 0) != profile.version:
            truth.say("ANSWERED", f"{user} is at {profile.version}, the newest slate at {truth.held.get(user, 0)}")
        elif user not in found or found[user].version != profile.version:
            truth.say("REGRESS", f"the newest slate of {user} was compacted away")
        elif all_known and not {item.video_id for item in found[user].items} <= truth.shown:
            truth.say("GHOST", f"the slate of {user} names a withdrawn video")


def _features(broker: Broker, truth: Truth) -> None:
    """Of each video the last record is its newest upload or withdrawal: compaction leaves no other."""
    last = {text_of(r.key): videos.decode_time(r.value or b"") for r in broker.everything(FEATURES.name)}
    for video_id, one in truth.videos.items():
        if last.get(video_id) != one.at_ms:
            truth.say("REGRESS", f"the last record of {video_id} is of {last.get(video_id)}, not of {one.at_ms}")


def _trends(broker: Broker, truth: Truth) -> None:
    """Trends may lose what a crash left unpublished, but nobody counts twice."""
    newest = {}
    for record in broker.everything(TRENDS.name):
        part = decode_trends(record.value or b"")
        newest[part.partition] = part
    ever: Counter[str] = Counter()
    for part in newest.values():
        ever.update({video_id: slots[2] for video_id, slots in part.counts.items()})
    if any(count > truth.positive[video_id] for video_id, count in ever.items()):
        truth.say("DOUBLE", "a video has more people in the trends than said a good word")


def _parameters(broker: Broker, truth: Truth) -> None:
    """Every outcome counts once, and whoever reads all of weights.v1 has what somebody has who read along."""
    late = Subscription(Parameters())
    PublishedParameters(late).apply(broker.everything(WEIGHTS.name))
    wanted, found = totals(truth.examples), late.parameters.totals.tolist()
    if found != wanted:
        lost = any(one < other for one, other in zip(found, wanted, strict=True))
        truth.say("EXAMPLES LOST" if lost else "EXAMPLES DOUBLE", f"{found} are learned, not {wanted}")
    elif of_all_videos(late.parameters) != wanted:
        truth.say("DIGEST", "the blocks of the parameters are not of their manifest")
    if not are_same(late.parameters, truth.parameters.subscription.parameters):
        truth.say("DIGEST", "who reads all of the parameters has others than who read along")
