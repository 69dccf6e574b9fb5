package runtime

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"runtime"
	"slices"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/errorpolicy"
	"github.com/weirstreams/weir/internal/kafkaclient"
	"github.com/weirstreams/weir/internal/topicname"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/stream"
)

// Config configures an App. Connection.Brokers and Group are required; the zero value of everything else is right for most
// programs.
type Config struct {
	// Connection holds the addresses of the cluster, and its TLS and SASL settings. The default is plain text, without a login.
	Connection kafka.Connection

	// Group is the consumer group. Apps with the same group share the work. It is part of the names of internal topics
	// and of the state directory, so that an application that changes its group starts from nothing.
	Group string

	// Prefix is put before the names of all topics and of the group, for clusters that are shared by several environments. Names
	// of topics in the topology go without it. Config.Topics.Admin names topics in its place.
	Prefix string

	// Guarantee says how often a record counts. The default is AtLeastOnce.
	Guarantee Guarantee

	// Workers is how many goroutines run tasks. The default is GOMAXPROCS. More than there are tasks are of no use.
	Workers int

	// State says where state is kept, and how much memory caches take.
	State StateConfig

	// Checkpoint says when the App commits its work.
	Checkpoint CheckpointConfig

	// Membership holds the settings of the member in the consumer group.
	Membership MembershipConfig

	// Buffers bounds the held records of tasks that read several partitions.
	Buffers BufferConfig

	// Topics says where the App begins to read topics, and how it makes, writes and purges them.
	Topics TopicConfig

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

	// BrokerTimeout is how long the whole cluster may be out of reach, at the start and later, before Run and Plan end with an
	// error. Shorter outages are waited for. The default is 2 minutes; a negative value waits for ever.
	BrokerTimeout time.Duration

	// CodecTimeout is how long a record may wait for a system that its codec cannot reach, such as a schema registry, before Run ends
	// with an error that wraps codec.ErrOutage. Shorter outages are waited for: the worker goes back to its last checkpoint,
	// holds its input back, and tries again after 0.5 to 10 s. Errors is not asked, as the record is good. The default is
	// 2 minutes; a negative value waits for ever.
	CodecTimeout time.Duration

	// Errors decides about a record that cannot be processed: it does not decode or encode, a function of the topology
	// returned an error or panicked, or the cluster does not take a record or a state that it has made. The zero value ends Run with the first
	// error; weir.ErrorPolicy{Action: weir.DeadLetter} goes on, and writes such records to a topic of their own.
	Errors weir.ErrorPolicy

	// OnConsumerError and OnProducerError are told of errors that Run meets while it reads a partition or writes to one: of each
	// error that cannot be cured by trying again, and of those that have come several times in a row (ClientError.Retrying). They
	// observe, for instance to count or to raise an alarm, and decide nothing: the other settings decide about losses, failures and repetitions,
	// and these are logged in any case. One goroutine calls both, one after the other, until Run
	// returns; 1,000 errors wait for it. It does not get further ones, and the first of them is logged. A panic is logged. nil does nothing.
	OnConsumerError, OnProducerError func(ClientError)

	// Listeners are told of states, rebalances, restores and checkpoints.
	Listeners Listeners

	// MeterProvider gives the instruments of docs/metrics.md their values: that of the SDK of OpenTelemetry, or of package
	// runtime/prometheus. Run takes its callback back when it returns. Metrics cost nothing for each record: most are read from counts that
	// Run keeps anyway, when the provider collects. nil measures nothing.
	MeterProvider metric.MeterProvider

	// Tracing makes spans of the work on records, and carries their contexts in the headers of records. The zero value does neither, and costs
	// nothing.
	Tracing TracingConfig

	// OnProcessed is called for each record when it was processed, or skipped because of an error, with where it lay. That
	// it was processed does not mean that it counts: the next checkpoint makes it so. The goroutine that runs the task calls
	// it; tasks of different partitions may call it at the same time. A panic in it ends Run.
	OnProcessed func(weir.Origin)

	// Accept are changes since the version before, such as a store that is used no more or another codec: see stream.Diff. Run
	// refuses a change that would lose or misread state, or records of internal topics that were not read yet, unless it is
	// here. A change of a window's aggregator is refused in any case. Kind and Topic count, and Topic may be the name on the
	// cluster or that of stream.Diff. An accepted change is made once: remove it afterwards, so that it accepts no later one.
	Accept []stream.Change

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

// StateConfig says where an App keeps its state, and how much memory caches take.
type StateConfig struct {
	// Dir is the folder under which the state of this process is kept, in a folder of the group's name. The
	// default is "state" in the working directory. Each process needs its own; the folder should outlive it, so that
	// a restart need not restore everything.
	Dir string

	// InMemory keeps state in memory alone. Every start restores all of it from the changelogs.
	InMemory bool

	// LockWait is how long to wait for a state directory that another process holds. The default is 10 s.
	LockWait time.Duration

	// CacheBytes is the memory for values of state, in bytes, over all tasks; values changed since the last checkpoint
	// come on top. The default is 256 MiB. As much as 64 MiB more is used for blocks of the databases.
	CacheBytes int64
}

// CheckpointConfig says when an App commits its work: output, state, and the offsets of the processed records.
type CheckpointConfig struct {
	// Interval is the longest time between checkpoints while records come in. It bounds the work that is
	// repeated after a crash and, with ExactlyOnce, how long output waits to be seen. The default is 5 s, or 1 s with
	// ExactlyOnce.
	Interval time.Duration

	// Records is the greatest number of records that a worker processes between checkpoints. 0 sets no limit.
	Records int

	// Bytes is how much state, in bytes, a worker changes between checkpoints. It bounds memory. The default
	// is 64 MiB.
	Bytes int64

	// TransactionTimeout is how long a transaction may stay open, with ExactlyOnce, before the cluster aborts it. If a
	// process dies, readers of its output topics wait for as long, unless it is started again before. The default is
	// 1 minute. It must be at least twice Interval.
	TransactionTimeout time.Duration
}

// MembershipConfig holds the settings of an App as a member of its consumer group.
type MembershipConfig struct {
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

	// Endpoint is the address at which other members reach the query service of this one: the URL of its handler (package runtime/query), such
	// as "http://10.0.0.7:8080/query". Members learn it from the group, with its partitions. The default is none: its stores are
	// read in this process alone.
	Endpoint string
}

// BufferConfig bounds the held records of tasks that read several partitions (joins, merged streams): such a task reads them in the
// order of timestamps.
type BufferConfig struct {
	// MaxRecords and MaxBytes bound the held records of each input of a task. The defaults are 10,000 records and 8 MiB. Up to one
	// batch more may be held.
	MaxRecords int
	MaxBytes   int64

	// AlignTimeout is how long a task that reads several partitions waits for a partition that has more records and delivers
	// none, for instance because its leader is down. After that time the task goes on without it, and its later records
	// are processed out of order. 0, the default, waits for as long as it takes. The task never waits for a partition that was
	// read to its end, or for a deleted topic.
	AlignTimeout time.Duration
}

// TopicConfig says where an App begins to read its topics, and how it makes, writes and purges them.
type TopicConfig struct {
	// OffsetReset says where to begin with a partition that the group has committed no offset for. Internal topics are always
	// read from their beginning. With Latest, a partition that was added to a topic after the group began is read from its beginning
	// too: its records came later than the group.
	OffsetReset kafka.OffsetReset

	// OnLostInput decides when the next record of a partition is gone: retention has removed it before it was
	// processed, or the topic was made anew. It also decides when the cluster has forgotten the committed offsets of input that
	// counts in state, and the state does not tell where to go on; and when the first records of a changelog are gone and no local
	// database has the rows that they have set. The default is to end Run with an error.
	OnLostInput LostInput

	// Create makes topics of the topology that do not exist. The default is that they are an error. Internal
	// topics are always made.
	Create bool

	// Admin names and makes topics, where the cluster leaves that to a platform. The default asks the cluster, and names topics by
	// Config.Prefix.
	Admin TopicAdmin

	// Replication is the number of replicas of topics that Create makes. The default is that of the cluster.
	// Internal topics have as many replicas as the topics that they come of.
	Replication int16

	// Compression of written records: "none", "gzip", "snappy", "lz4" or "zstd". The default is none.
	Compression string

	// MaxRecordBytes is the greatest record, in bytes, that internal topics take: the state of a key, or a record behind a GroupBy. It is the
	// least max.message.bytes of those topics. The default is the greatest max.message.bytes of the topics that they come of, and
	// 64 KiB more for another key and headers. A record or a state that is larger is an error of the record that has made it.
	MaxRecordBytes int

	// PurgeInterval is how often the processed records of repartition topics are deleted: those before the committed offsets. The
	// default is 30 s.
	PurgeInterval time.Duration

	// KeepProcessed keeps the processed records of repartition topics, for debugging: the topics grow without limit.
	KeepProcessed bool
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
	// LostInputContinues keeps the state and goes on with the first record that is retained and was not processed.
	LostInputContinues
	// LostInputResets empties the state and goes on with records written from then on. If only state is lost it goes on at the
	// committed offsets.
	LostInputResets
)

// checkEndpoint refuses an endpoint that is there and not an absolute URL of HTTP, or longer than others will keep.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return err
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return errors.New("it must be like http://host:port/path, without a login, a query and a fragment")
	default:
		return nil
	}
}

