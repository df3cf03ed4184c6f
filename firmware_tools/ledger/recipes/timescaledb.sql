-- TimescaleDB on the ledger's database. Run once, after latido-ledger has made its tables:
--   psql postgresql://user:password@db/fleet -f timescaledb.sql
-- The views work on plain PostgreSQL 15 too; only the last part needs the extension.

-- A verdict as columns. `at` is the device's UTC as it knew it; `clock_synced` says whether to trust it.
CREATE OR REPLACE VIEW verdicts AS
SELECT device, boot, lane, seq,
       to_timestamp((body::jsonb ->> 'utc_ns')::double precision / 1e9) AS at,
       (body::jsonb ->> 'clock_synced')::boolean AS clock_synced,
       body::jsonb ->> 'machine' AS machine,
       body::jsonb ->> 'state' AS state,
       body::jsonb ->> 'zone' AS zone,
       (body::jsonb ->> 'velocity_rms_mm_s')::double precision AS velocity_rms_mm_s,
       (body::jsonb ->> 'temperature_degc')::double precision AS temperature_degc,
       (body::jsonb -> 'anomaly' ->> 'score')::double precision AS anomaly_score
FROM rows
WHERE kind IN ('verdict', 'state_change');

-- Numbers that are missing between two that came, before tombstones are taken off.
CREATE OR REPLACE VIEW gaps AS
SELECT device, boot, lane, previous + 1 AS first, begins - 1 AS last
FROM (SELECT device, boot, lane,
             CASE WHEN first_seq > 0 THEN first_seq ELSE seq END AS begins,
             LAG(seq, 1, 0::bigint) OVER (PARTITION BY device, boot, lane ORDER BY seq) AS previous
      FROM rows) AS numbered
WHERE begins > previous + 1;

CREATE OR REPLACE VIEW tombstones AS
SELECT device,
       (body::jsonb ->> 'boot')::bigint AS boot,
       body::jsonb ->> 'lane' AS lane,
       (body::jsonb ->> 'seq_from')::bigint AS first,
       (body::jsonb ->> 'seq_to')::bigint AS last,
       body::jsonb ->> 'reason' AS reason
FROM rows
WHERE kind = 'tombstone';

-- The chart's own table: fed from the ledger's, by time. `rows` itself stays as it is, because a
-- hypertable's unique keys must hold its time, and the ledger's key is the row's number.
CREATE EXTENSION IF NOT EXISTS timescaledb;

CREATE TABLE IF NOT EXISTS velocity (
    at TIMESTAMPTZ NOT NULL, device TEXT NOT NULL, machine TEXT NOT NULL,
    boot BIGINT NOT NULL, lane TEXT NOT NULL, seq BIGINT NOT NULL,
    velocity_rms_mm_s DOUBLE PRECISION, temperature_degc DOUBLE PRECISION, zone TEXT, state TEXT,
    UNIQUE (device, boot, lane, seq, at)
);
SELECT create_hypertable('velocity', 'at', if_not_exists => TRUE);

-- Every minute, by cron or pg_cron:
INSERT INTO velocity
SELECT at, device, machine, boot, lane, seq, velocity_rms_mm_s, temperature_degc, zone, state
FROM verdicts
WHERE at > now() - INTERVAL '1 day'
ON CONFLICT DO NOTHING;
