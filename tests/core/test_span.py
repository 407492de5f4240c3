"""What is remembered of a car is what would be reckoned anew."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from loadmgr.core.span import Spans, span
from tests.core.talk import Talk, bay, site_of

STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.25, 1.0, 2.5, 5.0, 13.0, 15.0, 30.0, 400.0]),
        st.sampled_from(["wait", "draws", "orders", "confirms", "drops"]),
        st.sampled_from([0.0, 6.0, 9.5, 16.0]),
    ),
    max_size=30,
)

SILENT_UNTIL_ITS_OLD_LIMIT_HAS_ENDED = [
    (0.0, "orders", 16.0),
    (0.0, "confirms", 0.0),
    (0.0, "draws", 16.0),
    (1.0, "orders", 6.0),
    (0.0, "confirms", 0.0),
    (319.0, "orders", 6.0),
    (0.0, "confirms", 0.0),
    (5.0, "wait", 0.0),
    (18.0, "wait", 0.0),
]
"""What a car drew before it was lowered counts until that limit has ended by itself."""


@settings(max_examples=150, deadline=None)
@given(STEPS)
@example(SILENT_UNTIL_ITS_OLD_LIMIT_HAS_ENDED)
def test_a_remembered_span_is_the_one_that_would_be_found_now(steps) -> None:
    talk = Talk(site_of(bay("A")))
    talk.ready("A")
    spans, order, evse = Spans(), None, talk.site.evses[0]
    for seconds, what, amps in steps:
        talk.after(seconds)
        if what == "draws":
            talk.draws("A", amps)
        elif what == "orders" and talk.of("A").connection is not None:
            order = talk.orders("A", amps)
        elif what == "confirms" and order is not None:
            talk.confirms(order)
        elif what == "drops":
            talk.drops("A")
        known = spans.of(evse, talk.of("A"), talk.now, 230.0)
        assert known == span(evse, talk.of("A"), talk.now, 230.0)
