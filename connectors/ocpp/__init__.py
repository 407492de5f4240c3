"""The charging stations' side: a central system (CSMS) for OCPP 1.6J and 2.0.1 on one port.

    gateway     accepts stations, routes orders to them            (entry point `connect`)
    options     what site.yaml may say about all this
    security    who may connect: checked before the 101
    connection  one socket: one open CALL, answer deadlines, malformed frames
    orders      one order of the engine, asked until the station has said yes or no
    learning    what a station is asked and told after it connects
    frames      OCPP-J: text to CALL, CALLRESULT, CALLERROR and back       (pure)
    v16, v201   wire to events, orders to requests, one file per version   (pure)
    metering, transactions, schedule, schema, values   what both share     (pure)

Nothing of the `ocpp` and `websockets` libraries leaves this package.
"""
