"""A right file, in the types of the domain."""

import json
from datetime import time

import jsonschema
from ruamel.yaml import YAML

from loadmgr.config import json_schema, load
from loadmgr.model import ReadyBy, Share, Wiring
from loadmgr.units import PHASES, Phase

from .conftest import FILES

GOOD = FILES / "good.yaml"


def test_a_good_file_has_nothing_to_complain_about():
    assert load(GOOD).warnings == ()


def test_circuits_stand_parent_first_whatever_the_order_of_the_file():
    site = load(GOOD).site
    assert [circuit.id for circuit in site.circuits] == ["main", "south", "annex", "north"]
    main, _, annex, _ = site.circuits
    assert main.label == "Grid connection" and main.feeds_from is None
    assert (main.rating_a, main.margin_a, main.max_power_w) == ((63, 63, 63), 3, 40_000)
    assert annex.rating_a == (0, 20, 0) and annex.building_a == (0, 4, 0)


def test_a_meter_knows_its_circuit_and_what_to_assume():
    (meter,) = load(GOOD).site.meters
    assert (meter.circuit, meter.lost_after_s, meter.worst_building_a) == ("main", 15, (35, 35, 35))


def test_a_meter_may_feed_in_unless_told_otherwise(tmp_path):
    (meter,) = load(GOOD).site.meters
    assert meter.feeds_in
    text = GOOD.read_text().replace("type: modbus", "type: modbus\n    feeds_in: false")
    (other := tmp_path / "site.yaml").write_text(text)
    (meter,) = load(other).site.meters
    assert not meter.feeds_in


def test_chargers_keep_the_order_of_their_terminals():
    evse = load(GOOD).site.evse
    assert evse["CP02"].wiring == Wiring((Phase.L2, Phase.L3, Phase.L1))
    assert evse["CP05"].priority == 3 and evse["CP05"].label == "Fleet van"


def test_where_there_is_one_phase_nobody_has_to_name_it():
    assert load(GOOD).site.evse["CP06"].wiring == Wiring((Phase.L2,))


def test_outlets_of_one_station_take_what_they_do_not_say_from_it():
    site = load(GOOD).site
    first, second = site.stations["CP07"]
    assert (first.id, first.number, first.max_a, first.circuit) == ("CP07:1", 1, 16, "south")
    assert (second.id, second.number, second.max_a) == ("CP07:2", 2, 20)
    assert (first.label, second.label) == ("CP07 1", "Left of the gate")


def test_policy_and_prices_are_read():
    site = load(GOOD).site
    assert site.policy.share is Share.FAIR and site.policy.rotate_every_s == 900
    assert site.policy.ready_by == ReadyBy(at=time(7, 30), energy_wh=20_000)
    assert site.tariff is not None and [p for _, p in site.tariff.prices] == [0.19, 0.31, 0.19]


def test_connectors_get_their_own_options_and_no_others():
    configuration = load(GOOD)
    meter = configuration.meters["main-meter"]
    assert meter.type == "modbus" and meter.path == ("meters", "main-meter")
    assert meter.options == {"device": "eastron-sdm630", "host": "192.168.1.20", "port": 502}
    evening = configuration.limits["evening"]
    assert evening.options["applies_to"] == "main" and evening.options["from"] == "17:00"


def test_the_gateway_is_told_in_seconds_and_by_station(read):
    options = read(
        "site: {name: A, timezone: UTC}\ncircuits: {main: {fuse: 35 A, building: 10 A}}\n"
        "chargers: {DC: {circuit: main, phases: L1 L2 L3, max: 32 A, balanced: true}}\n"
        "ocpp: {passwords_file: keys, heartbeat: 5 min, answer_within: 20 s, sample_every: 10 s}\n"
    ).gateway.options
    assert (options["heartbeat_s"], options["answer_s"], options["sample_every_s"]) == (300, 20, 10)
    assert options["balanced_stations"] == ["DC"]


def test_files_count_from_the_folder_of_site_yaml():
    configuration = load(GOOD)
    assert configuration.gateway.options["passwords_file"] == str(FILES / "passwords.csv")
    assert configuration.gateway.options["key_file"] == "/etc/loadmgr/server.key"
    assert configuration.store == FILES / "data"


def test_a_complaint_of_a_connector_finds_its_place():
    configuration = load(GOOD)
    block = configuration.meters["main-meter"]
    (problem,) = configuration.error(block, ("host",), "no answer").problems
    assert str(problem).endswith("good.yaml:23:11: error: meters.main-meter.host: no answer")


def test_defaults_are_safe(read):
    configuration = read(
        "site: {name: A, timezone: UTC}\ncircuits: {main: {fuse: {L1: 35 A}, building: 10 A}}\n"
        "chargers: {'0012': {circuit: main, max: 16 A}}\nocpp: {passwords_file: keys}\n"
    )
    assert configuration.site.offline.fallback_a == 0
    assert configuration.gateway.options["security_profile"] == 1
    assert configuration.gateway.options["listen"] == "127.0.0.1:9000"
    assert configuration.dashboard_listen == ("127.0.0.1", 8080) and configuration.store is None
    (evse,) = configuration.site.evses
    assert evse.id == "0012" and evse.min_a == 6 and evse.wiring == Wiring((Phase.L1,))


def test_a_charger_without_phases_counts_on_all_and_is_named(read):
    configuration = read(
        "site: {name: A, timezone: UTC}\ncircuits: {main: {fuse: 35 A, building: 10 A}}\n"
        "chargers: {CP: {circuit: main, max: 16 A}}\nocpp: {passwords_file: keys}\n"
    )
    assert configuration.site.evse["CP"].wiring == Wiring(PHASES, known=False)
    assert [p.path for p in configuration.warnings] == [("chargers", "CP")]


# ── The schema for editors ────────────────────────────────────────────────────────────────


def test_the_schema_accepts_the_good_file_and_is_json():
    schema = json.loads(json.dumps(json_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(YAML(typ="safe").load(GOOD), schema)


def test_the_schema_shows_mistakes_while_typing():
    found = YAML(typ="safe")
    found.allow_duplicate_keys = True
    validator = jsonschema.Draft202012Validator(json_schema())
    paths = {
        tuple(e.absolute_path) for e in validator.iter_errors(found.load(FILES / "typos.yaml"))
    }
    assert {("site", "voltage"), ("circuits", "main", "max_power"), ("policy", "share")} <= paths


def test_every_setting_is_described():
    def blocks(schema):
        yield from schema["$defs"].values()
        yield schema

    bare = [
        (block["title"], name)
        for block in blocks(json_schema())
        for name, setting in block.get("properties", {}).items()
        if not setting.get("description")
    ]
    assert bare == []