// withDefaults returns the configuration with all defaults filled in, or everything that is wrong with it.
func (c Config) withDefaults() (Config, error) {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	saramabroker.CheckBrokers("Connection.Brokers", c.Connection.Brokers, problem)
	switch {
	case c.Group == "":
		problem("Group is empty: give the application a name")
	case topicname.Check(c.Group) != nil:
		problem("Group %q: %w; it is part of topic names", c.Group, topicname.Check(c.Group))
	}
	if err := checkEndpoint(c.Membership.Endpoint); err != nil {
		problem("Membership.Endpoint %q: %w", c.Membership.Endpoint, err)
	}
	if err := topicname.CheckPart(c.Prefix); err != nil {
		problem("Prefix %q: %w; it is part of topic names", c.Prefix, err)
	}
	for _, field := range []struct {
		name  string
		value int64
	}{
		{"State.LockWait", int64(c.State.LockWait)},
		{"Workers", int64(c.Workers)},
		{"Checkpoint.Interval", int64(c.Checkpoint.Interval)},
		{"Checkpoint.Records", int64(c.Checkpoint.Records)},
		{"Checkpoint.Bytes", c.Checkpoint.Bytes},
		{"State.CacheBytes", c.State.CacheBytes},
		{"Topics.Replication", int64(c.Topics.Replication)},
		{"Membership.SessionTimeout", int64(c.Membership.SessionTimeout)},
		{"Membership.RebalanceTimeout", int64(c.Membership.RebalanceTimeout)},
		{"ShutdownTimeout", int64(c.ShutdownTimeout)},
		{"Checkpoint.TransactionTimeout", int64(c.Checkpoint.TransactionTimeout)},
		{"IdleTimeout", int64(c.IdleTimeout)},
		{"Buffers.AlignTimeout", int64(c.Buffers.AlignTimeout)},
		{"Buffers.MaxRecords", int64(c.Buffers.MaxRecords)},
		{"Buffers.MaxBytes", c.Buffers.MaxBytes},
		{"Topics.MaxRecordBytes", int64(c.Topics.MaxRecordBytes)},
		{"Topics.PurgeInterval", int64(c.Topics.PurgeInterval)},
	} {
		if field.value < 0 {
			problem("%s is negative", field.name)
		}
	}
	if c.Topics.OffsetReset < kafka.Earliest || c.Topics.OffsetReset > kafka.NoReset {
		problem("Topics.OffsetReset: unknown value %d", c.Topics.OffsetReset)
	}
	if c.Guarantee < AtLeastOnce || c.Guarantee > ExactlyOnce {
		problem("Guarantee: unknown value %d", c.Guarantee)
	}
	if c.Topics.OnLostInput < LostInputFails || c.Topics.OnLostInput > LostInputResets {
		problem("Topics.OnLostInput: unknown value %d", c.Topics.OnLostInput)
	}
	errorpolicy.Check("Errors", c.Errors, problem)
	c.Tracing.check(problem)
	var err error
	if c.tune, err = kafkaclient.Tune(c.Connection); err != nil {
		problems = append(problems, err)
	}
	interval := 5 * time.Second
	if c.Guarantee == ExactlyOnce {
		interval = time.Second
	}
	c.Checkpoint.Interval = cmp.Or(c.Checkpoint.Interval, interval)
	c.Checkpoint.TransactionTimeout = cmp.Or(c.Checkpoint.TransactionTimeout, time.Minute)
	if c.Guarantee == ExactlyOnce && c.Checkpoint.TransactionTimeout < 2*c.Checkpoint.Interval {
		problem("Checkpoint.TransactionTimeout (%v) is less than twice Checkpoint.Interval (%v): the cluster would abort transactions "+
			"before they are complete", c.Checkpoint.TransactionTimeout, c.Checkpoint.Interval)
	}
	if !slices.Contains([]string{"", "none", "gzip", "snappy", "lz4", "zstd"}, c.Topics.Compression) {
		problem("Topics.Compression: unknown value %q", c.Topics.Compression)
	}
	if len(problems) > 0 {
		return c, fmt.Errorf("%w: %w", weir.ErrConfiguration, errors.Join(problems...))
	}
	c.State.Dir = cmp.Or(c.State.Dir, "state")
	c.State.LockWait = cmp.Or(c.State.LockWait, 10*time.Second)
	c.Workers = cmp.Or(c.Workers, runtime.GOMAXPROCS(0))
	c.BrokerTimeout = cmp.Or(c.BrokerTimeout, 2*time.Minute)
	c.CodecTimeout = cmp.Or(c.CodecTimeout, 2*time.Minute)
	c.Checkpoint.Bytes = cmp.Or(c.Checkpoint.Bytes, 64<<20)
	c.State.CacheBytes = cmp.Or(c.State.CacheBytes, 256<<20)
	c.Topics.Replication = cmp.Or(c.Topics.Replication, -1)
	c.Membership.SessionTimeout = cmp.Or(c.Membership.SessionTimeout, 45*time.Second)
	c.Membership.RebalanceTimeout = cmp.Or(c.Membership.RebalanceTimeout, 5*time.Minute)
	c.ShutdownTimeout = cmp.Or(c.ShutdownTimeout, 30*time.Second)
	c.Logger = cmp.Or(c.Logger, slog.Default())
	return c, nil
}
