package runtime

import "slices"

// Metric describes one instrument of Config.MeterProvider.
type Metric struct {
	// Name is by the semantic conventions of OpenTelemetry for messaging, or begins with "weir.".
	Name string
	// Kind is "counter", "gauge" or "histogram".
	Kind string
	// Unit is by UCUM, as OpenTelemetry writes it: "s", "By", or a noun in braces.
	Unit string
	// Description is a sentence about the values.
	Description string
}

// Metrics returns all instruments of Config.MeterProvider, in the order of docs/metrics.md.
func Metrics() []Metric { return slices.Clone(metrics) }

const (
	counter   = "counter"
	gauge     = "gauge"
	histogram = "histogram"
)

// Names of instruments that are used in one place each, but for the tables of attributes in docs/metrics.md.
const (
	mState              = "weir.app.state"
	mTasks              = "weir.tasks"
	mPaused             = "weir.tasks.paused"
	mConsumed           = "messaging.client.consumed.messages"
	mSent               = "messaging.client.sent.messages"
	mLag                = "weir.lag"
	mLagTime            = "weir.lag.time"
	mStreamTimeLag      = "weir.stream_time.lag"
	mLatency            = "weir.output.latency"
	mDropped            = "weir.records.dropped"
	mDeadLetters        = "weir.dead_letters"
	mBusy               = "weir.worker.busy.time"
	mHeld               = "weir.input.held.time"
	mCheckpoint         = "weir.checkpoint.duration"
	mCheckpointPhase    = "weir.checkpoint.phase.duration"
	mCheckpointSize     = "weir.checkpoint.size"
	mUncommitted        = "weir.uncommitted.time"
	mRewinds            = "weir.rewinds"
	mTransactions       = "weir.transactions"
	mRestoreRecords     = "weir.restore.records"
	mRestoreSize        = "weir.restore.size"
	mRestoreRemaining   = "weir.restore.remaining"
	mRestoreLeft        = "weir.restore.time_left"
	mRestore            = "weir.restore.duration"
	mRebalance          = "weir.rebalance.duration"
	mStateSize          = "weir.state.size"
	mCompactionDebt     = "weir.state.compaction_debt"
	mUncommittedSize    = "weir.state.uncommitted"
	mRebuilds           = "weir.state.rebuilds"
	mCacheSize          = "weir.state.cache.size"
	mCacheReads         = "weir.state.cache.reads"
	mQueries            = "weir.queries"
	mGlobalRows         = "weir.global_table.rows"
	mGlobalRemaining    = "weir.global_table.remaining"
	mSourceRecords      = "weir.source.records"
	mSourceSize         = "weir.source.size"
	mSourceSplits       = "weir.source.splits"
	mSourceFailures     = "weir.source.failures"
	mSinkFlush          = "weir.sink.flush.duration"
	mClientErrors       = "weir.client.errors"
	mClusterUnreachable = "weir.cluster.unreachable.time"
	mMissingTopics      = "weir.topics.missing"
)

// metrics is the table of all instruments. The page docs/metrics.md says for each how it is read.
var metrics = []Metric{
	{mState, gauge, "{state}", "1 for the present state of the App, 0 for the others."},
	{mTasks, gauge, "{task}", "Tasks of this member, by state."},
	{mPaused, gauge, "{task}", "Tasks of this member that stand still because of a pause."},

	{mConsumed, counter, "{message}", "Records of a partition that were processed or skipped."},
	{mSent, counter, "{message}", "Records that were handed to the producer, by topic; those of aborted transactions count."},
	{mLag, gauge, "{record}", "Offsets between the position and the last seen end of a partition."},
	{mLagTime, gauge, "s", "Age of the oldest record of a partition that is not processed, by its timestamp; 0 if all are."},
	{mStreamTimeLag, gauge, "s", "Time between the greatest event time that a task has read and the clock."},
	{mLatency, histogram, "s", "Age of the first record of each batch of output when the cluster has acknowledged it or, exactly once, committed it."},

	{mDropped, counter, "{record}", "Records that were dropped, by reason: failed, ignored, late or null_key."},
	{mDeadLetters, counter, "{record}", "Dead letters that were written."},

	{mBusy, counter, "s", "Time that a worker has spent on processing records, functions of the program included."},
	{mHeld, gauge, "s", "Time for which the input of a worker has been held back, by a sink, a lookup, a codec or a retry; 0 if it is not."},

	{mCheckpoint, histogram, "s", "Time of the checkpoints of a worker, made or not."},
	{mCheckpointPhase, histogram, "s", "Time of the phases of checkpoints: operators, sinks, changelogs, commit and state."},
	{mCheckpointSize, histogram, "By", "Size of the changes of state in the checkpoints of a worker."},
	{mUncommitted, gauge, "s", "Time since the first record that no checkpoint of a worker covers; 0 if there is none."},
	{mRewinds, counter, "{rewind}", "Times that a worker went back to its last checkpoint."},
	{mTransactions, counter, "{transaction}", "Transactions of workers with ExactlyOnce that were committed or aborted."},

	{mRestoreRecords, counter, "{record}", "Changelog records that were applied to state."},
	{mRestoreSize, counter, "By", "Size of their keys and values."},
	{mRestoreRemaining, gauge, "{record}", "Changelog records that a task has yet to read before it processes input."},
	{mRestoreLeft, gauge, "s", "Time that this takes at the present rate."},
	{mRestore, histogram, "s", "Time of complete restores of tasks."},
	{mRebalance, histogram, "s", "Time in which the member has acted on a change of its partitions, by kind: assigned, revoked or lost."},

	{mStateSize, gauge, "By", "Space of the database of a task on disk."},
	{mCompactionDebt, gauge, "By", "Estimate of the bytes that compactions of the database have yet to rewrite."},
	{mUncommittedSize, gauge, "By", "Size of the changes of state since the last checkpoint, which are in memory."},
	{mRebuilds, counter, "{rebuild}", "Databases that were found to be damaged, and were deleted and restored from changelogs."},
	{mCacheSize, gauge, "By", "Blocks of databases in memory."},
	{mCacheReads, counter, "{read}", "Reads of blocks of databases, by result: hit, or miss if the file was read."},

	{mQueries, counter, "{query}", "Reads of the stores of this member for queries, by result: ok, not_owner, moved, restoring, behind or failed."},

	{mGlobalRows, gauge, "{row}", "Rows of a global table."},
	{mGlobalRemaining, gauge, "{record}", "Records that are left until a global table is loaded."},

	{mSourceRecords, counter, "{record}", "Records of a source outside of Kafka that were written to its topic."},
	{mSourceSize, counter, "By", "Their size in the system of the source, as far as it is known."},
	{mSourceSplits, gauge, "{split}", "Splits of a source, by state: open, waiting or finished."},
	{mSourceFailures, counter, "{failure}", "Calls of a source that have failed and were made again, and acknowledgements that have failed."},
	{mSinkFlush, histogram, "s", "Time of the flush of a sink in the checkpoint of a task."},

	{mClientErrors, counter, "{error}", "Errors of partitions that the Kafka client has met repeatedly, or that end its tries."},
	{mClusterUnreachable, gauge, "s", "Time since when no broker has answered; 0 if the last request was answered."},
	{mMissingTopics, gauge, "{topic}", "Topics that this member writes to and that the cluster does not know any more."},
}
