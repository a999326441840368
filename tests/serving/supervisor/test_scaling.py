"""How many replicas there should be: time is a number here."""

from serving.supervisor.scaling import Bounds, Rules, Traffic, begin, plan

RULES = Rules(down_seconds=300, zero_seconds=1800)
BOUNDS = Bounds(least=1, most=4, units=4, to_zero=False)
TO_ZERO = Bounds(least=0, most=4, units=4, to_zero=True)


def replicas(scale, now, *, bounds=BOUNDS, woken=False, **traffic):
    return plan(now, scale, Traffic(**traffic), bounds, RULES, is_woken=woken)


def test_grows_at_once_when_requests_wait_or_everything_is_busy():
    scale = begin(0, BOUNDS)
    assert scale.replicas == 1
    assert replicas(scale, 1, outstanding=3).replicas == 1
    assert replicas(scale, 1, outstanding=4).replicas == 2
    assert replicas(scale, 1, outstanding=4, queued=7).replicas == 3
    assert replicas(scale, 1, outstanding=4, queued=100).replicas == 4


def test_shrinks_only_to_what_a_whole_window_needed():
    scale = replicas(begin(0, BOUNDS), 1, outstanding=16)
    assert scale.replicas == 4
    scale = replicas(scale, 200, outstanding=9)
    scale = replicas(scale, 299, outstanding=0)
    assert scale.replicas == 4
    # The window saw 16 at its beginning.
    scale = replicas(scale, 300, outstanding=2)
    assert scale.replicas == 4
    scale = replicas(scale, 450, outstanding=5)
    scale = replicas(scale, 600, outstanding=0)
    assert scale.replicas == 2
    scale = replicas(scale, 900, outstanding=0)
    assert scale.replicas == 1
    assert replicas(scale, 9999, outstanding=0).replicas == 1


def test_least_holds_whatever_the_traffic():
    bounds = Bounds(least=2, most=4, units=4, to_zero=False)
    scale = begin(0, bounds)
    assert scale.replicas == 2
    assert replicas(scale, 10_000, bounds=bounds).replicas == 2


def test_goes_to_zero_after_half_an_hour_without_traffic_and_wakes():
    scale = begin(0, TO_ZERO)
    assert scale.replicas == 1
    scale = replicas(scale, 1000, bounds=TO_ZERO, outstanding=1, last_request=1000)
    scale = replicas(scale, 2799, bounds=TO_ZERO, last_request=1000)
    assert scale.replicas == 1
    scale = replicas(scale, 2800, bounds=TO_ZERO, last_request=1000)
    assert scale.replicas == 0
    assert replicas(scale, 2900, bounds=TO_ZERO, last_request=1000).replicas == 0
    woken = replicas(scale, 2900, bounds=TO_ZERO, woken=True)
    assert woken.replicas == 1
    # Whoever woke it may need longer than a moment to arrive.
    assert replicas(woken, 3000, bounds=TO_ZERO).replicas == 1
    assert replicas(scale, 2900, bounds=TO_ZERO, queued=9).replicas == 3


def test_stays_up_while_a_request_is_answered():
    scale = replicas(begin(0, TO_ZERO), 5000, bounds=TO_ZERO, outstanding=1, last_request=10)
    assert scale.replicas == 1


def test_scaled_to_zero_stays_so_over_a_restart_of_the_supervisor():
    assert begin(0, TO_ZERO, is_idle=True).replicas == 0
    assert begin(0, BOUNDS, is_idle=True).replicas == 1


def test_smaller_bounds_take_effect_at_once():
    scale = replicas(begin(0, BOUNDS), 1, outstanding=16)
    assert replicas(scale, 2, bounds=Bounds(least=1, most=2, units=4, to_zero=False)).replicas == 2
