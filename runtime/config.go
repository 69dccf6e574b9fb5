package runtime

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/topicname"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/stream"
)

// Config configures an App. Brokers and Group are required; the zero value of everything else is right for most programs.
type Config struct {
	// Brokers are addresses of the cluster, as host:port. Some are enough: the others are learned from them. If it is empty,
	// Connection.Brokers are used.
	Brokers []string

	// Connection holds the TLS and SASL settings of the cluster. The default is plain text, without a login.
	Connection kafka.Connection

	// Group is the consumer group. Apps with the same group share the work. It is part of the names of internal topics
	// and of the state directory, so that an application that changes its group starts from nothing.
	Group string

	// Prefix is put before the names of all topics and of the group, for clusters that are shared by several environments. Names
	// of topics in the topology go without it.
	Prefix string

	// StateDir is the folder under which the state of this process is kept, in a folder of the group's name. The
	// default is "state" in the working directory. Each process needs its own; the folder should outlive it, so that
	// a restart need not restore everything.
	StateDir string

	// StateInMemory keeps state in memory alone. Every start restores all of it from the changelogs.
	StateInMemory bool

	// StateLockWait is how long to wait for a state directory that another process holds. The default is 10 s.
	StateLockWait time.Duration

	// Guarantee says how often a record counts. The default is AtLeastOnce.
	Guarantee Guarantee

	// TransactionTimeout is how long a transaction may stay open, with ExactlyOnce, before the cluster aborts it. If a
	// process dies, readers of its output topics wait for as long, unless it is started again before. The default is
	// 1 minute. It must be at least twice CheckpointInterval.
	TransactionTimeout time.Duration

	// Workers is how many goroutines run tasks. The default is GOMAXPROCS. More than there are tasks are of no use.
	Workers int

	// CheckpointInterval is the longest time between checkpoints while records come in. It bounds the work that is
	// repeated after a crash and, with ExactlyOnce, how long output waits to be seen. The default is 5 s, or 1 s with
	// ExactlyOnce.
	CheckpointInterval time.Duration

	// CheckpointRecords is the greatest number of records that a worker processes between checkpoints. 0 sets no limit.
	CheckpointRecords int

	// CheckpointBytes is how much state, in bytes, a worker changes between checkpoints. It bounds memory. The default
	// is 64 MiB.
	CheckpointBytes int64

	// CacheBytes is the memory for values of state, in bytes, over all tasks; values changed since the last checkpoint
	// come on top. The default is 256 MiB. As much as 64 MiB more is used for blocks of the databases.
	CacheBytes int64

	// MaxBufferedRecords and MaxBufferedBytes bound the held records of each input of a task that reads several partitions
	// (joins, merged streams): such a task reads them in the order of timestamps. The defaults are
	// 10,000 records and 8 MiB. Up to one batch more may be held.
	MaxBufferedRecords int
	MaxBufferedBytes   int64

	// AlignTimeout is how long a task that reads several partitions waits for a partition that has more records and delivers
	// none, for instance because its leader is down. After that time the task goes on without it, and its later records
	// are processed out of order. 0, the default, waits for as long as it takes. The task never waits for a partition that was
	// read to its end, or for a deleted topic.
	AlignTimeout time.Duration

	// IdleTimeout lets windows close when no records come: when the input of a task has been silent for this long, its event
	// time moves to the time of the clock less the timeout, and again after each further timeout. Records that
	// carry the time of their writing and take less than the timeout to arrive give the same results when they are
	// replayed. A task behind a GroupBy moves no further than the watermarks of the tasks in front of it, so that windows
	// behind windows lose nothing: each stage takes a timeout after the results of the stage before. Records close no window there
	// either before all tasks in front have come as far, so that a fast task makes no result of a slow one late. The tasks tell each
	// other through records of their own in the internal topics: for each partition and upstream task one in each timeout, and,
	// while there are records, about one in 100 ms. All processes of a group need the same value. 0, the default, leaves windows open
	// until a record closes them.
	IdleTimeout time.Duration

	// OffsetReset says where to begin with a partition that the group has committed no offset for. Internal topics are always
	// read from their beginning.
	OffsetReset kafka.OffsetReset

	// OnLostInput decides when the next record of a partition is gone: retention has removed it before it was
	// processed, or the topic was made anew. It also decides when the cluster has forgotten the committed offsets of input that
	// counts in state, and the state does not tell where to go on; and when the first records of a changelog are gone and no local
	// database has the rows that they have set. The default is to end Run with an error.
	OnLostInput LostInput

	// BrokerTimeout is how long the whole cluster may be out of reach, at the start and later, before Run and Plan end with an
	// error. Shorter outages are waited for. The default is 2 minutes; a negative value waits for ever.
	BrokerTimeout time.Duration

	// CodecTimeout is how long a record may wait for a system that its codec cannot reach, such as a schema registry, before Run ends
	// with an error that wraps codec.ErrOutage. Shorter outages are waited for: the worker goes back to its last checkpoint,
	// holds its input back, and tries again after 0.5 to 10 s. OnError is not asked, as the record is good. The default is
	// 2 minutes; a negative value waits for ever.
	CodecTimeout time.Duration

	// OnError decides about a record that cannot be processed: it does not decode or encode, a function of the topology
	// returned an error or panicked, or the cluster does not take a record or a state that it has made. It is called by the goroutine that runs the task, or
	// the one that reads global tables; they may call it at the same time. nil means Fail for every error.
	OnError func(*weir.ProcessingError) ErrorAction

	// OnConsumerError and OnProducerError are told of errors that Run meets while it reads a partition or writes to one: of each
	// error that cannot be cured by trying again, and of those that have come several times in a row (ClientError.Retrying). They
	// observe, for instance to count or to raise an alarm, and decide nothing: the other settings decide about losses, failures and repetitions,
	// and these are logged in any case. One goroutine calls both, one after the other, until Run
	// returns; 1,000 errors wait for it. It does not get further ones, and the first of them is logged. A panic is logged. nil does nothing.
	OnConsumerError, OnProducerError func(ClientError)

	// OnProcessed is called for each record when it was processed, or skipped because of an error, with where it lay. That
	// it was processed does not mean that it counts: the next checkpoint makes it so. The goroutine that runs the task calls
	// it; tasks of different partitions may call it at the same time. A panic in it ends Run.
	OnProcessed func(weir.Origin)

	// Accept are changes since the version before, such as a store that is used no more or another codec: see stream.Diff. Run
	// refuses a change that would lose or misread state, or records of internal topics that were not read yet, unless it is
	// here. A change of a window's aggregator is refused in any case. Kind and Topic count, and Topic may be the name on the
	// cluster or that of stream.Diff. An accepted change is made once: remove it afterwards, so that it accepts no later one.
	Accept []stream.Change

	// CreateTopics makes topics of the topology that do not exist. The default is that they are an error. Internal
	// topics are always made.
	CreateTopics bool

	// Replication is the number of replicas of topics that CreateTopics makes. The default is that of the cluster.
	// Internal topics have as many replicas as the topics that they come of.
	Replication int16

	// PurgeInterval is how often the processed records of repartition topics are deleted: those before the committed offsets. The
	// default is 30 s.
	PurgeInterval time.Duration

	// KeepProcessed keeps the processed records of repartition topics, for debugging: the topics grow without limit.
	KeepProcessed bool

	// MaxRecordBytes is the greatest record, in bytes, that internal topics take: the state of a key, or a record behind a GroupBy. It is the
	// least max.message.bytes of those topics. The default is the greatest max.message.bytes of the topics that they come of, and
	// 64 KiB more for another key and headers. A record or a state that is larger is an error of the record that has made it.
	MaxRecordBytes int

	// Compression of written records: "none", "gzip", "snappy", "lz4" or "zstd". The default is none.
	Compression string

	// InstanceID makes the membership in the group static: a process that comes back with the same id before its
	// session has timed out gets its partitions back, and no others move. That holds after a stop as after a crash:
	// a static member does not leave the group, and its partitions wait for it until SessionTimeout is over. Let that be
	// longer than a restart takes; when a process is stopped for good, its partitions rest for as long. Of two processes
	// with the same id the older one ends with an error.
	InstanceID string

	// SessionTimeout is how long the group waits for a member that is silent. The default is 45 s.
	SessionTimeout time.Duration

	// RebalanceTimeout is how long a member may take to give up partitions. The default is 5 minutes.
	RebalanceTimeout time.Duration

	// ShutdownTimeout is how long Run may take to stop: to finish running records, checkpoint, and leave the
	// group. After that it gives up, and the records since the last checkpoint are processed again. The default
	// is 30 s.
	ShutdownTimeout time.Duration

	// IgnoreSignals leaves SIGINT and SIGTERM alone. By default Run stops as if its context had ended; a second signal
	// then ends the process at once.
	IgnoreSignals bool

	// Logger is where the log goes. The default is slog.Default.
	Logger *slog.Logger

	tune saramabroker.Tune // applies Connection; set by withDefaults
}

