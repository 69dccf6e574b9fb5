package kafka

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
)

// Consumer reads topics outside of a pipeline, as a member of a consumer group. It reads committed records only. One goroutine
// uses it, and calls Poll more often than every Config.RebalanceTimeout.
type Consumer struct {
	cluster broker.Cluster
	group   broker.Group
	fetcher broker.Fetcher
	name    string
	topics  map[string]string // names in ConsumerOptions.Topics, by those on the cluster
	reset   OffsetReset
	manual  bool
	// next holds the offsets behind the records that Poll has returned and Commit has not committed yet.
	next map[broker.TopicPartition]int64
	// details are those of the next commit of the assigned partitions: the leader epoch of the last record, and a note.
	details broker.CommitDetails
	batch   *broker.Batch
	at      int
}

// ConsumerOptions configure a Consumer.
type ConsumerOptions struct {
	// Topics are the topics to read, by their names in the program: see Config.Prefix and Config.TopicName.
	Topics []string
	// Group is the consumer group, without Config.Prefix. It must not be that of a runtime.App: members share the partitions.
	Group string
	// ManualCommit leaves committing offsets to calls of Commit. By default the offsets behind all records that Poll has returned
	// are committed when partitions are given up and when the Consumer is closed.
	ManualCommit bool
}

// Message is a record as it lies on a topic. A nil key or value is null. The memory belongs to the caller.
type Message struct {
	weir.Origin
	Key, Value []byte
	Headers    []weir.Header
	Time       time.Time

	clusterName string // the name of Topic on the cluster
}

// NewConsumer connects to the cluster and returns a consumer. In partitions without a committed offset of the group it begins at
// Config.OffsetReset. It waits for a broker, as long as Config.BrokerTimeout allows. The caller closes the consumer.
//
// The error wraps weir.ErrConfiguration, weir.ErrUnavailable or weir.ErrUnauthorized, or is the cause of the end of ctx.
func NewConsumer(ctx context.Context, config Config, options ConsumerOptions) (*Consumer, error) {
	if len(options.Topics) == 0 || options.Group == "" {
		return nil, fmt.Errorf("consumer: %w: give ConsumerOptions.Topics and ConsumerOptions.Group", weir.ErrConfiguration)
	}
	config, err := config.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("consumer: %w", err)
	}
	cluster, err := config.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("consumer: %w", err)
	}
	c := &Consumer{
		cluster: cluster, name: config.Prefix + options.Group, topics: map[string]string{}, reset: config.OffsetReset,
		manual: options.ManualCommit, next: map[broker.TopicPartition]int64{}, details: broker.CommitDetails{},
	}
	var units [][]string
	for _, topic := range options.Topics {
		name := config.TopicName(topic)
		c.topics[name] = topic
		units = append(units, []string{name})
	}
	if c.fetcher, err = cluster.NewFetcher(broker.FetcherConfig{}); err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	c.group, err = cluster.NewGroup(broker.GroupConfig{
		Group: c.name, Topics: units, SessionTimeout: config.SessionTimeout, RebalanceTimeout: config.RebalanceTimeout,
	})
	if err != nil {
		return nil, errors.Join(err, c.fetcher.Close(), cluster.Close())
	}
	return c, nil
}

