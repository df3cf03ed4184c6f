-- TimescaleDB on the ledger's database. Run once, after latido-ledger has made its tables:
--   psql postgresql://user:password@db/fleet -f timescaledb.sql
-- The views work on plain PostgreSQL 15 too; only the last part needs the extension.

-- How the rows of a boot are dated, by the newest clock row of each: a device without a battery
-- clock starts years off, and says later what its time was.
CREATE OR REPLACE VIEW clocks AS
SELECT DISTINCT ON (device, boot) device, boot,
       (body::jsonb ->> 'through_mono_ns')::numeric AS through_mono_ns,
       (body::jsonb ->> 'mono_ns')::numeric AS mono_ns,
       (body::jsonb ->> 'utc_ns')::numeric AS utc_ns,
       (body::jsonb ->> 'rate_ppm')::numeric AS rate_ppm
FROM rows
WHERE kind = 'clock'
ORDER BY device, boot, seq DESC;

-- A verdict as columns. `at` is UTC: as the boot's clock row dates it, else as the device knew it
-- then; `clock_synced` says whether to trust it.
CREATE OR REPLACE VIEW verdicts AS
SELECT r.device, r.boot, r.lane, r.seq,
       to_timestamp((CASE
           WHEN r.mono_ns <= c.through_mono_ns
           THEN c.utc_ns + (r.mono_ns - c.mono_ns) * (1 + c.rate_ppm / 1e6)
           ELSE (r.body::jsonb ->> 'utc_ns')::numeric
       END / 1e9)::double precision) AS at,
       (r.body::jsonb ->> 'clock_synced')::boolean
           OR COALESCE(r.mono_ns <= c.through_mono_ns, FALSE) AS clock_synced,
       r.body::jsonb ->> 'machine' AS machine,
       r.body::jsonb ->> 'state' AS state,
       r.body::jsonb ->> 'zone' AS zone,
       (r.body::jsonb ->> 'velocity_rms_mm_s')::double precision AS velocity_rms_mm_s,
       (r.body::jsonb ->> 'temperature_degc')::double precision AS temperature_degc,
       (r.body::jsonb -> 'anomaly' ->> 'score')::double precision AS anomaly_score
FROM rows AS r
LEFT JOIN clocks AS c ON c.device = r.device AND c.boot = r.boot
WHERE r.kind IN ('verdict', 'state_change');

-- Numbers that are missing between two that came, before tombstones are taken off.
CREATE OR REPLACE VIEW gaps AS
SELECT device, boot, lane, previous + 1 AS first, begins - 1 AS last
FROM (SELECT device, boot, lane,
             CASE WHEN first_seq > 0 THEN first_seq ELSE seq END AS begins,
             LAG(seq, 1, 0::bigint) OVER (PARTITION BY device, boot, lane ORDER BY seq) AS previous
      FROM rows) AS numbered
WHERE begins > previous + 1;

-- Rows that the devices gave up, with what a tombstone carries of others that could not be sent.
CREATE OR REPLACE VIEW tombstones AS
SELECT device,
       (part ->> 'boot')::bigint AS boot,
       part ->> 'lane' AS lane,
       (part ->> 'seq_from')::bigint AS first,
       (part ->> 'seq_to')::bigint AS last,
       part ->> 'reason' AS reason
FROM rows,
     jsonb_array_elements(jsonb_build_array(body::jsonb) || COALESCE(body::jsonb -> 'also', '[]')) AS part
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

-- Every minute, by cron or pg_cron. What has been dated anew since leaves its old place first.
DELETE FROM velocity AS old
USING clocks AS c, verdicts AS v
WHERE c.device = old.device AND c.boot = old.boot
  AND (v.device, v.boot, v.lane, v.seq) = (old.device, old.boot, old.lane, old.seq)
  AND v.at <> old.at;

INSERT INTO velocity
SELECT at, device, machine, boot, lane, seq, velocity_rms_mm_s, temperature_degc, zone, state
FROM verdicts
WHERE at > now() - INTERVAL '1 day'
ON CONFLICT DO NOTHING;
