import msgspec
import numpy as np
from helpers_features import CAMERA, IMU, SECOND, SOUND, imu_batch, person, sound_blocks, split
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.places import PLACES
from fusion.features import MAX_AGE_S, SHAPES, FeatureBuilder, FeatureSpec, stack, stature_of
from fusion.skeletons import BODY20

SLOT = PLACES.index("right_forearm")


def builder(*streams, **spec):
    return FeatureBuilder(streams or (IMU, SOUND, CAMERA), BODY20, FeatureSpec(**spec))


def people(seconds):
    return [
        (int(i * SECOND / 30) + 7_000_000, [person((300 + 2 * i, 240))]) for i in range(int(seconds * 30))
    ]


def test_the_features_have_the_shapes_they_promise():
    b = builder()
    b.push(imu_batch(0.2))
    step = b.step(SECOND // 10)
    assert {name: value.shape for name, value in step.items()} == {**SHAPES, "time": ()}
    assert {value.dtype for name, value in step.items() if name != "time"} == {np.dtype(np.float32)}
    assert step["time"].dtype == np.int64


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 99), max_size=6), st.integers(1, 40), st.integers(0, 2))
def test_features_do_not_depend_on_how_and_in_what_order_samples_come(cuts, chunk, order):
    def push_all(b, groups):
        for group in groups:
            for item in group:
                if isinstance(item, tuple):
                    b.push_people(*item)
                else:
                    b.push(item)
                yield from b.steps()

    def close(b):
        for name in (IMU.name, SOUND.name, CAMERA.name):
            b.end(name)
        return b.steps()

    imu, sound, seen = imu_batch(1.0), sound_blocks(1.0), people(1.0)
    one = builder()
    expected = stack([*push_all(one, [[imu], sound, seen]), *close(one)])
    groups = [split(imu, cuts), sound, seen]
    other = builder()
    if order == 2:  # chunks of the three in turn, as live
        mixed = []
        while any(groups):
            for group in groups:
                mixed.append(group[:chunk])
                del group[:chunk]
        groups = mixed
    elif order == 1:
        groups = groups[::-1]
    got = stack([*push_all(other, groups), *close(other)])
    assert len(got["time"]) == len(expected["time"]) >= 59
    for name in expected:
        np.testing.assert_array_equal(got[name], expected[name], err_msg=name)


