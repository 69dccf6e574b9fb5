// Package broker is the boundary between the engine and Kafka: narrow, batch-shaped, and free of any client's types.
//
// Two implementations exist: saramabroker speaks to a cluster over the network, simbroker is a broker in memory that
// runs on a virtual clock, single-threaded, for tests and simulation. Nothing else in the library imports a Kafka client, but
// package kafka, for logins and its escape hatch; internal/importorder checks that.
//
// Unless said otherwise a value of this package's interfaces is used by one goroutine at a time, and a method that
// takes a context blocks until it is done or the context ends.
package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirstreams/weir/internal/raw"

	"github.com/weirstreams/weir"
)

// TopicPartition names one partition of one topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String returns "topic[partition]".
func (tp TopicPartition) String() string { return fmt.Sprintf("%s[%d]", tp.Topic, tp.Partition) }

// Compare orders partitions by topic and number.
func (tp TopicPartition) Compare(other TopicPartition) int {
	return cmp.Or(cmp.Compare(tp.Topic, other.Topic), cmp.Compare(tp.Partition, other.Partition))
}

// Record is one Kafka record. It has a package of its own, which the operators can import.
type Record = raw.Record

// Batch holds consecutive records of one partition, as fetched.
type Batch struct {
	TopicPartition
	// Records are in offset order. There may be none, when everything that was read was a control record, belonged
	// to an aborted transaction or lay in a hole left by compaction; NextOffset then still moves on. An implementation
	// may also hand out an empty batch after Start, which tells EndOffset and leaves NextOffset at the start.
	Records []Record
	// NextOffset is the position after the batch: where the next batch of the partition begins.
	NextOffset int64
	// LeaderEpoch is the leader epoch of the log before NextOffset, or NoLeaderEpoch. It is that of the last record unless markers of
	// transactions, or other offsets without a record that counts, follow it.
	LeaderEpoch int32
	// EndOffset is where a reader of committed records had to stop when the batch was read (the last stable offset).
	// EndOffset - NextOffset is the lag.
	EndOffset int64
	// Release gives the memory of the batch back. The batch, its records and their bytes are invalid afterwards.
	// It is never nil. It must be called exactly once.
	Release func()
}

// Cluster is a connection to a Kafka cluster. Its methods may be called by several goroutines at once.
type Cluster interface {
	// Topics describes topics. A topic that does not exist is absent from the result.
	Topics(ctx context.Context, names ...string) (map[string]TopicInfo, error)

	// CreateTopics creates topics and waits until each has a leader for every partition. A topic that exists
	// already is left as it is and is not an error.
	CreateTopics(ctx context.Context, specs ...TopicSpec) error

	// ConfigureTopics sets settings of topics that exist, by topic and by Kafka's name of the setting. Other settings stay as
	// they are. The error names the topics that were refused; the others are configured.
	ConfigureTopics(ctx context.Context, settings map[string]map[string]string) error

	// PurgeRecords deletes the records before an offset of each partition (Kafka's DeleteRecords). Records that are gone
	// already are no error. The error names the partitions that were refused; the others are purged.
	PurgeRecords(ctx context.Context, before map[TopicPartition]int64) error

	// Offsets looks up offsets of partitions. An unknown topic or partition is an [weir.ErrUnknownTopic].
	Offsets(ctx context.Context, at OffsetAt, tps ...TopicPartition) (map[TopicPartition]int64, error)

	// OffsetsAtTime looks up the first offsets whose records have that time, in Unix milliseconds, or a later one. A partition without such
	// records is absent from the result. An unknown topic or partition is an [weir.ErrUnknownTopic].
	OffsetsAtTime(ctx context.Context, millis int64, tps ...TopicPartition) (map[TopicPartition]int64, error)

	// CommittedOffsets returns the offsets that a group has committed: the next offset to read. A partition without
	// a commit is absent from the result. It waits for offsets of pending transactions to become stable.
	CommittedOffsets(ctx context.Context, group string, tps ...TopicPartition) (map[TopicPartition]int64, error)

	// Commits is CommittedOffsets with the metadata of the commits.
	Commits(ctx context.Context, group string, tps ...TopicPartition) (map[TopicPartition]Commit, error)

	// NewFetcher returns a fetcher with connections of its own.
	NewFetcher(cfg FetcherConfig) (Fetcher, error)

	// NewProducer returns a producer with connections of its own.
	NewProducer(cfg ProducerConfig) (Producer, error)

	// NewGroup returns a consumer-group membership with connections of its own. It joins with the first Poll.
	NewGroup(cfg GroupConfig) (Group, error)

	// Unreachable returns since when no broker has answered any client of this Cluster, or false if the last
	// request to any broker was answered.
	Unreachable() (since time.Time, ok bool)

	// Close closes the connections that Cluster itself uses. Fetchers, producers and groups are closed before, by their
	// users.
	Close() error
}

