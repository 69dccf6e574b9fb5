package engine

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/clock"
	"github.com/weirstreams/weir/internal/engine/database"
	"github.com/weirstreams/weir/internal/engine/globaltable"
	"github.com/weirstreams/weir/internal/engine/outbox"
	"github.com/weirstreams/weir/internal/engine/pausing"
	"github.com/weirstreams/weir/internal/engine/serving"
	"github.com/weirstreams/weir/internal/engine/tracing"
	"github.com/weirstreams/weir/internal/errorpolicy"
	"github.com/weirstreams/weir/internal/graph"
	"github.com/weirstreams/weir/internal/state"
	"github.com/weirstreams/weir/operator"
)

// OffsetReset says where to begin with a partition that the group has committed no offset for.
type OffsetReset int8

const (
	// ResetEarliest begins with the first record that is retained.
	ResetEarliest OffsetReset = iota
	// ResetLatest begins with the next records.
	ResetLatest
	// ResetFail is an error.
	ResetFail
)

// LostInput chooses the action when the input between the committed offset and the first retained one is gone, or when the
// committed offset lies beyond the end, because the topic was made anew.
type LostInput int8

const (
	// LostFail is an error.
	LostFail LostInput = iota
	// LostContinue keeps the state and goes on with the first record that is retained.
	LostContinue
	// LostReset empties the state and goes on with the next records.
	LostReset
)

const (
	defaultBufferedRecords = 10_000
	defaultBufferedBytes   = 8 << 20

	defaultMaxLoadBytes = 64 << 20
	defaultMinLoadBytes = 1 << 20
	defaultLoadRecords  = 5000 // BenchmarkRestore

	// defaultPurgeInterval is how often Kafka Streams purges (repartition.purge.interval.ms).
	defaultPurgeInterval = 30 * time.Second
)

