"""Every bound in the program, with its reason. Relations between bounds are asserted at the end."""

# Acquisition
DRAIN_SHARE = 0.4  # of a FIFO's time between drains: 12 frames and more, so few bits besides them
DRAIN_INTERVAL_S = 0.004  # at the least: that share of the 10 ms of an ADXL345 at 3200 Hz
DRAIN_INTERVAL_MAX_S = 0.13  # a verdict waits no longer for its last frames; 100 Hz needs 128 ms
CHIP_FAST = 0.04  # by which an oscillator may run fast
BATCH_INTERVAL_S = (
    0.1  # frames go to the event loop ten times a second: wake-ups cost more than bytes
)
BATCHES_QUEUED = 50  # 5 s of a stalled loop before frames are dropped, and counted
SAMPLING_END_S = 2.5  # a transfer that hangs takes a second; then the process is ended by force
SAMPLING_KILLED_S = 0.5  # for the system to end it; a transfer that hangs may keep it from that
BESIDE_PRIORITY = 9  # of what shares the interpreter with a bus's thread: it must give it back soon
BUS_PRIORITY = 10  # of 1 to 99, SCHED_FIFO: above every ordinary task, below the kernel's own
NICE = -10  # so that a busy board does not keep the agent from judging what was sampled
SWITCH_INTERVAL_S = 0.0002  # a bus's thread waits for the interpreter a few turns of it, of 10 ms
ISOLATED_S = (
    0.5,
    1.0,
    2.0,
)  # a sensor that no rung of the ladder brings back is left alone so long
STEADY_BATCHES = 10  # good ones in a row, a second, until a sensor that failed counts as running
KERNEL_TIMEOUT_S = 1.0  # i2c-dev's own for a transfer that hangs: no other chip is read meanwhile
VERIFY_INTERVAL_S = 1.0  # how long a chip that was reset may send with other settings
NO_FRAMES_S = 0.3  # and at least NO_FRAMES periods: then a chip no longer samples
NO_FRAMES = 20
SILENT_S = 3.5  # without a batch, not even of a fault: the bus hangs in a transfer
RATE_TRUSTED = 0.005  # a rate known to half a percent moves no line out of its bin
FIT_SPAN_S = (
    20.0  # the clock fit looks back this far: 0.1 % of rate in 10 s, and follows temperature
)
RATE_OUT_OF_SPEC = 0.02  # more than makers promise at 25 degC; known, so it may still be judged
RATE_ERROR_MAX = 0.06  # oscillators are off by up to 4 %; beyond 6 % it is not the oscillator
NO_RATE = 1e9  # a sensor without a FIFO is as fast as it is asked: never its fault

BLOCKS_QUEUED = 50  # 5 s of an analysis that does not keep up, then the oldest goes, counted

CONFIG_BYTES = 256 * 1024  # a hundred machines with two sensors each take some 60 KB