// OffsetAt selects an offset of a partition.
type OffsetAt int8

const (
	// Earliest is the first offset that is retained.
	Earliest OffsetAt = iota
	// End is the offset at which a reader of committed records has to stop (the last stable offset).
	End
	// Latest is the offset that the next record gets (the high watermark). A reader of committed records comes to it
	// when all transactions below it have ended.
	Latest
)

// TopicInfo describes a topic of the cluster.
type TopicInfo struct {
	Name        string
	Partitions  int32
	Replication int16
	// Config holds every setting that the cluster knows of the topic, with defaults: at least cleanup.policy, max.message.bytes,
	// retention.ms and retention.bytes.
	Config map[string]string
	// ID tells topics of one name apart: a topic that is deleted and made anew gets another. It is empty if the cluster
	// does not tell, as before Kafka 2.8.
	ID string
}

// TopicSpec is a topic to be created.
type TopicSpec struct {
	Name       string
	Partitions int32
	// Replication is the number of replicas; -1 is the default of the cluster.
	Replication int16
	Config      map[string]string
}

// Resetter is a Cluster that can put a group without members to another place, and delete topics. All methods try again as those of Cluster do.
type Resetter interface {
	// Members returns the members of a group, by client and host. A group that is not there has none.
	Members(ctx context.Context, group string) (clients []string, err error)
	// CommitAlone commits offsets for a group without members. The error wraps weir.ErrMembers if it has some.
	CommitAlone(ctx context.Context, group string, offsets map[TopicPartition]int64) error
	// DeleteTopics deletes topics, and waits until they are gone. Those that are not there count as deleted.
	DeleteTopics(ctx context.Context, names ...string) error
}

// FetcherConfig configures a Fetcher. Zero values mean the defaults.
type FetcherConfig struct {
	// BufferBytes bounds the bytes that are read ahead, over all partitions. The default is 32 MiB.
	BufferBytes int
	// MaxWait is how long the cluster may hold a fetch open while there is nothing to read. The default is 250 ms.
	MaxWait time.Duration
	// OnError is told of errors of partitions: those that make Poll return an error, and those that were met several times in a
	// row while the fetcher tries again. It is called under locks, must return at once, and may be nil.
	OnError func(PartitionError)
}

// PartitionError is an error of one partition that a client has met.
type PartitionError struct {
	TopicPartition
	// Offset is the next offset to read, or -1 if the error comes of writing.
	Offset int64
	Err    error
	// Retrying says that the client tries again.
	Retrying bool
}