// Poll returns the next record of any partition that the group has assigned to this member, or nil if none has come within
// wait.
//
// The error wraps weir.ErrUnknownTopic, weir.ErrLostInput if the next record was removed or its topic was made anew, weir.ErrNoOffset with
// [NoReset], weir.ErrUnauthorized, or weir.ErrUnavailable if a request of the group found no broker; or it is the cause of the end of ctx. While
// the brokers of a partition are away Poll returns nil, nil.
func (c *Consumer) Poll(ctx context.Context, wait time.Duration) (*Message, error) {
	for deadline := time.Now().Add(wait); ; {
		if event, err := c.group.Poll(ctx, 0); err != nil {
			return nil, err // which names the group
		} else if event != nil {
			if err := c.handle(ctx, event); err != nil {
				return nil, err
			}
		}
		if m := c.take(); m != nil {
			return m, nil
		}
		left := time.Until(deadline)
		batch, err := c.fetcher.Poll(ctx, max(0, min(left, 100*time.Millisecond)))
		if err != nil {
			return nil, lostInput(err)
		}
		c.batch, c.at = batch, 0
		if m := c.take(); m != nil {
			return m, nil
		}
		if left <= 0 || ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
}

// lostInput marks the error of a fetcher if the next record of a partition is gone.
func lostInput(err error) error {
	_, removed := errors.AsType[*broker.OffsetOutOfRangeError](err)
	_, replaced := errors.AsType[*broker.TopicReplacedError](err)
	if removed || replaced {
		return fmt.Errorf("%w: %w", weir.ErrLostInput, err)
	}
	return err
}

// take returns the next record of the batch at hand.
func (c *Consumer) take() *Message {
	b := c.batch
	if b == nil {
		return nil
	}
	if c.at >= len(b.Records) {
		if len(b.Records) == 0 && b.NextOffset > c.next[b.TopicPartition] {
			c.moved(b.TopicPartition, b.NextOffset, b.LeaderEpoch)
		}
		b.Release()
		c.batch = nil
		return nil
	}
	r := b.Records[c.at]
	c.at++
	c.moved(b.TopicPartition, r.Offset+1, r.LeaderEpoch)
	m := &Message{
		clusterName: b.Topic,
		Origin:      weir.Origin{Topic: c.topics[b.Topic], Partition: b.Partition, Offset: r.Offset, Size: len(r.Value), LeaderEpoch: r.LeaderEpoch},
		Key:         bytes.Clone(r.Key), Value: bytes.Clone(r.Value), Headers: slices.Clone(r.Headers), Time: time.UnixMilli(r.Millis),
	}
	for i := range m.Headers {
		m.Headers[i].Value = bytes.Clone(m.Headers[i].Value)
	}
	return m
}

// moved notes the next position of a partition, and the leader epoch of the log before it.
func (c *Consumer) moved(tp broker.TopicPartition, next int64, epoch int32) {
	detail := c.details[tp]
	detail.LeaderEpoch = epoch
	c.next[tp], c.details[tp] = next, detail
}

// handle acts on a change of the assignment.
func (c *Consumer) handle(ctx context.Context, event *broker.GroupEvent) error {
	defer event.Done()
	if event.Kind == broker.Assigned {
		return c.start(ctx, event.Partitions)
	}
	var err error
	if event.Kind == broker.Revoked && !c.manual {
		err = c.Commit(ctx)
	}
	for _, tp := range event.Partitions {
		c.fetcher.Stop(tp)
		delete(c.next, tp)
		if c.batch != nil && c.batch.TopicPartition == tp {
			c.batch.Release()
			c.batch = nil
		}
	}
	return err
}

func (c *Consumer) start(ctx context.Context, tps []broker.TopicPartition) error {
	topics := map[string]bool{}
	for _, tp := range tps {
		topics[tp.Topic] = true
	}
	infos, err := c.cluster.Topics(ctx, slices.Sorted(maps.Keys(topics))...)
	if err != nil {
		return err
	}
	all := slices.Clone(tps)
	for topic := range topics {
		for n := range infos[topic].Partitions {
			if tp := (broker.TopicPartition{Topic: topic, Partition: n}); !slices.Contains(tps, tp) {
				all = append(all, tp)
			}
		}
	}
	committed, err := c.cluster.Commits(ctx, c.name, all...)
	if err != nil {
		return err
	}
	earliest, err := c.cluster.Offsets(ctx, broker.Earliest, tps...)
	if err != nil {
		return err
	}
	ends, err := c.cluster.Offsets(ctx, broker.End, tps...)
	if err != nil {
		return err
	}
	for _, tp := range tps {
		info := infos[tp.Topic]
		commit, ok := committed[tp]
		offset := commit.Offset
		switch {
		case ok:
		case c.reset == NoReset:
			return fmt.Errorf("%w of group %q for %s, and Config.OffsetReset says to fail", weir.ErrNoOffset, c.name, tp)
		case c.reset == Latest && !broker.AddedLater(tp, info.ID, committed):
			offset = ends[tp]
		default:
			offset = earliest[tp]
		}
		note, epoch := broker.DecodeCommitNote(commit.Metadata), int32(broker.NoLeaderEpoch)
		if ok && note.TopicID != "" && note.TopicID == info.ID {
			epoch = commit.LeaderEpoch
		}
		note = broker.CommitNote{TopicID: info.ID, FirstPartitions: cmp.Or(note.FirstPartitions, info.Partitions)}
		c.details[tp] = broker.CommitDetail{LeaderEpoch: epoch, Metadata: note.Encode()}
		c.fetcher.StartAfter(tp, offset, epoch)
	}
	return nil
}

// Commit commits the offsets behind all records that Poll has returned. The error wraps weir.ErrFenced if the group has given the
// partitions to another member, weir.ErrUnavailable or weir.ErrUnauthorized, or is the cause of the end of ctx.
func (c *Consumer) Commit(ctx context.Context) error {
	if len(c.next) == 0 {
		return nil
	}
	if err := c.group.Commit(ctx, c.next, c.details); err != nil {
		return err // which names the group
	}
	clear(c.next)
	return nil
}

// Close commits, unless that is left to the caller, leaves the group and closes the connections. The errors are those of
// [Consumer.Commit].
func (c *Consumer) Close(ctx context.Context) error {
	var err error
	if !c.manual {
		err = c.Commit(ctx)
	}
	if c.batch != nil {
		c.batch.Release()
		c.batch = nil
	}
	return errors.Join(err, c.group.Leave(ctx), c.fetcher.Close(), c.cluster.Close())
}

// Decode turns a message of a topic into a typed record. The record shares the headers of the message. The error is that of
// the codec: it wraps codec.ErrIgnore for a message that the codec passes over, and codec.ErrUnavailable or codec.ErrOutage if the codec needs a
// registry that refuses or does not answer.
func Decode[K, V any](topic Topic[K, V], m *Message) (weir.Record[K, V], error) {
	r := weir.Record[K, V]{
		Millis: m.Time.UnixMilli(), Headers: m.Headers, Origin: &m.Origin,
	}
	name := cmp.Or(m.clusterName, m.Topic)
	var err error
	r.Key, r.KeyNull, err = codec.DecodeNullable(topic.KeyCodec(), &codec.Context{Topic: name, Part: codec.Key, Headers: m.Headers}, m.Key)
	if err != nil {
		return r, err
	}
	r.Value, r.ValueNull, err = codec.DecodeNullable(topic.ValueCodec(), &codec.Context{Topic: name, Part: codec.Value, Headers: m.Headers}, m.Value)
	return r, err
}