# Analysis
WINDOW_OVERLAP = 2  # each frame stands in two windows: a Hann window hides the edges
BASELINE_WINDOWS = 200  # fewer do not support a spread of 24 features
LEARN_MIN = 60.0  # of running that they are spread over: load, warm-up and neighbours come and go
EVIDENCE_KEPT = 20  # examinations of the healthy machine, for what is typical of it
EXAMINE_S = 4.0  # a stretch: lines 0.25 Hz apart, ten turns of a 150 r/min shaft
SEVERITY_HOLD_S = 12.0  # of a stretch: two that were not trusted leave its severity standing
SPEED_TRUSTED = 0.9  # confidence from which a speed tells states apart: two lines or more agree
SPEED_BAND = 0.03  # speeds this near are one state: an induction motor slips less with its load
SPEED_AGREE = 2  # stretches in a row that show a new speed, before it is one
SPEED_STATES_MAX = 8  # more is a drive that is everywhere: the rest is never compared
REMOUNT_WINDOWS = 12  # about two seconds in a row: a hand on the sensor is no new mounting
FINDING_N = 3  # of the last FINDING_M examinations; one stretch is no finding
FINDING_M = 5
FINDING_LIKELY = 0.5  # a finding of less confidence is shown, and is no warning by itself
ALARM_ON_S = 12.0  # longer than it takes to notice another speed (three stretches)
ALARM_OFF_S = 5.0
DEADBAND = 0.9  # of a limit: what is above falls back only below this
USAGE_KEPT_S = 600.0  # run hours that a power cut may cost
ALARM_N = 5  # of the last ALARM_M windows; one bad window is not a fault
ALARM_M = 8
ALARM_RATIO = 20.0  # score over threshold: features 4.5 times further off than any healthy window
DISTRUST_HOLD_S = 2.0  # a shorter gap in trusted data leaves the last state standing
GLITCH_WINDOWS_MAX = 2  # windows of the last GLITCH_WINDOWS_OF with broken bits: more is a failure
GLITCH_WINDOWS_OF = 8
SETTLE_WINDOWS = 6  # a machine counts as running after about a second of motion
STOPPED_BELOW_MM_S = 0.05  # above an ADXL345's own floor in 10-1000 Hz (about 0.02 mm/s measured)
WARM_AFTER_S = 3600.0  # of running: until then a housing warms up, and fast
RISE_DEGC = 10.0  # in RISE_MIN, of a machine that has long been warm
RISE_MIN = 10
TEMPERATURE_READINGS = 10  # in a row above the limit, a second: a spark of noise is not heat
TEMPERATURE_LIMIT_DEGC = 90.0  # bearing housing; makers commonly print 80 to 100 degC for grease