// Fetcher reads partitions from chosen offsets, committed records only.
//
// All methods but Wake are called by one goroutine.
type Fetcher interface {
	// Start begins to read tp at offset. If tp is being read already, reading goes on at offset, and nothing that was
	// read ahead is returned any more.
	Start(tp TopicPartition, offset int64)

	// StartAfter is Start for an offset whose predecessor was read in a leader epoch. Before anything is read, the leader is asked where
	// that epoch ends in its log now: a [*TruncatedError] of Poll says that it ends before the offset. A leader that does not
	// know the epoch leaves the offset alone, and so does NoLeaderEpoch.
	//
	// The same is asked for every partition whose leader epoch changes while it is read, with the epoch of the last batch.
	StartAfter(tp TopicPartition, offset int64, epoch int32)

	// Stop ends reading of tp. No batch of it is returned afterwards.
	Stop(tp TopicPartition)

	// Pause keeps the position of tp but returns no batch of it until Resume.
	Pause(tp TopicPartition)
	Resume(tp TopicPartition)

	// Poll returns the next batch of any partition, in an order that is fair to all. It waits for at most wait, and
	// returns nil when there is nothing, or when Wake was called. It does not wait if wait is zero.
	//
	// An [*OffsetOutOfRangeError], a [*TruncatedError] or a [*TopicReplacedError] stops the partition that it names and leaves the others alone. A leader that moves
	// or a broker that does not answer is not an error: the fetcher tries again for as long as it takes.
	Poll(ctx context.Context, wait time.Duration) (*Batch, error)

	// Wake makes a Poll that waits return at once, or the next one if none waits. Any goroutine may call it.
	Wake()

	Close() error
}

// MaxRequestBytes is the largest request that Kafka takes by default (socket.request.max.bytes).
const MaxRequestBytes = 100 << 20

// DefaultMaxRecordBytes is the default of [ProducerConfig.MaxRecordBytes].
const DefaultMaxRecordBytes = MaxRequestBytes - 64<<10

// ProducerConfig configures a Producer. Zero values mean the defaults.
type ProducerConfig struct {
	// Compression is one of "", "none", "gzip", "snappy", "lz4", "zstd". The default is none.
	Compression string
	// BufferBytes bounds the bytes that were sent and are not acknowledged yet. Send waits when it is reached. The default is 32 MiB.
	BufferBytes int
	// DeliveryTimeout is how long a batch may take to be acknowledged, retries included. The default is 2 minutes.
	DeliveryTimeout time.Duration
	// MaxRecordBytes is the largest record that is sent. The default is [MaxRequestBytes] less 64 KiB; the cluster refuses
	// records that exceed max.message.bytes of their topic.
	MaxRecordBytes int
	// TransactionalID makes the producer transactional, and fences every other producer with this id: its uncommitted
	// transaction is aborted.
	TransactionalID string
	// Group is the group with the offsets of the transactions. Offsets that the id has left pending there are dropped before
	// the first transaction, also those that the cluster has lost track of. Empty drops nothing.
	Group string
	// TransactionTimeout is how long a transaction may stay open before the cluster aborts it and fences the producer.
	// The default is 1 minute.
	TransactionTimeout time.Duration
	// OnAcknowledged is told of each batch that is acknowledged, with the time of its first record in milliseconds. In a transaction the
	// batch may still be aborted. It is called under locks, must return at once, and may be nil.
	OnAcknowledged func(tp TopicPartition, firstMillis int64)
	// OnError is told of errors of partitions: of batches that are given up, and of those that were met several times in a row
	// while the producer tries again. It is called under locks, must return at once, and may be nil.
	OnError func(PartitionError)
}