// Config configures workers. All fields must be set except the guarantee and fields that say that they may be nil or zero.
type Config struct {
	// ExactlyOnce makes a checkpoint one transaction. Producers must be transactional.
	ExactlyOnce bool
	// RevokeTimeout is how long a checkpoint may take before tasks that are given up go without it.
	RevokeTimeout time.Duration
	LostInput     LostInput
	// CheckpointInterval is the longest time between checkpoints while there is something to check in.
	CheckpointInterval time.Duration
	// CheckpointRecords is the greatest number of records between checkpoints; 0 means any number.
	CheckpointRecords int
	// CheckpointBytes is how many bytes of state may change between checkpoints.
	CheckpointBytes int64
	// CacheBytes bounds the cache of one store of one task, beside changed entries.
	CacheBytes int64
	// StoreLimits bound how much stores read or write at a time; the zero value means the defaults.
	StoreLimits state.Limits
	OffsetReset OffsetReset
	// OnProcessed is told of each record that was processed or skipped. It may be nil.
	OnProcessed func(weir.Origin)
	// OnCheckpoint is told of each checkpoint of tasks with changes, made or not, OnRewind when the worker goes back to the last one, and OnFlush of each flush of a sink of a task, by the name
	// of the sink. Several goroutines may call OnFlush at once. OnRestore is told of restores with records to read, when they begin and when
	// they end. They may be nil.
	OnCheckpoint func(CheckpointReport)
	OnRewind     func()
	OnFlush      func(sink string, took time.Duration, err error)
	OnRestore    func(RestoreReport)
	// OnFailure is told of each record that could not be processed, with the action of the policy; by several goroutines at once. OnDropped is told of
	// records that operators leave out without an error, and of their tasks, while Watched returns true. They may be nil.
	OnFailure func(*weir.ProcessingError, weir.ErrorAction)
	OnDropped func(task string, failure *weir.ProcessingError)
	// Watched reports whether somebody looks at the worker: the calls of operators are counted then. Any number of goroutines call it. nil means never.
	Watched func() bool
	// Outputs, if not nil, is told of outputs and says when they are enough.
	Outputs *outbox.Limit
	// OnLate is shown records that operators do not use because of their times. It may be nil.
	OnLate func(operator.LateRecord)
	// Errors decides about records that could not be processed. It has no mistakes (errorpolicy.Check).
	Errors weir.ErrorPolicy
	// IdleTimeout is how long the input of a task must be silent until its event time goes on; 0 means for ever.
	IdleTimeout time.Duration
	// MaxBufferedRecords and MaxBufferedBytes are how much of one input of a task with several is held until its time has
	// come; 0 means 10,000 and 8 MiB. A batch more may be held.
	MaxBufferedRecords int
	MaxBufferedBytes   int64
	// Served is told of the tasks with stores that other goroutines may read; nil means that nobody reads them.
	Served *serving.Tasks
	// Pauses says which sub-topologies stand still; nil means none.
	Pauses *pausing.Switch
	// AlignTimeout is how long a task with several inputs waits for an input that has more records by its end offset, and
	// delivers none; 0 means for ever.
	AlignTimeout time.Duration
	// OnMerge, if not nil, is told of the records that a task with several inputs has processed.
	OnMerge func(broker.TopicPartition, []broker.Record)
	// Globals are the global tables, loaded; nil if the plan has none.
	Globals *globaltable.Tables
	// CodecTimeout is how long a record waits for a system that its codec cannot reach; 0 means not at all, less than 0 for ever.
	CodecTimeout time.Duration
	// OnReformat is asked when the rows of a store on disk were written in another format than the topology declares. nil
	// refuses it.
	OnReformat func(s graph.Store, before, now database.Format) error
	// OpenBackend opens the database of a task; Dir is the relative folder that names it.
	OpenBackend func(dir string) (state.Backend, error)
	// DestroyBackend deletes the database of a task that is not open.
	DestroyBackend func(dir string) error
	// MaxLoadBytes bounds the bytes that a worker collects, over all stores that it restores, before it writes to databases; 0 means
	// 64 MiB. MinLoadBytes is its least share for one store, with any number of stores; 0 means 1 MiB.
	MaxLoadBytes, MinLoadBytes int
	// LoadRecords is from how many changes on a restore writes a table of their own, which is cheaper than a batch then; 0
	// means 5,000.
	LoadRecords int
	// Purge deletes the records of partitions before an offset, and does not wait. Workers call it every PurgeInterval, 0 meaning
	// 30 s, for repartition topics. nil purges nothing.
	Purge         func(before map[broker.TopicPartition]int64)
	PurgeInterval time.Duration
	// CreateTopics makes topics that functions name for records and that do not exist, with Replication replicas; -1 is the
	// default of the cluster.
	CreateTopics bool
	Replication  int16
	// Partitions is how many partitions such a topic gets that asks for no number; 0 means 1.
	Partitions int32
	// Compressed says that producers compress, so that only the cluster knows whether a record is too large.
	Compressed bool
	// AfterFunc calls f when d is over, unless stop is called before; nil means that of package time. A simulation has its own
	// time for RevokeTimeout, and f is called in the middle of calls to the cluster.
	AfterFunc func(d time.Duration, f func()) (stop func())
	// Tracing makes spans of the work on records; nil makes none.
	Tracing *tracing.Settings
	// Calls runs the calls of asynchronous operators, and the writes of sinks beside the task; nil means goroutines.
	Calls operator.Calls
	// MayRead is nil if sources outside of Kafka are read by goroutines of their own. Else the worker reads them in its steps, and asks
	// before each read.
	MayRead func() bool
	// Sequential keeps all work of sinks on the goroutine of the worker, for tests and simulations. CommitLater, if it is not nil, is
	// then asked whether prepared work is to be committed by a later step.
	Sequential  bool
	CommitLater func() bool
	// Linger is how long output may wait for more while there is more to process.
	Linger time.Duration
	Clock  clock.Clock
	Logger *slog.Logger
}

// withDefaults returns the settings with the defaults in place of zero.
func (c Config) withDefaults() Config {
	c.MaxBufferedRecords = cmp.Or(c.MaxBufferedRecords, defaultBufferedRecords)
	c.MaxBufferedBytes = cmp.Or(c.MaxBufferedBytes, defaultBufferedBytes)
	c.MaxLoadBytes = cmp.Or(c.MaxLoadBytes, defaultMaxLoadBytes)
	c.MinLoadBytes = cmp.Or(c.MinLoadBytes, defaultMinLoadBytes)
	c.PurgeInterval = cmp.Or(c.PurgeInterval, defaultPurgeInterval)
	c.LoadRecords = cmp.Or(c.LoadRecords, defaultLoadRecords)
	return c
}

// watched reports whether somebody looks at the worker.
func (c *Config) watched() bool { return c.Watched != nil && c.Watched() }

// ForGlobals returns the settings of the global tables of a plan. letters is nil if the policy has no topic of dead letters.
func (c *Config) ForGlobals(plan *graph.Plan, letters globaltable.LetterWriter) globaltable.Config {
	return globaltable.Config{Clock: c.Clock, Logger: c.Logger, Policy: c.errorPolicy(plan), Letters: letters}
}

// errorPolicy returns the policy for records that fail.
func (c *Config) errorPolicy(plan *graph.Plan) *errorpolicy.Policy {
	policy := errorpolicy.New(c.Errors, plan.ClusterName)
	policy.OnDecision = c.OnFailure
	return policy
}