# Store and delivery
# What a power cut may cost, by lane. An alarm commits at once with all that waited. A live row is
# sent from memory and committed when nobody has acknowledged it within this time; while the broker
# is away nobody waits, and a commit of thirty rows costs the card little more than a commit of one.
COMMIT_INTERVAL_S = {"alarm": 0.0, "live": 1.0, "history": 30.0}
# Live rows that may be sent from memory between two accounts on the disk; after a power cut so many
# numbers at most are given up, whether they were used or not.
EXPRESS_ROWS = 32
STORE_RETRY_S = 2.0  # between attempts while the disk takes no rows
KEEP_RETRY_S = 10.0  # between attempts to keep a baseline or a state of alarms
BUSY_WAIT_S = 5.0  # for another process that reads the files
WAL_BYTES = (
    4608 * 1024
)  # of the log, from the start: SQLite carries it over at 1,000 pages and a commit
BUNDLE_ROWS = 50  # measured: 20 to 50 rows a publish, 10 to 20 publishes in flight go fastest
BUNDLE_BYTES = 16 * 1024
BUNDLES_IN_FLIGHT = 10  # of each lane
HISTORY_ROWS_PER_S = 3000.0  # a day at one row a second in half a minute, a tenth of what could go
RESEND_S_MIN = 10.0  # without the receiver's word; twice as long each time
RESEND_S_MAX = 300.0
DRAIN_AWAY_S = 20.0  # a drain by hand gives up after this long without a connection or a receipt
TELL_INTERVAL_S = 0.5  # of the uplink's counts on the page
RECONNECT_S_MIN = 0.5
RECONNECT_S_MAX = 30.0  # a broker that comes back is found within half a minute
STATUS_INTERVAL_S = 30.0  # the retained status message, when it has something new to say
STATUS_LEFT_OUT_S = 600.0  # where connections end on it
KEEPALIVE_S = 10  # a half-open link is noticed within 1.5 times this
PING_S = 5  # of silence before a ping; the next missing answer ends the link
DIAL_STEP_S = 5.0  # for TCP and again for TLS: a cellular link's worst second try
CONNECT_S_MAX = 12.0  # for all steps of a connection
GREETING_S = 5.0  # some brokers meet MQTT 5 with silence: then 3.1.1 is tried
PUBACK_S_MAX = 30.0  # a broker that answers later than this is as good as away
GOODBYE_S = 0.5  # the last packet of a clean stop must not hold it up
INCOMING_QUEUED = 64
INCOMING_BYTES = 320 * 1024  # the largest message there is a use for: a model of up to 256 KiB
CLOCK_INTERVAL_S = 5.0  # between looks at the clocks: what the answer to a question waits for
SYNC_ASK_S = 10.0  # between questions to a time service: ntpd may answer one in 8 s and no more
SYNC_SAID_S = 60.0  # its word holds: while it is restarted, and against lost answers
CLOCK_PAIR_NS = 1_000_000  # both clocks are read within a millisecond, or again
RECORDS_QUEUED = 10_000  # rows waiting in memory while the disk does not take them
UNSAVED_LOOK_S = 5.0  # until alarms that the disk does not take are told
UNSAVED_TOLD = 8  # of the alarms among them, the newest, in the status message: some 4 KB
STORE_MB = 256  # of the card, when the configuration does not say; rows of years, thinned
STORE_MB_MIN = 4
WAL_BYTES_MAX = 12 * 2**20  # held up by a reader: beyond it the database moves to a new file
WAL_GROWN_BYTES = (
    2**20
)  # free pages of the file at the start, and the least of a log on a full disk
SIDE_GROWN_BYTES = 512 * 1024  # the same for settings and captures: the largest write of theirs
# On a disk that another program has filled. The ballast pays once what the log owes the database,
# at most a log; what is left of it is for alarms and settings when nothing else can give way.
BALLAST_BYTES = 8 * 2**20
BALLAST_ALARMS_BYTES = 2 * 2**20  # at least: half of it for pages, half for the log
BALLAST_SPARE_BYTES = 8 * 2**20  # free beside the ballast, before the disk counts as full no more
LOGS_BYTES = WAL_GROWN_BYTES + 2 * SIDE_GROWN_BYTES + 256 * 1024  # and their indexes
OPEN_BYTES = WAL_BYTES + 2 * LOGS_BYTES  # free at the start, for files to be grown besides
LITTLE_BYTES = 2**20  # free: as good as full, seen before a write fails
COME_BACK_BYTES = 2**20  # free, before files are opened that a disk without room kept shut
ROOM_BYTES = 256 * 1024  # made within the file when the disk is full
ROOM_STEP_BYTES = 64 * 1024  # of the ballast, for a commit of alarms or a setting
FULL_DISK_STEPS = 64  # of making that room: nothing else is written in the commit
COMMIT_BYTES = 256 * 1024  # of bodies: a commit fits in the log that a full disk leaves
RECORDS_COMMITTED = 1000  # at a time, after a time in which the disk took none
BALLAST_COMMITS = 100  # between attempts to take the ballast back
STORE_TELL_S = 10.0
BUDGET_AFTER_S = 600.0  # the first minutes write tables and baselines: no measure of a day
FILL_SHARE = 0.9  # of the limit: a commit may fill the rest before room is made
LEVEL_SHARES = (0.5, 0.15, 0.15, 0.2)  # of the history lane: raw, 1 s, 10 s, 1 min
THINNED_BUNDLES = 32  # at a time: about 2,000 rows, 0.1 s of a Raspberry Pi's store thread
EVICTED_BUNDLES = 32
RELIEF_STEPS = 8  # a commit: more room is made than a commit takes
ALARM_KEPT_BEFORE_S = 60.0  # the rows around an alarm are never thinned
ALARM_KEPT_AFTER_S = 60.0
KEPT_WINDOWS = 10_000
PAST_SHARE = 0.125  # of the limit: the page's past gives way before any row does
CAPTURES_BYTES = 32 * 2**20  # some 500 windows of three axes; in a file of their own
CAPTURES_QUEUED = 8
REFUSED_ROWS = 1000  # rows that the broker would not take, kept for a person to look at
CARRIED_MAX = 32  # accounts beside its own in one tombstone: some 4 KB
REFUSED_PAUSE_S = 1.0  # before a tombstone that was refused is written anew; twice that each time
REFUSED_PAUSE_S_MAX = 300.0
PACKET_BYTES_WANTED = 8 * 1024  # a status with alarms, a tombstone that carries others: 4 to 6 KB
TOO_LARGE_LOOK_S = 60.0  # between looks whether a row that is too large for the broker still waits
PAST_BUNDLE_S = 300.0  # of the page's past, what a power cut may cost; each minute costs the card
PAST_BUNDLE_ROWS = 600
PAST_BUNDLES = 1440  # five days of one machine, a day of five