// Producer appends records to partitions: idempotent, acknowledged by all in-sync replicas, in order per partition.
//
// With a TransactionalID everything that is sent belongs to a transaction, which begins with the first Send and ends with
// Commit or Abort. An error that wraps [ErrAborted] then says that Abort must be called, after which the producer can be
// used again; one that wraps [weir.ErrFenced] says that the producer is of no more use; any other is final as well.
type Producer interface {
	// Send hands over records for one partition. The slice and everything that it refers to belong to the producer
	// until the next Flush returns, or until it releases them: see OnReleased.
	//
	// It blocks while BufferBytes is reached. It may return an error of an earlier batch.
	Send(ctx context.Context, tp TopicPartition, records []Record) error

	// OnReleased sets the function that gets each slice of Send back, whole, once the producer uses neither the slice nor anything that it
	// refers to any more: its records were acknowledged, or dropped by Abort. A producer that fails or is closed need not release what it
	// has. OnReleased must be called before the first Send. The function may be called on any goroutine, with locks of the
	// producer held: it must neither block nor call the producer.
	OnReleased(func(records []Record))

	// Flush waits until everything that was sent has been acknowledged. The first batch that could not be delivered
	// makes it, and every later call, return a [*DeliveryError].
	Flush(ctx context.Context) error

	// LastOffset returns the offset of the last acknowledged record of tp, if this producer has sent any.
	LastOffset(tp TopicPartition) (int64, bool)

	// Missing returns the partitions that cannot be written because the cluster does not know their topic, which was deleted as a
	// rule. Records for them wait until it is there again, for DeliveryTimeout at most. Any goroutine may call it.
	Missing() []TopicPartition

	// Commit flushes, adds the offsets of a group to the transaction, and commits it: records and offsets count
	// together or not at all. member is the sender of the offsets for the group: if it does not own its partitions
	// any more, the error wraps ErrAborted and ErrFenced. Without a transaction and offsets Commit does nothing. An
	// error leaves open whether the transaction was committed only if it wraps neither ErrAborted nor ErrFenced; it wraps
	// ErrUndecided if nothing else is known. details are as in [Group].
	//
	// It is an error if there is no TransactionalID.
	Commit(ctx context.Context, member GroupMember, offsets map[TopicPartition]int64, details CommitDetails) error

	// Abort ends the transaction: nothing that was sent in it is ever seen by readers of committed records. Without a
	// transaction it does nothing.
	Abort(ctx context.Context) error

	// Close gives up unacknowledged records, and aborts an open transaction as far as that takes no long wait.
	Close() error
}

// GroupMember identifies a member of a group at one generation.
type GroupMember struct {
	Group      string
	MemberID   string
	Generation int32
	// InstanceID is empty unless the membership is static.
	InstanceID string
}

// GroupConfig configures a Group. Zero values mean the defaults.
type GroupConfig struct {
	Group string
	// Topics are sets of topics that belong together: equal partition numbers of the topics of one set go to the same
	// member, as one unit. No topic is in two sets.
	Topics [][]string
	// Warm returns partitions with state on this disk, one of each unit. They come here rather than elsewhere,
	// as far as the load stays even. It may be nil. It is called by another goroutine at each rebalance.
	Warm func() []TopicPartition
	// Fingerprint names the topology, so that members with different ones are noticed. It may be empty.
	Fingerprint string
	// Endpoint is the address of this member for others. It may be empty.
	Endpoint string
	// OnOwners is told after each rebalance, by the goroutine of the group, of the partitions of this member and of all members with an endpoint.
	// It may be nil, and keeps no argument.
	OnOwners func(own []TopicPartition, byEndpoint map[string][]TopicPartition)
	// InstanceID makes the membership static.
	InstanceID string
	// SessionTimeout is how long the group waits for a member that is silent. The default is 45 s.
	SessionTimeout time.Duration
	// HeartbeatInterval defaults to 3 s.
	HeartbeatInterval time.Duration
	// RebalanceTimeout is how long a member may take to give up partitions. The default is 5 minutes.
	RebalanceTimeout time.Duration
}

// Group is a membership in a consumer group. Rebalances are incremental: partitions that stay with a member are not part
// of any event and can be worked on all the while.
type Group interface {
	// Poll returns the next change of the assignment, or nil when there was none within wait. It does not wait if
	// wait is zero. An error is final.
	Poll(ctx context.Context, wait time.Duration) (*GroupEvent, error)

	// Commit commits the next offsets to read, as the member and generation of now. Any goroutine may call it.
	// [weir.ErrFenced] says that the member does not own its partitions any more. The cluster keeps the details with the offset; a
	// partition without any gets no leader epoch and no metadata. details may be nil.
	Commit(ctx context.Context, offsets map[TopicPartition]int64, details CommitDetails) error

	// Member returns the member and generation of now, or the former ones while an event that takes partitions away is
	// not done: records written for these partitions cannot be committed in a transaction. Any goroutine may call it.
	Member() GroupMember

	// Leave leaves the group, so that the others take over at once, and closes the connections. Every partition
	// counts as revoked; no event says so. The group keeps the partitions of a static member for it, until its
	// session ends. Leave may be called while another goroutine is in Poll, which then returns.
	Leave(ctx context.Context) error
}