def test_a_tick_does_not_see_the_future():
    tick = SECOND // 2
    imu, early, late = imu_batch(1.0), builder(), builder()
    stop = int(np.searchsorted(imu.stamps["time"], tick, side="right"))
    early.push(split(imu, [stop])[0])
    late.push(imu)
    for time, seen in people(1.0):
        late.push_people(time, seen)
        if time <= tick:
            early.push_people(time, seen)
    a, b = early.step(tick), late.step(tick)
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_a_tick_is_ready_when_every_stream_that_goes_on_has_passed_it():
    b = builder()
    assert b.next_time is None
    b.push(imu_batch(1.0))
    assert not b.ready(SECOND // 10)
    for block in sound_blocks(0.5):
        b.push(block)
    assert not b.ready(SECOND // 10)
    b.end("camera")
    assert b.ready(SECOND // 10)
    assert not b.ready(3 * SECOND // 4)
    b.end("sound")
    assert b.ready(3 * SECOND // 4)


def test_the_mean_since_the_last_tick_and_the_age_are_those_of_the_rows():
    b = builder(IMU)
    batch = imu_batch(1.0)
    b.push(batch)
    tick = b.grid.time(30)
    step = b.step(tick)
    times = batch.stamps["time"]
    inside = (times > tick - SECOND // 60) & (times <= tick)
    np.testing.assert_allclose(
        step["inertial"][SLOT, :3], batch.data[inside, :3].mean(axis=0) / 9.80665, rtol=1e-5
    )
    assert step["inertial_age"][SLOT] == np.float32((tick - times[inside][-1]) / SECOND)
    assert step["inertial_present"].sum() == step["inertial_present"][SLOT] == 1
    assert step["inertial_age"][0] == MAX_AGE_S


def test_a_sensor_that_falls_silent_is_missing_after_a_while_and_its_values_are_zero():
    b = builder()
    b.push(imu_batch(0.5))
    for time, seen in people(0.5):
        b.push_people(time, seen)
    for block in sound_blocks(0.5):
        b.push(block)
    soon, later = b.step(b.grid.time(31)), b.step(b.grid.time(90))
    for name in ("vision_present", "inertial_present", "audio_present"):
        assert soon[name].any()
        assert not later[name].any()
    for name in ("vision", "inertial", "audio"):
        assert soon[name].any()
        assert not later[name].any()
    assert later["vision_age"] > 0.9
    assert later["box"].any()  # where the person was last: outputs are drawn there


def test_before_any_sample_everything_is_missing_and_as_old_as_can_be():
    step = builder().step(0)
    assert not step["vision_present"].any()
    assert step["vision_age"] == step["audio_age"] == MAX_AGE_S


def test_vision_is_relative_to_the_box_and_can_be_put_back_into_the_picture():
    b = builder(CAMERA)
    someone = person((400, 200), 180.0)
    b.push_people(0, [someone])
    step = b.step(0)
    box, vision = step["box"], step["vision"]
    np.testing.assert_allclose(
        (vision[:, :2] * box[2] + box[:2]) * 640 + [320, 240], someone.keypoints, atol=1e-3
    )
    assert np.abs(vision[:, :2]).max() <= 0.5 + 1e-6
    assert np.ptp(vision[:, :2], axis=0).max() > 1 - 1e-6
    np.testing.assert_allclose(vision[:, 3] * (box[2] * 640) ** 2, 4.0, rtol=1e-5)
    assert someone.world is not None
    np.testing.assert_allclose(vision[:, 7], someone.world[:, 2] - someone.world[0, 2], atol=1e-6)
    assert vision[:, 8].all()


def test_a_joint_that_is_hardly_visible_was_not_measured():
    b = builder(CAMERA)
    someone = person()
    someone.score[5] = 0.01
    someone.keypoints[6] = np.nan
    b.push_people(0, [someone])
    step = b.step(0)
    assert np.flatnonzero(step["vision_present"] == 0).tolist() == [5, 6]
    assert not step["vision"][[5, 6]].any()
    assert np.isfinite(step["vision"]).all()


def test_of_several_people_the_one_seen_best_is_taken():
    one, all_ = builder(CAMERA), builder(CAMERA)
    big, small = person((300, 200), 200), person((500, 300), 50)
    one.push_people(0, [big])
    all_.push_people(0, [small, big])
    np.testing.assert_array_equal(one.step(0)["vision"], all_.step(0)["vision"])


def test_one_sensor_serves_each_place_and_the_others_are_named():
    twin = msgspec.structs.replace(IMU, name="wrist_too")
    other = msgspec.structs.replace(IMU, name="hip", worn_on="pelvis")
    b = builder(twin, IMU, other)
    assert b.slots == {"hip": "pelvis", "wrist": "right_forearm"}
    assert b.unused == ["wrist_too"]


def test_the_box_follows_smoothly_but_jumps_to_another_person():
    b = builder(CAMERA)
    b.push_people(0, [person((300, 240))])
    b.push_people(SECOND // 30, [person((320, 240))])
    b.push_people(2 * SECOND // 30, [person((600, 100))])
    x = [float(b.step(i * SECOND // 30)["box"][0]) * 640 + 320 for i in range(3)]
    where = [x[0], x[0] + 20, x[0] + 300]
    assert where[0] < x[1] < where[1]
    assert abs(x[2] - where[2]) < 1e-3


def test_the_wearer_is_as_tall_as_the_metadata_say():
    streams = (IMU,)
    told = FeatureBuilder(streams, BODY20, FeatureSpec(), stature_of({"height": "1.82", "age": "33"}))
    assert float(told.step(SECOND)["stature"]) == np.float32(1.82)
    assert stature_of({"age": "33"}) == 0.0
    nobody = FeatureBuilder(streams, BODY20, FeatureSpec()).step(SECOND)
    assert nobody["stature"] == 0.0
    assert not nobody["bones"].any()