# Page
PAGE_CONNECTIONS = 64  # a plant's phones and a dashboard; each costs some 20 KB
PAGE_HEAD_BYTES = 8192
PAGE_HEAD_LINES = 64
PAGE_HEAD_S = 10.0
PAGE_WRITE_S = 20.0
PAGE_FAREWELL_S = 1.0  # for a refused client to take its answer
PAGE_EVENT_CLIENTS = 8
PAGE_EVENT_S = 0.5  # twice a second is as fast as a person reads
PAGE_KEEP_ALIVE_S = 5.0

# Life of tasks
RESTART_DELAY_S = 0.5
RESTART_DELAYS_MAX = 6  # 0.5 s doubling: about 32 s of trying before the process gives up
STEADY_AFTER_S = 60.0
STOP_WITHIN_S = 4.0  # all stops within 5 s, and the store needs the last of them

HEALTH_INTERVAL_S = 1.0
LAG_INTERVAL_S = 0.05  # how often the loop's own delay is measured

assert BESIDE_PRIORITY < BUS_PRIORITY
assert DRAIN_INTERVAL_S < BATCH_INTERVAL_S < DRAIN_INTERVAL_MAX_S + BATCH_INTERVAL_S < NO_FRAMES_S
assert 2 * DRAIN_INTERVAL_MAX_S < NO_FRAMES_S  # two empty drains in a row before silence is said
assert (1 + CHIP_FAST) * DRAIN_SHARE < 0.5  # as long again may a host be held up, and nothing lost
assert 32 * (BATCH_INTERVAL_S + DRAIN_INTERVAL_MAX_S) < 10.0  # points of the clock fit, in 10 s
assert max(ISOLATED_S) + KERNEL_TIMEOUT_S < SILENT_S  # what is left alone is not called hanging
assert max(ISOLATED_S) + KERNEL_TIMEOUT_S < 4.0  # back within 5 s, a window of judging included
assert ALARM_N <= ALARM_M
assert 2 * PING_S + 2 <= 1.5 * KEEPALIVE_S  # the library looks once a second
assert FINDING_N <= FINDING_M
assert 2 * EXAMINE_S <= SEVERITY_HOLD_S, "a stretch's severity stands until the next one comes"
assert SEVERITY_HOLD_S <= ALARM_ON_S, "one stretch is no alarm, whatever follows it"
assert ALARM_ON_S >= (1 + SPEED_AGREE) * EXAMINE_S, "another speed is noticed before it alarms"
assert EXPRESS_ROWS <= BUNDLE_ROWS, "what is in memory alone goes in one bundle"
assert STOP_WITHIN_S < 5.0
assert SAMPLING_END_S + SAMPLING_KILLED_S < STOP_WITHIN_S  # the store has the rest
assert WAL_BYTES + WAL_GROWN_BYTES + BALLAST_ALARMS_BYTES < BALLAST_BYTES
assert LOGS_BYTES + WAL_GROWN_BYTES + BALLAST_ALARMS_BYTES < BALLAST_BYTES
assert 2 * COMMIT_BYTES + ROOM_BYTES < WAL_GROWN_BYTES