// GroupEventKind is a kind of change of an assignment.
type GroupEventKind int8

const (
	// Assigned partitions may be read from now on.
	Assigned GroupEventKind = iota
	// Revoked partitions must be given up; offsets can still be committed until Done is called.
	Revoked
	// Lost partitions may have another owner already; their offsets cannot be committed.
	Lost
)

// String returns "assigned", "revoked" or "lost".
func (k GroupEventKind) String() string { return [...]string{"assigned", "revoked", "lost"}[k] }

// GroupEvent is a change of the assignment. The group waits until Done is called.
type GroupEvent struct {
	Kind       GroupEventKind
	Partitions []TopicPartition
	// Done tells the group that the change has been acted on. It is never nil. It must be called exactly once.
	Done func()
}

// Errors of the boundary. Implementations wrap them, with the error of the client.
var (
	// ErrAborted says that a transaction cannot be committed and has to be aborted.
	ErrAborted = errors.New("the transaction has to be aborted")
	// ErrUndecided says that it is not known whether a transaction was committed. The producer is of no more use; one that
	// takes its place decides it.
	ErrUndecided = weir.ErrUndecided
	// ErrRefused says that the cluster does not take a record, and never will: it is larger than max.message.bytes of the
	// topic, it has no key and the topic is compacted, or its time is outside of the limits of the topic.
	ErrRefused = errors.New("the cluster refuses the record")
	// ErrHopeless says that another try would fail in the same way, and that no record is to blame: the settings of the topic or of the
	// cluster do not allow the request, or a topic was missing for the whole of DeliveryTimeout. A missing permission is
	// [weir.ErrUnauthorized] instead.
	ErrHopeless = errors.New("another try would fail in the same way")
)

// OffsetOutOfRangeError says that a fetcher was started at an offset that the partition does not have.
type OffsetOutOfRangeError struct {
	TopicPartition
	Offset        int64
	Earliest, End int64
}

func (e *OffsetOutOfRangeError) Error() string {
	return fmt.Sprintf("%s: offset %d is out of range: the partition holds %d to %d", e.TopicPartition, e.Offset, e.Earliest, e.End)
}

// TruncatedError says that the log of a partition lost its last records, as by an unclean election of a leader, and that it holds
// other records now at offsets before Offset. It is an [*OffsetOutOfRangeError] too.
type TruncatedError struct {
	OffsetOutOfRangeError
	// LeaderEpoch is the leader epoch of the record before Offset when it was read.
	LeaderEpoch int32
	// Kept is the first offset whose record is not the one that the partition held in that epoch, and KeptEpoch the leader epoch of the
	// log before it.
	Kept      int64
	KeptEpoch int32
}

// Error names the partition and both offsets.
func (e *TruncatedError) Error() string {
	return fmt.Sprintf("%s: offset %d was next (leader epoch %d), and the partition has lost its last records from offset %d on, as by an unclean "+
		"election of a leader: it holds %d to %d", e.TopicPartition, e.Offset, e.LeaderEpoch, e.Kept, e.Earliest, e.End)
}

// Unwrap returns the offset and the bounds.
func (e *TruncatedError) Unwrap() error { return &e.OffsetOutOfRangeError }

// TopicReplacedError says that the topic of a partition that a fetcher reads was deleted, and that another one has its name now. It
// is noticed when the partition cannot be read for a moment, so a topic that is made anew at once may go unnoticed.
type TopicReplacedError struct {
	TopicPartition
	// Former is the id of the topic that was read, ID that of the topic that has its name now.
	Former, ID string
}

func (e *TopicReplacedError) Error() string {
	return fmt.Sprintf("%s was deleted and made anew: the topic with id %s was read, and the topic has id %s now", e.TopicPartition, e.Former, e.ID)
}

// DeliveryError says that a batch was not, or may not have been, appended.
type DeliveryError struct {
	TopicPartition
	Err error
}

func (e *DeliveryError) Error() string {
	return fmt.Sprintf("deliver to %s: %v", e.TopicPartition, e.Err)
}
func (e *DeliveryError) Unwrap() error { return e.Err }
