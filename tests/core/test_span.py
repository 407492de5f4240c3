"""What is remembered of a car is what would be reckoned anew."""

from __future__ import annotations

from hypothesis import given, settings
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


@settings(max_examples=150, deadline=None)
@given(STEPS)
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