// Guarantee says how often a record counts.
type Guarantee int8

const (
	// AtLeastOnce processes records again after a failure: output may appear twice.
	AtLeastOnce Guarantee = iota
	// ExactlyOnce writes output, state and offsets in transactions: readers of committed records see the effect of each
	// record once, after any failure. Sinks other than topics, and effects of functions outside of Weir, are not part of it.
	ExactlyOnce
)

// LostInput is the action when the next record of a partition is gone.
type LostInput int8

const (
	// LostInputFails ends Run with an error.
	LostInputFails LostInput = iota
	// LostInputContinues keeps the state and goes on with the first record that is retained.
	LostInputContinues
	// LostInputResets empties the state and goes on with records written from then on. If only state is lost it goes on at the
	// committed offsets.
	LostInputResets
)

// ErrorAction decides about a record that cannot be processed.
type ErrorAction int8

const (
	// Fail ends Run with the error. The offset of the record is not committed: the next start meets it again.
	Fail ErrorAction = iota
	// Skip counts and logs the record and goes on with the next. Changes and output of the record before it failed
	// are kept, unless the cluster refused its output: then the work since the last checkpoint is done again
	// without the record.
	Skip
)

// withDefaults returns the configuration with all defaults filled in, or everything that is wrong with it.
func (c Config) withDefaults() (Config, error) {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if len(c.Brokers) == 0 {
		c.Brokers = c.Connection.Brokers
	}
	saramabroker.CheckBrokers(c.Brokers, problem)
	switch {
	case c.Group == "":
		problem("Group is empty: give the application a name")
	case topicname.Check(c.Group) != nil:
		problem("Group %q: %w; it is part of topic names", c.Group, topicname.Check(c.Group))
	}
	if err := topicname.CheckPart(c.Prefix); err != nil {
		problem("Prefix %q: %w; it is part of topic names", c.Prefix, err)
	}
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"StateLockWait", int64(c.StateLockWait)},
		{"Workers", int64(c.Workers)},
		{"CheckpointInterval", int64(c.CheckpointInterval)},
		{"CheckpointRecords", int64(c.CheckpointRecords)},
		{"CheckpointBytes", c.CheckpointBytes},
		{"CacheBytes", c.CacheBytes},
		{"Replication", int64(c.Replication)},
		{"SessionTimeout", int64(c.SessionTimeout)},
		{"RebalanceTimeout", int64(c.RebalanceTimeout)},
		{"ShutdownTimeout", int64(c.ShutdownTimeout)},
		{"TransactionTimeout", int64(c.TransactionTimeout)},
		{"IdleTimeout", int64(c.IdleTimeout)},
		{"AlignTimeout", int64(c.AlignTimeout)},
		{"MaxBufferedRecords", int64(c.MaxBufferedRecords)},
		{"MaxBufferedBytes", c.MaxBufferedBytes},
		{"MaxRecordBytes", int64(c.MaxRecordBytes)},
		{"PurgeInterval", int64(c.PurgeInterval)},
	} {
		if field.value < 0 {
			problem("%s is negative", field.name)
		}
	}
	if c.OffsetReset < kafka.Earliest || c.OffsetReset > kafka.NoReset {
		problem("OffsetReset: unknown value %d", c.OffsetReset)
	}
	if c.Guarantee < AtLeastOnce || c.Guarantee > ExactlyOnce {
		problem("Guarantee: unknown value %d", c.Guarantee)
	}
	if c.OnLostInput < LostInputFails || c.OnLostInput > LostInputResets {
		problem("OnLostInput: unknown value %d", c.OnLostInput)
	}
	var err error
	if c.tune, err = c.Connection.Client(); err != nil {
		problems = append(problems, err)
	}
	interval := 5 * time.Second
	if c.Guarantee == ExactlyOnce {
		interval = time.Second
	}
	c.CheckpointInterval = cmp.Or(c.CheckpointInterval, interval)
	c.TransactionTimeout = cmp.Or(c.TransactionTimeout, time.Minute)
	if c.Guarantee == ExactlyOnce && c.TransactionTimeout < 2*c.CheckpointInterval {
		problem("TransactionTimeout (%v) is less than twice CheckpointInterval (%v): the cluster would abort transactions "+
			"before they are complete", c.TransactionTimeout, c.CheckpointInterval)
	}
	if !slices.Contains([]string{"", "none", "gzip", "snappy", "lz4", "zstd"}, c.Compression) {
		problem("Compression: unknown value %q", c.Compression)
	}
	if len(problems) > 0 {
		return c, fmt.Errorf("%w: %w", weir.ErrConfiguration, errors.Join(problems...))
	}
	c.StateDir = cmp.Or(c.StateDir, "state")
	c.StateLockWait = cmp.Or(c.StateLockWait, 10*time.Second)
	c.Workers = cmp.Or(c.Workers, runtime.GOMAXPROCS(0))
	c.BrokerTimeout = cmp.Or(c.BrokerTimeout, 2*time.Minute)
	c.CodecTimeout = cmp.Or(c.CodecTimeout, 2*time.Minute)
	c.CheckpointBytes = cmp.Or(c.CheckpointBytes, 64<<20)
	c.CacheBytes = cmp.Or(c.CacheBytes, 256<<20)
	c.Replication = cmp.Or(c.Replication, -1)
	c.SessionTimeout = cmp.Or(c.SessionTimeout, 45*time.Second)
	c.RebalanceTimeout = cmp.Or(c.RebalanceTimeout, 5*time.Minute)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, 30*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.OnError == nil {
		c.OnError = func(*weir.ProcessingError) ErrorAction { return Fail }
	}
	return c, nil
}
